//! Bodies of requests: bytes, forms, streams, producers and files.
#![cfg(feature = "http")]

mod foreign_waker;
mod http_peer;

use std::cell::{Cell, RefCell};
use std::error::Error as _;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use eyewall::fs::File;
use eyewall::http::{Body, BodyWriter, Client, Conduit, ErrorKind, Method, Target};
use eyewall::promise::{Promise, promise};
use eyewall::reactor::metrics;
use eyewall::time::sleep;
use foreign_waker::{hook, panicking, poll_with, with_foreign};
use futures_util::future::join;
use futures_util::stream::{self, StreamExt};
use futures_util::{FutureExt, sink};
use http_peer::{Peer, accept, ok, read_chunked, read_exact, read_head, read_rest, run};

/// Takes one request with a chunked body, answers, and hands the chunks to `check`.
fn chunked_peer(check: impl FnOnce(Vec<Vec<u8>>) + Send + 'static) -> Peer {
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream);
        assert!(
            head.contains("\r\ntransfer-encoding: chunked\r\n"),
            "{head}"
        );
        assert!(!head.contains("content-length"), "{head}");
        let chunks = read_chunked(&mut stream);
        ok(&mut stream);
        check(chunks);
    })
}

/// Takes one request with a body of known length, answers, and hands the body to `check`.
fn sized_peer(length: usize, check: impl FnOnce(Vec<u8>) + Send + 'static) -> Peer {
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream);
        assert!(
            head.contains(&format!("\r\ncontent-length: {length}\r\n")),
            "{head}"
        );
        assert!(!head.contains("transfer-encoding"), "{head}");
        let body = read_exact(&mut stream, length);
        ok(&mut stream);
        check(body);
    })
}

/// Takes one request and everything that comes after its head, until the client closes.
fn closing_peer(check: impl FnOnce(Vec<u8>) + Send + 'static) -> Peer {
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        check(read_rest(&mut stream));
    })
}

async fn post(peer: &Peer, body: Body) -> Result<String, eyewall::http::Error> {
    let request = Client::new().post(peer.url()).body(body);
    request.send().await?.text().await
}

#[test]
fn a_form_says_what_it_is() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream);
        assert!(
            head.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"),
            "{head}"
        );
        assert_eq!(
            read_exact(&mut stream, 18),
            b"q=a+b%26&lang=%C3%B6"[..18].to_vec()
        );
        assert_eq!(read_exact(&mut stream, 2), b"B6");
        ok(&mut stream);
    });
    run(async {
        let request = Client::new()
            .post(peer.url())
            .form([("q", "a b&"), ("lang", "ö")]);
        assert_eq!(request.send().await.unwrap().status(), 200);
    });
    peer.join();
}

#[test]
fn a_stream_of_unknown_length_goes_in_chunks() {
    let peer = chunked_peer(|chunks| {
        assert_eq!(chunks, [&b"one"[..], b"two two", &[7; 70_000]]);
    });
    run(async {
        let parts = [
            b"one".to_vec(),
            Vec::new(),
            b"two two".to_vec(),
            vec![7; 70_000],
        ];
        let body = Body::stream(stream::iter(parts.map(Ok::<_, io::Error>)));
        assert_eq!((body.length(), body.is_replayable()), (None, false));
        assert_eq!(post(&peer, body).await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn a_stream_of_known_length_goes_as_it_is() {
    let peer = sized_peer(6, |body| assert_eq!(body, b"onetwo"));
    run(async {
        let parts = stream::iter(["one", "two"].map(Ok::<_, io::Error>));
        assert_eq!(
            post(&peer, Body::stream(parts).with_length(6))
                .await
                .unwrap(),
            "ok"
        );
    });
    peer.join();
}

#[test]
fn a_stream_of_no_bytes_is_a_body() {
    let peer = chunked_peer(|chunks| assert!(chunks.is_empty()));
    run(async {
        let body = Body::stream(stream::empty::<io::Result<Vec<u8>>>());
        assert_eq!(post(&peer, body).await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn a_response_can_be_the_body_of_the_next_request() {
    let from = Peer::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    let to = chunked_peer(|chunks| assert_eq!(chunks.concat(), b"abcde"));
    run(async {
        let response = eyewall::fetch(from.url()).await.unwrap();
        let body = stream::unfold(response, |mut response| async {
            let chunk = response.chunk().await.transpose()?;
            Some((chunk, response))
        });
        assert_eq!(post(&to, Body::stream(body)).await.unwrap(), "ok");
    });
    from.join();
    to.join();
}

#[test]
fn a_producer_writes_and_gets_its_buffer_back() {
    let peer = chunked_peer(|chunks| {
        let expected: Vec<_> = (0..100)
            .map(|n| format!("line {n}\n").into_bytes())
            .collect();
        assert_eq!(chunks, expected);
    });
    run(async {
        let body = Body::producer(|mut writer: BodyWriter| async move {
            let mut buffer = Vec::with_capacity(64);
            let start = buffer.as_ptr();
            for n in 0..100 {
                buffer.clear();
                buffer.extend_from_slice(format!("line {n}\n").as_bytes());
                buffer = writer.write(buffer).await?;
                assert_eq!(buffer.as_ptr(), start, "the same buffer");
            }
            Ok::<_, io::Error>(())
        });
        assert!(body.is_replayable());
        assert_eq!(post(&peer, body).await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn a_writer_may_write_from_another_task() {
    let peer = sized_peer(3000, |body| assert_eq!(body, vec![b'x'; 3000]));
    run(async {
        let body = Body::producer_once(|mut writer| async move {
            let task = eyewall::spawn(async move {
                for _ in 0..3 {
                    sleep(Duration::from_millis(1)).await;
                    writer.write(vec![b'x'; 1000]).await?;
                }
                Ok::<_, io::Error>(())
            });
            task.await.unwrap()
        });
        assert_eq!(post(&peer, body.with_length(3000)).await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn a_writer_outlives_its_fetch() {
    let peer = closing_peer(|_| ());
    run(async {
        let kept: Rc<RefCell<Option<BodyWriter>>> = Rc::default();
        let keep = Rc::clone(&kept);
        let body = Body::producer(move |mut writer| {
            let keep = Rc::clone(&keep);
            async move {
                writer.write("first").await?;
                *keep.borrow_mut() = Some(writer);
                std::future::pending::<io::Result<()>>().await
            }
        });
        let mut sending = Box::pin(Client::new().post(peer.url()).body(body).send());
        poll_fn(|cx| {
            assert!(sending.as_mut().poll(cx).is_pending());
            match kept.borrow().is_some() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        drop(sending);
        let mut writer = kept.take().unwrap();
        let error = writer.write("second").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
    peer.join();
}

#[test]
fn a_file_is_read_while_it_is_sent() {
    let content: Vec<u8> = (0..300_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let path = std::env::temp_dir().join(format!("eyewall-body-{}", std::process::id()));
    std::fs::write(&path, &content).unwrap();
    let peer = sized_peer(content.len(), move |body| assert!(body == content));
    run(async {
        let body = Body::file(File::open(&path).await.unwrap()).await.unwrap();
        assert!(body.is_replayable());
        assert_eq!(post(&peer, body).await.unwrap(), "ok");
    });
    peer.join();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_is_no_file_with_a_length_does_not_pass_for_an_empty_one() {
    let version = std::fs::read("/proc/version").unwrap();
    assert_eq!(std::fs::metadata("/proc/version").unwrap().len(), 0);
    let peer = chunked_peer(move |chunks| assert!(chunks.concat() == version));
    run(async {
        let made_up = File::open("/proc/version").await.unwrap();
        let body = Body::file(made_up).await.unwrap();
        assert_eq!(body.length(), None);
        assert_eq!(post(&peer, body).await.unwrap(), "ok");

        let directory = File::open("/tmp").await.unwrap();
        let error = Body::file(directory).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let device = File::open("/dev/null").await.unwrap();
        let error = Body::file(device).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("Body::stream"));
    });
    peer.join();
}

#[test]
fn an_empty_file_is_an_empty_body() {
    let path = std::env::temp_dir().join(format!("eyewall-empty-{}", std::process::id()));
    std::fs::write(&path, "").unwrap();
    run(async {
        let body = Body::file(File::open(&path).await.unwrap()).await.unwrap();
        assert_eq!(body.length(), Some(0));
    });
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn b05_a_file_that_shrinks_is_an_error() {
    let path = std::env::temp_dir().join(format!("eyewall-shrinks-{}", std::process::id()));
    std::fs::write(&path, vec![1; 1000]).unwrap();
    let peer = closing_peer(|rest| assert_eq!(rest, vec![1; 10]));
    run(async {
        let body = Body::file(File::open(&path).await.unwrap()).await.unwrap();
        std::fs::write(&path, vec![1; 10]).unwrap();
        let error = post(&peer, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
    });
    peer.join();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn b05_too_few_bytes_are_an_error_and_close() {
    let peer = closing_peer(|rest| assert_eq!(rest, b"four"));
    run(async {
        let client = Client::new();
        let body = Body::stream(stream::iter([Ok::<_, io::Error>("four")])).with_length(5);
        let error = client.post(peer.url()).body(body).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert!(
            error
                .source()
                .unwrap()
                .to_string()
                .contains("4 of the 5 bytes")
        );
        assert_eq!(client.idle_connections(), 0);
    });
    peer.join();
}

#[test]
fn b05_too_many_bytes_are_an_error_and_close() {
    let peer = closing_peer(|rest| assert_eq!(rest, b"four"));
    run(async {
        let parts = stream::iter(["four", "five"].map(Ok::<_, io::Error>));
        let error = post(&peer, Body::stream(parts).with_length(5))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert!(
            error
                .source()
                .unwrap()
                .to_string()
                .contains("longer than the 5 bytes")
        );
    });
    peer.join();
}

#[test]
fn b05_bytes_of_another_length_than_announced() {
    let peer = closing_peer(|rest| assert_eq!(rest, b"bytes"));
    run(async {
        let error = post(&peer, Body::from("bytes").with_length(6))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
    });
    peer.join();
}

#[test]
fn b06_an_error_of_the_source_aborts_without_the_final_chunk() {
    let peer = closing_peer(|rest| assert_eq!(rest, b"5\r\nfirst\r\n"));
    run(async {
        let parts = stream::iter([Ok("first"), Err(io::Error::other("the disk is gone"))]);
        let error = post(&peer, Body::stream(parts)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
    });
    peer.join();
}

#[test]
fn b06_an_error_of_the_producer_aborts_without_the_final_chunk() {
    let peer = closing_peer(|rest| assert_eq!(rest, b"5\r\nfirst\r\n"));
    run(async {
        let body = Body::producer(|mut writer| async move {
            writer.write("first").await?;
            Err(io::Error::other("no more"))
        });
        let error = post(&peer, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert_eq!(error.source().unwrap().to_string(), "no more");
    });
    peer.join();
}

#[test]
fn b06_a_panic_in_the_producer_aborts_without_the_final_chunk() {
    let peer = closing_peer(|rest| assert_eq!(rest, b"5\r\nfirst\r\n"));
    run(async {
        let body = Body::producer(|mut writer| async move {
            writer.write("first").await?;
            panic!("as wanted by the test");
            #[allow(unreachable_code)]
            Ok::<_, io::Error>(())
        });
        let error = post(&peer, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert!(error.source().unwrap().to_string().contains("panicked"));
    });
    peer.join();
}

#[test]
fn b06_a_panic_in_the_closure_is_an_error_too() {
    let peer = closing_peer(|rest| assert!(rest.is_empty()));
    run(async {
        let body = Body::producer(|_| -> std::future::Ready<io::Result<()>> {
            panic!("as wanted by the test")
        });
        assert_eq!(post(&peer, body).await.unwrap_err().kind(), ErrorKind::Body);
    });
    peer.join();
}

#[test]
fn a_slow_peer_slows_the_source() {
    const PIECE: usize = 64 << 10;
    let (go, gone) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        gone.recv().unwrap();
        assert_eq!(read_exact(&mut stream, 512 * PIECE).len(), 512 * PIECE);
        ok(&mut stream);
    });
    run(async {
        let made = Rc::new(Cell::new(0));
        let count = Rc::clone(&made);
        let pieces = stream::iter(0..512).map(move |_| {
            count.set(count.get() + 1);
            Ok::<_, io::Error>(vec![0; PIECE])
        });
        let body = Body::stream(pieces).with_length(512 * PIECE as u64);
        let sending = eyewall::spawn(post_to(peer.url(), body));
        // Until the sockets' buffers are full and the source rests.
        let mut before = usize::MAX;
        while made.get() == 0 || made.get() != before {
            before = made.get();
            sleep(Duration::from_millis(100)).await;
        }
        assert!(
            made.get() < 400,
            "{} pieces are waiting in memory",
            made.get()
        );
        go.send(()).unwrap();
        assert_eq!(sending.await.unwrap(), "ok");
        assert_eq!(made.get(), 512);
    });
    peer.join();
}

async fn post_to(url: String, body: Body) -> String {
    let mut response = Client::new().post(url).body(body).send().await.unwrap();
    response.text().await.unwrap()
}

#[test]
fn a_body_on_a_connection_that_is_used_again() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        for _ in 0..3 {
            read_head(&mut stream);
            assert_eq!(read_chunked(&mut stream), [b"part"]);
            ok(&mut stream);
        }
        // An end behind the answer would be seen with it.
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    });
    run(async {
        let client = Client::new();
        for reused in [false, true, true] {
            let body = Body::stream(stream::iter([Ok::<_, io::Error>("part")]));
            let mut response = client
                .request(Method::PUT, peer.url())
                .body(body)
                .send()
                .await
                .unwrap();
            assert_eq!(response.is_reused(), reused);
            assert_eq!(response.text().await.unwrap(), "ok");
            assert_eq!(client.idle_connections(), 1);
        }
    });
    peer.join();
}

/// Answers one request, and closes the connection when the next has come.
fn fickle_peer(second_try: bool) -> Peer {
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        ok(&mut stream);
        read_head(&mut stream);
        drop(stream);
        if second_try {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            assert_eq!(read_chunked(&mut stream), [b"part"]);
            ok(&mut stream);
        }
    })
}

#[test]
fn p03_a_producer_is_called_again_for_a_second_try() {
    let peer = fickle_peer(true);
    run(async {
        let client = Client::new();
        client
            .get(peer.url())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let body = Body::producer(move |mut writer| {
            count.set(count.get() + 1);
            async move { writer.write("part").await.map(drop) }
        });
        let response = client
            .request(Method::PUT, peer.url())
            .body(body)
            .send()
            .await;
        assert_eq!(response.unwrap().text().await.unwrap(), "ok");
        assert_eq!(calls.get(), 2);
    });
    peer.join();
}

#[test]
fn p03_a_stream_that_has_been_taken_is_not_sent_again() {
    let peer = fickle_peer(false);
    let other = closing_peer(|rest| assert!(rest.is_empty()));
    run(async {
        let client = Client::new();
        client
            .get(peer.url())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let body = Body::stream(stream::iter([Ok::<_, io::Error>("part")]));
        let copy = body.clone();
        let error = client
            .request(Method::PUT, peer.url())
            .body(body)
            .send()
            .await
            .unwrap_err();
        assert_ne!(
            error.kind(),
            ErrorKind::Body,
            "the error is that of the first try"
        );
        let error = post(&other, copy).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
    });
    peer.join();
    other.join();
}

/// Sends the first request elsewhere, with its method and body.
fn redirecting_peer(second_try: bool) -> Peer {
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        assert_eq!(read_chunked(&mut stream), [b"part"]);
        let answer = "HTTP/1.1 307 Elsewhere\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        if second_try {
            assert!(read_head(&mut stream).starts_with("post /next "));
            assert_eq!(read_chunked(&mut stream), [b"part"]);
            ok(&mut stream);
        }
    })
}

#[test]
fn r08_a_producer_is_called_again_for_a_redirect() {
    let peer = redirecting_peer(true);
    run(async {
        let body = Body::producer(|mut writer| async move { writer.write("part").await.map(drop) });
        assert_eq!(post(&peer, body).await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn r08_a_redirect_that_wants_a_stream_again_is_an_error() {
    let peer = redirecting_peer(false);
    run(async {
        let body = Body::stream(stream::iter([Ok::<_, io::Error>("part")]));
        let error = post(&peer, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectBody);
    });
    peer.join();
}

#[test]
fn the_waker_of_a_writer_may_drop_the_fetch_that_it_writes_for() {
    run(async {
        let connector = |_: Target| async {
            let takes_all = sink::unfold((), |(), _: Bytes| async { Ok(()) });
            Conduit::new(stream::pending(), takes_all)
        };
        let client = Client::builder().connector(connector).build();
        let writer = Rc::new(RefCell::new(None));
        let handed_out = Rc::clone(&writer);
        let body = Body::producer_once(move |given: BodyWriter| {
            handed_out.replace(Some(given));
            std::future::pending::<io::Result<()>>()
        });
        let request = client.post("http://site.test/").body(body);
        let fetch = Rc::new(RefCell::new(Some(Box::pin(request.send()))));
        while writer.borrow().is_none() {
            let polled = fetch.borrow_mut().as_mut().unwrap().now_or_never();
            assert!(polled.is_none());
            eyewall::yield_now().await;
        }
        let mut writer = writer.take().unwrap();
        let dropping = Rc::clone(&fetch);
        let _hooked = hook(move || drop(dropping.take()));
        let error = with_foreign(writer.write("late")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(fetch.borrow().is_none());
    });
}

/// A writer that was handed out of its body, whose fetch waits for it, with the waker that it is polled with.
async fn writer_and_fetch(peer: &Peer, waker: &Waker) -> (BodyWriter, Promise<()>, Fetch) {
    let (end, ended) = promise();
    let writer = Rc::new(RefCell::new(None));
    let handed_out = Rc::clone(&writer);
    let body = Body::producer_once(async move |given: BodyWriter| {
        handed_out.replace(Some(given));
        ended.await.map_err(io::Error::other)
    });
    let request = Client::new().post(peer.url()).body(body);
    let mut fetch: Fetch = Box::pin(async { request.send().await.unwrap().text().await });
    loop {
        assert!(poll_with(fetch.as_mut(), waker).is_pending());
        if let Some(writer) = writer.take() {
            return (writer, end, fetch);
        }
        eyewall::yield_now().await;
    }
}

type Fetch = Pin<Box<dyn Future<Output = Result<String, eyewall::http::Error>>>>;

#[test]
fn a_fetch_whose_waker_panics_spares_the_writer_of_its_body() {
    let peer = chunked_peer(|chunks| assert_eq!(chunks, [b"one"]));
    run(async {
        let (mut writer, end, mut fetch) = writer_and_fetch(&peer, &panicking()).await;
        let panics = metrics().unwrap().panics;
        let mut write = Box::pin(writer.write("one"));
        assert!((&mut write).now_or_never().is_none());
        assert_eq!(metrics().unwrap().panics, panics + 1, "the fetch was woken");
        let (written, answer) = join(
            async {
                let written = write.await;
                end.set(());
                written
            },
            &mut fetch,
        )
        .await;
        assert_eq!(
            (written.unwrap(), answer.unwrap()),
            ("one", "ok".to_owned())
        );
    });
    peer.join();
}

#[test]
fn a_writer_whose_waker_panics_spares_the_fetch() {
    let peer = chunked_peer(|chunks| assert_eq!(chunks, [b"one"]));
    run(async {
        let (mut writer, end, fetch) = writer_and_fetch(&peer, Waker::noop()).await;
        let mut write = Box::pin(writer.write("one"));
        assert!(poll_with(write.as_mut(), &panicking()).is_pending());
        // It ends in the very poll in which the writer is woken.
        end.set(());
        assert_eq!(fetch.await.unwrap(), "ok");
        assert_eq!(metrics().unwrap().panics, 1, "the writer was woken");
        assert_eq!(write.await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
    peer.join();
}

#[test]
fn a_writer_whose_waker_panics_spares_who_drops_the_fetch() {
    let peer = closing_peer(|_| ());
    run(async {
        let (mut writer, _end, fetch) = writer_and_fetch(&peer, Waker::noop()).await;
        let mut write = Box::pin(writer.write("one"));
        assert!(poll_with(write.as_mut(), &panicking()).is_pending());
        drop(fetch);
        assert_eq!(metrics().unwrap().panics, 1, "the writer was woken");
        assert_eq!(write.await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
    peer.join();
}

#[test]
fn a_body_that_is_all_there_shows_its_bytes() {
    let bytes: &'static [u8] = b"bytes";
    assert_eq!(Body::from(bytes).as_bytes(), Some(bytes));
    assert_eq!(Body::from(bytes).length(), Some(5));
    assert_eq!(Body::empty().as_bytes(), Some(&b""[..]));
    assert!(Body::empty().is_empty() && Body::from("").is_empty());
    let streamed = Body::stream(stream::pending::<io::Result<Bytes>>());
    assert_eq!(streamed.as_bytes(), None);
}
