//! What sockets, files and streams are to the traits of others: `AsFd` and `AsRawFd`, `FusedStream`.

#![forbid(unsafe_code)]

mod common;

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use common::{connected, run};
use eyewall::Reactor;
use eyewall::fs::File;
use eyewall::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use eyewall::queue::CompletionQueue;
use eyewall::time::{Interval, interval};
use futures_util::stream::FusedStream;
use futures_util::{StreamExt, select};

/// Both traits lend the same descriptor, of this kind.
fn lends(what: &str, lender: &(impl AsFd + AsRawFd)) {
    let fd = lender.as_raw_fd();
    assert_eq!(fd, lender.as_fd().as_raw_fd());
    let open = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("it is open");
    assert!(open.to_string_lossy().starts_with(what), "{open:?}");
}

#[test]
fn each_lends_its_descriptor() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let (stream, _peer) = connected().await;
        lends("socket:", &stream);
        let (receiver, sender) = stream.into_split();
        lends("socket:", &receiver);
        lends("socket:", &sender);
        assert_eq!(receiver.as_raw_fd(), sender.as_raw_fd(), "of one socket");
        lends("socket:", &any_listener().await);
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        lends("socket:", &udp);
        lends("socket:", &udp.sender());
        lends("socket:", &UnixStream::pair().unwrap().0);
        lends("socket:", &unix_listener("lends").await);
        let datagrams = UnixDatagram::unbound().await.unwrap();
        lends("socket:", &datagrams);
        lends("socket:", &datagrams.sender());
        lends("/", &File::open("/proc/self/exe").await.unwrap());
    });
}

#[test]
fn the_buffers_of_bytes_are_received_into_and_sent() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let (mut stream, mut peer) = connected().await;
        peer.write_all(b"ping").unwrap();
        let (received, buffer) = stream.recv(BytesMut::with_capacity(10)).await;
        assert_eq!((received.unwrap(), &buffer[..]), (4, &b"ping"[..]));
        stream.send_all(buffer.clone()).await.0.unwrap();
        stream.send_all(buffer.freeze()).await.0.unwrap();
        let mut sent = [0; 8];
        peer.read_exact(&mut sent).unwrap();
        assert_eq!(&sent, b"pingping");
    });
}

async fn any_listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// A listener with an abstract name, which no other test has.
async fn unix_listener(of: &str) -> UnixListener {
    let name = format!("eyewall-traits-{}-{of}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    UnixListener::bind_addr(&address).await.unwrap()
}

#[test]
fn received_chunks_have_ended_where_they_say_so() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let (mut stream, mut peer) = connected().await;
        peer.write_all(b"bytes").unwrap();
        drop(peer);
        let mut chunks = stream.chunks();
        let mut received = Vec::new();
        // Neither polled after its end nor left before it.
        loop {
            select! {
                chunk = chunks.select_next_some() => received.extend_from_slice(&chunk.unwrap()),
                complete => break,
            }
        }
        assert_eq!(received, b"bytes");
        assert!(chunks.is_terminated());
        assert!(!stream.chunks().is_terminated(), "nobody has looked yet");
    });
}

#[test]
fn a_listener_and_an_interval_never_say_that_they_have_ended() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let (mut tcp, mut unix) = (any_listener().await, unix_listener("streams").await);
        let address = tcp.local_addr().unwrap();
        let _peer = std::net::TcpStream::connect(address).unwrap();
        let mut every: Interval = interval(Duration::from_millis(1));
        let (mut tcp, mut unix) = (tcp.incoming(), unix.incoming());
        let (mut accepted, mut ticks): (Option<TcpStream>, u32) = (None, 0);
        while accepted.is_none() || ticks < 3 {
            select! {
                stream = tcp.select_next_some() => accepted = Some(stream.unwrap()),
                stream = unix.select_next_some() => panic!("nobody has connected: {stream:?}"),
                _at = every.select_next_some() => ticks += 1,
            }
        }
        assert!(!tcp.is_terminated() && !unix.is_terminated() && !every.is_terminated());
    });
}

#[test]
fn the_items_of_a_queue_have_ended_when_they_have_said_so() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let queue = CompletionQueue::bounded(2);
        let mut items = queue.items();
        queue.push(1).unwrap();
        queue.close();
        assert_eq!(items.next().await, Some(1));
        // It is closed and empty; but `select!` looks before it polls, and again in that, and another thread may have
        // made it so in between.
        assert!(!items.is_terminated());
        assert_eq!(items.next().await, None);
        assert!(items.is_terminated());
        assert_eq!(items.next().await, None);
    });
}
