//! When to spin before going to sleep.
//!
//! Going to sleep and being woken costs the processor more than a short wait, and costs the peer the time of
//! the wake-up. So when the last gaps were short, the reactor looks for its next completion for a bounded
//! time before it sleeps. It looks at flags in memory that is shared with the kernel, without a system call.
//!
//! # The rule
//!
//! A gap is the time from having nothing to do to the next completion. The reactor keeps a moving average of
//! the gaps (a quarter of the newest), each counted as at most sixteen times the limit. It spins, for at most
//! the limit, while the average is not above the limit. So:
//!
//! - An idle reactor's first long gap lifts the average above the limit: it sleeps, and costs nothing.
//! - Under load there is always something to do, so that there are no gaps and no spins.
//! - A peer on the same core cannot answer while the reactor spins. The spins fail, the gaps count in full, and
//!   after a few the reactor sleeps at once.

use std::cell::Cell;
use std::time::Duration;

/// A gap counts as at most this many limits, so that short gaps are soon noticed after a long one.
const LONGEST_GAP_LIMITS: u64 = 16;

/// The decision and what it rests on.
#[derive(Debug)]
pub(super) struct Spin {
    limit_ns: u64,
    average_gap_ns: Cell<u64>,
}

impl Spin {
    /// Spins of at most `limit`; zero turns spinning off.
    pub(super) fn new(limit: Duration) -> Spin {
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX / LONGEST_GAP_LIMITS);
        Spin {
            limit_ns,
            average_gap_ns: Cell::new(limit_ns.saturating_mul(LONGEST_GAP_LIMITS)),
        }
    }

    /// Whether spinning is off for good, so that gaps need not be measured.
    pub(super) fn is_off(&self) -> bool {
        self.limit_ns == 0
    }

    /// How long to spin now; `None` to sleep at once.
    pub(super) fn duration(&self) -> Option<Duration> {
        (!self.is_off() && self.average_gap_ns.get() <= self.limit_ns)
            .then(|| Duration::from_nanos(self.limit_ns))
    }

    /// Takes a gap into the average.
    pub(super) fn learn(&self, gap: Duration) {
        let longest = self.limit_ns.saturating_mul(LONGEST_GAP_LIMITS);
        let gap_ns = u64::try_from(gap.as_nanos())
            .unwrap_or(longest)
            .min(longest);
        let average = self.average_gap_ns.get();
        self.average_gap_ns.set(average - average / 4 + gap_ns / 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(20);

    #[test]
    fn a_new_reactor_does_not_spin() {
        assert_eq!(Spin::new(LIMIT).duration(), None);
    }

    #[test]
    fn short_gaps_start_it_and_one_long_gap_stops_it() {
        let spin = Spin::new(LIMIT);
        for _ in 0..20 {
            spin.learn(Duration::from_micros(5));
        }
        assert_eq!(spin.duration(), Some(LIMIT));
        spin.learn(Duration::from_secs(1));
        assert_eq!(spin.duration(), None);
    }

    #[test]
    fn spins_that_fail_stop_it() {
        let spin = Spin::new(LIMIT);
        for _ in 0..20 {
            spin.learn(Duration::from_micros(5));
        }
        let failed = LIMIT * 2;
        let tries = (0..100).take_while(|_| {
            spin.learn(failed);
            spin.duration().is_some()
        });
        assert!(tries.count() < 5);
    }

    #[test]
    fn zero_turns_it_off() {
        let spin = Spin::new(Duration::ZERO);
        spin.learn(Duration::ZERO);
        assert!(spin.is_off());
        assert_eq!(spin.duration(), None);
    }
}
