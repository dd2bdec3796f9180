//! Giving a future a deadline.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Sleep;

/// Awaits `future`, for at most `duration` from this call.
///
/// The future is polled first, so that a result which is there in the same turn as the timer wins. When the
/// time is over, the future is dropped; a receive or an accept loses nothing by that.
///
/// # Errors
///
/// [`Elapsed`] when the time is over.
///
/// # Cancel safety
///
/// That of `future`, which is dropped with it.
///
/// # Panics
///
/// When polled where no reactor runs, as [`sleep`](super::sleep()).
///
/// ```
/// # use std::time::Duration;
/// # eyewall::block_on(async {
/// let never = std::future::pending::<()>();
/// assert!(eyewall::time::timeout(Duration::from_millis(1), never).await.is_err());
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
pub fn timeout<F: Future>(
    duration: Duration,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    bounded(Instant::now().checked_add(duration), future)
}

/// Awaits `future`, until `deadline` at the latest; otherwise as [`timeout`].
pub fn timeout_at<F: Future>(
    deadline: Instant,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    bounded(Some(deadline), future)
}

async fn bounded<F: Future>(deadline: Option<Instant>, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = Sleep::at(deadline);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut sleep).poll(cx).map(|()| Err(Elapsed(())))
    })
    .await
}

/// The time was over before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has passed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}
