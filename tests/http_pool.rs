//! The pool: which connection a fetch gets, when it gets one, and when connections end.
#![cfg(feature = "http")]

mod foreign_waker;
mod http_support;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyewall::Reactor;
use eyewall::http::{
    Client, ClientEvent, Conduit, Error, ErrorKind, HeaderMap, HeaderValue, Phase, Stage, Target,
};
use eyewall::reactor::metrics;
use eyewall::time::{sleep, timeout};
use foreign_waker::{hook, poll_with, with_foreign};
use futures_channel::mpsc::unbounded;
use futures_util::{FutureExt, sink, stream};
use http::header::CONNECTION;
use http_support::{Reply, Request, Server, run, until};

async fn get(client: &Client, url: &str) -> Result<String, Error> {
    client.get(url).send().await?.text().await
}

/// A server that holds each answer back until the test gives a token.
fn gated() -> (Server, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let server = Server::new(move |request| {
        let waited = wait.lock().unwrap().recv_timeout(http_support::LIMIT);
        match waited {
            Ok(()) => Reply::ok(request.target()),
            Err(_) => Reply::Close(Vec::new()),
        }
    });
    (server, go)
}

#[test]
fn p01_p12_connections_are_kept_and_a_restart_of_the_server_is_survived() {
    run(async {
        let client = Client::new();
        let serve = |address| {
            Server::at(address, |request| match request.target() {
                "/last" => Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()),
                _ => Reply::ok("ok"),
            })
        };
        let server = serve((Ipv4Addr::LOCALHOST, 0).into());
        let address = server.address;
        for path in ["/1", "/2", "/last"] {
            assert_eq!(get(&client, &server.url(path)).await.unwrap(), "ok");
        }
        assert_eq!(server.accepted(), 1);
        until("the FIN is seen", || client.idle_connections() == 0).await;
        drop(server);
        let refused = get(&client, &format!("http://{address}/")).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Connect);
        let server = serve(address);
        for path in ["/1", "/2"] {
            assert_eq!(get(&client, &server.url(path)).await.unwrap(), "ok");
        }
        assert_eq!((server.accepted(), client.idle_connections()), (1, 1));
    });
}

#[test]
fn p07_credentials_go_with_their_request_and_not_with_the_connection() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let as_user = |user: &str| server.url("/").replace("//", &format!("//{user}:x@"));
        for url in [
            as_user("one"),
            server.url("/"),
            as_user("two"),
            server.url("/"),
        ] {
            assert_eq!(get(&client, &url).await.unwrap(), "ok");
        }
    });
    let requests = server.requests();
    let sent: Vec<_> = requests
        .iter()
        .map(|at| at.field("authorization"))
        .collect();
    assert_eq!(
        sent,
        [Some("Basic b25lOng="), None, Some("Basic dHdvOng="), None]
    );
    assert_eq!(
        server.accepted(),
        1,
        "basic credentials are those of a request"
    );
}

#[test]
fn p03_a_fin_that_crosses_the_request_costs_one_more_try_for_get_and_put_and_none_for_post() {
    for (method, tries) in [("GET", 2), ("PUT", 2), ("POST", 1)] {
        // The first request of a connection is answered, the second finds it closed.
        let server = Server::new({
            let seen = AtomicUsize::new(0);
            move |_| match seen.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::ok("first"),
                1 => Reply::Close(Vec::new()),
                _ => Reply::ok("again"),
            }
        });
        run(async {
            let client = Client::new();
            assert_eq!(get(&client, &server.url("/")).await.unwrap(), "first");
            let request = client.request(method.parse().unwrap(), server.url("/"));
            let request = match method {
                "GET" => request,
                _ => request.body("body"),
            };
            let result = request.send().await;
            match tries {
                1 => {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::EmptyReply);
                    assert!(!error.is_retryable(), "the server may have acted on it");
                    assert!(error.bytes_sent() > 0);
                }
                _ => {
                    let response = result.unwrap();
                    assert!(
                        !response.is_reused(),
                        "the second try is on a new connection"
                    );
                }
            }
        });
        assert_eq!(server.requests().len(), 1 + tries, "{method}");
        assert_eq!(server.accepted(), tries, "{method}");
    }
}

#[test]
fn p03_a_post_that_says_it_is_idempotent_is_tried_again() {
    for key in [false, true] {
        let server = Server::new(|request| match request.connection {
            0 if request.method() == "POST" => Reply::Close(Vec::new()),
            _ => Reply::ok("done"),
        });
        run(async {
            let client = Client::new();
            get(&client, &server.url("/")).await.unwrap();
            let request = client.post(server.url("/")).body("x");
            let request = match key {
                true => request.header("Idempotency-Key", "1"),
                false => request.idempotent(true),
            };
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "done");
        });
        assert_eq!(server.accepted(), 2);
    }
}

/// Does nothing for a moment, so that nobody turns the reactor meanwhile.
fn block_for_a_moment() {
    std::thread::sleep(Duration::from_millis(30));
}

/// A connection that answers one request with the body "x", and takes nothing of a second one. Only then its end is seen,
/// however often somebody looks before.
fn for_one_request() -> std::io::Result<Conduit> {
    let (answer, answers) = unbounded();
    let peer = sink::unfold((answer, false), |(answer, over), piece: Bytes| async move {
        if over {
            return Err(std::io::Error::from_raw_os_error(libc::EPIPE));
        }
        let whole = piece == "x";
        if whole {
            let said = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
            answer.unbounded_send(Ok(said)).unwrap();
        }
        Ok((answer, whole))
    });
    Conduit::new(answers, peer)
}

/// A connection of the user's is user code, also while it is idle.
#[test]
fn an_idle_connection_may_look_into_its_client() {
    run(async {
        let seen: Rc<RefCell<Option<Client>>> = Rc::default();
        let stirred: Rc<Cell<Option<Waker>>> = Rc::default();
        let looks = Rc::new(Cell::new(0));
        let (owner, waker, looked) = (Rc::clone(&seen), Rc::clone(&stirred), Rc::clone(&looks));
        let client = Client::builder()
            .connector(move |_: Target| {
                let (owner, waker) = (Rc::clone(&owner), Rc::clone(&waker));
                let looked = Rc::clone(&looked);
                let said = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
                let mut answer = Some(said);
                let answers = stream::poll_fn(move |cx| {
                    if let Some(client) = &*owner.borrow() {
                        looked.set(looked.get() + 1);
                        client.idle_connections();
                    }
                    waker.set(Some(cx.waker().clone()));
                    answer
                        .take()
                        .map_or(Poll::Pending, |said| Poll::Ready(Some(Ok(said))))
                });
                let peer = sink::unfold((), |(), _: Bytes| async { Ok(()) });
                async { Conduit::new(answers, peer) }
            })
            .build();
        assert_eq!(get(&client, "http://memory.test/").await.unwrap(), "one");
        *seen.borrow_mut() = Some(client.clone());
        stirred.take().unwrap().wake();
        until("it is looked at", || looks.get() > 0).await;
        assert_eq!(client.idle_connections(), 1);
        assert_eq!(metrics().unwrap().panics, 0);
        seen.take();
    });
}

#[test]
fn p03_a_post_of_which_the_kernel_takes_nothing_is_tried_again() {
    run(async {
        let made = Rc::new(Cell::new(0));
        let count = Rc::clone(&made);
        let client = Client::builder()
            .connector(move |_: Target| {
                count.set(count.get() + 1);
                async { for_one_request() }
            })
            .build();
        for connections in 1..=3 {
            let request = client.post("http://memory.test/").body("x");
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "one");
            assert_eq!((made.get(), client.idle_connections()), (connections, 1));
        }
    });
}

#[test]
fn p03_a_post_of_which_the_peer_has_seen_a_part_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut part = [0; 1 << 10];
        assert!(stream.read(&mut part).unwrap() > 0);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(answer).unwrap();
        // A part of the body, and the end, with the rest unread: a reset.
        assert!(stream.read(&mut part).unwrap() > 0);
        drop(stream);
        listener.set_nonblocking(true).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(listener.accept().is_err(), "nothing is tried again");
    });
    run(async {
        let client = Client::new();
        assert_eq!(get(&client, &url).await.unwrap(), "ok");
        let request = client.post(&url).body(vec![7; 8 << 20]);
        let error = request.send().await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
    });
    peer.join().unwrap();
}

#[test]
fn p02_a_blocking_client_looks_for_closed_connections_first() {
    use eyewall::http::blocking;
    let server =
        Server::new(|_| Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()));
    let client = blocking::Client::new().unwrap();
    for _ in 0..3 {
        let request = client.requests().post(server.url("/")).body("x");
        assert_eq!(client.fetch(request).unwrap().text(), "ok");
        block_for_a_moment();
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn p02_each_of_several_kept_connections_is_seen_to_end() {
    let closes: Vec<Server> = (2..5)
        .map(|last| {
            Server::on(Ipv4Addr::new(127, 0, 0, last), |_| {
                Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into())
            })
        })
        .collect();
    let keeps = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        get(&client, &keeps.url("/")).await.unwrap();
        for server in &closes {
            get(&client, &server.url("/")).await.unwrap();
        }
        until("their ends are seen", || client.idle_connections() == 1).await;
        get(&client, &keeps.url("/")).await.unwrap();
        assert_eq!(keeps.accepted(), 1);
    });
}

#[test]
fn p02_a_post_finds_a_connection_closed_that_was_while_nobody_turned_the_reactor() {
    let server =
        Server::new(|_| Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()));
    run(async {
        let client = Client::new();
        for _ in 0..3 {
            let request = client.post(server.url("/")).body("x");
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
            block_for_a_moment();
        }
        // A task that lets others run is polled again without a turn of the ring.
        for _ in 0..3 {
            let request = client.post(server.url("/")).body("x").start();
            assert_eq!(request.await.unwrap().text(), "ok");
            block_for_a_moment();
        }
    });
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn only_who_needs_to_know_whether_a_connection_has_ended_takes_a_turn_to_look() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let (keeping, other) = (
            Client::new(),
            Client::builder().pool_max_idle_per_host(0).build(),
        );
        let fewest = async |client: &Client, repeatable: bool| {
            let mut fewest = u64::MAX;
            // On a busy machine one or another comes late.
            for _ in 0..50 {
                let before = metrics().unwrap().sqes;
                let request = client.get(server.url("/")).idempotent(repeatable);
                let mut response = request.send().await.unwrap();
                response.text().await.unwrap();
                fewest = fewest.min(metrics().unwrap().sqes - before);
            }
            fewest
        };
        let kept = fewest(&keeping, true).await;
        assert_eq!(kept, 2, "the request, and a receive for what comes next");
        assert_eq!(fewest(&keeping, false).await, 3);
        let fresh = fewest(&other, true).await;
        assert_eq!(fewest(&other, false).await, fresh, "none is kept");
    });
}

/// Where the pool has no buffer, a receive goes on in steps, of which a turn brings one.
#[test]
fn p02_a_post_finds_a_connection_closed_where_buffers_are_lacking() {
    let server =
        Server::new(|_| Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()));
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    let done = reactor.block_on(timeout(http_support::LIMIT, async {
        let client = Client::new();
        let kept = Server::new(|_| Reply::ok("kept"));
        let mut response = client.get(kept.url("/")).send().await.unwrap();
        let chunk = response.chunk().await.unwrap();
        for _ in 0..5 {
            let request = client.post(server.url("/")).body("x");
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
            block_for_a_moment();
        }
        for _ in 0..5 {
            let request = client.post(server.url("/")).body("x");
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
            // It sees that there is no buffer.
            eyewall::yield_now().await;
            block_for_a_moment();
        }
        drop(chunk);
    }));
    done.unwrap().expect("it ends");
    assert_eq!(server.requests().len(), 10);
}

/// Its end comes some turns after that has been seen.
#[test]
fn p02_a_post_finds_a_connection_closed_where_buffers_have_been_lacking() {
    let holding = Server::new(|_| Reply::ok("held"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (go, wait) = mpsc::channel::<()>();
    let (closed, is_closed) = mpsc::channel::<()>();
    let peer = std::thread::spawn(move || {
        for _ in 0..10 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\nx") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer).unwrap();
            wait.recv().unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    let done = reactor.block_on(timeout(http_support::LIMIT, async {
        let client = Client::new();
        let mut response = client.get(holding.url("/")).send().await.unwrap();
        let chunk = response.chunk().await.unwrap();
        for turns in 0..10 {
            let request = client.post(&url).body("x");
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
            for _ in 0..turns {
                eyewall::yield_now().await;
            }
            go.send(()).unwrap();
            is_closed.recv().unwrap();
        }
        drop(chunk);
    }));
    done.unwrap().expect("it ends");
    peer.join().unwrap();
}

#[test]
fn a_connection_of_which_nothing_comes_is_kept_where_buffers_are_lacking() {
    let (server, holding) = (
        Server::new(|_| Reply::ok("ok")),
        Server::new(|_| Reply::ok("held")),
    );
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    let done = reactor.block_on(timeout(http_support::LIMIT, async {
        let client = Client::new();
        let mut response = client.get(holding.url("/")).send().await.unwrap();
        let chunk = response.chunk().await.unwrap();
        for turns in 0..10 {
            let request = client.post(server.url("/")).body("x");
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
            for _ in 0..turns {
                eyewall::yield_now().await;
            }
        }
        drop(chunk);
    }));
    done.unwrap().expect("it ends");
    assert_eq!(server.accepted(), 1);
}

#[test]
fn p03_a_new_connection_that_dies_is_not_tried_again_and_neither_is_the_second_try() {
    let server = Server::new({
        let seen = AtomicUsize::new(0);
        move |_| match seen.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::ok("first"),
            _ => Reply::Close(Vec::new()),
        }
    });
    run(async {
        let client = Client::new();
        get(&client, &server.url("/")).await.unwrap();
        let error = get(&client, &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::EmptyReply);
        assert_eq!(
            server.requests().len(),
            3,
            "once more, and on a new connection"
        );
        get(&client, &server.url("/")).await.unwrap_err();
        assert_eq!(server.requests().len(), 4);
    });
}

#[test]
fn p03_a_kept_connection_that_ends_with_408_is_replaced_where_that_does_no_harm() {
    const LATE: &str =
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    const KEPT: &str = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    // With what comes of it, on how many connections; the third is asked after another 408.
    let cases = [
        ("GET", LATE, 1, 200, 2),
        ("PUT", LATE, 1, 200, 2),
        ("POST", LATE, 1, 408, 1),
        ("GET", KEPT, 1, 408, 1),
        ("GET", LATE, 2, 408, 2),
    ];
    for (method, answer, times, status, connections) in cases {
        let server = Server::new({
            let seen = AtomicUsize::new(0);
            move |_| match seen.fetch_add(1, Ordering::SeqCst) {
                number if (1..=times).contains(&number) => Reply::text(answer),
                _ => Reply::ok("ok"),
            }
        });
        run(async {
            let client = Client::new();
            get(&client, &server.url("/")).await.unwrap();
            let request = client.request(method.parse().unwrap(), server.url("/"));
            let request = match method {
                "GET" => request,
                _ => request.body("content"),
            };
            let mut response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{method} {answer:?}");
            response.bytes().await.unwrap();
        });
        assert_eq!(server.accepted(), connections, "{method} {answer:?}");
    }
}

#[test]
fn p04_after_a_byte_of_response_nothing_is_tried_again() {
    for part in [
        "HTTP/1.1 2",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart",
    ] {
        let server = Server::new({
            let seen = AtomicUsize::new(0);
            move |_| match seen.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::ok("first"),
                _ => Reply::Reset(part.into()),
            }
        });
        run(async {
            let client = Client::new();
            get(&client, &server.url("/")).await.unwrap();
            get(&client, &server.url("/")).await.unwrap_err();
        });
        assert_eq!(server.requests().len(), 2, "{part:?}");
    }
}

#[test]
fn p06_the_caps_on_idle_connections_close_the_oldest() {
    run(async {
        let server = Server::new(|_| Reply::ok("ok"));
        let other = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("ok"));
        let client = Client::builder()
            .pool_max_idle_per_host(2)
            .pool_max_idle(3)
            .build();
        let closed = Rc::new(Cell::new(0));
        let count = Rc::clone(&closed);
        let _registration = client.on(move |event| {
            if let ClientEvent::IdleClosed { .. } = event {
                count.set(count.get() + 1);
            }
        });
        let mut responses = Vec::new();
        for at in 0..4 {
            let from = if at < 3 { &server } else { &other };
            responses.push(client.get(from.url("/")).send().await.unwrap());
        }
        assert_eq!((client.active_fetches(), server.open()), (4, 3));
        for mut response in responses.drain(..3) {
            response.text().await.unwrap();
        }
        assert_eq!(client.idle_connections(), 2, "two for one host");
        until("the first is closed", || server.open() == 2).await;
        let mut again = Vec::new();
        for _ in 0..2 {
            again.push(client.get(server.url("/")).send().await.unwrap());
        }
        for mut response in again {
            response.text().await.unwrap();
        }
        assert_eq!(server.accepted(), 3, "the others are of use");
        responses[0].text().await.unwrap();
        let third = Server::on(Ipv4Addr::new(127, 0, 0, 3), |_| Reply::ok("ok"));
        get(&client, &third.url("/")).await.unwrap();
        assert_eq!(client.idle_connections(), 3, "three in all");
        until("the oldest is closed", || server.open() == 1).await;
        assert_eq!((other.open(), third.open()), (1, 1));
        assert_eq!(closed.get(), 2, "it is told of each");
        drop(client);
        until("all are closed", || server.open() + other.open() == 0).await;
    });
}

#[test]
fn p06_idle_connections_end_by_themselves() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder()
            .pool_idle_timeout(Duration::from_millis(60))
            .build();
        get(&client, &server.url("/")).await.unwrap();
        assert_eq!((client.idle_connections(), server.open()), (1, 1));
        until("it is closed", || server.open() == 0).await;
        assert_eq!(client.idle_connections(), 0);
    });
}

#[test]
fn p06_a_client_without_an_idle_time_keeps_a_connection_until_its_peer_ends_it() {
    let keeps = Server::new(|_| Reply::ok("ok"));
    let ends = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| {
        Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into())
    });
    run(async {
        let client = Client::builder().pool_idle_timeout(Duration::ZERO).build();
        for server in [&keeps, &ends] {
            get(&client, &server.url("/")).await.unwrap();
        }
        until("its end is seen", || client.idle_connections() == 1).await;
        // Whoever looks after the other sleeps now.
        sleep(Duration::from_millis(5)).await;
        get(&client, &keeps.url("/")).await.unwrap();
        assert_eq!((keeps.accepted(), client.idle_connections()), (1, 1));
    });
}

#[test]
fn p06_a_kept_connection_that_is_found_too_old_when_it_is_wanted_is_told_of() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder()
            .pool_idle_timeout(Duration::from_millis(1))
            .build();
        let closed = Rc::new(Cell::new(0));
        let count = Rc::clone(&closed);
        let _registration = client.on(move |event| {
            if let ClientEvent::IdleClosed { .. } = event {
                count.set(count.get() + 1);
            }
        });
        get(&client, &server.url("/")).await.unwrap();
        // The caretaker has no turn in which to see to it.
        block_for_a_moment();
        get(&client, &server.url("/")).await.unwrap();
        assert_eq!((server.accepted(), closed.get()), (2, 1));
    });
}

#[test]
fn p08_close_in_any_connection_line_of_either_side_ends_it() {
    let server = Server::new(|request| match request.target() {
        "/close" => Reply::text(
            "HTTP/1.1 200 OK\r\nConnection: foo\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n",
        ),
        "/old" => Reply::text("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        _ => Reply::ok("ok"),
    });
    run(async {
        let client = Client::new();
        for path in ["/close", "/old"] {
            get(&client, &server.url(path)).await.unwrap();
            assert_eq!(client.idle_connections(), 0, "{path}");
        }
        let request = client.get(server.url("/")).header("connection", "close");
        request.send().await.unwrap().text().await.unwrap();
        assert_eq!(client.idle_connections(), 0);

        // A client may say it in every request, and a request may say otherwise.
        let close = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
        let client = Client::builder().default_headers(close).build();
        get(&client, &server.url("/")).await.unwrap();
        assert_eq!(client.idle_connections(), 0);
        let request = client.get(server.url("/")).header(CONNECTION, "keep-alive");
        request.send().await.unwrap().text().await.unwrap();
        assert_eq!(client.idle_connections(), 1);
    });
}

#[test]
fn p09_one_client_slot_and_a_redirect() {
    let server = Server::new(|request| match request.target() {
        "/end" => Reply::ok("end"),
        // A body that is not there yet must not hold the place either.
        "/slow" => Reply::Stall(
            b"HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 5\r\n\r\n".into(),
        ),
        _ => Reply::redirect(302, "/slow"),
    });
    run(async {
        let client = Client::builder().max_clients(1).max_per_host(1).build();
        let mut response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "end");
        assert_eq!(response.timings().redirects, 2);
        assert_eq!(client.active_fetches(), 0);
    });
    assert_eq!(server.targets(), ["/", "/slow", "/end"]);
    assert_eq!(
        server.accepted(),
        2,
        "the first connection is used again, the second is not"
    );
}

#[test]
fn p10_fetches_beyond_the_cap_wait_their_turn_first_in_first_out() {
    let (server, go) = gated();
    run(async {
        let client = Client::builder().max_clients(1).build();
        let done: Rc<RefCell<Vec<String>>> = Rc::default();
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (client, done) = (client.clone(), Rc::clone(&done));
            let url = server.url(&format!("/{number}"));
            tasks.push(eyewall::spawn(async move {
                let text = get(&client, &url).await.unwrap();
                done.borrow_mut().push(text);
            }));
            eyewall::yield_now().await;
        }
        until("one is active", || server.requests().len() == 1).await;
        assert_eq!((client.active_fetches(), client.queued_fetches()), (1, 5));
        for _ in 0..6 {
            go.send(()).unwrap();
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((client.active_fetches(), client.queued_fetches()), (0, 0));
    });
    assert_eq!(server.targets(), ["/0", "/1", "/2", "/3", "/4", "/5"]);
    assert_eq!(server.accepted(), 1);
}

#[test]
fn p10_a_host_at_its_cap_does_not_hold_up_another() {
    let (slow, go) = gated();
    let fast = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("fast"));
    run(async {
        let client = Client::builder().max_per_host(1).max_clients(3).build();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (client, url) = (client.clone(), slow.url("/"));
                eyewall::spawn(async move { get(&client, &url).await.unwrap() })
            })
            .collect();
        until("one is active", || slow.requests().len() == 1).await;
        assert_eq!(get(&client, &fast.url("/")).await.unwrap(), "fast");
        assert_eq!(client.queued_fetches(), 3);
        for task in tasks {
            go.send(()).unwrap();
            task.await.unwrap();
        }
    });
    assert_eq!(slow.accepted(), 1);
}

#[test]
fn p10_who_is_cancelled_or_out_of_time_in_the_queue_leaves_it() {
    let (server, go) = gated();
    run(async {
        let client = Client::builder().max_clients(1).build();
        let first = {
            let (client, url) = (client.clone(), server.url("/first"));
            eyewall::spawn(async move { get(&client, &url).await })
        };
        until("it is active", || server.requests().len() == 1).await;
        let cancelled = {
            let (client, url) = (client.clone(), server.url("/cancelled"));
            eyewall::spawn(async move { get(&client, &url).await })
        };
        let last = {
            let (client, url) = (client.clone(), server.url("/last"));
            eyewall::spawn(async move { get(&client, &url).await })
        };
        until("two wait", || client.queued_fetches() == 2).await;
        let limit = Duration::from_millis(20);
        let request = client.get(server.url("/late")).queue_timeout(limit);
        let error = request.send().await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Timeout {
                phase: Phase::Queue,
                limit
            }
        );
        assert_eq!(error.stage(), Some(Stage::Queue));
        assert!(error.is_retryable());
        assert_eq!(error.timings().unwrap().queued, None);
        assert_eq!(client.queued_fetches(), 2);
        cancelled.abort();
        assert_eq!(client.queued_fetches(), 1);
        go.send(()).unwrap();
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        last.await.unwrap().unwrap();
        assert_eq!((client.active_fetches(), client.queued_fetches()), (0, 0));
    });
    assert_eq!(server.targets(), ["/first", "/last"]);
}

#[test]
fn p10_who_leaves_the_queue_of_the_client_leaves_its_place_at_the_host() {
    let (busy, go) = gated();
    let other = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("other"));
    run(async {
        let client = Client::builder().max_clients(1).max_per_host(1).build();
        let first = client.get(busy.url("/")).start();
        until("it is active", || client.active_fetches() == 1).await;
        let mut waiting = Box::pin(client.get(other.url("/")).send());
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!(client.queued_fetches(), 1);
        drop(waiting);
        assert_eq!(client.queued_fetches(), 0);
        go.send(()).unwrap();
        first.await.unwrap();
        client.until_idle().await;
        assert_eq!(get(&client, &other.url("/")).await.unwrap(), "other");
    });
}

#[test]
fn p10_an_unread_response_holds_its_place_until_it_is_dropped() {
    let server = Server::new(|request| match request.target() {
        "/stall" => Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".into()),
        _ => Reply::ok("ok"),
    });
    run(async {
        let limit = Duration::from_millis(10);
        let client = Client::builder().max_clients(1).queue_timeout(limit);
        let client = client.build();
        let response = client.get(server.url("/stall")).send().await.unwrap();
        assert_eq!(client.active_fetches(), 1);
        let error = get(&client, &server.url("/")).await.unwrap_err();
        let phase = Phase::Queue;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        drop(response);
        assert_eq!(client.active_fetches(), 0);
        assert_eq!(get(&client, &server.url("/")).await.unwrap(), "ok");
    });
}

#[test]
fn what_cannot_be_sent_is_told_without_a_place_too() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder().max_clients(1).build();
        // No Host field may name this host.
        let bad = || client.get("http://a{b/").send().now_or_never();
        let kind = || bad().map(|result| result.unwrap_err().kind());
        assert_eq!(kind(), Some(ErrorKind::Request), "with a place");
        let held = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(kind(), Some(ErrorKind::Request), "in the queue");
        drop(held);
        client.close();
        assert_eq!(kind(), Some(ErrorKind::Request), "of a closed client");
    });
}

#[test]
fn p13_the_time_of_a_keep_alive_field_is_honoured() {
    let answer = |timeout: u32| {
        format!(
            "HTTP/1.1 200 OK\r\nKeep-Alive: max=5, timeout={timeout}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let server =
        Server::new(move |request| Reply::text(answer(request.target()[1..].parse().unwrap())));
    run(async {
        let client = Client::new();
        get(&client, &server.url("/0")).await.unwrap();
        get(&client, &server.url("/1")).await.unwrap();
        assert_eq!(server.accepted(), 2, "not kept for no time");
        let start = Instant::now();
        until("it is closed", || server.open() == 0).await;
        assert!((450..10_000).contains(&start.elapsed().as_millis()));
        assert_eq!(client.idle_connections(), 0);
    });
}

#[test]
fn closing_a_client_ends_all_of_its_fetches_and_frees_all_descriptors() {
    let server = Server::new(|request| match request.target() {
        "/head" => Reply::Stall(Vec::new()),
        "/body" => Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".into()),
        _ => Reply::ok("ok"),
    });
    run(async {
        let client = Client::builder().max_clients(2).build();
        get(&client, &server.url("/")).await.unwrap();
        let mut body = client.get(server.url("/body")).send().await.unwrap();
        let results: Vec<_> = ["/head", "/queued"]
            .into_iter()
            .map(|path| {
                let (client, url) = (client.clone(), server.url(path));
                eyewall::spawn(async move { get(&client, &url).await })
            })
            .collect();
        until("one waits", || {
            client.queued_fetches() == 1 && server.requests().len() == 3
        })
        .await;
        assert!(!client.is_closed());
        client.clone().close();
        client.close();
        assert!(client.is_closed());
        for result in results {
            let error = result.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed);
            assert!(error.is_cancelled() && !error.is_retryable());
        }
        assert_eq!(body.bytes().await.unwrap_err().kind(), ErrorKind::Closed);
        let later = get(&client, &server.url("/")).await.unwrap_err();
        assert_eq!(later.kind(), ErrorKind::Closed);
        until("all is closed", || server.open() == 0).await;
        assert_eq!((client.active_fetches(), client.queued_fetches()), (0, 0));
    });
}

#[test]
fn a_client_that_is_dropped_lets_its_fetches_end() {
    let (server, go) = gated();
    run(async {
        let client = Client::new();
        let sending = client.get(server.url("/")).send();
        drop(client);
        let task = eyewall::spawn(async move { sending.await.unwrap().text().await.unwrap() });
        sleep(Duration::from_millis(5)).await;
        go.send(()).unwrap();
        assert_eq!(task.await.unwrap(), "/");
        until("it is closed", || server.open() == 0).await;
    });
}

#[test]
fn many_hosts_leave_no_trace() {
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let servers: Vec<Server> = (1..20)
        .map(|last| {
            let seen = Arc::clone(&seen);
            Server::on(Ipv4Addr::new(127, 0, 1, last), move |request| {
                seen.lock().unwrap().push(request.clone());
                Reply::ok("ok")
            })
        })
        .collect();
    run(async {
        let client = Client::builder().pool_max_idle(3).build();
        for _ in 0..2 {
            for server in &servers {
                get(&client, &server.url("/")).await.unwrap();
            }
        }
        assert_eq!(client.idle_connections(), 3);
        let open = || servers.iter().map(Server::open).sum::<usize>();
        until("only three are open", || open() == 3).await;
    });
}

/// Fetches a body of 1 MiB and drops it; says where it was.
async fn fetch_large(client: &Client, server: &Server) -> *const u8 {
    let mut response = client.get(server.url("/")).send().await.unwrap();
    let body = response.bytes().await.unwrap();
    assert!(body.len() == LARGE && body.iter().all(|byte| *byte == b'x'));
    body.as_ptr()
}

const LARGE: usize = 1 << 20;

#[test]
fn the_memory_of_a_large_body_serves_the_next_while_a_connection_is_kept() {
    let server = Server::new(|_| Reply::ok(&"x".repeat(LARGE)));
    run(async {
        let client = Client::new();
        let first = fetch_large(&client, &server).await;
        assert!((LARGE..LARGE + 4096).contains(&client.spare_memory()));
        assert_eq!(fetch_large(&client, &server).await, first);
        client.close();
        assert_eq!(client.spare_memory(), 0);

        let client = Client::builder()
            .pool_idle_timeout(Duration::from_millis(50))
            .build();
        fetch_large(&client, &server).await;
        until("it is given back", || client.spare_memory() == 0).await;
        assert_eq!(client.idle_connections(), 0);

        let client = Client::builder().pool_max_idle(0).build();
        fetch_large(&client, &server).await;
        assert_eq!(client.spare_memory(), 0);

        let client = Client::builder().spare_memory(LARGE - 1).build();
        fetch_large(&client, &server).await;
        assert_eq!(client.spare_memory(), 0);
    });
}

#[test]
fn a_foreign_waker_may_look_into_the_pool_whatever_is_done_with_it() {
    let (server, go) = gated();
    run(async {
        let client = Client::builder().max_clients(1).build();
        let (looking, looks) = (client.clone(), Rc::new(Cell::new(0)));
        let count = Rc::clone(&looks);
        let _hooked = hook(move || {
            count.set(count.get() + 1);
            assert!(looking.active_fetches() <= 1 && looking.queued_fetches() <= 2);
        });
        let fetch = |path: &str| {
            let request = client.get(server.url(path));
            Box::pin(with_foreign(
                async move { request.send().await?.text().await },
            ))
        };
        let (mut one, mut two, mut three) = (fetch("/1"), fetch("/2"), fetch("/3"));
        for _ in 0..2 {
            let waiting = [&mut one, &mut two, &mut three].map(|fetch| fetch.now_or_never());
            assert!(waiting.iter().all(Option::is_none));
        }
        assert_eq!(client.queued_fetches(), 2);
        go.send(()).unwrap();
        assert_eq!(one.await.unwrap(), "/1");
        assert!((&mut two).now_or_never().is_none());
        client.close();
        for fetch in [two, three] {
            assert_eq!(fetch.await.unwrap_err().kind(), ErrorKind::Closed);
        }
        assert!(looks.get() > 10);
    });
    drop(go);
}

#[test]
fn who_closes_the_client_while_a_waker_is_cloned_leaves_nobody_waiting() {
    let (server, go) = gated();
    run(async {
        let client = Client::builder().max_clients(1).build();
        let mut one = Box::pin(client.get(server.url("/1")).send());
        assert!((&mut one).now_or_never().is_none());
        let mut two = Box::pin(with_foreign(client.get(server.url("/2")).send()));
        let closing = client.clone();
        let _hooked = hook(move || closing.close());
        let polled = (&mut two).now_or_never();
        let error = polled.expect("it waits for ever").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(client.queued_fetches(), 0);
        assert_eq!(one.await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(client.active_fetches(), 0);
    });
    drop(go);
}

struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Counted>) {}
}

#[test]
fn a_client_is_idle_when_all_have_ended() {
    let (server, go) = gated();
    run(async {
        let client = Client::builder().max_clients(1).build();
        client.until_idle().await;
        let ended = Rc::new(Cell::new(0));
        for _ in 0..3 {
            let ended = Rc::clone(&ended);
            let count = move |_| ended.set(ended.get() + 1);
            client.get(server.url("/")).call(count).unwrap();
        }
        let mut others: Vec<_> = (0..3).map(|_| Box::pin(client.until_idle())).collect();
        let waiting = eyewall::spawn({
            let (client, ended) = (client.clone(), Rc::clone(&ended));
            async move {
                client.until_idle().await;
                ended.get()
            }
        });
        until("one is active", || client.active_fetches() == 1).await;
        for other in &mut others {
            assert!(other.as_mut().now_or_never().is_none());
        }
        // Who has waited leaves nothing behind.
        let (counted, mut given_up) = (Arc::new(Counted), Box::pin(client.until_idle()));
        let waker = Waker::from(Arc::clone(&counted));
        for _ in 0..2 {
            assert!(poll_with(given_up.as_mut(), &waker).is_pending());
            eyewall::yield_now().await;
        }
        drop((given_up, waker));
        assert_eq!(Arc::strong_count(&counted), 1);
        drop(others.pop());
        // One that has been let in and goes before it sees that.
        let dropped = client.get(server.url("/")).start();
        until("it waits", || client.queued_fetches() == 3).await;
        for _ in 0..3 {
            assert!(!waiting.is_finished());
            go.send(()).unwrap();
            let left = client.queued_fetches();
            until("the next is active", || client.queued_fetches() < left).await;
        }
        drop(dropped);
        assert_eq!(waiting.await.unwrap(), 3);
        for other in others {
            other.await;
        }
        assert_eq!((client.active_fetches(), client.queued_fetches()), (0, 0));
    });
}

#[test]
fn who_waits_until_a_client_is_idle_may_have_a_waker_with_code() {
    let (server, go) = gated();
    run(async {
        let client = Client::builder().max_clients(1).build();
        let fetches: Vec<_> = (0..2)
            .map(|_| client.get(server.url("/")).start())
            .collect();
        until("one waits", || client.queued_fetches() == 1).await;
        // It looks into the client, whatever happens to it.
        let looking = client.clone();
        let hooked = hook(move || {
            let mut idle = Box::pin(looking.until_idle());
            // The first look is behind a turn of the others.
            assert!((&mut idle).now_or_never().is_none());
            let _ = (&mut idle).now_or_never();
            assert!(looking.active_fetches() <= 1);
        });
        let mut idle = Box::pin(with_foreign(client.until_idle()));
        for _ in 0..3 {
            assert!((&mut idle).now_or_never().is_none());
            eyewall::yield_now().await;
        }
        // Between the first and the second none is active for a moment.
        for _ in 0..2 {
            go.send(()).unwrap();
        }
        idle.await;
        drop(hooked);
        for fetch in fetches {
            assert_eq!(fetch.await.unwrap().text(), "/");
        }

        // It ends the last fetch.
        let last = Rc::new(RefCell::new(Some(client.get(server.url("/")).start())));
        until("it is active", || client.active_fetches() == 1).await;
        let mut idle = Box::pin(with_foreign(client.until_idle()));
        assert!((&mut idle).now_or_never().is_none());
        let _hooked = hook(move || drop(last.take()));
        idle.await;
    });
    drop(go);
}
