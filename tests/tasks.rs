//! Tasks: their ends, their wakes, other threads, and reactors beside each other.

#![forbid(unsafe_code)]

mod common;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use common::{connected, now, run, run_everywhere, settles, turns, until};
use eyewall::time::sleep;
use eyewall::{ErrorKind, JoinError, JoinHandle, Reactor, spawn, spawn_blocking, yield_now};
use futures_util::FutureExt;

/// Counts its drops.
struct Counted(Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn join_gives_the_result_whenever_it_is_asked_for() {
    run_everywhere(|_| async {
        let early = spawn(async {
            turns(3).await;
            "early"
        });
        assert!(!early.is_finished());
        assert_eq!(early.await.unwrap(), "early");
        let late = spawn(async { "late" });
        turns(3).await;
        assert!(late.is_finished());
        assert_eq!(late.await.unwrap(), "late");
        // From another task, which is not the one that spawned it.
        let inner = spawn(async { yield_now().await });
        spawn(async move { inner.await.unwrap() }).await.unwrap();
        assert_eq!(now().tasks, 0);
    });
}

#[test]
fn a_result_that_nobody_fetches_is_dropped_once() {
    let reactor = Reactor::new().unwrap();
    let drops = Rc::new(Cell::new(0));
    run(&reactor, async {
        let output = Counted(Rc::clone(&drops));
        let task = spawn(async move { output });
        turns(2).await;
        assert_eq!((task.is_finished(), drops.get()), (true, 0));
        drop(task);
        assert_eq!(drops.get(), 1);
        let output = Counted(Rc::clone(&drops));
        spawn(async move { output }).detach();
        turns(2).await;
        assert_eq!(drops.get(), 2);
    });
}

#[test]
fn an_aborted_task_is_dropped_at_once() {
    run_everywhere(|_| async {
        let (mut stream, mut peer) = connected().await;
        let operations = now().operations;
        let drops = Rc::new(Cell::new(0));
        let guard = Counted(Rc::clone(&drops));
        let task = spawn(async move {
            let _guard = guard;
            stream.recv(vec![0; 10]).await.0.unwrap()
        });
        turns(2).await;
        assert_eq!(now().operations, operations + 1);
        task.abort();
        assert_eq!(drops.get(), 1);
        assert!(task.is_finished());
        // Its receive and its socket go, too.
        settles(operations, || now().operations).await;
        assert_eq!(std::io::Read::read(&mut peer, &mut [0]).unwrap(), 0);
        task.abort();
        assert!(task.await.unwrap_err().is_aborted());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn abort_of_a_finished_task_changes_nothing() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let task = spawn(async { 3 });
        turns(2).await;
        task.abort();
        assert_eq!(task.await.unwrap(), 3);
    });
}

#[test]
fn a_task_that_aborts_itself_goes_on_until_it_yields() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let (mine, steps) = (Rc::clone(&own), Rc::new(Cell::new(0)));
        let counted = Rc::clone(&steps);
        *own.borrow_mut() = Some(spawn(async move {
            mine.borrow().as_ref().unwrap().abort();
            counted.set(1);
            yield_now().await;
            counted.set(2);
        }));
        turns(5).await;
        let task = own.take().unwrap();
        assert!(task.is_finished());
        assert!(task.await.unwrap_err().is_aborted());
        assert_eq!(steps.get(), 1);
    });
}

#[test]
fn a_detached_task_runs_on_also_in_the_next_block_on() {
    let reactor = Reactor::new().unwrap();
    let done = Rc::new(Cell::new(false));
    let tell = Rc::clone(&done);
    reactor
        .spawn(async move {
            sleep(Duration::from_millis(2)).await;
            tell.set(true);
        })
        .detach();
    run(&reactor, yield_now());
    assert!(!done.get());
    assert_eq!(reactor.metrics().tasks, 1);
    run(&reactor, until(|| done.get()));
}

#[test]
fn wakes_from_many_threads_all_arrive() {
    const THREADS: u64 = 4;
    const EACH: u64 = 2_000;
    run_everywhere(|_| async {
        let count = Arc::new(AtomicU64::new(0));
        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (count, waker) = (Arc::clone(&count), Arc::clone(&waker));
                std::thread::spawn(move || {
                    for round in 0..EACH {
                        count.fetch_add(1, Ordering::SeqCst);
                        let waker = waker.lock().unwrap().take();
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                        // Now and then the reactor gets as far as to sleep.
                        if round % 16 == 0 {
                            std::thread::sleep(Duration::from_micros(50));
                        }
                    }
                })
            })
            .collect();
        let polls = Rc::new(Cell::new(0u64));
        let polled = Rc::clone(&polls);
        // A wake that is lost leaves this waiting for ever, as nothing else would wake it.
        let waiting = spawn(poll_fn(move |cx| {
            polled.set(polled.get() + 1);
            *waker.lock().unwrap() = Some(cx.waker().clone());
            match count.load(Ordering::SeqCst) {
                count if count == THREADS * EACH => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }));
        waiting.await.unwrap();
        assert!(polls.get() > 10);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn wakes_of_tasks_that_have_gone_do_nothing() {
    let reactor = Reactor::new().unwrap();
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    run(&reactor, async {
        let keep = Rc::clone(&waker);
        spawn(poll_fn(move |cx| {
            *keep.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(())
        }))
        .await
        .unwrap();
        let old = waker.borrow().clone().unwrap();
        // The slot has a new tenant.
        let next = spawn(pending::<()>());
        old.wake_by_ref();
        std::thread::spawn(move || old.wake()).join().unwrap();
        turns(3).await;
        assert!(!next.is_finished());
    });
    drop(reactor);
    waker.take().unwrap().wake();
}

#[test]
fn a_reactor_that_was_woken_by_another_thread_sleeps_again() {
    let reactor = Reactor::builder().spin(Duration::ZERO).build().unwrap();
    run(&reactor, async {
        spawn_blocking(|| ()).await.unwrap();
        turns(2).await;
        let waits = now().waits;
        sleep(Duration::from_millis(1)).await;
        assert!(now().waits > waits);
    });
}

#[test]
fn a_handle_spawns_from_other_threads() {
    let reactor = Reactor::new().unwrap();
    let threads: Vec<_> = (0..4u64)
        .map(|thread| {
            let handle = reactor.handle();
            std::thread::spawn(move || {
                (0..200u64)
                    .map(|number| {
                        // The future is not Send.
                        let task = handle.spawn(move || async move {
                            let local = Rc::new(thread * 1000 + number);
                            yield_now().await;
                            *local
                        });
                        task.wait().unwrap()
                    })
                    .sum::<u64>()
            })
        })
        .collect();
    run(
        &reactor,
        until(|| threads.iter().all(|thread| thread.is_finished())),
    );
    for (thread, handle) in (0..).zip(threads) {
        assert_eq!(handle.join().unwrap(), thread * 200_000 + 199 * 100);
    }
}

#[test]
fn a_remote_task_gives_its_result_once_and_tells_no_lies_after_that() {
    let reactor = Reactor::new().unwrap();
    let mut task = reactor.handle().spawn(|| async { 42 });
    assert_eq!(run(&reactor, &mut task).unwrap(), 42);
    let again = catch_unwind(AssertUnwindSafe(|| (&mut task).now_or_never()));
    assert!(again.is_err(), "the reactor has not been shut down");
    assert!(catch_unwind(AssertUnwindSafe(|| task.wait())).is_err());
}

#[test]
fn what_a_handle_spawns_during_a_shutdown_ends() {
    for round in 0..20 {
        let reactor = Reactor::new().unwrap();
        let handle = reactor.handle();
        let begun = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&begun);
        let other = std::thread::spawn(move || {
            let (mut ran, mut refused) = (0, 0);
            // None may wait for ever, whether it came before, during or after.
            while refused < 100 {
                match handle.spawn(|| async { yield_now().await }).wait() {
                    Ok(()) => ran += 1,
                    Err(error) => {
                        assert!(error.is_shut_down(), "{error}");
                        refused += 1;
                    }
                }
                tell.store(true, Ordering::SeqCst);
            }
            ran
        });
        run(&reactor, async {
            until(|| begun.load(Ordering::SeqCst)).await;
            turns(round).await;
        });
        reactor.shutdown(Duration::from_secs(10));
        assert!(other.join().unwrap() > 0);
    }
}

#[test]
fn to_wait_for_a_remote_task_on_its_own_thread_is_an_error() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let ran = Rc::new(Cell::new(false));
    run(&reactor, async {
        let error = handle.spawn(|| async { 1 }).wait().unwrap_err();
        assert!(error.is_deadlock(), "{error}");
        assert!(!error.is_shut_down() && !error.is_aborted() && !error.is_panic());
        // One that has ended has its result, and so has one that is awaited.
        let ended = handle.spawn(|| async { 2 });
        turns(3).await;
        assert_eq!(ended.wait().unwrap(), 2);
        assert_eq!(handle.spawn(|| async { 3 }).await.unwrap(), 3);
        ran.set(true);
    });
    assert!(ran.get());
    // Another reactor's thread may be blocked, if its user so wishes.
    let (sender, receiver) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        let reactor = Reactor::new().unwrap();
        sender.send(reactor.handle()).unwrap();
        reactor.block_on(sleep(common::LIMIT)).unwrap();
    });
    let elsewhere = receiver.recv().unwrap();
    run(&reactor, async {
        assert_eq!(elsewhere.spawn(|| async { 4 }).wait().unwrap(), 4);
    });
    drop(other);
}

#[test]
fn a_remote_task_is_waited_for_as_long_as_its_user_likes() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let task = handle.spawn(move || async move {
        done.store(true, Ordering::SeqCst);
        7
    });
    // Nobody has run the reactor.
    let task = task.wait_timeout(Duration::ZERO).unwrap_err();
    run(&reactor, until(|| is_done.load(Ordering::SeqCst)));
    assert_eq!(task.wait_timeout(Duration::ZERO).unwrap().unwrap(), 7);

    for timeout in [common::LIMIT, Duration::MAX] {
        let task = handle.spawn(|| async { 8 });
        let other = std::thread::spawn(move || task.wait_timeout(timeout));
        run(&reactor, until(|| other.is_finished()));
        assert_eq!(other.join().unwrap().unwrap().unwrap(), 8);
    }
    run(&reactor, async {
        let here = handle.spawn(|| async {});
        let here = here.wait_timeout(Duration::ZERO).unwrap_err();
        let error = here.wait_timeout(Duration::MAX).unwrap().unwrap_err();
        assert!(error.is_deadlock(), "{error}");
    });
    let task = handle.spawn(pending::<()>);
    drop(reactor);
    let ended = task.wait_timeout(common::LIMIT).unwrap();
    assert!(ended.unwrap_err().is_shut_down());
}

#[test]
fn a_remote_task_whose_handle_was_given_back_and_dropped_runs_on() {
    let reactor = Reactor::new().unwrap();
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let task = reactor.handle().spawn(move || async move {
        done.store(true, Ordering::SeqCst);
    });
    assert!(task.wait_timeout(Duration::ZERO).is_err());
    run(&reactor, until(|| is_done.load(Ordering::SeqCst)));
}

#[test]
fn a_remote_task_ends_when_its_reactor_goes() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let never_run = handle.spawn(|| async { 1 });
    let dropped = Arc::new(AtomicBool::new(false));
    struct Tell(Arc<AtomicBool>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let tell = Tell(Arc::clone(&dropped));
    run(&reactor, turns(2));
    let running = handle.spawn(move || async move {
        let _tell = tell;
        pending::<()>().await;
    });
    let left = handle.clone();
    run(&reactor, turns(3));
    let waiting = std::thread::spawn(move || running.wait());
    drop(reactor);
    assert!(waiting.join().unwrap().unwrap_err().is_shut_down());
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(never_run.wait().unwrap(), 1, "it had its turn");
    assert!(left.spawn(|| async {}).wait().unwrap_err().is_shut_down());
}

#[test]
fn a_join_error_can_travel_as_an_io_error() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let task = spawn(pending::<()>());
        task.abort();
        let error = std::io::Error::from(task.await.unwrap_err());
        let inside = error.get_ref().unwrap().downcast_ref::<JoinError>();
        assert!(inside.unwrap().is_aborted());
    });
}

#[test]
fn blocking_work_gives_its_result_or_its_panic() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let here = std::thread::current().id();
        let there = spawn_blocking(|| std::thread::current().id())
            .await
            .unwrap();
        assert_ne!(here, there);
        let error = spawn_blocking(|| -> () { std::panic::resume_unwind(Box::new(42u8)) })
            .await
            .unwrap_err();
        assert!(error.is_panic());
        assert_eq!(*error.into_panic().unwrap().downcast::<u8>().unwrap(), 42);
        // The reactor goes on meanwhile.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let blocked = spawn_blocking(move || held.recv().unwrap());
        sleep(Duration::from_millis(1)).await;
        release.send(()).unwrap();
        blocked.await.unwrap();
    });
}

#[test]
fn tasks_that_always_yield_starve_neither_sockets_nor_timers() {
    run_everywhere(|_| async {
        let stop = Rc::new(Cell::new(false));
        // More than the budget of one turn.
        for _ in 0..300 {
            let stop = Rc::clone(&stop);
            spawn(async move {
                while !stop.get() {
                    yield_now().await;
                }
            })
            .detach();
        }
        let (mut stream, mut peer) = connected().await;
        let receiving = spawn(async move { stream.recv(vec![0; 10]).await.0.unwrap() });
        let start = Instant::now();
        spawn(sleep(Duration::from_millis(2))).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(5));
        peer.write_all(b"bytes").unwrap();
        assert_eq!(receiving.await.unwrap(), 5);
        stop.set(true);
        settles(0, || now().tasks).await;
    });
}

#[test]
fn block_on_inside_of_block_on_is_an_error() {
    let (outer, inner) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let inner = Rc::new(inner);
    let kept = Rc::clone(&inner);
    run(&outer, async move {
        assert_eq!(
            inner.block_on(async {}).unwrap_err().kind(),
            ErrorKind::Nested
        );
        assert_eq!(
            eyewall::block_on(async {}).unwrap_err().kind(),
            ErrorKind::Nested
        );
        let in_a_task = spawn(async move { inner.block_on(async {}).unwrap_err().kind() });
        assert_eq!(in_a_task.await.unwrap(), ErrorKind::Nested);
        // This one still runs.
        let (mut stream, mut peer) = connected().await;
        peer.write_all(b"x").unwrap();
        assert_eq!(stream.recv(vec![0; 10]).await.0.unwrap(), 1);
    });
    // And so does the other, now.
    assert_eq!(kept.block_on(async { 1 }).unwrap(), 1);
}

#[test]
fn two_reactors_take_turns_on_one_thread() {
    let (one, two) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (mut first, mut first_peer) = run(&one, connected());
    let (mut second, mut second_peer) = run(&two, connected());
    let in_one = Rc::new(Cell::new(0u64));
    let counted = Rc::clone(&in_one);
    one.spawn(async move {
        loop {
            counted.set(counted.get() + 1);
            yield_now().await;
        }
    })
    .detach();
    for round in 0..100u64 {
        common::write_sequence(&mut first_peer, round, 1);
        common::write_sequence(&mut second_peer, round, 1);
        let expected = [common::sequence(round)];
        let ran = in_one.get();
        let (count, bytes) = run(&two, second.recv(Vec::with_capacity(10)));
        assert_eq!((count.unwrap(), &bytes[..]), (1, &expected[..]));
        assert_eq!(in_one.get(), ran, "a task ran on the wrong reactor");
        let (count, bytes) = run(&one, first.recv(Vec::with_capacity(10)));
        assert_eq!((count.unwrap(), &bytes[..]), (1, &expected[..]));
    }
    assert!(in_one.get() > 100);
    // A wake of a task of the one while the other runs.
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let (keep, go) = (Rc::clone(&waker), Rc::new(Cell::new(false)));
    let gone = Rc::clone(&go);
    let waiting = one.spawn(poll_fn(move |cx| {
        *keep.borrow_mut() = Some(cx.waker().clone());
        match gone.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }));
    run(&one, turns(2));
    run(&two, async {
        go.set(true);
        waker.take().unwrap().wake();
    });
    run(&one, waiting).unwrap();
}

#[test]
fn spawn_where_no_reactor_runs_is_a_panic_that_says_so() {
    let payload = catch_unwind(|| spawn(async {}).detach()).unwrap_err();
    let text = payload.downcast_ref::<&str>().unwrap();
    assert!(text.contains("no reactor runs"), "{text}");
}
