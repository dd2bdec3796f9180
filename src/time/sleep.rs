//! Waiting for an instant.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::reactor::{Core, TimerKey};

/// Waits for `duration`, counted from this call.
///
/// # Cancel safety
///
/// Dropping it stops the timer.
///
/// # Panics
///
/// When polled where no reactor runs.
///
/// ```
/// # use std::time::{Duration, Instant};
/// # eyewall::block_on(async {
/// let start = Instant::now();
/// eyewall::time::sleep(Duration::from_millis(2)).await;
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    match duration.is_zero() {
        true => Sleep::at(Some(Instant::now())),
        false => Sleep::ahead(Instant::now().checked_add(duration)),
    }
}

/// Waits until `deadline`, and not at all if that has passed; otherwise as [`sleep`].
///
/// A loop that falls behind its own deadlines therefore never waits, and nobody else has a turn: an
/// [`Interval`](super::Interval) sees to that.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::at(Some(deadline))
}

/// A future that is ready at its deadline; from [`sleep`] and [`sleep_until`].
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep {
    /// `None`: never.
    deadline: Option<Instant>,
    /// The deadline was not over when this was made, so that the clock need not be read again to start the timer.
    /// Should it be over by then, the timer fires in the next turn.
    ahead: bool,
    timer: Option<(Rc<Core>, TimerKey)>,
}

impl Sleep {
    pub(super) fn at(deadline: Option<Instant>) -> Sleep {
        Sleep {
            deadline,
            ahead: false,
            timer: None,
        }
    }

    /// As [`at`](Sleep::at), with a deadline that was still to come a moment ago.
    pub(crate) fn ahead(deadline: Option<Instant>) -> Sleep {
        Sleep {
            deadline,
            ahead: true,
            timer: None,
        }
    }

    /// When it is ready; `None` for never.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn stop(&mut self) {
        if let Some((core, key)) = self.timer.take() {
            core.stop_timer(key);
        }
    }

    /// Starts anew, with another deadline.
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
        if let Some((core, key)) = &self.timer
            && !core.reset_timer(*key, deadline)
        {
            self.timer = None;
        }
        self.ahead = false;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((core, key)) = &self.timer {
            if core.is_current() {
                if core.poll_timer(*key, cx.waker()) {
                    return Poll::Pending;
                }
                self.timer = None;
                return Poll::Ready(());
            }
            // Begun on another reactor, which does not run now and may never again.
            self.stop();
        }
        let ahead = std::mem::replace(&mut self.ahead, false);
        if !ahead
            && self
                .deadline
                .is_some_and(|deadline| deadline <= Instant::now())
        {
            return Poll::Ready(());
        }
        let core = Core::current().unwrap_or_else(|error| panic!("a sleep was polled: {error}"));
        let key = core.start_timer(self.deadline, cx.waker().clone());
        self.timer = Some((core, key));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
