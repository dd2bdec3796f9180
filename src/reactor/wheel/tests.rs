use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::{Clock, NEVER, TICK_SHIFT_NS, Timer, Wheel};

/// Pops everything that has expired.
fn pop_all<T>(wheel: &mut Wheel<T>) -> Vec<T> {
    std::iter::from_fn(|| wheel.pop_expired()).collect()
}

/// The ticks around which a timer changes its slot or its level.
fn boundaries() -> impl Iterator<Item = u64> {
    let powers = (0..11).map(|level| 1_u64 << (6 * level));
    powers.flat_map(|power| {
        [1, 2, 63]
            .into_iter()
            .filter_map(move |times| power.checked_mul(times))
            .flat_map(|tick| {
                [
                    tick.saturating_sub(2),
                    tick - 1,
                    tick,
                    tick.saturating_add(1),
                    tick.saturating_add(2),
                ]
            })
    })
}

/// A wheel that has reached `tick`.
fn wheel_at<T>(tick: u64) -> Wheel<T> {
    let mut wheel = Wheel::new();
    wheel.advance(tick);
    wheel
}

#[test]
fn a_timer_expires_at_its_tick_and_not_before() {
    for start in boundaries().chain([12_345_678]) {
        for delay in boundaries() {
            let Some(deadline) = start.checked_add(delay).filter(|&tick| tick < NEVER) else {
                continue;
            };
            if deadline == start {
                continue; // tested below
            }
            let mut wheel = wheel_at(start);
            wheel.insert(deadline, ());
            wheel.advance(deadline - 1);
            assert_eq!(
                wheel.pop_expired(),
                None,
                "early: set at {start} for {deadline}"
            );
            assert_eq!(wheel.next_deadline(), Some(deadline));
            wheel.advance(deadline);
            assert_eq!(
                wheel.pop_expired(),
                Some(()),
                "late: set at {start} for {deadline}"
            );
            assert!(wheel.is_empty());
        }
    }
}

#[test]
fn one_jump_expires_all_levels_in_order() {
    let mut ticks: Vec<u64> = boundaries().filter(|&tick| tick > 0).collect();
    ticks.sort_unstable();
    ticks.dedup();
    let mut wheel = Wheel::new();
    for &tick in ticks.iter().rev() {
        wheel.insert(tick, tick);
    }
    wheel.advance(u64::MAX);
    assert_eq!(pop_all(&mut wheel), ticks);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn next_deadline_leads_to_every_timer_in_eleven_steps() {
    for deadline in boundaries().filter(|&tick| tick > 0) {
        let mut wheel = Wheel::new();
        wheel.insert(deadline, ());
        let mut steps = 0;
        while wheel.pop_expired().is_none() {
            let next = wheel.next_deadline().expect("a timer is live");
            assert!(next <= deadline);
            wheel.advance(next);
            steps += 1;
        }
        assert!(steps <= 11, "{steps} steps to {deadline}");
    }
}

#[test]
fn timers_of_one_tick_fire_in_the_order_they_were_set() {
    let mut wheel = Wheel::new();
    for (number, now) in [0, 1, 4_000, 9_000, 9_990, 9_999].into_iter().enumerate() {
        wheel.advance(now);
        wheel.insert(10_000, number);
    }
    wheel.advance(10_000);
    assert_eq!(pop_all(&mut wheel), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn the_current_tick_and_the_past_expire_at_the_next_advance() {
    let mut wheel = wheel_at(100);
    wheel.insert(101, "future");
    wheel.insert(100, "now");
    wheel.insert(3, "past");
    assert_eq!(wheel.pop_expired(), None);
    assert_eq!(wheel.next_deadline(), Some(100));
    wheel.advance(100);
    wheel.insert(0, "set while popping");
    assert_eq!(pop_all(&mut wheel), ["now", "past"]);
    wheel.advance(101);
    assert_eq!(pop_all(&mut wheel), ["set while popping", "future"]);
}

#[test]
fn an_expired_timer_is_live_until_it_is_popped() {
    let mut wheel = Wheel::new();
    let keys = [1, 2, 3, 4, 5].map(|tick| wheel.insert(tick, tick));
    wheel.advance(10);
    assert_eq!(
        wheel.next_deadline(),
        Some(10),
        "nobody may sleep on expired timers"
    );
    assert_eq!(wheel.pop_expired(), Some(1));
    // What the popped one's user code might do:
    assert_eq!(wheel.cancel(keys[0]), None, "it has fired");
    assert_eq!(wheel.cancel(keys[1]), Some(2), "the head");
    assert_eq!(wheel.cancel(keys[1]), None);
    assert_eq!(wheel.cancel(keys[4]), Some(5), "the tail");
    assert!(wheel.reset(keys[2], 20));
    *wheel.get_mut(keys[3]).expect("live") = 40;
    assert_eq!(pop_all(&mut wheel), [40]);
    assert_eq!(wheel.next_deadline(), Some(20));
    wheel.advance(20);
    assert_eq!(pop_all(&mut wheel), [3]);
    assert!(
        keys.iter()
            .all(|&key| wheel.get_mut(key).is_none() && !wheel.reset(key, 0))
    );
}

#[test]
fn cancel_unlinks_from_either_end_and_the_middle() {
    for skipped in 0..4 {
        for at in [5, 5_000, NEVER] {
            let mut wheel = Wheel::new();
            let keys = [0, 1, 2, 3].map(|number| wheel.insert(at, number));
            assert_eq!(wheel.cancel(keys[skipped]), Some(skipped));
            for key in keys {
                wheel.reset(key, 5);
            }
            wheel.advance(5);
            let rest: Vec<usize> = (0..4).filter(|&number| number != skipped).collect();
            assert_eq!(pop_all(&mut wheel), rest);
        }
    }
}

#[test]
fn never_stays_and_costs_no_wake_up() {
    let mut wheel = Wheel::new();
    let key = wheel.insert(NEVER, "never");
    wheel.insert(NEVER - 1, "almost");
    wheel.insert(NEVER, "never either");
    assert_eq!(wheel.next_deadline(), Some(15 << 60));
    wheel.advance(u64::MAX);
    assert_eq!(pop_all(&mut wheel), ["almost"]);
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(wheel.len(), 2);
    assert!(wheel.reset(key, 7));
    assert_eq!(wheel.next_deadline(), Some(u64::MAX));
    wheel.advance(u64::MAX);
    assert_eq!(pop_all(&mut wheel), ["never"]);
}

#[test]
fn time_does_not_go_backwards() {
    let mut wheel = wheel_at(1_000);
    wheel.insert(1_001, ());
    wheel.advance(10);
    wheel.advance(0);
    assert_eq!(wheel.pop_expired(), None);
    assert_eq!(wheel.next_deadline(), Some(1_001));
    wheel.insert(500, ());
    assert_eq!(wheel.next_deadline(), Some(1_000));
    wheel.advance(400);
    assert_eq!(
        wheel.pop_expired(),
        Some(()),
        "due already, whatever the clock says"
    );
    wheel.advance(1_001);
    assert_eq!(wheel.pop_expired(), Some(()));
}

#[test]
fn a_stale_key_never_names_the_next_timer_in_its_place() {
    let mut wheel = Wheel::new();
    wheel.next_generation = u32::MAX - 2;
    let mut stale = Vec::new();
    for number in 0..6 {
        let key = wheel.insert(9, number);
        assert_eq!(key.index, 0, "the place is taken again");
        for &old in &stale {
            assert!(wheel.cancel(old).is_none() && wheel.get_mut(old).is_none());
            assert!(!wheel.reset(old, 1));
        }
        assert_eq!(wheel.cancel(key), Some(number));
        stale.push(key);
    }
    assert_eq!(stale[2].generation, u32::MAX);
    assert_eq!(stale[3].generation, 0);
}

#[test]
fn a_timer_is_forty_bytes() {
    // `Option` stands for the arena's tag, which has to fit into the waker's niche as well.
    assert_eq!(size_of::<Option<Timer<Waker>>>(), 40);
}

#[test]
fn the_clock_rounds_deadlines_up_and_now_down() {
    let start = Instant::now();
    let clock = Clock::new(start);
    let tick_ns = 1_u64 << TICK_SHIFT_NS;
    for (ns, up, down) in [
        (0, 0, 0),
        (1, 1, 0),
        (tick_ns - 1, 1, 0),
        (tick_ns, 1, 1),
        (tick_ns + 1, 2, 1),
        (1_000_000_000, 15_259, 15_258),
    ] {
        let instant = start + Duration::from_nanos(ns);
        assert_eq!(clock.tick_at_or_after(instant), up);
        assert_eq!(clock.tick_at_or_before(instant), down);
        assert!(clock.instant_of(up).expect("near") >= instant);
    }
    for tick in boundaries().filter(|&tick| tick < NEVER) {
        let Some(instant) = clock.instant_of(tick) else {
            continue;
        };
        assert_eq!(
            clock.tick_at_or_before(instant),
            tick,
            "a sleep that ends on time reaches it"
        );
        assert_eq!(clock.tick_at_or_after(instant), tick);
    }
}

#[test]
fn the_clock_saturates() {
    let start = Instant::now();
    let clock = Clock::new(start);
    assert_eq!(tick_after(&clock, start, Duration::MAX), NEVER);
    assert_eq!(
        tick_after(
            &clock,
            start,
            Duration::from_secs(u64::MAX / 2 - 1_000_000_000)
        ),
        NEVER
    );
    assert_eq!(tick_after(&clock, start, Duration::from_nanos(1)), 1);
    assert_eq!(tick_after(&clock, start, Duration::ZERO), 0);
    assert_eq!(clock.instant_of(NEVER), None);
    let century = Duration::from_secs(100 * 366 * 86_400);
    let tick = tick_after(&clock, start, century);
    assert!(clock.instant_of(tick).expect("in range") >= start + century);
    if let Some(before) = start.checked_sub(Duration::from_millis(1)) {
        assert_eq!(clock.tick_at_or_after(before), 0);
        assert_eq!(clock.tick_at_or_before(before), 0);
    }
}

/// xorshift64*: enough chance for a test, and the seed tells all.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 1
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A stretch of time: small, on a level's boundary, or of any length up to 2^`max_bits`.
    fn stretch(&mut self, max_bits: u64) -> u64 {
        match self.below(4) {
            0 => self.below(4),
            1 => self.below(200),
            2 => (1_u64 << (6 * self.below(max_bits / 6 + 1))) - 1 + self.below(4),
            _ => self.next() >> (63 - self.below(max_bits).min(62)),
        }
    }
}

/// What the wheel should do, in the plainest terms.
#[derive(Default)]
struct Model {
    elapsed: u64,
    /// Ordinal of the next insertion or reset.
    ordinal: u64,
    /// Waiting timers: (the tick at which they count as due, ordinal) to number.
    waiting: BTreeMap<(u64, u64), usize>,
    /// Expired ones.
    expired: VecDeque<usize>,
    /// Where each live timer that has a deadline stands in `waiting`, or stood before it expired.
    place: HashMap<usize, (u64, u64)>,
}

impl Model {
    fn insert(&mut self, deadline: u64, number: usize) {
        let place = (deadline.max(self.elapsed), self.ordinal);
        self.ordinal += 1;
        if deadline != NEVER {
            self.waiting.insert(place, number);
            self.place.insert(number, place);
        }
    }

    fn remove(&mut self, number: usize) {
        if let Some(place) = self.place.remove(&number)
            && self.waiting.remove(&place).is_none()
        {
            self.expired.retain(|&other| other != number);
        }
    }

    fn advance(&mut self, now: u64) {
        self.elapsed = self.elapsed.max(now);
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > self.elapsed {
                break;
            }
            self.expired.push_back(entry.remove());
        }
    }
}

/// One run of the wheel beside the model. Timers are known by number; `keys[number]` stays after they are gone.
fn run_beside_model(seed: u64, steps: u32) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut wheel, mut model) = (Wheel::new(), Model::default());
    let (mut keys, mut live) = (Vec::new(), Vec::<bool>::new());
    // Some runs stay among small ticks, some stride through centuries; some start near the end of time.
    let max_bits = 1 + random.below(63);
    wheel.next_generation = (random.below(2) as u32).wrapping_mul(u32::MAX - 300);
    let start = match random.below(4) {
        0 => 0,
        1 => random.next() >> random.below(63),
        2 => (1 << (6 * random.below(11))) - 1,
        _ => u64::MAX - random.below(10_000),
    };
    wheel.advance(start);
    model.advance(start);
    let deadline = |random: &mut Random, model: &Model| match random.below(32) {
        0 => NEVER,
        1 => NEVER - random.below(3),
        2 => model.elapsed.saturating_sub(random.stretch(max_bits)),
        // the last or first tick of a slot
        3..6 => {
            let bits = 6 * random.below(11);
            ((model.elapsed >> bits)
                .saturating_add(random.below(66))
                .saturating_mul(1 << bits))
            .saturating_sub(random.below(2))
        }
        _ => model.elapsed.saturating_add(random.stretch(max_bits)),
    };
    for step in 0..steps {
        let picked = if keys.is_empty() {
            None
        } else {
            Some(random.below(keys.len() as u64) as usize)
        };
        let recent = keys.len().saturating_sub(1 + random.below(40) as usize);
        let picked = if random.below(3) > 0 {
            picked.map(|_| recent)
        } else {
            picked
        };
        match (random.below(16), picked) {
            (0..6, _) | (_, None) => {
                let tick = deadline(&mut random, &model);
                model.insert(tick, keys.len());
                keys.push(wheel.insert(tick, keys.len()));
                live.push(true);
            }
            (6..8, Some(number)) => {
                let expected = live[number].then_some(number);
                assert_eq!(
                    wheel.cancel(keys[number]),
                    expected,
                    "seed {seed} step {step}"
                );
                model.remove(number);
                live[number] = false;
            }
            (8..11, Some(number)) => {
                let tick = deadline(&mut random, &model);
                assert_eq!(
                    wheel.reset(keys[number], tick),
                    live[number],
                    "seed {seed} step {step}"
                );
                if live[number] {
                    model.remove(number);
                    model.insert(tick, number);
                }
            }
            (11..14, Some(_)) => {
                for _ in 0..random.below(5) {
                    let popped = wheel.pop_expired();
                    assert_eq!(popped, model.expired.pop_front(), "seed {seed} step {step}");
                    if let Some(number) = popped {
                        live[number] = false;
                        model.place.remove(&number);
                    }
                }
            }
            (_, Some(number)) => {
                let now = match random.below(8) {
                    0 => model.elapsed.saturating_sub(random.stretch(max_bits)),
                    1..4 => wheel.next_deadline().unwrap_or(0),
                    4 => model.place.get(&number).map_or(0, |place| place.0),
                    _ => model
                        .elapsed
                        .saturating_add(random.stretch(max_bits) >> random.below(8)),
                };
                model.advance(now);
                wheel.advance(now);
            }
        }
        // After every step:
        assert_eq!(
            wheel.len(),
            live.iter().filter(|&&live| live).count(),
            "seed {seed} step {step}"
        );
        if let Some(number) = picked {
            let expected = live[number].then_some(number);
            assert_eq!(
                wheel.get_mut(keys[number]).copied(),
                expected,
                "seed {seed} step {step}"
            );
        }
        let earliest = if model.expired.is_empty() {
            model.waiting.first_key_value().map(|(&(tick, _), _)| tick)
        } else {
            Some(model.elapsed)
        };
        match (wheel.next_deadline(), earliest) {
            (None, None) => {}
            (Some(next), Some(earliest)) => {
                assert!(
                    next <= earliest,
                    "seed {seed} step {step}: {next} is after {earliest}"
                );
                assert!(
                    next > model.elapsed || earliest == model.elapsed,
                    "seed {seed} step {step}: a spin"
                );
                let near = (earliest ^ model.elapsed) < 64;
                assert!(
                    !near || next == earliest,
                    "seed {seed} step {step}: {next}, not {earliest}"
                );
            }
            (next, earliest) => panic!("seed {seed} step {step}: {next:?}, not {earliest:?}"),
        }
    }
    // What is left fires in order, at the end of time.
    wheel.advance(NEVER);
    model.advance(NEVER);
    assert_eq!(pop_all(&mut wheel), Vec::from(model.expired), "seed {seed}");
}

#[test]
fn the_wheel_does_what_the_model_does() {
    for seed in 1..=800 {
        run_beside_model(seed, 600);
    }
}

/// As the core does it: a deadline that an `Instant` cannot hold is never.
fn tick_after(clock: &Clock, now: Instant, delay: Duration) -> u64 {
    now.checked_add(delay)
        .map_or(NEVER, |deadline| clock.tick_at_or_after(deadline))
}
