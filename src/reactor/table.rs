//! The table of operations in flight: slots, generations, and the rules of a slot's life.
//!
//! A slot is taken when an operation is made and freed after its final completion, never earlier, whatever
//! becomes of the future. The rules live here and nowhere else:
//!
//! | state | a completion | the future is dropped |
//! | --- | --- | --- |
//! | queued, never in the kernel, or to begin again | - | the slot is freed at once, unless it is the rest of a send |
//! | in the kernel | kept for the future, which is woken | abandoned: cancelled, or left to finish |
//! | abandoned | discarded; the last one frees the slot | - |
//! | done | - | its completions are discarded and the slot is freed; the rest of a short send is queued |
//!
//! Nothing here calls user code or an operation's `discard`: the table says what is to be done
//! ([`Arrival`], [`Abandoned`]) and the reactor does it when the table is no longer borrowed. Only the waker of one
//! of the reactor's own tasks, which runs nothing but the reactor's code, is woken here; it is known by its vtable.

use std::collections::BTreeMap;
use std::task::{RawWakerVTable, Waker};
use std::time::Duration;

use super::posts::Posts;
pub(crate) use super::slots::OpId;
use super::slots::{Outcome, Phase, Slots};
use crate::op::{Erased, Next, OnDrop, Operation, Post, Staged};
use crate::ring::{Completions, Cqe, Place, Ring};

/// The place of a future in the queue of those that found the table full.
pub(crate) type Ticket = u64;

/// The slots.
pub(crate) struct Table {
    slots: Slots,
    /// They count as if each had a slot, which one that fails gets.
    pub(super) posts: Posts,
    limit: usize,
    /// What the wakers of the reactor's own tasks have in common.
    own_wakers: &'static RawWakerVTable,
    /// How many results of one multishot may wait before it is cancelled.
    multishot_limit: usize,
    /// Futures that found the table full, by ticket: the oldest first.
    waiting: BTreeMap<Ticket, Waker>,
    next_ticket: Ticket,
    /// How many of the free slots are for futures that have been called, until the next turn.
    reserved: usize,
    /// No more operations are taken, and none goes on for another round.
    shut: bool,
    /// How many operations the kernel has.
    in_kernel: usize,
    /// Cancelled operations that had no result yet, and those that had.
    pub(super) cancels_won: u64,
    pub(super) cancels_lost: u64,
}

/// What a completion asks the reactor to do.
pub(crate) enum Arrival {
    /// Nothing; where a task of this reactor waits, it has been woken.
    Nothing,
    /// Wake whoever waits, which is somebody else's waker.
    Wake(Waker),
    /// A multishot has too many unfetched results: cancel it, then wake.
    Throttle(Option<Waker>),
    /// The operation goes on: queue it again.
    Again,
    /// Nobody waits: call `discard`, then give the operation back with [`Table::put_back`].
    Discard(Box<dyn Erased>),
    /// No operation in flight has this id.
    Stale,
}

/// What an abandoned operation asks the reactor to do, in this order.
#[derive(Default)]
pub(crate) struct Abandoned {
    /// Call `discard` for each completion, then give the operation back with [`Table::put_back`].
    pub(crate) discard: Option<(Box<dyn Erased>, Vec<Cqe>)>,
    /// Stage a cancel: the kernel has it.
    pub(crate) cancel: bool,
    /// It goes on: queue it again.
    pub(crate) again: bool,
    /// Drop it, which is user code, when the table is no longer borrowed.
    pub(crate) waker: Option<Waker>,
}

/// What a future finds.
pub(crate) enum Fetched {
    /// A completion, the operation that knows its meaning, and the waker of an earlier wait, to be dropped when the
    /// table is no longer borrowed.
    Result(Box<dyn Erased>, Cqe, Option<Waker>),
    /// Nothing yet, and whether the slot has its waker; if not, [`Table::set_waker`].
    Nothing { known_waker: bool },
}

/// What a stream finds.
pub(crate) enum FetchedNext {
    /// A completion, which is not the last.
    Result(Cqe),
    /// The last completion, the operation and the waker, as in [`Fetched::Result`].
    Last(Cqe, Box<dyn Erased>, Option<Waker>),
    /// As [`Fetched::Nothing`].
    Nothing { known_waker: bool },
}

/// What a stream mostly finds, of those that have a buffer with each result.
pub(crate) enum Glance {
    /// A completion with bytes in a buffer of the pool.
    Bytes(Cqe),
    /// The same, and the last; with the operation and the waker, as in [`Fetched::Result`].
    LastBytes(Cqe, Box<dyn Erased>, Option<Waker>),
    /// Nothing; it is woken by the next one.
    Nothing,
    /// Something else: nothing has been changed.
    Other,
}

impl Table {
    pub(crate) fn new(
        limit: usize,
        multishot_limit: usize,
        posts: Posts,
        own_wakers: &'static RawWakerVTable,
    ) -> Table {
        Table {
            slots: Slots::default(),
            posts,
            limit,
            own_wakers,
            multishot_limit,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            reserved: 0,
            shut: false,
            in_kernel: 0,
            cancels_won: 0,
            cancels_lost: 0,
        }
    }

    /// How many operations there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len() + self.posts.len()
    }

    /// Whether an operation of a user finds room; those that came earlier go first.
    #[inline]
    pub(crate) fn has_room(&self, ticket: Option<Ticket>) -> bool {
        let free = self.limit.saturating_sub(self.len());
        match ticket {
            // It has been called; where another was faster, it keeps its place in the queue.
            Some(ticket) if !self.waiting.contains_key(&ticket) => free > 0,
            _ => free > self.reserved,
        }
    }

    /// Takes no more operations from now on.
    pub(crate) fn shut(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.shut = true;
        std::mem::take(&mut self.waiting).into_values()
    }

    #[inline]
    pub(crate) fn is_shut(&self) -> bool {
        self.shut
    }

    /// Calls `waker` when a slot is free and everybody with an older ticket has been called. The waker of the
    /// same ticket before is returned, to be dropped when the table is no longer borrowed.
    pub(crate) fn wait_for_room(
        &mut self,
        ticket: Option<Ticket>,
        waker: Waker,
    ) -> (Ticket, Option<Waker>) {
        let ticket = ticket.unwrap_or_else(|| {
            self.next_ticket += 1;
            self.next_ticket
        });
        (ticket, self.waiting.insert(ticket, waker))
    }

    /// The future with this ticket waits no more; its waker is returned as above.
    pub(crate) fn leave_queue(&mut self, ticket: Ticket) -> Option<Waker> {
        let waker = self.waiting.remove(&ticket);
        if waker.is_none() {
            // It had been called: its slot is for the next.
            self.reserved = self.reserved.saturating_sub(1);
        }
        waker
    }

    /// Whether futures wait for a slot.
    #[inline]
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many slots are missing for the futures that wait.
    #[cfg(feature = "http")]
    pub(crate) fn missing(&self) -> usize {
        match self.waiting.len() {
            0 => 0,
            waiting => (self.len() + self.reserved + waiting).saturating_sub(self.limit),
        }
    }

    /// The next future to call, if there is a free slot for it.
    pub(crate) fn call_next(&mut self) -> Option<Waker> {
        if self.waiting.is_empty() || self.len() + self.reserved >= self.limit {
            return None;
        }
        self.reserved += 1;
        self.waiting.pop_first().map(|(_, waker)| waker)
    }

    /// A new turn: who was called and has not come (a future may be forgotten) holds up the others no longer.
    /// Says whether somebody waits for a slot.
    #[inline]
    pub(crate) fn end_reservations(&mut self) -> bool {
        self.reserved = 0;
        self.is_waited_for()
    }

    /// Takes a slot for `op` and stages it. Its first completion wakes `waker`.
    #[inline(always)]
    pub(crate) fn insert_staged<O: Operation>(
        &mut self,
        mut op: Box<O>,
        place: Place<'_>,
        waker: Waker,
    ) -> (OpId, Staged) {
        let (id, slot) = self.slots.take_free();
        let staged = crate::op::stage(&mut *op, place, id.user_data());
        slot.fill(op);
        slot.completions = staged.completions;
        slot.waits = true;
        slot.set_waker(Some(waker));
        slot.phase = Phase::InKernel;
        slot.begun = true;
        self.in_kernel += 1;
        (id, staged)
    }

    /// Takes a slot for `op`, which is to be queued. Its first completion wakes `waker`.
    #[inline(always)]
    pub(crate) fn insert(&mut self, op: Box<dyn Erased>, waker: Option<Waker>) -> OpId {
        let (id, slot) = self.slots.insert(op);
        slot.waits = waker.is_some();
        slot.set_waker(waker);
        id
    }

    /// Takes a slot for `op`, which is to be queued and for which nobody waits.
    pub(crate) fn insert_detached(&mut self, op: Box<dyn Erased>) -> OpId {
        let (id, slot) = self.slots.insert(op);
        slot.abandoned = true;
        id
    }

    /// Takes a slot for what is left of a post, which is to be queued.
    pub(crate) fn insert_rest(&mut self, op: Box<dyn Erased>) -> OpId {
        let (id, slot) = self.slots.insert(op);
        slot.abandoned = true;
        slot.begun = true;
        id
    }

    /// Stages a queued operation in `ring`, which has room: the kernel will have it. `None` if it has left the queue
    /// by being dropped.
    #[inline(always)]
    pub(crate) fn stage(&mut self, id: OpId, ring: &mut Ring) -> Option<Staged> {
        let slot = self.slots.get(id)?;
        if slot.phase != Phase::Queued {
            return None;
        }
        let staged = slot.op.as_mut()?.stage(ring, id.user_data())?;
        slot.completions = staged.completions;
        slot.phase = Phase::InKernel;
        slot.begun = true;
        self.in_kernel += 1;
        Some(staged)
    }

    /// Nobody waits for `id`; it goes on to its end.
    pub(crate) fn detach(&mut self, id: OpId) {
        if let Some(slot) = self.slots.get(id) {
            slot.abandoned = true;
        }
    }

    /// Whether a cancel for `id` still has a target in the kernel. A zero-copy send that only waits for its
    /// notification is none: nothing but the peer can hasten that.
    pub(crate) fn is_cancellable(&mut self, id: OpId) -> bool {
        self.slots.get(id).is_some_and(|slot| {
            let notification_only =
                slot.completions == Completions::ResultThenNotification && slot.first.is_some();
            slot.phase == Phase::InKernel && !notification_only
        })
    }

    /// A cancel has not found its target, or has found it and could only tell it to stop; says after how long to stage it
    /// again, if the target is still there.
    ///
    /// At once at first where it was not found, since a target between two of its tries soon is. One that still is not,
    /// such as a file read that waits for the disk, gets longer and longer pauses: trying on at once would be a spin.
    pub(crate) fn cancel_missed(&mut self, id: OpId, found: bool) -> Option<Duration> {
        const AT_ONCE: u16 = 512;
        const FIRST_PAUSE: Duration = Duration::from_millis(10);
        const DOUBLINGS: u16 = 7;
        if !self.is_cancellable(id) {
            return None;
        }
        let slot = self.slots.get(id)?;
        let missed = if found {
            slot.missed.max(AT_ONCE)
        } else {
            slot.missed
        };
        slot.missed = missed.saturating_add(1);
        Some(match slot.missed.checked_sub(AT_ONCE + 1) {
            None => Duration::ZERO,
            Some(pauses) => FIRST_PAUSE * (1 << pauses.min(DOUBLINGS)),
        })
    }

    /// Sorts a completion to its operation.
    #[inline(always)]
    pub(crate) fn arrive(&mut self, cqe: &mut Cqe) -> (OpId, Arrival) {
        let id = OpId::of(cqe.user_data);
        let slot = match self.slots.get(id) {
            Some(slot) if slot.phase == Phase::InKernel => slot,
            _ => return (id, Arrival::Stale),
        };
        let last = !cqe.has_more();
        if slot.completions == Completions::ResultThenNotification {
            match (last, slot.first) {
                (false, _) => {
                    slot.first = Some(Outcome::from(*cqe));
                    if slot.cancelled {
                        slot.release();
                    }
                    return (id, Arrival::Nothing);
                }
                // The notification frees the buffer; the result came before.
                (true, Some(result)) if cqe.is_notification() => {
                    *cqe = slot.completion(id, result.without_flags());
                    slot.first = None;
                }
                (true, _) => {}
            }
        }
        if last {
            self.in_kernel -= 1;
            if slot.completions != Completions::Many {
                let op = slot
                    .op
                    .as_mut()
                    .expect("an operation is in its slot between completions");
                if op.advance(*cqe, slot.abandoned) == Next::Again {
                    if !(self.shut || slot.cancelled) {
                        slot.phase = Phase::Queued;
                        return (id, Arrival::Again);
                    }
                    op.release();
                }
            }
            slot.phase = Phase::Done;
            match (slot.cancelled, cqe.is_cancelled()) {
                (true, true) => self.cancels_won += 1,
                (true, false) => self.cancels_lost += 1,
                (false, _) => {}
            }
        }
        if slot.abandoned {
            let op = slot
                .op
                .take()
                .expect("an operation is in its slot between completions");
            return (id, Arrival::Discard(op));
        }
        let outcome = Outcome::from(*cqe);
        if slot.first.is_none() {
            slot.first = Some(outcome);
        } else {
            slot.rest.get_or_insert_default().push_back(outcome);
        }
        let waits = std::mem::replace(&mut slot.waits, false);
        if !last && !slot.cancelled && slot.unfetched() >= self.multishot_limit {
            slot.cancelled = true;
            let waker = match waits {
                true => slot.waker.take(),
                false => None,
            };
            return (id, Arrival::Throttle(waker));
        }
        if !waits {
            return (id, Arrival::Nothing);
        }
        match &slot.waker {
            // One of our own stays for the next wait.
            Some(waker) if std::ptr::eq(waker.vtable(), self.own_wakers) => {
                waker.wake_by_ref();
                (id, Arrival::Nothing)
            }
            _ => {
                let waker = slot.waker.take();
                (id, waker.map_or(Arrival::Nothing, Arrival::Wake))
            }
        }
    }

    /// Takes back an operation whose `discard` has run. After its last completion the slot is
    /// freed, and the operation comes back to be dropped when the table is no longer borrowed.
    pub(crate) fn put_back(&mut self, id: OpId, op: Box<dyn Erased>) -> Option<Box<dyn Erased>> {
        let slot = self
            .slots
            .get(id)
            .expect("an operation that is out keeps its slot");
        if slot.phase == Phase::Done && slot.first.is_none() {
            self.slots.free(id);
            return Some(op);
        }
        slot.op = Some(op);
        None
    }

    /// Fetches the result of an operation with one, which frees its slot.
    #[inline(always)]
    pub(crate) fn poll(&mut self, id: OpId, waker: &Waker) -> Fetched {
        let slot = self.slots.get(id).expect("a future owns its slot");
        if slot.phase != Phase::Done {
            return Fetched::Nothing {
                known_waker: slot.wait_again(waker),
            };
        }
        let op = slot.op.take();
        let outcome = slot.first.take();
        let outcome = outcome.expect("a finished operation has its completion");
        let cqe = slot.completion(id, outcome);
        let waker = slot.waker.take();
        self.slots.free(id);
        let op = op.expect("a finished operation is in its slot");
        Fetched::Result(op, cqe, waker)
    }

    /// Fetches the next result of a multishot. The last frees its slot, and brings the operation.
    #[inline(always)]
    pub(crate) fn poll_next(&mut self, id: OpId, waker: &Waker) -> FetchedNext {
        let slot = self.slots.get(id).expect("a stream owns its slot");
        let Some(outcome) = slot.first.take() else {
            return FetchedNext::Nothing {
                known_waker: slot.wait_again(waker),
            };
        };
        let cqe = slot.completion(id, outcome);
        if let Some(rest) = &mut slot.rest {
            slot.first = rest.pop_front();
        }
        if slot.phase != Phase::Done || slot.first.is_some() {
            return FetchedNext::Result(cqe);
        }
        let op = slot.op.take();
        let waker = slot.waker.take();
        self.slots.free(id);
        FetchedNext::Last(cqe, op.expect("an operation is in its slot"), waker)
    }

    /// Fetches the next result of a multishot as [`poll_next`](Table::poll_next), if it is what one mostly finds.
    #[inline(always)]
    pub(crate) fn glance(&mut self, id: OpId, waker: &Waker) -> Glance {
        let Some(slot) = self.slots.get(id) else {
            return Glance::Other;
        };
        let Some(outcome) = slot.first else {
            return match slot.wait_again(waker) {
                true => Glance::Nothing,
                false => Glance::Other,
            };
        };
        let cqe = slot.completion(id, outcome);
        if cqe.result <= 0 || cqe.buffer_id().is_none() {
            return Glance::Other;
        }
        slot.first = slot.rest.as_mut().and_then(|rest| rest.pop_front());
        if slot.phase != Phase::Done || slot.first.is_some() {
            return Glance::Bytes(cqe);
        }
        let op = slot.op.take();
        let waker = slot.waker.take();
        self.slots.free(id);
        Glance::LastBytes(cqe, op.expect("an operation is in its slot"), waker)
    }

    /// Wakes `waker` at the next completion; returns the one before, to be dropped when the table is no longer
    /// borrowed.
    #[inline(always)]
    pub(crate) fn set_waker(&mut self, id: OpId, waker: Waker) -> Option<Waker> {
        let slot = self.slots.get(id).expect("whoever waits owns the slot");
        slot.waits = true;
        slot.waker.replace(waker)
    }

    /// The future or stream of `id` has gone. `cancel` overrides the operation's wish to finish.
    pub(crate) fn abandon(&mut self, id: OpId, cancel: bool) -> Abandoned {
        let shut = self.shut;
        let Some(slot) = self.slots.get(id) else {
            return Abandoned::default();
        };
        slot.abandoned = true;
        slot.waits = false;
        let waker = slot.waker.take();
        if slot.phase == Phase::Done
            && !(cancel || shut)
            && let Some(cqe) = slot.first.map(|outcome| slot.completion(id, outcome))
            && let Some(op) = &mut slot.op
            && op.resume(cqe) == Next::Again
        {
            slot.phase = Phase::Queued;
            slot.first = None;
            return Abandoned {
                again: true,
                waker,
                ..Abandoned::default()
            };
        }
        let mut unfetched = Vec::new();
        // A zero-copy send keeps its result here until the notification; that is not for fetching.
        if slot.phase == Phase::Done || slot.completions == Completions::Many {
            unfetched = slot.take_unfetched(id);
        }
        let ends = slot
            .op
            .as_ref()
            .is_some_and(|op| cancel || op.on_drop() == OnDrop::Cancel);
        match slot.phase {
            Phase::Free => {}
            // The rest of a send that has begun goes out; a receive that begins again has nothing yet.
            Phase::Queued if slot.begun && !ends => {
                return Abandoned {
                    waker,
                    ..Abandoned::default()
                };
            }
            Phase::Queued => {
                slot.phase = Phase::Done;
                unfetched.push(Cqe::never_submitted());
            }
            Phase::Done => {}
            Phase::InKernel => {
                let stage = ends && !slot.cancelled;
                slot.cancelled |= stage;
                if slot.cancelled && slot.completions == Completions::ResultThenNotification {
                    slot.release();
                }
                let discard = match unfetched.is_empty() {
                    true => None,
                    false => slot.op.take().map(|op| (op, unfetched)),
                };
                return Abandoned {
                    discard,
                    cancel: stage,
                    again: false,
                    waker,
                };
            }
        }
        Abandoned {
            discard: slot.op.take().map(|op| (op, unfetched)),
            waker,
            ..Abandoned::default()
        }
    }

    /// As if a zero-copy send had been staged.
    #[cfg(test)]
    pub(super) fn pretend_staged(&mut self, id: OpId) {
        let slot = self.slots.get(id).expect("it has its slot");
        slot.completions = Completions::ResultThenNotification;
        slot.phase = Phase::InKernel;
        slot.begun = true;
        self.in_kernel += 1;
    }

    /// Whether the operation has been in the kernel.
    #[cfg(test)]
    pub(super) fn has_begun(&mut self, id: OpId) -> bool {
        self.slots.get(id).is_some_and(|slot| slot.begun)
    }

    /// Whether a result of the operation waits to be fetched.
    #[cfg(test)]
    pub(super) fn has_result(&mut self, id: OpId) -> bool {
        self.slots.get(id).is_some_and(|slot| {
            slot.first.is_some()
                && (slot.phase == Phase::Done || slot.completions == Completions::Many)
        })
    }

    /// How many operations the kernel has.
    pub(crate) fn in_kernel(&self) -> usize {
        self.in_kernel + self.posts.len()
    }

    /// Ends every operation that is still queued as cancelled, and marks all others as such, since they are
    /// about to be. Returns the wakers of those that are waited for, and the ids of the abandoned ones.
    pub(crate) fn end_queued(&mut self) -> (Vec<Waker>, Vec<OpId>) {
        let (mut wakers, mut abandoned) = (Vec::new(), Vec::new());
        for (id, slot) in self.slots.iter_mut() {
            if slot.phase == Phase::InKernel {
                slot.cancelled = true;
            }
            if slot.phase != Phase::Queued {
                continue;
            }
            slot.phase = Phase::Done;
            self.cancels_won += 1;
            slot.first = Some(Outcome::CANCELLED);
            wakers.extend(slot.waker.take());
            if slot.abandoned {
                abandoned.push(id);
            }
        }
        (wakers, abandoned)
    }

    /// Takes out the posts that the kernel may still have. They must be leaked, not dropped.
    pub(crate) fn take_posts(&mut self) -> impl Iterator<Item = Post> + use<> {
        let mut posts = std::mem::replace(&mut self.posts, Posts::new(0));
        (0..posts.staged()).filter_map(move |_| posts.pop())
    }

    /// Takes out the operations that the kernel still has. They must be leaked, not dropped.
    /// Each comes with its results that nobody has fetched, to be discarded before.
    pub(crate) fn take_in_kernel(&mut self) -> Vec<(Box<dyn Erased>, Vec<Cqe>)> {
        self.in_kernel = 0;
        let mut wakers = Vec::new();
        let ops = self
            .slots
            .iter_mut()
            .filter(|(_, slot)| slot.phase == Phase::InKernel)
            .filter_map(|(id, slot)| {
                wakers.extend(slot.waker.take());
                let op = slot.op.take()?;
                let unfetched = match slot.completions {
                    Completions::Many => slot.take_unfetched(id),
                    _ => Vec::new(),
                };
                Some((op, unfetched))
            })
            .collect();
        // Leaked too: their futures stay pending for ever, as the operations do.
        wakers.into_iter().for_each(std::mem::forget);
        ops
    }
}
