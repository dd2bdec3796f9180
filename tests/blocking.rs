//! Work on other threads, in large numbers and at its limits.
//!
//! The threads are those of the whole process. A test that needs one alone, or none, runs in a process of its own: this
//! same program, told by an environment variable.

#![forbid(unsafe_code)]

mod common;
mod setups;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use common::{now, one_at_a_time, run, settles, turns};
use eyewall::dns::resolve;
use eyewall::task::BlockingTask;
use eyewall::{Reactor, spawn, spawn_blocking};
use futures_util::FutureExt;
use futures_util::future::join_all;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// How many threads there are for work that blocks.
fn threads() -> usize {
    let all = std::fs::read_dir("/proc/self/task").unwrap();
    all.filter(|task| {
        let name = task.as_ref().unwrap().path().join("comm");
        std::fs::read_to_string(name).is_ok_and(|name| name.starts_with("eyewall-blocks"))
    })
    .count()
}

/// Whether this is the process in which `test` is to run, with at most so many threads for work that blocks. In the other
/// one it has run by then, and well.
fn is_alone(test: &str, threads: usize) -> bool {
    let alone = setups::is_own_process();
    if !alone {
        let mut process = setups::own_process(test);
        process.env("EYEWALL_BLOCKING_THREADS", threads.to_string());
        setups::passes(process);
    }
    alone
}

/// Work that holds its thread until the sender goes.
async fn hold() -> (mpsc::Sender<()>, BlockingTask<()>) {
    let (release, held) = mpsc::channel::<()>();
    let (begun, begins) = futures_channel::oneshot::channel();
    let holding = spawn_blocking(move || {
        begun.send(()).unwrap();
        held.recv().unwrap_err();
    });
    begins.await.unwrap();
    (release, holding)
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn ten_thousand_at_once_all_end_and_their_threads_go() {
    let _alone = one_at_a_time();
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let all = (0..10_000_u32).map(|number| {
            spawn_blocking(move || match number % 10 {
                0 => std::panic::resume_unwind(Box::new(number)),
                _ => number,
            })
        });
        for (number, result) in (0..).zip(join_all(all).await) {
            match result {
                Ok(given) => assert_eq!(given, number),
                Err(error) => {
                    let panic = error.into_panic().unwrap();
                    assert_eq!(
                        (*panic.downcast::<u32>().unwrap(), number % 10),
                        (number, 0)
                    );
                }
            }
        }
        assert!(threads() <= 500);
        settles(0, threads).await;
        assert_eq!(spawn_blocking(|| 42).await.unwrap(), 42);
    });
}

#[test]
fn work_that_is_held_up_gets_another_thread_and_an_idle_one_is_used_again() {
    let name = "work_that_is_held_up_gets_another_thread_and_an_idle_one_is_used_again";
    if !is_alone(name, 30) {
        return;
    }
    run(&Reactor::new().unwrap(), async {
        let (first, second) = (hold().await, hold().await);
        assert_eq!(threads(), 2);
        for (release, holding) in [first, second] {
            drop(release);
            holding.await.unwrap();
        }
        for _ in 0..20 {
            spawn_blocking(|| ()).await.unwrap();
        }
        // One that has just ended its work may not be idle yet.
        let threads = threads();
        assert!(threads < 12, "{threads}");
    });
}

#[test]
fn work_that_has_not_begun_goes_with_its_handle() {
    if !is_alone("work_that_has_not_begun_goes_with_its_handle", 1) {
        return;
    }
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let (release, holding) = hold().await;
        let ran = Arc::new(AtomicUsize::new(0));
        let give = || {
            let ran = Arc::clone(&ran);
            spawn_blocking(move || ran.fetch_add(1, Ordering::Relaxed))
        };
        let (first, dropped, detached, last) = (give(), give(), give(), give());
        drop(dropped);
        detached.detach();
        assert_eq!(Arc::strong_count(&ran), 4);
        drop(release);
        holding.await.unwrap();
        // In the order in which they were given.
        assert_eq!((first.await.unwrap(), last.await.unwrap()), (0, 2));
        assert_eq!(threads(), 1);
    });
}

#[test]
fn look_ups_that_nobody_waits_for_any_more_take_no_thread_from_others() {
    const NAME: &str = "look_ups_that_nobody_waits_for_any_more_take_no_thread_from_others";
    if !is_alone(NAME, 1) {
        return;
    }
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let (release, holding) = hold().await;
        let mut given_up = Vec::new();
        for number in 0..100 {
            let mut look_up = Box::pin(async move {
                let name = format!("{number}.localhost");
                resolve(&name, 80).await
            });
            assert!(look_up.as_mut().now_or_never().is_none());
            given_up.push(look_up);
        }
        let mut kept = Box::pin(resolve("7.localhost", 80));
        assert!(kept.as_mut().now_or_never().is_none());
        drop(given_up);
        turns(2).await;
        // It is asked for again, as the last.
        let mut again = Box::pin(resolve("8.localhost", 80));
        assert!(again.as_mut().now_or_never().is_none());
        drop(release);
        holding.await.unwrap();
        assert_eq!(kept.await.unwrap()[0].port(), 80);
        assert_eq!(again.await.unwrap()[0].port(), 80);
        assert_eq!(now().look_ups, 2);
    });
}

#[test]
fn work_goes_on_when_its_reactor_is_shut_down_and_what_has_not_begun_does_not() {
    const NAME: &str = "work_goes_on_when_its_reactor_is_shut_down_and_what_has_not_begun_does_not";
    if !is_alone(NAME, 1) {
        return;
    }
    let reactor = Reactor::new().unwrap();
    let (ends, end) = mpsc::channel();
    let release = run(&reactor, async {
        let (release, held) = mpsc::channel::<()>();
        let (begun, begins) = futures_channel::oneshot::channel();
        let ended = ends.clone();
        spawn(spawn_blocking(move || {
            begun.send(()).unwrap();
            held.recv().unwrap_err();
            ended.send("the first").unwrap();
        }))
        .detach();
        begins.await.unwrap();
        spawn(spawn_blocking(move || ends.send("the second").unwrap())).detach();
        turns(2).await;
        release
    });
    drop(reactor);
    drop(release);
    assert_eq!(end.iter().collect::<Vec<_>>(), ["the first"]);
}

#[test]
fn what_panics_when_it_is_dropped_ends_nobody_else() {
    if !is_alone("what_panics_when_it_is_dropped_ends_nobody_else", 1) {
        return;
    }
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let (release, holding) = hold().await;
        let clumsy = PanicsWhenDropped;
        drop(spawn_blocking(move || drop(clumsy)));
        spawn_blocking(|| PanicsWhenDropped).detach();
        spawn_blocking(|| std::panic::panic_any(PanicsWhenDropped)).detach();
        let clumsy = PanicsWhenDropped;
        let ends = spawn_blocking(move || {
            let _clumsy = clumsy;
        });
        drop(release);
        holding.await.unwrap();
        assert!(ends.await.unwrap_err().is_panic());
        // A result that is there and that nobody has fetched.
        let unfetched = spawn_blocking(|| PanicsWhenDropped);
        spawn_blocking(|| ()).await.unwrap();
        drop(unfetched);
        assert_eq!(spawn_blocking(|| 42).await.unwrap(), 42);
    });
}

/// Makes every call that starts a thread fail, as it does at a limit of processes.
fn refuse_threads() {
    let filter = SeccompFilter::new(
        [
            (libc::SYS_clone, Vec::new()),
            (libc::SYS_clone3, Vec::new()),
        ]
        .into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EAGAIN as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

#[test]
fn where_no_thread_can_be_made_work_is_refused_or_waits_for_one_that_is_there() {
    const NAME: &str = "where_no_thread_can_be_made_work_is_refused_or_waits_for_one_that_is_there";
    if !is_alone(NAME, 500) {
        return;
    }
    // Made by a thread that may make others, as if there had been room for one more then.
    let (hand_over, there) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let reactor = Reactor::new().unwrap();
        hand_over.send(run(&reactor, hold())).unwrap();
        drop(hand_over);
    });
    let (release, holding) = there.recv().unwrap();
    other.join().unwrap();
    refuse_threads();
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let waiting: Vec<_> = (0..20)
            .map(|number| spawn_blocking(move || number))
            .collect();
        drop(release);
        holding.await.unwrap();
        for (number, result) in (0..).zip(join_all(waiting).await) {
            assert_eq!(result.unwrap(), number);
        }
        settles(0, threads).await;
        let error = spawn_blocking(|| ()).await.unwrap_err();
        assert!(error.is_refused());
        assert!(error.to_string().contains("ulimit -u"), "{error}");
        let error = resolve("localhost", 80).await.unwrap_err();
        assert!(error.to_string().contains("ulimit -u"), "{error}");
        assert_eq!(now().panics, 0);
    });
}
