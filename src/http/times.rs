//! The time that each part of a fetch may take.

use std::time::Duration;

use super::error::Phase;

/// Limits by name; `None` for what is not said, zero for none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) total: Option<Duration>,
    pub(super) queue: Option<Duration>,
    pub(super) connect: Option<Duration>,
    pub(super) tls: Option<Duration>,
    pub(super) first_byte: Option<Duration>,
    pub(super) idle_read: Option<Duration>,
    pub(super) idle_write: Option<Duration>,
}

impl Times {
    /// These, and those of `other` for what is not said here.
    pub(super) fn or(&self, other: &Times) -> Times {
        Times {
            total: self.total.or(other.total),
            queue: self.queue.or(other.queue),
            connect: self.connect.or(other.connect),
            tls: self.tls.or(other.tls),
            first_byte: self.first_byte.or(other.first_byte),
            idle_read: self.idle_read.or(other.idle_read),
            idle_write: self.idle_write.or(other.idle_write),
        }
    }

    /// The limit of `phase`; `None` for no limit.
    pub(super) fn of(&self, phase: Phase) -> Option<Duration> {
        let limit = match phase {
            Phase::Total => self.total,
            Phase::Queue => self.queue,
            Phase::Connect => self.connect,
            Phase::Tls => self.tls,
            Phase::FirstByte => self.first_byte,
            Phase::IdleRead => self.idle_read,
            Phase::IdleWrite => self.idle_write,
        };
        limit.filter(|limit| !limit.is_zero())
    }
}
