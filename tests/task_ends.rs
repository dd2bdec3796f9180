//! Tasks: joining, aborting, detaching, waking from everywhere, and the reactor's end.

mod setups;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use eyewall::{ErrorKind, JoinHandle, Reactor, spawn, spawn_blocking, yield_now};
use setups::{half_std_pair, metrics, pair, run, run_on, settle, turns, turns_until};

/// Where a task finds its own handle, once somebody has put it there.
type OwnHandle = Rc<RefCell<Option<JoinHandle<()>>>>;

#[test]
fn a_wake_after_the_end_does_not_lose_the_result() {
    run(Reactor::builder(), async {
        let task = spawn(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(String::from("result"))
        }));
        turns(3).await;
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), "result");
    });
}

#[test]
fn a_task_that_owns_its_handle_can_be_shut_down() {
    let reactor = Reactor::new().unwrap();
    run_on(&reactor, async {
        let own: OwnHandle = Rc::default();
        let task = spawn({
            let own = Rc::clone(&own);
            async move {
                let _own = own;
                pending::<()>().await;
            }
        });
        *own.borrow_mut() = Some(task);
        turns(2).await;
    });
    reactor.shutdown(Duration::from_secs(1));
}

#[test]
fn a_task_that_owns_its_handle_can_abort_itself_and_panic() {
    let reactor = Reactor::new().unwrap();
    for panics in [false, true] {
        run_on(&reactor, async {
            let own: OwnHandle = Rc::default();
            let task = spawn({
                let own = Rc::clone(&own);
                async move {
                    yield_now().await;
                    assert!(!panics, "on purpose");
                    own.borrow().as_ref().unwrap().abort();
                    pending::<()>().await;
                }
            });
            *own.borrow_mut() = Some(task);
            drop(own);
            turns_until(|| metrics().tasks == 0).await;
        });
    }
    assert_eq!(settle(&reactor).tasks, 0);
}

#[test]
fn join_gives_the_result_and_a_select_does_not_lose_it() {
    run(Reactor::builder(), async {
        let mut task = spawn(async {
            turns(5).await;
            7
        });
        assert!(setups::poll_once(&mut task).await.is_none());
        assert!(setups::poll_once(&mut task).await.is_none());
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn abort_ends_a_task_that_waits_on_a_recv() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            let (mut ours, theirs) = half_std_pair();
            let dropped = Rc::new(Cell::new(false));
            struct Flag(Rc<Cell<bool>>);
            impl Drop for Flag {
                fn drop(&mut self) {
                    self.0.set(true);
                }
            }
            let flag = Flag(Rc::clone(&dropped));
            let task = spawn(async move {
                let _flag = flag;
                ours.recv(Vec::with_capacity(10)).await.0
            });
            turns(3).await;
            task.abort();
            assert!(dropped.get(), "the future is dropped at once");
            assert!(task.is_finished());
            assert!(task.await.unwrap_err().is_aborted());
            drop(theirs);
        });
    });
}

#[test]
fn abort_of_a_finished_task_keeps_its_result() {
    run(Reactor::builder(), async {
        let task = spawn(async { 3 });
        turns(2).await;
        task.abort();
        task.abort();
        assert_eq!(task.await.unwrap(), 3);
    });
}

#[test]
fn a_task_that_aborts_itself_ends_when_it_next_yields() {
    run(Reactor::builder(), async {
        let own: OwnHandle = Rc::default();
        let reached = Rc::new(Cell::new(0));
        let task = spawn({
            let (own, reached) = (Rc::clone(&own), Rc::clone(&reached));
            async move {
                yield_now().await;
                own.borrow().as_ref().unwrap().abort();
                reached.set(1);
                yield_now().await;
                reached.set(2);
            }
        });
        *own.borrow_mut() = Some(task);
        turns_until(|| metrics().tasks == 0).await;
        assert_eq!(reached.get(), 1);
        let task = own.take().unwrap();
        assert!(task.await.unwrap_err().is_aborted());
    });
}

#[test]
fn a_detached_task_runs_on() {
    run(Reactor::builder(), async {
        let done = Rc::new(Cell::new(false));
        let flag = Rc::clone(&done);
        spawn(async move {
            turns(3).await;
            flag.set(true);
        })
        .detach();
        turns_until(|| done.get()).await;
        turns(2).await;
        assert_eq!(metrics().tasks, 0);
    });
}

/// Many threads wake many tasks; each task counts on being polled after each wake that it is shown.
#[test]
fn no_wake_from_another_thread_is_lost() {
    const THREADS: usize = 8;
    const TASKS: usize = 16;
    const WAKES: u64 = 2_000;
    struct Shared {
        waker: std::sync::Mutex<Option<Waker>>,
        given: AtomicU64,
    }
    setups::for_each_setup(|builder| {
        run(builder.spin(Duration::ZERO), async {
            let shared: Arc<Vec<Shared>> = Arc::new(
                (0..TASKS)
                    .map(|_| Shared {
                        waker: std::sync::Mutex::new(None),
                        given: AtomicU64::new(0),
                    })
                    .collect(),
            );
            let tasks: Vec<_> = (0..TASKS)
                .map(|index| {
                    let shared = Arc::clone(&shared);
                    spawn(poll_fn(move |cx| {
                        let mine = &shared[index];
                        *mine.waker.lock().unwrap() = Some(cx.waker().clone());
                        match mine.given.load(Ordering::SeqCst) {
                            given if given == THREADS as u64 * WAKES => Poll::Ready(()),
                            _ => Poll::Pending,
                        }
                    }))
                })
                .collect();
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || {
                        for round in 0..WAKES {
                            for offset in 0..TASKS {
                                let target = &shared[(thread + offset) % TASKS];
                                target.given.fetch_add(1, Ordering::SeqCst);
                                let waker = target.waker.lock().unwrap().clone();
                                if let Some(waker) = waker {
                                    waker.wake();
                                }
                            }
                            // Lets the reactor fall asleep now and then.
                            if round % 500 == 0 {
                                std::thread::sleep(Duration::from_micros(300));
                            }
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
    });
}

#[test]
fn a_handle_spawns_from_threads_until_the_reactor_has_gone() {
    for _ in 0..20 {
        let reactor = Reactor::new().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (handle, stop, done) = (reactor.handle(), Arc::clone(&stop), Arc::clone(&done));
                std::thread::spawn(move || {
                    let (mut ran, mut refused) = (0u64, 0u64);
                    while !stop.load(Ordering::SeqCst) {
                        match handle.spawn(|| async { yield_now().await }).wait() {
                            Ok(()) => {
                                ran += 1;
                                done.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(error) => {
                                assert!(error.is_shut_down(), "{error}");
                                refused += 1;
                            }
                        }
                    }
                    (ran, refused)
                })
            })
            .collect();
        run_on(&reactor, async {
            while done.load(Ordering::SeqCst) < 50 {
                eyewall::time::sleep(Duration::from_micros(200)).await;
            }
        });
        reactor.shutdown(Duration::from_secs(1));
        stop.store(true, Ordering::SeqCst);
        let ran: u64 = threads
            .into_iter()
            .map(|thread| thread.join().unwrap().0)
            .sum();
        assert!(ran >= 50);
    }
}

#[test]
fn a_remote_task_is_told_that_the_reactor_has_gone() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let begun = handle.spawn(pending::<()>);
    run_on(&reactor, turns(3));
    let queued = handle.spawn(|| async { 1 });
    reactor.shutdown(Duration::from_secs(1));
    let late = handle.spawn(|| async { 2 });
    assert!(begun.wait().unwrap_err().is_shut_down());
    assert!(queued.wait().unwrap_err().is_shut_down());
    assert!(late.wait().unwrap_err().is_shut_down());
}

#[test]
fn spawn_blocking_gives_results_and_panics() {
    run(Reactor::builder(), async {
        let tasks: Vec<_> = (0..20)
            .map(|number| spawn_blocking(move || number * 2))
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), number * 2);
        }
        let error = spawn_blocking(|| -> u32 { panic!("in the pool") })
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: in the pool");
    });
}

#[test]
fn a_yield_loop_starves_neither_io_nor_timers() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            let stop = Rc::new(Cell::new(false));
            let spinner = spawn({
                let stop = Rc::clone(&stop);
                async move {
                    while !stop.get() {
                        yield_now().await;
                    }
                }
            });
            let (mut client, mut server) = pair().await;
            let echo = spawn(async move {
                for _ in 0..50 {
                    let (count, data) = server.recv(Vec::with_capacity(64)).await;
                    assert!(count.unwrap() > 0);
                    server.send_all(data).await.0.unwrap();
                }
            });
            for _ in 0..50 {
                client.send_all("ping").await.0.unwrap();
                let (result, _) = client.recv_exact(Vec::with_capacity(4)).await;
                result.unwrap();
            }
            echo.await.unwrap();
            let start = Instant::now();
            eyewall::time::sleep(Duration::from_millis(5)).await;
            assert!(start.elapsed() < Duration::from_secs(2));
            stop.set(true);
            spinner.await.unwrap();
        });
    });
}

#[test]
fn block_on_inside_block_on_is_an_error() {
    let outer = Reactor::new().unwrap();
    let inner = Reactor::new().unwrap();
    let error = run_on(&outer, async { inner.block_on(async {}).unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Nested);
    assert!(error.to_string().contains("await the future"), "{error}");
    let error = run_on(&outer, async { eyewall::block_on(async {}).unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Nested);
    // Both go on.
    run_on(&outer, turns(2));
    run_on(&inner, turns(2));
}

#[test]
fn two_reactors_take_turns_on_one_thread() {
    let (first, second) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (mut ours, mut theirs) = run_on(&first, pair());
    let mut others = run_on(&second, pair());
    for round in 0..100u8 {
        run_on(&first, async { ours.send_all(vec![round]).await.0 }).unwrap();
        run_on(&second, async { others.0.send_all(vec![!round]).await.0 }).unwrap();
        let (_, data) = run_on(&first, theirs.recv(Vec::with_capacity(8)));
        assert_eq!(data, [round]);
        let (_, data) = run_on(&second, others.1.recv(Vec::with_capacity(8)));
        assert_eq!(data, [!round]);
    }
    // A task of the first is woken while the second runs.
    let (sender, receiver) = futures_channel::oneshot::channel();
    let task = first.spawn(async move { receiver.await.unwrap() });
    run_on(&first, turns(2));
    run_on(&second, async move { sender.send(5).unwrap() });
    assert_eq!(run_on(&first, task).unwrap(), 5);
    drop((ours, theirs, others));
    setups::finish(second);
    setups::finish(first);
}

#[test]
fn one_reactor_after_the_other() {
    for _ in 0..20 {
        run(Reactor::builder(), async {
            let (mut client, mut server) = pair().await;
            client.send_all("x").await.0.unwrap();
            assert_eq!(server.recv(vec![0; 4]).await.0.unwrap(), 1);
        });
    }
}

/// A reactor of a thread, which goes with it, whatever of the thread has gone before.
#[test]
fn a_reactor_in_thread_local_storage_ends_with_its_thread() {
    thread_local! {
        static REACTOR: Reactor = Reactor::new().unwrap();
    }
    std::thread::spawn(|| {
        REACTOR.with(|reactor| {
            drop(reactor.spawn(pending::<()>()));
            let stream = run_on(reactor, async {
                let (mut ours, theirs) = half_std_pair();
                let mut receive = Box::pin(async move { ours.recv(vec![0; 10]).await.0 });
                assert!(setups::poll_once(&mut receive).await.is_none());
                turns(2).await;
                std::mem::forget(receive);
                theirs
            });
            drop(stream);
        });
    })
    .join()
    .unwrap();
}

#[test]
fn a_stall_callback_that_panics_leaves_the_task_alone() {
    let reactor = Reactor::builder()
        .on_stall(Duration::from_nanos(1), |_| panic!("on purpose"))
        .build()
        .unwrap();
    let value = run_on(&reactor, async {
        spawn(async {
            yield_now().await;
            5
        })
        .await
        .unwrap()
    });
    assert_eq!(value, 5);
    assert!(reactor.metrics().panics > 0);
}
