//! Who holds slots that others may need more, and gives some back when the table is full.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;

use slab::Slab;

use super::core::Core;

/// What one of them has to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stock {
    /// Some slots, perhaps.
    #[default]
    Unknown,
    /// The same, and slots are missing: it is to give back as many.
    Asked,
    /// None, though some are missing. It is not asked again before it says otherwise.
    Empty,
}

/// All of them. The wakers are of the reactor's own tasks, so that to wake, clone or drop one runs no code of a user.
#[derive(Default)]
pub(super) struct Crowd {
    members: RefCell<Slab<(Waker, Rc<Cell<Stock>>)>>,
}

impl Crowd {
    /// Slots are missing. One is asked at a time, once a turn: what it gives is free after the next.
    pub(super) fn ask(&self) {
        let members = self.members.borrow();
        let mut all = members.iter().map(|(_, member)| member);
        if let Some((waker, stock)) = all.find(|(_, stock)| stock.get() != Stock::Empty) {
            stock.set(Stock::Asked);
            waker.wake_by_ref();
        }
    }
}

/// Makes a task one of them, until this is dropped.
pub(crate) struct Relief {
    core: Weak<Core>,
    key: usize,
}

impl Relief {
    /// For one of the tasks of `core`, which is woken by this waker when its `stock` is asked for.
    pub(crate) fn new(core: &Rc<Core>, waker: &Waker, stock: &Rc<Cell<Stock>>) -> Relief {
        let member = (waker.clone(), Rc::clone(stock));
        Relief {
            core: Rc::downgrade(core),
            key: core.crowd.members.borrow_mut().insert(member),
        }
    }
}

impl Drop for Relief {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            let member = core.crowd.members.borrow_mut().remove(self.key);
            drop(member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reactor;

    #[test]
    fn a_slot_that_is_kept_for_who_has_been_called_is_missing_to_the_others() {
        let reactor = Reactor::builder().max_operations(2).build().unwrap();
        let core = &reactor.core;
        let wait = || core.table().wait_for_room(None, Waker::noop().clone()).0;
        let waiting = [wait(), wait(), wait()];
        assert_eq!(core.missing_slots(), 1);
        core.table().call_next().expect("there is room");
        assert_eq!(core.missing_slots(), 1);
        for ticket in waiting {
            core.table().leave_queue(ticket);
        }
        assert_eq!(core.missing_slots(), 0);
    }
}
