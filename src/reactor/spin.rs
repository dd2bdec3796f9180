//! When to spin before going to sleep.
//!
//! Going to sleep and being woken costs the processor more than a short wait, and costs the peer the time of
//! the wake-up. So when the last answers came soon, the reactor looks for its next completion for a bounded
//! time before it sleeps. It looks at flags in memory that is shared with the kernel, without a system call.
//!
//! # The rule
//!
//! A gap is the time from having nothing to do to the next completion. Only a gap that may end with an answer
//! counts: since the one before, something else than a receive, an accept or a poll has been submitted. The reactor
//! keeps a moving average of these gaps (a quarter of the newest), each counted as at most sixteen times the limit. It
//! spins in them, for at most the limit, while the average is not above two limits: a gap that is slept through also
//! has the time of the wake-up in it, so that only a spin shows how soon the answer comes.
//!
//! A spin is given up before the limit where those that won have not taken so long: by an eighth of the newest they
//! have an average, and by a quarter a mean distance from it, and four distances beyond the average is the end, or a
//! quarter of the limit if that is later. The third and fourth in a row that fail go up to the limit all the same,
//! since answers may have become slower. After four that failed in a row it sleeps through the next gap, after the
//! next four through two, then four, up to 1,024. So:
//!
//! - An idle reactor asks nobody for anything: it sleeps, and costs nothing.
//! - An answer that is late, by the measure of those before, mostly is so for a reason that lasts longer than a spin:
//!   the peer sleeps, or its processor has something else to do. It costs little more than the usual time.
//! - Under load there is always something to do, so that there are no gaps and no spins. Where the peers are only just
//!   slower, a spin would take their answers one by one that a sleep takes together: there is none while more than a few
//!   streams await an answer. Those are counted (`op/asking.rs`). After a long gap they are taken to get none; and so
//!   they are now and then, since who has answered last, or only ever sends, awaits none.
//! - What streams in, as a large body does, comes little faster for a spin, and costs as much more: while this side is
//!   woken the other goes on sending. There are no spins between its parts. Nor is there one before it, where more than
//!   one other gap has lately followed each gap that counts: who is awake earlier takes it in smaller parts.
//! - A peer on the same core cannot answer while the reactor spins. The spins fail, and soon there are four
//!   in a thousand gaps.
//! - A busy neighbour on the same core would have to share it with the spins. When the scheduler takes the core away
//!   in the middle of one, and does so again within 20 ms, the reactor does not spin for a while: 100 ms, and twice as
//!   long each time that the core is wanted again soon after, up to a second. A neighbour that has something to do but
//!   once, as threads of the kernel have, is no such sign, nor is a core that the hypervisor takes away.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::ring::preemptions;

/// A gap counts as at most this many limits, so that short gaps are soon noticed after a long one.
const LONGEST_GAP_LIMITS: u64 = 16;

/// The same where the limit is zero.
const LONGEST_GAP_WITHOUT_NS: u64 = 1_600_000;

/// A gap with a sleep in it is longer than the answer took.
const WORTH_A_TRY_LIMITS: u64 = 2;

/// So many spins in a row fail before it rests: a peer whose core sleeps between questions answers the sooner
/// the sooner they come.
const TRIES: u32 = 4;

/// After so many the next one goes up to the limit.
const SHORT_TRIES: u32 = 2;

/// For how many gaps it rests then, at most.
const LONGEST_REST: u32 = 1024;

/// No spin is shorter than this part of the limit: those that take longer than usual, by a little, are many where
/// others use the machine, and going to sleep costs more.
const SHORTEST_PART: u64 = 4;

/// Other gaps after each that counts, up to so many, are counted in sixteenths for their average.
const MOST_OTHERS: u32 = 16;
const SIXTEENTHS: u32 = 16;

/// While so many streams await an answer, a spin still finds mostly one at a time.
const FEW_ANSWERS: u32 = 3;

/// After so many gaps they are counted anew. Those that do await an answer soon ask again.
const RECOUNT: u32 = 4096;

/// A look that takes so long was interrupted by something that had work to do.
const INTERRUPTED: Duration = Duration::from_micros(200);

/// A busy neighbour takes the core again within this time: a few time slices of the scheduler.
const BUSY: Duration = Duration::from_millis(20);

/// For how long a neighbour gets the core to itself, at first and at most.
const SHORTEST_TRUCE: Duration = Duration::from_millis(100);
const LONGEST_TRUCE: Duration = Duration::from_secs(1);

/// The decision and what it rests on.
#[derive(Debug)]
pub(super) struct Spin {
    limit_ns: u64,
    longest_gap_ns: u64,
    average_gap_ns: Cell<u64>,
    /// How long spins take that win, on average, and how far they are from that; zero before the first has won.
    won_ns: Cell<u64>,
    won_off_ns: Cell<u64>,
    /// Something that may be answered has been submitted since the last gap.
    prompted: Cell<bool>,
    /// The other gaps since the last that counts, and their average in sixteenths.
    others: Cell<u32>,
    average_others: Cell<u32>,
    /// For how many gaps it still rests, and for how many after the next failure.
    rest: Cell<u32>,
    next_rest: Cell<u32>,
    /// How many spins in a row have failed since the last rest.
    failures: Cell<u32>,
    /// How many gaps have been measured since those who await an answer were counted anew.
    gaps: Cell<u32>,
    /// How often the thread had been preempted when that was last looked at, and when it was in a spin.
    preemptions: Cell<i64>,
    preempted: Cell<Option<Instant>>,
    /// Until when it does not spin for the sake of a neighbour, and how long that is.
    truce: Cell<Option<(Instant, Duration)>>,
}

impl Spin {
    /// Spins of at most `limit`; zero turns spinning off.
    pub(super) fn new(limit: Duration) -> Spin {
        let limit_ns = nanos(limit);
        let longest_gap_ns = match limit_ns {
            0 => LONGEST_GAP_WITHOUT_NS,
            _ => limit_ns.saturating_mul(LONGEST_GAP_LIMITS),
        };
        Spin {
            limit_ns,
            longest_gap_ns,
            average_gap_ns: Cell::new(longest_gap_ns),
            won_ns: Cell::new(0),
            won_off_ns: Cell::new(0),
            prompted: Cell::new(false),
            others: Cell::new(0),
            average_others: Cell::new(0),
            rest: Cell::new(0),
            next_rest: Cell::new(1),
            failures: Cell::new(0),
            gaps: Cell::new(0),
            preemptions: Cell::new(preemptions()),
            preempted: Cell::new(None),
            truce: Cell::new(None),
        }
    }

    /// Something that may be answered has been submitted.
    pub(super) fn asked(&self) {
        self.prompted.set(true);
    }

    /// Whether it ever spins.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.limit_ns > 0
    }

    /// Whether the gap that begins now counts.
    pub(super) fn begin_gap(&self) -> bool {
        if !self.prompted.take() {
            self.others.set(self.others.get().saturating_add(1));
            return false;
        }
        let others = self.others.take().min(MOST_OTHERS) * SIXTEENTHS;
        let average = self.average_others.get();
        self.average_others.set(average - average / 4 + others / 4);
        true
    }

    /// How long to spin now, with so many answers `awaited`; `None` to sleep at once.
    pub(super) fn duration(&self, now: Instant, awaited: u32) -> Option<Duration> {
        if !self.is_on() {
            return None;
        }
        let near = self.average_gap_ns.get() <= self.limit_ns.saturating_mul(WORTH_A_TRY_LIMITS);
        if let Some(rest) = self.rest.get().checked_sub(1) {
            self.rest.set(rest);
            return None;
        }
        let few = awaited <= FEW_ANSWERS;
        let whole = self.average_others.get() <= SIXTEENTHS;
        (near && few && whole && self.truce.get().is_none_or(|(end, _)| now >= end))
            .then(|| Duration::from_nanos(self.patience_ns()))
    }

    /// How long it is worth while to wait for an answer.
    fn patience_ns(&self) -> u64 {
        let won = self.won_ns.get();
        if won == 0 || self.failures.get() >= SHORT_TRIES {
            return self.limit_ns;
        }
        let usual = won.saturating_add(self.won_off_ns.get().saturating_mul(4));
        usual.clamp(self.limit_ns / SHORTEST_PART, self.limit_ns)
    }

    /// A spin has ended; it has `won` after so long, or failed.
    pub(super) fn ended(&self, won: Option<Duration>) {
        if let Some(took) = won {
            self.next_rest.set(1);
            self.failures.set(0);
            self.note_won(took);
            return;
        }
        let failures = self.failures.get() + 1;
        self.failures.set(failures % TRIES);
        if failures == TRIES {
            let rest = self.next_rest.get();
            self.rest.set(rest);
            self.next_rest.set((rest * 2).min(LONGEST_REST));
        }
    }

    /// Takes a spin that has won into the average.
    fn note_won(&self, took: Duration) {
        let took = nanos(took).clamp(1, self.limit_ns);
        let average = self.won_ns.get();
        if average == 0 {
            self.won_ns.set(took);
            self.won_off_ns.set(took / 2);
            return;
        }
        let off = self.won_off_ns.get();
        self.won_off_ns
            .set(off - off / 4 + took.abs_diff(average) / 4);
        self.won_ns.set(average - average / 8 + took / 8);
    }

    /// Two looks of a spin lay so far apart; says whether to go on.
    pub(super) fn looked(&self, before: Instant, now: Instant) -> bool {
        if now.duration_since(before) < INTERRUPTED {
            return true;
        }
        let preemptions = preemptions();
        if preemptions == self.preemptions.replace(preemptions) {
            return true;
        }
        self.neighbour_came(now);
        false
    }

    /// A neighbour has had the core.
    fn neighbour_came(&self, now: Instant) {
        let before = self.preempted.replace(Some(now));
        let length = match self.truce.get() {
            // It has left the core alone for less than it had it to itself.
            Some((end, length)) if now.saturating_duration_since(end) < length => {
                (length * 2).min(LONGEST_TRUCE)
            }
            _ if before.is_some_and(|at| now.saturating_duration_since(at) < BUSY) => {
                SHORTEST_TRUCE
            }
            _ => return,
        };
        self.truce.set(Some((now + length, length)));
    }

    /// Takes a gap into the average; says whether who awaits an answer is to be counted anew.
    pub(super) fn learn(&self, gap: Duration) -> bool {
        let longest = self.longest_gap_ns;
        let gap_ns = nanos(gap).min(longest);
        let average = self.average_gap_ns.get();
        self.average_gap_ns.set(average - average / 4 + gap_ns / 4);
        let gaps = self.gaps.get() + 1;
        let recount = gap_ns == longest || gaps == RECOUNT;
        self.gaps.set(if recount { 0 } else { gaps });
        recount
    }
}

/// The length in nanoseconds, or the most that there can be.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(20);

    impl Spin {
        fn after_short_gaps() -> Spin {
            let spin = Spin::new(LIMIT);
            for _ in 0..20 {
                spin.learn(Duration::from_micros(5));
            }
            spin
        }

        fn duration_now(&self) -> Option<Duration> {
            self.duration(Instant::now(), 1)
        }
    }

    #[test]
    fn a_new_reactor_does_not_spin() {
        assert_eq!(Spin::new(LIMIT).duration_now(), None);
    }

    #[test]
    fn a_neighbour_gets_longer_and_longer_truces() {
        let spin = Spin::after_short_gaps();
        let mut now = Instant::now();
        spin.neighbour_came(now);
        now += BUSY / 2;
        let mut lengths = Vec::new();
        for _ in 0..6 {
            assert_eq!(spin.duration(now, 1), Some(LIMIT));
            spin.neighbour_came(now);
            let (end, length) = spin.truce.get().unwrap();
            lengths.push(length.as_millis());
            assert_eq!(spin.duration(end - Duration::from_micros(1), 1), None);
            now = end;
        }
        assert_eq!(lengths, [100, 200, 400, 800, 1000, 1000]);
        // It has gone, and another one comes.
        now += Duration::from_secs(2);
        spin.neighbour_came(now);
        assert_eq!(spin.duration(now, 1), Some(LIMIT));
        spin.neighbour_came(now + BUSY / 2);
        assert_eq!(spin.truce.get().unwrap().1, SHORTEST_TRUCE);
    }

    #[test]
    fn a_neighbour_that_comes_now_and_then_gets_no_truce() {
        let spin = Spin::after_short_gaps();
        let start = Instant::now();
        for time in 0..10 {
            spin.neighbour_came(start + BUSY * time);
        }
        assert_eq!(spin.truce.get(), None);
    }

    #[test]
    fn only_a_long_look_with_a_preemption_is_that_of_a_neighbour() {
        let spin = Spin::after_short_gaps();
        let now = Instant::now();
        spin.preemptions.set(-1);
        assert!(spin.looked(now, now + INTERRUPTED / 2), "a short look");
        assert_eq!(spin.preempted.get(), None);
        assert!(!spin.looked(now, now + INTERRUPTED));
        assert!(spin.preempted.get().is_some());
    }

    #[test]
    fn short_gaps_start_it_and_one_long_gap_stops_it() {
        let spin = Spin::after_short_gaps();
        assert_eq!(spin.duration_now(), Some(LIMIT));
        spin.learn(Duration::from_secs(1));
        assert_eq!(spin.duration_now(), None);
    }

    #[test]
    fn spins_that_fail_become_rare_until_one_wins() {
        let spin = Spin::after_short_gaps();
        let tries_in = |gaps: usize, won: bool| {
            let tries = (0..gaps).filter(|_| {
                spin.learn(LIMIT * 2);
                let tries = spin.duration_now().is_some();
                if tries {
                    spin.ended(won.then_some(LIMIT));
                }
                tries
            });
            tries.count()
        };
        // Rests of 1 to 512 gaps, and one of 1,024, each after as many tries.
        assert_eq!(tries_in(44 + 2047, false), 44);
        assert_eq!(tries_in(2 * (4 + 1024), false), 8);
        assert_eq!(tries_in(100, true), 100);
        assert_eq!(tries_in(4 + 1, false), 4);
    }

    #[test]
    fn what_those_that_won_took_is_how_long_it_waits() {
        let spin = Spin::after_short_gaps();
        let usual = LIMIT / 4;
        spin.ended(Some(usual));
        assert_eq!(spin.duration_now(), Some(usual * 3), "one says little");
        for _ in 0..50 {
            spin.ended(Some(usual));
        }
        let patience = spin.duration_now().unwrap();
        assert!(
            patience >= usual - usual / 100 && patience < usual * 5 / 4,
            "{patience:?}"
        );
        // They differ.
        for _ in 0..50 {
            spin.ended(Some(usual / 2));
            spin.ended(Some(usual * 3 / 2));
        }
        assert!(spin.duration_now().unwrap() > usual * 2);
        for _ in 0..50 {
            spin.ended(Some(LIMIT * 2));
        }
        assert_eq!(spin.duration_now(), Some(LIMIT));
        for _ in 0..100 {
            spin.ended(Some(Duration::ZERO));
        }
        assert_eq!(spin.duration_now(), Some(LIMIT / SHORTEST_PART as u32));
    }

    #[test]
    fn where_answers_have_become_slower_a_later_try_waits_for_them() {
        let spin = Spin::after_short_gaps();
        let usual = LIMIT / 4;
        for _ in 0..50 {
            spin.ended(Some(usual));
        }
        let mut tries = Vec::new();
        for _ in 0..TRIES {
            tries.push(spin.duration_now().unwrap());
            spin.ended(None);
        }
        assert!(tries[0] < usual * 2 && tries[1] == tries[0], "{tries:?}");
        assert_eq!(tries[2..], [LIMIT; 2]);
        // The first rest.
        assert_eq!(spin.duration_now(), None);
        assert_eq!(spin.duration_now(), Some(tries[0]));
        spin.ended(Some(usual * 2));
        assert!(
            spin.duration_now().unwrap() > usual * 2,
            "and it has learned"
        );
    }

    #[test]
    fn gaps_that_are_long_even_for_a_sleep_stop_it() {
        let spin = Spin::after_short_gaps();
        for _ in 0..20 {
            spin.learn(LIMIT * 4);
        }
        assert_eq!(spin.duration_now(), None);
    }

    #[test]
    fn many_awaited_answers_stop_it() {
        let spin = Spin::after_short_gaps();
        let now = Instant::now();
        assert_eq!(spin.duration(now, FEW_ANSWERS), Some(LIMIT));
        assert_eq!(spin.duration(now, FEW_ANSWERS + 1), None);
    }

    #[test]
    fn who_awaits_an_answer_is_counted_anew_after_a_long_gap_and_after_many() {
        let spin = Spin::after_short_gaps();
        let longest = LIMIT * LONGEST_GAP_LIMITS as u32;
        assert!(!spin.learn(longest - Duration::from_nanos(1)));
        assert!(spin.learn(longest));
        for _ in 0..2 {
            let gaps = (1..).find(|_| spin.learn(Duration::ZERO));
            assert_eq!(gaps, Some(RECOUNT));
        }
    }

    #[test]
    fn answers_in_many_parts_stop_it() {
        let spin = Spin::after_short_gaps();
        let answer = |parts: u32| {
            spin.asked();
            for part in 0..parts {
                assert_eq!(spin.begin_gap(), part == 0);
            }
        };
        (0..20).for_each(|_| answer(2));
        assert_eq!(spin.duration_now(), Some(LIMIT));
        (0..20).for_each(|_| answer(3));
        assert_eq!(spin.duration_now(), None);
        (0..20).for_each(|_| answer(1));
        assert_eq!(spin.duration_now(), Some(LIMIT));
    }

    #[test]
    fn only_a_gap_after_a_question_counts() {
        let spin = Spin::after_short_gaps();
        assert!(!spin.begin_gap());
        spin.asked();
        assert!(spin.begin_gap());
        assert!(!spin.begin_gap());
    }

    #[test]
    fn zero_turns_it_off() {
        let spin = Spin::new(Duration::ZERO);
        assert!(!spin.is_on());
        for _ in 0..100 {
            spin.learn(Duration::ZERO);
        }
        assert_eq!(spin.duration_now(), None);
    }
}
