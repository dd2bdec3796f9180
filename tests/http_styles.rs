//! One fetch in every style of interface, for every way in which a fetch can end: the same result in all of them.
#![cfg(feature = "http")]

mod http_support;

use std::cell::{Cell, RefCell};
use std::error::Error as _;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use eyewall::http::{
    Client, ClientEvent, Error, ErrorKind, Fetch, FetchHandle, Fetched, HeaderMap, Phase,
    RemoteFetch, RequestBuilder, blocking,
};
use eyewall::promise::promise;
use eyewall::queue::CompletionQueue;
use eyewall::reactor::metrics;
use eyewall::time::sleep;
use eyewall::{JoinError, Reactor};
use futures_util::FutureExt;
use http_support::{LIMIT, Reply, Server, run, until};

/// Long enough for what the server sends before it stalls to be there: the error tells how far the fetch had come.
const STALLED: Duration = Duration::from_millis(400);

/// What a test compares: everything that does not depend on the moment.
#[derive(Debug, PartialEq)]
enum Outcome {
    Fetched {
        status: u16,
        reason: String,
        headers: HeaderMap,
        body: Vec<u8>,
        url: String,
        redirects: usize,
    },
    Failed(ErrorKind, Option<String>, String),
}

fn outcome(result: &Result<Fetched, Error>) -> Outcome {
    match result {
        Ok(fetched) => Outcome::Fetched {
            status: fetched.status.as_u16(),
            reason: fetched.reason.to_string(),
            headers: fetched.headers.clone(),
            body: fetched.body.to_vec(),
            url: fetched.url.to_string(),
            redirects: fetched.history.len(),
        },
        Err(error) => Outcome::Failed(
            error.kind(),
            error.url().map(str::to_owned),
            error.to_string(),
        ),
    }
}

/// The result of the same request in each style: coroutine, callback, future, done-callback, delivery, another thread.
async fn in_all_styles(
    client: &Client,
    make: impl Fn(&Client) -> RequestBuilder + Clone + Send + 'static,
) -> Vec<(&'static str, Outcome)> {
    let mut outcomes = Vec::new();
    let coroutine = async { make(client).send().await?.whole().await };
    outcomes.push(("coroutine", outcome(&coroutine.await)));

    let (promise, promised) = promise();
    make(client).call(|result| promise.set(result)).unwrap();
    outcomes.push(("callback", outcome(&promised.await.unwrap())));

    let fetch = make(client).start();
    let (promise, promised) = eyewall::promise::promise();
    fetch.on_done(|result| promise.set(outcome(result)));
    outcomes.push(("future", outcome(&fetch.await)));
    outcomes.push(("done-callback", promised.await.unwrap()));

    let queue = CompletionQueue::bounded(1);
    make(client).deliver(&queue, "tag").unwrap();
    let (tag, result) = queue.recv().await.unwrap();
    assert_eq!(tag, "tag");
    outcomes.push(("delivery", outcome(&result)));

    let handle = client.handle().unwrap();
    let remote = std::thread::spawn(move || handle.fetch(make).wait());
    let result = eyewall::spawn_blocking(|| remote.join().unwrap()).await;
    outcomes.push(("another thread", outcome(&result.unwrap())));
    outcomes
}

fn all_equal(outcomes: Vec<(&'static str, Outcome)>) -> Outcome {
    let mut outcomes = outcomes.into_iter();
    let (_, first) = outcomes.next().unwrap();
    for (style, outcome) in outcomes {
        assert_eq!(outcome, first, "{style}");
    }
    first
}

#[test]
fn s01_every_style_gives_the_same_response_and_the_same_error() {
    let server = Server::new(|request| match request.target() {
        "/stall" => Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".into()),
        "/cut" => Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".into()),
        "/away" => Reply::redirect(303, "/ok"),
        _ => Reply::text("HTTP/1.1 404 Gone Fishing\r\nX-Test: 1\r\nContent-Length: 4\r\n\r\nbody"),
    });
    let cases: [(String, Option<ErrorKind>); 6] = [
        (server.url("/ok"), None),
        (server.url("/away"), None),
        (
            server.url("/stall"),
            Some(ErrorKind::Timeout {
                phase: Phase::Total,
                limit: STALLED,
            }),
        ),
        (
            server.url("/cut"),
            Some(ErrorKind::Truncated {
                received: 2,
                expected: Some(5),
            }),
        ),
        ("http://127.0.0.1:1/".into(), Some(ErrorKind::Connect)),
        ("http://[".into(), Some(ErrorKind::Url)),
    ];
    for (url, expected) in cases {
        let make = {
            let url = url.clone();
            move |client: &Client| {
                let limit = match url.contains("stall") {
                    true => STALLED,
                    false => LIMIT,
                };
                client.get(&url).timeout(limit)
            }
        };
        let mut outcomes = run(in_all_styles(&Client::new(), make.clone()));
        let blocking = blocking::Client::new().unwrap();
        let result = blocking.fetch(make(blocking.requests()));
        outcomes.push(("blocking", outcome(&result)));
        match (all_equal(outcomes), expected) {
            (Outcome::Fetched { status, .. }, None) => assert_eq!(status, 404),
            (Outcome::Failed(kind, ..), Some(expected)) => assert_eq!(kind, expected),
            (other, _) => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn s01_closing_the_client_is_the_same_error_in_every_style() {
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    // Closed before.
    run(async {
        let client = Client::new();
        client.close();
        let url = server.url("/");
        let outcomes = in_all_styles(&client, move |client| client.get(&url)).await;
        assert!(matches!(
            all_equal(outcomes),
            Outcome::Failed(ErrorKind::Closed, ..)
        ));
    });
    let closed = blocking::Client::new().unwrap();
    closed.close();
    closed.close();
    let error = closed
        .fetch(closed.requests().get(server.url("/")))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    // Closed meanwhile.
    run(async {
        let client = Client::new();
        let url = server.url("/");
        let results: Rc<RefCell<Vec<Outcome>>> = Rc::default();
        let seen = Rc::clone(&results);
        client
            .get(&url)
            .call(move |result| seen.borrow_mut().push(outcome(&result)))
            .unwrap();
        let fetch = client.get(&url).start();
        let queue = CompletionQueue::bounded(1);
        client.get(&url).deliver(&queue, ()).unwrap();
        let remote = client
            .handle()
            .unwrap()
            .fetch(move |client| client.get(url));
        until("four are active", || server.requests().len() == 4).await;
        client.close();
        let last = [fetch.await, queue.recv().await.unwrap().1, remote.await];
        let mut results = results.take();
        results.extend(last.iter().map(outcome));
        let results = results.into_iter().map(|result| ("", result));
        assert!(matches!(
            all_equal(results.collect()),
            Outcome::Failed(ErrorKind::Closed, ..)
        ));
    });
}

#[test]
fn s01_cancelling_is_told_once_and_later_in_every_style() {
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    run(async {
        let client = Client::new();
        let url = server.url("/");
        let results: Rc<RefCell<Vec<ErrorKind>>> = Rc::default();
        let note = || {
            let seen = Rc::clone(&results);
            move |result: &Result<Fetched, Error>| {
                let error = result.as_ref().unwrap_err();
                assert!(error.url().is_some());
                seen.borrow_mut().push(error.kind());
            }
        };
        let callback = note();
        let call = client
            .get(&url)
            .call(move |result| callback(&result))
            .unwrap();
        let cancelled = client.get(&url).start();
        cancelled.on_done(note());
        let dropped = client.get(&url).start();
        dropped.on_done(note());
        let queue = CompletionQueue::bounded(1);
        let delivery = client.get(&url).deliver(&queue, ()).unwrap();
        let remote = {
            let url = url.clone();
            client
                .handle()
                .unwrap()
                .fetch(move |client| client.get(url))
        };
        until("five are active", || server.requests().len() == 5).await;
        call.cancel();
        cancelled.cancel();
        drop(dropped);
        delivery.cancel();
        drop(remote);
        assert!(results.borrow().is_empty(), "never inside the call");
        assert_eq!(
            queue.recv().await.unwrap().1.unwrap_err().kind(),
            ErrorKind::Cancelled
        );
        assert_eq!(cancelled.await.unwrap_err().kind(), ErrorKind::Cancelled);
        until("all are told", || results.borrow().len() == 3).await;
        assert_eq!(*results.borrow(), [ErrorKind::Cancelled; 3]);
        // A second time changes nothing.
        call.cancel();
        delivery.cancel();
        until("all is closed", || server.open() == 0).await;
        assert_eq!(results.borrow().len(), 3);
        assert_eq!(client.active_fetches(), 0);
    });
}

#[test]
fn s02_a_callback_never_runs_inside_the_call() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        for url in [
            server.url("/"),
            "http://[".into(),
            "http://127.0.0.1:1/".into(),
        ] {
            let inside = Rc::new(Cell::new(true));
            let (promise, called) = promise();
            let flag = Rc::clone(&inside);
            client
                .get(&url)
                .call(move |_| promise.set(flag.get()))
                .unwrap();
            inside.set(false);
            assert!(!called.await.unwrap(), "{url}");

            inside.set(true);
            let fetch = client.get(&url).start();
            let (promise, called) = eyewall::promise::promise();
            let flag = Rc::clone(&inside);
            fetch.on_done(move |_| promise.set(flag.get()));
            inside.set(false);
            assert!(!called.await.unwrap(), "{url}");

            // Nor does a result come to its queue inside the call, nor an event to the registry.
            let queue = CompletionQueue::bounded(1);
            let events = Rc::new(Cell::new(0));
            let count = Rc::clone(&events);
            let _registration = client.on(move |_| count.set(count.get() + 1));
            client.get(&url).deliver(&queue, ()).unwrap();
            assert!(queue.is_empty() && events.get() == 0, "{url}");
            let (_tag, _result) = queue.recv().await.unwrap();
        }
    });
}

#[test]
fn s03_a_callback_may_fetch_and_close_the_client() {
    let server = Server::new(|request| Reply::ok(request.target()));
    run(async {
        let client = Client::builder().max_clients(1).build();
        let (promise, promised) = promise();
        let (again, url) = (client.clone(), server.url("/second"));
        let first = move |result: Result<Fetched, Error>| {
            assert_eq!(result.unwrap().text(), "/first");
            let closing = again.clone();
            let second = move |result: Result<Fetched, Error>| {
                closing.close();
                promise.set(result.unwrap().text());
            };
            again.get(url).call(second).unwrap();
        };
        client.get(server.url("/first")).call(first).unwrap();
        assert_eq!(promised.await.unwrap(), "/second");
        assert!(client.is_closed());
    });
}

/// What gives a fetch up.
type GiveUp = Box<dyn FnOnce()>;

#[test]
fn s03_a_callback_may_give_its_fetch_up_in_its_first_turn() {
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    run(async {
        let client = Client::builder().max_clients(1).timeout(Duration::ZERO);
        let client = client.build();
        let first = client.get(server.url("/")).start();
        until("one is active", || client.active_fetches() == 1).await;
        // Nothing would wake those that wait for their turn behind it.
        let giving_up: Rc<RefCell<Option<GiveUp>>> = Rc::default();
        let asked = Rc::clone(&giving_up);
        let _registration = client.on(move |event| {
            if matches!(event, ClientEvent::Begun { .. })
                && let Some(give_up) = asked.take()
            {
                give_up();
            }
        });
        let kind = |result: Result<Fetched, Error>| result.unwrap_err().kind();

        let (promise, called) = promise();
        let call = client
            .get(server.url("/"))
            .call(|result| promise.set(result));
        let call = call.unwrap();
        giving_up.replace(Some(Box::new(move || call.cancel())));
        assert_eq!(kind(called.await.unwrap()), ErrorKind::Cancelled);

        let queue = CompletionQueue::bounded(1);
        let delivery = client.get(server.url("/")).deliver(&queue, ()).unwrap();
        giving_up.replace(Some(Box::new(move || delivery.cancel())));
        let (_, result) = queue.recv().await.unwrap();
        assert_eq!(kind(result), ErrorKind::Cancelled);

        let fetch = client.get(server.url("/")).start();
        giving_up.replace(Some(Box::new(move || drop(fetch))));
        until("it has begun", || giving_up.borrow().is_none()).await;
        until("nothing waits", || client.queued_fetches() == 0).await;
        drop(first);
    });
}

#[test]
fn s03_a_callback_may_give_its_fetch_up_in_its_last_turn() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let handle = Rc::new(RefCell::new(None::<FetchHandle>));
        let inside = Rc::new(Cell::new(false));
        let (cancelling, calling) = (Rc::clone(&handle), Rc::clone(&inside));
        let request = client.get(server.url("/")).on_head(move |_| {
            // The body lies behind the head.
            calling.set(true);
            cancelling.borrow().as_ref().unwrap().cancel();
            calling.set(false);
        });
        let (promise, called) = promise();
        let call = request.call(move |result| promise.set((result, inside.get())));
        handle.replace(Some(call.unwrap()));
        let (result, inside) = called.await.unwrap();
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(!inside);
        // One that has ended is left alone.
        handle.take().unwrap().cancel();
    });
}

#[test]
fn s04_a_blocking_fetch_inside_a_running_reactor_is_an_error() {
    let server = Server::new(|_| Reply::ok("ok"));
    let client = blocking::Client::new().unwrap();
    run(async {
        let error = client
            .fetch(client.requests().get(server.url("/")))
            .unwrap_err();
        for error in [error, blocking::fetch(server.url("/")).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Nested);
            let message = error.to_string();
            for part in ["would block the reactor", "await `send`", &server.url("/")] {
                assert!(message.contains(part), "{message}");
            }
        }
    });
    // Neither is harmed by that.
    assert_eq!(
        client
            .fetch(client.requests().get(server.url("/")))
            .unwrap()
            .text(),
        "ok"
    );
    assert_eq!(blocking::fetch(server.url("/")).unwrap().text(), "ok");
}

#[test]
fn where_no_reactor_runs_every_style_says_so() {
    let client = Client::new();
    let request = || client.get("http://127.0.0.1:1/");
    let called = Rc::new(Cell::new(false));
    let flag = Rc::clone(&called);
    let queue = CompletionQueue::bounded(1);
    let fetch = request().start();
    let errors = [
        request().call(move |_| flag.set(true)).unwrap_err(),
        request().deliver(&queue, ()).unwrap_err(),
        eyewall::block_on(fetch).unwrap().unwrap_err(),
        request().send().now_or_never().unwrap().unwrap_err(),
        eyewall::fetch("http://user:secret@127.0.0.1:1/")
            .now_or_never()
            .unwrap()
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Reactor);
        let reason = error.source().unwrap().to_string();
        assert!(reason.contains("eyewall::block_on"), "what to do: {reason}");
        assert_eq!(error.url(), Some("http://127.0.0.1:1/"));
    }
    assert_eq!(client.handle().unwrap_err().kind(), ErrorKind::Reactor);
    assert!(!called.get() && queue.is_empty());
}

#[test]
fn s05_a_done_callback_added_after_the_end_runs_in_the_next_turn() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let mut fetch = Client::new().get(server.url("/")).start();
        assert!(fetch.try_take().is_none());
        until("it is done", || fetch.is_done()).await;
        let order: Rc<RefCell<Vec<u32>>> = Rc::default();
        for number in 0..2 {
            let order = Rc::clone(&order);
            fetch.on_done(move |result| {
                assert!(result.is_ok());
                order.borrow_mut().push(number);
            });
        }
        assert!(order.borrow().is_empty());
        eyewall::yield_now().await;
        eyewall::yield_now().await;
        assert_eq!(*order.borrow(), [0, 1]);
        assert_eq!(fetch.try_take().unwrap().unwrap().text(), "ok");
        assert!(fetch.try_take().is_none());
    });
}

#[test]
fn a_future_runs_without_being_polled_and_after_it_was_detached() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let fetch = client.get(server.url("/a")).start();
        let (promise, promised) = promise();
        let detached = client.get(server.url("/b")).start();
        detached.on_done(|result| promise.set(result.is_ok()));
        detached.detach();
        until("both are asked", || server.requests().len() == 2).await;
        assert!(promised.await.unwrap());
        assert_eq!(fetch.await.unwrap().text(), "ok");
    });
}

/// A server that answers one request each time that it is let go.
fn holding() -> (Server, mpsc::Sender<()>) {
    let (let_go, held) = mpsc::channel();
    let held = Mutex::new(held);
    let server = Server::new(move |_| {
        held.lock().unwrap().recv().unwrap();
        Reply::ok("ok")
    });
    (server, let_go)
}

#[test]
fn a_remote_fetch_is_waited_for_as_long_as_its_user_likes() {
    let (server, let_go) = holding();
    run(async {
        let client = Client::new();
        let fetch = || {
            let url = server.url("/");
            client
                .handle()
                .unwrap()
                .fetch(move |client| client.get(url))
        };
        let waits = |fetch: RemoteFetch, timeout| {
            let wait = move || fetch.wait_timeout(timeout);
            eyewall::spawn_blocking(wait).map(|waited| waited.unwrap())
        };
        let given_back = waits(fetch(), Duration::from_millis(1)).await.unwrap_err();
        until("it goes on", || server.requests().len() == 1).await;
        let given_back = waits(given_back, Duration::ZERO).await.unwrap_err();
        let waiting = waits(given_back, Duration::MAX);
        let_go.send(()).unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().text(), "ok");

        let given_back = waits(fetch(), Duration::ZERO).await.unwrap_err();
        until("it is asked", || server.requests().len() == 2).await;
        drop(given_back);
        until("it is given up", || client.active_fetches() == 0).await;
        let_go.send(()).unwrap();

        let here = fetch().wait_timeout(LIMIT).unwrap();
        assert_eq!(here.unwrap_err().kind(), ErrorKind::Nested);
    });
}

#[test]
fn a_remote_fetch_ends_when_it_is_dropped_and_runs_on_when_it_was_detached() {
    let (server, let_go) = holding();
    run(async {
        let client = Client::new();
        let responses = Rc::new(Cell::new(0));
        let count = Rc::clone(&responses);
        let _registration = client.on(move |event| {
            if let ClientEvent::Responded { .. } = event {
                count.set(count.get() + 1);
            }
        });
        let handle = client.handle().unwrap();
        let url = server.url("/");
        let fetch = move || {
            let url = url.clone();
            handle.fetch(move |client| client.get(url))
        };
        let dropped = fetch();
        until("it is asked", || server.requests().len() == 1).await;
        drop(dropped);
        until("it is given up", || client.active_fetches() == 0).await;
        let_go.send(()).unwrap();
        let detached = fetch();
        until("it is asked again", || server.requests().len() == 2).await;
        detached.detach();
        fetch().detach();
        until("both are asked", || server.requests().len() == 3).await;
        assert_eq!((client.active_fetches(), responses.get()), (2, 0));
        let_go.send(()).unwrap();
        let_go.send(()).unwrap();
        until("both are done", || client.active_fetches() == 0).await;
        assert_eq!(responses.get(), 2);
    });
}

#[test]
fn s06_a_panic_in_a_callback_stops_nobody_else() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let before = metrics().unwrap().panics;
        let _registration = client.on(|_| panic!("on purpose, in the registry"));
        let seen = Rc::new(Cell::new(0));
        let count = Rc::clone(&seen);
        let _second = client.on(move |_| count.set(count.get() + 1));
        client
            .get(server.url("/"))
            .call(|_| panic!("on purpose, in a callback"))
            .unwrap();
        let fetch = client.get(server.url("/")).start();
        let (promise, promised) = promise();
        fetch.on_done(|_| panic!("on purpose, in a done-callback"));
        fetch.on_done(|result| promise.set(result.is_ok()));
        assert!(promised.await.unwrap());
        assert_eq!(fetch.await.unwrap().text(), "ok");
        until("both have ended", || client.active_fetches() == 0).await;
        assert!(metrics().unwrap().panics >= before + 4);
        assert!(seen.get() >= 4);
        let result = client
            .handle()
            .unwrap()
            .fetch(|_| panic!("on purpose, on the way"));
        assert_eq!(result.await.unwrap_err().kind(), ErrorKind::Cancelled);
    });
}

#[test]
fn s07_a_full_queue_is_waited_for_and_nothing_is_lost() {
    let server = Server::new(|request| Reply::ok(request.target()));
    run(async {
        let client = Client::new();
        let queue = CompletionQueue::bounded(2);
        for number in 0..50 {
            let url = server.url(&format!("/{number}"));
            client.get(url).deliver(&queue, number).unwrap();
        }
        until("all are fetched", || server.requests().len() == 50).await;
        sleep(Duration::from_millis(5)).await;
        assert_eq!(queue.len(), 2);
        let mut tags = Vec::new();
        for _ in 0..50 {
            let (tag, result) = queue.recv().await.unwrap();
            assert_eq!(result.unwrap().text(), format!("/{tag}"));
            tags.push(tag);
        }
        tags.sort_unstable();
        assert!(tags.into_iter().eq(0..50));
        // One that is closed takes nothing, and holds up nobody.
        queue.close();
        client.get(server.url("/")).deliver(&queue, 0).unwrap();
        until("it has ended", || {
            server.requests().len() == 51 && client.active_fetches() == 0
        })
        .await;
        assert!(queue.is_empty());
    });
}

#[test]
fn s07_a_full_queue_that_nobody_has_is_not_waited_for() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let queue = CompletionQueue::bounded(1);
        for number in 0..3 {
            let url = server.url("/");
            client.get(url).deliver(&queue, number).unwrap();
        }
        until("all are fetched", || {
            server.requests().len() == 3 && client.active_fetches() == 0
        })
        .await;
        assert_eq!(queue.len(), 1);
        drop((client, queue));
        until("nobody waits", || metrics().unwrap().tasks == 0).await;
    });
}

#[test]
fn s08_a_dropped_reactor_tells_every_fetch_once() {
    const EACH: usize = 250;
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    let reactor = Reactor::new().unwrap();
    let told: Rc<RefCell<Vec<ErrorKind>>> = Rc::default();
    let queue = CompletionQueue::bounded(1);
    let client = Client::builder()
        .max_clients(EACH)
        .timeout(Duration::ZERO)
        .build();
    let (futures, remotes) = reactor
        .block_on(async {
            let mut futures = Vec::new();
            let mut remotes = Vec::new();
            let handle = client.handle().unwrap();
            for _ in 0..EACH {
                let url = server.url("/");
                let note = || {
                    let told = Rc::clone(&told);
                    move |kind| told.borrow_mut().push(kind)
                };
                let callback = note();
                let request = client.get(&url);
                request
                    .call(move |result| callback(result.unwrap_err().kind()))
                    .unwrap();
                let fetch = client.get(&url).start();
                let callback = note();
                fetch.on_done(move |result| callback(result.as_ref().unwrap_err().kind()));
                futures.push(fetch);
                client.get(&url).deliver(&queue, ()).unwrap();
                remotes.push(handle.fetch(move |client| client.get(url)));
            }
            until("some are on their way", || server.requests().len() >= 50).await;
            (futures, remotes)
        })
        .unwrap();
    let report = reactor.shutdown(LIMIT);
    assert_eq!(report.leaked, 0);
    assert_eq!(told.borrow().len(), 2 * EACH);
    assert!(
        told.borrow()
            .iter()
            .all(|kind| *kind == ErrorKind::Cancelled)
    );
    assert_eq!(queue.len(), EACH);
    while let Some((_, result)) = queue.pop() {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    for remote in remotes {
        assert_eq!(remote.wait().unwrap_err().kind(), ErrorKind::Cancelled);
    }
    run(async {
        for fetch in futures {
            assert_eq!(fetch.await.unwrap_err().kind(), ErrorKind::Cancelled);
        }
    });
    assert_eq!(told.borrow().len(), 2 * EACH);
    assert_eq!((client.active_fetches(), client.queued_fetches()), (0, 0));
}

#[test]
fn s08_a_callback_of_the_end_can_start_nothing_new() {
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    let reactor = Reactor::new().unwrap();
    let refused = Rc::new(Cell::new(None));
    let seen = Rc::clone(&refused);
    reactor
        .block_on(async {
            let client = Client::new();
            let (again, url) = (client.clone(), server.url("/"));
            let callback = move |_| {
                let refused = again.get(&url).call(|_| panic!("not inside the call"));
                seen.set(Some(refused.unwrap_err().kind()));
            };
            client.get(server.url("/")).call(callback).unwrap();
            until("it is asked", || server.requests().len() == 1).await;
        })
        .unwrap();
    drop(reactor);
    assert_eq!(refused.get(), Some(ErrorKind::Reactor));
}

#[test]
fn s09_clients_and_reactors_can_be_dropped_in_any_order() {
    let server = Server::new(|_| Reply::ok("ok"));
    let reactor = Reactor::new().unwrap();
    let client = Client::new();
    let get = || async { client.get(server.url("/")).send().await?.text().await };
    reactor.block_on(get()).unwrap().unwrap();
    drop(reactor);
    let reactor = Reactor::new().unwrap();
    reactor.block_on(get()).unwrap().unwrap();
    drop(client);
    drop(reactor);
    let blocking = blocking::Client::new().unwrap();
    blocking
        .fetch(blocking.requests().get(server.url("/")))
        .unwrap();
    drop(blocking);
    run(until("all is closed", || server.open() == 0));
}

#[test]
fn s09_nothing_is_said_when_everything_goes() {
    const ROLE: &str = "EYEWALL_TEST_SILENT";
    if std::env::var_os(ROLE).is_some() {
        // Some that rest, some that run, some that wait, and nobody says goodbye.
        let server = Server::new(|request| match request.target() {
            "/" => Reply::ok("ok"),
            _ => Reply::Stall(Vec::new()),
        });
        run(async {
            let client = Client::builder().max_clients(2).build();
            client.get(server.url("/")).send().await.unwrap();
            for _ in 0..3 {
                client.get(server.url("/stall")).start().detach();
            }
            until("two are asked", || server.requests().len() == 3).await;
        });
        let client = blocking::Client::new().unwrap();
        client
            .fetch(client.requests().get(server.url("/")))
            .unwrap();
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "s09_nothing_is_said_when_everything_goes"])
        .args(["--nocapture", "--test-threads=1"])
        .env(ROLE, "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn s10_a_signal_starts_a_fetch() {
    use eyewall::signal::{Signal, on};
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let (promise, promised) = promise();
        let promise = Cell::new(Some(promise));
        let (url, fetching) = (server.url("/"), client.clone());
        let _registration = on(Signal::HANGUP, move |_| {
            if let Some(promise) = promise.take() {
                let done =
                    move |result: Result<Fetched, Error>| promise.set(result.unwrap().text());
                fetching.get(&url).call(done).unwrap();
            }
        })
        .unwrap();
        signal_hook::low_level::raise(Signal::HANGUP.number()).unwrap();
        assert_eq!(promised.await.unwrap(), "ok");
    });
}

#[test]
fn the_registry_tells_what_happens_to_a_client() {
    let server = Server::new(|request| match request.target() {
        "/" => Reply::redirect(302, "/end"),
        _ => Reply::ok("ok"),
    });
    // An end that comes with the answer would be seen with it.
    let leaving = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bye = format!("http://{}/bye", leaving.local_addr().unwrap());
    let (go, wait) = mpsc::channel::<()>();
    let leaving = std::thread::spawn(move || {
        let (mut stream, _) = leaving.accept().unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        std::io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
        std::io::Write::write_all(&mut stream, answer).unwrap();
        wait.recv().unwrap();
    });
    run(async {
        let client = Client::new();
        let events: Rc<RefCell<Vec<String>>> = Rc::default();
        let seen = Rc::clone(&events);
        let registration = client.on(move |event| {
            let text = match event {
                ClientEvent::Connected { remote } => format!("connected {}", remote.is_some()),
                ClientEvent::IdleClosed { .. } => "idle closed".into(),
                ClientEvent::Redirected { from, to, status } => {
                    format!("{} {} {}", status.as_u16(), from.path(), to.path())
                }
                ClientEvent::Responded {
                    method,
                    url,
                    status,
                    timings,
                } => {
                    assert!(timings.first_byte.is_some());
                    format!("{method} {} {}", url.path(), status.as_u16())
                }
                ClientEvent::Failed { error } => format!("{:?}", error.kind()),
                _ => return,
            };
            seen.borrow_mut().push(text);
        });
        for url in [server.url("/"), bye] {
            client.get(url).send().await.unwrap().text().await.unwrap();
        }
        assert_eq!(client.idle_connections(), 2);
        go.send(()).unwrap();
        until("the FIN is seen", || client.idle_connections() == 1).await;
        client.get("http://127.0.0.1:1/").send().await.unwrap_err();
        let expected = [
            "connected true",
            "302 / /end",
            "GET /end 200",
            "connected true",
            "GET /bye 200",
            "idle closed",
            "Connect",
        ];
        assert_eq!(*events.borrow(), expected);
        drop(registration);
        client.get(server.url("/end")).send().await.unwrap();
        assert_eq!(events.borrow().len(), expected.len());
    });
    leaving.join().unwrap();
}

#[test]
fn a_handle_is_for_any_thread_and_ends_with_its_client() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    let server = Server::new(|_| Reply::ok("ok"));
    let (give, take) = mpsc::channel();
    let url = server.url("/");
    let other = std::thread::spawn(move || {
        let handle: eyewall::http::ClientHandle = take.recv().unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (handle, url) = (handle.clone(), url.clone());
                std::thread::spawn(move || handle.fetch(move |client| client.get(url)).wait())
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap().text(), "ok");
        }
        handle
    });
    let handle = run(async {
        let client = Client::new();
        let handle = client.handle().unwrap();
        is_send_and_sync(&handle);
        give.send(handle).unwrap();
        until("the threads are done", || other.is_finished()).await;
        drop(client);
        let handle = other.join().unwrap();
        let gone = handle
            .fetch(|client| client.get("http://127.0.0.1:1/"))
            .await;
        let gone = gone.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::Closed);
        let reason = std::error::Error::source(&gone).unwrap().to_string();
        assert!(reason.contains("dropped"), "{reason}");
        handle
    });
    let gone = handle
        .fetch(|client| client.get("http://127.0.0.1:1/"))
        .wait()
        .unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Cancelled);
    let reason = std::error::Error::source(&gone).unwrap().to_string();
    assert!(reason.contains("shut down"), "{reason}");
}

#[test]
fn s04_to_wait_for_a_remote_fetch_on_its_own_thread_is_an_error() {
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    run(async {
        let client = Client::new();
        let url = server.url("/");
        let fetch = client
            .handle()
            .unwrap()
            .fetch(move |client| client.get(url));
        assert_eq!(fetch.wait().unwrap_err().kind(), ErrorKind::Nested);
    });
}

#[test]
fn s04_nor_does_it_help_that_its_reactor_does_not_run_meanwhile() {
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    let url = server.url("/");
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let client = Client::new();
    let handle = home.block_on(async { client.handle() }).unwrap().unwrap();
    let says_so = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Nested);
        let reason = error.source().unwrap().downcast_ref::<JoinError>();
        assert!(reason.unwrap().is_deadlock());
    };
    let fetch = || {
        let url = url.clone();
        handle.fetch(move |client| client.get(url))
    };
    let given_back = fetch().wait_timeout(Duration::ZERO).unwrap_err();
    says_so(given_back.wait().unwrap_err());
    says_so(
        other
            .block_on(async { fetch().wait().unwrap_err() })
            .unwrap(),
    );
    let in_time = fetch().wait_timeout(LIMIT);
    says_so(in_time.unwrap().unwrap_err());
}

/// What who waits in another reactor than that of the fetch is told.
fn is_elsewhere(error: &Error) -> bool {
    let reason = error.source().and_then(|reason| reason.downcast_ref());
    error.kind() == ErrorKind::Reactor && reason.is_some_and(JoinError::is_elsewhere)
}

#[test]
fn a_fetch_awaited_in_another_reactor_says_so_and_goes_on() {
    let (server, let_go) = holding();
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let client = Client::new();
    let called = Rc::new(Cell::new(false));
    let fetch: Rc<RefCell<Option<Fetch>>> = Rc::default();
    home.block_on(async {
        let started = client.get(server.url("/")).start();
        until("it is asked", || server.requests().len() == 1).await;
        let tell = Rc::clone(&called);
        started.on_done(move |result| tell.set(result.is_ok()));
        fetch.replace(Some(started));
    })
    .unwrap();
    let asking = || {
        let fetch = Rc::clone(&fetch);
        poll_fn(move |cx| fetch.borrow_mut().as_mut().unwrap().poll_unpin(cx))
    };
    let waiting = home.spawn(asking());
    home.block_on(eyewall::yield_now()).unwrap();
    other
        .block_on(async {
            for _ in 0..2 {
                let error = asking().await.unwrap_err();
                assert!(is_elsewhere(&error), "{error:?}");
            }
            assert!(!called.get());
        })
        .unwrap();
    let_go.send(()).unwrap();
    let page = home.block_on(waiting).unwrap().unwrap();
    assert_eq!(page.unwrap().text(), "ok");
    assert!(called.get());
}

#[test]
fn a_remote_fetch_awaited_in_another_reactor_of_its_thread_says_so_and_goes_on() {
    let (server, let_go) = holding();
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let client = Client::new();
    let handle = home.block_on(async { client.handle() }).unwrap().unwrap();
    let url = server.url("/");
    let mut fetch = handle.fetch(move |client| client.get(url));
    let asked = home.block_on(until("it is asked", || server.requests().len() == 1));
    asked.unwrap();
    let error = other.block_on(&mut fetch).unwrap().unwrap_err();
    assert!(is_elsewhere(&error), "{error:?}");
    let_go.send(()).unwrap();
    let page = home.block_on(&mut fetch).unwrap();
    assert_eq!(page.unwrap().text(), "ok");
    let again = home.block_on(fetch).unwrap().unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Cancelled);
    let reason = again.source().unwrap().to_string();
    assert!(reason.contains("given before"), "{reason}");
}

#[test]
fn a_response_is_read_in_the_reactor_that_it_came_to() {
    let server =
        Server::new(|_| Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".into()));
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let client = Client::new();
    let response = home.block_on(client.get(server.url("/")).send()).unwrap();
    let mut response = response.unwrap();
    let error = other.block_on(response.text()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reactor);
    assert!(!error.is_closed_early() && !error.is_retryable());
    assert_eq!(error.url(), Some(&*server.url("/")));
    let reason = error.source().unwrap().to_string();
    assert!(reason.contains("does not run here"), "{reason}");
}

#[test]
fn a_fetch_that_has_ended_is_given_in_any_reactor() {
    let (server, let_go) = holding();
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let client = Client::new();
    let handle = home.block_on(async { client.handle() }).unwrap().unwrap();
    let url = server.url("/");
    for _ in 0..2 {
        let_go.send(()).unwrap();
    }
    let fetches = home.block_on(async {
        let fetch = client.get(&url).start();
        let remote = handle.fetch(move |client| client.get(url));
        until("they are asked", || server.requests().len() == 2).await;
        until("they have ended", || client.active_fetches() == 0).await;
        eyewall::yield_now().await;
        (fetch, remote)
    });
    let (fetch, remote) = fetches.unwrap();
    for page in [other.block_on(fetch), other.block_on(remote)] {
        assert_eq!(page.unwrap().unwrap().text(), "ok");
    }
}

/// What a response says when its body has been read.
#[derive(Debug, PartialEq)]
struct Said {
    texts: Vec<String>,
    headers: HeaderMap,
    trailers: Option<HeaderMap>,
    request_headers: HeaderMap,
    numbers: [Option<u64>; 6],
    known: [bool; 2],
}

async fn said_by_response(request: RequestBuilder) -> Said {
    let mut response = request.send().await.unwrap();
    let body = response.text().await.unwrap();
    Said {
        texts: vec![
            body,
            response.status().to_string(),
            format!("{:?}", response.version()),
            response.reason().into(),
            response.url().to_string(),
            format!("{:?}", response.history()),
            response.request_method().to_string(),
            response.request_url().to_string(),
            format!("{:?}", response.content_coding()),
            format!("{:?}", response.remote_addr()),
        ],
        headers: response.headers().clone(),
        trailers: response.trailers().cloned(),
        request_headers: response.request_headers().clone(),
        numbers: [
            Some(response.body_received()),
            response.coded_length(),
            Some(response.head_size()),
            Some(response.request_size()),
            Some(response.bytes_sent()),
            Some(response.timings().redirects.into()),
        ],
        known: [
            response.local_addr().is_some(),
            response.timings().total.is_some(),
        ],
    }
}

fn said_by_fetched(fetched: &Fetched) -> Said {
    Said {
        texts: vec![
            fetched.text(),
            fetched.status.to_string(),
            format!("{:?}", fetched.version),
            fetched.reason.to_string(),
            fetched.url.to_string(),
            format!("{:?}", fetched.history),
            fetched.request_method.to_string(),
            fetched.request_url.to_string(),
            format!("{:?}", fetched.content_coding.as_ref()),
            format!("{:?}", fetched.remote_addr),
        ],
        headers: fetched.headers.clone(),
        trailers: fetched.trailers.clone(),
        request_headers: fetched.request_headers.clone(),
        numbers: [
            Some(fetched.body_received),
            fetched.coded_length,
            Some(fetched.head_size),
            Some(fetched.request_size),
            Some(fetched.bytes_sent),
            Some(fetched.timings.redirects.into()),
        ],
        known: [
            fetched.local_addr.is_some(),
            fetched.timings.total.is_some(),
        ],
    }
}

/// "coded", by gzip: a stored block, which needs no encoder.
const CODED: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x05\0\xfa\xffcoded\x8aD~f\x05\0\0\0";

#[test]
fn s01_what_a_response_says_is_said_in_every_style() {
    let server = Server::new(|request| match request.target() {
        "/away" => Reply::redirect(303, "/chunked"),
        "/coded" => Reply::Send(
            [
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                    CODED.len()
                )
                .as_bytes(),
                CODED,
            ]
            .concat(),
        ),
        "/chunked" => Reply::text(
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-End: 1\r\n\r\n",
        ),
        _ => Reply::ok("ok"),
    });
    run(async {
        let client = Client::new();
        for path in ["/", "/away", "/coded", "/chunked"] {
            if path == "/coded" && !cfg!(feature = "compression") {
                continue;
            }
            let make = {
                let url = server.url(path);
                move |client: &Client| {
                    let request = client.post(&url).body("four").header("x-test", "1");
                    request.header("x-test", "2")
                }
            };
            let said = said_by_response(make(&client)).await;
            assert_eq!(said.request_headers.get_all("x-test").iter().count(), 2);
            assert_eq!(said.texts[6], "POST");

            let whole = make(&client).send().await.unwrap().whole().await.unwrap();
            assert_eq!(said_by_fetched(&whole), said, "whole {path}");

            let (promise, promised) = promise();
            make(&client).call(|result| promise.set(result)).unwrap();
            let called = promised.await.unwrap().unwrap();
            assert_eq!(said_by_fetched(&called), said, "callback {path}");

            let future = make(&client).start().await.unwrap();
            assert_eq!(said_by_fetched(&future), said, "future {path}");

            let queue = CompletionQueue::bounded(1);
            make(&client).deliver(&queue, ()).unwrap();
            let ((), delivered) = queue.recv().await.unwrap();
            assert_eq!(said_by_fetched(&delivered.unwrap()), said, "queue {path}");

            let handle = client.handle().unwrap();
            let sent = make.clone();
            let remote = std::thread::spawn(move || handle.fetch(sent).wait());
            let remote = eyewall::spawn_blocking(|| remote.join().unwrap()).await;
            let remote = remote.unwrap().unwrap();
            assert_eq!(said_by_fetched(&remote), said, "thread {path}");

            let blocked = eyewall::spawn_blocking(move || {
                let client = blocking::Client::new().unwrap();
                client.fetch(make(client.requests())).unwrap()
            });
            let blocked = blocked.await.unwrap();
            assert_eq!(said_by_fetched(&blocked), said, "blocking {path}");
        }
    });
}
