//! Points in time by which something must be done.

use std::future::Future;
use std::time::{Duration, Instant};

use super::error::{Error, Phase};
use crate::time::timeout_at;

/// A point in time by which something must be done, and how long that was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Option<Instant>,
    limit: Duration,
}

impl Deadline {
    /// `limit` after `start`; none for a limit of zero.
    pub(super) fn after(start: Instant, limit: Duration) -> Deadline {
        Deadline {
            at: match limit.is_zero() {
                true => None,
                false => start.checked_add(limit),
            },
            limit,
        }
    }

    /// Awaits `future` until the deadline.
    pub(super) async fn bound<T>(
        self,
        phase: Phase,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match self.at {
            None => future.await,
            Some(at) => match timeout_at(at, future).await {
                Ok(result) => result,
                Err(_) => Err(Error::timeout(phase, self.limit)),
            },
        }
    }
}
