//! What the tests of the reactor share: the set-ups they run on, a time limit, a seeded generator, and looking
//! into what is open.

#![allow(dead_code, unreachable_pub)]

use std::fmt::Debug;
use std::io::Write;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use eyewall::net::{TcpListener, TcpStream};
use eyewall::reactor::{Builder, Metrics, metrics};
use eyewall::time::{sleep, timeout};
use eyewall::{Reactor, yield_now};

/// No test takes longer; far more than any needs, for a machine that is busy.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The set-ups that behave differently inside: the default, one without DEFER_TASKRUN, one whose queues
/// always overflow, one whose pool is always empty.
pub fn setups() -> [(&'static str, Builder); 4] {
    [
        ("default", Reactor::builder()),
        ("no defer", Reactor::builder().defer_taskrun(false)),
        (
            "tiny queues",
            Reactor::builder().sq_entries(2).cq_entries(4),
        ),
        ("tiny pool", Reactor::builder().pool(2, 256)),
    ]
}

/// Runs a test on `reactor`, within the limit.
pub fn run<F: Future>(reactor: &Reactor, future: F) -> F::Output {
    reactor
        .block_on(timeout(LIMIT, future))
        .unwrap()
        .expect("the test ends in time")
}

/// Runs a test on each of the [`setups`]; the reactor must be in order afterwards.
pub fn run_everywhere<F: Future>(test: impl Fn(&'static str) -> F) {
    for (name, builder) in setups() {
        println!("set-up: {name}");
        let reactor = builder.build().unwrap();
        run(&reactor, test(name));
        let counted = reactor.metrics();
        assert_eq!((counted.stale, counted.panics), (0, 0), "{name}");
    }
}

/// The counters of the reactor that runs here.
pub fn now() -> Metrics {
    metrics().expect("inside of a reactor")
}

/// Polls a future once.
pub async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Lets the ring have some turns.
pub async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Waits until the ring has reaped `count` completions more than `before`, without polling anything else.
pub async fn reaped(before: u64, count: u64) {
    while now().cqes < before + count {
        yield_now().await;
    }
}

/// Waits until `condition` holds; the limit of the test bounds it.
pub async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until `look` gives `expected`, and says what it gave if it does not.
pub async fn settles<T: PartialEq + Debug>(expected: T, look: impl Fn() -> T) {
    let settled = timeout(Duration::from_secs(10), until(|| look() == expected));
    if settled.await.is_err() {
        assert_eq!(look(), expected, "it does not settle");
    }
}

/// A stream of ours and its peer, a blocking socket.
pub async fn connected() -> (TcpStream, std::net::TcpStream) {
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    // The backlog takes it in before anybody accepts.
    let peer = std::net::TcpStream::connect(address).unwrap();
    peer.set_nodelay(true).unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    peer.set_write_timeout(Some(LIMIT)).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    listener.close().await.unwrap();
    (stream, peer)
}

/// Two streams of ours, connected to each other.
pub async fn pair() -> (TcpStream, TcpStream) {
    let (stream, peer) = connected().await;
    (stream, TcpStream::from_std(peer).unwrap())
}

/// Writes the bytes of the [`sequence`] from `start` on.
pub fn write_sequence(peer: &mut impl Write, start: u64, count: usize) {
    let bytes: Vec<u8> = (start..start + count as u64).map(sequence).collect();
    peer.write_all(&bytes).unwrap();
}

/// The byte at `position` of a sequence in which neighbours say nothing of each other, so that a byte that is
/// lost, repeated or moved shows at once.
pub fn sequence(position: u64) -> u8 {
    (position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Checks received bytes against the [`sequence`].
#[derive(Debug, Default)]
pub struct Checker {
    pub position: u64,
}

impl Checker {
    pub fn check(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert_eq!(
                byte,
                sequence(self.position),
                "byte {} is lost, repeated or moved",
                self.position
            );
            self.position += 1;
        }
    }
}

/// A small seeded generator (xorshift64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// How many descriptors this process has open.
pub fn open_fds() -> usize {
    // One of them is the directory itself.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// Tests of one file that count descriptors run one at a time: hold this to the end.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}
