//! Connections that were taken over: how they end, and what is sent behind that.
#![cfg(all(feature = "http", feature = "tls-ring"))]

mod tls_support;

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use eyewall::Reactor;
use eyewall::http::{Client, ClientBuilder, Conduit, Pem, Target, Upgraded};
use eyewall::net::TcpStream;
use eyewall::time::timeout;
use futures_util::{Sink, StreamExt, sink, stream};
use rustls::ServerConfig;
use tls_support::{
    Authority, Peer, Tls, accept, accept_tcp, goodbye, pieces, read_head, run, server,
};

const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n";
const SHORT: Duration = Duration::from_millis(100);
/// More than the sockets of both sides hold.
const LARGE: usize = 32 << 20;

fn client(authority: &Authority, address: SocketAddr) -> ClientBuilder {
    Client::builder()
        .ca_certificates(Pem::text(authority.pem()))
        .resolve("site.test", 0, [address])
}

/// A connection that carries raw bytes both ways.
async fn upgraded(client: &Client, url: &str) -> Upgraded {
    let request = client.get(url).header("upgrade", "raw");
    request.send().await.unwrap().upgrade().await.unwrap()
}

/// Accepts a connection, and switches its protocol.
fn accept_switch(listener: &TcpListener, config: &Arc<ServerConfig>) -> Tls {
    let mut tls = accept(listener, config);
    read_head(&mut tls);
    tls.write_all(SWITCH).unwrap();
    tls
}

fn read_to_end(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).map(|_| all)
}

/// A connector to `address`, through a stream and a sink that must not be asked behind their ends, nor for nothing.
fn unforgiving(builder: ClientBuilder, address: SocketAddr) -> ClientBuilder {
    builder.connector(move |_: Target| async move {
        let (recv, send) = TcpStream::connect(address).await?.into_split();
        let incoming = pieces(recv);
        let outgoing = sink::unfold(send, |mut send, bytes: Bytes| async move {
            assert!(!bytes.is_empty());
            if bytes.starts_with(b"fail") {
                return Err(io::Error::other("as it was told"));
            }
            send.send_all(bytes).await.0.map(|()| send)
        });
        Conduit::new(incoming, outgoing)
    })
}

#[test]
fn a_close_over_tls_waits_for_no_peer_that_takes_nothing() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let (closed, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut tls = accept_switch(&listener, &config);
        wait.recv().unwrap();
        // A part is not taken for the whole.
        assert!(read_to_end(&mut tls).is_err());
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let mut raw = upgraded(&client, &peer.url()).await;
        let sent = timeout(SHORT, raw.send_all(vec![7; LARGE])).await;
        assert!(sent.is_err(), "nobody reads, and still it is sent");
        raw.close().await.unwrap();
        closed.send(()).unwrap();
    });
    peer.join();
}

#[test]
fn a_close_over_tls_says_the_end_and_so_does_a_dropped_one() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        for _ in 0..2 {
            let mut tls = accept_switch(&listener, &config);
            assert_eq!(read_to_end(&mut tls).unwrap(), b"bye");
        }
    });
    run(async {
        let client = client(&authority, peer.address).build();
        for waits in [true, false] {
            let mut raw = upgraded(&client, &peer.url()).await;
            raw.send_all("bye").await.0.unwrap();
            match waits {
                true => raw.close().await.unwrap(),
                false => drop(raw.close()),
            }
        }
    });
    peer.join();
}

/// Takes its time to close.
struct Closing {
    left: u32,
    closed: Rc<Cell<bool>>,
}

impl Sink<Bytes> for Closing {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Bytes) -> io::Result<()> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.left > 0 {
            self.left -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.closed.set(true);
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_close_waits_for_the_sink_that_it_closes() {
    run(async {
        let closed = Rc::new(Cell::new(false));
        let saw = Rc::clone(&closed);
        let client = Client::builder()
            .connector(move |_: Target| {
                let answer = stream::iter([Ok(Bytes::from_static(SWITCH))]);
                let (left, closed) = (3, Rc::clone(&saw));
                let sink = Closing { left, closed };
                async { Conduit::new(answer.chain(stream::pending()), sink) }
            })
            .build();
        let raw = upgraded(&client, "http://site.test/").await;
        assert!(!closed.get());
        raw.close().await.unwrap();
        assert!(closed.get());
    });
}

#[test]
fn what_does_not_fit_a_buffer_is_there_for_the_next() {
    run(async {
        let client = Client::builder()
            .connector(|_: Target| {
                let said = [SWITCH, b"hello ", b"there"].map(|part| Ok(Bytes::from_static(part)));
                let sink = sink::unfold((), |(), _: Bytes| async { Ok(()) });
                std::future::ready(Conduit::new(stream::iter(said), sink))
            })
            .build();
        let mut raw = upgraded(&client, "http://site.test/").await;
        let mut parts = Vec::new();
        loop {
            let (received, part) = raw.recv(Vec::with_capacity(4)).await;
            if received.unwrap() == 0 {
                break;
            }
            parts.push(String::from_utf8(part).unwrap());
        }
        assert_eq!(parts.concat(), "hello there");
        assert!(parts.len() > 2, "{parts:?}");
    });
}

/// The last word has no room where the peer is slow, and what was sent before is worth more.
#[test]
fn what_was_sent_before_a_drop_is_not_lost_for_the_goodbye() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let (full, wait) = channel::<usize>();
    let peer = Peer::new(move |listener| {
        for _ in 0..2 {
            let mut tls = accept_switch(&listener, &config);
            let filled = wait.recv().unwrap();
            let all = read_to_end(&mut tls.sock.stream).unwrap();
            assert!(all.len() >= filled, "{} of {filled}", all.len());
        }
    });
    let address = peer.address;
    let sockets: Rc<RefCell<Vec<OwnedFd>>> = Rc::default();
    let keep = Rc::clone(&sockets);
    run(async {
        let client = Client::builder()
            .ca_certificates(Pem::text(authority.pem()))
            .connector(move |_: Target| {
                let keep = Rc::clone(&keep);
                async move {
                    let stream = TcpStream::connect(address).await?;
                    keep.borrow_mut().push(stream.as_fd().try_clone_to_owned()?);
                    Ok(stream.into())
                }
            })
            .build();
        for closes in [true, false] {
            let mut raw = upgraded(&client, &peer.url()).await;
            raw.send_all("hello").await.0.unwrap();
            // Not TLS, but in the way of it.
            let socket = sockets.borrow_mut().pop().unwrap();
            let filled = fill(&socket);
            drop(socket);
            match closes {
                true => raw.close().await.unwrap(),
                false => {
                    drop(raw);
                    eyewall::yield_now().await;
                }
            }
            full.send(filled).unwrap();
        }
    });
    peer.join();
}

/// Sends until there is no room for a byte; how many that were.
fn fill(socket: &OwnedFd) -> usize {
    let socket = socket2::SockRef::from(socket);
    let mut filled = 0;
    let mut part = &[0; 64 << 10][..];
    loop {
        match socket.send_with_flags(part, libc::MSG_DONTWAIT) {
            Ok(count) => filled += count,
            Err(_) if part.len() > 1 => part = &part[..1],
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return filled;
            }
        }
    }
}

#[test]
fn what_is_sent_behind_the_end_is_a_broken_pipe_whatever_it_goes_through() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        // They stay, so that it is not their end that is an error.
        let (mut plain, mut secure) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let mut tcp = accept_tcp(&listener);
            read_head(&mut tcp);
            tcp.write_all(SWITCH).unwrap();
            assert_eq!(read_to_end(&mut tcp).unwrap(), b"bye");
            plain.push(tcp);
        }
        for _ in 0..2 {
            let mut tls = accept_switch(&listener, &config);
            assert_eq!(read_to_end(&mut tls).unwrap(), b"bye");
            secure.push(tls);
        }
    });
    let (plain, address) = (format!("http://{}/", peer.address), peer.address);
    run(async {
        let direct = client(&authority, address).build();
        let through = unforgiving(client(&authority, address), address).build();
        for url in [plain, peer.url()] {
            for client in [&direct, &through] {
                let mut raw = upgraded(client, &url).await;
                raw.send_all("").await.0.unwrap();
                raw.send_all("bye").await.0.unwrap();
                raw.shutdown().await.unwrap();
                let (sent, buffer) = raw.send_all("more").await;
                assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::BrokenPipe, "{url}");
                assert_eq!(buffer, "more");
                // Once more does no harm.
                raw.shutdown().await.unwrap();
                raw.close().await.unwrap();
            }
        }
    });
    peer.join();
}

#[test]
fn a_stream_that_has_ended_and_a_sink_that_has_failed_are_not_asked_again() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut tcp = accept_tcp(&listener);
        read_head(&mut tcp);
        tcp.write_all(SWITCH).unwrap();
        drop(tcp);
        goodbye(accept_switch(&listener, &config));
    });
    let plain = format!("http://{}/", peer.address);
    run(async {
        let client = unforgiving(client(&authority, peer.address), peer.address).build();
        let mut raw = upgraded(&client, &plain).await;
        for _ in 0..3 {
            assert!(raw.recv_chunk().await.unwrap().is_none());
            assert_eq!(raw.recv(vec![0; 4]).await.0.unwrap(), 0);
        }
        assert_eq!(
            raw.send_all("fail").await.0.unwrap_err().to_string(),
            "as it was told"
        );
        let again = raw.send_all("more").await.0.unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::BrokenPipe);
        assert!(raw.shutdown().await.is_err());
        raw.close().await.unwrap();

        let mut raw = upgraded(&client, &peer.url()).await;
        for _ in 0..3 {
            assert!(raw.recv_chunk().await.unwrap().is_none());
        }
        raw.close().await.unwrap();
    });
    peer.join();
}

#[test]
fn a_call_on_another_reactor_is_an_error_and_sends_nothing_whatever_it_goes_through() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut tcp = accept_tcp(&listener);
        read_head(&mut tcp);
        tcp.write_all(SWITCH).unwrap();
        assert_eq!(read_to_end(&mut tcp).unwrap(), b"once");
        let mut tls = accept_switch(&listener, &config);
        assert_eq!(read_to_end(&mut tls).unwrap(), b"once");
    });
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let client = client(&authority, peer.address).build();
    for url in [format!("http://{}/", peer.address), peer.url()] {
        let mut raw = home.block_on(upgraded(&client, &url)).unwrap();
        let errors = other.block_on(async {
            [
                raw.send_all("once").await.0.unwrap_err(),
                raw.shutdown().await.unwrap_err(),
                raw.recv_chunk().await.unwrap_err(),
                raw.recv(vec![0; 1 << 20]).await.0.unwrap_err(),
            ]
        });
        for error in errors.unwrap() {
            assert!(error.to_string().contains("does not run here"), "{error}");
        }
        let done = home.block_on(async {
            raw.send_all("once").await.0.unwrap();
            raw.shutdown().await.unwrap();
            raw.close().await
        });
        done.unwrap().unwrap();
    }
    peer.join();
}
