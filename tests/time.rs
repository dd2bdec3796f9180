//! Timers: sleeps, deadlines, intervals.

#![forbid(unsafe_code)]

mod common;

use std::future::{pending, ready};
use std::io::Write;
use std::pin::Pin;
use std::time::{Duration, Instant};

use common::{connected, now, poll_once, run, run_everywhere, turns};
use eyewall::time::{MissedTicks, interval, interval_at, sleep, sleep_until, timeout, timeout_at};
use eyewall::{Reactor, spawn};
use futures_util::FutureExt;
use futures_util::future::join_all;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_deadline_in_the_past_is_ready_at_once() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let past = Instant::now() - Duration::from_secs(1);
        assert!(sleep_until(past).now_or_never().is_some());
        assert!(sleep(Duration::ZERO).now_or_never().is_some());
        assert!(timeout_at(past, pending::<()>()).await.is_err());
        let mut ahead = Box::pin(sleep(Duration::from_secs(3600)));
        ahead.as_mut().get_mut().reset(past);
        assert!(ahead.now_or_never().is_some());
        assert_eq!(now().timers, 0, "none was needed");
    });
}

#[test]
fn what_takes_too_long_is_an_error_of_its_own_and_of_io() {
    let reactor = Reactor::new().unwrap();
    let elapsed = run(&reactor, timeout(Duration::ZERO, pending::<()>())).unwrap_err();
    assert_eq!(elapsed.to_string(), "the deadline has passed");
    let error = std::io::Error::from(elapsed);
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the deadline has passed");
}

#[test]
fn a_sleep_that_has_fired_unseen_can_be_begun_anew() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let mut again = Box::pin(sleep(MS));
        assert!(poll_once(again.as_mut()).await.is_pending());
        sleep(2 * MS).await;
        again
            .as_mut()
            .get_mut()
            .reset(Instant::now() + Duration::from_secs(3600));
        assert!(poll_once(again.as_mut()).await.is_pending());
        again.as_mut().get_mut().reset(Instant::now() + MS);
        again.await;
    });
}

#[test]
fn a_duration_that_no_clock_counts_never_ends() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let mut never = Box::pin(sleep(Duration::MAX));
        assert_eq!(never.deadline(), None);
        assert!(poll_once(never.as_mut()).await.is_pending());
        let mut far = Box::pin(sleep(Duration::from_secs(1000 * 365 * 24 * 3600)));
        assert!(poll_once(far.as_mut()).await.is_pending());
        sleep(MS).await;
        assert!(poll_once(never.as_mut()).await.is_pending());
        assert!(poll_once(far.as_mut()).await.is_pending());
        assert_eq!(timeout(Duration::MAX, ready(5)).await, Ok(5));
        // One that never ends can be told to.
        never.as_mut().get_mut().reset(Instant::now() + MS);
        never.await;
    });
}

#[test]
fn no_timer_fires_early_and_all_fire_in_order() {
    run_everywhere(|_| async {
        let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let start = Instant::now();
        let tasks = [13u32, 2, 5, 8, 3, 21, 1].map(|ms| {
            let order = std::rc::Rc::clone(&order);
            spawn(async move {
                sleep_until(start + ms * MS).await;
                assert!(start.elapsed() >= ms * MS, "early");
                order.borrow_mut().push(ms);
            })
        });
        for task in join_all(tasks).await {
            task.unwrap();
        }
        assert_eq!(*order.borrow(), [1, 2, 3, 5, 8, 13, 21]);
    });
}

#[test]
fn a_result_in_the_same_turn_as_the_timer_wins() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        // Ready although the time is over.
        assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
        // Both become ready while the thread is held.
        let (mut stream, mut peer) = connected().await;
        let received = timeout(5 * MS, stream.recv(Vec::with_capacity(10)));
        let holding = async {
            turns(3).await;
            peer.write_all(b"bytes").unwrap();
            let start = Instant::now();
            while start.elapsed() < 10 * MS {
                std::hint::spin_loop();
            }
        };
        let (received, ()) = futures_util::join!(received, holding);
        assert_eq!(received.expect("the bytes win").0.unwrap(), 5);
        // And without bytes the time is over.
        assert!(timeout(MS, stream.recv(vec![0; 10])).await.is_err());
    });
}

/// The ticks that are due after a pause of three and a half periods, relative to the start, in periods.
async fn ticks_after_a_pause(missed: MissedTicks) -> Vec<f64> {
    const PERIOD: Duration = Duration::from_millis(20);
    let start = Instant::now();
    let mut ticks = interval_at(start, PERIOD).missed_ticks(missed);
    assert_eq!(ticks.tick().await, start);
    sleep_until(start + PERIOD * 7 / 2).await;
    let mut due = Vec::new();
    for _ in 0..4 {
        let tick = ticks.tick().await;
        assert!(tick <= Instant::now(), "early");
        // In nanoseconds, which a float holds exactly, so that a whole number of periods comes out as one.
        due.push((tick - start).as_nanos() as f64 / PERIOD.as_nanos() as f64);
    }
    due
}

#[test]
fn the_three_ways_to_treat_missed_ticks() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        assert_eq!(
            ticks_after_a_pause(MissedTicks::Burst).await,
            [1.0, 2.0, 3.0, 4.0]
        );
        let skipped = ticks_after_a_pause(MissedTicks::Skip).await;
        assert_eq!(skipped[0], 1.0);
        // A busy machine may make the pause longer, but the ticks stay on the grid.
        assert!(skipped[1] >= 4.0, "{skipped:?}");
        assert!(
            skipped.iter().all(|tick| tick.fract() == 0.0),
            "{skipped:?}"
        );
        assert!(skipped.is_sorted_by(|a, b| a < b), "{skipped:?}");
        let delayed = ticks_after_a_pause(MissedTicks::Delay).await;
        // Counted from when the tick before it was fetched.
        assert!((1.0..3.5).contains(&delayed[0]), "{delayed:?}");
        assert!(delayed[1] >= 4.5, "{delayed:?}");
        // At least a period; the quotients are rounded.
        assert!(delayed[2] - delayed[1] > 0.999, "{delayed:?}");
    });
}

#[test]
fn an_interval_goes_on_however_many_ticks_it_skips() {
    const PERIOD: Duration = Duration::from_nanos(1);
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        // More of them than 32 bits count.
        let start = Instant::now() - Duration::from_secs(5);
        let mut ticks = interval_at(start, PERIOD).missed_ticks(MissedTicks::Skip);
        assert_eq!(ticks.tick().await, start);
        assert!(ticks.tick().await > start + Duration::from_secs(5));
        assert!(start.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn an_interval_that_never_catches_up_lets_others_have_their_turn() {
    // On a thread of its own: what fails here never comes back.
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let ran = eyewall::block_on(async {
            let mut ticks = interval(Duration::from_nanos(1));
            let endless = async {
                loop {
                    ticks.tick().await;
                }
            };
            timeout(5 * MS, endless).await.is_err()
        });
        // Nobody may be listening any more.
        let _ = done.send(ran.unwrap());
    });
    assert_eq!(ended.recv_timeout(common::LIMIT), Ok(true), "it never ends");
}

#[test]
fn a_dropped_tick_is_not_consumed() {
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        let start = Instant::now();
        let mut ticks = interval(5 * MS);
        let first = ticks.tick().await;
        for _ in 0..3 {
            assert!(
                poll_once(Pin::new(&mut Box::pin(ticks.tick())))
                    .await
                    .is_pending()
            );
        }
        assert_eq!(ticks.tick().await, first + 5 * MS);
        assert!(start.elapsed() >= 5 * MS);
    });
}

#[test]
fn a_million_live_timers() {
    const TIMERS: usize = 1_000_000;
    let reactor = Reactor::new().unwrap();
    run(&reactor, async {
        // From the first turn on, the limit of the test is one.
        turns(1).await;
        let before = now().timers;
        let soon = Instant::now() + Duration::from_secs(3600);
        let mut sleeps: Vec<_> = (0..TIMERS)
            .map(|number| sleep_until(soon + number as u32 * MS))
            .collect();
        for sleep in &mut sleeps {
            assert!(sleep.now_or_never().is_none());
        }
        assert_eq!(now().timers, before + TIMERS);
        // They cost the others nothing.
        let (enters, start) = (now().enters, Instant::now());
        sleep(5 * MS).await;
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(now().enters - enters < 20);
        drop(sleeps);
        assert_eq!(now().timers, before);
    });
}

#[test]
fn timers_fire_while_the_ring_is_busy() {
    run_everywhere(|_| async {
        let (mut stream, mut peer) = connected().await;
        let mut echo = peer.try_clone().unwrap();
        let echoing = std::thread::spawn(move || {
            let _ = std::io::copy(&mut peer, &mut echo);
        });
        let busy = spawn(async move {
            loop {
                stream.send_all("ping").await.0.unwrap();
                assert_eq!(stream.recv_exact(Vec::with_capacity(4)).await.1, b"ping");
            }
        });
        let mut ticks = interval(2 * MS);
        let cqes = now().cqes;
        let mut count = 0;
        while count < 10 || now().cqes < cqes + 100 {
            ticks.tick().await;
            count += 1;
        }
        busy.abort();
        drop(busy);
        common::until(|| echoing.is_finished()).await;
        echoing.join().unwrap();
    });
}

#[test]
fn a_sleep_goes_along_to_another_reactor() {
    let mut moved = Box::pin(sleep(Duration::from_millis(5)));
    let first = Reactor::new().unwrap();
    first
        .block_on(async { assert!(futures_util::poll!(&mut moved).is_pending()) })
        .unwrap();
    let second = Reactor::new().unwrap();
    let bounded = timeout(Duration::from_secs(20), moved);
    let start = Instant::now();
    second.block_on(bounded).unwrap().unwrap();
    // A timeout polls its future once more when the time is over, which must not be what ended it.
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(first.metrics().timers, 0);
}

#[test]
fn delayed_ticks_that_are_fetched_in_time_do_not_drift() {
    eyewall::block_on(async {
        let period = Duration::from_millis(20);
        let mut every = interval(period).missed_ticks(MissedTicks::Delay);
        let first = every.tick().await;
        for number in 1..4 {
            let tick = every.tick().await;
            // A machine that stalls for a whole period makes it a missed tick, which may drift.
            if Instant::now() - tick < period {
                assert_eq!(tick, first + period * number);
            } else {
                return;
            }
        }
    })
    .unwrap();
}

/// Where each turn brings a completion at once, none of them sleeps.
#[test]
fn a_timer_fires_beside_operations_that_are_over_at_once() {
    run_everywhere(async |name| {
        let timer = spawn(sleep(Duration::from_millis(20)));
        let begun = Instant::now();
        while !timer.is_finished() {
            eyewall::reactor::nop().await.unwrap();
            assert!(begun.elapsed() < Duration::from_secs(10), "{name}");
        }
    });
}

#[test]
fn a_sleep_outside_a_reactor_says_in_words_what_is_missing() {
    let panic = std::panic::catch_unwind(|| sleep(Duration::from_secs(60)).now_or_never());
    let message = panic.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("no reactor runs on this thread"),
        "{message}"
    );
    assert!(!message.contains("Error {"), "{message}");
}
