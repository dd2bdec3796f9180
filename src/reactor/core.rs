//! The reactor's state, and how operations enter and leave it.
//!
//! One owner a thing, short borrows: a `RefCell` here is never borrowed while an operation's `discard`, a task or a
//! waker that is not the reactor's own runs.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell, RefMut};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::builder::Builder;
#[cfg(feature = "http")]
use super::crowd::Crowd;
use super::gather::Gather;
use super::metrics::{Counters, Metrics};
use super::posts::Posts;
use super::spin::Spin;
use super::submission::{Handed, Submission};
use super::table::{OpId, Table};
use super::wheel::{Clock, NEVER, TimerKey, Wheel};
use crate::buf::{Pool, Spares};
use crate::dns::Names;
use crate::error::{Error, ErrorKind, elsewhere, no_reactor, shut_down};
use crate::op::{Descriptors, Erased, Operation, Post, SharedFd};
use crate::ring::{BufRing, Cqe, Request, Ring, Setup, Wait};
use crate::task::{Executor, Remote, StallWatch, own_wakers};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// Everything that belongs to one reactor.
pub(crate) struct Core {
    inner: RefCell<Inner>,
    pub(super) descriptors: Rc<Descriptors>,
    pub(super) pool: Rc<Pool>,
    spares: Spares,
    pub(super) clock: Clock,
    pub(super) executor: Rc<Executor>,
    pub(super) counters: Counters,
    pub(super) spin: Spin,
    pub(super) gather: Gather,
    #[cfg(feature = "http")]
    pub(super) crowd: Crowd,
    names: Names,
    /// It is the reactor that runs on this thread.
    running: Cell<bool>,
    /// It is, and has not been shut down.
    pub(super) open: Cell<bool>,
    /// Whether the poll of the wake-up eventfd is in the kernel.
    pub(super) wake_armed: Cell<bool>,
    /// For how many turns on end streams have been parked for want of a buffer.
    pub(super) parked_turns: Cell<u32>,
    /// Somebody waits for the end of an operation that says nothing of itself.
    pub(super) hurried: Cell<bool>,
    /// Something has been done beside the ring since the last turn.
    pub(super) called: Cell<bool>,
    pub(super) task_budget: usize,
    /// What other rooms keep once for each reactor, by type.
    locals: RefCell<HashMap<TypeId, Box<dyn Any>>>,
}

/// Takes the reactor off the thread again.
pub(super) struct Entered {
    core: Rc<Core>,
    _executor: crate::task::Entered,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.core.running.set(false);
        self.core.open.set(false);
        let core = CURRENT.try_with(RefCell::take);
        // Dropped when the cell is no longer borrowed.
        drop(core);
    }
}

/// What an operation goes through, and what each turn looks at. In one cell, since it mostly takes several of these.
pub(super) struct Inner {
    pub(super) ring: Ring,
    pub(super) table: Table,
    pub(super) queue: Queue,
    pub(super) timers: Wheel<Waker>,
}

/// What waits to be staged, in this order: cancels, then operations.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) cancels: VecDeque<OpId>,
    /// Cancels that have missed their target often, and when to try them again.
    pub(super) later: BinaryHeap<Reverse<(Instant, OpId)>>,
    pub(super) ops: VecDeque<OpId>,
}

impl Queue {
    /// Whether nothing waits to be staged.
    pub(super) fn is_empty(&self) -> bool {
        self.cancels.is_empty() && self.ops.is_empty()
    }
}

impl Core {
    pub(super) fn new(builder: &Builder) -> Result<Rc<Core>, Error> {
        let mut ring = Ring::new(&Setup {
            sq_entries: builder.sq_entries,
            cq_entries: builder.cq_entries,
            defer_taskrun: builder.defer_taskrun,
        })?;
        let out_of_memory = |error| {
            Error::with_source(
                ErrorKind::OutOfMemory,
                format!(
                    "no memory for {} pooled buffers of {} bytes: ask for less with \
                     Reactor::builder().pool()",
                    builder.pool_buffers, builder.pool_buffer_size
                ),
                error,
            )
        };
        let buffers =
            BufRing::new(builder.pool_buffers, builder.pool_buffer_size).map_err(out_of_memory)?;
        ring.register_buffers(&buffers)?;
        let remote = Remote::new().map_err(|error| {
            Error::with_source(
                ErrorKind::Io,
                "no eventfd for wake-ups could be made: is the limit of open files (ulimit -n) reached?",
                error,
            )
        })?;
        let stall = builder
            .stall
            .clone()
            .map(|(threshold, callback)| StallWatch::new(threshold, callback));
        let executor = Executor::new(remote, stall);
        Ok(Rc::new(Core {
            inner: RefCell::new(Inner {
                ring,
                table: Table::new(
                    builder.max_operations,
                    builder.multishot_backlog,
                    Posts::new(builder.sq_entries),
                    own_wakers(),
                ),
                queue: Queue::default(),
                timers: Wheel::new(),
            }),
            descriptors: Rc::default(),
            pool: Pool::new(buffers),
            spares: Spares::default(),
            clock: Clock::new(Instant::now()),
            executor,
            counters: Counters::default(),
            spin: Spin::new(builder.spin),
            gather: Gather::new(match builder.defer_taskrun {
                true => builder.gather,
                // Each completion wakes the thread then, however many it waits for.
                false => Duration::ZERO,
            }),
            #[cfg(feature = "http")]
            crowd: Crowd::default(),
            running: Cell::new(false),
            open: Cell::new(false),
            names: Names::new(builder.cached_names, builder.names_kept),
            wake_armed: Cell::new(false),
            parked_turns: Cell::new(0),
            hurried: Cell::new(false),
            called: Cell::new(false),
            task_budget: builder.task_budget,
            locals: RefCell::default(),
        }))
    }

    /// The reactor that runs on this thread.
    pub(crate) fn current() -> io::Result<Rc<Core>> {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .ok()
            .flatten()
            .ok_or_else(no_reactor)
    }

    /// Whether this is the reactor that runs on this thread.
    pub(crate) fn is_current(&self) -> bool {
        self.running.get()
    }

    /// Makes this the reactor of the thread until the guard is dropped.
    pub(super) fn enter(self: &Rc<Core>) -> Result<Entered, Error> {
        let executor = self.executor.enter().ok_or_else(|| {
            Error::new(
                ErrorKind::Nested,
                "block_on was called inside a running reactor, which it would block: await the future, or \
                 spawn it",
            )
        })?;
        self.running.set(true);
        self.open.set(!self.is_shut());
        // Fails only while the thread ends: then nobody looks for a reactor any more.
        let _ = CURRENT.try_with(|current| current.replace(Some(Rc::clone(self))));
        Ok(Entered {
            core: Rc::clone(self),
            _executor: executor,
        })
    }

    /// Whether the reactor has been shut down.
    pub(crate) fn is_shut(&self) -> bool {
        self.table().is_shut()
    }

    /// Whether the reactor runs here and has not been shut down.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// The error for a call on a reactor that has been shut down, or does not run here: its turn might never come.
    #[inline]
    pub(crate) fn check_open(&self) -> io::Result<()> {
        match self.is_open() {
            true => Ok(()),
            false => Err(self.why_not_open()),
        }
    }

    #[cold]
    #[inline(never)]
    fn why_not_open(&self) -> io::Error {
        match self.is_shut() {
            true => shut_down(),
            false => elsewhere(),
        }
    }

    #[inline]
    pub(super) fn inner(&self) -> RefMut<'_, Inner> {
        self.inner.borrow_mut()
    }

    #[inline]
    pub(super) fn ring(&self) -> RefMut<'_, Ring> {
        RefMut::map(self.inner(), |inner| &mut inner.ring)
    }

    #[inline]
    pub(super) fn table(&self) -> RefMut<'_, Table> {
        RefMut::map(self.inner(), |inner| &mut inner.table)
    }

    #[inline]
    pub(super) fn queue(&self) -> RefMut<'_, Queue> {
        RefMut::map(self.inner(), |inner| &mut inner.queue)
    }

    #[inline]
    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// Memory for operations.
    #[inline]
    pub(crate) fn spares(&self) -> &Spares {
        &self.spares
    }

    /// The names that have been or are being resolved.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Counts an accept that had to be postponed.
    pub(crate) fn accept_paused(&self) {
        self.counters.accepts_paused.add(1);
    }

    /// Whether bind and listen are operations of this kernel's ring.
    pub(crate) fn has_bind_listen(&self) -> bool {
        self.ring().has_bind_listen()
    }

    /// The value of type `T` that this reactor keeps; made when it is first asked for, and dropped with the
    /// tasks when the reactor is shut down.
    pub(crate) fn local<T: Clone + Default + 'static>(&self) -> T {
        let known = self
            .locals
            .borrow()
            .get(&TypeId::of::<T>())
            .and_then(|local| local.downcast_ref::<T>().cloned());
        known.unwrap_or_else(|| {
            let made = T::default();
            self.locals
                .borrow_mut()
                .insert(TypeId::of::<T>(), Box::new(made.clone()));
            made
        })
    }

    /// Drops what [`local`](Core::local) has made.
    pub(super) fn drop_locals(&self) {
        let locals = self.locals.take();
        drop(locals);
    }

    /// Hands an operation over; it is queued for the next turn.
    pub(crate) fn hand_over<O: Operation>(&self, op: O) -> Handed<O> {
        Handed::new(self, Box::new(op))
    }

    /// Hands an operation over, to be awaited by itself.
    pub(crate) fn submit<O: Operation>(self: &Rc<Core>, op: O) -> Submission<O> {
        Submission::new(self, Box::new(op))
    }

    /// Whether an operation may be staged at once: nothing waits before it, and there is room for it in the table.
    #[inline(always)]
    fn is_clear(&self, inner: &mut Inner) -> bool {
        // Once the reactor is being shut down nobody else stages anything.
        let open = !inner.table.is_shut() && inner.table.has_room(None);
        let closed = self.descriptors.closes.is_empty() || (open && self.stage_closes(inner));
        open && closed && inner.queue.is_empty()
    }

    /// Stages a post with its request; gives it back as [`stage_now`](Core::stage_now) does.
    #[inline(always)]
    pub(crate) fn post(&self, (post, request): (Post, Request)) -> Result<(), Post> {
        let inner = &mut *self.inner();
        if !self.is_clear(inner) || inner.table.posts.is_full() {
            return Err(post);
        }
        let Inner { ring, table, .. } = inner;
        let Some(place) = ring.place() else {
            return Err(post);
        };
        place.stage(&request, table.posts.next_user_data());
        post.begun();
        table.posts.push(post);
        self.counters.sqes.add(1);
        self.spin.asked();
        Ok(())
    }

    /// Stages an operation without the way through the queue; its first completion wakes `waker`. Gives it back where
    /// something waits in the queue, which it must not hold up, or there is no room.
    #[inline(always)]
    pub(crate) fn stage_now<O: Operation>(
        &self,
        mut op: Box<O>,
        waker: Waker,
    ) -> Result<OpId, (Box<O>, Waker)> {
        let inner = &mut *self.inner();
        if !self.is_clear(inner) {
            return Err((op, waker));
        }
        let Inner { ring, table, .. } = inner;
        let Some(place) = ring.place() else {
            return Err((op, waker));
        };
        op.placed();
        let (id, staged) = table.insert_staged(op, place, waker);
        self.counters.sqes.add(1);
        if staged.prompting {
            self.spin.asked();
        }
        Ok(id)
    }

    /// Whether what may go beside the ring, with a system call of its own, should: nothing else goes out in this turn, or
    /// may, and it is the first of this turn. Whoever does one after the other would otherwise never let the reactor have
    /// its turn, in which timers fire and descriptors are closed.
    pub(crate) fn may_call(&self) -> bool {
        let Inner { ring, queue, .. } = &mut *self.inner();
        let busy = self.executor.has_ready() || !queue.is_empty() || ring.staged() > 0;
        !busy && !self.called.replace(true)
    }

    /// Descriptors are short: closes those that nobody holds any more, as the next turn would. What waits beside them goes
    /// out, too.
    ///
    /// # Errors
    ///
    /// Only if the ring itself fails.
    #[cold]
    pub(crate) fn close_early(&self) -> Result<(), Error> {
        self.stage();
        if self.ring().staged() > 0 {
            self.enter_ring(Wait::No)?;
        }
        Ok(())
    }

    /// Somebody waits for the end of a posted operation: the next turn must not sleep before it has told.
    pub(crate) fn hurry(&self) {
        self.hurried.set(true);
    }

    /// The counted descriptor of a socket, which this reactor closes.
    pub(crate) fn share(&self, fd: OwnedFd) -> SharedFd {
        SharedFd::new(fd, &self.descriptors)
    }

    /// The counted descriptor of a socket that connects from here, likewise.
    pub(crate) fn share_called(&self, fd: OwnedFd) -> SharedFd {
        let fd = self.share(fd);
        fd.set_called();
        fd
    }

    /// The counted descriptor of a file, likewise.
    pub(crate) fn share_file(&self, fd: OwnedFd) -> SharedFd {
        SharedFd::of_file(fd, &self.descriptors)
    }

    /// The future of `id` has gone; `cancel` also stops an operation that would rather finish.
    pub(crate) fn abandon(&self, id: OpId, cancel: bool) {
        let abandoned = self.table().abandon(id, cancel);
        if abandoned.cancel {
            self.queue().cancels.push_back(id);
        }
        if abandoned.again {
            self.queue().ops.push_front(id);
        }
        if let Some((op, cqes)) = abandoned.discard {
            self.discard(id, op, cqes);
        }
        if let Some(waker) = abandoned.waker {
            self.executor.shield(|| drop(waker));
        }
    }

    /// Lets an operation dispose of completions that nobody waits for; after the last one its slot is free.
    pub(super) fn discard(
        &self,
        id: OpId,
        mut op: Box<dyn Erased>,
        cqes: impl IntoIterator<Item = Cqe>,
    ) {
        for cqe in cqes {
            self.counters.discarded.add(1);
            self.executor.shield(|| op.discard(cqe));
        }
        let ended = self.table().put_back(id, op);
        if let Some(op) = ended {
            self.executor.shield(|| drop(op));
            self.slot_freed();
        }
    }

    /// A slot of the table may have become free: call those who wait for one.
    #[inline(always)]
    pub(super) fn slot_freed(&self) {
        let waited_for = self.table().is_waited_for();
        if waited_for {
            self.call_waiting();
        }
    }

    /// How many slots are missing for the operations that wait for one.
    #[cfg(feature = "http")]
    pub(crate) fn missing_slots(&self) -> usize {
        self.table().missing()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn call_waiting(&self) {
        loop {
            let next = self.table().call_next();
            match next {
                Some(waker) => self.wake(waker),
                None => return,
            }
        }
    }

    /// Wakes `waker`, which may be user code.
    pub(super) fn wake(&self, waker: Waker) {
        self.executor.shield(|| waker.wake());
    }

    pub(super) fn wake_all(&self, wakers: impl IntoIterator<Item = Waker>) {
        for waker in wakers {
            self.wake(waker);
        }
    }

    /// Starts a timer that wakes `waker` at `deadline`; never, where an `Instant` cannot say when.
    pub(crate) fn start_timer(&self, deadline: Option<Instant>, waker: Waker) -> TimerKey {
        let tick = deadline.map_or(NEVER, |deadline| self.clock.tick_at_or_after(deadline));
        self.inner().timers.insert(tick, waker)
    }

    /// Whether the timer has still to fire; if so, it wakes `waker` from now on.
    pub(crate) fn poll_timer(&self, key: TimerKey, waker: &Waker) -> bool {
        match self.inner().timers.get_mut(key) {
            None => return false,
            Some(known) if known.will_wake(waker) => return true,
            Some(_) => {}
        }
        // A foreign waker's clone and drop are user code.
        let mut other = waker.clone();
        if let Some(known) = self.inner().timers.get_mut(key) {
            std::mem::swap(known, &mut other);
        }
        drop(other);
        true
    }

    /// Gives a timer another deadline; `false` if it has fired.
    pub(crate) fn reset_timer(&self, key: TimerKey, deadline: Instant) -> bool {
        let tick = self.clock.tick_at_or_after(deadline);
        self.inner().timers.reset(key, tick)
    }

    /// Stops a timer; one that has fired is left alone.
    pub(crate) fn stop_timer(&self, key: TimerKey) {
        let waker = self.inner().timers.cancel(key);
        drop(waker);
    }

    /// What has been counted until now.
    pub(super) fn metrics(&self) -> Metrics {
        let counters = &self.counters;
        let Inner {
            ring,
            table,
            timers,
            ..
        } = &*self.inner();
        Metrics {
            enters: counters.enters.get(),
            waits: counters.waits.get(),
            sqes: counters.sqes.get(),
            cqes: counters.cqes.get(),
            spins: counters.spins.get(),
            spins_won: counters.spins_won.get(),
            gathers: counters.gathers.get(),
            cancels: counters.cancels.get(),
            cancels_won: table.cancels_won,
            cancels_lost: table.cancels_lost,
            discarded: counters.discarded.get(),
            pool_parks: self.pool.parks(),
            throttled: counters.throttled.get(),
            cq_overflows: ring.overflows(),
            stale: counters.stale.get(),
            accepts_paused: counters.accepts_paused.get(),
            look_ups: self.names.look_ups(),
            stalls: self.executor.stalls(),
            panics: self.executor.panics(),
            operations: table.len() + self.descriptors.closes.len(),
            tasks: self.executor.len(),
            timers: timers.len(),
            pool_available: self.pool.available(),
            pool_buffers: self.pool.buffers().count(),
        }
    }
}
