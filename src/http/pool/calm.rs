//! Waiting until nothing is active.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::Pool;
use crate::task::wake_all;

/// Who waits for that.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    wakers: RefCell<Slab<Waker>>,
}

impl Waiting {
    #[inline]
    pub(super) fn wake(&self) {
        if !self.wakers.borrow().is_empty() {
            self.wake_all();
        }
    }

    /// They stay until they see it.
    #[cold]
    fn wake_all(&self) {
        let mut waiting = self.wakers.borrow_mut();
        let wakers = waiting.iter_mut().map(|(_, waker)| waker);
        let wakers = wakers.map(|waker| std::mem::replace(waker, Waker::noop().clone()));
        let wakers: Vec<Waker> = wakers.collect();
        drop(waiting);
        wake_all(wakers);
    }

    /// Has `waker` woken from now on, in place of the one before.
    fn wait(&self, id: &mut Option<usize>, waker: Waker) {
        let mut waiting = self.wakers.borrow_mut();
        let before = match id.and_then(|id| waiting.get_mut(id)) {
            Some(known) => Some(std::mem::replace(known, waker)),
            None => {
                *id = Some(waiting.insert(waker));
                None
            }
        };
        drop(waiting);
        drop(before);
    }
}

/// Ready when no fetch is active, and none waits for its place.
#[derive(Debug)]
pub(in crate::http) struct Calm {
    pool: Rc<Pool>,
    id: Option<usize>,
}

impl Pool {
    /// To wait until nothing is active.
    pub(in crate::http) fn calm(self: &Rc<Pool>) -> Calm {
        Calm {
            pool: Rc::clone(self),
            id: None,
        }
    }

    /// Not by who is active: who has just been let in is that only when it sees it.
    fn is_calm(&self) -> bool {
        let hosts = self.hosts.borrow();
        let mut gates = hosts.values().flatten().map(|host| &host.gate);
        gates.all(|gate| gate.inside() == 0 && gate.waiting() == 0)
    }
}

impl Future for Calm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The clone and the drop of a foreign waker are user code, which may end fetches: looked at behind them.
        let waker = cx.waker().clone();
        let Calm { pool, id } = &mut *self;
        pool.calm.wait(id, waker);
        match pool.is_calm() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Calm {
    fn drop(&mut self) {
        let waker = self
            .id
            .map(|id| self.pool.calm.wakers.borrow_mut().remove(id));
        drop(waker);
    }
}
