//! Signals: futures, streams, and the registry.

mod setups;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eyewall::Reactor;
use eyewall::signal::{self, Registration, Signal};
use eyewall::time::timeout;
use futures_util::{FutureExt, StreamExt};
use signal_hook::low_level::raise;

const LONG: Duration = Duration::from_secs(20);

/// Signals concern the whole process, and descriptors are counted: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, wait).await.expect("it takes too long");
}

#[test]
fn ctrl_c_wakes_a_sleeping_reactor() {
    let _alone = alone();
    eyewall::block_on(async {
        let waiting = eyewall::spawn(signal::ctrl_c());
        eyewall::yield_now().await;
        eyewall::yield_now().await;
        assert!(!waiting.is_finished());
        let sender = std::thread::spawn(|| raise(Signal::INTERRUPT.number()).unwrap());
        timeout(LONG, waiting).await.unwrap().unwrap().unwrap();
        sender.join().unwrap();
    })
    .unwrap();
}

#[test]
fn ctrl_c_has_not_come_where_its_reactor_does_not_run() {
    let _alone = alone();
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let begun = || {
        let mut waits = Box::pin(signal::ctrl_c());
        let polled = home.block_on(async { (&mut waits).now_or_never() });
        assert!(polled.unwrap().is_none());
        waits
    };
    let (one, two) = (begun(), begun());
    let elsewhere = other.block_on(one).unwrap().unwrap_err();
    assert!(elsewhere.to_string().contains("does not run here"));
    home.shutdown(LONG);
    let shut_down = two.now_or_never().expect("at once").unwrap_err();
    assert!(shut_down.to_string().contains("has been shut down"));
}

#[test]
fn an_arrival_after_a_wait_that_was_dropped_goes_to_the_next() {
    let _alone = alone();
    eyewall::block_on(async {
        let mut arrivals = signal::stream(Signal::USER_1).unwrap();
        assert!(arrivals.recv().now_or_never().is_none());
        raise(Signal::USER_1.number()).unwrap();
        let arrived = timeout(LONG, arrivals.recv()).await.unwrap();
        assert_eq!(arrived, Some(Signal::USER_1));
    })
    .unwrap();
}

#[test]
fn arrivals_between_two_looks_are_one() {
    let _alone = alone();
    eyewall::block_on(async {
        let mut first = signal::stream(Signal::USER_1).unwrap();
        let mut second = signal::stream(Signal::USER_1).unwrap();
        for _ in 0..10 {
            raise(Signal::USER_1.number()).unwrap();
        }
        assert_eq!(
            timeout(LONG, first.next()).await.unwrap(),
            Some(Signal::USER_1)
        );
        assert_eq!(
            timeout(LONG, second.next()).await.unwrap(),
            Some(Signal::USER_1)
        );
        assert!(
            timeout(Duration::from_millis(20), first.next())
                .await
                .is_err()
        );
        raise(Signal::USER_1.number()).unwrap();
        assert_eq!(
            timeout(LONG, first.next()).await.unwrap(),
            Some(Signal::USER_1)
        );
    })
    .unwrap();
}

/// There is no room for so many: a handler that waited for some would wait for the thread that it has interrupted.
#[test]
fn arrivals_that_nobody_fetches_hold_nobody_up() {
    let _alone = alone();
    let name = "arrivals_that_nobody_fetches_hold_nobody_up";
    setups::in_own_process(name, || {
        eyewall::block_on(async {
            let mut arrivals = signal::stream(Signal::USER_1).unwrap();
            for _ in 0..10_000 {
                raise(Signal::USER_1.number()).unwrap();
            }
            assert_eq!(arrivals.recv().await, Some(Signal::USER_1));
        })
        .unwrap();
    });
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let _alone = alone();
    eyewall::block_on(async {
        for number in [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, 0, -1, 1000] {
            assert!(
                signal::stream(Signal::from_number(number)).is_err(),
                "{number}"
            );
        }
    })
    .unwrap();
    assert!(
        signal::stream(Signal::USER_1).is_err(),
        "no reactor runs here"
    );
}

#[test]
fn callbacks_run_in_order_until_they_are_taken_out() {
    let _alone = alone();
    let before = open_fds();
    eyewall::block_on(async {
        let calls = Rc::new(RefCell::new(Vec::new()));
        let register = |tag: u32| {
            let calls = Rc::clone(&calls);
            signal::on(Signal::USER_2, move |_| calls.borrow_mut().push(tag)).unwrap()
        };
        let first = register(1);
        let panicking = signal::on(Signal::USER_2, |_| panic!("on purpose")).unwrap();
        let _second = register(2);
        raise(Signal::USER_2.number()).unwrap();
        until(|| calls.borrow().len() == 2).await;
        assert_eq!(*calls.borrow(), [1, 2]);
        drop(first);
        drop(panicking);
        raise(Signal::USER_2.number()).unwrap();
        until(|| calls.borrow().len() == 3).await;
        assert_eq!(*calls.borrow(), [1, 2, 2]);
    })
    .unwrap();
    assert_eq!(open_fds(), before);
}

#[test]
fn a_callback_may_drop_its_own_registration() {
    let _alone = alone();
    eyewall::block_on(async {
        let place: Rc<RefCell<Option<Registration>>> = Rc::default();
        let calls = Rc::new(Cell::new(0));
        let (own, counted) = (Rc::clone(&place), Rc::clone(&calls));
        let registration = signal::on(Signal::HANGUP, move |_| {
            counted.set(counted.get() + 1);
            own.take();
        });
        *place.borrow_mut() = Some(registration.unwrap());
        raise(Signal::HANGUP.number()).unwrap();
        until(|| calls.get() == 1).await;
        assert!(place.borrow().is_none());
        let mut arrivals = signal::stream(Signal::HANGUP).unwrap();
        raise(Signal::HANGUP.number()).unwrap();
        arrivals.next().await.unwrap();
        eyewall::yield_now().await;
        assert_eq!(calls.get(), 1);
        // Nothing is left of it: no task, no receive.
        drop(arrivals);
        until(|| eyewall::reactor::metrics().unwrap().tasks == 0).await;
        until(|| eyewall::reactor::metrics().unwrap().operations == 0).await;
    })
    .unwrap();
}

/// Panics when it is dropped.
struct Clumsy;

impl Drop for Clumsy {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[test]
fn what_a_callback_leaves_behind_keeps_no_other_from_its_calls() {
    let _alone = alone();
    eyewall::block_on(async {
        let place: Rc<RefCell<Option<Registration>>> = Rc::default();
        let (own, clumsy) = (Rc::clone(&place), Clumsy);
        let registration = signal::on(Signal::HANGUP, move |_| {
            let _kept = &clumsy;
            own.take();
        });
        *place.borrow_mut() = Some(registration.unwrap());
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let _other = signal::on(Signal::HANGUP, move |_| counted.set(counted.get() + 1)).unwrap();
        for call in 1..3 {
            raise(Signal::HANGUP.number()).unwrap();
            until(|| calls.get() == call).await;
        }
        assert_eq!(eyewall::reactor::metrics().unwrap().panics, 1);
    })
    .unwrap();
}

#[test]
fn s10_a_callback_can_spawn() {
    let _alone = alone();
    eyewall::block_on(async {
        let done = Rc::new(Cell::new(false));
        let copy = Rc::clone(&done);
        let _registration = signal::on(Signal::USER_1, move |_| {
            let done = Rc::clone(&copy);
            eyewall::spawn(async move { done.set(true) }).detach();
        })
        .unwrap();
        raise(Signal::USER_1.number()).unwrap();
        until(|| done.get()).await;
    })
    .unwrap();
}

#[test]
fn each_registered_callback_hears_of_its_own_signal() {
    let _alone = alone();
    eyewall::block_on(async {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let register = |signal| {
            let heard = Rc::clone(&heard);
            signal::on(signal, move |came| heard.borrow_mut().push((signal, came))).unwrap()
        };
        drop(register(Signal::USER_1));
        let kept = (register(Signal::USER_2), register(Signal::USER_1));
        for signal in [Signal::USER_2, Signal::USER_1] {
            raise(signal.number()).unwrap();
            until(|| !heard.borrow().is_empty()).await;
            assert_eq!(heard.take(), [(signal, signal)]);
        }
        let tasks = || eyewall::reactor::metrics().unwrap().tasks;
        assert_ne!(tasks(), 0);
        drop(kept);
        until(|| tasks() == 0).await;
    })
    .unwrap();
}

#[test]
fn a_callback_can_take_another_out() {
    let _alone = alone();
    eyewall::block_on(async {
        let other: Rc<RefCell<Option<Registration>>> = Rc::default();
        let (out, called) = (Rc::clone(&other), Rc::new(Cell::new(0)));
        let _first = signal::on(Signal::USER_1, move |_| drop(out.take())).unwrap();
        let told = Rc::clone(&called);
        let second = signal::on(Signal::USER_1, move |_| told.set(told.get() + 1)).unwrap();
        other.replace(Some(second));
        raise(Signal::USER_1.number()).unwrap();
        until(|| other.borrow().is_none()).await;
        eyewall::yield_now().await;
        assert_eq!(called.get(), 0);
    })
    .unwrap();
}
