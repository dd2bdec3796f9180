//! The exchange of messages: early responses, interim ones, leave to send, upgrades.
#![cfg(feature = "http")]

mod http_peer;

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyewall::http::{
    Body, Client, Conduit, ErrorKind, HeaderMap, HeaderValue, Method, Phase, Proxy, StatusCode,
    Target, Trace,
};
use eyewall::time::sleep;
use futures_util::sink;
use futures_util::stream::{self, StreamExt};
use http::header::UPGRADE;
use http_peer::{Peer, accept, ok, read_chunked, read_exact, read_head, read_line, read_rest, run};
use socket2::SockRef;

const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!";

/// Refuses a request after its head, reads nothing of its body, and waits for the client to go.
fn refusing_peer() -> (Peer, std::sync::mpsc::Sender<()>) {
    let (done, finish) = channel::<()>();
    let peer = Peer::new(move |listener| {
        SockRef::from(&listener)
            .set_recv_buffer_size(64 << 10)
            .unwrap();
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(TOO_LARGE).unwrap();
        finish.recv().unwrap();
        let rest = read_rest(&mut stream).len();
        assert!(
            rest < 9 << 20,
            "{rest} bytes were sent to a peer that wanted none"
        );
    });
    (peer, done)
}

async fn refused(peer: &Peer, body: Body) {
    let client = Client::new();
    let mut response = client.post(peer.url()).body(body).send().await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.text().await.unwrap(), "no!");
    assert_eq!(
        client.idle_connections(),
        0,
        "half a request has been sent on it"
    );
}

#[test]
fn b03_an_early_answer_stops_the_upload_of_bytes() {
    let (peer, done) = refusing_peer();
    run(refused(&peer, Body::from(vec![0; 10 << 20])));
    done.send(()).unwrap();
    peer.join();
}

#[test]
fn b03_an_early_answer_stops_the_upload_of_a_stream() {
    let (peer, done) = refusing_peer();
    run(async {
        let made = Rc::new(Cell::new(0));
        let count = Rc::clone(&made);
        let pieces = stream::repeat_with(move || {
            count.set(count.get() + 1);
            Ok::<_, io::Error>(vec![0; 64 << 10])
        });
        refused(&peer, Body::stream(pieces)).await;
        let then = made.get();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(made.get(), then, "the source is left alone");
    });
    done.send(()).unwrap();
    peer.join();
}

#[test]
fn b03_an_early_answer_ends_a_producer_that_waits() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        assert_eq!(read_exact(&mut stream, 8), b"3\r\none\r\n");
        stream.write_all(TOO_LARGE).unwrap();
        assert_eq!(read_rest(&mut stream), b"");
    });
    run(async {
        let body = Body::producer(|mut writer| async move {
            writer.write("one").await?;
            std::future::pending::<io::Result<()>>().await
        });
        let mut response = Client::new()
            .post(peer.url())
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(response.text().await.unwrap(), "no!");
    });
    peer.join();
}

#[test]
fn b04_a_response_before_a_reset_wins() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(TOO_LARGE).unwrap();
        // The client must have the answer before the reset, which takes away what it has not yet received.
        std::thread::sleep(Duration::from_millis(50));
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    run(async {
        let body = Body::from(vec![0; 10 << 20]);
        let mut response = Client::new()
            .post(peer.url())
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 413);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(response.text().await.unwrap(), "no!");
    });
    peer.join();
}

#[test]
fn b04_a_reset_without_a_response_is_an_error() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    run(async {
        let body = Body::from(vec![0; 10 << 20]);
        let error = Client::new()
            .post(peer.url())
            .body(body)
            .send()
            .await
            .unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::Send | ErrorKind::Receive | ErrorKind::EmptyReply
        ));
    });
    peer.join();
}

#[test]
fn a_reset_says_whether_an_answer_had_begun() {
    // An interim response is none.
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for (begun, said) in [
        ("", "before an answer came"),
        (hints, "before an answer came"),
        (head, "in the middle of the answer"),
    ] {
        let (seen, told) = channel();
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(begun.as_bytes()).unwrap();
            if !begun.is_empty() {
                // A reset takes away what has not yet been received.
                told.recv().unwrap();
            }
            SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        });
        run(async {
            let fetch = Client::new().get(peer.url()).on_trace(move |step| {
                if let Trace::Response(_) = step {
                    seen.send(()).unwrap();
                }
            });
            let text = async { fetch.send().await?.text().await };
            let error = text.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Receive);
            assert!(error.to_string().contains(said), "{error}");
        });
        peer.join();
    }
}

#[test]
fn an_echo_answers_while_it_still_reads() {
    const PIECES: usize = 200;
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3276800\r\n\r\n")
            .unwrap();
        for _ in 0..PIECES {
            let piece = read_exact(&mut stream, 16384);
            stream.write_all(&piece).unwrap();
        }
        // The request was sent whole: the connection is used again.
        read_head(&mut stream);
        ok(&mut stream);
    });
    run(async {
        let pieces = stream::iter(0..PIECES).map(|n| Ok::<_, io::Error>(vec![n as u8; 16384]));
        let body = Body::stream(pieces).with_length(PIECES as u64 * 16384);
        let client = Client::new();
        let mut response = client.post(peer.url()).body(body).send().await.unwrap();
        let back = response.bytes().await.unwrap();
        assert_eq!(back.len(), PIECES * 16384);
        assert!(
            back.chunks(16384)
                .enumerate()
                .all(|(n, piece)| piece.iter().all(|b| *b == n as u8))
        );
        assert!(client.get(peer.url()).send().await.unwrap().is_reused());
    });
    peer.join();
}

/// Nothing goes through a sink but while somebody polls it.
#[test]
fn the_body_goes_on_through_a_sink_when_the_answer_has_begun() {
    const SIZE: usize = 100_000;
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        read_exact(&mut stream, SIZE);
        stream.write_all(b"5\r\nthank\r\n0\r\n\r\n").unwrap();
        // The connection has been kept.
        read_head(&mut stream);
        ok(&mut stream);
    });
    let address = peer.address;
    run(async {
        let client = Client::builder().connector(move |_: Target| async move {
            let stream = eyewall::net::TcpStream::connect(address).await?;
            let (recv, send) = stream.into_split();
            let incoming = stream::unfold(recv, |mut recv| async {
                let chunk = recv.recv_chunk().await.transpose()?;
                Some((chunk.map(|chunk| Bytes::copy_from_slice(&chunk)), recv))
            });
            let outgoing = sink::unfold(send, |mut send, bytes: Bytes| async move {
                for part in bytes.chunks(1000) {
                    sleep(Duration::from_micros(100)).await;
                    send.send_all(part.to_vec()).await.0?;
                }
                Ok(send)
            });
            Conduit::new(incoming, outgoing)
        });
        let client = client.build();
        let request = client.post("http://a.test/").body(vec![7; SIZE]);
        let mut response = request.send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "thank");
        let again = client.get("http://a.test/").send().await.unwrap();
        assert!(again.is_reused());
    });
    peer.join();
}

#[test]
fn a_body_that_fails_after_the_head_fails_the_response() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal")
            .unwrap();
        assert_eq!(read_rest(&mut stream), b"3\r\none\r\n");
    });
    run(async {
        let (fail, failed) = eyewall::promise::promise::<()>();
        let body = Body::producer_once(|mut writer| async move {
            writer.write("one").await?;
            let _ = failed.await;
            Err(io::Error::other("in the middle"))
        });
        let mut response = Client::new()
            .post(peer.url())
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(&response.chunk().await.unwrap().unwrap()[..], b"hal");
        fail.set(());
        assert_eq!(response.chunk().await.unwrap_err().kind(), ErrorKind::Body);
    });
    peer.join();
}

#[test]
fn i01_i02_interim_responses_are_told_and_passed_over() {
    let peer = Peer::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    run(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (interim, heads) = (Rc::clone(&seen), Rc::clone(&seen));
        let request = Client::new()
            .get(peer.url())
            .on_informational(move |head| {
                let link = head
                    .headers
                    .get("link")
                    .map(|link| link.to_str().unwrap().to_owned());
                interim.borrow_mut().push((head.status.as_u16(), link));
            })
            .on_head(move |head| heads.borrow_mut().push((head.status.as_u16(), None)));
        let mut response = request.send().await.unwrap();
        let link = Some("</a.css>".to_owned());
        assert_eq!(
            *seen.borrow(),
            [(100, None), (102, None), (103, link), (200, None)]
        );
        assert_eq!(response.text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn s06_a_panic_in_a_callback_leaves_the_fetch_alone() {
    let peer = Peer::answering(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    run(async {
        let request = Client::new()
            .get(peer.url())
            .on_informational(|_| panic!("as wanted by the test"))
            .on_head(|_| panic!("as wanted by the test"));
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn i03_a_storm_of_interim_responses_is_an_error() {
    let mut answer = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let peer = Peer::answering(answer);
    run(async {
        let told = Rc::new(Cell::new(0));
        let count = Rc::clone(&told);
        let request = Client::new()
            .get(peer.url())
            .on_informational(move |_| count.set(count.get() + 1));
        assert_eq!(
            request.send().await.unwrap_err().kind(),
            ErrorKind::Protocol
        );
        assert_eq!(told.get(), 16);
    });
    peer.join();
}

#[test]
fn i04_i05_leave_is_waited_for_also_with_fields() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream);
        assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let early = stream.read(&mut [0; 16]).unwrap_err();
        assert_eq!(
            early.kind(),
            io::ErrorKind::WouldBlock,
            "nothing is sent without leave"
        );
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        // I04: one with fields is as good.
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\nX-Why: not\r\n\r\n")
            .unwrap();
        assert_eq!(read_exact(&mut stream, 4), b"body");
        ok(&mut stream);
        read_head(&mut stream);
        ok(&mut stream);
    });
    run(async {
        let client = Client::new();
        let request = client.post(peer.url()).body("body");
        let mut response = request
            .expect_continue(true)
            .expect_timeout(Duration::from_secs(20))
            .send()
            .await
            .unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        assert_eq!(response.bytes_sent(), response.request_size() + 4);
        assert!(client.get(peer.url()).send().await.unwrap().is_reused());
    });
    peer.join();
}

/// However much of it comes at once: with leave, it is an answer of somebody who still reads.
#[test]
fn i05_leave_counts_also_in_one_piece_with_the_answer() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            .unwrap();
        let body = read_exact(&mut stream, 4);
        stream.write_all(&body).unwrap();
        read_head(&mut stream);
        ok(&mut stream);
        // Who refuses it after all gets nothing.
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        assert_eq!(read_rest(&mut stream), b"");
    });
    run(async {
        let builder = Client::builder()
            .expect_continue(true)
            .expect_timeout(Duration::ZERO);
        let client = builder.clone().build();
        let request = client.post(peer.url()).body("body").send();
        assert_eq!(request.await.unwrap().text().await.unwrap(), "body");
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert!(response.is_reused(), "the request was sent whole");
        assert_eq!(response.text().await.unwrap(), "ok");
        let refused = builder.build().post(peer.url()).body("body").send();
        assert_eq!(refused.await.unwrap().status(), 403);
    });
    peer.join();
}

#[test]
fn i06_a_final_answer_first_means_that_the_body_is_never_made() {
    for status in ["403 Forbidden", "200 OK"] {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").unwrap();
            assert_eq!(read_rest(&mut stream), b"", "not a byte of the body");
        });
        run(async {
            let body = Body::producer(|_| async {
                panic!("nobody wants it");
                #[allow(unreachable_code)]
                Ok::<_, io::Error>(())
            });
            let client = Client::new();
            let request = client.post(peer.url()).body(body).expect_continue(true);
            let mut response = request.send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
            assert_eq!(response.bytes_sent(), response.request_size());
            assert_eq!(
                client.idle_connections(),
                0,
                "the peer may wait for the body"
            );
        });
        peer.join();
    }
}

#[test]
fn i07_silence_is_taken_as_leave_after_a_second() {
    let start = Instant::now();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        assert_eq!(read_chunked(&mut stream), [b"body"]);
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
        // Leave that comes late changes nothing.
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        ok(&mut stream);
    });
    run(async {
        let body = Body::stream(stream::iter([Ok::<_, io::Error>("body")]));
        let request = Client::new()
            .post(peer.url())
            .body(body)
            .expect_continue(true);
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn i07_a_client_waits_as_long_as_it_says_and_for_ever_with_zero() {
    let short = Duration::from_millis(30);
    for patience in [short, Duration::ZERO] {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            if patience.is_zero() {
                let silence = Some(10 * short);
                stream.set_read_timeout(silence).unwrap();
                let early = stream.read(&mut [0; 16]).unwrap_err();
                assert_eq!(early.kind(), io::ErrorKind::WouldBlock);
                stream.set_read_timeout(None).unwrap();
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            }
            assert_eq!(read_exact(&mut stream, 4), b"body");
            ok(&mut stream);
        });
        run(async {
            let client = Client::builder()
                .expect_continue(true)
                .expect_timeout(short);
            let request = client.build().post(peer.url()).body("body");
            let request = request.expect_timeout(patience);
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
        });
        peer.join();
    }
}

#[test]
fn i08_who_does_not_know_the_expectation_is_asked_without() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        assert!(read_head(&mut stream).contains("expect: 100-continue"));
        stream
            .write_all(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let mut second = accept(&listener);
        assert_eq!(read_rest(&mut stream), b"");
        assert!(!read_head(&mut second).contains("expect"));
        assert_eq!(read_exact(&mut second, 4), b"body");
        ok(&mut second);
    });
    run(async {
        // A stream, which is still there: nothing of it was sent.
        let body = Body::stream(stream::iter([Ok::<_, io::Error>("body")])).with_length(4);
        let request = Client::new()
            .post(peer.url())
            .body(body)
            .expect_continue(true);
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn i08_a_refusal_that_comes_after_a_stream_is_the_answer() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        // It came without leave.
        assert_eq!(read_exact(&mut stream, 4), b"body");
        stream
            .write_all(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 3\r\n\r\nno!")
            .unwrap();
    });
    run(async {
        let body = Body::stream(stream::iter([Ok::<_, io::Error>("body")])).with_length(4);
        let request = Client::new().post(peer.url()).body(body);
        let request = request.expect_continue(true);
        let request = request.expect_timeout(Duration::from_millis(1));
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), 417);
        assert_eq!(response.text().await.unwrap(), "no!");
    });
    peer.join();
}

#[test]
fn a_request_without_a_body_expects_nothing() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        assert!(!read_head(&mut stream).contains("expect"));
        ok(&mut stream);
    });
    run(async {
        let request = Client::new().get(peer.url()).expect_continue(true);
        assert_eq!(request.send().await.unwrap().status(), 200);
    });
    peer.join();
}

#[test]
fn i09_a_switch_that_nobody_asked_for_is_an_error() {
    let peer = Peer::answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\n");
    run(async {
        let error = eyewall::fetch(peer.url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    });
    peer.join();
}

#[test]
fn i09_a_switch_that_was_asked_for_hands_the_connection_over() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream);
        assert!(head.contains("\r\nupgrade: chat\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
        // With the first bytes of the other protocol behind it.
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\nhello ";
        stream.write_all(answer.as_bytes()).unwrap();
        assert_eq!(read_exact(&mut stream, 4), b"ping");
        stream.write_all(b"pong").unwrap();
        assert_eq!(read_rest(&mut stream), b"bye");
        stream.write_all(b"end").unwrap();
    });
    run(async {
        let request = Client::new().get(peer.url()).header("upgrade", "chat");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 101);
        let mut chat = response.upgrade().await.unwrap();
        let (count, buffer) = chat.recv(Vec::with_capacity(4)).await;
        assert_eq!((count.unwrap(), &buffer[..]), (4, &b"hell"[..]));
        assert_eq!(&chat.recv_chunk().await.unwrap().unwrap()[..], b"o ");
        let (recv, send) = chat.split();
        let (sent, received) = futures_util::join!(send.send_all("ping"), recv.recv_chunk());
        sent.0.unwrap();
        assert_eq!(&received.unwrap().unwrap()[..], b"pong");
        chat.send_all("bye").await.0.unwrap();
        chat.shutdown().await.unwrap();
        assert_eq!(&chat.recv_chunk().await.unwrap().unwrap()[..], b"end");
        assert!(chat.recv_chunk().await.unwrap().is_none());
        chat.close().await.unwrap();
    });
    peer.join();
}

#[test]
fn i09_the_directions_of_a_switched_connection_live_on_their_own() {
    const COUNT: usize = 100;
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\nhello";
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        assert_eq!(read_exact(&mut stream, 4 * COUNT), b"ping".repeat(COUNT));
        stream.write_all(b"pong").unwrap();
        // The half that was dropped is not the end: that was said.
        assert_eq!(read_rest(&mut stream), b"");
        stream.write_all(b"end").unwrap();
    });
    run(async {
        let request = Client::new().get(peer.url()).header("upgrade", "chat");
        let chat = request.send().await.unwrap().upgrade().await.unwrap();
        let (mut recv, mut send) = chat.into_split();
        let reader = eyewall::spawn(async move {
            let mut all = Vec::new();
            while let Some(chunk) = recv.recv_chunk().await.unwrap() {
                all.extend_from_slice(&chunk);
            }
            all
        });
        for _ in 0..COUNT {
            send.send_all(b"ping").await.0.unwrap();
        }
        send.shutdown().await.unwrap();
        drop(send);
        assert_eq!(reader.await.unwrap(), b"hellopongend");
    });
    peer.join();
}

#[test]
fn i09_a_client_may_ask_for_a_switch_in_every_request() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\nhello";
    let peer = Peer::answering(answer);
    run(async {
        let chat = HeaderMap::from_iter([(UPGRADE, HeaderValue::from_static("chat"))]);
        let client = Client::builder().default_headers(chat).build();
        let chat = client.get(peer.url()).send().await.unwrap();
        assert_eq!(chat.status(), 101);
        let mut chat = chat.upgrade().await.unwrap();
        assert_eq!(&chat.recv_chunk().await.unwrap().unwrap()[..], b"hello");
    });
    peer.join();
}

#[test]
fn i09_a_server_that_does_not_switch_answers_as_ever() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    run(async {
        let request = Client::new().get(peer.url()).header("upgrade", "chat");
        let mut response = request.send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        let error = response.upgrade().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotUpgraded);
        assert_eq!(error.status(), Some(StatusCode::OK));
        assert_eq!(error.headers().unwrap()["content-length"], "2");
        let text = error.to_string();
        assert!(text.contains("the answer is 200 OK"), "{text}");
    });
    peer.join();
}

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\n";

/// RFC 9110 section 7.8: the request is sent to its end before anything of the other protocol is.
#[test]
fn i09_a_switch_before_the_request_is_whole_takes_effect_behind_it() {
    // Asked for leave first, which the peer should give before it switches (RFC 9110 section 7.8), and does not.
    for asks in [false, true] {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(SWITCH).unwrap();
            stream.write_all(b"welcome ").unwrap();
            assert_eq!(read_line(&mut stream), "5");
            assert_eq!(read_line(&mut stream), "first");
            stream.write_all(b"to all ").unwrap();
            assert_eq!(read_chunked(&mut stream), [b"second"]);
            stream.write_all(b"of you").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_rest(&mut stream), b"thanks");
        });
        run(async {
            let (part, body) = futures_channel::mpsc::unbounded();
            part.unbounded_send(Ok::<_, io::Error>("first")).unwrap();
            let request = Client::new().post(peer.url()).header("upgrade", "chat");
            let request = request
                .body(Body::stream(body))
                .expect_continue(asks)
                .expect_timeout(Duration::ZERO);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 101);
            let upgrading = response.upgrade();
            let ending = async {
                sleep(Duration::from_millis(20)).await;
                part.unbounded_send(Ok("second")).unwrap();
                drop(part);
            };
            let (chat, ()) = futures_util::join!(upgrading, ending);
            let mut chat = chat.unwrap();
            let mut all = Vec::new();
            while let Some(chunk) = chat.recv_chunk().await.unwrap() {
                all.extend_from_slice(&chunk);
            }
            assert_eq!(all, b"welcome to all of you");
            assert_eq!(chat.recv(vec![0; 8]).await.0.unwrap(), 0);
            chat.send_all("thanks").await.0.unwrap();
            chat.close().await.unwrap();
        });
        peer.join();
    }
}

#[test]
fn i09_a_request_that_never_becomes_whole_hands_nothing_over() {
    let limit = Duration::from_millis(300);
    let phase = Phase::Total;
    // Its body stops, fails, or has nobody left to go to.
    let cases = [
        ErrorKind::Timeout { phase, limit },
        ErrorKind::Body,
        ErrorKind::Receive,
    ];
    for kind in cases {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(SWITCH).unwrap();
            assert_eq!(read_exact(&mut stream, 10), b"5\r\nfirst\r\n");
            match kind {
                ErrorKind::Receive => {
                    let linger = Some(Duration::ZERO);
                    SockRef::from(&stream).set_linger(linger).unwrap();
                }
                // Not the last chunk.
                _ => assert_eq!(read_rest(&mut stream), b""),
            }
        });
        run(async {
            let (go, wait) = futures_channel::oneshot::channel();
            let rest = stream::once(async move {
                let () = wait.await.unwrap();
                match kind {
                    ErrorKind::Body => Err(io::Error::other("no more")),
                    _ => std::future::pending().await,
                }
            });
            let body = Body::stream(stream::iter([Ok("first")]).chain(rest));
            let mut request = Client::new().post(peer.url()).header("upgrade", "chat");
            if kind != ErrorKind::Receive {
                request = request.timeout(Duration::from_millis(300));
            }
            let response = request.body(body).send().await.unwrap();
            go.send(()).unwrap();
            let error = response.upgrade().await.unwrap_err();
            assert_eq!(error.kind(), kind);
        });
        peer.join();
    }
}

#[test]
fn i09_a_switched_connection_can_be_taken_over_after_a_look_at_its_body() {
    let peer = Peer::answering([SWITCH, b"hello"].concat());
    run(async {
        let request = Client::new().get(peer.url()).header("upgrade", "chat");
        let mut response = request.send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "");
        assert!(response.chunk().await.unwrap().is_none());
        let mut chat = response.upgrade().await.unwrap();
        assert_eq!(&chat.recv_chunk().await.unwrap().unwrap()[..], b"hello");
    });
    peer.join();
}

#[test]
fn a_tunnel_by_connect_can_be_taken_over() {
    // By whom it is asked for, and for where.
    for through_proxy in [false, true] {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            let head = read_head(&mut stream);
            let host = match through_proxy {
                true => "site.test:80".to_owned(),
                false => listener.local_addr().unwrap().to_string(),
            };
            // RFC 9112 section 3.2.3: the target has a port, and RFC 9112 section 3.2: so has the host.
            let start = format!("connect {host} http/1.1\r\nhost: {host}\r\n");
            assert!(head.starts_with(&start), "{head}");
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nfirst bytes")
                .unwrap();
        });
        run(async {
            let (client, url) = match through_proxy {
                true => {
                    let proxy = Proxy::http(peer.url()).unwrap();
                    let client = Client::builder().proxy(proxy).build();
                    (client, "http://site.test/path?query".to_owned())
                }
                false => (Client::new(), peer.url()),
            };
            let request = client
                .request(Method::CONNECT, url)
                .allow_nonstandard_methods(true);
            let mut tunnel = request.send().await.unwrap().upgrade().await.unwrap();
            assert_eq!(
                &tunnel.recv_chunk().await.unwrap().unwrap()[..],
                b"first bytes"
            );
        });
        peer.join();
    }
}
