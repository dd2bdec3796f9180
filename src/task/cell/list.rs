//! The tasks that have not ended.

use std::cell::Cell;
use std::panic::Location;
use std::ptr::NonNull;

use super::header::{Header, State};
use super::owner::Task;

/// The tasks of an executor that have not ended, youngest first. Each keeps the executor, so that this is never dropped
/// with tasks on it.
#[derive(Default)]
pub(in crate::task) struct List {
    first: Cell<Option<NonNull<Header>>>,
    len: Cell<usize>,
}

impl List {
    pub(in crate::task) fn len(&self) -> usize {
        self.len.get()
    }

    /// The first that `wanted` accepts.
    fn find(&self, mut wanted: impl FnMut(&Header) -> bool) -> Option<Task> {
        let mut next = self.first.get();
        while let Some(task) = next {
            // SAFETY: the list keeps it.
            let header = unsafe { task.as_ref() };
            if wanted(header) {
                header.owners.set(header.owners.get() + 1);
                return Some(Task(task));
            }
            next = header.right.get();
        }
        None
    }

    /// One that waits.
    pub(in crate::task) fn waiting(&self) -> Option<Task> {
        self.find(|header| header.state.get() == State::Waiting)
    }

    /// Where they were spawned.
    pub(in crate::task) fn places(&self) -> Vec<&'static Location<'static>> {
        let mut places = Vec::new();
        self.find(|header| {
            places.push(header.spawned_at);
            false
        });
        places
    }
}

impl Task {
    /// Puts it onto the executor's list, which is an owner.
    pub(in crate::task) fn enlist(&self) {
        let header = self.header();
        if header.listed.replace(true) {
            return;
        }
        let list = self.executor().list();
        let right = list.first.replace(Some(self.0));
        header.right.set(right);
        if let Some(right) = right {
            // SAFETY: the list keeps it.
            unsafe { right.as_ref() }.left.set(Some(self.0));
        }
        list.len.set(list.len.get() + 1);
        header.owners.set(header.owners.get() + 1);
    }

    /// Takes it off the executor's list.
    pub(in crate::task) fn delist(&self) {
        let header = self.header();
        if !header.listed.replace(false) {
            return;
        }
        let list = self.executor().list();
        let (left, right) = (header.left.take(), header.right.take());
        // SAFETY: the list keeps them.
        unsafe {
            match left {
                Some(left) => left.as_ref().right.set(right),
                None => list.first.set(right),
            }
            if let Some(right) = right {
                right.as_ref().left.set(left);
            }
        }
        list.len.set(list.len.get() - 1);
        // Not the last one, which `self` is.
        header.owners.set(header.owners.get() - 1);
    }
}
