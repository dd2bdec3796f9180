//! Times that a request has while it is being sent, and right behind that.
#![cfg(feature = "http")]

mod http_peer;

use std::future::pending;
use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use eyewall::http::{Body, Client, Conduit, ErrorKind, Flow, Phase, RequestBuilder, Stage, Target};
use eyewall::time::sleep;
use futures_channel::mpsc::unbounded;
use futures_util::{StreamExt, sink, stream};
use http_peer::{Peer, accept, ok, read_chunked, read_head, read_rest, run};

const SHORT: Duration = Duration::from_millis(100);
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Parts with pauses between them, longer than `SHORT` together.
fn leisurely() -> Body {
    Body::producer(|mut writer| async move {
        for _ in 0..6 {
            sleep(SHORT / 3).await;
            writer.write("part").await?;
        }
        Ok::<(), std::io::Error>(())
    })
}

/// A request that has a short time in this phase alone.
fn limited(request: RequestBuilder, phase: Phase) -> RequestBuilder {
    match phase {
        Phase::Total => request.timeout(3 * SHORT),
        Phase::FirstByte => request.first_byte_timeout(SHORT),
        Phase::IdleRead => request.idle_read_timeout(SHORT),
        Phase::IdleWrite => request.idle_write_timeout(SHORT),
        _ => panic!("{phase:?} is none of sending"),
    }
}

/// Sends a request that has a short time in this phase alone, and fails by it; in which stage.
async fn runs_out(request: RequestBuilder, phase: Phase) -> Option<Stage> {
    let error = limited(request, phase).send().await.unwrap_err();
    let limit = SHORT;
    assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
    error.stage()
}

#[test]
fn t05_a_server_has_nothing_to_say_before_the_request_is_whole() {
    // What comes before that: leave, an interim response that nobody asked for, and the head of the response.
    let early = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let rest = b"2\r\nok\r\n0\r\n\r\n";
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let cases: [(bool, &[u8], &[u8]); 3] = [
        (true, CONTINUE, whole),
        (false, b"HTTP/1.1 102 Processing\r\n\r\n", whole),
        (false, early, rest),
    ];
    for (asks, first, second) in cases {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(first).unwrap();
            assert_eq!(read_chunked(&mut stream).len(), 6);
            stream.write_all(second).unwrap();
        });
        run(async {
            let request = Client::new().post(peer.url()).body(leisurely());
            let request = request.expect_continue(asks).idle_read_timeout(SHORT);
            let mut response = request.first_byte_timeout(SHORT).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        });
        peer.join();
    }
}

#[test]
fn t04_an_interim_response_is_no_answer() {
    let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    for (asks, first) in [(true, CONTINUE), (false, interim)] {
        for phase in [Phase::FirstByte, Phase::IdleRead] {
            let peer = Peer::new(move |listener| {
                let mut stream = accept(&listener);
                read_head(&mut stream);
                stream.write_all(first).unwrap();
                read_rest(&mut stream);
            });
            run(async {
                let request = Client::new().post(peer.url()).body("body");
                let request = request.expect_continue(asks);
                assert_eq!(runs_out(request, phase).await, Some(Stage::Wait));
            });
            peer.join();
        }
    }
}

#[test]
fn t05_the_head_that_begins_behind_an_interim_response_is_the_answer() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n")
            .unwrap();
        std::thread::sleep(2 * SHORT);
        stream.write_all(b"Content-Length: 0\r\n\r\n").unwrap();
        read_head(&mut stream);
        ok(&mut stream);
    });
    run(async {
        let client = Client::new();
        let request = client.get(peer.url()).first_byte_timeout(SHORT);
        assert_eq!(request.send().await.unwrap().status(), 200);
        assert!(client.get(peer.url()).send().await.unwrap().is_reused());
    });
    peer.join();
}

#[test]
fn a_slow_server_takes_something_of_a_large_piece() {
    const SIZE: usize = 16 << 20;
    let limit = 6 * SHORT;
    let peer = Peer::new(|listener| {
        let socket = socket2::SockRef::from(&listener);
        socket.set_recv_buffer_size(256 << 10).unwrap();
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let (mut part, mut left) = (vec![0; 64 << 10], SIZE);
        while left > 0 {
            left -= stream.read(&mut part).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        ok(&mut stream);
    });
    run(async {
        let piece = stream::iter([Ok::<_, std::io::Error>(vec![7; SIZE])]);
        let body = Body::stream(piece).with_length(SIZE as u64);
        let request = Client::new().post(peer.url()).body(body);
        let sent = request.idle_write_timeout(limit).send().await;
        assert_eq!(sent.unwrap().status(), 200);
    });
    peer.join();
}

#[test]
fn the_last_chunk_has_the_time_of_the_others() {
    run(async {
        // Whoever is at the other end takes all but that.
        let client = Client::builder().connector(async |_: Target| {
            let sink = sink::unfold((), |(), bytes: Bytes| async move {
                match &bytes[..] {
                    b"0\r\n\r\n" => pending().await,
                    _ => Ok(()),
                }
            });
            Conduit::new(stream::pending(), sink)
        });
        let body = Body::stream(stream::iter([Ok::<_, std::io::Error>("part")]));
        let request = client.build().post("http://site.test/").body(body);
        runs_out(request, Phase::IdleWrite).await;
    });
}

/// One that breaks when something is sent, and says `answer` before, and nothing after.
fn broken(answer: &'static [u8]) -> std::io::Result<Conduit> {
    let failing = |(), _: Bytes| async { Err::<(), _>(std::io::Error::other("on purpose")) };
    let said = Some(Ok(Bytes::from_static(answer))).filter(|_| !answer.is_empty());
    let silent = stream::iter(said).chain(stream::pending());
    Conduit::new(silent, sink::unfold((), failing))
}

#[test]
fn a_request_that_could_not_be_sent_waits_no_longer_for_its_answer_and_says_why() {
    run(async {
        let client = Client::builder().connector(async |_: Target| broken(b""));
        let client = client.build();
        for body in [Body::from("body"), leisurely()] {
            for phase in [Phase::FirstByte, Phase::IdleRead, Phase::Total] {
                let request = client.post("http://site.test/").body(body.clone());
                let error = limited(request, phase).send().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Send, "{phase:?}");
                assert_eq!(error.stage(), Some(Stage::Send));
                assert_eq!((error.bytes_sent(), error.bytes_received()), (0, 0));
                assert!(error.timings().is_some());
                let source = std::error::Error::source(&error).unwrap();
                assert_eq!(source.to_string(), "on purpose");
            }
        }
        // Who gives it up wants to hear that.
        let fetch = client.get("http://site.test/").start();
        eyewall::yield_now().await;
        client.close();
        assert_eq!(fetch.await.unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn an_answer_that_stops_after_a_failed_send_says_why_it_may_have() {
    const PART: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal";
    run(async {
        let client = Client::builder().connector(async |_: Target| broken(PART));
        let client = client.build();
        for phase in [Phase::IdleRead, Phase::Total] {
            let request = client.post("http://site.test/").body(leisurely());
            let mut response = limited(request, phase).send().await.unwrap();
            let error = response.text().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Send, "{phase:?}");
            assert_eq!(error.stage(), Some(Stage::Body));
            assert_eq!(error.bytes_received(), PART.len() as u64);
        }
    });
}

#[test]
fn a_whole_answer_is_the_result_though_the_send_failed() {
    run(async {
        let client = Client::builder()
            .connector(async |_: Target| broken(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        let client = client.build();
        for body in [Body::from("body"), leisurely()] {
            let request = client.post("http://site.test/").body(body);
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
        }
    });
}

#[test]
fn a_pause_of_the_reader_is_not_one_of_the_peer_that_takes_the_body() {
    run(async {
        // It takes each piece in many turns, and has begun its answer before the first.
        let client = Client::builder().connector(async |_: Target| {
            let (whole, ended) = unbounded();
            let sink = sink::unfold(whole, |whole, bytes: Bytes| async move {
                for _ in 0..10 {
                    eyewall::yield_now().await;
                }
                if bytes.ends_with(b"0\r\n\r\n") {
                    whole.unbounded_send(Ok(bytes)).unwrap();
                }
                Ok(whole)
            });
            let early = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
            let early = stream::iter([Ok(Bytes::from_static(early))]);
            Conduit::new(early.chain(ended), sink)
        });
        let request = client.build().post("http://site.test/").body(leisurely());
        let mut response = request.idle_write_timeout(SHORT).send().await.unwrap();
        let chunk = response.chunk().await.unwrap().unwrap();
        assert_eq!(&chunk[..], b"ok");
        sleep(2 * SHORT).await;
        assert_eq!(response.text().await.unwrap(), "");
    });
}

#[test]
fn a_push_that_is_held_up_sends_nothing_and_blames_nobody() {
    const PIECES: usize = 16;
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
            .unwrap();
        assert_eq!(read_chunked(&mut stream).concat().len(), PIECES << 20);
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    run(async {
        let piece = || Ok::<_, std::io::Error>(vec![7; 1 << 20]);
        let body = Body::stream(stream::iter(std::iter::repeat_with(piece).take(PIECES)));
        let request = Client::new().post(peer.url()).body(body);
        let response = request.idle_write_timeout(SHORT).send().await.unwrap();
        // A part of the body is on its way then.
        let push = response.push(|_| Flow::Pause);
        let pusher = push.pusher();
        eyewall::spawn(async move {
            while !pusher.is_paused() {
                eyewall::yield_now().await;
            }
            sleep(2 * SHORT).await;
            pusher.resume();
        })
        .detach();
        assert_eq!(push.await.unwrap().status(), 200);
    });
    peer.join();
}
