//! The registry: every fetch that begins has one end, whatever becomes of its response.
#![cfg(feature = "http")]

mod http_support;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use eyewall::http::{Client, ClientEvent, ClientRegistration, ErrorKind, Flow, Response};
use futures_util::{FutureExt, StreamExt};
use http_support::{Reply, Server, run, until};

type Told = Rc<RefCell<Vec<String>>>;

/// What is told of the fetches of `client`.
fn listen(client: &Client) -> (Told, ClientRegistration) {
    let told = Told::default();
    let (telling, looking) = (Rc::clone(&told), client.clone());
    let going = Cell::new(0);
    let registration = client.on(move |event| {
        let end = || {
            going.set(going.get() - 1);
            assert!(
                looking.active_fetches() <= going.get(),
                "its place is free by then"
            );
        };
        telling.borrow_mut().push(match event {
            ClientEvent::Begun { url } => {
                going.set(going.get() + 1);
                format!("begun {}", url.starts_with("http://127.0.0.1"))
            }
            ClientEvent::Responded { status, .. } => format!("{}", status.as_u16()),
            ClientEvent::Redirected { .. } => "redirected".into(),
            ClientEvent::Ended { url, timings } => {
                assert!(timings.total.is_some() && url.has_host());
                end();
                "ended".into()
            }
            ClientEvent::Dropped { url, received } => {
                assert!(*received > 0 && url.has_host());
                end();
                "dropped".into()
            }
            ClientEvent::Failed { error } => {
                end();
                match error.kind() {
                    ErrorKind::Truncated { .. } => "failed: truncated".into(),
                    kind => format!("failed: {kind:?}"),
                }
            }
            _ => return,
        });
    });
    (told, registration)
}

fn server() -> Server {
    Server::new(|request| match request.target() {
        "/away" => Reply::redirect(302, "/"),
        "/nothing" => Reply::text("HTTP/1.1 204 No Content\r\n\r\n"),
        "/chunked" => Reply::text(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: 1\r\n\r\n",
        ),
        "/stall" => Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".into()),
        "/cut" => Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".into()),
        "/garbled" => Reply::Close(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx".into(),
        ),
        "/switch" => Reply::Stall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".into(),
        ),
        _ => Reply::ok("ok"),
    })
}

type Done = Pin<Box<dyn Future<Output = ()>>>;

/// What a user does with a response.
type Use = fn(Response) -> Done;

fn read(mut response: Response) -> Done {
    Box::pin(async move {
        while let Ok(Some(_)) = response.chunk().await {}
        // Nothing is told again.
        assert!(!matches!(response.chunk().await, Ok(Some(_))));
    })
}

fn all(mut response: Response) -> Done {
    Box::pin(async move { drop(response.bytes().await) })
}

fn text(mut response: Response) -> Done {
    Box::pin(async move { drop(response.text().await) })
}

fn whole(response: Response) -> Done {
    Box::pin(async move { drop(response.whole().await) })
}

fn streamed(response: Response) -> Done {
    Box::pin(async move { response.into_chunks().for_each(async |_| {}).await })
}

fn pushed(response: Response) -> Done {
    Box::pin(async move { drop(response.push(|_| Flow::Continue).await) })
}

fn push_cancelled(response: Response) -> Done {
    Box::pin(async move { drop(response.push(|_| Flow::Cancel).await) })
}

fn push_dropped(response: Response) -> Done {
    Box::pin(async move { drop(response.push(|_| Flow::Pause)) })
}

fn push_dropped_within(response: Response) -> Done {
    Box::pin(async move {
        let own = Rc::new(RefCell::new(None));
        let dropping = Rc::clone(&own);
        own.replace(Some(response.push(move |_| {
            drop(dropping.take());
            Flow::Continue
        })));
        until("it has been dropped", || own.borrow().is_none()).await;
    })
}

fn unread(response: Response) -> Done {
    Box::pin(async move { drop(response) })
}

fn begun(mut response: Response) -> Done {
    Box::pin(async move { assert!(response.chunk().await.unwrap().is_some()) })
}

fn upgraded(response: Response) -> Done {
    Box::pin(async move { drop(response.upgrade().await) })
}

#[test]
fn whatever_is_done_with_a_response_its_fetch_has_one_end() {
    let server = server();
    let cases: [(&str, Use, &str); 23] = [
        ("/", read, "200 ended"),
        ("/", all, "200 ended"),
        ("/", text, "200 ended"),
        ("/", whole, "200 ended"),
        ("/", streamed, "200 ended"),
        ("/", pushed, "200 ended"),
        ("/", unread, "200 dropped"),
        ("/", upgraded, "200 dropped"),
        ("/", push_cancelled, "200 failed: Cancelled"),
        ("/nothing", unread, "204 ended"),
        ("/nothing", read, "204 ended"),
        ("/away", read, "redirected 200 ended"),
        ("/away", unread, "redirected 200 dropped"),
        ("/chunked", read, "200 ended"),
        ("/chunked", text, "200 ended"),
        ("/chunked", begun, "200 dropped"),
        ("/stall", begun, "200 dropped"),
        ("/stall", push_dropped, "200 dropped"),
        ("/chunked", push_dropped_within, "200 dropped"),
        ("/cut", read, "200 failed: truncated"),
        ("/cut", all, "200 failed: truncated"),
        ("/garbled", read, "200 failed: Decode"),
        ("/switch", upgraded, "101 ended"),
    ];
    for (path, usage, expected) in cases {
        if path == "/garbled" && !cfg!(feature = "compression") {
            continue;
        }
        run(async {
            let client = Client::new();
            let (told, _registration) = listen(&client);
            let mut request = client.get(server.url(path));
            if path == "/switch" {
                request = request
                    .header("upgrade", "x")
                    .header("connection", "upgrade");
            }
            let response = request.send().await.unwrap();
            usage(response).await;
            // What a push has of it goes in a turn.
            until("it has ended", || client.active_fetches() == 0).await;
            drop(client);
            let expected = format!("begun true {expected}");
            assert_eq!(told.borrow().join(" "), expected, "{path}");
        });
    }
}

#[test]
fn a_fetch_without_a_response_has_one_end() {
    let server = server();
    run(async {
        let client = Client::new();
        let (told, _registration) = listen(&client);
        let told = || told.take().join(" ");
        client.get("http://[").send().await.unwrap_err();
        assert_eq!(told(), "begun false failed: Url");
        client.get("http://127.0.0.1:1/").send().await.unwrap_err();
        assert_eq!(told(), "begun true failed: Connect");
        let raising = client.get(server.url("/nothing")).raise_for_status(true);
        raising.send().await.unwrap();
        assert_eq!(told(), "begun true 204 ended");
        let request = client.get(server.url("/"));
        assert!(Box::pin(request.send()).now_or_never().is_none());
        assert_eq!(told(), "begun true failed: Cancelled");
        let stalled = client.get(server.url("/stall")).start();
        let asked = || server.targets().iter().any(|target| target == "/stall");
        until("it is asked", asked).await;
        drop(stalled);
        until("it has ended", || client.active_fetches() == 0).await;
        let told = told();
        let (before, within) = ("begun true failed: Cancelled", "begun true 200 dropped");
        assert!(told == before || told == within, "{told}");
    });
}

#[test]
fn who_has_not_heard_of_the_begin_does_not_hear_of_the_end() {
    let server = server();
    run(async {
        let client = Client::new();
        let mut unheard = client.get(server.url("/")).send().await.unwrap();
        let (early, _early) = listen(&client);
        let mut heard = client.get(server.url("/")).send().await.unwrap();
        let (late, _late) = listen(&client);
        assert_eq!(unheard.text().await.unwrap(), "ok");
        drop(unheard);
        assert_eq!(heard.text().await.unwrap(), "ok");
        drop(heard);
        assert_eq!(early.borrow().join(" "), "begun true 200 ended");
        assert!(late.borrow().is_empty(), "{late:?}");
    });
}

#[test]
fn a_reactor_that_goes_tells_of_the_end_of_each() {
    let server = server();
    let reactor = eyewall::Reactor::new().unwrap();
    let (told, registration, response) = reactor
        .block_on(async {
            let client = Client::new();
            let (told, registration) = listen(&client);
            client.get(server.url("/stall")).start().detach();
            let response = client.get(server.url("/stall")).send().await.unwrap();
            until("both are asked", || server.requests().len() == 2).await;
            (told, registration, response)
        })
        .unwrap();
    drop(reactor);
    drop(response);
    let ends = |what: &str| {
        told.borrow()
            .iter()
            .filter(|told| told.starts_with(what))
            .count()
    };
    assert_eq!(ends("begun"), 2);
    assert_eq!(
        ends("dropped") + ends("failed") + ends("ended"),
        2,
        "{told:?}"
    );
    drop(registration);
}

#[test]
fn who_begins_a_fetch_inside_a_callback_hears_neither_its_begin_nor_its_end() {
    let server = server();
    run(async {
        let client = Client::new();
        let (others, _others) = listen(&client);
        let begun = Rc::new(RefCell::new(None));
        let (beginning, starting) = (Rc::clone(&begun), client.clone());
        let url = server.url("/nothing");
        let own = Told::default();
        let telling = Rc::clone(&own);
        let _own = client.on(move |event| match event {
            ClientEvent::Begun { .. } => telling.borrow_mut().push("begun".into()),
            ClientEvent::Ended { .. } => telling.borrow_mut().push("ended".into()),
            ClientEvent::Responded { .. } => {
                telling.borrow_mut().push("responded".into());
                let mut fetch = Box::pin(starting.get(url.as_str()).send());
                assert!((&mut fetch).now_or_never().is_none());
                beginning.replace(Some(fetch));
            }
            _ => {}
        });
        let mut response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        let other = begun.take().unwrap().await.unwrap();
        assert_eq!(other.status(), 204);
        assert_eq!(own.borrow().join(" "), "begun responded ended");
        let expected = "begun true 200 begun true ended 204 ended";
        assert_eq!(others.borrow().join(" "), expected);
    });
}

#[test]
fn a_callback_may_register_others_and_drop_registrations_whatever_it_is_told() {
    let server = server();
    run(async {
        let client = Client::new();
        for path in ["/", "/away", "/cut", "/nothing"] {
            let (registering, changed) = (client.clone(), Rc::new(Cell::new(0)));
            let (changing, other) = (Rc::clone(&changed), RefCell::new(None));
            let changes = client.on(move |_| {
                let new = registering.on(|_| {});
                drop(other.replace(Some(new)));
                changing.set(changing.get() + 1);
            });
            let (told, heard) = listen(&client);
            let mut response = client.get(server.url(path)).send().await.unwrap();
            while let Ok(Some(_)) = response.chunk().await {}
            drop((response, changes, heard));
            let told = told.borrow().len();
            assert!(changed.get() >= told, "{path}: {changed:?} of {told}");
        }
    });
}

/// Panics where it goes.
struct Panicking;

impl Drop for Panicking {
    fn drop(&mut self) {
        panic!("as wanted by the test");
    }
}

#[test]
fn what_a_callback_keeps_may_panic_where_it_goes() {
    let server = server();
    run(async {
        let client = Client::new();
        let own = Rc::new(RefCell::new(None));
        let (taking, kept) = (Rc::clone(&own), Panicking);
        let registration = client.on(move |_| {
            let _kept = &kept;
            drop(taking.take());
        });
        own.replace(Some(registration));
        let (told, _heard) = listen(&client);
        let mut response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        assert_eq!(told.borrow().join(" "), "begun true 200 ended");
        assert_eq!(eyewall::reactor::metrics().unwrap().panics, 1);
    });
}
