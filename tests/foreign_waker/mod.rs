//! Wakers that are not the crate's: one that runs code of a test whenever it is cloned, woken or dropped, and one that
//! panics when it is woken.

#![allow(dead_code, unreachable_pub)]

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

thread_local! {
    static HOOK: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// What the wakers of this thread do, until the guard is dropped.
pub struct Hooked;

impl Drop for Hooked {
    fn drop(&mut self) {
        HOOK.take();
    }
}

/// Calls `hook` from now on whenever a foreign waker of this thread is cloned, woken or dropped.
#[must_use = "dropping it takes the hook out again"]
pub fn hook(hook: impl Fn() + 'static) -> Hooked {
    HOOK.replace(Some(Rc::new(hook)));
    Hooked
}

fn call() {
    let hook = HOOK.with_borrow(Clone::clone);
    if let Some(hook) = hook {
        hook();
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, discard);

// The pointer is that of an `Arc` that each waker has a count of.

fn clone(data: *const ()) -> RawWaker {
    call();
    // SAFETY: the waker that is cloned has a count.
    unsafe { Arc::increment_strong_count(data.cast::<Waker>()) };
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    wake_by_ref(data);
    discard(data);
}

fn wake_by_ref(data: *const ()) {
    call();
    // SAFETY: the waker that is woken has a count.
    unsafe { &*data.cast::<Waker>() }.wake_by_ref();
}

fn discard(data: *const ()) {
    call();
    // SAFETY: the waker that goes has a count, and gives it back here.
    drop(unsafe { Arc::from_raw(data.cast::<Waker>()) });
}

/// A foreign waker that wakes `inner`.
pub fn foreign(inner: &Waker) -> Waker {
    let data = Arc::into_raw(Arc::new(inner.clone()));
    // SAFETY: the functions of the table do what they are to do with a count of the `Arc`, on any thread.
    unsafe { Waker::from_raw(RawWaker::new(data.cast(), &VTABLE)) }
}

/// Awaits `future` with a foreign waker, which is another one each time.
pub async fn with_foreign<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let waker = foreign(cx.waker());
        let polled: Poll<T> = future.as_mut().poll(&mut Context::from_waker(&waker));
        polled
    })
    .await
}

/// Panics when it is woken.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Panics>) {
        panic!("a waker, on purpose");
    }
}

/// A waker that panics when it is woken.
pub fn panicking() -> Waker {
    Waker::from(Arc::new(Panics))
}

/// Polls once with this waker.
pub fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}
