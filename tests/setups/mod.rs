//! What the tests of the reactor share: its set-ups, bounded runs, and accounts that must balance.

#![allow(dead_code)] // each test binary uses a part of it
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::process::Command;
use std::sync::mpsc;
use std::task::Poll;
use std::time::{Duration, Instant};

use eyewall::net::{TcpListener, TcpStream};
use eyewall::reactor::{Builder, Metrics};
use eyewall::{Reactor, yield_now};

/// How long a test may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The set-ups that every promise has to hold in.
pub(crate) fn setups() -> [(&'static str, Builder); 4] {
    [
        ("default", Reactor::builder()),
        (
            "without DEFER_TASKRUN",
            Reactor::builder().defer_taskrun(false),
        ),
        (
            "SQ of 2, CQ of 4",
            Reactor::builder().sq_entries(2).cq_entries(4),
        ),
        ("pool of 2 buffers", Reactor::builder().pool(2, 512)),
    ]
}

/// Runs `test` once in each set-up.
pub(crate) fn for_each_setup(test: impl Fn(Builder)) {
    for (name, builder) in setups() {
        let _watchdog = Watchdog::new(name);
        eprintln!("set-up: {name}");
        test(builder);
    }
}

/// Ends the process if it lives longer than [`PATIENCE`]: a loop inside the reactor never comes to a timeout.
pub(crate) struct Watchdog {
    _end: mpsc::Sender<()>,
}

impl Watchdog {
    pub(crate) fn new(what: &'static str) -> Watchdog {
        let (end, ended) = mpsc::channel::<()>();
        let test = std::thread::current().name().map(str::to_owned);
        std::thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{test:?} hangs ({what})");
                std::process::exit(101);
            }
        });
        Watchdog { _end: end }
    }
}

/// Runs `future` on a reactor of its own, which must leave nothing behind.
pub(crate) fn run<F: Future>(builder: Builder, future: F) -> F::Output {
    let reactor = builder.build().expect("a reactor");
    let output = run_on(&reactor, future);
    finish(reactor);
    output
}

/// Runs `future` in bounded time.
pub(crate) fn run_on<F: Future>(reactor: &Reactor, future: F) -> F::Output {
    reactor
        .block_on(eyewall::time::timeout(PATIENCE / 2, future))
        .expect("the reactor runs")
        .expect("the test ends in time")
}

/// Waits until the reactor has nothing in flight, and checks its accounts.
pub(crate) fn settle(reactor: &Reactor) -> Metrics {
    run_on(reactor, async {
        let now = || eyewall::reactor::metrics().expect("inside of a reactor");
        while now().operations > 0 {
            eyewall::time::sleep(Duration::from_micros(100)).await;
        }
        // The last turn's closes.
        yield_now().await;
    });
    let metrics = reactor.metrics();
    assert_eq!(metrics.stale, 0, "{metrics:?}");
    assert_eq!(metrics.pool_available, metrics.pool_buffers, "{metrics:?}");
    metrics
}

/// Settles the reactor and shuts it down.
pub(crate) fn finish(reactor: Reactor) -> Metrics {
    let metrics = settle(&reactor);
    let report = reactor.shutdown(Duration::from_secs(5));
    assert_eq!(report.leaked, 0);
    metrics
}

/// The counters of the reactor that runs.
pub(crate) fn metrics() -> Metrics {
    eyewall::reactor::metrics().expect("inside of a reactor")
}

/// Polls a future once; `Some` if it is ready.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Gives the ring so many turns.
pub(crate) async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Gives the ring turns until `done`.
pub(crate) async fn turns_until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE / 2, "it never happens");
        yield_now().await;
    }
}

/// Two ends of a connection.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("its address");
    let client = TcpStream::connect(address).await.expect("a connection");
    let (server, _) = listener.accept().await.expect("its other end");
    (client, server)
}

/// A connection whose other end is a blocking socket of the standard library.
pub(crate) fn half_std_pair() -> (TcpStream, std::net::TcpStream) {
    let (ours, theirs) = std_pair();
    (TcpStream::from_std(ours).expect("a stream"), theirs)
}

/// Two blocking ends of a connection.
pub(crate) fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    let client = std::net::TcpStream::connect(address).expect("a connection");
    let (server, _) = listener.accept().expect("its other end");
    (client, server)
}

/// How many descriptors this process has open.
pub(crate) fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("procfs is mounted")
        .count()
}

/// Runs `body` in a process of its own, which is this test binary with the one test `name`: for what counts
/// descriptors, changes a limit or installs a filter.
pub(crate) fn in_own_process(name: &str, body: impl FnOnce()) {
    if is_own_process() {
        let _watchdog = Watchdog::new("alone");
        return body();
    }
    passes(own_process(name));
}

const OWN: &str = "EYEWALL_TEST_ALONE";

/// Whether this process is there for one test alone.
pub(crate) fn is_own_process() -> bool {
    std::env::var_os(OWN).is_some()
}

/// That of the test `name`, to which more can be said.
pub(crate) fn own_process(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary"));
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(OWN, "1");
    command
}

/// Runs it to its end: the test has to be there, and to pass.
pub(crate) fn passes(mut process: Command) {
    let output = process.output().expect("the test binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// As [`in_own_process`], which is in a network of its own. Its loopback is up, and its settings are there to be changed.
/// Does nothing where no such network can be made, as in some containers.
pub(crate) fn in_own_network(name: &str, body: impl FnOnce()) {
    if is_own_process() {
        return in_own_process(name, body);
    }
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script]);
        command
    };
    let up =
        unshare("ip link set lo up && test -w /proc/sys/net/ipv4/ip_local_port_range").output();
    if !up.is_ok_and(|output| output.status.success()) {
        return eprintln!("{name}: there is no network of its own");
    }
    let test = own_process(name);
    let mut process = unshare("ip link set lo up && exec \"$0\" \"$@\"");
    process.arg(test.get_program()).args(test.get_args());
    process.env(OWN, "1");
    passes(process);
}

/// A small generator (splitmix64), so that a failing seed replays.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// The byte at a position of an endless stream in which no two stretches look alike.
pub(crate) fn byte_at(position: usize) -> u8 {
    ((position as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
        >> 13) as u8
}

/// A stretch of that stream.
pub(crate) fn stretch(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(byte_at).collect()
}

/// Checks that `data` goes on with the stream at `position`, and moves it on.
pub(crate) fn check_stretch(position: &mut usize, data: &[u8]) {
    for (offset, &byte) in data.iter().enumerate() {
        assert_eq!(
            byte,
            byte_at(*position + offset),
            "byte {} is lost or out of order",
            *position + offset
        );
    }
    *position += data.len();
}

/// Races a future against a number of turns; `None` if it has been dropped.
pub(crate) async fn race_turns<F: Future>(future: F, count: u64) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    for _ in 0..count {
        if let Some(output) = poll_once(&mut future).await {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// Where in its life an operation is when its future goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Point {
    /// Polled once; it waits behind another to be staged.
    Queued,
    /// Polled once; the reactor has not had its turn.
    Staged,
    /// The kernel has it.
    InKernel,
    /// Its completion has been reaped, and nobody has fetched it.
    Reaped,
}

pub(crate) const POINTS: [Point; 4] =
    [Point::Queued, Point::Staged, Point::InKernel, Point::Reaped];

impl Point {
    /// What an operation that is polled next waits behind, if it is to be queued; to be kept until its future goes.
    pub(crate) async fn before(self) -> Option<impl Future<Output = std::io::Result<()>>> {
        if self != Point::Queued {
            return None;
        }
        let mut other = Box::pin(eyewall::reactor::nop());
        assert!(poll_once(&mut other).await.is_none());
        Some(other)
    }
}
