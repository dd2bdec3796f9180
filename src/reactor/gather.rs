//! When to sleep until several completions are there.
//!
//! To be woken costs the processor more than a completion does. Where the peers are what all wait for, each sleep
//! ends with the first few answers of many, and the next one begins at once. Then the reactor sleeps on for a bounded
//! time, to take more of them together: this side has less to do, the peers have no less, and what they share (a
//! core, a lock of the kernel) is theirs for longer.
//!
//! # The rule
//!
//! Only a gap that may end with an answer counts, as in `spin.rs`. Of these the reactor keeps sums that fade by an
//! eighth with each: the time from the end of one to the end of the next, how much of it was the gap, and how many
//! completions there were. So it knows the interval between two completions, and with so many streams that await an
//! answer (`op/asking.rs`) how long one of these takes: that many intervals (Little's law). It sleeps until half of
//! them have come, or 32, since more are no cheaper and need more buffers at once; but for no longer than an eighth of
//! what an answer takes, nor than the limit; and only where
//!
//! - at least eight streams await an answer,
//! - two completions or more are to be expected in that time, so that a slow peer's answers are not held up for others
//!   that are far away,
//! - an eighth of all time was spent in gaps: where this side has no time to spare, the completions gather by
//!   themselves, and to wait would only make it later.
//!
//! If none has come by then, it sleeps on until the first. So an answer is told at most the limit later, as is what
//! another thread sends; a timer ends the sleep when it is due.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Where fewer await an answer, there is nothing to gather.
const MANY_ANSWERS: u32 = 8;

/// This part of those that are awaited is enough.
const ENOUGH: u32 = 2;

/// And so are so many.
const MOST: u32 = 32;

/// The part of what an answer takes that it may take longer.
const LATER: u64 = 8;

/// So many are to be expected, at least.
const FEWEST: u64 = 2;

/// The part of all time that was spent in gaps, at least.
const SPARE_TIME: u64 = 8;

/// With each gap the sums lose this part.
const FADE: u64 = 8;

/// A gap counts as at most this many limits, so that what follows a long one is soon noticed.
const LONGEST_LIMITS: u64 = 16;

/// So that a fraction of a completion does not fade at once.
const FINE: u64 = 256;

/// The decision and what it rests on.
#[derive(Debug)]
pub(super) struct Gather {
    limit_ns: u64,
    /// When the last gap ended, and how many completions there had been in all.
    ended: Cell<Option<(Instant, u64)>>,
    time_ns: Cell<u64>,
    gaps_ns: Cell<u64>,
    /// In parts of `FINE`.
    completions: Cell<u64>,
}

impl Gather {
    /// Sleeps of at most `limit` for more than one completion; zero turns them off.
    pub(super) fn new(limit: Duration) -> Gather {
        Gather {
            limit_ns: nanos(limit),
            ended: Cell::new(None),
            time_ns: Cell::new(0),
            gaps_ns: Cell::new(0),
            completions: Cell::new(0),
        }
    }

    /// Whether it is worth while to measure the gap that begins now, with so many answers `awaited`.
    #[inline]
    pub(super) fn may(&self, awaited: u32) -> bool {
        awaited >= MANY_ANSWERS && self.limit_ns > 0
    }

    /// For how many completions to sleep now, and for how long at most; `None` for the first.
    pub(super) fn plan(&self, awaited: u32) -> Option<(u32, Duration)> {
        if !self.may(awaited) {
            return None;
        }
        let (time, gaps) = (self.time_ns.get(), self.gaps_ns.get());
        let spare = gaps.saturating_mul(SPARE_TIME) >= time;
        let interval = time
            .saturating_mul(FINE)
            .checked_div(self.completions.get())?
            .max(1);
        let answer = interval.saturating_mul(u64::from(awaited));
        let wait = self.limit_ns.min(answer / LATER);
        (spare && wait / interval >= FEWEST)
            .then(|| ((awaited / ENOUGH).min(MOST), Duration::from_nanos(wait)))
    }

    /// A gap of this length has ended, and there have been so many completions before it.
    pub(super) fn learn(&self, gap: Duration, end: Instant, completions: u64) {
        let Some((before, known)) = self.ended.replace(Some((end, completions))) else {
            return;
        };
        let longest = self.limit_ns.saturating_mul(LONGEST_LIMITS);
        let time = nanos(end.saturating_duration_since(before)).min(longest);
        add(&self.time_ns, time);
        add(&self.gaps_ns, nanos(gap).min(time));
        add(
            &self.completions,
            completions.saturating_sub(known).saturating_mul(FINE),
        );
    }
}

/// Adds to a sum that fades.
fn add(sum: &Cell<u64>, more: u64) {
    let before = sum.get();
    sum.set((before - before / FADE).saturating_add(more));
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(200);

    /// After many gaps of `gap`, each followed by `busy` and with so many completions.
    fn after(gap: Duration, busy: Duration, completions: u64) -> Gather {
        let gather = Gather::new(LIMIT);
        let mut now = Instant::now();
        for round in 0..100 {
            now += gap + busy;
            gather.learn(gap, now, round * completions);
        }
        gather
    }

    fn micros(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    #[test]
    fn half_of_those_that_are_awaited_are_enough() {
        let gather = after(micros(30), micros(30), 3);
        // An interval of 20 us: 100 take 2,000.
        assert_eq!(gather.plan(100).unwrap(), (MOST, LIMIT));
        let (count, time) = gather.plan(20).unwrap();
        assert_eq!(count, 10);
        assert!(time > micros(48) && time < micros(52), "{time:?}");
    }

    #[test]
    fn nothing_is_known_at_first() {
        assert_eq!(Gather::new(LIMIT).plan(64), None);
    }

    #[test]
    fn few_streams_are_not_worth_it() {
        let gather = after(micros(5), micros(5), 3);
        assert_eq!(gather.plan(MANY_ANSWERS - 1), None);
        assert_eq!(gather.plan(0), None);
    }

    #[test]
    fn far_peers_hold_nobody_up() {
        let gather = after(micros(1000), micros(20), 2);
        assert_eq!(gather.plan(1000), None);
    }

    #[test]
    fn who_has_no_time_to_spare_does_not_wait() {
        let gather = after(micros(10), micros(200), 40);
        assert_eq!(gather.plan(64), None);
    }

    #[test]
    fn gaps_without_a_completion_are_no_division_by_zero() {
        let gather = after(micros(10), micros(10), 0);
        assert_eq!(gather.plan(64), None);
    }

    #[test]
    fn it_is_off_without_a_limit() {
        let gather = Gather::new(Duration::ZERO);
        assert!(!gather.may(u32::MAX));
        assert_eq!(gather.plan(u32::MAX), None);
    }

    #[test]
    fn a_long_gap_is_soon_forgotten() {
        let gather = after(micros(30), micros(30), 3);
        let (mut now, _) = gather.ended.get().unwrap();
        now += Duration::from_secs(10);
        gather.learn(Duration::from_secs(10), now, 297);
        let mut gaps = 0;
        while gather.plan(64).is_none() {
            gaps += 1;
            now += micros(60);
            gather.learn(micros(30), now, 297 + gaps * 3);
        }
        assert!(gaps < 20, "{gaps}");
    }
}
