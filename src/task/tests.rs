//! Tasks and their wakers without a ring, so that Miri can run them (`scripts/miri.sh`).

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use super::executor::Executor;
use super::join::JoinHandle;
use super::remote::Remote;

/// More under a processor, which is faster than Miri.
const ROUNDS: usize = if cfg!(miri) { 12 } else { 2_000 };

fn executor() -> Rc<Executor> {
    Executor::new(Remote::new().unwrap(), None)
}

/// Runs what is ready until nothing is.
fn run(executor: &Executor) {
    loop {
        executor.take_remote();
        executor.run(&mut 1000);
        if !executor.has_ready() {
            return;
        }
    }
}

fn spawn<F: Future + 'static>(executor: &Rc<Executor>, future: F) -> JoinHandle<F::Output> {
    Rc::clone(executor).spawn(future)
}

/// What the handle gives now.
fn poll<T: 'static>(handle: &mut JoinHandle<T>) -> Poll<Result<T, super::JoinError>> {
    pin!(handle).poll(&mut Context::from_waker(Waker::noop()))
}

fn value<T: 'static>(handle: &mut JoinHandle<T>) -> T {
    match poll(handle) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("the task has not ended"),
    }
}

/// Tells where it was dropped, and wants that to be where it was made.
struct HomeBound {
    home: ThreadId,
    drops: Rc<Cell<u32>>,
}

impl HomeBound {
    fn new(drops: &Rc<Cell<u32>>) -> HomeBound {
        HomeBound {
            home: thread::current().id(),
            drops: Rc::clone(drops),
        }
    }
}

impl Drop for HomeBound {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.home);
        self.drops.set(self.drops.get() + 1);
    }
}

/// Gives its waker away, and is ready when the flag is up.
fn until(
    go: &Arc<AtomicBool>,
    waker: mpsc::Sender<Waker>,
    guard: HomeBound,
) -> impl Future<Output = HomeBound> + use<> {
    let go = Arc::clone(go);
    let mut guard = Some(guard);
    poll_fn(move |cx| {
        // Nobody may want it any more.
        let _ = waker.send(cx.waker().clone());
        match go.load(Ordering::Relaxed) {
            true => Poll::Ready(guard.take().expect("polled once after the end")),
            false => Poll::Pending,
        }
    })
}

#[test]
fn a_result_is_fetched_once_and_dropped_at_home() {
    let executor = executor();
    let _entered = executor.enter().unwrap();
    let drops = Rc::new(Cell::new(0));
    let guard = HomeBound::new(&drops);
    let mut task = spawn(&executor, async move { guard });
    assert!(poll(&mut task).is_pending() && !task.is_finished());
    run(&executor);
    assert!(task.is_finished());
    drop(value(&mut task));
    assert!(task.is_finished());
    task.abort();
    drop(task);
    // Nobody fetches these.
    let guard = HomeBound::new(&drops);
    let kept = spawn(&executor, async move { guard });
    let guard = HomeBound::new(&drops);
    spawn(&executor, async move { guard }).detach();
    run(&executor);
    assert_eq!(drops.get(), 2);
    drop(kept);
    assert_eq!((drops.get(), executor.len()), (3, 0));
}

#[test]
#[should_panic = "polled after it was ready"]
fn a_handle_that_is_polled_again_says_so() {
    let executor = executor();
    let mut task = spawn(&executor, async {});
    run(&executor);
    value(&mut task);
    let _ = poll(&mut task);
}

/// The wake says that the flag is up, which the flag itself does not (it is `Relaxed`).
#[test]
fn wakes_of_other_threads_arrive_with_what_came_before() {
    for _ in 0..ROUNDS {
        let executor = executor();
        let _entered = executor.enter().unwrap();
        let (drops, go) = (Rc::default(), Arc::default());
        let (send, wakers) = mpsc::channel::<Waker>();
        let mut task = spawn(&executor, until(&go, send, HomeBound::new(&drops)));
        run(&executor);
        let other = thread::spawn(move || {
            let waker = wakers.recv().unwrap();
            let more: Vec<_> = (0..3).map(|_| waker.clone()).collect();
            waker.wake_by_ref();
            go.store(true, Ordering::Relaxed);
            more.into_iter().for_each(Waker::wake);
            waker
        });
        while !task.is_finished() {
            run(&executor);
            thread::yield_now();
        }
        drop(value(&mut task));
        drop(task);
        // The last reference, now at home again.
        other.join().unwrap().wake();
        run(&executor);
        assert_eq!(drops.get(), 1);
    }
}

/// Home and elsewhere clone, wake and drop at the same time, while the task ends and its executor goes.
#[test]
fn whoever_comes_last_frees_the_memory() {
    for round in 0..ROUNDS {
        let executor = executor();
        let entered = executor.enter().unwrap();
        let (drops, go) = (Rc::default(), Arc::<AtomicBool>::default());
        let (send, wakers) = mpsc::channel::<Waker>();
        let task = spawn(&executor, until(&go, send, HomeBound::new(&drops)));
        run(&executor);
        let waker = wakers.recv().unwrap();
        let others: Vec<_> = (0..2)
            .map(|number| {
                let (mine, go) = (waker.clone(), Arc::clone(&go));
                thread::spawn(move || {
                    go.store(number == 0, Ordering::Relaxed);
                    mine.wake_by_ref();
                    let copy = mine.clone();
                    mine.wake();
                    copy.wake_by_ref();
                    // Dropped here, or at home where nothing runs any more.
                    (round % 3 == number).then_some(copy)
                })
            })
            .collect();
        let mut task = Some(task);
        match round % 4 {
            0 => task.as_ref().unwrap().abort(),
            1 => task = None,
            2 => {
                run(&executor);
                waker.wake_by_ref();
            }
            _ => {}
        }
        run(&executor);
        drop(waker.clone());
        executor.shut_down();
        drop(task);
        assert_eq!(drops.get(), 1);
        drop(entered);
        drop(executor);
        waker.wake();
        for other in others {
            drop(other.join().unwrap());
        }
    }
}

/// The waker that a poll gets is not counted. It can be shared all the same, as long as the poll lasts.
#[test]
fn the_waker_of_a_poll_may_be_used_by_several_threads() {
    let executor = executor();
    let _entered = executor.enter().unwrap();
    for _ in 0..ROUNDS.min(200) {
        let kept: Rc<RefCell<Vec<Waker>>> = Rc::default();
        let keep = Rc::clone(&kept);
        let mut task = spawn(
            &executor,
            poll_fn(move |cx| {
                let waker = cx.waker();
                let there = thread::scope(|scope| {
                    let other = scope.spawn(|| {
                        waker.wake_by_ref();
                        drop(waker.clone());
                        waker.clone()
                    });
                    let here = waker.clone();
                    here.wake_by_ref();
                    drop(here);
                    keep.borrow_mut().push(waker.clone());
                    other.join().unwrap()
                });
                keep.borrow_mut().push(there);
                Poll::Ready(())
            }),
        );
        run(&executor);
        value(&mut task);
        drop(task);
        for waker in kept.take() {
            waker.wake();
        }
        run(&executor);
    }
}

#[test]
fn a_late_waker_wakes_nobody_else_in_the_same_memory() {
    let executor = executor();
    let _entered = executor.enter().unwrap();
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    let polls = Rc::new(Cell::new(0));
    let make = || {
        let (kept, polls) = (Rc::clone(&kept), Rc::clone(&polls));
        poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            let known = kept.replace(Some(cx.waker().clone()));
            match known {
                None => Poll::Ready(()),
                Some(_) => Poll::Pending,
            }
        })
    };
    spawn(&executor, make()).detach();
    run(&executor);
    let late = kept.borrow().clone().unwrap();
    spawn(&executor, make()).detach();
    run(&executor);
    assert_eq!(polls.get(), 2);
    late.wake_by_ref();
    thread::spawn(move || late.wake()).join().unwrap();
    run(&executor);
    assert_eq!((polls.get(), executor.len()), (2, 1));
    // A waker that is woken by another task's executor goes through the inbox.
    let own = kept.take().unwrap();
    drop(_entered);
    let other = self::executor();
    let entered = other.enter().unwrap();
    own.wake();
    assert!(!other.has_ready() && !executor.has_ready());
    drop(entered);
    let _entered = executor.enter().unwrap();
    run(&executor);
    assert_eq!(polls.get(), 3);
    executor.shut_down();
    other.shut_down();
}

/// Small tasks come and go in memory that is used again; large ones and others between them do not confuse that.
#[test]
fn memory_is_used_again_for_its_own_layout_only() {
    let executor = executor();
    let _entered = executor.enter().unwrap();
    for round in 0..ROUNDS.min(50) {
        let small: Vec<_> = (0..20)
            .map(|number| spawn(&executor, async move { number }))
            .collect();
        let large = [round as u8; 4096];
        let mut large = spawn(&executor, async move { large });
        let mut middle = spawn(&executor, async move { [round; 20] });
        run(&executor);
        for (number, mut task) in (0..).zip(small) {
            assert_eq!(value(&mut task), number);
        }
        assert_eq!(value(&mut large), [round as u8; 4096]);
        assert_eq!(value(&mut middle), [round; 20]);
    }
}

#[test]
fn drops_at_a_shutdown_may_end_and_spawn_others() {
    struct Ends(Option<JoinHandle<()>>, Rc<Executor>, Rc<Cell<u32>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.2.set(self.2.get() + 1);
            if let Some(other) = &self.0 {
                other.abort();
            }
            let mut refused = spawn(&self.1, pending::<()>());
            assert!(refused.is_finished());
            let Poll::Ready(Err(error)) = poll(&mut refused) else {
                panic!("a task was taken during a shutdown");
            };
            assert!(error.is_shut_down());
        }
    }

    let executor = executor();
    let drops = Rc::new(Cell::new(0));
    let mut last = None;
    for _ in 0..6 {
        let ends = Ends(last.take(), Rc::clone(&executor), Rc::clone(&drops));
        last = Some(spawn(&executor, async move {
            let _ends = ends;
            pending::<()>().await;
        }));
    }
    run(&executor);
    executor.shut_down();
    assert_eq!((drops.get(), executor.len()), (6, 0));
    assert!(last.unwrap().is_finished());
    assert_eq!(executor.panics(), 0);
}

/// The task is dropped while its own handle, inside it, is what ends it or asks.
#[test]
fn a_future_may_own_the_handle_of_its_task() {
    struct Asks(Rc<RefCell<Option<JoinHandle<()>>>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            let mut own = self.0.take().unwrap();
            own.abort();
            assert!(poll(&mut own).is_pending() && !own.is_finished());
        }
    }

    for abort in [false, true] {
        let executor = executor();
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let asks = Asks(Rc::clone(&own));
        let task = spawn(&executor, async move {
            let asks = asks;
            if abort {
                asks.0.borrow().as_ref().unwrap().abort();
            }
            pending::<()>().await;
        });
        *own.borrow_mut() = Some(task);
        drop(own);
        run(&executor);
        assert_eq!(executor.len(), usize::from(!abort));
        executor.shut_down();
        assert_eq!((executor.len(), executor.panics()), (0, 0));
    }
}

/// As many references as there were are left when the joiner, of which a task holds a clone, is the last.
#[test]
fn a_joiner_is_woken_once_and_let_go() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Counts>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let executor = executor();
    let counts = Arc::new(Counts(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&counts));
    let mut task = spawn(&executor, async {});
    for _ in 0..3 {
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(&mut task).poll(&mut cx).is_pending());
        assert_eq!(Arc::strong_count(&counts), 3);
    }
    run(&executor);
    assert_eq!(counts.0.load(Ordering::SeqCst), 1);
    assert_eq!(Arc::strong_count(&counts), 2);
    value(&mut task);
    // A handle that goes takes its waker along.
    let mut task = spawn(&executor, pending::<()>());
    assert!(
        pin!(&mut task)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(task);
    assert_eq!(Arc::strong_count(&counts), 2);
    executor.shut_down();
}

#[test]
fn a_handle_and_a_waker_may_outlive_the_executor() {
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let keep = Arc::clone(&waker);
    let executor = executor();
    let done = spawn(&executor, async { String::from("kept") });
    let ended = spawn(
        &executor,
        poll_fn(move |cx| {
            *keep.lock().unwrap() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }),
    );
    run(&executor);
    executor.shut_down();
    let places = format!("{executor:?}");
    assert_eq!(places, "[]");
    drop(executor);
    let other = thread::spawn(move || {
        let waker = waker.lock().unwrap().take().unwrap();
        waker.wake_by_ref();
        waker
    });
    let (mut done, mut ended) = (done, ended);
    assert_eq!(value(&mut done), "kept");
    let Poll::Ready(Err(error)) = poll(&mut ended) else {
        panic!("it was shut down");
    };
    assert!(error.is_shut_down());
    drop(ended);
    drop(other.join().unwrap());
}

#[test]
fn the_places_of_tasks_are_listed() {
    let executor = executor();
    spawn(&executor, pending::<()>()).detach();
    let place = format!("{executor:?}");
    assert!(place.contains("src/task/tests.rs"), "{place}");
    executor.shut_down();
}

/// A waker of others that panics when it wakes.
pub(crate) fn panicking_waker() -> Waker {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Panics>) {
            panic!("a waker, on purpose");
        }
    }

    Waker::from(Arc::new(Panics))
}
