//! A panic in the user's code stays with the user: the reactor goes on, and nothing is lost.
//!
//! The panics print their messages; that is not a failure.

mod foreign_waker;
mod setups;

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use eyewall::net::{TcpListener, UdpSocket};
use eyewall::{Reactor, spawn, yield_now};
use foreign_waker::{panicking, poll_with};
use setups::{finish, half_std_pair, metrics, pair, poll_once, run_on, settle, turns, turns_until};
use std::io::Write;

/// A waker that asks the reactor, when it is used and when it is dropped; either finds it borrowed, or not.
struct Asks;

impl Wake for Asks {
    fn wake(self: Arc<Asks>) {
        let _ = eyewall::reactor::metrics();
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        let _ = eyewall::reactor::metrics();
    }
}

/// Panics when it is dropped.
struct Bomb(Vec<u8>);

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a drop, on purpose");
    }
}

/// A buffer to send that panics when it is dropped.
fn bomb(len: usize) -> Bytes {
    Bytes::from_owner(Bomb(vec![1; len]))
}

/// A buffer to receive into that panics when it is dropped.
struct BombBuffer(Vec<u8>);

impl Drop for BombBuffer {
    fn drop(&mut self) {
        panic!("a buffer's drop, on purpose");
    }
}

// A user's buffer is an `unsafe impl` by nature; it hands everything on to a Vec.
// SAFETY: as for Vec, whose elements live on the heap.
unsafe impl eyewall::buf::IoBuf for BombBuffer {
    fn bytes_ptr(&self) -> *const u8 {
        self.0.bytes_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.0.bytes_len()
    }
}

// SAFETY: as for Vec.
unsafe impl eyewall::buf::IoBufMut for BombBuffer {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.0.bytes_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.0.bytes_capacity()
    }

    unsafe fn set_written(&mut self, len: usize) {
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.set_written(len) };
    }
}

#[test]
fn a_task_that_panics_gives_its_payload_to_the_joiner() {
    let reactor = Reactor::new().unwrap();
    run_on(&reactor, async {
        let task = spawn(async {
            yield_now().await;
            panic_any(42u32);
        });
        let payload = task.await.unwrap_err().into_panic().unwrap();
        assert_eq!(*payload.downcast::<u32>().unwrap(), 42);
        let detached = spawn(async { panic!("nobody joins") });
        drop(detached);
        turns(3).await;
    });
    assert_eq!(reactor.metrics().panics, 2);
    finish(reactor);
}

#[test]
fn a_main_future_that_panics_leaves_the_reactor_usable() {
    let reactor = Reactor::new().unwrap();
    let payload = catch_unwind(AssertUnwindSafe(|| {
        reactor.block_on(async {
            let (mut ours, _theirs) = half_std_pair();
            let mut receive = Box::pin(ours.recv(vec![0; 8]));
            assert!(poll_once(&mut receive).await.is_none());
            turns(2).await;
            panic!("main");
        })
    }));
    let payload: Box<dyn std::any::Any + Send> = match payload {
        Ok(Ok(())) | Ok(Err(_)) => panic!("it panics"),
        Err(payload) => payload,
    };
    assert_eq!(*payload.downcast::<&str>().unwrap(), "main");
    run_on(&reactor, pair());
    finish(reactor);
}

#[test]
fn a_waker_that_panics_loses_no_completion() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        run_on(&reactor, async {
            let panics = panicking();
            let mut pairs: Vec<_> = (0..8).map(|_| half_std_pair()).collect();
            let mut writers = Vec::new();
            let mut receives = Vec::new();
            for (ours, theirs) in &mut pairs {
                receives.push(Box::pin(ours.recv(Vec::with_capacity(8))));
                writers.push(theirs);
            }
            for receive in receives.iter_mut().step_by(2) {
                assert!(poll_with(receive.as_mut(), &panics).is_pending());
            }
            for receive in receives.iter_mut().skip(1).step_by(2) {
                assert!(poll_once(receive).await.is_none());
            }
            turns(10).await;
            // One turn reaps them all.
            for writer in writers {
                writer.write_all(b"x").unwrap();
            }
            turns(10).await;
            for receive in receives {
                let (count, data) = receive.await;
                assert_eq!((count.unwrap(), &data[..]), (1, &b"x"[..]));
            }
        });
        assert!(reactor.metrics().panics > 0);
        finish(reactor);
    });
}

#[test]
fn a_timers_waker_that_panics_stops_no_other_timer() {
    let reactor = Reactor::new().unwrap();
    run_on(&reactor, async {
        let panics = panicking();
        let mut sleeps: Vec<_> = (0..10)
            .map(|_| Box::pin(eyewall::time::sleep(Duration::from_millis(1))))
            .collect();
        for (index, sleep) in sleeps.iter_mut().enumerate() {
            if index % 2 == 0 {
                assert!(poll_with(sleep.as_mut(), &panics).is_pending());
            } else {
                assert!(poll_once(sleep).await.is_none());
            }
        }
        for sleep in sleeps {
            sleep.await;
        }
    });
    finish(reactor);
}

#[test]
fn a_joiner_whose_waker_panics_does_not_stop_the_tasks() {
    let reactor = Reactor::new().unwrap();
    run_on(&reactor, async {
        let panics = panicking();
        let mut task = pin!(spawn(async {
            turns(2).await;
            1
        }));
        assert!(poll_with(task.as_mut(), &panics).is_pending());
        turns(5).await;
        assert_eq!(task.await.unwrap(), 1);
    });
    finish(reactor);
}

#[test]
fn a_parked_stream_whose_waker_panics_spares_who_gives_the_buffer_back() {
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    run_on(&reactor, async {
        let (mut keeper, mut keeper_peer) = half_std_pair();
        keeper_peer.write_all(b"kept").unwrap();
        let kept = keeper.recv_chunk().await.unwrap().unwrap();
        let (mut other, mut peer) = half_std_pair();
        peer.write_all(b"bytes").unwrap();
        let mut chunk = Box::pin(other.recv_chunk());
        let parks = metrics().pool_parks;
        loop {
            assert!(poll_with(chunk.as_mut(), &panicking()).is_pending());
            if metrics().pool_parks > parks {
                break;
            }
            yield_now().await;
        }
        let panics = metrics().panics;
        drop(kept);
        assert_eq!(metrics().panics, panics + 1, "it was woken");
        assert_eq!(&chunk.await.unwrap().unwrap()[..], b"bytes");
    });
    finish(reactor);
}

#[test]
fn who_waits_for_a_close_with_a_waker_that_panics_spares_the_last_holder() {
    let reactor = Reactor::new().unwrap();
    let (sender, mut close) = run_on(&reactor, async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sender = socket.sender();
        let mut close = Box::pin(socket.close());
        let mut waits = || assert!(poll_with(close.as_mut(), &panicking()).is_pending());
        waits();
        turns(3).await;
        waits();
        assert_eq!(metrics().operations, 0, "only the close is left");
        (sender, close)
    });
    finish(reactor);
    // The last holder: with the ring gone, its drop closes the socket.
    drop(sender);
    let closed = poll_with(close.as_mut(), Waker::noop());
    assert!(matches!(closed, Poll::Ready(Ok(()))), "{closed:?}");
}

/// Foreign wakers may do anything, so that nothing may be borrowed while one is woken, replaced or dropped.
#[test]
fn a_waker_may_ask_the_reactor() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        let asks = || Waker::from(Arc::new(Asks));
        run_on(&reactor, async {
            let (mut ours, mut theirs) = half_std_pair();
            for wake in [false, true] {
                let mut receive = Box::pin(ours.recv(vec![0; 8]));
                // Replaced by another, then dropped or woken.
                assert!(poll_with(receive.as_mut(), &asks()).is_pending());
                assert!(poll_with(receive.as_mut(), &asks()).is_pending());
                if wake {
                    theirs.write_all(b"x").unwrap();
                    turns(4).await;
                    receive.await.0.unwrap();
                } else {
                    turns(2).await;
                }
            }
            let mut chunk = Box::pin(ours.recv_chunk());
            assert!(poll_with(chunk.as_mut(), &asks()).is_pending());
            assert!(poll_with(chunk.as_mut(), &asks()).is_pending());
            theirs.write_all(b"y").unwrap();
            assert_eq!(&chunk.await.unwrap().unwrap()[..], b"y");

            let mut sleep = Box::pin(eyewall::time::sleep(Duration::from_millis(1)));
            assert!(poll_with(sleep.as_mut(), &asks()).is_pending());
            assert!(poll_with(sleep.as_mut(), &asks()).is_pending());
            turns_until(|| metrics().timers < 2).await;

            let mut task = pin!(spawn(turns(3)));
            assert!(poll_with(task.as_mut(), &asks()).is_pending());
            assert!(poll_with(task.as_mut(), &asks()).is_pending());
            task.await.unwrap();

            let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut accept = Box::pin(listener.accept());
            assert!(poll_with(accept.as_mut(), &asks()).is_pending());
            assert!(poll_with(accept.as_mut(), &asks()).is_pending());
            drop(accept);
            let mut close = Box::pin(listener.close());
            assert!(poll_with(close.as_mut(), &asks()).is_pending());
            assert!(poll_with(close.as_mut(), &asks()).is_pending());
            turns(5).await;
            close.await.unwrap();
        });
        assert_eq!(reactor.metrics().panics, 0);
        finish(reactor);
    });
}

#[test]
fn a_waker_at_a_full_table_may_ask_the_reactor() {
    let reactor = Reactor::builder().max_operations(1).build().unwrap();
    run_on(&reactor, async {
        let (mut one, mut first) = half_std_pair();
        let (mut two, mut second) = half_std_pair();
        let mut holds = Box::pin(one.recv(vec![0; 8]));
        let mut waits = Box::pin(two.recv(vec![0; 8]));
        assert!(poll_once(&mut holds).await.is_none());
        for _ in 0..2 {
            let asks = Waker::from(Arc::new(Asks));
            assert!(poll_with(waits.as_mut(), &asks).is_pending());
        }
        first.write_all(b"x").unwrap();
        second.write_all(b"y").unwrap();
        holds.await.0.unwrap();
        waits.await.0.unwrap();
    });
    assert_eq!(reactor.metrics().panics, 0);
    finish(reactor);
}

/// The three moments at which a receive's buffer is dropped by the reactor.
#[test]
fn a_buffer_whose_drop_panics_leaves_nothing_behind() {
    setups::for_each_setup(|builder| {
        let reactor = builder.max_operations(4).build().unwrap();
        for moment in 0..3 {
            run_on(&reactor, async {
                let (mut ours, mut theirs) = half_std_pair();
                let (mut other, mut others) = half_std_pair();
                let mut receive = Box::pin(ours.recv(BombBuffer(Vec::with_capacity(8))));
                let mut beside = Box::pin(other.recv(vec![0; 8]));
                assert!(poll_once(&mut receive).await.is_none());
                assert!(poll_once(&mut beside).await.is_none());
                if moment > 0 {
                    turns(3).await;
                }
                if moment > 1 {
                    let before = metrics().cqes;
                    theirs.write_all(b"kept").unwrap();
                    turns_until(|| metrics().cqes > before).await;
                }
                let dropped = catch_unwind(AssertUnwindSafe(|| drop(receive)));
                let _ = dropped.map_err(std::mem::forget);
                others.write_all(b"x").unwrap();
                beside.await.0.unwrap();
                if moment > 1 {
                    // What it had received is still there, in the buffer that panics when it goes.
                    let mut next = Box::pin(ours.recv(Vec::with_capacity(8)));
                    let got = loop {
                        let polled = catch_unwind(AssertUnwindSafe(|| {
                            poll_with(next.as_mut(), Waker::noop())
                        }));
                        match polled {
                            Ok(Poll::Ready((_, data))) => break Some(data),
                            Ok(Poll::Pending) => yield_now().await,
                            Err(_) => break None,
                        }
                    };
                    assert!(got.is_none_or(|data| data == b"kept"));
                }
            });
            assert_eq!(settle(&reactor).operations, 0);
        }
        finish(reactor);
    });
}

#[test]
fn a_dropped_send_whose_buffer_panics_leaves_nothing_behind() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        run_on(&reactor, async {
            let (mut client, mut server) = pair().await;
            let mut send = Box::pin(client.send_all(bomb(100)));
            assert!(poll_once(&mut send).await.is_none());
            turns(1).await;
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(send)));
            let _ = dropped.map_err(std::mem::forget);
            client.send_all("after").await.0.unwrap();
            let (result, data) = server.recv_exact(Vec::with_capacity(105)).await;
            result.unwrap();
            assert_eq!(&data[100..], b"after");
        });
        assert!(reactor.metrics().panics > 0);
        finish(reactor);
    });
}

#[test]
fn a_tasks_value_whose_drop_panics_stops_nobody() {
    let reactor = Reactor::new().unwrap();
    run_on(&reactor, async {
        // Dropped by an abort.
        let aborted = spawn(async {
            let _bomb = Bomb(Vec::new());
            pending::<()>().await;
        });
        // Dropped as a result that nobody fetches.
        let output = spawn(async { Bomb(Vec::new()) });
        // So is this one, and nobody could.
        spawn(async { Bomb(Vec::new()) }).detach();
        // Dropped by the task itself: that is a panic of the task.
        let own = spawn(async {
            drop(Bomb(Vec::new()));
        });
        turns(2).await;
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_aborted());
        drop(output);
        assert!(own.await.unwrap_err().is_panic());
    });
    // Dropped by the shutdown.
    reactor
        .spawn(async {
            let _bomb = Bomb(Vec::new());
            pending::<()>().await;
        })
        .detach();
    run_on(&reactor, turns(2));
    assert_eq!(reactor.metrics().panics, 4);
    finish(reactor);
}

#[test]
fn a_panic_from_another_thread_goes_back_to_it() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let threads = std::thread::spawn(move || {
        let in_make = handle.spawn(|| -> std::future::Ready<()> { panic_any("make") });
        let in_future = handle.spawn(|| async {
            yield_now().await;
            panic_any("future")
        });
        for (task, text) in [(in_make.wait(), "make"), (in_future.wait(), "future")] {
            let payload = task.unwrap_err().into_panic().unwrap();
            assert_eq!(*payload.downcast::<&str>().unwrap(), text);
        }
    });
    run_on(&reactor, async {
        while !threads.is_finished() {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
    });
    threads.join().unwrap();
    finish(reactor);
}

#[test]
fn so_does_that_of_a_future_whose_drop_panics() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    run_on(&reactor, async {
        let task = handle.spawn(|| {
            let bomb = Bomb(Vec::new());
            poll_fn(move |_| Poll::Ready(bomb.as_ref().len()))
        });
        let error = task.await.unwrap_err();
        assert!(error.is_panic(), "{error}");
    });
    assert_eq!(reactor.metrics().panics, 1);
    finish(reactor);
}

/// Everything that a shutdown drops or wakes panics, and it still comes to its end.
#[test]
fn a_shutdown_survives_panics() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let mut left = Vec::new();
    let streams = run_on(&reactor, async {
        let mut streams = Vec::new();
        for _ in 0..3 {
            let (mut ours, theirs) = half_std_pair();
            let mut receive =
                Box::pin(async move { ours.recv(BombBuffer(Vec::with_capacity(8))).await.0 });
            let panics = panicking();
            assert!(poll_with(receive.as_mut(), &panics).is_pending());
            turns(2).await;
            // Abandoned, or left behind with its waker.
            if streams.is_empty() {
                left.push(receive);
            } else {
                std::mem::forget(receive);
            }
            streams.push(theirs);
        }
        streams
    });
    let bomb = Bomb(Vec::new());
    drop(handle.spawn(move || {
        let _bomb = bomb;
        std::future::ready(())
    }));
    let report = reactor.shutdown(Duration::from_secs(5));
    assert_eq!(report.leaked, 0);
    drop(streams);
    for receive in left {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(receive)));
        let _ = dropped.map_err(std::mem::forget);
    }
}

#[test]
fn poll_fn_that_panics_in_a_select_leaves_the_receive_intact() {
    let reactor = Reactor::new().unwrap();
    run_on(&reactor, async {
        let (mut ours, mut theirs) = half_std_pair();
        let task = spawn(async move {
            let result = AssertUnwindSafe(async {
                let mut receive = Box::pin(ours.recv(vec![0; 8]));
                poll_fn(|cx| {
                    let _ = receive.as_mut().poll(cx);
                    Poll::<()>::Ready(())
                })
                .await;
                turns(2).await;
                panic!("on purpose");
            });
            let caught = futures_util::FutureExt::catch_unwind(result).await;
            assert!(caught.is_err());
            ours.recv(vec![0; 8]).await
        });
        turns(5).await;
        theirs.write_all(b"later").unwrap();
        let (count, data) = task.await.unwrap();
        assert_eq!(&data[..count.unwrap()], b"later");
    });
    finish(reactor);
}
