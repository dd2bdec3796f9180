//! A socket or file belongs to one reactor. A call where that does not run could only hang, and says so instead; it
//! takes nothing away from the next call at home.

#![forbid(unsafe_code)]

mod common;

use std::fmt::Debug;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::time::Duration;

use common::{connected, run, write_sequence};
use eyewall::fs::File;
use eyewall::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use eyewall::{Reactor, spawn};
use futures_util::{FutureExt, StreamExt};

fn says_so<T: Debug>(result: io::Result<T>) {
    let error = result.expect_err("its reactor does not run here");
    assert!(error.to_string().contains("does not run here"), "{error}");
}

struct Things {
    stream: TcpStream,
    peer: std::net::TcpStream,
    listener: TcpListener,
    udp: UdpSocket,
    unix: UnixStream,
    _unix_peer: UnixStream,
    datagrams: UnixDatagram,
    file: File,
}

async fn things() -> Things {
    let (stream, peer) = connected().await;
    let (unix, unix_peer) = UnixStream::pair().unwrap();
    Things {
        stream,
        peer,
        listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
        udp: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        unix,
        _unix_peer: unix_peer,
        datagrams: UnixDatagram::unbound().await.unwrap(),
        file: File::open("/proc/self/exe").await.unwrap(),
    }
}

async fn try_all(things: &mut Things) {
    let here = things.udp.local_addr().unwrap();
    says_so(things.stream.recv(vec![0; 8]).await.0);
    says_so(things.stream.recv_chunk().await);
    says_so(things.stream.chunks().next().await.unwrap());
    says_so(things.stream.send("x").await.0);
    says_so(things.stream.send_all("x").await.0);
    says_so(things.stream.send_vectored(vec!["x"]).await.0);
    says_so(things.stream.send_zc("x").await.0);
    says_so(things.stream.post("x").await);
    says_so(things.stream.flush().await);
    says_so(things.stream.shutdown().await);
    says_so(things.listener.accept().await);
    says_so(things.listener.incoming().next().await.unwrap());
    says_so(things.udp.recv(vec![0; 8]).await.0);
    says_so(things.udp.send_to("x", here).await.0);
    says_so(things.udp.connect(here).await);
    says_so(things.unix.recv_chunk().await);
    says_so(things.unix.send_all("x").await.0);
    says_so(things.datagrams.connect("/no/such/socket").await);
    says_so(things.file.read_at(vec![0; 8], 0).await.0);
    says_so(things.file.sync_all().await);
    says_so(things.file.metadata().await);
}

async fn close_all(things: Things) {
    says_so(things.stream.close().await);
    says_so(things.listener.close().await);
    says_so(things.udp.close().await);
    says_so(things.unix.close().await);
    says_so(things.datagrams.close().await);
    says_so(things.file.close().await);
}

#[test]
fn a_call_on_another_reactor_is_an_error_and_takes_nothing() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let mut things = run(&home, things());
    write_sequence(&mut things.peer, 0, 8);
    run(&other, try_all(&mut things));
    run(&home, async {
        let (count, bytes) = things.stream.recv(Vec::with_capacity(8)).await;
        let expected: Vec<u8> = (0..8).map(common::sequence).collect();
        assert_eq!((count.unwrap(), bytes), (8, expected));
        things.stream.send_all("home").await.0.unwrap();
        let mut received = [0; 4];
        things.peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"home", "nothing that was refused has been sent");
    });
    run(&other, close_all(things));
    run(&home, common::settles(0, || common::now().operations));
}

#[test]
fn and_so_it_is_where_no_reactor_runs() {
    let home = Reactor::new().unwrap();
    let mut things = run(&home, things());
    let tried = try_all(&mut things).now_or_never();
    tried.expect("nothing of it waits");
    close_all(things)
        .now_or_never()
        .expect("nothing of it waits");
}

#[test]
fn a_receive_that_began_at_home_goes_on_there() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (mut stream, mut peer) = run(&home, connected());
    let task = home.spawn(async move { stream.recv(Vec::with_capacity(8)).await.1 });
    run(&home, common::turns(2));
    write_sequence(&mut peer, 0, 1);
    // The handle of a task may be waited for anywhere; the task runs at home.
    let waiting = run(&other, async {
        let bounded = eyewall::time::timeout(Duration::from_millis(1), task);
        spawn(bounded).await.unwrap()
    });
    assert!(waiting.is_err(), "its reactor did not run");
    run(&home, common::settles(0, || common::now().operations));
}
