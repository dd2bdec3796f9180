//! The ends of tasks that are easy to get wrong: late wakes, own handles, ending threads.

mod setups;

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use eyewall::task::Stall;
use eyewall::{JoinHandle, Reactor, spawn, yield_now};
use futures_util::FutureExt;
use setups::{half_std_pair, metrics, run, run_on, settle, turns, turns_until};

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

#[test]
fn who_holds_the_thread_is_told_by_where_it_began() {
    let told: Rc<RefCell<Vec<Stall>>> = Rc::default();
    let keep = Rc::clone(&told);
    let threshold = Duration::from_millis(20);
    let reactor = Reactor::builder()
        .on_stall(threshold, move |stall| keep.borrow_mut().push(*stall))
        .build()
        .unwrap();
    let hold = move || std::thread::sleep(threshold);
    let lines = [line!() + 2, line!() + 3];
    reactor
        .block_on(async {
            spawn(async move { hold() }).await.unwrap();
            hold();
        })
        .unwrap();
    // On a busy machine others may seem to hold it, too.
    for line in lines {
        let is_it = |stall: &Stall| stall.spawned_at.line() == line && stall.held >= threshold;
        assert!(told.borrow().iter().any(is_it), "{line}: {told:?}");
    }
    assert!(
        told.borrow()
            .iter()
            .all(|stall| stall.spawned_at.file() == file!())
    );
    assert_eq!(reactor.metrics().stalls, told.borrow().len() as u64);
}

thread_local! {
    static RUNS_ON_DROP: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// A waker of somebody else's, whose drop runs the reactor.
struct Runs;

impl Wake for Runs {
    fn wake(self: Arc<Runs>) {}
}

impl Drop for Runs {
    fn drop(&mut self) {
        let reactor = RUNS_ON_DROP.take().expect("dropped once");
        run_on(&reactor, turns(3));
    }
}

#[test]
fn a_task_that_ends_while_its_joiner_is_exchanged_is_not_missed() {
    let reactor = Rc::new(Reactor::new().unwrap());
    RUNS_ON_DROP.set(Some(Rc::clone(&reactor)));
    let mut task = reactor.spawn(async { "result" });
    let first = Waker::from(Arc::new(Runs));
    assert!(
        task.poll_unpin(&mut Context::from_waker(&first))
            .is_pending()
    );
    // The task has the last one now.
    drop(first);
    let second = task.poll_unpin(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(second, Poll::Ready(Ok("result"))));
}
