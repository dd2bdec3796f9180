//! What a shutdown ends, what it reports, and what outlives it.

#![forbid(unsafe_code)]

mod common;

use std::cell::Cell;
use std::io::Read;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{connected, one_at_a_time, open_fds, poll_once, run, setups, turns};
use eyewall::net::{TcpListener, TcpStream};
use eyewall::reactor::nop;
use eyewall::time::sleep;
use eyewall::{Error, ErrorKind, Reactor, spawn};
use futures_util::{FutureExt, StreamExt};

const SOON: Duration = Duration::from_secs(10);

/// Whether an error says that the reactor has gone.
fn says_shut_down(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .and_then(|error| error.downcast_ref::<Error>())
        .is_some_and(|error| error.kind() == ErrorKind::ShutDown)
}

#[test]
fn what_is_armed_is_cancelled_and_counted() {
    let _alone = one_at_a_time();
    for (name, builder) in setups() {
        let fds = open_fds();
        let reactor = builder.build().unwrap();
        let mut peers = Vec::new();
        run(&reactor, async {
            let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            spawn(async move { listener.incoming().next().await.is_some() }).detach();
            for kind in 0..3 {
                let (mut stream, peer) = connected().await;
                peers.push(peer);
                spawn(async move {
                    match kind {
                        0 => drop(stream.recv(vec![0; 10]).await),
                        1 => drop(stream.recv_chunk().await),
                        _ => drop(stream.chunks().next().await),
                    }
                })
                .detach();
            }
            spawn(sleep(Duration::from_secs(3600))).detach();
            turns(20).await;
        });
        let before = reactor.metrics();
        assert_eq!((before.tasks, before.operations, before.timers), (5, 4, 1));
        let start = Instant::now();
        let report = reactor.shutdown(SOON);
        assert!(
            start.elapsed() < SOON / 2,
            "{name}: it waited for its limit"
        );
        println!("{name}: {report:?}");
        assert_eq!((report.cancelled, report.leaked), (4, 0), "{name}");
        for mut peer in peers.drain(..) {
            assert_eq!(peer.read(&mut [0; 10]).unwrap(), 0, "{name}: closed");
        }
        assert_eq!(open_fds(), fds, "{name}");
    }
}

#[test]
fn a_reactor_with_nothing_to_do_has_nothing_to_report() {
    let _alone = one_at_a_time();
    let fds = open_fds();
    let report = Reactor::new().unwrap().shutdown(Duration::ZERO);
    assert_eq!((report.completed, report.cancelled), (0, 0));
    assert_eq!(report.leaked, 0);
    assert_eq!(open_fds(), fds);
}

#[test]
fn sockets_that_outlive_the_reactor_return_errors_and_close() {
    let _alone = one_at_a_time();
    for (name, builder) in setups() {
        let fds = open_fds();
        let reactor = builder.build().unwrap();
        let (mut listener, mut stream, mut peer) = run(&reactor, async {
            let (mut stream, peer) = connected().await;
            let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            assert!(listener.accept().now_or_never().is_none());
            assert!(stream.recv_chunk().now_or_never().is_none());
            turns(2).await;
            (listener, stream, peer)
        });
        reactor.shutdown(SOON);

        let error = stream.recv(vec![0; 10]).now_or_never().unwrap().0;
        assert!(says_shut_down(&error.unwrap_err()), "{name}");
        let error = stream.recv_chunk().now_or_never().unwrap();
        assert!(says_shut_down(&error.unwrap_err()), "{name}");
        let error = stream.chunks().next().now_or_never().unwrap().unwrap();
        assert!(says_shut_down(&error.unwrap_err()), "{name}");
        let error = stream.send_all("x").now_or_never().unwrap().0;
        assert!(says_shut_down(&error.unwrap_err()), "{name}");
        let error = stream.shutdown().now_or_never().unwrap();
        assert!(says_shut_down(&error.unwrap_err()), "{name}");
        let error = listener.accept().now_or_never().unwrap();
        assert!(says_shut_down(&error.unwrap_err()), "{name}");

        drop(stream);
        assert_eq!(peer.read(&mut [0; 10]).unwrap(), 0, "{name}: closed");
        drop((listener, peer));
        assert_eq!(open_fds(), fds, "{name}");
    }
}

#[test]
fn the_port_of_a_listener_is_free_at_once() {
    let _alone = one_at_a_time();
    for (_, builder) in setups() {
        let reactor = builder.build().unwrap();
        let address = run(&reactor, async {
            let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            spawn(async move { listener.accept().await.is_ok() }).detach();
            turns(3).await;
            address
        });
        assert_eq!(reactor.shutdown(SOON).leaked, 0);
        // Without SO_REUSEADDR, so that a listener that is still there would be seen.
        let socket = socket2::Socket::new(
            socket2::Domain::IPV4,
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )
        .unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(1).unwrap();
    }
}

#[test]
fn an_operation_that_waits_in_a_future_kept_outside_ends() {
    let _alone = one_at_a_time();
    let reactor = Reactor::new().unwrap();
    let (mut stream, _peer) = run(&reactor, connected());
    let mut receive = Box::pin(stream.recv(vec![0; 10]));
    run(&reactor, async {
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(2).await;
    });
    let report = reactor.shutdown(SOON);
    assert_eq!((report.cancelled, report.leaked), (1, 0));
    let (result, buffer) = receive.now_or_never().expect("it has ended");
    assert_eq!(buffer.len(), 10);
    result.unwrap_err();
}

#[test]
fn tasks_are_dropped_on_the_reactor_and_can_close_what_they_hold() {
    struct Guard(Rc<Cell<u32>>, Option<TcpStream>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            // The reactor is there still: this must neither panic nor hang.
            let stream = self.1.take();
            spawn(async move { drop(stream) }).detach();
        }
    }
    let _alone = one_at_a_time();
    let fds = open_fds();
    let dropped = Rc::new(Cell::new(0));
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        for _ in 0..10 {
            let (stream, _) = connected().await;
            let guard = Guard(Rc::clone(&dropped), Some(stream));
            spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            })
            .detach();
        }
        turns(2).await;
    });
    assert_eq!(reactor.shutdown(SOON).leaked, 0);
    assert_eq!(dropped.get(), 10);
    assert_eq!(open_fds(), fds);
}

#[test]
fn connections_that_nobody_fetched_are_closed_also_where_there_is_no_time() {
    let _alone = one_at_a_time();
    let reactor = Reactor::new().unwrap();
    let (listener, first, peers) = reactor
        .block_on(async {
            let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let peers: Vec<_> = (0..8)
                .map(|_| std::net::TcpStream::connect(address).unwrap())
                .collect();
            let first = StreamExt::next(&mut listener.incoming()).await;
            let reaped = || eyewall::reactor::metrics().unwrap().cqes;
            while reaped() < 8 {
                eyewall::yield_now().await;
            }
            (listener, first, peers)
        })
        .unwrap();
    // No time at all still means one try, and that is enough for an accept.
    assert_eq!(reactor.shutdown(Duration::ZERO).leaked, 0);
    drop((first, listener));
    for mut peer in peers {
        let patience = Some(Duration::from_secs(10));
        peer.set_read_timeout(patience).unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn an_operation_that_the_shutdown_cancels_counts_as_cancelled() {
    let _alone = one_at_a_time();
    let reactor = Reactor::new().unwrap();
    let listener = reactor.block_on(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // The accept stays armed in the kernel.
        assert!(listener.accept().now_or_never().is_none());
        eyewall::yield_now().await;
        eyewall::yield_now().await;
        listener
    });
    let report = reactor.shutdown(Duration::from_secs(10));
    assert_eq!(
        (report.completed, report.cancelled, report.leaked),
        (0, 1, 0)
    );
    drop(listener);
}

/// More than two sockets hold, which tells when it is freed.
struct Watched(Vec<u8>, Arc<AtomicBool>);

impl Watched {
    fn bytes(freed: &Arc<AtomicBool>) -> Bytes {
        Bytes::from_owner(Watched(vec![1; 2 << 20], Arc::clone(freed)))
    }
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

/// The kernel lets go of what was sent without a copy when the peer has it; until then it may read the buffer.
#[test]
fn what_the_kernel_does_not_let_go_of_is_leaked() {
    let _alone = one_at_a_time();
    let freed = Arc::new(AtomicBool::new(false));
    let reactor = Reactor::new().unwrap();
    let (stream, peer) = run(&reactor, async {
        let (mut stream, peer) = connected().await;
        let mut send = Box::pin(stream.send_zc(Watched::bytes(&freed)));
        assert!(poll_once(send.as_mut()).await.is_pending());
        turns(3).await;
        // To drop the stream as well would reset the connection, and so end it all.
        std::mem::forget(send);
        (stream, peer)
    });
    let report = reactor.shutdown(Duration::ZERO);
    assert_eq!((report.completed, report.leaked), (0, 1), "{report:?}");
    drop((stream, peer));
    assert!(!freed.load(Ordering::Relaxed));
}

/// A connection that is reset when somebody is woken: here in the first round of a shutdown, which cancels what he waits
/// for.
struct Resets(Mutex<Option<std::net::TcpStream>>);

impl Wake for Resets {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
    }
}

#[test]
fn a_reactor_that_is_dropped_waits_for_as_long_as_its_builder_was_told() {
    let _alone = one_at_a_time();
    for (timeout, ends) in [(Duration::ZERO, false), (SOON, true)] {
        let freed = Arc::new(AtomicBool::new(false));
        let reactor = Reactor::builder().shutdown_timeout(timeout);
        let reactor = reactor.build().unwrap();
        let (mut other, _other_peer) = run(&reactor, connected());
        let mut receive = Box::pin(other.recv(vec![0; 1]));
        let stream = run(&reactor, async {
            let (mut stream, peer) = connected().await;
            let resets = Waker::from(Arc::new(Resets(Mutex::new(Some(peer)))));
            let cx = &mut Context::from_waker(&resets);
            assert!(receive.as_mut().poll(cx).is_pending());
            let mut send = Box::pin(stream.send_zc(Watched::bytes(&freed)));
            assert!(poll_once(send.as_mut()).await.is_pending());
            turns(3).await;
            drop(send);
            stream
        });
        drop(reactor);
        // What the reset ends takes another round.
        assert_eq!(freed.load(Ordering::Relaxed), ends);
        drop((stream, receive));
    }
}

#[test]
fn what_was_posted_before_goes_out() {
    let _alone = one_at_a_time();
    for (name, builder) in setups() {
        let reactor = builder.build().unwrap();
        let mut pairs = Vec::new();
        run(&reactor, async {
            for _ in 0..2 {
                pairs.push(connected().await);
            }
            // The first is staged at once, the second waits behind what is queued.
            pairs[0].0.post("farewell").await.unwrap();
            let mut before = pin!(nop());
            assert!(poll_once(before.as_mut()).await.is_pending());
            pairs[1].0.post("farewell").await.unwrap();
        });
        let report = reactor.shutdown(SOON);
        assert_eq!((report.completed, report.leaked), (2, 0), "{name}");
        for (stream, mut peer) in pairs {
            drop(stream);
            let mut all = String::new();
            peer.read_to_string(&mut all).unwrap();
            assert_eq!(all, "farewell", "{name}");
        }
    }
}
