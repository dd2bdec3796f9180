//! Noticing a task that holds the thread.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A task, or the future of a `block_on`, that held the thread longer than the reactor's threshold; see
/// [`Builder::on_stall`](crate::reactor::Builder::on_stall).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Stall {
    /// How long one poll of the task took.
    pub held: Duration,
    /// Where the task was spawned, or `block_on` called whose future it was.
    pub spawned_at: &'static Location<'static>,
}

/// Times the polls of tasks.
pub(crate) struct StallWatch {
    threshold: Duration,
    callback: Rc<dyn Fn(&Stall)>,
    count: Cell<u64>,
}

impl StallWatch {
    pub(crate) fn new(threshold: Duration, callback: Rc<dyn Fn(&Stall)>) -> StallWatch {
        StallWatch {
            threshold,
            callback,
            count: Cell::new(0),
        }
    }

    pub(super) fn check(&self, start: Instant, spawned_at: &'static Location<'static>) {
        let held = start.elapsed();
        if held >= self.threshold {
            self.count.set(self.count.get() + 1);
            (self.callback)(&Stall { held, spawned_at });
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.get()
    }
}

impl fmt::Debug for StallWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallWatch")
            .field("threshold", &self.threshold)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
