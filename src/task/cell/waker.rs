//! Wakers, which may be anywhere.

use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;
use std::task::{RawWaker, RawWakerVTable};

use super::header::{Header, count_here, free_left};
use super::here::{HERE, is_home};
use super::queue::Woken;
use crate::task::executor::Executor;

static WAKER: RawWakerVTable = RawWakerVTable::new(clone_waker, wake, wake_by_ref, drop_waker);

/// What the wakers of tasks have in common, and of the future of `block_on`: none of their functions is user code.
pub(crate) fn own_wakers() -> &'static RawWakerVTable {
    &WAKER
}

pub(super) fn raw_waker(task: NonNull<Header>) -> RawWaker {
    RawWaker::new(task.as_ptr().cast(), &WAKER)
}

// The four functions want the pointer of a header that a reference keeps, which `wake` and `drop_waker` consume.

unsafe fn clone_waker(task: *const ()) -> RawWaker {
    // SAFETY: a reference keeps it.
    let header = unsafe { &*task.cast::<Header>() };
    if is_home(header) {
        count_here(header);
    } else {
        header.elsewhere.fetch_add(1, Ordering::Relaxed);
    }
    RawWaker::new(task, &WAKER)
}

unsafe fn wake(task: *const ()) {
    // SAFETY: a reference keeps it, which we have.
    unsafe {
        let header = &*task.cast::<Header>();
        if !is_home(header) {
            send(task);
            // Not before: until here it has kept `remote`, too.
            drop_elsewhere(task);
        } else if header.queued.replace(true) {
            header.here.set(header.here.get() - 1);
        } else {
            // The reference goes into the queue.
            push_here(task);
        }
    }
}

unsafe fn wake_by_ref(task: *const ()) {
    // SAFETY: a reference keeps it.
    unsafe {
        let header = &*task.cast::<Header>();
        if !is_home(header) {
            send(task);
        } else if !header.queued.replace(true) {
            count_here(header);
            push_here(task);
        }
    }
}

pub(super) unsafe fn drop_waker(task: *const ()) {
    // SAFETY: a reference keeps it, which we have.
    unsafe {
        let header = &*task.cast::<Header>();
        if is_home(header) {
            header.here.set(header.here.get() - 1);
        } else {
            drop_elsewhere(task);
        }
    }
}

/// Puts a task into the queue of its executor, which runs on this thread, with a reference to it.
unsafe fn push_here(task: *const ()) {
    // SAFETY: it came from a reference, which is never null, and `HERE` has the executor that its `Entered` keeps.
    unsafe {
        let woken = Woken(NonNull::new_unchecked(task.cast::<Header>().cast_mut()));
        (*HERE.get()).push(woken);
    }
}

/// Tells the executor from another thread that a task has been woken.
#[cold]
unsafe fn send(task: *const ()) {
    // SAFETY: a reference keeps it. `remote` is kept by the executor as long as the task has owners, and by our
    // reference after that.
    unsafe {
        let header = &*task.cast::<Header>();
        if !header.sent.swap(true, Ordering::AcqRel) {
            header.elsewhere.fetch_add(1, Ordering::Relaxed);
            let sent = Sent(NonNull::new_unchecked(task.cast::<Header>().cast_mut()));
            (*header.remote).wake(sent);
        }
    }
}

/// Drops a reference that is not counted as one of the home's.
#[cold]
unsafe fn drop_elsewhere(task: *const ()) {
    // SAFETY: the reference keeps it until the count has fallen. The one that brings it to zero is the last, and sees
    // what all others have done before.
    unsafe {
        let header = &*task.cast::<Header>();
        if header.elsewhere.fetch_sub(1, Ordering::AcqRel) == 1 {
            free_left(NonNull::new_unchecked(task.cast::<Header>().cast_mut()));
        }
    }
}

/// A reference to a task that another thread has woken, on its way to the executor.
pub(in crate::task) struct Sent(NonNull<Header>);

// SAFETY: it is what a waker is, which is `Send`.
unsafe impl Send for Sent {}

impl Sent {
    /// Puts the task into the queue of `executor`, if that is its own and still runs it.
    pub(in crate::task) fn arrive(self, executor: &Executor) {
        // SAFETY: the reference keeps it.
        let header = unsafe { self.0.as_ref() };
        // What is woken from now on is sent again; what was woken before is seen by the poll that comes.
        header.sent.swap(false, Ordering::AcqRel);
        // An executor is not `Send`: where it is, there is the home of its tasks.
        if ptr::eq(header.home.load(Ordering::Relaxed), executor) && !header.queued.replace(true) {
            count_here(header);
            executor.push(Woken(self.0));
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        // SAFETY: the reference has been counted, and goes.
        unsafe { drop_waker(self.0.as_ptr().cast()) };
    }
}
