//! The pool of buffers that the kernel picks from when data arrives.
//!
//! Every receive without a buffer of its own takes one from here at the moment its data is there. A
//! completion names the buffer; [`Pool::claim`] makes it a [`Chunk`]; the last view dropped provides it again.
//!
//! # When the pool is empty
//!
//! The kernel ends a receive with ENOBUFS. Its stream parks in a queue ([`Pool::park`]); a returning buffer
//! wakes the first that waits. If the reactor is about to sleep and streams are still parked, nothing that
//! runs will return a buffer: it wakes them all, and they go on with memory of their own; so it does when they
//! have waited for many turns of a reactor that never sleeps. So there is no
//! error to the user, no spin and no deadlock, whoever keeps the buffers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use super::Chunk;
use super::view::PooledView;
use crate::ring::{BufRing, Cqe};
use crate::task::wake_all;

/// Counted buffers over a [`BufRing`].
pub(crate) struct Pool {
    buffers: BufRing,
    views: Box<[PooledView]>,
    /// How many buffers are provided, as far as reaped completions tell, fetched or not.
    available: Cell<u16>,
    parked: RefCell<VecDeque<Waker>>,
    /// How many they are; looked at in every turn.
    waiting: Cell<usize>,
    parks: Cell<u64>,
}

impl Pool {
    /// A pool over `buffers`, with all of them provided.
    pub(crate) fn new(buffers: BufRing) -> Rc<Pool> {
        for id in 0..buffers.count() {
            buffers.provide(id);
        }
        Rc::new(Pool {
            views: (0..buffers.count())
                .map(|id| PooledView::new(id, buffers.start(id)))
                .collect(),
            available: Cell::new(buffers.count()),
            parked: RefCell::new(VecDeque::new()),
            waiting: Cell::new(0),
            parks: Cell::new(0),
            buffers,
        })
    }

    /// The memory below.
    pub(crate) fn buffers(&self) -> &BufRing {
        &self.buffers
    }

    /// How many buffers the kernel can pick from.
    pub(crate) fn available(&self) -> u16 {
        self.available.get()
    }

    /// The size of a buffer in bytes.
    pub(crate) fn buffer_size(&self) -> u32 {
        self.buffers.buffer_size()
    }

    /// Counts the buffer that `cqe` names, if it names one; every completion must come here when it is reaped,
    /// long before anybody may fetch it. A stream that believed in buffers which wait in somebody's backlog
    /// would ask for them again and again.
    #[inline]
    pub(crate) fn reaped(&self, cqe: Cqe) {
        if cqe.buffer_id().is_some() {
            self.available.set(self.available.get() - 1);
        }
    }

    /// Takes over the buffer that `cqe` names, if it names one; every such completion must come here once.
    /// The chunk is empty where the completion brought no bytes.
    #[inline(always)]
    pub(crate) fn claim(self: &Rc<Pool>, cqe: Cqe) -> Option<Chunk> {
        let id = cqe.buffer_id()?;
        let view = self.views[usize::from(id)].claim(self);
        Some(Chunk::of(view, cqe.result.max(0) as u32))
    }

    /// Provides buffer `id`, of which no chunk is left.
    #[inline]
    pub(super) fn give_back(&self, id: u16) {
        self.buffers.provide(id);
        self.available.set(self.available.get() + 1);
        if self.has_parked() {
            self.unpark();
        }
    }

    /// Wakes the first that waits.
    #[cold]
    #[inline(never)]
    fn unpark(&self) {
        let mut parked = self.parked.borrow_mut();
        let first = parked.pop_front();
        self.waiting.set(parked.len());
        drop(parked);
        wake_all(first);
    }

    /// Puts a stream that found the pool empty to the end of the queue.
    pub(crate) fn park(&self, waker: &Waker) {
        self.parks.set(self.parks.get() + 1);
        let waker = waker.clone();
        self.parked.borrow_mut().push_back(waker);
        self.waiting.set(self.waiting.get() + 1);
    }

    /// Whether anybody is parked.
    #[inline]
    pub(crate) fn has_parked(&self) -> bool {
        self.waiting.get() > 0
    }

    /// Takes everybody who is parked out of the queue, to be woken.
    pub(crate) fn unpark_all(&self) -> VecDeque<Waker> {
        self.waiting.set(0);
        self.parked.take()
    }

    /// How often a stream has parked.
    pub(crate) fn parks(&self) -> u64 {
        self.parks.get()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("buffers", &self.buffers)
            .finish_non_exhaustive()
    }
}
