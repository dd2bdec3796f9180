//! How long the parts of a fetch took.

use std::time::{Duration, Instant};

/// When a fetch had come how far, each counted from the call; `None` for what has not happened (yet).
///
/// On a connection that is used again nothing is resolved or connected: both are then the moment at which the
/// connection was taken.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timings {
    /// When the call was made.
    pub start: Instant,
    /// The name was resolved.
    pub resolved: Option<Duration>,
    /// The connection was there.
    pub connected: Option<Duration>,
    /// The request began to be sent.
    pub sending: Option<Duration>,
    /// The first byte of the response came.
    pub first_byte: Option<Duration>,
    /// The last byte of the response came.
    pub total: Option<Duration>,
}

impl Timings {
    pub(super) fn new() -> Timings {
        Timings {
            start: Instant::now(),
            resolved: None,
            connected: None,
            sending: None,
            first_byte: None,
            total: None,
        }
    }

    pub(super) fn now(&self) -> Option<Duration> {
        Some(self.start.elapsed())
    }
}
