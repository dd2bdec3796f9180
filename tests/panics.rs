//! Panics in what a user gives the reactor: they reach who waits, or nobody, and the reactor works afterwards.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use common::{connected, run, turns};
use eyewall::buf::IoBuf;
use eyewall::time::{sleep, timeout};
use eyewall::{JoinError, Reactor, spawn};
use std::io::Write;

/// Silences what the panics of these tests would print, and only that.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
                usual(info);
            }
        }));
    });
}

fn on_purpose() {
    panic!("on purpose");
}

fn is_on_purpose(payload: Box<dyn std::any::Any + Send>) -> bool {
    payload.downcast_ref::<&str>() == Some(&"on purpose")
}

/// The reactor does everything it did before: I/O, timers, tasks, wakes from other threads, an orderly end.
fn works(reactor: Reactor) {
    run(&reactor, async {
        let (mut stream, mut peer) = connected().await;
        stream.send_all("ping").await.0.unwrap();
        peer.write_all(b"pong").unwrap();
        assert_eq!(&stream.recv_chunk().await.unwrap().unwrap()[..], b"pong");
        sleep(Duration::from_millis(1)).await;
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
        assert_eq!(eyewall::spawn_blocking(|| 8).await.unwrap(), 8);
    });
    let counted = reactor.metrics();
    assert_eq!((counted.stale, counted.tasks), (0, 0));
    assert_eq!(counted.pool_available, counted.pool_buffers);
    let report = reactor.shutdown(Duration::from_secs(10));
    assert_eq!(report.leaked, 0);
}

#[test]
fn of_a_task_reach_its_joiner() {
    quiet();
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let task = spawn(async {
            sleep(Duration::from_millis(1)).await;
            on_purpose();
        });
        let error: JoinError = task.await.unwrap_err();
        assert!(error.is_panic() && !error.is_aborted() && !error.is_shut_down());
        assert!(error.to_string().contains("on purpose"), "{error}");
        assert!(is_on_purpose(error.into_panic().unwrap()));
        spawn(async { on_purpose() }).detach();
        turns(2).await;
    });
    assert_eq!(reactor.metrics().panics, 2);
    works(reactor);
}

#[test]
fn of_the_main_future_reach_the_caller() {
    quiet();
    let reactor = Reactor::new().unwrap();
    for _ in 0..2 {
        let payload = catch_unwind(AssertUnwindSafe(|| {
            run(&reactor, async {
                let (mut stream, _peer) = connected().await;
                // Operations and timers of the future are dropped while it unwinds.
                let receive = stream.recv(vec![0; 10]);
                let _ = timeout(Duration::from_millis(1), receive).await;
                on_purpose();
            });
        }));
        assert!(is_on_purpose(payload.unwrap_err()));
    }
    works(reactor);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        on_purpose();
    }
}

#[test]
fn of_the_drop_of_a_task_stay_with_it() {
    quiet();
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let aborted = spawn(async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        });
        turns(2).await;
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_aborted());

        let never_polled = spawn(async move {
            let _bomb = Bomb;
        });
        never_polled.abort();
        drop(never_polled);

        // The output is dropped by the reactor, as nobody fetches it.
        spawn(async { Bomb }).detach();
        turns(2).await;

        // Left for the shutdown.
        spawn(async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        })
        .detach();
        turns(2).await;
    });
    let report = reactor.shutdown(Duration::from_secs(10));
    assert_eq!(report.leaked, 0);

    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let ended = spawn(async {
            let _bomb = Bomb;
        });
        assert!(ended.await.unwrap_err().is_panic());
    });
    works(reactor);
}

/// A buffer that panics when it is dropped.
struct BombBuffer(Vec<u8>, Bomb);

// SAFETY: the bytes are those of the Vec.
unsafe impl IoBuf for BombBuffer {
    fn bytes_ptr(&self) -> *const u8 {
        self.0.bytes_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.0.bytes_len()
    }
}

// SAFETY: likewise.
unsafe impl eyewall::buf::IoBufMut for BombBuffer {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.0.bytes_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.0.bytes_capacity()
    }

    unsafe fn set_written(&mut self, len: usize) {
        // SAFETY: the caller vouches for it.
        unsafe { self.0.set_written(len) };
    }
}

#[test]
fn of_a_buffer_that_the_reactor_drops() {
    survives(async || {
        let (mut stream, _peer) = connected().await;
        let (mut other, mut other_peer) = connected().await;
        let neighbour = spawn(async move { other.recv(vec![0; 10]).await.0.unwrap() });
        let mut operation = Box::pin(stream.recv(BombBuffer(vec![0; 100], Bomb)));
        assert!(common::poll_once(operation.as_mut()).await.is_pending());
        turns(2).await;
        // The cancelled receive and that of the neighbour end in one turn.
        drop(operation);
        other_peer.write_all(b"xyz").unwrap();
        assert_eq!(neighbour.await.unwrap(), 3);
    });
}

#[test]
fn of_a_buffer_that_was_never_in_the_kernel() {
    survives(async || {
        let (mut stream, _peer) = connected().await;
        let mut operation = Box::pin(stream.send_all(BombBuffer(vec![0; 100], Bomb)));
        assert!(common::poll_once(operation.as_mut()).await.is_pending());
        drop(operation);
    });
}

#[test]
fn of_a_job_reach_who_waits_for_it() {
    quiet();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let other = std::thread::spawn(move || {
        let making = handle.spawn(|| {
            on_purpose();
            async {}
        });
        assert!(making.wait().unwrap_err().is_panic());
        let running = handle.spawn(|| async { on_purpose() });
        let error = running.wait().unwrap_err();
        assert!(is_on_purpose(error.into_panic().unwrap()));
        drop(handle.spawn(|| async { on_purpose() }));
    });
    run(&reactor, common::until(|| other.is_finished()));
    other.join().unwrap();
    works(reactor);
}

struct BombWaker;

impl Wake for BombWaker {
    fn wake(self: Arc<BombWaker>) {
        on_purpose();
    }
}

/// Polls a future once with a waker that panics.
fn poll_with_bomb<F: Future>(future: Pin<&mut F>) {
    let waker = Waker::from(Arc::new(BombWaker));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
}

/// Runs `test`; a panic that comes out of the reactor is that of the waker, and the second try succeeds.
fn survives(test: impl AsyncFnOnce()) {
    quiet();
    let reactor = Reactor::new().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&reactor, test())));
    if let Err(payload) = outcome {
        assert!(is_on_purpose(payload), "another panic followed");
    }
    run(&reactor, common::settles(0, || common::now().operations));
    works(reactor);
}

#[test]
fn of_a_waker_that_a_completion_wakes() {
    survives(async || {
        let (mut stream, mut peer) = connected().await;
        let (mut other, mut other_peer) = connected().await;
        let mut bomb = Box::pin(stream.recv(vec![0; 10]));
        poll_with_bomb(bomb.as_mut());
        let neighbour = spawn(async move { other.recv(vec![0; 10]).await.0.unwrap() });
        turns(2).await;
        // Both completions come in one turn: that of the neighbour must not be lost.
        peer.write_all(b"x").unwrap();
        other_peer.write_all(b"xyz").unwrap();
        assert_eq!(neighbour.await.unwrap(), 3);
        assert_eq!(bomb.await.0.unwrap(), 1);
    });
}

#[test]
fn of_a_waker_that_a_timer_wakes() {
    survives(async || {
        let at = std::time::Instant::now() + Duration::from_millis(5);
        let mut bombs: Vec<_> = (0..3)
            .map(|_| Box::pin(eyewall::time::sleep_until(at)))
            .collect();
        for bomb in &mut bombs {
            poll_with_bomb(bomb.as_mut());
        }
        let neighbour = spawn(eyewall::time::sleep_until(at));
        neighbour.await.unwrap();
        sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn of_a_waker_that_a_tasks_end_wakes() {
    survives(async || {
        let mut task = spawn(async { 5 });
        poll_with_bomb(Pin::new(&mut task));
        let neighbour = spawn(async { 6 });
        assert_eq!(neighbour.await.unwrap(), 6);
        assert_eq!(task.await.unwrap(), 5);
    });
}
