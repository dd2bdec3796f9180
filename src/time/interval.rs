//! Doing something again and again.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::Stream;
use futures_util::stream::FusedStream;

use super::{Sleep, sleep_until};
use std::future::Future;

/// Ticks every `period`, the first time at once.
///
/// # Panics
///
/// If the period is zero.
///
/// ```
/// # use std::time::Duration;
/// # eyewall::block_on(async {
/// let mut every = eyewall::time::interval(Duration::from_millis(1));
/// let first = every.tick().await;
/// let second = every.tick().await;
/// assert_eq!(second - first, Duration::from_millis(1));
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`; otherwise as [`interval`].
///
/// # Panics
///
/// If the period is zero.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is not zero");
    Interval {
        period,
        missed: MissedTicks::default(),
        sleep: sleep_until(start),
    }
}

/// What an [`Interval`] does about ticks that nobody fetched in time.
#[doc(alias = "MissedTickBehavior")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedTicks {
    /// Gives them one behind the other, one a turn of the reactor, until it has caught up.
    #[default]
    Burst,
    /// Gives one, and counts the next period from then on. Ticks that were fetched in time do not drift.
    Delay,
    /// Gives one, and goes on at the next multiple of the period.
    Skip,
}

/// Ticks at a fixed period; from [`interval`]. Also a stream of its ticks, which never ends.
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    missed: MissedTicks,
    sleep: Sleep,
}

impl Interval {
    /// What to do about ticks that nobody fetched in time; [`MissedTicks::Burst`] by default.
    #[doc(alias = "set_missed_tick_behavior")]
    pub fn missed_ticks(mut self, missed: MissedTicks) -> Interval {
        self.missed = missed;
        self
    }

    /// The next tick: the instant at which it was due.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a tick is consumed only when it is returned.
    ///
    /// # Panics
    ///
    /// Where no reactor runs.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(due) = self.sleep.deadline() else {
            return Poll::Pending;
        };
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let next = match self.missed {
            MissedTicks::Burst => due.checked_add(self.period),
            MissedTicks::Delay => {
                let now = Instant::now();
                let missed = now.saturating_duration_since(due) >= self.period;
                let from = if missed { now } else { due };
                from.checked_add(self.period)
            }
            MissedTicks::Skip => {
                let late = Instant::now().saturating_duration_since(due).as_nanos();
                let period = self.period.as_nanos();
                let skipped = (late / period + 1).checked_mul(period);
                skipped.and_then(|ns| {
                    let secs = u64::try_from(ns / 1_000_000_000).ok()?;
                    due.checked_add(Duration::new(secs, (ns % 1_000_000_000) as u32))
                })
            }
        };
        // One that is due already comes with the next turn: others would never have theirs beside one that falls behind
        // faster than it is fetched.
        self.sleep = Sleep::ahead(next);
        Poll::Ready(due)
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}

impl FusedStream for Interval {
    fn is_terminated(&self) -> bool {
        false
    }
}
