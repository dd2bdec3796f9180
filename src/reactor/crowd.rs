//! Who holds slots that others may need more, and gives some back when the table is full.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::task::Waker;

use slab::Slab;

use super::core::Core;

/// The wakers of those who can make room. They are of the reactor's own tasks, so that to wake, clone or drop one runs
/// no code of a user.
#[derive(Default)]
pub(super) struct Crowd {
    wakers: RefCell<Slab<Waker>>,
}

impl Crowd {
    /// An operation has found no slot.
    pub(super) fn call(&self) {
        for (_, waker) in &*self.wakers.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// The task is woken whenever the table is full, until this is dropped.
pub(crate) struct Relief {
    core: Weak<Core>,
    key: usize,
}

impl Relief {
    /// For one of the tasks of `core`, whose waker this is.
    pub(crate) fn new(core: &Rc<Core>, waker: &Waker) -> Relief {
        Relief {
            core: Rc::downgrade(core),
            key: core.crowd.wakers.borrow_mut().insert(waker.clone()),
        }
    }
}

impl Drop for Relief {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            let waker = core.crowd.wakers.borrow_mut().remove(self.key);
            drop(waker);
        }
    }
}
