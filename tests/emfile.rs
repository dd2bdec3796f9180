//! A process that has no descriptors left. The limit is the process's own, so that this file has one test.

#![forbid(unsafe_code)]

mod common;

use std::cell::Cell;
use std::fs::File;
use std::future::Future;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use common::{now, setups, until};
use eyewall::net::{TcpListener, TcpStream, UnixDatagram, UnixStream};
use eyewall::signal::{self, Signal};
use futures_util::{FutureExt, StreamExt};
use rlimit::Resource;
use socket2::SockRef;

const CLIENTS: usize = 8;

/// Uses up every descriptor below the limit.
fn use_up() -> Vec<File> {
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                return files;
            }
        }
    }
}

async fn accept_all(listener: &mut TcpListener, with_incoming: bool) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    if with_incoming {
        let mut incoming = listener.incoming().take(CLIENTS);
        while let Some(stream) = incoming.next().await {
            streams.push(stream.unwrap());
        }
    } else {
        while streams.len() < CLIENTS {
            streams.push(listener.accept().await.unwrap().0);
        }
    }
    streams
}

/// Accepts without descriptors, and then with them.
async fn run_out(with_incoming: bool) {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    // What has been given up until now is closed.
    common::turns(3).await;
    let files = use_up();
    let before = now();
    let accepting = eyewall::spawn(async move {
        let streams = accept_all(&mut listener, with_incoming).await;
        (listener, streams)
    });
    until(|| now().accepts_paused >= before.accepts_paused + 4).await;
    let after = now();
    // The pauses of 5, 10, 20 and 40 ms, looked at every millisecond.
    let enters = after.enters - before.enters;
    assert!(enters < 300, "{enters} enters for four tries: it spins");
    assert!(!accepting.is_finished());

    drop(files);
    let (mut listener, streams) = accepting.await.unwrap();
    let mut served: Vec<_> = streams.iter().map(|s| s.peer_addr().unwrap()).collect();
    let mut expected: Vec<_> = clients.iter().map(|c| c.local_addr().unwrap()).collect();
    served.sort_unstable();
    expected.sort_unstable();
    assert_eq!(served, expected);

    // The listener goes on, at once.
    let late = std::net::TcpStream::connect(address).unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, late.local_addr().unwrap());
}

/// A descriptor that has been given up is there for the next socket, wherever its close has got to.
async fn use_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut other, _peer) = common::connected().await;
    let file = File::open("/dev/null").unwrap();
    common::turns(3).await;
    let files = use_up();
    for posts in [false, true] {
        drop(stream);
        if posts {
            // Brings the close on its way.
            other.post("ping").await.unwrap();
        }
        stream = TcpStream::connect(address).await.unwrap();
    }
    let error = TcpStream::connect(address).await.unwrap_err();
    assert!(error.to_string().contains("os error 24"), "{error}");
    drop(file);
    drop(TcpStream::connect(address).await.unwrap());
    eyewall::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    drop((files, stream));
}

/// So are two of them, for what takes two at once.
async fn use_two_again() {
    common::turns(3).await;
    let (mut pair, datagrams) = (UnixStream::pair().unwrap(), UnixDatagram::pair().unwrap());
    let files = use_up();
    for _ in 0..3 {
        drop(pair);
        pair = UnixStream::pair().unwrap();
    }
    drop(datagrams);
    drop(UnixDatagram::pair().unwrap());
    for _ in 0..2 {
        drop(signal::stream(Signal::USER_1).unwrap());
    }
    drop((files, pair));
}

/// Nobody writes to a FIFO of which only one end can be opened: it needs a second look, for which there is no descriptor.
async fn open_a_fifo() {
    let path = std::env::temp_dir().join(format!("eyewall-emfile-{}", std::process::id()));
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    // What has been given up until now is closed.
    common::turns(3).await;
    let mut files = use_up();
    files.pop();
    let opened = eyewall::fs::File::open(&path).await.map(drop);
    std::fs::remove_file(path).unwrap();
    assert_eq!(opened.unwrap_err().raw_os_error(), Some(libc::EMFILE));
}

thread_local! {
    static BROKEN: Cell<Option<TcpStream>> = const { Cell::new(None) };
}

/// Posts to a connection that has been reset, and then connects, with whatever wakes it.
struct Hasty(SocketAddr);

impl Wake for Hasty {
    fn wake(self: Arc<Hasty>) {
        if let Some(mut stream) = BROKEN.take() {
            stream.post("lost").now_or_never().unwrap().unwrap();
            let files = use_up();
            let connected = TcpStream::connect(self.0).now_or_never();
            assert!(connected.is_none(), "its error comes after a turn");
            drop(files);
            BROKEN.set(Some(stream));
        }
    }
}

/// What is submitted in the middle of a turn has not ended with it.
async fn post_from_a_waker() {
    let (mut broken, peer) = common::connected().await;
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    let address = broken.local_addr().unwrap();
    drop(peer);
    broken.recv_chunk().await.unwrap_err();
    BROKEN.set(Some(broken));
    let (mut stream, mut peer) = common::connected().await;
    let mut receive = Box::pin(stream.recv_chunk());
    let waker = Waker::from(Arc::new(Hasty(address)));
    let polled = receive.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    peer.write_all(b"now").unwrap();
    let before = now().cqes;
    common::reaped(before, 1).await;
    assert!(receive.await.unwrap().is_some());
    let mut broken = BROKEN.take().unwrap();
    let error = broken.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

/// What others hold is free only once they have run.
async fn try_again_and_again() {
    let files = use_up();
    let other = eyewall::spawn(eyewall::time::sleep(Duration::from_millis(1)));
    let end = Instant::now() + Duration::from_secs(5);
    while !other.is_finished() {
        UnixStream::connect("nowhere").await.unwrap_err();
        assert!(Instant::now() < end, "nobody else has run");
    }
    drop(files);
}

#[test]
fn a_listener_without_descriptors_waits_for_some() {
    let (_, hard) = Resource::NOFILE.get().unwrap();
    Resource::NOFILE.set(200, hard).unwrap();
    for (name, builder) in setups() {
        println!("set-up: {name}");
        let reactor = builder.build().unwrap();
        common::run(&reactor, async {
            run_out(false).await;
            run_out(true).await;
            use_again().await;
            use_two_again().await;
            post_from_a_waker().await;
            try_again_and_again().await;
            open_a_fifo().await;
        });
        assert_eq!(reactor.metrics().stale, 0);
    }
    // A ring needs a descriptor, too.
    let files = use_up();
    let error = eyewall::Reactor::new().unwrap_err();
    drop(files);
    assert!(error.to_string().contains("ulimit -n"), "{error}");
}
