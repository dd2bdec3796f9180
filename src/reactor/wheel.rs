//! Timers: a hierarchical wheel in user space.
//!
//! [`Wheel`] is a pure data structure. It knows no clock and does no I/O: time is a count of ticks since its
//! start. [`Clock`] is the thin layer that turns an [`Instant`] into such a count and back.
//!
//! # How the wheel is laid out
//!
//! A level has 64 slots. A slot of level `n` spans `64^n` ticks, and eleven levels cover every `u64`. A
//! deadline lives at the level of the highest digit (in base 64) in which it differs from `elapsed`, the tick
//! that the wheel has reached. Three things follow, and the code leans on them:
//!
//! - every occupied slot lies after the current one of its level, so the lowest bit of the level's occupancy
//!   word is its first slot, and no slot ever holds two rounds;
//! - everything at one level is due before anything at the level above, so the lowest occupied level holds the
//!   next deadline;
//! - when time enters a slot of level `n`, all lower levels are empty. Its timers move down ("cascade") before
//!   any younger one can be put there, so timers of one tick fire in the order in which they were set.
//!
//! # The life of a timer
//!
//! ```text
//!            insert/reset                  advance              pop_expired
//!   (none) ──────────────► slot or DUE ──────────────► EXPIRED ────────────► fired
//!                  └─────► IDLE (deadline NEVER)
//! ```
//!
//! A timer whose deadline is the current tick, or lies in the past, waits in `DUE` for the **next** `advance`;
//! it counts as one of the current tick, in order of insertion. So user code that sets timers of zero length
//! from inside a loop over `pop_expired` cannot keep that loop from ending.
//!
//! Until `pop_expired` hands it out a timer is live: it can be read, reset and cancelled, in `EXPIRED` too.
//!
//! The wheel never clones, drops or calls a value of the user's (other than by being dropped itself). Whoever
//! replaces a waker through [`Wheel::get_mut`] should drop the old one after the wheel's borrow has ended,
//! because dropping a waker is user code.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use slab::Slab;

/// The deadline that never comes: no `advance`, however far, expires it.
pub(crate) const NEVER: u64 = u64::MAX;

/// A tick is `2^TICK_SHIFT_NS` nanoseconds: 65.5 µs.
///
/// Rounding up costs at most one tick, which is about what the kernel adds to a sleep anyway (50 µs of timer
/// slack by default), and a reactor that waits for sockets has no use for finer steps. A power of two makes the
/// conversion a shift.
const TICK_SHIFT_NS: u32 = 16;

/// Bits of a tick that one level resolves: 64 slots, so that one word says which are occupied.
const LEVEL_BITS: usize = 6;
/// Slots of a level.
const SLOTS: usize = 1 << LEVEL_BITS;
/// Levels that cover all 64 bits of a tick. The 48 bits that a few centuries need would take eight; the three
/// more cost 1.5 KiB for each wheel and save a special case for what lies beyond.
const LEVELS: usize = 64_usize.div_ceil(LEVEL_BITS);

/// The list of timers that were set for the current tick or the past: the next `advance` expires them.
/// It and the two below are numbered as if they were slots of one more level.
const DUE: u16 = (LEVELS * SLOTS) as u16;
/// The list of timers that have expired and wait for `pop_expired`.
const EXPIRED: u16 = DUE + 1;
/// The list of timers whose deadline is [`NEVER`]. Nothing walks it.
const IDLE: u16 = DUE + 2;
/// All lists: the slots of every level, then the three above.
const LISTS: usize = LEVELS * SLOTS + 3;

/// The index that stands for "no timer".
const NIL: u32 = u32::MAX;

/// Names one timer of one wheel. A key whose timer has fired or was cancelled names nothing.
///
/// Generations are 32 bits and wrap. A stale key could name a stranger only if it were kept over a multiple of
/// exactly 2^32 insertions and its place in the arena were taken by the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey {
    /// Place in the arena.
    index: u32,
    /// Number of the insertion, modulo 2^32.
    generation: u32,
}

/// One live timer. 40 bytes with a waker in it, the arena's own tag included (it hides in the waker's niche).
struct Timer<T> {
    /// What `pop_expired` or `cancel` gives back.
    value: T,
    /// The tick it was set for, as the user said it.
    deadline_tick: u64,
    /// Neighbour towards the list's head, or `NIL`.
    prev: u32,
    /// Neighbour towards the list's tail, or `NIL`.
    next: u32,
    /// See [`TimerKey`].
    generation: u32,
    /// The list that it is linked into.
    list: u16,
}

/// Both ends of a doubly linked list through the arena. The tail is kept here, not as the head's `prev`: adding
/// then touches one old timer only, and with a million of them that touch is a cache miss.
#[derive(Clone, Copy)]
struct List {
    /// First timer, or `NIL`.
    head: u32,
    /// Last timer, or `NIL` exactly when `head` is.
    tail: u32,
}

/// The list of nobody.
const EMPTY: List = List {
    head: NIL,
    tail: NIL,
};

/// A hierarchical timer wheel. See the module's page.
///
/// Its arena grows by doubling and never shrinks; it keeps room for the most timers that were live at once.
pub(crate) struct Wheel<T> {
    /// The timers. A freed place is the first to be taken again, so a busy wheel stays in the cache.
    timers: Slab<Timer<T>>,
    /// Generation of the next insertion. One count for all places, so that a place that is free stores nothing.
    next_generation: u32,
    /// The tick that has been reached. Every timer in a slot has a later deadline.
    elapsed: u64,
    /// Bit `n`: some list of level `n` is occupied.
    occupied_levels: u16,
    /// For each level (and the three lists after them), bit `n`: list `n` is occupied.
    occupied: [u64; LEVELS + 1],
    /// The lists, by number.
    lists: [List; LISTS],
}

impl<T> Wheel<T> {
    /// An empty wheel at tick 0. It allocates nothing until the first insertion.
    pub(crate) const fn new() -> Self {
        Self {
            timers: Slab::new(),
            next_generation: 0,
            elapsed: 0,
            occupied_levels: 0,
            occupied: [0; LEVELS + 1],
            lists: [EMPTY; LISTS],
        }
    }

    /// How many timers are live: set, and neither popped nor cancelled.
    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether no timer is live.
    pub(crate) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Sets a timer. One for the current tick or the past expires at the next [`advance`](Self::advance); one
    /// for [`NEVER`] does not expire.
    pub(crate) fn insert(&mut self, deadline_tick: u64, value: T) -> TimerKey {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let list = self.list_for(deadline_tick);
        let timer = Timer {
            value,
            deadline_tick,
            prev: NIL,
            next: NIL,
            generation,
            list,
        };
        let index = u32::try_from(self.timers.insert(timer)).unwrap_or(NIL);
        assert!(index != NIL, "a wheel holds fewer than 2^32 - 1 timers");
        self.push_back(list, index);
        TimerKey { index, generation }
    }

    /// Takes a timer out. `None` when it has fired or was cancelled before.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.get(key)?;
        Some(self.remove(key.index))
    }

    /// The value of a live timer. `None` when it has fired or was cancelled.
    pub(crate) fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        let timer = self.timers.get_mut(key.index as usize)?;
        (timer.generation == key.generation).then_some(&mut timer.value)
    }

    /// Sets a live timer anew, as if it had been cancelled and inserted, but under the same key; one that has
    /// expired and was not popped yet is set back to waiting. `false` when it has fired or was cancelled.
    pub(crate) fn reset(&mut self, key: TimerKey, deadline_tick: u64) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        self.unlink(key.index);
        self.timers[key.index as usize].deadline_tick = deadline_tick;
        self.push_back(self.list_for(deadline_tick), key.index);
        true
    }

    /// Moves time on to `now_tick` and expires what is due by then, for [`pop_expired`](Self::pop_expired) to
    /// hand out. Time does not go backwards: a tick before the one reached counts as the one reached.
    pub(crate) fn advance(&mut self, now_tick: u64) {
        self.relink(DUE);
        while let Some((list, start_tick)) = self.first_slot() {
            if start_tick > now_tick {
                break;
            }
            // Slot after slot, not all at once: that is what keeps the order of expiry.
            self.elapsed = start_tick;
            self.relink(list);
        }
        self.elapsed = self.elapsed.max(now_tick);
    }

    /// Hands out the next expired timer: in the order of ticks, and in the order of insertion within one.
    pub(crate) fn pop_expired(&mut self) -> Option<T> {
        let index = self.lists[usize::from(EXPIRED)].head;
        (index != NIL).then(|| self.remove(index))
    }

    /// The tick at which to call [`advance`](Self::advance) next, or `None` when there is nothing to wait for.
    ///
    /// Never later than the earliest deadline, and exact when that is in the current 64 ticks. Further away it
    /// may be the start of the slot; advancing to it then expires nothing, but brings the answer nearer, and
    /// ten such steps at most lead to the deadline. The current tick when something is due or expired already.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let waits = |list: u16| self.lists[usize::from(list)].head != NIL;
        if waits(EXPIRED) || waits(DUE) {
            return Some(self.elapsed);
        }
        self.first_slot().map(|(_, start_tick)| start_tick)
    }

    /// The timer that a key names, if it is live.
    fn get(&self, key: TimerKey) -> Option<&Timer<T>> {
        self.timers
            .get(key.index as usize)
            .filter(|timer| timer.generation == key.generation)
    }

    /// The list in which a timer waits, as of now.
    fn list_for(&self, deadline_tick: u64) -> u16 {
        if deadline_tick == NEVER {
            return IDLE;
        }
        if deadline_tick <= self.elapsed {
            return DUE;
        }
        let level = (deadline_tick ^ self.elapsed).ilog2() as usize / LEVEL_BITS;
        let slot = (deadline_tick >> (level * LEVEL_BITS)) as usize % SLOTS;
        (level * SLOTS + slot) as u16
    }

    /// The occupied slot that time enters first, and the tick at which it does.
    fn first_slot(&self) -> Option<(u16, u64)> {
        let level = self.occupied_levels.trailing_zeros() as usize;
        if level >= LEVELS {
            return None; // nothing at all, or only the three lists that are no slots
        }
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = level * LEVEL_BITS;
        // The digits above this level are those of `elapsed`; the ones below are zero at the slot's start.
        let digits = (self.elapsed >> shift) & !(SLOTS as u64 - 1) | slot as u64;
        Some(((level * SLOTS + slot) as u16, digits << shift))
    }

    /// Empties a list that time has reached: what is due expires, the rest moves to lower levels.
    fn relink(&mut self, list: u16) {
        let mut index = self.lists[usize::from(list)].head;
        self.set_list(list, EMPTY);
        while index != NIL {
            let timer = &self.timers[index as usize];
            let (next, deadline_tick) = (timer.next, timer.deadline_tick);
            let due = deadline_tick <= self.elapsed;
            self.push_back(
                if due {
                    EXPIRED
                } else {
                    self.list_for(deadline_tick)
                },
                index,
            );
            index = next;
        }
    }

    /// Links a timer to a list's end. It must be in no list.
    fn push_back(&mut self, list: u16, index: u32) {
        let List { head, tail } = self.lists[usize::from(list)];
        let timer = &mut self.timers[index as usize];
        (timer.prev, timer.next, timer.list) = (tail, NIL, list);
        if tail != NIL {
            self.timers[tail as usize].next = index;
        }
        self.set_list(
            list,
            List {
                head: if head == NIL { index } else { head },
                tail: index,
            },
        );
    }

    /// Takes a timer out of its list.
    fn unlink(&mut self, index: u32) {
        let &Timer {
            prev, next, list, ..
        } = &self.timers[index as usize];
        let mut ends = self.lists[usize::from(list)];
        match prev {
            NIL => ends.head = next,
            prev => self.timers[prev as usize].next = next,
        }
        match next {
            NIL => ends.tail = prev,
            next => self.timers[next as usize].prev = prev,
        }
        self.set_list(list, ends);
    }

    /// Takes a timer out of its list and of the arena.
    fn remove(&mut self, index: u32) -> T {
        self.unlink(index);
        self.timers.remove(index as usize).value
    }

    /// Writes a list's ends, and whether it is occupied.
    fn set_list(&mut self, list: u16, ends: List) {
        let (level, slot) = (usize::from(list) / SLOTS, usize::from(list) % SLOTS);
        self.lists[usize::from(list)] = ends;
        self.occupied[level] =
            self.occupied[level] & !(1 << slot) | u64::from(ends.head != NIL) << slot;
        self.occupied_levels =
            self.occupied_levels & !(1 << level) | u16::from(self.occupied[level] != 0) << level;
    }
}

/// Turns instants into ticks since the wheel's start, and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The instant of tick 0.
    start: Instant,
}

impl Clock {
    /// A clock whose tick 0 is `start`.
    pub(crate) const fn new(start: Instant) -> Self {
        Self { start }
    }

    /// For a deadline: the first tick that is not before `instant`. Rounds up, so that a timer is never early.
    /// 0 for what lies before the start, [`NEVER`] for what a tick cannot count.
    pub(crate) fn tick_at_or_after(&self, instant: Instant) -> u64 {
        let since_start_ns = instant.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since_start_ns.div_ceil(1 << TICK_SHIFT_NS)).unwrap_or(NEVER)
    }

    /// For [`Wheel::advance`]: the last tick that is not after `now`. Rounds down, for the same reason.
    pub(crate) fn tick_at_or_before(&self, now: Instant) -> u64 {
        let since_start_ns = now.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since_start_ns >> TICK_SHIFT_NS).unwrap_or(NEVER)
    }

    /// The instant at which a tick begins, to sleep until. `None` for [`NEVER`], and for what an `Instant`
    /// cannot hold.
    pub(crate) fn instant_of(&self, tick: u64) -> Option<Instant> {
        if tick == NEVER {
            return None;
        }
        let since_start_ns = u128::from(tick) << TICK_SHIFT_NS;
        let secs = (since_start_ns / 1_000_000_000) as u64; // at most 2^80 ns, which is 2^51 s
        self.start
            .checked_add(Duration::new(secs, (since_start_ns % 1_000_000_000) as u32))
    }
}

#[cfg(test)]
mod tests;
