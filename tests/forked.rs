//! A child of fork(2), which makes a reactor of its own.

mod setups;

use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use eyewall::signal::{self, Signal};
use eyewall::{Reactor, block_on, spawn_blocking};
use futures_util::FutureExt;

/// Forks, and waits for a child that says whether all is `good`.
fn in_child(good: impl FnOnce() -> bool + std::panic::UnwindSafe) {
    // SAFETY: the child uses what a fork leaves in order (glibc's allocator is), and what it makes itself.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: it takes no pointers. So the child ends in any case.
        unsafe { libc::alarm(20) };
        let good = std::panic::catch_unwind(good).unwrap_or(false);
        // SAFETY: it takes no pointers.
        unsafe { libc::_exit(if good { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: `status` is there to be written to.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
}

/// The ends of what its parent's handlers write to are its own, too.
#[test]
fn a_signal_is_heard_by_the_process_alone_that_it_is_for() {
    let name = "a_signal_is_heard_by_the_process_alone_that_it_is_for";
    setups::in_own_process(name, || {
        let reactor = Reactor::new().unwrap();
        let mut arrivals = reactor.block_on(async { signal::stream(Signal::TERMINATE) });
        let arrivals = arrivals.as_mut().unwrap().as_mut().unwrap();
        let raise = || signal_hook::low_level::raise(libc::SIGTERM).unwrap();
        in_child(move || {
            raise();
            block_on(async {
                let mut own = signal::stream(Signal::TERMINATE).unwrap();
                let before = own.recv().now_or_never();
                raise();
                before.is_none() && own.recv().await == Some(Signal::TERMINATE)
            })
            .unwrap()
        });
        reactor
            .block_on(async {
                let cx = &mut Context::from_waker(Waker::noop());
                for _ in 0..10 {
                    assert!(Box::pin(arrivals.recv()).poll_unpin(cx).is_pending());
                    eyewall::yield_now().await;
                }
                raise();
                assert_eq!(arrivals.recv().await, Some(Signal::TERMINATE));
            })
            .unwrap();
    });
}

#[test]
fn a_child_of_fork_has_threads_of_its_own_for_work_that_blocks() {
    let name = "a_child_of_fork_has_threads_of_its_own_for_work_that_blocks";
    setups::in_own_process(name, || {
        // One thread has work, and another has none.
        let (release, held) = mpsc::channel::<()>();
        let holding = spawn_blocking(move || held.recv().unwrap_err());
        block_on(spawn_blocking(|| ())).unwrap().unwrap();
        // A lock that another thread holds stays locked in the child, and nothing tells when that one has come to rest.
        std::thread::sleep(Duration::from_millis(100));
        in_child(|| matches!(block_on(spawn_blocking(|| 42)), Ok(Ok(42))));
        // Those of the parent are as they were.
        drop(release);
        block_on(holding).unwrap().unwrap();
    });
}

/// Work that waits in the parent, where there is one thread alone, is lost to the child: not even dropped.
#[test]
fn what_waits_for_a_thread_of_its_parent_is_not_dropped_in_a_child_of_fork() {
    struct Ends;
    impl Drop for Ends {
        fn drop(&mut self) {
            // SAFETY: it takes no pointers.
            unsafe { libc::_exit(2) };
        }
    }
    let name = "what_waits_for_a_thread_of_its_parent_is_not_dropped_in_a_child_of_fork";
    if !setups::is_own_process() {
        let mut process = setups::own_process(name);
        process.env("EYEWALL_BLOCKING_THREADS", "1");
        return setups::passes(process);
    }
    let (began, begun) = mpsc::channel::<()>();
    let (release, held) = mpsc::channel::<()>();
    let holding = spawn_blocking(move || {
        began.send(()).unwrap();
        held.recv().unwrap_err();
    });
    begun.recv().unwrap();
    let waits = Ends;
    let waiting = spawn_blocking(move || std::mem::forget(waits));
    // As above.
    std::thread::sleep(Duration::from_millis(100));
    in_child(|| matches!(block_on(spawn_blocking(|| 42)), Ok(Ok(42))));
    drop(release);
    block_on(holding).unwrap().unwrap();
    block_on(waiting).unwrap().unwrap();
}
