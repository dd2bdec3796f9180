//! A bound on how many may be at something at once, with a queue for the others.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

use crate::task::wake_all;

/// A counting gate: first come, first served.
///
/// Who leaves hands its place to the first in the queue at once, so that no newcomer can overtake.
#[derive(Debug)]
pub(super) struct Gate {
    limit: usize,
    inside: Cell<usize>,
    /// By ticket, so oldest first. Who finds its ticket gone has been let in.
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next_ticket: Cell<u64>,
    closed: Cell<bool>,
}

/// The gate has been closed.
#[derive(Debug)]
pub(super) struct Closed;

impl Gate {
    pub(super) fn new(limit: usize) -> Gate {
        Gate {
            limit,
            inside: Cell::new(0),
            waiting: RefCell::default(),
            next_ticket: Cell::new(0),
            closed: Cell::new(false),
        }
    }

    /// How many are inside.
    pub(super) fn inside(&self) -> usize {
        self.inside.get()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Goes in if there is room; nobody waits then.
    pub(super) fn try_enter(&self) -> bool {
        let free = self.inside.get() < self.limit && !self.closed.get();
        if free {
            self.inside.set(self.inside.get() + 1);
        }
        free
    }

    /// Goes in; waits for that.
    pub(super) fn enter(&self) -> impl Future<Output = Result<(), Closed>> + '_ {
        let mut place = Place {
            gate: self,
            ticket: None,
        };
        poll_fn(move |cx| place.poll(cx.waker()))
    }

    /// Goes out; the first in the queue takes the place.
    #[inline]
    pub(super) fn leave(&self) {
        if self.closed.get() || self.waiting.borrow().is_empty() {
            self.inside.set(self.inside.get() - 1);
        } else {
            self.let_in();
        }
    }

    #[cold]
    #[inline(never)]
    fn let_in(&self) {
        let first = self.waiting.borrow_mut().pop_first();
        wake_all(first.map(|(_, waker)| waker));
    }

    /// Lets nobody in any more, those who wait neither.
    pub(super) fn close(&self) {
        self.closed.set(true);
        // They stay in the queue until they see it, since who is not there has been let in.
        let mut waiting = self.waiting.borrow_mut();
        let wakers = waiting.values_mut();
        let wakers = wakers.map(|waker| std::mem::replace(waker, Waker::noop().clone()));
        let wakers: Vec<Waker> = wakers.collect();
        drop(waiting);
        wake_all(wakers);
    }
}

/// A place in the queue. Given up when it is dropped.
struct Place<'a> {
    gate: &'a Gate,
    ticket: Option<u64>,
}

impl Place<'_> {
    fn poll(&mut self, waker: &Waker) -> Poll<Result<(), Closed>> {
        if self.gate.closed.get() {
            self.give_up();
            return Poll::Ready(Err(Closed));
        }
        let ticket = match self.ticket {
            None if self.gate.try_enter() => return Poll::Ready(Ok(())),
            None => {
                let ticket = self.gate.next_ticket.get();
                self.gate.next_ticket.set(ticket + 1);
                let none = Waker::noop().clone();
                self.gate.waiting.borrow_mut().insert(ticket, none);
                *self.ticket.insert(ticket)
            }
            Some(ticket) => ticket,
        };
        match self.gate.waiting.borrow().get(&ticket) {
            Some(known) if known.will_wake(waker) => return Poll::Pending,
            Some(_) => {}
            None => return self.has_been_let_in(),
        }
        // A foreign waker's clone and drop are user code, which may let somebody in, or close the gate.
        let mut other = waker.clone();
        if let Some(known) = self.gate.waiting.borrow_mut().get_mut(&ticket) {
            std::mem::swap(known, &mut other);
        } else {
            return self.has_been_let_in();
        }
        match self.gate.closed.get() {
            true => self.poll(waker),
            false => Poll::Pending,
        }
    }

    fn has_been_let_in(&mut self) -> Poll<Result<(), Closed>> {
        self.ticket = None;
        Poll::Ready(Ok(()))
    }

    fn give_up(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let left = self.gate.waiting.borrow_mut().remove(&ticket);
        // It had been let in, and has not seen it.
        if left.is_none() {
            self.gate.leave();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn p10_the_queue_is_first_in_first_out() {
        let gate = Gate::new(1);
        assert!(gate.try_enter());
        let (mut first, mut second) = (pin!(gate.enter()), pin!(gate.enter()));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        gate.leave();
        assert!(!gate.try_enter(), "a newcomer overtakes nobody");
        assert!(second.as_mut().now_or_never().is_none());
        assert!(matches!(first.as_mut().now_or_never(), Some(Ok(()))));
        gate.leave();
        assert!(matches!(second.as_mut().now_or_never(), Some(Ok(()))));
        gate.leave();
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
    }

    #[test]
    fn p10_a_place_in_the_queue_is_given_up_before_and_after_it_was_granted() {
        let gate = Gate::new(1);
        assert!(gate.try_enter());
        let mut last = pin!(gate.enter());
        {
            let mut granted = pin!(gate.enter());
            let mut waiting = Box::pin(gate.enter());
            assert!(granted.as_mut().now_or_never().is_none());
            assert!(waiting.as_mut().now_or_never().is_none());
            assert!(last.as_mut().now_or_never().is_none());
            drop(waiting);
            gate.leave();
        }
        assert!(matches!(last.as_mut().now_or_never(), Some(Ok(()))));
        gate.leave();
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
    }

    #[test]
    fn a_closed_gate_lets_nobody_in() {
        let gate = Gate::new(1);
        assert!(gate.try_enter());
        let mut waiting = pin!(gate.enter());
        assert!(waiting.as_mut().now_or_never().is_none());
        gate.close();
        assert!(matches!(waiting.as_mut().now_or_never(), Some(Err(Closed))));
        gate.leave();
        assert!(!gate.try_enter());
        assert_eq!(gate.inside(), 0);
    }

    #[test]
    fn who_was_let_in_and_finds_it_closed_does_not_stay_inside() {
        for polled in [true, false] {
            let gate = Gate::new(1);
            assert!(gate.try_enter());
            let mut granted = Box::pin(gate.enter());
            let mut waiting = Box::pin(gate.enter());
            assert!(granted.as_mut().now_or_never().is_none());
            assert!(waiting.as_mut().now_or_never().is_none());
            gate.leave();
            gate.close();
            if polled {
                assert!(matches!(granted.as_mut().now_or_never(), Some(Err(Closed))));
                assert!(matches!(waiting.as_mut().now_or_never(), Some(Err(Closed))));
            }
            drop((granted, waiting));
            assert_eq!((gate.inside(), gate.waiting()), (0, 0));
        }
    }
}
