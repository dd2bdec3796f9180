//! The slots of the table: where an operation stays while it is in flight, and the ids that name it.
//!
//! A slot stays where it is when it is freed, and is used again by the next operation with a generation of its own.
//! So nothing is moved on the way in or out but the operation itself.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::task::Waker;

use crate::op::Erased;
use crate::ring::{Completions, Cqe};

/// Names one operation for all time: a slot and the generation of its use, as `user_data` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpId {
    slot: u32,
    generation: Generation,
}

/// Which use of a slot: 31 bits, of which some are set, so that an `Option<OpId>` takes no more room.
type Generation = NonZeroU32;

/// Set in the `user_data` of a cancel, beside the id of its target.
const CANCEL_BIT: u64 = 1 << 63;
const LAST_GENERATION: u32 = (1 << 31) - 1;

/// The `user_data` of the reactor's own wake-up poll, and of its closes: without a generation.
pub(crate) const WAKE_USER_DATA: u64 = u32::MAX as u64;
pub(crate) const CLOSE_USER_DATA: u64 = WAKE_USER_DATA - 1;

impl OpId {
    #[inline]
    pub(crate) fn user_data(self) -> u64 {
        u64::from(self.slot) | u64::from(self.generation.get()) << 32
    }

    /// The `user_data` of the cancel that aims at this operation.
    pub(crate) fn cancel_user_data(self) -> u64 {
        self.user_data() | CANCEL_BIT
    }

    /// Whether `user_data` is that of an operation, not of a cancel, a post, a close or the wake-up poll: only
    /// that has a generation and no more.
    #[inline(always)]
    pub(super) fn is_of_operation(user_data: u64) -> bool {
        (user_data >> 32) as i32 > 0
    }

    /// Whether `user_data` is that of a cancel.
    pub(super) fn is_of_cancel(user_data: u64) -> bool {
        user_data & CANCEL_BIT != 0
    }

    /// The operation that `user_data` is of, or that the cancel with it aims at.
    #[inline]
    pub(crate) fn of(user_data: u64) -> OpId {
        OpId {
            slot: user_data as u32,
            // Where there is none, one that no slot has.
            generation: Generation::new((user_data >> 32) as u32 & LAST_GENERATION)
                .unwrap_or(Generation::MAX),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is no operation.
    Free,
    /// Waits to be staged.
    Queued,
    /// The kernel has it.
    InKernel,
    /// The final completion is here and nobody has fetched it.
    Done,
}

/// What a completion says; whose it is, its slot tells.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    result: i32,
    flags: u32,
}

impl Outcome {
    /// That of an operation which the kernel will not have again.
    pub(super) const CANCELLED: Outcome = Outcome {
        result: -libc::ECANCELED,
        flags: 0,
    };

    /// The same without the flags, which are those of another completion.
    pub(super) fn without_flags(self) -> Outcome {
        Outcome { flags: 0, ..self }
    }
}

impl From<Cqe> for Outcome {
    fn from(cqe: Cqe) -> Outcome {
        Outcome {
            result: cqe.result,
            flags: cqe.flags,
        }
    }
}

/// An operation and what has become of it, or room for one.
///
/// Each operation in flight has one, also that of a connection which is idle: it is kept small.
pub(super) struct Slot {
    generation: Generation,
    /// How often a cancel has not found it.
    pub(super) missed: u16,
    pub(super) phase: Phase,
    pub(super) completions: Completions,
    /// It has been in the kernel at least once.
    pub(super) begun: bool,
    /// No future waits for it.
    pub(super) abandoned: bool,
    pub(super) cancelled: bool,
    /// The waker is to be woken at the next completion; if not, it is here for the next wait.
    pub(super) waits: bool,
    /// The result; of a multishot the first that has not been fetched.
    pub(super) first: Option<Outcome>,
    /// The further results of a multishot; made when it is first needed.
    #[expect(
        clippy::box_collection,
        reason = "a pointer in each slot, instead of four words"
    )]
    pub(super) rest: Option<Box<VecDeque<Outcome>>>,
    /// `None` only while its `discard` runs, or where there is no operation.
    pub(super) op: Option<Box<dyn Erased>>,
    pub(super) waker: Option<Waker>,
}

impl Slot {
    /// How many results of a multishot wait.
    #[inline]
    pub(super) fn unfetched(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    /// `outcome` as a completion of this operation. One that has never begun says so.
    #[inline]
    pub(super) fn completion(&self, id: OpId, outcome: Outcome) -> Cqe {
        let cqe = match self.begun {
            true => Cqe {
                user_data: id.user_data(),
                ..Cqe::never_submitted()
            },
            false => Cqe::never_submitted(),
        };
        Cqe {
            result: outcome.result,
            flags: outcome.flags,
            ..cqe
        }
    }

    /// Takes every result that has not been fetched.
    pub(super) fn take_unfetched(&mut self, id: OpId) -> Vec<Cqe> {
        let first = self.first.take();
        let rest = self.rest.take().into_iter().flat_map(|rest| *rest);
        let outcomes = first.into_iter().chain(rest);
        outcomes
            .map(|outcome| self.completion(id, outcome))
            .collect()
    }

    /// Puts `op`, which is to be queued, into a slot that was free.
    #[inline(always)]
    pub(super) fn fill(&mut self, op: Box<dyn Erased>) {
        self.phase = Phase::Queued;
        self.completions = Completions::One;
        self.missed = 0;
        self.begun = false;
        self.abandoned = false;
        self.cancelled = false;
        self.waits = false;
        let before = self.op.replace(op);
        debug_assert!(before.is_none(), "a free slot is empty");
        // So there is nothing to be dropped, which takes a look at it.
        std::mem::forget(before);
    }

    /// Gives a new operation its waker.
    #[inline(always)]
    pub(super) fn set_waker(&mut self, waker: Option<Waker>) {
        let before = std::mem::replace(&mut self.waker, waker);
        debug_assert!(before.is_none(), "a new operation has no waker");
        // As in `fill`.
        std::mem::forget(before);
    }

    /// Wakes `waker` at the next completion, if the slot knows it from an earlier wait.
    #[inline]
    pub(super) fn wait_again(&mut self, waker: &Waker) -> bool {
        self.waits = matches!(&self.waker, Some(known) if known.will_wake(waker));
        self.waits
    }

    /// Lets a cancelled operation whose result is there, and only the notification is not, release what it
    /// needs no longer.
    pub(super) fn release(&mut self) {
        if let (Some(_result), Some(op)) = (self.first, &mut self.op) {
            op.release();
        }
    }
}

/// All slots, taken and free.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Slots {
    /// How many are taken.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a slot for `op`, which is to be queued.
    #[inline(always)]
    pub(super) fn insert(&mut self, op: Box<dyn Erased>) -> (OpId, &mut Slot) {
        let (id, slot) = self.take_free();
        slot.fill(op);
        (id, slot)
    }

    /// Takes a slot, to be filled.
    #[inline(always)]
    pub(super) fn take_free(&mut self) -> (OpId, &mut Slot) {
        let at = match self.free.pop() {
            Some(at) => at,
            None => self.grow(),
        };
        let slot = &mut self.slots[at as usize];
        let id = OpId {
            slot: at,
            generation: slot.generation,
        };
        (id, slot)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> u32 {
        let at = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: Generation::MIN,
            missed: 0,
            phase: Phase::Free,
            completions: Completions::One,
            begun: false,
            abandoned: false,
            cancelled: false,
            waits: false,
            first: None,
            rest: None,
            op: None,
            waker: None,
        });
        at
    }

    /// The slot of an operation that has not been freed.
    #[inline(always)]
    pub(super) fn get(&mut self, id: OpId) -> Option<&mut Slot> {
        self.slots
            .get_mut(id.slot as usize)
            .filter(|slot| slot.generation == id.generation)
    }

    /// Frees a slot. Its operation, its results and its waker have been taken out.
    #[inline(always)]
    pub(super) fn free(&mut self, id: OpId) {
        let slot = &mut self.slots[id.slot as usize];
        slot.phase = Phase::Free;
        if slot.rest.is_some() {
            slot.rest = None;
        }
        debug_assert!(slot.waker.is_none(), "a waker's drop may be user code");
        // From here on its id is stale.
        let next = (slot.generation.get() + 1) & LAST_GENERATION;
        slot.generation = Generation::new(next).unwrap_or(Generation::MIN);
        self.free.push(id.slot);
    }

    /// The slots that are taken.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (OpId, &mut Slot)> {
        let taken = self.slots.iter_mut().zip(0..);
        taken
            .filter(|(slot, _)| slot.phase != Phase::Free)
            .map(|(slot, at)| {
                let generation = slot.generation;
                let id = OpId {
                    slot: at,
                    generation,
                };
                (id, slot)
            })
    }
}
