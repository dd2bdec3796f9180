//! The waker of a task: an index, and whether it is already in a queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use super::executor;
use super::remote::Remote;

/// What a task's wakers share. Other threads may hold it long after the task has ended; a wake then polls
/// whatever task has the index now once for nothing, which a future must bear anyway.
#[derive(Debug)]
pub(super) struct Signal {
    index: u32,
    queued: AtomicBool,
    remote: Arc<Remote>,
}

impl Signal {
    pub(super) fn new(index: u32, remote: &Arc<Remote>) -> Arc<Signal> {
        Arc::new(Signal {
            index,
            queued: AtomicBool::new(false),
            remote: Arc::clone(remote),
        })
    }

    /// Marks it as queued; `false` if it was already.
    pub(super) fn queue(&self) -> bool {
        !self.queued.swap(true, Ordering::AcqRel)
    }

    /// The task is about to be polled. A wake from now on queues it again; one that came before is seen by
    /// this poll, because the exchange reads what that wake wrote.
    pub(super) fn unqueue(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Signal>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Signal>) {
        if self.queue() && !executor::queue_locally(&self.remote, self.index) {
            self.remote.wake(self.index);
        }
    }
}
