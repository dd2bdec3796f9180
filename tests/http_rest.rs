//! A response that comes to its end before its request does: what is left of the body is sent behind it.
#![cfg(feature = "http")]

mod http_peer;
#[cfg(feature = "tls-ring")]
mod tls_support;

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use eyewall::Reactor;
use eyewall::fs::File;
use eyewall::http::{
    Body, Client, ClientBuilder, ClientEvent, Conduit, Flow, Response, Target, blocking,
};
use eyewall::net::TcpStream;
use eyewall::time::sleep;
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use http_peer::{
    Peer, accept, ok, read_chunked, read_exact, read_head, read_rest, run, try_read_head,
};
use socket2::SockRef;

/// Goes out in pieces.
const LARGE: usize = 1 << 20;
/// Goes out with its head, in one operation. The system may hold even that.
const SMALL: usize = 256 << 10;

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const TWO: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok";
const ANSWERS: [&str; 4] = [
    EMPTY,
    "HTTP/1.1 204 No Content\r\n\r\n",
    TWO,
    "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
];

/// A client of one connection at a time, whose sockets hold little.
fn narrow(address: SocketAddr) -> ClientBuilder {
    narrower(address, 32 << 10)
}

fn narrower(address: SocketAddr, size: usize) -> ClientBuilder {
    let connect = move |_: Target| async move {
        let stream = TcpStream::connect(address).await?;
        SockRef::from(&stream).set_send_buffer_size(size)?;
        Ok(Conduit::from(stream))
    };
    Client::builder().connector(connect).max_clients(1)
}

/// A server whose sockets hold little of what it does not read. `told` tells it that the client has done something.
fn narrow_peer(
    script: impl FnOnce(TcpListener, Receiver<()>) + Send + 'static,
) -> (Peer, Sender<()>) {
    let (tell, told) = channel();
    let peer = Peer::new(move |listener| {
        SockRef::from(&listener)
            .set_recv_buffer_size(16 << 10)
            .unwrap();
        script(listener, told);
    });
    (peer, tell)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 13 % 251) as u8).collect()
}

/// Answers a request whose head it has read, and reads its body once the client has the whole answer.
fn answer_first(stream: &mut (impl Read + Write), answer: &str, told: &Receiver<()>) -> Vec<u8> {
    let head = read_head(stream);
    stream.write_all(answer.as_bytes()).unwrap();
    told.recv().unwrap();
    if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        return read_chunked(stream).concat();
    }
    let length = head.split("\r\ncontent-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap();
    read_exact(stream, length.parse().unwrap())
}

/// Answers the next request, and gives its connection: this one, or the next, where the client has closed this one.
fn answer_next<S: Read + Write>(mut stream: S, accept: impl FnOnce() -> S) -> S {
    let head = try_read_head(&mut stream).unwrap_or_else(|| {
        stream = accept();
        read_head(&mut stream)
    });
    assert!(head.starts_with("get / "));
    ok(&mut stream);
    stream
}

/// Whether the next request goes over the same connection, which it must not where some of a body came behind its
/// answer. It waits until the rest has ended.
async fn is_reused(client: &Client, peer: &Peer) -> bool {
    is_reused_at(client, &peer.url()).await
}

async fn is_reused_at(client: &Client, url: &str) -> bool {
    let mut response = client.get(url).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "ok");
    response.is_reused()
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("eyewall-rest-{name}-{}", std::process::id()))
}

/// The content of a response, in the way of this number.
async fn read(way: usize, mut response: Response) -> String {
    match way {
        0 => response.text().await.unwrap(),
        1 => String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap(),
        2 => {
            let mut text = String::new();
            while let Some(chunk) = response.chunk().await.unwrap() {
                text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
            text
        }
        3 => {
            let path = temporary("saved");
            let file = File::create(&path).await.unwrap();
            response.save(&file).await.unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            text
        }
        4 => {
            let text = Rc::new(RefCell::new(String::new()));
            let pushed = Rc::clone(&text);
            let push = response.push(move |bytes| {
                pushed
                    .borrow_mut()
                    .push_str(std::str::from_utf8(bytes).unwrap());
                Flow::Continue
            });
            drop(push.await.unwrap());
            text.take()
        }
        _ => response.whole().await.unwrap().text(),
    }
}

const WAYS: usize = 6;

#[test]
fn b03_an_answer_that_is_whole_does_not_cut_off_the_body_that_it_is_for() {
    for len in [SMALL, LARGE] {
        let (peer, tell) = narrow_peer(move |listener, told| {
            let mut stream = accept(&listener);
            for _ in 0..WAYS {
                for answer in ANSWERS {
                    assert!(answer_first(&mut stream, answer, &told) == bytes(len));
                    stream = answer_next(stream, || accept(&listener));
                }
            }
        });
        run(async {
            let client = narrow(peer.address).build();
            for way in 0..WAYS {
                for answer in ANSWERS {
                    let request = client.post(peer.url()).body(bytes(len));
                    let text = read(way, request.send().await.unwrap()).await;
                    assert_eq!(text, if answer.contains("ok") { "ok" } else { "" });
                    let active = client.active_fetches() == 1;
                    assert!(active || len == SMALL, "way {way}, {answer}");
                    tell.send(()).unwrap();
                    let reused = is_reused(&client, &peer).await;
                    assert!(!reused || len == SMALL, "way {way}, {answer}");
                }
            }
        });
        peer.join();
    }
}

#[test]
fn b03_a_response_that_has_come_may_be_dropped() {
    for answer in ANSWERS {
        let (peer, tell) = narrow_peer(move |listener, told| {
            let mut stream = accept(&listener);
            assert!(answer_first(&mut stream, answer, &told) == bytes(LARGE));
            answer_next(stream, || accept(&listener));
        });
        run(async {
            let client = narrow(peer.address).build();
            let request = client.post(peer.url()).body(bytes(LARGE));
            drop(request.send().await.unwrap());
            assert_eq!(client.active_fetches(), 1);
            tell.send(()).unwrap();
            assert!(!is_reused(&client, &peer).await);
        });
        peer.join();
    }
}

#[test]
fn b03_the_rest_of_a_body_of_any_kind_is_sent() {
    let path = temporary("sent");
    std::fs::write(&path, bytes(LARGE)).unwrap();
    let pieces = || {
        let bytes = bytes(LARGE);
        let pieces: Vec<_> = bytes.chunks(10_000).map(<[u8]>::to_vec).collect();
        stream::iter(pieces.into_iter().map(Ok::<_, io::Error>))
    };
    const KINDS: usize = 4;
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        for _ in 0..KINDS {
            assert!(answer_first(&mut stream, EMPTY, &told) == bytes(LARGE));
            stream = answer_next(stream, || accept(&listener));
        }
    });
    run(async {
        let client = narrow(peer.address).build();
        let bodies: [Body; KINDS] = [
            Body::file(File::open(&path).await.unwrap()).await.unwrap(),
            Body::stream(pieces()),
            Body::stream(pieces()).with_length(LARGE as u64),
            Body::producer(|mut writer| async move {
                for piece in bytes(LARGE).chunks(10_000) {
                    writer.write(piece.to_vec()).await?;
                }
                Ok::<_, io::Error>(())
            }),
        ];
        for body in bodies {
            let response = client.post(peer.url()).body(body).send().await.unwrap();
            let sent = response.bytes_sent();
            assert!(sent < LARGE as u64);
            tell.send(()).unwrap();
            assert!(!is_reused(&client, &peer).await);
            assert_eq!(
                response.bytes_sent(),
                response.request_size() + LARGE as u64
            );
        }
    });
    peer.join();
    std::fs::remove_file(path).unwrap();
}

/// Who says that the connection ends may read what is on its way all the same.
#[test]
fn b03_the_rest_goes_to_a_server_that_will_close() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert!(answer_first(&mut stream, answer, &told) == bytes(LARGE));
        assert_eq!(read_rest(&mut stream), b"");
        answer_next(accept(&listener), || unreachable!());
    });
    run(async {
        let client = narrow(peer.address).build();
        let request = client.post(peer.url()).body(bytes(LARGE));
        drop(request.send().await.unwrap());
        tell.send(()).unwrap();
        assert!(!is_reused(&client, &peer).await);
    });
    peer.join();
}

/// What it waits for may be the response.
#[test]
fn b03_a_producer_may_wait_for_the_response() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(EMPTY.as_bytes()).unwrap();
        assert_eq!(read_chunked(&mut stream), [b"now"]);
        answer_next(stream, || accept(&listener));
    });
    run(async {
        let client = Client::builder().max_clients(1).build();
        let (go, wait) = futures_channel::oneshot::channel();
        let body = Body::producer_once(|mut writer| async move {
            let () = wait.await.unwrap();
            writer.write("now").await.map(drop)
        });
        let response = client.post(peer.url()).body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        go.send(()).unwrap();
        assert!(!is_reused(&client, &peer).await);
    });
    peer.join();
}

#[test]
fn b03_the_rest_goes_through_a_sink_too() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        assert!(answer_first(&mut stream, TWO, &told) == bytes(SMALL));
        answer_next(stream, || accept(&listener));
    });
    let address = peer.address;
    run(async {
        let client = Client::builder().max_clients(1);
        let client = client.connector(move |_: Target| async move {
            let stream = TcpStream::connect(address).await?;
            let (recv, send) = stream.into_split();
            let incoming = stream::unfold(recv, |mut recv| async {
                let chunk = recv.recv_chunk().await.transpose()?;
                Some((
                    chunk.map(|chunk| bytes::Bytes::copy_from_slice(&chunk)),
                    recv,
                ))
            });
            let outgoing =
                futures_util::sink::unfold(send, |mut send, bytes: bytes::Bytes| async {
                    send.send_all(bytes).await.0?;
                    Ok(send)
                });
            Conduit::new(incoming, outgoing)
        });
        let client = client.build();
        let request = client.post(peer.url()).body(bytes(SMALL));
        let mut response = request.send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        tell.send(()).unwrap();
        // What a sink holds is sent, for all that is known here.
        is_reused(&client, &peer).await;
    });
    peer.join();
}

#[cfg(feature = "tls-ring")]
#[test]
fn b03_the_rest_goes_through_tls_too() {
    const LENS: [usize; 2] = [SMALL, LARGE];
    let authority = tls_support::Authority::new();
    let config = std::sync::Arc::new(tls_support::server(&authority.identity(&["site.test"])));
    let (peer, tell) = narrow_peer(move |listener, told| {
        let mut tls = tls_support::accept(&listener, &config);
        for len in LENS {
            assert!(answer_first(&mut tls, TWO, &told) == bytes(len));
            tls = answer_next(tls, || tls_support::accept(&listener, &config));
        }
    });
    run(async {
        let client = narrow(peer.address);
        let client = client.ca_certificates(eyewall::http::Pem::text(authority.pem()));
        let client = client.build();
        let url = "https://site.test/";
        for len in LENS {
            let request = client.post(url).body(bytes(len));
            let mut response = request.send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
            assert!(client.active_fetches() == 1 || len == SMALL);
            tell.send(()).unwrap();
            let reused = is_reused_at(&client, url).await;
            assert!(!reused || len == SMALL);
        }
    });
    peer.join();
}

/// The reactor of a blocking client is turned by its next fetch.
#[test]
fn b03_the_next_blocking_fetch_goes_on_with_the_rest() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        assert!(answer_first(&mut stream, TWO, &told) == bytes(LARGE));
        answer_next(stream, || accept(&listener));
    });
    let client = blocking::Client::with(narrow(peer.address)).unwrap();
    let request = client.requests().post(peer.url()).body(bytes(LARGE));
    assert_eq!(client.fetch(request).unwrap().text(), "ok");
    tell.send(()).unwrap();
    let page = client.fetch(client.requests().get(peer.url())).unwrap();
    assert!(!page.timings.reused);
    peer.join();
}

/// Whatever the system holds of the body: who refuses a request does not want the rest of it.
#[test]
fn b03_an_answer_of_an_error_cuts_off_a_body_that_went_with_its_head() {
    let (peer, tell) = narrow_peer(|listener, told| {
        SockRef::from(&listener).set_recv_buffer_size(1).unwrap();
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
            .unwrap();
        told.recv().unwrap();
        cut_off(&mut stream, SMALL);
    });
    run(async {
        let client = narrow(peer.address).build();
        let request = client.post(peer.url()).body(bytes(SMALL));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(response.whole().await.unwrap().text(), "no");
        assert_eq!(client.active_fetches(), 0);
        tell.send(()).unwrap();
    });
    peer.join();
}

#[test]
fn b03_an_answer_of_an_error_ends_a_body_before_its_own_end() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nn")
            .unwrap();
        told.recv().unwrap();
        stream.write_all(b"o").unwrap();
        read_rest(&mut stream);
    });
    run(async {
        let client = narrow(peer.address).build();
        let (body, gone) = endless();
        let mut response = client.post(peer.url()).body(body).send().await.unwrap();
        assert!(gone.get());
        tell.send(()).unwrap();
        assert_eq!(response.text().await.unwrap(), "no");
    });
    peer.join();
}

/// Nobody could send it there: in another reactor, and where none runs.
#[test]
fn b03_a_response_that_ends_elsewhere_ends_the_body() {
    let other = Reactor::new().unwrap();
    for runs in [true, false] {
        let (peer, tell) = narrow_peer(|listener, told| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(TWO.as_bytes()).unwrap();
            told.recv().unwrap();
            cut_off(&mut stream, LARGE);
        });
        let home = Reactor::new().unwrap();
        let client = narrow(peer.address).build();
        let request = client.post(peer.url()).body(bytes(LARGE));
        let response = home.block_on(request.send()).unwrap();
        let text = response.unwrap().whole();
        let text = match runs {
            true => other.block_on(text).unwrap(),
            false => text.now_or_never().unwrap(),
        };
        assert_eq!(text.unwrap().text(), "ok");
        assert_eq!(client.active_fetches(), 0);
        tell.send(()).unwrap();
        let joined = home.block_on(eyewall::spawn_blocking(|| peer.join()));
        joined.unwrap().unwrap();
    }
}

/// A connection on which a request has been cut off.
fn cut_off(stream: &mut impl Read, len: usize) {
    assert!(read_rest(stream).len() < len);
}

#[test]
fn b03_a_response_that_is_dropped_before_its_end_ends_the_body() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(&TWO.as_bytes()[..TWO.len() - 1]).unwrap();
        told.recv().unwrap();
        cut_off(&mut stream, LARGE);
    });
    run(async {
        let client = narrow(peer.address).build();
        let request = client.post(peer.url()).body(bytes(LARGE));
        drop(request.send().await.unwrap());
        assert_eq!(client.active_fetches(), 0);
        tell.send(()).unwrap();
    });
    peer.join();
}

/// A server that answers and then reads nothing, until the client has a place for another request.
fn deaf_peer(requests: usize) -> (Peer, Sender<()>) {
    narrow_peer(move |listener, told| {
        SockRef::from(&listener).set_recv_buffer_size(1).unwrap();
        for _ in 0..requests {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(EMPTY.as_bytes()).unwrap();
            let _next = answer_next(accept(&listener), || unreachable!());
            told.recv().unwrap();
            cut_off(&mut stream, 16 << 10);
        }
    })
}

#[test]
fn b03_a_server_that_takes_no_more_of_the_rest_ends_it() {
    let short = Duration::from_millis(200);
    // The last goes out with its head.
    let lens = [LARGE, SMALL, 16_000];
    for idle in [true, false] {
        let (peer, tell) = deaf_peer(lens.len());
        run(async {
            for len in lens {
                let client = narrower(peer.address, 1);
                let client = match idle {
                    true => client.idle_write_timeout(short).timeout(Duration::ZERO),
                    false => client,
                };
                let client = client.build();
                let mut request = client.post(peer.url()).body(bytes(len));
                if !idle {
                    request = request.timeout(short);
                }
                let mut response = request.send().await.unwrap();
                assert!(response.chunk().await.unwrap().is_none());
                assert_eq!(client.active_fetches(), 1);
                assert!(!is_reused(&client, &peer).await);
                tell.send(()).unwrap();
            }
        });
        peer.join();
    }
}

#[test]
fn b03_the_time_of_the_fetch_goes_on_in_the_rest() {
    let (peer, tell) = deaf_peer(1);
    run(async {
        let client = narrow(peer.address).build();
        let (body, gone) = stuck();
        let request = client.post(peer.url()).body(body);
        let request = request.timeout(Duration::from_millis(100));
        drop(request.send().await.unwrap());
        assert!(!is_reused(&client, &peer).await);
        assert!(gone.get());
        tell.send(()).unwrap();
    });
    peer.join();
}

/// The delivery of a response that has ended holds up nothing.
#[test]
fn b03_a_push_that_pauses_leaves_the_time_of_the_rest_alone() {
    let (peer, tell) = deaf_peer(1);
    run(async {
        let client = narrow(peer.address).idle_write_timeout(Duration::from_millis(200));
        let client = client.timeout(Duration::ZERO).build();
        let request = client.post(peer.url()).body(bytes(LARGE));
        let push = request.send().await.unwrap().push(|_| Flow::Continue);
        push.pusher().pause();
        eyewall::yield_now().await;
        assert!(!is_reused(&client, &peer).await);
        tell.send(()).unwrap();
        push.pusher().resume();
        push.await.unwrap();
    });
    peer.join();
}

/// It has said all, and only has to take what is left.
#[test]
fn b03_a_server_that_reads_late_is_not_cut_off_by_idle_times() {
    let short = Duration::from_millis(50);
    for len in [SMALL, LARGE] {
        let (peer, tell) = narrow_peer(move |listener, told| {
            let mut stream = accept(&listener);
            assert!(answer_first(&mut stream, EMPTY, &told) == bytes(len));
            answer_next(stream, || accept(&listener));
        });
        run(async {
            let client = narrow(peer.address).build();
            let request = client.post(peer.url()).body(bytes(len));
            let request = request.idle_read_timeout(short);
            let mut response = request.send().await.unwrap();
            assert!(response.chunk().await.unwrap().is_none());
            sleep(short * 4).await;
            let under_way = client.active_fetches() == 1;
            assert!(under_way || len == SMALL);
            tell.send(()).unwrap();
            let reused = is_reused(&client, &peer).await;
            assert!(!(under_way && reused));
        });
        peer.join();
    }
}

/// Only the server is under the idle time, and only for what there is to be taken.
#[test]
fn b03_a_source_that_pauses_is_not_cut_off_by_idle_times() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(EMPTY.as_bytes()).unwrap();
        assert_eq!(read_chunked(&mut stream), [b"late"]);
        answer_next(stream, || accept(&listener));
    });
    run(async {
        let short = Duration::from_millis(50);
        let client = Client::builder().max_clients(1).build();
        let late = stream::once(async move {
            sleep(short * 4).await;
            Ok::<_, io::Error>("late")
        });
        let request = client.post(peer.url()).body(Body::stream(late));
        let request = request.idle_write_timeout(short).idle_read_timeout(short);
        drop(request.send().await.unwrap());
        assert!(!is_reused(&client, &peer).await);
    });
    peer.join();
}

/// Says that it has been dropped.
struct Held(Rc<Cell<bool>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// A body that never ends, and whether it has been let go.
fn endless() -> (Body, Rc<Cell<bool>>) {
    let gone = Rc::new(Cell::new(false));
    let held = Held(Rc::clone(&gone));
    let pieces = stream::repeat_with(move || {
        let _ = &held;
        Ok::<_, io::Error>(vec![7; 10_000])
    });
    (Body::stream(pieces), gone)
}

/// A body of one piece, that waits for ever then.
fn stuck() -> (Body, Rc<Cell<bool>>) {
    let gone = Rc::new(Cell::new(false));
    let held = Held(Rc::clone(&gone));
    let never = stream::once(async move {
        let _held = held;
        std::future::pending().await
    });
    let pieces = stream::iter([Ok::<_, io::Error>("one")]).chain(never);
    (Body::stream(pieces), gone)
}

/// A server that answers first, and then reads to the end, which comes too early.
fn early_peer() -> Peer {
    Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(EMPTY.as_bytes()).unwrap();
        assert!(!read_rest(&mut stream).ends_with(b"0\r\n\r\n"));
    })
}

#[test]
fn b03_the_end_of_the_client_ends_the_rest() {
    for make in [endless, stuck] {
        let peer = early_peer();
        run(async {
            let client = Client::new();
            let (body, gone) = make();
            let request = client.post(peer.url()).body(body);
            drop(request.send().await.unwrap());
            eyewall::yield_now().await;
            client.close();
            while client.active_fetches() > 0 {
                eyewall::yield_now().await;
            }
            assert!(gone.get());
        });
        peer.join();
    }
}

#[test]
fn b03_the_end_of_the_reactor_ends_the_rest() {
    for make in [endless, stuck] {
        let peer = early_peer();
        let gone = run(async {
            let (body, gone) = make();
            let request = Client::new().post(peer.url()).body(body);
            drop(request.send().await.unwrap());
            gone
        });
        assert!(gone.get());
        peer.join();
    }
}

/// Dropping the client is no end of it.
#[test]
fn b03_the_rest_is_sent_for_a_client_that_has_gone() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        assert!(answer_first(&mut stream, EMPTY, &told) == bytes(LARGE));
        assert_eq!(read_rest(&mut stream), b"");
    });
    run(async {
        let client = narrow(peer.address).build();
        let request = client.post(peer.url()).body(bytes(LARGE));
        drop(request.send().await.unwrap());
        drop(client);
        tell.send(()).unwrap();
        eyewall::spawn_blocking(|| peer.join()).await.unwrap();
    });
}

#[test]
fn b03_b06_a_source_that_fails_or_panics_in_the_rest_frees_its_place() {
    for panics in [true, false] {
        let peer = Peer::new(|listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(EMPTY.as_bytes()).unwrap();
            assert_eq!(read_rest(&mut stream), b"");
            answer_next(accept(&listener), || unreachable!());
        });
        run(async {
            let client = Client::builder().max_clients(1).build();
            let (go, wait) = futures_channel::oneshot::channel();
            let body = Body::producer_once(move |_| async move {
                let () = wait.await.unwrap();
                assert!(!panics, "as wanted by the test");
                Err::<(), _>(io::Error::other("no more"))
            });
            let response = client.post(peer.url()).body(body).send().await.unwrap();
            go.send(()).unwrap();
            assert!(!is_reused(&client, &peer).await);
            assert_eq!(response.status(), 200);
        });
        peer.join();
    }
}

#[test]
fn b03_a_server_that_goes_ends_the_rest() {
    for make in [endless, stuck] {
        for reset in [true, false] {
            let (peer, tell) = narrow_peer(move |listener, told| {
                let mut stream = accept(&listener);
                read_head(&mut stream);
                stream.write_all(EMPTY.as_bytes()).unwrap();
                // A reset takes away what has not been received.
                told.recv().unwrap();
                if reset {
                    SockRef::from(&stream)
                        .set_linger(Some(Duration::ZERO))
                        .unwrap();
                } else {
                    stream.shutdown(Shutdown::Write).unwrap();
                    read_rest(&mut stream);
                }
                drop(stream);
                answer_next(accept(&listener), || unreachable!());
            });
            run(async {
                let client = Client::builder().max_clients(1).build();
                let (body, gone) = make();
                drop(client.post(peer.url()).body(body).send().await.unwrap());
                tell.send(()).unwrap();
                assert!(!is_reused(&client, &peer).await);
                assert!(gone.get());
            });
            peer.join();
        }
    }
}

/// Nobody has asked for it, and it could be taken for the next response.
#[test]
fn b03_what_comes_behind_the_answer_does_not_cut_off_the_body() {
    // With the answer, and behind it.
    for together in [true, false] {
        let (peer, tell) = narrow_peer(move |listener, told| {
            let mut stream = accept(&listener);
            let answer = [EMPTY, if together { TWO } else { "" }].concat();
            read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            told.recv().unwrap();
            if !together {
                stream.write_all(TWO.as_bytes()).unwrap();
            }
            assert!(read_exact(&mut stream, LARGE) == bytes(LARGE));
            answer_next(accept(&listener), || unreachable!());
        });
        run(async {
            let client = narrow(peer.address).build();
            let request = client.post(peer.url()).body(bytes(LARGE));
            drop(request.send().await.unwrap());
            tell.send(()).unwrap();
            assert!(!is_reused(&client, &peer).await);
        });
        peer.join();
    }
}

#[test]
fn b03_a_flood_behind_the_answer_ends_the_rest() {
    const FLOOD: usize = 64 << 20;
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(EMPTY.as_bytes()).unwrap();
        let mut written = 0;
        while let Ok(count) = stream.write(&[7; 64 << 10]) {
            written += count;
            assert!(written < FLOOD, "somebody receives that");
        }
    });
    run(async {
        let client = Client::builder().max_clients(1).build();
        let (body, gone) = stuck();
        drop(client.post(peer.url()).body(body).send().await.unwrap());
        eyewall::spawn_blocking(|| peer.join()).await.unwrap();
        assert!(gone.get());
    });
}

#[test]
fn b03_the_end_of_a_fetch_is_told_with_the_end_of_its_answer() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        assert!(answer_first(&mut stream, TWO, &told) == bytes(LARGE));
        answer_next(stream, || accept(&listener));
    });
    run(async {
        let client = narrow(peer.address).build();
        let ends = Rc::new(Cell::new((0, 0)));
        let count = Rc::clone(&ends);
        let _registration = client.on(move |event| {
            let (ended, other) = count.get();
            match event {
                ClientEvent::Ended { .. } => count.set((ended + 1, other)),
                ClientEvent::Dropped { .. } | ClientEvent::Failed { .. } => {
                    count.set((ended, other + 1))
                }
                _ => {}
            }
        });
        let request = client.post(peer.url()).body(bytes(LARGE));
        let mut response = request.send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        assert_eq!(ends.get(), (1, 0));
        let total = response.timings().total;
        assert!(total.is_some());
        tell.send(()).unwrap();
        assert!(!is_reused(&client, &peer).await);
        drop(response);
        assert_eq!(ends.get(), (2, 0));
    });
    peer.join();
}

#[test]
fn b03_who_waits_until_the_client_is_idle_waits_for_the_rest() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        assert!(answer_first(&mut stream, EMPTY, &told) == bytes(LARGE));
        assert_eq!(read_rest(&mut stream), b"");
    });
    run(async {
        let client = narrow(peer.address).build();
        let request = client.post(peer.url()).body(bytes(LARGE));
        drop(request.send().await.unwrap());
        let mut idle = Box::pin(client.until_idle());
        assert!(idle.as_mut().now_or_never().is_none());
        tell.send(()).unwrap();
        idle.await;
        assert_eq!((client.active_fetches(), client.idle_connections()), (0, 0));
    });
    peer.join();
}

#[test]
fn b03_the_end_of_the_server_is_seen_behind_what_it_says_unasked() {
    for reset in [false, true] {
        let peer = Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            stream.write_all(EMPTY.as_bytes()).unwrap();
            stream.write_all(b"\r\n").unwrap();
            assert_eq!(read_exact(&mut stream, 8), b"3\r\none\r\n");
            if reset {
                SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
            }
        });
        run(async {
            let client = Client::builder().timeout(Duration::ZERO).build();
            let (body, gone) = stuck();
            drop(client.post(peer.url()).body(body).send().await.unwrap());
            client.until_idle().await;
            assert!(gone.get());
        });
        peer.join();
    }
}

/// The server has read all that was announced, and nobody is told any more that there is too much.
#[test]
fn b03_a_source_that_does_not_say_its_end_keeps_no_place() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        assert_eq!(read_exact(&mut stream, 3), b"one");
        stream.write_all(EMPTY.as_bytes()).unwrap();
        answer_next(stream, || accept(&listener));
    });
    run(async {
        let client = Client::builder()
            .max_clients(1)
            .timeout(Duration::ZERO)
            .build();
        let (body, gone) = stuck();
        let request = client.post(peer.url()).body(body.with_length(3));
        drop(request.send().await.unwrap());
        client.until_idle().await;
        assert!(gone.get());
        is_reused(&client, &peer).await;
    });
    peer.join();
}

#[test]
fn b03_a_push_that_pauses_with_the_last_part_does_not_hold_up_the_rest() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        assert!(answer_first(&mut stream, TWO, &told) == bytes(LARGE));
        assert_eq!(read_rest(&mut stream), b"");
    });
    run(async {
        let client = narrow(peer.address).build();
        let request = client.post(peer.url()).body(bytes(LARGE));
        let paused = Rc::new(Cell::new(false));
        let pause = Rc::clone(&paused);
        let push = request.send().await.unwrap().push(move |_| {
            pause.set(true);
            Flow::Pause
        });
        while !paused.get() {
            eyewall::yield_now().await;
        }
        tell.send(()).unwrap();
        client.until_idle().await;
        drop(push);
    });
    peer.join();
}

/// Who answers what he does not read takes it for the next request.
#[test]
fn b03_what_a_server_takes_for_another_request_is_answered_to_nobody() {
    let (peer, tell) = narrow_peer(|listener, told| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream.write_all(EMPTY.as_bytes()).unwrap();
        told.recv().unwrap();
        read_exact(&mut stream, LARGE);
        // The client may have closed by now.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        answer_next(accept(&listener), || unreachable!());
    });
    run(async {
        let client = narrow(peer.address).build();
        let request = client.post(peer.url()).body(bytes(LARGE));
        drop(request.send().await.unwrap());
        tell.send(()).unwrap();
        assert!(!is_reused(&client, &peer).await);
    });
    peer.join();
}
