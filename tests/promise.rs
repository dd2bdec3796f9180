//! Promises: set once, a future, callbacks that never run inside a call.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use eyewall::promise::{Cancelled, Promise, Promised, promise};
use eyewall::{Reactor, yield_now};
use futures_util::FutureExt;

#[test]
fn callbacks_run_in_order_and_never_inside_a_call() {
    eyewall::block_on(async {
        let (promise, promised) = promise();
        let seen = Rc::new(RefCell::new(Vec::new()));
        for tag in 0..3 {
            let seen = Rc::clone(&seen);
            promised.on_done(move |value: &Result<&str, _>| {
                seen.borrow_mut().push((tag, *value.as_ref().unwrap()));
            });
        }
        yield_now().await;
        assert!(seen.borrow().is_empty(), "called before it was set");
        promise.set("now");
        assert!(seen.borrow().is_empty(), "called inside set");
        assert_eq!(promised.await, Ok("now"));
        assert_eq!(*seen.borrow(), [(0, "now"), (1, "now"), (2, "now")]);
    })
    .unwrap();
}

#[test]
fn s05_a_callback_added_after_the_value_runs_in_the_next_turn() {
    eyewall::block_on(async {
        let (promise, promised) = promise();
        assert!(!promised.is_done());
        promise.set(7);
        assert!(promised.is_done());
        let seen = Rc::new(Cell::new(0));
        let copy = Rc::clone(&seen);
        promised.on_done(move |value| copy.set(*value.as_ref().unwrap()));
        assert_eq!(seen.get(), 0, "called inside on_done");
        yield_now().await;
        yield_now().await;
        assert_eq!(seen.get(), 7);
    })
    .unwrap();
}

#[test]
fn s06_a_panic_in_a_callback_stops_neither_the_others_nor_the_future() {
    let reactor = Reactor::new().unwrap();
    reactor
        .block_on(async {
            let (promise, promised) = promise();
            let seen = Rc::new(Cell::new(false));
            let copy = Rc::clone(&seen);
            promised.on_done(|_| panic!("a callback that panics, on purpose"));
            promised.on_done(move |_| copy.set(true));
            promise.set(1);
            assert_eq!(promised.await, Ok(1));
            assert!(seen.get());
        })
        .unwrap();
    assert_eq!(reactor.metrics().panics, 1);
}

#[test]
fn a_dropped_promise_cancels() {
    eyewall::block_on(async {
        let (promise, promised) = promise::<u32>();
        let seen = Rc::new(Cell::new(false));
        let copy = Rc::clone(&seen);
        promised.on_done(move |value| copy.set(value.is_err()));
        let waiter = eyewall::spawn(promised);
        yield_now().await;
        drop(promise);
        let error = waiter.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("dropped"));
        assert!(seen.get());
    })
    .unwrap();
}

#[test]
fn a_callback_may_add_a_callback_and_set_another_promise() {
    eyewall::block_on(async {
        let (first, first_promised) = promise();
        let (second, second_promised) = promise();
        let first_promised = Rc::new(first_promised);
        let again = Rc::clone(&first_promised);
        first_promised.on_done(move |_| {
            again.on_done(move |value: &Result<u8, _>| second.set(value.unwrap() + 1));
        });
        first.set(1);
        assert_eq!(second_promised.await, Ok(2));
    })
    .unwrap();
}

#[test]
fn a_reactor_that_is_shut_down_before_their_turn_makes_the_calls() {
    let seen = Rc::new(Cell::new(0));
    let (promise, promised) = promise();
    for _ in 0..2 {
        let seen = Rc::clone(&seen);
        promised.on_done(move |value| seen.set(seen.get() + value.as_ref().unwrap()));
    }
    eyewall::block_on(async {
        promise.set(7);
        assert_eq!(seen.get(), 0, "called inside set");
    })
    .unwrap();
    assert_eq!(seen.get(), 14);
    // It can still be awaited, elsewhere.
    assert_eq!(eyewall::block_on(promised).unwrap(), Ok(7));
    assert_eq!(seen.get(), 14, "called twice");
}

/// A promise, and where its callbacks leave what they have seen.
type Watched = (
    Promise<u32>,
    Promised<u32>,
    Rc<RefCell<Vec<Result<u32, Cancelled>>>>,
);

/// A promise with two callbacks and one between them that panics.
fn watched() -> Watched {
    let (promise, promised) = promise();
    let seen = Rc::new(RefCell::new(Vec::new()));
    for panics in [false, true, false] {
        let seen = Rc::clone(&seen);
        promised.on_done(move |value| match panics {
            true => panic!("a callback that panics, on purpose"),
            false => seen.borrow_mut().push(*value),
        });
    }
    (promise, promised, seen)
}

#[test]
fn where_no_reactor_runs_a_poll_makes_the_calls() {
    let (promise, mut promised, seen) = watched();
    assert_eq!((&mut promised).now_or_never(), None);
    promise.set(7);
    let late = Rc::clone(&seen);
    promised.on_done(move |value| late.borrow_mut().push(*value));
    assert!(seen.borrow().is_empty(), "called inside a call");
    assert_eq!((&mut promised).now_or_never(), Some(Ok(7)));
    assert_eq!(*seen.borrow(), [Ok(7); 3]);
    drop(promised);
    assert_eq!(seen.borrow().len(), 3, "called twice");
}

#[test]
fn where_no_reactor_runs_a_waiter_is_woken_though_there_are_callbacks() {
    let (promise, mut promised, seen) = watched();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert!(promised.poll_unpin(&mut cx).is_pending());
    promise.set(7);
    assert!(woken.0.load(Ordering::Relaxed), "it sleeps for ever");
    assert_eq!(promised.poll_unpin(&mut cx), Poll::Ready(Ok(7)));
    assert_eq!(*seen.borrow(), [Ok(7); 2]);
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_waiter_that_gives_up_is_kept_by_nobody() {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let (promise, mut promised) = promise::<u32>();
    let mut cx = Context::from_waker(&waker);
    assert!(promised.poll_unpin(&mut cx).is_pending());
    drop(promised);
    drop(waker);
    assert_eq!(Arc::strong_count(&woken), 1);
    promise.set(1);
    assert!(!woken.0.load(Ordering::Relaxed));
}

#[test]
fn where_no_reactor_runs_the_last_half_makes_the_calls_that_nobody_has_made() {
    let (promise, promised, seen) = watched();
    promise.set(7);
    assert!(seen.borrow().is_empty(), "called inside set");
    drop(promised);
    assert_eq!(*seen.borrow(), [Ok(7); 2]);

    let (promise, promised, seen) = watched();
    drop(promised);
    assert!(seen.borrow().is_empty(), "called before it was set");
    promise.set(8);
    assert_eq!(*seen.borrow(), [Ok(8); 2]);

    let (promise, promised, seen) = watched();
    drop((promised, promise));
    let [Err(_), Err(_)] = seen.borrow()[..] else {
        panic!("not told that it is cancelled: {seen:?}");
    };
}

#[test]
fn what_was_set_where_no_reactor_ran_calls_back_in_the_turn_of_one_that_does() {
    let (promise, promised, seen) = watched();
    promise.set(7);
    let (other, other_promised, other_seen) = watched();
    other.set(8);
    eyewall::block_on(async {
        drop(promised);
        assert!(seen.borrow().is_empty(), "called inside the drop");
        assert_eq!(other_promised.await, Ok(8));
        assert_eq!(*other_seen.borrow(), [Ok(8); 2]);
        assert_eq!(*seen.borrow(), [Ok(7); 2]);
    })
    .unwrap();
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn a_value_is_awaited_once() {
    let (promise, mut promised) = promise();
    promise.set(7);
    assert_eq!((&mut promised).now_or_never(), Some(Ok(7)));
    (&mut promised).now_or_never();
}

#[test]
fn the_value_is_there_while_the_callbacks_look_at_it() {
    eyewall::block_on(async {
        let (promise, promised) = promise();
        let promised = Rc::new(promised);
        let (looking, done) = (Rc::clone(&promised), Rc::new(Cell::new(false)));
        let seen = Rc::clone(&done);
        promised.on_done(move |_| seen.set(looking.is_done()));
        promise.set(7);
        yield_now().await;
        assert!(done.get());
        assert_eq!(Rc::into_inner(promised).unwrap().await, Ok(7));
    })
    .unwrap();
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Panics>) {
        panic!("a waker that panics, on purpose");
    }
}

#[test]
fn a_waker_that_panics_does_not_reach_who_sets_the_value() {
    let (promise, mut promised) = promise();
    let waker = Waker::from(Arc::new(Panics));
    let mut cx = Context::from_waker(&waker);
    assert!(promised.poll_unpin(&mut cx).is_pending());
    promise.set(7);
    assert_eq!(promised.now_or_never(), Some(Ok(7)));
}

/// What panics where it goes.
struct Explodes;

impl Wake for Explodes {
    fn wake(self: Arc<Explodes>) {}
}

impl Drop for Explodes {
    fn drop(&mut self) {
        panic!("a waker that panics where it goes, on purpose");
    }
}

#[test]
fn nor_does_one_that_panics_where_it_goes_reach_who_gives_up() {
    let (promise, mut promised) = promise();
    let waker = Arc::new(Explodes);
    let waiting = Waker::from(Arc::clone(&waker));
    assert!(
        promised
            .poll_unpin(&mut Context::from_waker(&waiting))
            .is_pending()
    );
    drop((waiting, waker));
    drop(promised);
    promise.set(7);
}

/// The one that was to make the calls is dropped while another runs.
#[test]
fn callbacks_are_called_though_their_reactor_goes_inside_of_another_one() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let called = Rc::new(Cell::new(0));
    let (promise, promised) = promise();
    let counts = Rc::clone(&called);
    let set = home.block_on(async {
        promised.on_done(move |_| counts.set(counts.get() + 1));
        promise.set(7);
    });
    set.unwrap();
    assert_eq!(called.get(), 0, "there has been no turn");
    let turn = other.block_on(async {
        drop(home);
        assert_eq!(called.get(), 0, "nor has there been one here");
        yield_now().await;
    });
    turn.unwrap();
    assert_eq!(called.get(), 1);
    assert_eq!(promised.now_or_never(), Some(Ok(7)));
    assert_eq!(called.get(), 1);
}

#[test]
fn callbacks_are_called_though_their_reactor_goes_before_its_turn() {
    let (gone, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (promise, promised) = promise();
    let seen = Rc::new(Cell::new(0));
    let told = Rc::clone(&seen);
    promised.on_done(move |result: &Result<u32, _>| told.set(*result.as_ref().unwrap()));
    gone.block_on(async { promise.set(5) }).unwrap();
    other.block_on(async { drop(gone) }).unwrap();
    assert_eq!(promised.now_or_never(), Some(Ok(5)));
    assert_eq!(seen.get(), 5);
}
