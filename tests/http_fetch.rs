//! Fetches from scripted peers: threads with std sockets, which share no code with the client.
#![cfg(feature = "http")]

mod http_peer;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::pin::pin;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

use eyewall::http::{
    Body, Client, Error, ErrorKind, HeaderMap, HeaderValue, Method, Phase, StatusCode, Version,
    header,
};
use futures_util::poll;
use http_peer::{Peer, accept, ok, read_head, run};

/// The body of a GET.
async fn get(url: &str) -> Result<String, Error> {
    eyewall::fetch(url).await?.text().await
}

#[test]
fn a_body_of_known_length() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test: a b\r\n\r\n";
    let peer = Peer::answering(format!("{head}hello"));
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.head_size(), head.len() as u64);
        assert_eq!(response.headers()["x-test"], "a b");
        assert_eq!(response.content_length(), Some(5));
        assert_eq!(response.remote_addr(), Some(peer.address));
        assert_eq!(response.text().await.unwrap(), "hello");
        assert!(response.timings().total.unwrap() >= response.timings().first_byte.unwrap());
    });
    peer.join();
}

#[test]
fn the_timings_say_when_it_began_by_the_wall_clock() {
    let peer = Peer::answering("HTTP/1.1 204 No Content\r\n\r\n");
    run(async {
        let before = SystemTime::now();
        let response = eyewall::fetch(peer.url()).await.unwrap();
        let after = SystemTime::now();
        let began = response.timings().started_at();
        // The two clocks are read one after the other, and the wall clock may be slewed meanwhile.
        let slack = Duration::from_millis(10);
        assert!(before <= began + slack && began <= after);
    });
    peer.join();
}

#[test]
fn the_timings_of_redirects_and_of_a_second_try_are_those_of_one_fetch() {
    let (tell, told) = channel();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        for path in ["/", "/first", "/second"] {
            assert!(read_head(&mut stream).starts_with(&format!("get {path} ")));
            tell.send(Instant::now()).unwrap();
            match path {
                "/" => ok(&mut stream),
                "/first" => stream
                    .write_all(
                        b"HTTP/1.1 302 Found\r\nLocation: /second\r\nContent-Length: 0\r\n\r\n",
                    )
                    .unwrap(),
                _ => {}
            }
        }
        // It has been sent on a kept connection, which ends without an answer.
        drop(stream);
        let mut stream = accept(&listener);
        assert!(read_head(&mut stream).starts_with("get /second "));
        ok(&mut stream);
    });
    run(async {
        let client = Client::new();
        client
            .get(peer.url())
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let before = Instant::now();
        let url = format!("{}first", peer.url());
        let mut response = client.get(url).send().await.unwrap();
        response.bytes().await.unwrap();
        let timings = response.timings();
        let asked = told.iter().nth(1).unwrap();
        assert!(before <= timings.start && timings.start <= asked);
        assert_eq!((timings.redirects, timings.reused), (1, false));
        let marks = [
            timings.redirect,
            timings.queued,
            timings.resolved,
            timings.connected,
            timings.sending,
            timings.first_byte,
            timings.total,
        ];
        let marks: Vec<Duration> = marks.into_iter().map(Option::unwrap).collect();
        assert!(
            marks.is_sorted() && timings.start + marks[0] >= asked,
            "{timings:?}"
        );
    });
    peer.join();
}

#[test]
fn the_total_is_when_the_last_byte_came() {
    let whole = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let (go, wait) = channel();
    let parted = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
            .unwrap();
        wait.recv().unwrap();
        stream.write_all(b"k").unwrap();
    });
    run(async {
        let mut response = eyewall::fetch(whole.url()).await.unwrap();
        response.bytes().await.unwrap();
        let timings = response.timings();
        assert_eq!(timings.total, timings.first_byte);

        let mut response = eyewall::fetch(parted.url()).await.unwrap();
        assert_eq!(&*response.chunk().await.unwrap().unwrap(), b"o");
        assert_eq!(response.content_length(), Some(2));
        let between = response.timings().start.elapsed();
        go.send(()).unwrap();
        assert_eq!(&*response.bytes().await.unwrap(), b"k");
        assert_eq!(response.content_length(), Some(2));
        let timings = response.timings();
        assert!(timings.first_byte.unwrap() < between && between < timings.total.unwrap());
    });
    whole.join();
    parted.join();
}

#[test]
fn f15_a_chunked_body_with_trailers() {
    let peer = Peer::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(response.text().await.unwrap(), "abc0123456789abcdef");
        assert_eq!(response.trailers().unwrap()["x-sum"], "7");
    });
    peer.join();
}

#[test]
fn f20_a_body_that_ends_with_the_connection() {
    let peer = Peer::answering("HTTP/1.0 200 OK\r\n\r\nall of it");
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_10);
        assert_eq!(response.text().await.unwrap(), "all of it");
    });
    peer.join();
}

#[test]
fn f14_an_answer_in_single_bytes() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        stream.set_nodelay(true).unwrap();
        read_head(&mut stream);
        for byte in answer.as_bytes() {
            stream.write_all(&[*byte]).unwrap();
            std::thread::yield_now();
        }
    });
    run(async { assert_eq!(get(&peer.url()).await.unwrap(), "hello") });
    peer.join();
}

#[test]
fn f19_head_has_no_body_whatever_its_length() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        assert!(read_head(&mut stream).starts_with("head / http/1.1\r\n"));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n")
            .unwrap();
        // The connection is used again: nothing of a body is expected on it.
        assert!(read_head(&mut stream).starts_with("get "));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
    });
    run(async {
        let client = Client::new();
        let mut response = client.head(peer.url()).send().await.unwrap();
        assert_eq!(response.headers()["content-length"], "42");
        assert_eq!(response.bytes().await.unwrap(), b""[..]);
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert!(response.is_reused());
        assert_eq!(response.text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn a_post_sends_its_body_and_its_length() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream);
        assert!(head.starts_with("post /form?x=1 http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-length: 11\r\n"), "{head}");
        assert!(head.contains("\r\nx-one: 1\r\n"), "{head}");
        let mut body = [0; 11];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"name=value!");
        stream
            .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    run(async {
        let client = Client::new();
        let url = format!("{}form?x=1#fragment", peer.url());
        let request = client.post(url).header("x-one", "1").body("name=value!");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 201);
    });
    peer.join();
}

#[test]
fn p01_two_fetches_use_one_connection() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        for _ in 0..2 {
            read_head(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .unwrap();
        }
        // An end behind the answer would be seen with it.
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    });
    run(async {
        let client = Client::new();
        for reused in [false, true] {
            let mut response = client.get(peer.url()).send().await.unwrap();
            assert_eq!(response.is_reused(), reused);
            assert_eq!(response.text().await.unwrap(), "ok");
            assert_eq!(client.idle_connections(), 1);
        }
    });
    peer.join();
}

#[test]
fn p02_a_connection_that_the_peer_has_closed_leaves_the_pool_by_itself() {
    let peer = Peer::new(|listener| {
        for _ in 0..2 {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .unwrap();
        }
    });
    run(async {
        let client = Client::new();
        assert_eq!(
            client
                .get(peer.url())
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
            "ok"
        );
        while client.idle_connections() > 0 {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert!(!response.is_reused());
        assert_eq!(response.text().await.unwrap(), "ok");
    });
    peer.join();
}

/// A peer that answers one request, and closes when it has read the next, unanswered. Then it answers one more
/// connection. It tells each request's first line.
fn closing_peer() -> (Peer, Receiver<String>) {
    let (lines, seen) = channel();
    let peer = Peer::new(move |listener| {
        let line = |head: String| lines.send(head.lines().next().unwrap().to_owned()).unwrap();
        let mut stream = accept(&listener);
        line(read_head(&mut stream));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
        line(read_head(&mut stream));
        drop(stream);
        listener.set_nonblocking(true).unwrap();
        for _ in 0..200 {
            if let Ok((mut stream, _)) = listener.accept() {
                stream.set_nonblocking(false).unwrap();
                line(read_head(&mut stream));
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain")
                    .unwrap();
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    (peer, seen)
}

#[test]
fn p03_a_get_on_a_dead_kept_connection_is_tried_once_more() {
    let (peer, seen) = closing_peer();
    run(async {
        let client = Client::new();
        client
            .get(peer.url())
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert!(!response.is_reused());
        assert_eq!(response.text().await.unwrap(), "again");
    });
    peer.join();
    assert_eq!(seen.iter().count(), 3);
}

#[test]
fn p03_a_post_on_a_dead_kept_connection_is_not() {
    let (peer, seen) = closing_peer();
    run(async {
        let client = Client::new();
        client
            .get(peer.url())
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let error = client.post(peer.url()).body("x").send().await.unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::EmptyReply | ErrorKind::Receive | ErrorKind::Send
            ),
            "{error:?}"
        );
    });
    peer.join();
    assert_eq!(seen.iter().count(), 2);
}

#[test]
fn p05_bytes_on_an_idle_connection_end_it() {
    let (go, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
        wait.recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            .unwrap();
        // The client closes.
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    });
    run(async {
        let client = Client::new();
        client
            .get(peer.url())
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        assert_eq!(client.idle_connections(), 1);
        go.send(()).unwrap();
        while client.idle_connections() > 0 {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
    });
    peer.join();
}

#[test]
fn p05_what_lies_behind_a_body_in_the_socket_is_no_answer_to_the_next_request() {
    const LENGTH: usize = 40_000;
    let (go, wait) = channel::<()>();
    let (written, sent) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n.");
        stream.write_all(head.as_bytes()).unwrap();
        wait.recv().unwrap();
        let mut rest = vec![b'.'; LENGTH - 1];
        rest.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        stream.write_all(&rest).unwrap();
        written.send(()).unwrap();
        let mut next = accept(&listener);
        read_head(&mut next);
        ok(&mut next);
        // The client has closed this one.
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    });
    run(async {
        let client = Client::new();
        let mut first = client.get(peer.url()).send().await.unwrap();
        go.send(()).unwrap();
        // All of it lies in the socket before any more is received.
        sent.recv().unwrap();
        assert_eq!(first.bytes().await.unwrap().len(), LENGTH);
        assert_eq!(client.idle_connections(), 0);
        let mut second = client.get(peer.url()).send().await.unwrap();
        assert_eq!(second.text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn p05_what_has_come_while_nobody_turned_the_reactor_is_no_answer_to_the_next_request() {
    let (go, wait) = channel::<()>();
    let (written, sent) = channel::<()>();
    let peer = Peer::new(move |listener| {
        for _ in 0..2 {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            ok(&mut stream);
            wait.recv().unwrap();
            let surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
            stream.write_all(surplus).unwrap();
            written.send(()).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "it is closed");
        }
        let mut last = accept(&listener);
        read_head(&mut last);
        ok(&mut last);
    });
    run(async {
        let client = Client::new();
        for turned in [false, true] {
            let mut response = client.get(peer.url()).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
            if turned {
                eyewall::yield_now().await;
            }
            go.send(()).unwrap();
            sent.recv().unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
    });
    peer.join();
}

/// The request had been made before that, and waited for its place.
#[test]
fn p05_what_has_come_while_a_request_waited_is_no_answer_to_it() {
    let (go, wait) = channel::<()>();
    let (written, sent) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        ok(&mut stream);
        wait.recv().unwrap();
        let surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        stream.write_all(surplus).unwrap();
        written.send(()).unwrap();
        let mut last = accept(&listener);
        read_head(&mut last);
        ok(&mut last);
    });
    let other = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n.");
    run(async {
        let client = Client::builder().max_clients(1).build();
        let mut first = client.get(peer.url()).send().await.unwrap();
        assert_eq!(first.text().await.unwrap(), "ok");
        let unread = client.get(other.url()).send().await.unwrap();
        let mut second = pin!(client.get(peer.url()).send());
        assert!(poll!(second.as_mut()).is_pending());
        go.send(()).unwrap();
        sent.recv().unwrap();
        std::thread::sleep(Duration::from_millis(5));
        drop(unread);
        let mut second = second.await.unwrap();
        assert_eq!(second.text().await.unwrap(), "ok");
    });
    peer.join();
    other.join();
}

#[test]
fn p06_the_pool_keeps_to_its_bounds_and_its_idle_timeout() {
    let (ends, ended) = channel();
    let peer = Peer::new(move |listener| {
        let served: Vec<_> = (0..3)
            .map(|_| {
                let mut stream = accept(&listener);
                let ends = ends.clone();
                std::thread::spawn(move || {
                    read_head(&mut stream);
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                        .unwrap();
                    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
                    ends.send(()).unwrap();
                })
            })
            .collect();
        served.into_iter().for_each(|thread| thread.join().unwrap());
    });
    run(async {
        let client = Client::builder()
            .pool_max_idle_per_host(2)
            .pool_idle_timeout(Duration::from_millis(200))
            .build();
        let mut responses = Vec::new();
        for _ in 0..3 {
            responses.push(client.get(peer.url()).send().await.unwrap());
        }
        for mut response in responses {
            response.bytes().await.unwrap();
        }
        assert_eq!(client.idle_connections(), 2);
        let all = eyewall::spawn_blocking(move || ended.iter().take(3).count());
        assert_eq!(all.await.unwrap(), 3);
        assert_eq!(client.idle_connections(), 0);
    });
    peer.join();
}

#[test]
fn p08_connection_close_is_honoured_on_both_sides() {
    for (request, answer) in [("close", ""), ("keep-alive", "Connection: close\r\n")] {
        let peer = Peer::answering(format!(
            "HTTP/1.1 200 OK\r\n{answer}Content-Length: 2\r\n\r\nok"
        ));
        run(async {
            let client = Client::new();
            let request = client.get(peer.url()).header("connection", request);
            let mut response = request.send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
            assert_eq!(client.idle_connections(), 0);
        });
        peer.join();
    }
}

#[test]
fn f22_bytes_after_the_response_are_not_kept() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n");
    run(async {
        let client = Client::new();
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        assert_eq!(client.idle_connections(), 0);
    });
    peer.join();
}

#[test]
fn f21_four_ends_that_come_too_early() {
    let cases: [(&str, ErrorKind); 4] = [
        ("", ErrorKind::EmptyReply),
        (
            "HTTP/1.1 200 OK\r\nCont",
            ErrorKind::Truncated {
                received: 0,
                expected: None,
            },
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            ErrorKind::Truncated {
                received: 4,
                expected: Some(10),
            },
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            ErrorKind::Truncated {
                received: 3,
                expected: None,
            },
        ),
    ];
    for (answer, kind) in cases {
        let peer = Peer::answering(answer);
        let error = run(get(&peer.url())).unwrap_err();
        assert_eq!(error.kind(), kind, "{answer:?}");
        assert_eq!(error.url(), Some(peer.url().as_str()));
        peer.join();
    }
}

#[test]
fn f26_what_is_not_http_is_a_protocol_error() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let peer = Peer::answering(answer);
        let error = run(get(&peer.url())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer:?}");
        peer.join();
    }
}

/// A response with so many fields beside its length, of so many bytes each.
fn with_fields(fields: usize, bytes: usize) -> String {
    let line = format!("X: {}\r\n", "y".repeat(bytes - 5));
    let lines = line.repeat(fields);
    format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{lines}\r\nok")
}

#[test]
fn f27_a_head_may_be_as_large_as_the_client_says_or_the_request() {
    const OTHERS: usize = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".len();
    let plain = Client::builder;
    let large = || plain().max_head_size(OTHERS + (100 << 10));
    let small = || plain().max_head_size(OTHERS + 99);
    let many = || plain().max_head_fields(201);
    let few = || plain().max_head_fields(1);
    // The client, the size and the number of fields that the request allows, those that come, and whether they may.
    for (client, size, fields, answer, may) in [
        (plain(), None, None, with_fields(1, 60 << 10), true),
        (plain(), None, None, with_fields(1, 64 << 10), false),
        (large(), None, None, with_fields(1, 100 << 10), true),
        (large(), None, None, with_fields(2, 51 << 10), false),
        (small(), None, None, with_fields(1, 99), true),
        (small(), None, None, with_fields(1, 100), false),
        (small(), Some(OTHERS + 100), None, with_fields(1, 100), true),
        (large(), Some(OTHERS + 99), None, with_fields(1, 100), false),
        (plain(), None, None, with_fields(127, 9), true),
        (plain(), None, None, with_fields(128, 9), false),
        (many(), None, None, with_fields(200, 9), true),
        (many(), None, None, with_fields(201, 9), false),
        (few(), None, None, with_fields(1, 9), false),
        (few(), None, Some(2), with_fields(1, 9), true),
    ] {
        let length = answer.len();
        let peer = Peer::answering(answer);
        let result = run(async {
            let mut request = client.build().get(peer.url());
            if let Some(size) = size {
                request = request.max_head_size(size);
            }
            if let Some(fields) = fields {
                request = request.max_head_fields(fields);
            }
            request.send().await?.text().await
        });
        match result {
            Ok(body) => assert!(may && body == "ok", "{length} bytes"),
            Err(error) => assert!(
                !may && error.kind() == ErrorKind::Protocol,
                "{length} bytes: {error:?}"
            ),
        }
        peer.join();
    }
}

#[test]
fn b02_a_body_beyond_the_limit_is_refused_by_its_length_and_by_its_bytes() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n01234567890",
    ] {
        let peer = Peer::answering(answer);
        let error = run(async {
            let client = Client::builder().max_body_size(10).build();
            let mut response = client.get(peer.url()).send().await?;
            response.bytes().await
        });
        assert_eq!(
            error.unwrap_err().kind(),
            ErrorKind::BodyTooLarge { limit: 10 }
        );
        peer.join();
    }
}

#[test]
fn b02_a_body_that_announces_too_much_is_refused_before_a_byte_of_it() {
    let peer = stalling_peer("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n");
    run(async {
        let client = Client::builder().max_body_size(10).build();
        let error = client.get(peer.url()).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge { limit: 10 });
        assert_eq!(client.active_fetches(), 0);
    });
    peer.join();
}

#[test]
fn b02_the_limit_is_100_mib_unless_told_otherwise() {
    let limit = 100 << 20;
    for (length, kind) in [
        (limit + 1, ErrorKind::BodyTooLarge { limit }),
        (
            limit,
            ErrorKind::Truncated {
                received: 0,
                expected: Some(limit),
            },
        ),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let peer = Peer::answering(answer);
        assert_eq!(run(get(&peer.url())).unwrap_err().kind(), kind);
        peer.join();
    }
}

#[test]
fn p01_the_fetches_of_one_reactor_share_their_connections() {
    let (peer, done) = two_connections();
    for _ in 0..2 {
        // Each has a reactor of its own; the connection of the one before has gone with that.
        run(async {
            let mut response = eyewall::fetch(peer.url()).await.unwrap();
            assert!(!response.is_reused());
            assert_eq!(response.text().await.unwrap(), "ok");
        });
    }
    done.send(()).unwrap();
    peer.join();
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        for _ in 0..2 {
            read_head(&mut stream);
            ok(&mut stream);
        }
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    });
    run(async {
        for reused in [false, true] {
            let mut response = eyewall::fetch(peer.url()).await.unwrap();
            assert_eq!(response.is_reused(), reused);
            assert_eq!(response.text().await.unwrap(), "ok");
        }
        // Whoever wants more of it than a GET has it by name.
        let client = Client::shared().unwrap();
        assert_eq!(client.idle_connections(), 1);
        client.close();
        let error = eyewall::fetch(peer.url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    });
    let error = Client::shared().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reactor);
    peer.join();
}

#[test]
fn b02_what_has_no_body_is_not_too_large() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n";
    let peer = Peer::answering(answer);
    run(async {
        let client = Client::builder().max_body_size(10).build();
        assert_eq!(client.head(peer.url()).send().await.unwrap().status(), 200);
    });
    peer.join();
}

#[test]
fn b02_a_length_that_lies_costs_no_memory() {
    let length = u64::MAX;
    let peer = Peer::answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nfew"
    ));
    let error = run(async {
        let client = Client::builder().max_body_size(u64::MAX).build();
        client.get(peer.url()).send().await?.bytes().await
    });
    let kind = ErrorKind::Truncated {
        received: 3,
        expected: Some(length),
    };
    assert_eq!(error.unwrap_err().kind(), kind);
    peer.join();
}

#[test]
fn b03_an_answer_before_the_request_is_sent_is_delivered() {
    let (done, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
            .unwrap();
        // Takes nothing more, so that the client can never finish sending.
        wait.recv().unwrap();
    });
    run(async {
        let client = Client::new();
        let request = client.post(peer.url()).body(vec![7u8; 64 << 20]);
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(response.text().await.unwrap(), "big");
        assert_eq!(client.idle_connections(), 0);
    });
    done.send(()).unwrap();
    peer.join();
}

#[test]
fn a_large_body_both_ways() {
    let size = 8 << 20;
    let data: Vec<u8> = (0..size).map(|at| ((at * 31) >> 7) as u8).collect();
    let expected = data.clone();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let mut body = vec![0; size];
        stream.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").unwrap();
        stream.write_all(&body).unwrap();
        // An end behind the body would be seen with it.
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    });
    run(async {
        let client = Client::new();
        let mut response = client.post(peer.url()).body(data).send().await.unwrap();
        assert!(response.bytes().await.unwrap() == expected);
        assert_eq!(client.idle_connections(), 1);
    });
    peer.join();
}

#[test]
fn c03_a_refused_connection_says_so() {
    // Bound and closed again: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = run(get(&format!("http://user:secret@{address}/"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_connect());
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("Connection refused"), "{source}");
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn a_name_that_does_not_resolve() {
    let error = run(get("http://no-such-host.invalid/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resolve);
}

#[test]
fn urls_that_cannot_be_fetched() {
    for (url, kind) in [
        ("http://", ErrorKind::Url),
        ("http://[::1", ErrorKind::Url),
        ("http://127.0.0.1:99999/", ErrorKind::Url),
        ("ftp://127.0.0.1/", ErrorKind::UnsupportedScheme),
        ("mailto:a@b.invalid", ErrorKind::UnsupportedScheme),
        ("ws://127.0.0.1/", ErrorKind::UnsupportedScheme),
    ] {
        assert_eq!(run(get(url)).unwrap_err().kind(), kind, "{url}");
    }
}

#[test]
fn a_scheme_that_cannot_be_fetched_says_what_can() {
    for (url, word) in [
        ("ftp://127.0.0.1/", "http://"),
        ("mailto:a@b.invalid", "http://"),
        ("ws://127.0.0.1/", "upgrade"),
        ("wss://127.0.0.1/", "upgrade"),
    ] {
        let error = run(get(url)).unwrap_err();
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert!(reason.contains(word), "{url}: {reason}");
    }
}

#[test]
fn the_causes_of_a_failed_connect_say_each_thing_once() {
    let error = run(get("http://127.0.0.1:1/")).unwrap_err();
    let mut causes = vec![error.to_string()];
    let mut below = std::error::Error::source(&error);
    while let Some(cause) = below {
        causes.push(cause.to_string());
        below = cause.source();
    }
    let all = causes.join("; ");
    assert_eq!(all.matches("refused").count(), 1, "{all}");
}

#[test]
#[cfg(not(feature = "tls"))]
fn https_without_the_feature_says_so() {
    let error = run(get("https://127.0.0.1/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedScheme);
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("the feature \"tls\""), "{reason}");
}

#[test]
fn a_url_without_a_scheme_is_http() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    run(async { assert_eq!(get(&peer.address.to_string()).await.unwrap(), "ok") });
    peer.join();
}

#[test]
fn a_query_is_added_to_that_of_the_url() {
    type Pairs = [(&'static str, &'static str)];
    let queries: [(&str, &Pairs, &str); 4] = [
        (
            "",
            &[("q", "a&b=c d"), ("ä", "")],
            "/?q=a%26b%3Dc+d&%C3%A4=",
        ),
        ("?x=1#there", &[("y", "#?")], "/?x=1&y=%23%3F"),
        ("", &[], "/"),
        ("?", &[], "/?"),
    ];
    let peer = Peer::new(move |listener| {
        for (_, _, target) in queries {
            let mut stream = accept(&listener);
            let head = read_head(&mut stream);
            assert!(
                head.starts_with(&format!("get {target} http/1.1\r\n").to_lowercase()),
                "{head}"
            );
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    run(async {
        let client = Client::new();
        for (rest, pairs, _) in queries {
            let request = client.get(peer.url() + rest).query(pairs);
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
    });
    peer.join();
}

#[test]
fn a_request_can_be_kept_for_another_try() {
    let peer = Peer::new(|listener| {
        let heads = [(); 2].map(|()| {
            let mut stream = accept(&listener);
            let head = read_head(&mut stream);
            assert_eq!(http_peer::read_exact(&mut stream, 4), b"body");
            stream
                .write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
            head
        });
        assert!(heads[0].contains("x-try: any\r\n"), "{}", heads[0]);
        assert_eq!(heads[0], heads[1]);
    });
    run(async {
        let client = Client::new();
        let request = client.put(peer.url()).header("x-try", "any").body(b"body");
        let again = request.try_clone().unwrap();
        assert_eq!(request.send().await.unwrap().status(), 503);
        assert_eq!(again.send().await.unwrap().status(), 503);

        let nothing = futures_util::stream::empty::<Result<&str, std::io::Error>>();
        let once = client.put(peer.url()).body(Body::stream(nothing));
        assert!(once.try_clone().is_none(), "the stream is there once");
        let wrong = client.get(peer.url()).header("x", "line\nend");
        assert!(
            wrong.try_clone().is_none(),
            "the mistake is the first one's"
        );
    });
    peer.join();
}

#[test]
fn a_path_alone_is_no_url() {
    run(async {
        for text in ["/path", "//127.0.0.1:1/path", " /path", "\\path", "/"] {
            let error = get(text).await.unwrap_err();
            assert_eq!((error.kind(), error.url()), (ErrorKind::Url, Some(text)));
            let reason = std::error::Error::source(&error).unwrap().to_string();
            assert!(reason.contains("with http:// and a host"), "{reason}");
        }
    });
}

#[test]
fn r10_a_line_end_in_a_header_or_a_url_reaches_nobody() {
    run(async {
        let client = Client::new();
        let request = || client.get("http://127.0.0.1:1/");
        let bad = [
            (request().header("x-field", "secret\r\nEvil: 1"), "x-field"),
            (request().bearer_auth("secret\n"), "authorization"),
            (request().header("secret: x\r\n", "a"), "a field's name"),
            (request().without_header("secret: x"), "a field's name"),
        ];
        for (request, named) in bad {
            let error = request.send().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Request);
            let reason = std::error::Error::source(&error).unwrap().to_string();
            assert!(reason.contains(named), "{reason}");
            assert!(!format!("{error:?} {error} {reason}").contains("secret"));
        }
    });
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream);
        assert!(
            head.starts_with("get /a%20bevil:%201 http/1.1\r\n"),
            "{head}"
        );
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    run(async { get(&format!("{}a b\r\nEvil: 1", peer.url())).await.unwrap() });
    peer.join();
}

#[test]
fn more_fields_than_a_request_can_have_are_its_mistake() {
    const MOST: usize = 24_576;
    run(async {
        let client = Client::new();
        let named = |name: &str, count: usize| {
            let request = client.get("http://127.0.0.1:1/");
            (0..count).fold(request, |request, at| {
                request.header(format!("{name}-{at}"), "")
            })
        };
        let fields = (0..MOST / 2).map(|at| {
            (
                format!("b-{at}").try_into().unwrap(),
                "".try_into().unwrap(),
            )
        });
        let half: HeaderMap = fields.collect();
        for (request, kind) in [
            (named("a", MOST), ErrorKind::Connect),
            (named("a", MOST + 1), ErrorKind::Request),
            (
                named("a", MOST / 2).headers(half.clone()),
                ErrorKind::Connect,
            ),
            (named("a", MOST / 2 + 1).headers(half), ErrorKind::Request),
        ] {
            assert_eq!(request.send().await.unwrap_err().kind(), kind);
        }
        let form = named("a", MOST).form([("a", "b")]);
        assert_eq!(form.send().await.unwrap_err().kind(), ErrorKind::Request);
        // One that the client adds, and that says something about the connection.
        let close = HeaderMap::from_iter([(header::CONNECTION, HeaderValue::from_static("close"))]);
        let client = Client::builder().default_headers(close).build();
        let full = client.get("http://127.0.0.1:1/");
        let full = (0..MOST).fold(full, |full, at| full.header(format!("a-{at}"), ""));
        assert_eq!(full.send().await.unwrap_err().kind(), ErrorKind::Request);
    });
}

/// A peer that sends `answer` after the head of the request, and then waits until the client closes.
fn stalling_peer(answer: &'static str) -> Peer {
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    })
}

#[test]
fn t04_t05_the_total_time_covers_the_head_and_the_body() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    ] {
        let peer = stalling_peer(answer);
        let limit = Duration::from_millis(50);
        let error = run(async {
            let client = Client::builder().timeout(limit).build();
            client.get(peer.url()).send().await?.bytes().await
        });
        let kind = ErrorKind::Timeout {
            phase: Phase::Total,
            limit,
        };
        assert_eq!(error.unwrap_err().kind(), kind, "{answer:?}");
        // The connection was closed, or the peer would wait.
        peer.join();
    }
}

#[test]
fn t06_zero_is_no_limit() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        std::thread::sleep(Duration::from_millis(30));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
    });
    run(async {
        let client = Client::builder().timeout(Duration::from_millis(10)).build();
        let request = client
            .get(peer.url())
            .timeout(Duration::ZERO)
            .connect_timeout(Duration::ZERO);
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn t07_a_huge_timeout_does_not_overflow() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    run(async {
        let client = Client::builder()
            .timeout(Duration::MAX)
            .connect_timeout(Duration::MAX)
            .pool_idle_timeout(Duration::MAX)
            .build();
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn b10_a_response_dropped_in_its_body_closes_the_connection() {
    let peer = stalling_peer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    run(async {
        let client = Client::new();
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert_eq!(&response.chunk().await.unwrap().unwrap()[..], b"half");
        drop(response);
        assert_eq!(client.idle_connections(), 0);
        eyewall::spawn_blocking(move || peer.join()).await.unwrap();
    });
}

#[test]
fn a_fetch_where_no_reactor_runs_says_so() {
    let error = futures_util::FutureExt::now_or_never(eyewall::fetch("http://127.0.0.1:1/"));
    assert_eq!(error.unwrap().unwrap_err().kind(), ErrorKind::Reactor);
}

#[test]
fn any_method_and_any_status() {
    for (method, status) in [("DELETE", 204), ("OPTIONS", 404), ("PURGE", 599)] {
        let peer = Peer::answering(format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n"));
        run(async {
            let client = Client::builder().allow_nonstandard_methods(true).build();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let response = client.request(method, peer.url()).send().await.unwrap();
            assert_eq!(response.status(), status);
            let error = response.error_for_status().err();
            let expected = Some(StatusCode::from_u16(status).unwrap()).filter(|_| status >= 400);
            assert_eq!(error.as_ref().and_then(|error| error.status()), expected);
            if let (Some(error), Some(status)) = (error, expected) {
                assert_eq!(error.kind(), ErrorKind::Status(status));
                assert_eq!(error.url(), Some(&*peer.url()));
                assert_eq!(error.headers().unwrap()["content-length"], "0");
            }
        });
        peer.join();
    }
}

#[test]
fn a_status_is_the_same_error_of_a_response_and_of_a_whole_one() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\nbusy";
    for (method, idempotent, retryable) in [
        (Method::GET, None, true),
        (Method::POST, None, false),
        (Method::POST, Some(true), true),
        (Method::GET, Some(false), false),
    ] {
        let mut told = Vec::new();
        for whole in [false, true] {
            let peer = Peer::answering(busy);
            run(async {
                let mut request = Client::new().request(method.clone(), peer.url());
                if method == Method::POST {
                    request = request.body("");
                }
                if let Some(idempotent) = idempotent {
                    request = request.idempotent(idempotent);
                }
                let error = match whole {
                    true => request.start().await.unwrap().error_for_status().err(),
                    false => {
                        let mut response = request.send().await.unwrap();
                        response.bytes().await.unwrap();
                        response.error_for_status().err()
                    }
                };
                let error = error.unwrap();
                assert_eq!(error.url(), Some(&*peer.url()));
                assert_eq!(error.is_retryable(), retryable);
                assert_eq!(error.headers().unwrap()["retry-after"], "5");
                assert!(error.local_addr().is_some() && error.remote_addr().is_some());
                assert!(error.timings().unwrap().total.is_some());
                told.push((
                    (error.kind(), error.status(), error.stage()),
                    (error.bytes_sent(), error.bytes_received()),
                ));
            });
            peer.join();
        }
        assert_eq!(told[0], told[1]);
    }
    let peer = Peer::answering("HTTP/1.1 304 Not Modified\r\n\r\n");
    let fetched = run(async { Client::new().get(peer.url()).start().await.unwrap() });
    assert_eq!(fetched.error_for_status().unwrap().status, 304);
    peer.join();
}

#[test]
fn every_pooled_buffer_is_back_after_many_fetches() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        for _ in 0..500 {
            read_head(&mut stream);
            stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                )
                .unwrap();
        }
    });
    let reactor = eyewall::Reactor::builder().pool(2, 4096).build().unwrap();
    let url = peer.url();
    reactor
        .block_on(async {
            let client = Client::new();
            for _ in 0..500 {
                assert_eq!(
                    client.get(&url).send().await.unwrap().text().await.unwrap(),
                    "abc"
                );
            }
        })
        .unwrap();
    let metrics = reactor.metrics();
    assert_eq!(metrics.pool_available, metrics.pool_buffers);
    assert_eq!(metrics.stale, 0);
    peer.join();
}

#[test]
fn a_client_says_its_own_name_or_none() {
    let named = HeaderValue::from_static("mine/1");
    for (agent, expected) in [(Some(named), "\r\nuser-agent: mine/1\r\n"), (None, "")] {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            let head = read_head(&mut stream);
            assert!(head.contains(expected), "{head}");
            let count = head.matches("user-agent").count();
            assert_eq!(count, usize::from(!expected.is_empty()), "{head}");
            ok(&mut stream);
        });
        run(async {
            let client = Client::builder().user_agent(agent).build();
            client.get(peer.url()).send().await.unwrap();
        });
        peer.join();
    }
}

#[test]
fn default_fields_can_be_replaced_and_left_out() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream);
        assert!(!head.contains("\r\naccept:"), "{head}");
        assert_eq!(
            head.matches("\r\nuser-agent: other\r\n").count(),
            1,
            "{head}"
        );
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    run(async {
        let request = Client::new().get(peer.url()).without_header("accept");
        request.header("user-agent", "other").send().await.unwrap();
    });
    peer.join();
}

/// A peer that answers one request on each of two connections, and keeps both open until told.
fn two_connections() -> (Peer, std::sync::mpsc::Sender<()>) {
    let (done, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let _open: Vec<_> = (0..2)
            .map(|_| {
                let mut stream = accept(&listener);
                read_head(&mut stream);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                stream.write_all(answer).unwrap();
                stream
            })
            .collect();
        wait.recv().unwrap();
    });
    (peer, done)
}

#[test]
fn a_client_shared_by_two_reactors_takes_no_connection_of_the_other() {
    let (peer, done) = two_connections();
    let client = Client::builder().timeout(Duration::from_secs(5)).build();
    let reactors = [
        eyewall::Reactor::new().unwrap(),
        eyewall::Reactor::new().unwrap(),
    ];
    for reactor in &reactors {
        let text = reactor.block_on(async { client.get(peer.url()).send().await?.text().await });
        assert_eq!(text.unwrap().unwrap(), "ok");
    }
    done.send(()).unwrap();
    peer.join();
}

#[test]
fn the_caretaker_comes_back_with_the_next_reactor() {
    let (peer, done) = two_connections();
    let client = Client::builder()
        .pool_idle_timeout(Duration::from_millis(50))
        .build();
    let fetch = async || {
        client
            .get(peer.url())
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
    };
    run(fetch());
    run(async {
        fetch().await;
        while client.idle_connections() > 0 {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
    });
    done.send(()).unwrap();
    peer.join();
}

#[test]
fn a_kept_connection_serves_no_other_scheme() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        for _ in 0..2 {
            read_head(&mut stream);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer).unwrap();
        }
    });
    let url = eyewall::http::Url::parse(&peer.url()).unwrap();
    run(async {
        let client = Client::new();
        let mut first = client.get(&url).send().await.unwrap();
        assert_eq!(first.text().await.unwrap(), "ok");
        assert_eq!(client.idle_connections(), 1);
        let other = peer.url().replace("http:", "ftp:");
        let error = client.get(&other).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedScheme);
        let mut second = client.get(url).send().await.unwrap();
        assert_eq!(second.text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn a_status_says_of_a_kept_connection_and_a_chunked_body_the_same_in_both_ways() {
    let busy = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n";
    let told = [false, true].map(|whole| {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            ok(&mut stream);
            read_head(&mut stream);
            stream.write_all(busy.as_bytes()).unwrap();
        });
        let error = run(async {
            let client = Client::new();
            client.get(peer.url()).start().await.unwrap();
            let request = client.get(peer.url());
            match whole {
                true => request.start().await.unwrap().error_for_status().err(),
                false => {
                    let mut response = request.send().await.unwrap();
                    response.bytes().await.unwrap();
                    response.error_for_status().err()
                }
            }
        });
        let error = error.unwrap();
        assert_eq!(error.bytes_received(), busy.len() as u64);
        format!("{error:?}").replace(&peer.url(), "")
    });
    assert_eq!(told[0], told[1]);
    assert!(told[0].contains("reused: true"), "{}", told[0]);
}
