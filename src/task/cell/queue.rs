//! The tasks that have been woken.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::header::{Header, State, count_here};
use super::owner::Task;
use super::waker::drop_waker;

/// A reference to a task, in the queue of its executor.
pub(in crate::task) struct Woken(pub(super) NonNull<Header>);

impl Woken {
    /// Takes it as out of the queue; `None` if there is nothing left of it, and perhaps no owner.
    pub(in crate::task) fn into_task(self) -> Option<Task> {
        // SAFETY: the reference keeps it.
        let header = unsafe { self.0.as_ref() };
        // Only its home makes one, and it is not `Send`. The last owner leaves it empty.
        if header.state.get() == State::Empty {
            return None;
        }
        header.queued.set(false);
        header.owners.set(header.owners.get() + 1);
        header.here.set(header.here.get() - 1);
        Some(Task(ManuallyDrop::new(self).0))
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        // SAFETY: the reference has been counted, and goes.
        unsafe { drop_waker(self.0.as_ptr().cast()) };
    }
}

impl Task {
    /// Puts it into the executor's queue.
    pub(in crate::task) fn queue(&self) {
        let header = self.header();
        if !header.queued.replace(true) {
            count_here(header);
            self.executor().push(Woken(self.0));
        }
    }
}

/// The tasks that have been woken, in this order.
///
/// Each has a reference, and is in it only once, since `queued` has been raised for it.
#[derive(Default)]
pub(in crate::task) struct Queue {
    first: Cell<Option<NonNull<Header>>>,
    last: Cell<Option<NonNull<Header>>>,
}

impl Queue {
    pub(in crate::task) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    pub(in crate::task) fn push(&self, woken: Woken) {
        let task = ManuallyDrop::new(woken).0;
        let before = self.last.replace(Some(task));
        match before {
            // SAFETY: the queue has a reference to it.
            Some(before) => unsafe { before.as_ref() }.behind.set(Some(task)),
            None => self.first.set(Some(task)),
        }
    }

    pub(in crate::task) fn pop(&self) -> Option<Woken> {
        let task = self.first.get()?;
        // SAFETY: the queue has a reference to it, which the caller gets.
        let behind = unsafe { task.as_ref() }.behind.take();
        self.first.set(behind);
        if behind.is_none() {
            self.last.set(None);
        }
        Some(Woken(task))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while let Some(woken) = self.pop() {
            drop(woken);
        }
    }
}
