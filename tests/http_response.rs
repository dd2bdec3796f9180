//! Reading the body of a response, in all its ways.
#![cfg(feature = "http")]

mod common;
mod http_peer;

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use eyewall::Reactor;
use eyewall::fs::{File, OpenOptions};
use eyewall::http::{Body, Client, Conduit, ErrorKind, Flow, Phase, Push, Response};
use eyewall::reactor::metrics;
use eyewall::time::sleep;
use futures_util::stream::FusedStream;
use futures_util::{FutureExt, StreamExt, sink, stream};
use http_peer::{Peer, accept, ok, read_chunked, read_head, read_rest, run};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n";

#[test]
fn chunks_are_a_stream() {
    let peer = Peer::answering(CHUNKED);
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        let mut chunks = response.chunks();
        assert_eq!(&chunks.next().await.unwrap().unwrap()[..], b"abc");
        // Whoever drops the stream finds the rest where it was.
        drop(chunks);
        let mut chunks = response.chunks();
        assert_eq!(&chunks.next().await.unwrap().unwrap()[..], b"de");
        assert!(!chunks.is_terminated());
        assert!(chunks.next().await.is_none());
        assert!(chunks.is_terminated());
        assert!(chunks.next().await.is_none());
        drop(chunks);
        assert_eq!(response.trailers().unwrap()["x-sum"], "7");
    });
    peer.join();
}

#[test]
fn a_stream_ends_with_its_error() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    run(async {
        let mut chunks = eyewall::fetch(peer.url()).await.unwrap().into_chunks();
        assert_eq!(&chunks.next().await.unwrap().unwrap()[..], b"abc");
        let error = chunks.next().await.unwrap().unwrap_err();
        let expected = Some(10);
        assert_eq!(
            error.kind(),
            ErrorKind::Truncated {
                received: 3,
                expected
            }
        );
        assert!(chunks.next().await.is_none());
    });
    peer.join();
}

#[test]
fn what_has_been_read_of_a_body_is_not_given_again() {
    let peer = Peer::answering(CHUNKED);
    run(async {
        let file = File::create("/dev/null").await.unwrap();
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(&response.chunk().await.unwrap().unwrap()[..], b"abc");
        assert_eq!(response.bytes().await.unwrap(), "de");
        assert_eq!(response.bytes().await.unwrap(), "");
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(response.save(&file).await.unwrap(), 0);
        assert!(response.chunks().next().await.is_none());
        assert_eq!(response.whole().await.unwrap().body, "");
    });
    peer.join();
}

/// What every way to read the body gives.
async fn kinds_of_all_reads(response: &mut Response) -> Vec<Option<ErrorKind>> {
    let file = File::create("/dev/null").await.unwrap();
    let first = response.chunks().next().await;
    let errors = [
        response.chunk().await.err(),
        response.bytes().await.err(),
        response.text().await.err(),
        response.save(&file).await.err(),
        first.and_then(Result::err),
    ];
    let kinds = errors.into_iter();
    kinds.map(|error| error.map(|error| error.kind())).collect()
}

#[test]
fn what_is_left_of_a_body_that_has_failed_is_not_taken_for_the_whole() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(&response.chunk().await.unwrap().unwrap()[..], b"abc");
        let kind = response.bytes().await.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Truncated { received: 3, .. }));
        assert_eq!(kinds_of_all_reads(&mut response).await, [Some(kind); 5]);
    });
    peer.join();
}

#[test]
fn what_is_left_of_a_body_whose_reader_was_dropped_is_not_taken_for_the_whole() {
    let known = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    for (answer, reader) in [
        (known, 0),
        (known, 1),
        (known, 2),
        (chunked, 0),
        (chunked, 2),
    ] {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            // Nobody wants the rest.
            assert_eq!(read_rest(&mut stream), b"");
        });
        run(async {
            let file = File::create("/dev/null").await.unwrap();
            let mut response = eyewall::fetch(peer.url()).await.unwrap();
            // One that has not begun takes nothing away.
            drop(response.bytes());
            drop(response.text());
            drop(response.save(&file));
            // What came with the head is read at once, and the rest never comes.
            let begun = match reader {
                0 => response.bytes().now_or_never().is_none(),
                1 => response.text().now_or_never().is_none(),
                _ => response.save(&file).now_or_never().is_none(),
            };
            assert!(begun, "{answer:?}, {reader}");
            let cancelled = [Some(ErrorKind::Cancelled); 5];
            assert_eq!(
                kinds_of_all_reads(&mut response).await,
                cancelled,
                "{answer:?}, {reader}"
            );
        });
        peer.join();
    }
}

#[test]
fn a_stream_can_be_sent_on() {
    let from = Peer::answering(CHUNKED);
    let to = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        assert_eq!(read_chunked(&mut stream), [&b"abc"[..], b"de"]);
        ok(&mut stream);
    });
    run(async {
        let response = eyewall::fetch(from.url()).await.unwrap();
        let body = Body::stream(response.into_chunks());
        let sent = Client::new().post(to.url()).body(body).send().await;
        assert_eq!(sent.unwrap().status(), 200);
    });
    from.join();
    to.join();
}

#[test]
fn a_push_calls_back_later_and_gives_the_response_in_the_end() {
    let peer = Peer::answering(CHUNKED);
    run(async {
        let response = eyewall::fetch(peer.url()).await.unwrap();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&seen);
        let push = response.push(move |bytes| {
            sink.borrow_mut().extend_from_slice(bytes);
            Flow::Continue
        });
        assert!(seen.borrow().is_empty(), "called inside the call");
        let response = push.await.unwrap();
        assert_eq!(*seen.borrow(), b"abcde");
        assert_eq!(response.trailers().unwrap()["x-sum"], "7");
        assert!(response.timings().total.is_some());
    });
    peer.join();
}

#[test]
fn a_push_pauses_and_goes_on() {
    let peer = Peer::answering(CHUNKED);
    run(async {
        let response = eyewall::fetch(peer.url()).await.unwrap();
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let mut push = response.push(move |_| {
            count.set(count.get() + 1);
            Flow::Pause
        });
        let pusher = push.pusher();
        assert!(!pusher.is_paused());
        for expected in [1, 2] {
            let running = eyewall::time::timeout(Duration::from_millis(30), &mut push);
            assert!(running.await.is_err(), "it is held up");
            assert_eq!((calls.get(), pusher.is_paused()), (expected, true));
            pusher.resume();
        }
        push.await.unwrap();
        assert_eq!(calls.get(), 2);
    });
    peer.join();
}

#[test]
fn a_push_may_be_held_up_from_elsewhere_before_it_begins() {
    let peer = Peer::answering(CHUNKED);
    run(async {
        let response = eyewall::fetch(peer.url()).await.unwrap();
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let mut push = response.push(move |_| {
            count.set(count.get() + 1);
            Flow::Continue
        });
        let pusher = push.pusher();
        pusher.pause();
        let running = eyewall::time::timeout(Duration::from_millis(30), &mut push);
        assert!(running.await.is_err(), "it is held up");
        assert_eq!((calls.get(), pusher.is_paused()), (0, true));
        pusher.resume();
        push.await.unwrap();
        assert_eq!((calls.get(), pusher.is_paused()), (2, false));
    });
    peer.join();
}

#[test]
fn a_push_awaited_in_another_reactor_says_so_and_goes_on_at_home() {
    let peer = Peer::answering(CHUNKED);
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let mut push = common::run(&home, async {
        let response = eyewall::fetch(peer.url()).await.unwrap();
        Some(response.push(|_| Flow::Continue))
    })
    .unwrap();
    let error = common::run(&other, &mut push).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reactor);
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.contains("does not run here"), "{text}");
    let response = common::run(&home, push).unwrap();
    assert_eq!(response.trailers().unwrap()["x-sum"], "7");
    drop((response, home));
    peer.join();
}

#[test]
fn a_push_ends_with_its_reactor() {
    let peer = Peer::answering(CHUNKED);
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let push = common::run(&home, async {
        let response = eyewall::fetch(peer.url()).await.unwrap();
        Some(response.push(|_| Flow::Pause))
    });
    drop(home);
    let error = common::run(&other, push.unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    peer.join();
}

#[test]
fn a_push_is_cancelled_by_its_callback_a_panic_or_a_drop() {
    for way in ["cancel", "panic", "drop"] {
        let peer = Peer::new(|listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                .unwrap();
            assert_eq!(
                read_rest(&mut stream),
                b"",
                "{}",
                "the connection is closed"
            );
        });
        run(async {
            let client = Client::new();
            let response = client.get(peer.url()).send().await.unwrap();
            let push = response.push(move |_| match way {
                "cancel" => Flow::Cancel,
                "panic" => panic!("as wanted by the test"),
                _ => Flow::Continue,
            });
            match way {
                "drop" => drop(push),
                _ => assert_eq!(push.await.unwrap_err().kind(), ErrorKind::Cancelled),
            }
            // The close goes out with the next turns.
            sleep(Duration::from_millis(20)).await;
            assert_eq!(client.idle_connections(), 0);
        });
        peer.join();
    }
}

/// A place for a push that is to be dropped while it runs.
type Own = Rc<RefCell<Option<Push>>>;

/// Pushes the body that `client` gets from `url`, with `and_then` behind each part, and counts its parts.
async fn push_own(client: &Client, url: &str, own: &Own, and_then: impl Fn() + 'static) -> usize {
    let response = client.get(url).send().await.unwrap();
    let parts = Rc::new(Cell::new(0));
    let counting = Rc::clone(&parts);
    own.replace(Some(response.push(move |_| {
        counting.set(counting.get() + 1);
        and_then();
        Flow::Continue
    })));
    while client.active_fetches() > 0 {
        eyewall::yield_now().await;
    }
    assert!(own.borrow().is_none());
    parts.get()
}

#[test]
fn a_push_that_its_own_callback_drops_calls_it_no_more() {
    let peer = Peer::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
    );
    run(async {
        let (client, own) = (Client::new(), Own::default());
        let dropping = Rc::clone(&own);
        let drops = move || drop(dropping.take());
        assert_eq!(push_own(&client, &peer.url(), &own, drops).await, 1);
    });
    peer.join();
}

#[test]
fn a_push_that_its_own_connection_drops_calls_nobody_any_more() {
    run(async {
        let own = Own::default();
        let dropping = Rc::clone(&own);
        let connect = move |_| {
            let head = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na");
            let own = Rc::clone(&dropping);
            let rest = stream::poll_fn(move |_| match own.take() {
                Some(push) => {
                    drop(push);
                    Poll::Ready(Some(Ok(Bytes::from_static(b"b"))))
                }
                None => Poll::Pending,
            });
            let takes_all = sink::unfold((), |(), _: Bytes| async { Ok::<_, io::Error>(()) });
            let conduit = Conduit::new(stream::iter([Ok(head)]).chain(rest), takes_all);
            async { conduit }
        };
        let client = Client::builder().connector(connect).build();
        assert_eq!(push_own(&client, "http://own.test/", &own, || ()).await, 1);
    });
}

#[test]
fn a_push_that_is_held_up_ends_with_its_time_or_its_client() {
    for expected in ["time", "close"] {
        let peer = Peer::new(|listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                .unwrap();
            assert_eq!(read_rest(&mut stream), b"");
        });
        run(async {
            let short = Duration::from_millis(50);
            let client = Client::builder().idle_read_timeout(short);
            let client = match expected {
                "time" => client.timeout(2 * short),
                _ => client,
            };
            let client = client.build();
            let response = client.get(peer.url()).send().await.unwrap();
            let push = response.push(|_| Flow::Pause);
            if expected == "close" {
                // The pause is not the server's.
                sleep(2 * short).await;
                assert_eq!(client.active_fetches(), 1);
                client.close();
            }
            let error = push.await.unwrap_err();
            match expected {
                "time" => assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::Timeout {
                            phase: Phase::Total,
                            ..
                        }
                    ),
                    "{error:?}"
                ),
                _ => assert_eq!(error.kind(), ErrorKind::Closed),
            }
            assert_eq!(client.active_fetches(), 0);
        });
        peer.join();
    }
}

#[test]
fn a_push_can_be_left_alone() {
    let peer = Peer::answering(CHUNKED);
    run(async {
        let response = eyewall::fetch(peer.url()).await.unwrap();
        let (told, done) = eyewall::promise::promise();
        let mut told = Some(told);
        let mut seen = 0;
        let push = response.push(move |bytes| {
            seen += bytes.len();
            if let (5, Some(told)) = (seen, told.take_if(|_| seen == 5)) {
                told.set(());
            }
            Flow::Continue
        });
        push.detach();
        done.await.unwrap();
    });
    peer.join();
}

#[test]
fn a_body_goes_straight_to_a_file() {
    let content: Vec<u8> = (0..1_000_000u32).map(|n| ((n * 31) >> 5) as u8).collect();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        content.len()
    )
    .into_bytes();
    answer.extend_from_slice(&content);
    let path = std::env::temp_dir().join(format!("eyewall-save-{}", std::process::id()));
    let peer = Peer::answering(answer);
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        let file = File::create(&path).await.unwrap();
        assert_eq!(response.save(&file).await.unwrap(), content.len() as u64);
        file.close().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == content);
        assert!(response.timings().total.is_some());
    });
    peer.join();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_part_goes_to_its_place_in_a_file() {
    let path = std::env::temp_dir().join(format!("eyewall-save-at-{}", std::process::id()));
    std::fs::write(&path, "one ... four").unwrap();
    let peer = Peer::answering(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 4-6/12\r\n\r\ntwo",
    );
    run(async {
        let request = Client::new().get(peer.url()).header("range", "bytes=4-6");
        let mut response = request.send().await.unwrap();
        let file = OpenOptions::new().write(true).open(&path).await.unwrap();
        assert_eq!(response.save_at(&file, 4).await.unwrap(), 3);
        file.close().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one two four");
    });
    peer.join();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        let file = File::open("/dev/null").await.unwrap();
        let error = response.save(&file).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Save);
        assert!(std::error::Error::source(&error).is_some());
    });
    peer.join();
}

#[test]
fn a_full_disk_is_told_of_before_the_server_sends_more() {
    let (failed, told) = channel();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").unwrap();
        told.recv().expect("the client waits for the rest");
        assert!(read_rest(&mut stream).is_empty());
    });
    run(async {
        let client = Client::new();
        let request = client.get(peer.url()).timeout(Duration::ZERO);
        let mut response = request.send().await.unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").await;
        let error = response.save(&full.unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Save);
        assert_eq!(client.active_fetches(), 0);
        failed.send(()).unwrap();
    });
    peer.join();
}

/// Sends a body without end, and counts what the sockets take of it.
fn endless_peer() -> (Peer, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let length = u64::MAX;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        let piece = [b'x'; 64 << 10];
        while stream.write_all(&piece).is_ok() {
            count.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    });
    (peer, sent)
}

#[test]
fn b01_a_large_body_streams_through() {
    let (peer, _) = endless_peer();
    run(async {
        let request = Client::new().get(peer.url()).max_body_size(u64::MAX);
        let mut response = request.send().await.unwrap();
        let mut seen = 0;
        while seen < 100 << 20 {
            let chunk = response.chunk().await.unwrap().unwrap();
            assert!(chunk.iter().all(|byte| *byte == b'x'));
            seen += chunk.len();
        }
    });
    peer.join();
}

#[test]
fn b09_a_slow_reader_slows_the_server() {
    let (peer, sent) = endless_peer();
    run(async {
        let request = Client::new().get(peer.url()).max_body_size(u64::MAX);
        let mut response = request.send().await.unwrap();
        response.chunk().await.unwrap().unwrap();
        // Until the sockets' buffers are full.
        let mut before = u64::MAX;
        while sent.load(Ordering::SeqCst) != before {
            before = sent.load(Ordering::SeqCst);
            sleep(Duration::from_millis(100)).await;
        }
        let counted = metrics().unwrap();
        let held = counted.pool_buffers - counted.pool_available;
        assert!(
            held <= 1,
            "{held} buffers are held for a reader that does not read"
        );
        // What the server goes on to send follows what is read.
        for _ in 0..512 {
            response.chunk().await.unwrap().unwrap();
        }
        sleep(Duration::from_millis(200)).await;
        let more = sent.load(Ordering::SeqCst) - before;
        assert!(more <= 512 * (16 << 10) + (8 << 20), "{more}");
    });
    peer.join();
}

#[test]
fn b10_a_response_dropped_in_its_middle_closes_the_connection_and_leaks_nothing() {
    let (peer, _) = endless_peer();
    run(async {
        let client = Client::new();
        let before = metrics().unwrap();
        let request = client.get(peer.url()).max_body_size(u64::MAX);
        let mut response = request.send().await.unwrap();
        let chunk = response.chunk().await.unwrap().unwrap();
        drop(response);
        drop(chunk);
        assert_eq!(client.idle_connections(), 0);
        eyewall::time::timeout(Duration::from_secs(10), async {
            while metrics().unwrap().operations != before.operations {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
        assert_eq!(metrics().unwrap().pool_available, before.pool_available);
    });
    peer.join();
}

#[test]
fn b10_a_response_dropped_when_all_of_it_has_come_keeps_the_connection() {
    let (go, gone) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        for _ in 0..2 {
            read_head(&mut stream);
            ok(&mut stream);
        }
        gone.recv().unwrap();
    });
    run(async {
        let client = Client::new();
        for reused in [false, true] {
            let response = client.get(peer.url()).send().await.unwrap();
            assert_eq!(response.is_reused(), reused);
            drop(response);
            assert_eq!(client.idle_connections(), 1);
        }
        go.send(()).unwrap();
    });
    peer.join();
}

#[test]
fn the_last_part_of_a_body_of_known_length_gives_the_connection_back() {
    let (go, gone) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        for (with_head, later) in [("hello", ""), ("hel", "lo"), ("", "hello")] {
            read_head(&mut stream);
            stream
                .write_all((head.to_owned() + with_head).as_bytes())
                .unwrap();
            gone.recv().unwrap();
            stream.write_all(later.as_bytes()).unwrap();
        }
        gone.recv().unwrap();
    });
    run(async {
        let client = Client::new();
        let mut kept = Vec::new();
        for reused in [false, true, true] {
            let mut response = client.get(peer.url()).send().await.unwrap();
            assert_eq!(response.is_reused(), reused);
            go.send(()).unwrap();
            let mut body = Vec::new();
            while body.len() < 5 {
                body.extend_from_slice(&response.chunk().await.unwrap().unwrap());
            }
            assert_eq!(body, b"hello");
            assert_eq!(client.idle_connections(), 1);
            kept.push(response);
        }
        for mut response in kept {
            assert!(response.timings().total.is_some());
            assert!(response.chunk().await.unwrap().is_none());
            assert_eq!(response.bytes().await.unwrap(), "");
        }
        go.send(()).unwrap();
    });
    peer.join();
}

#[test]
fn text_that_is_not_utf_8_is_still_text() {
    let peer = Peer::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\xffb".to_vec());
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(response.text().await.unwrap(), "a\u{fffd}b");
    });
    peer.join();
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_text() {
    const BODY: &[u8] = b"\xef\xbb\xbf{}\xef\xbb\xbf";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY.len());
    let peer = Peer::answering([head.as_bytes(), BODY].concat());
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(response.text().await.unwrap(), "{}\u{feff}");
    });
    peer.join();
    let peer = Peer::answering([head.as_bytes(), BODY].concat());
    run(async {
        let fetched = eyewall::fetch(peer.url()).await.unwrap().whole().await;
        let fetched = fetched.unwrap();
        assert_eq!(fetched.text(), "{}\u{feff}");
        assert_eq!(fetched.body, BODY, "bytes are as they are");
    });
    peer.join();
}

#[test]
fn an_error_of_a_fetch_is_one_of_io_too() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    run(async {
        let error = eyewall::fetch(peer.url())
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap_err();
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::UnexpectedEof);
    });
    peer.join();
}

#[test]
fn bodies_go_both_ways_in_every_set_up() {
    const PIECES: usize = 50;
    for (name, builder) in common::setups() {
        println!("set-up: {name}");
        let peer = Peer::new(|listener| {
            let mut stream = accept(&listener);
            for _ in 0..2 {
                read_head(&mut stream);
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                for chunk in read_chunked(&mut stream) {
                    write!(stream, "{:x}\r\n", chunk.len()).unwrap();
                    stream.write_all(&chunk).unwrap();
                    stream.write_all(b"\r\n").unwrap();
                }
                stream.write_all(b"0\r\n\r\n").unwrap();
            }
        });
        let reactor = builder.build().unwrap();
        common::run(&reactor, async {
            let client = Client::new();
            for reused in [false, true] {
                let pieces =
                    stream::iter(0..PIECES).map(|n| Ok::<_, io::Error>(vec![n as u8; 1000 + n]));
                let request = client.post(peer.url()).body(Body::stream(pieces));
                let mut response = request.send().await.unwrap();
                assert_eq!(response.is_reused(), reused);
                let back = response.bytes().await.unwrap();
                let sent = (0..PIECES).flat_map(|n| vec![n as u8; 1000 + n]);
                assert!(back.into_iter().eq(sent), "{name}");
            }
        });
        let counted = reactor.metrics();
        assert_eq!((counted.stale, counted.panics), (0, 0), "{name}");
        drop(reactor);
        peer.join();
    }
}
