//! When to sleep until several completions are there.
//!
//! To be woken costs the processor more than a completion does. Where the peers are what all wait for, each sleep
//! ends with the first few answers of many, and the next one begins at once. Then the reactor sleeps on for a bounded
//! time, to take more of them together: this side has less to do, the peers have no less, and what they share (a
//! core, a lock of the kernel) is theirs for longer.
//!
//! # The rule
//!
//! Only a gap that may end with an answer counts, as in `spin.rs`. Sixteen of these are a stretch, and first comes one in
//! which nothing is gathered. It shows how far apart completions are, and with so many streams that have connected from
//! here and await an answer (`op/asking.rs`) how long one of these takes: that many intervals (Little's law). Those that
//! were accepted do not count: what is sent on them is the answer, and the next question may be far. From then on the
//! reactor sleeps until half of the answers have come, or 32, since more are no cheaper and need more buffers at once;
//! but for no longer than an eighth of what an answer takes, nor than the limit; and only where at least two are to be
//! expected in that time, so that a slow peer's answers are not held up for others that are far away. That takes
//! sixteen streams.
//!
//! Not all that count as awaited need be so: who is only ever sent to answers nothing, and some peers are slower than
//! others. Then a sleep holds up the few that would go on at once. Nor has this side always time to spare. It shows: a
//! stretch in which completions came at less than seven eighths of their pace before was in vain, and nothing is
//! gathered for a stretch, then for two, four, up to 1,024. After eight stretches that were not in vain there is one
//! without again, to compare with. A pause in between begins it all anew.
//!
//! If no completion has come in time, the reactor sleeps on until the first. So an answer is told at most the limit
//! later, as is what another thread sends; a timer ends the sleep when it is due.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::spin::nanos;

/// The part of what an answer takes that it may take longer.
const LATER: u64 = 8;

/// So many completions are to be expected, at least.
const FEWEST: u64 = 2;

/// Where fewer await an answer, there is nothing to gather.
const MANY_ANSWERS: u32 = (LATER * FEWEST) as u32;

/// This part of those that are awaited is enough.
const ENOUGH: u32 = 2;

/// And so are so many.
const MOST: u32 = 32;

/// The gaps of a stretch.
const GAPS: u32 = 16;

/// After so many gathered stretches comes one without.
const RUNS: u32 = 8;

/// For so many stretches nothing is gathered, at most.
const LONGEST_REST: u32 = 1024;

/// From the end of a gap to that of the next there are at most so many limits; what is longer is a pause.
const LONGEST_LIMITS: u64 = 16;

/// Some gaps on end.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    gaps: u32,
    /// From the end of the gap before to the end of the last.
    time_ns: u64,
    completions: u64,
}

impl Stretch {
    /// The time from one completion to the next.
    fn interval_ns(&self) -> Option<u64> {
        self.time_ns
            .checked_div(self.completions)
            .map(|ns| ns.max(1))
    }

    /// Whether completions came at less than seven eighths of the pace that they had in `other`.
    fn is_slower_than(&self, other: &Stretch) -> bool {
        let product = |count: u64, time: u64, by: u128| u128::from(count) * u128::from(time) * by;
        product(self.completions, other.time_ns, 8) < product(other.completions, self.time_ns, 7)
    }
}

/// The decision and what it rests on.
#[derive(Debug)]
pub(super) struct Gather {
    limit_ns: u64,
    /// When the last gap ended, and how many completions there had been in all.
    ended: Cell<Option<Instant>>,
    completions: Cell<u64>,
    /// The next gap is the one before a stretch.
    before: Cell<bool>,
    /// The stretch that goes on, and the last one in which nothing was gathered.
    stretch: Cell<Stretch>,
    plain: Cell<Stretch>,
    /// Whether something is gathered in this one.
    gathers: Cell<bool>,
    /// How many were since the last one without.
    runs: Cell<u32>,
    /// For how many stretches it still rests, and for how many after the next that was in vain.
    rest: Cell<u32>,
    next_rest: Cell<u32>,
}

impl Gather {
    /// Sleeps of at most `limit` for more than one completion; zero turns them off.
    pub(super) fn new(limit: Duration) -> Gather {
        Gather {
            limit_ns: nanos(limit),
            ended: Cell::new(None),
            completions: Cell::new(0),
            before: Cell::new(false),
            stretch: Cell::default(),
            plain: Cell::default(),
            gathers: Cell::new(false),
            runs: Cell::new(0),
            rest: Cell::new(0),
            next_rest: Cell::new(1),
        }
    }

    /// Whether it is worth while to measure the gap that begins now, with so many answers `awaited`.
    #[inline]
    pub(super) fn may(&self, awaited: u32) -> bool {
        awaited >= MANY_ANSWERS && self.limit_ns > 0
    }

    /// For how many completions to sleep now, and for how long at most; `None` for the first.
    pub(super) fn plan(&self, awaited: u32) -> Option<(u32, Duration)> {
        if !self.gathers.get() || !self.may(awaited) {
            return None;
        }
        let interval = self.plain.get().interval_ns()?;
        let answer = interval.saturating_mul(u64::from(awaited));
        let wait = self.limit_ns.min(answer / LATER);
        (wait / interval >= FEWEST)
            .then(|| ((awaited / ENOUGH).min(MOST), Duration::from_nanos(wait)))
    }

    /// A gap has ended, and there have been so many completions in all before it did.
    pub(super) fn learn(&self, end: Instant, completions: u64) {
        let known = self.completions.replace(completions);
        let Some(last) = self.ended.replace(Some(end)) else {
            return;
        };
        let time = nanos(end.saturating_duration_since(last));
        if time > self.limit_ns.saturating_mul(LONGEST_LIMITS) {
            self.stretch.take();
            self.gathers.set(false);
            return;
        }
        if self.before.take() {
            return;
        }
        let mut stretch = self.stretch.take();
        stretch.gaps += 1;
        stretch.time_ns += time;
        stretch.completions += completions.saturating_sub(known);
        match stretch.gaps {
            GAPS => {
                self.end(stretch);
                // What the last gap has brought is reaped from now on, and is not of the next stretch.
                self.before.set(true);
            }
            _ => self.stretch.set(stretch),
        }
    }

    fn end(&self, stretch: Stretch) {
        if !self.gathers.get() {
            self.plain.set(stretch);
            let rest = self.rest.get();
            self.rest.set(rest.saturating_sub(1));
            self.runs.set(0);
            self.gathers.set(rest == 0);
        } else if stretch.is_slower_than(&self.plain.get()) {
            let rest = self.next_rest.get();
            // The next stretch is one without anyway.
            self.rest.set(rest - 1);
            self.next_rest.set((rest * 2).min(LONGEST_REST));
            self.gathers.set(false);
        } else {
            self.next_rest.set(1);
            self.runs.set(self.runs.get() + 1);
            self.gathers.set(self.runs.get() < RUNS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(200);

    /// What a reactor sees that has only this to do.
    struct Load {
        gather: Gather,
        now: Instant,
        completions: u64,
    }

    impl Load {
        fn new(limit: Duration) -> Load {
            Load {
                gather: Gather::new(limit),
                now: Instant::now(),
                completions: 0,
            }
        }

        /// Stretches, and the gap before each, in which so many completions come with each gap, and this is the time
        /// from one to the next.
        fn stretches(&mut self, count: u32, completions: u64, time: Duration) {
            for _ in 0..count * (GAPS + 1) {
                self.now += time;
                self.gather.learn(self.now, self.completions);
                self.completions += completions;
            }
        }

        /// After a stretch of this pace.
        fn of(completions: u64, time: Duration) -> Load {
            let mut load = Load::new(LIMIT);
            load.stretches(1, completions, time);
            load
        }

        fn plan(&self, awaited: u32) -> Option<(u32, Duration)> {
            self.gather.plan(awaited)
        }
    }

    fn micros(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    #[test]
    fn half_of_those_that_are_awaited_are_enough() {
        // An interval of 20 us: 100 take 2,000, and 20 take 400.
        let load = Load::of(3, micros(60));
        assert_eq!(load.plan(100), Some((MOST, LIMIT)));
        assert_eq!(load.plan(20), Some((10, micros(50))));
    }

    #[test]
    fn nothing_is_gathered_before_the_first_stretch_has_ended() {
        let mut load = Load::new(LIMIT);
        for _ in 0..GAPS + 1 {
            assert_eq!(load.plan(64), None);
            load.now += micros(60);
            load.gather.learn(load.now, load.completions);
            load.completions += 3;
        }
        assert!(load.plan(64).is_some());
    }

    #[test]
    fn few_streams_are_not_worth_it() {
        let load = Load::of(3, micros(10));
        assert_eq!(load.plan(0), None);
        assert_eq!(load.plan(MANY_ANSWERS - 1), None);
        assert!(load.plan(MANY_ANSWERS).is_some());
    }

    #[test]
    fn far_peers_hold_nobody_up() {
        let load = Load::of(2, micros(1000));
        assert_eq!(load.plan(1000), None);
    }

    #[test]
    fn gaps_without_a_completion_are_no_division_by_zero() {
        let mut load = Load::of(0, micros(10));
        assert_eq!(load.plan(64), None);
        load.stretches(10, 0, micros(10));
        assert_eq!(load.plan(64), None);
    }

    #[test]
    fn it_is_off_without_a_limit() {
        let mut load = Load::new(Duration::ZERO);
        load.stretches(10, 3, micros(60));
        assert!(!load.gather.may(u32::MAX));
        assert_eq!(load.plan(u32::MAX), None);
    }

    #[test]
    fn no_limit_is_too_long() {
        let mut load = Load::new(Duration::MAX);
        load.stretches(2, 1, Duration::from_secs(1 << 30));
        assert!(load.plan(u32::MAX).is_some());
    }

    #[test]
    fn what_was_in_vain_is_tried_again_after_longer_and_longer_rests() {
        let mut load = Load::of(4, micros(50));
        let mut rests = Vec::new();
        for _ in 0..12 {
            assert!(load.plan(64).is_some());
            load.stretches(1, 4, micros(70));
            let mut rest = 0;
            while load.plan(64).is_none() {
                load.stretches(1, 4, micros(50));
                rest += 1;
            }
            rests.push(rest);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024]);
        // One that pays makes the next rest a short one.
        load.stretches(1, 12, micros(150));
        load.stretches(1, 4, micros(70));
        load.stretches(1, 4, micros(50));
        assert!(load.plan(64).is_some());
    }

    #[test]
    fn where_it_pays_every_ninth_stretch_is_one_to_compare_with() {
        let mut load = Load::of(3, micros(60));
        for _ in 0..3 {
            for run in 0..RUNS {
                assert!(load.plan(64).is_some(), "{run}");
                load.stretches(1, 10, micros(200));
            }
            assert_eq!(load.plan(64), None);
            load.stretches(1, 3, micros(60));
        }
    }

    #[test]
    fn after_a_pause_it_begins_anew() {
        let mut load = Load::of(3, micros(60));
        assert!(load.plan(64).is_some());
        load.now += Duration::from_secs(10);
        load.gather.learn(load.now, load.completions);
        assert_eq!(load.plan(64), None);
        load.stretches(1, 3, micros(60));
        assert!(load.plan(64).is_some());
    }
}
