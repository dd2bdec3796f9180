//! The executor that runs on this thread.

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::header::Header;
use crate::task::executor::Executor;

thread_local! {
    /// The executor that runs on this thread, or null.
    pub(super) static HERE: Cell<*const Executor> = const { Cell::new(ptr::null()) };
}

/// The executor that runs on this thread.
pub(in crate::task) fn current() -> Option<Rc<Executor>> {
    let here = HERE.get();
    if here.is_null() {
        return None;
    }
    // SAFETY: `HERE` has the pointer of an `Rc` only as long as an `Entered` of this thread keeps that.
    unsafe {
        Rc::increment_strong_count(here);
        Some(Rc::from_raw(here))
    }
}

/// Makes `executor` that of the thread; `None` if there is one already.
pub(in crate::task) fn enter(executor: &Rc<Executor>) -> Option<Entered> {
    if !HERE.get().is_null() {
        return None;
    }
    HERE.set(Rc::as_ptr(executor));
    Some(Entered {
        _executor: Rc::clone(executor),
    })
}

/// Takes the executor off the thread again.
#[derive(Debug)]
pub(crate) struct Entered {
    _executor: Rc<Executor>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.set(ptr::null());
    }
}

/// Whether this thread is the task's home, and its executor runs here.
pub(super) fn is_home(header: &Header) -> bool {
    ptr::eq(header.home.load(Ordering::Relaxed), HERE.get())
}
