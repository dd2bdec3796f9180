//! What the socket tests share: a time limit, and counting what a dropped future may have left behind.

#![allow(dead_code)]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use eyewall::reactor::metrics;
use eyewall::time::{sleep, timeout};
use eyewall::yield_now;
use socket2::{Domain, Socket, Type};

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Tests that count the descriptors of the process run one at a time, from their first socket to their last.
pub(crate) struct Alone(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

pub(crate) fn alone() -> Alone {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    Alone(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Alone {
    /// Runs a test on a reactor of its own.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        eyewall::block_on(timeout(LIMIT, future))
            .unwrap()
            .expect("the test ends in time")
    }
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Lets the ring have some turns.
pub(crate) async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Waits until the ring has reaped `count` completions more than `before`, without polling anything else.
pub(crate) async fn reaped(before: u64, count: u64) {
    while cqes() < before + count {
        yield_now().await;
    }
}

pub(crate) fn cqes() -> u64 {
    metrics().unwrap().cqes
}

/// What is open: descriptors of the process, and operations of the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) fds: usize,
    pub(crate) operations: usize,
}

pub(crate) fn open() -> Open {
    Open {
        // One of them is the directory itself.
        fds: std::fs::read_dir("/proc/self/fd").unwrap().count() - 1,
        operations: metrics().unwrap().operations,
    }
}

/// Waits until exactly that is open, and that no completion went astray.
pub(crate) async fn settles_to(expected: Open) {
    let settled = timeout(Duration::from_secs(5), async {
        while open() != expected {
            sleep(Duration::from_millis(1)).await;
        }
    });
    if settled.await.is_err() {
        assert_eq!(open(), expected, "something was left open");
    }
    let metrics = metrics().unwrap();
    assert_eq!(metrics.stale, 0);
}

/// An address that refuses connections for as long as the socket lives: bound, but not listening.
pub(crate) fn refusing(ip: &str) -> (Socket, SocketAddr) {
    let address = SocketAddr::new(ip.parse().unwrap(), 0);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.bind(&address.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A listener whose backlog is full, so that the kernel ignores what else would connect.
pub(crate) struct Blackhole {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) clients: Vec<TcpStream>,
}

impl Blackhole {
    pub(crate) fn new(ip: &str) -> Blackhole {
        let (socket, address) = refusing(ip);
        socket.listen(0).unwrap();
        let mut clients = Vec::new();
        while let Ok(client) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            clients.push(client);
            assert!(clients.len() < 100, "the backlog is not bounded");
        }
        Blackhole {
            listener: socket.into(),
            address,
            clients,
        }
    }

    /// Makes room in the backlog: who tries again gets through.
    pub(crate) fn drain(&mut self) {
        for _ in self.clients.drain(..) {
            self.listener.accept().unwrap();
        }
    }
}
