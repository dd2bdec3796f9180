//! Ending a reactor without freeing what the kernel may still write to.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::core::Core;
use crate::ring::Wait;

/// What became of the operations that were in flight when a reactor was shut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Operations that ended by themselves.
    pub completed: u64,
    /// Operations that were cancelled, among them those that had not reached the kernel, and the receives of sockets
    /// that had just been dropped: not all of them were wanted still.
    pub cancelled: u64,
    /// Operations that the kernel had not given up when the time was over. They, their buffers and the buffer
    /// pool stay allocated for ever, since the kernel may still write to them.
    pub leaked: u64,
}

impl Core {
    /// Ends everything within `timeout`; see the steps on the [module's page](super).
    pub(super) fn shut_down(self: &Rc<Core>, timeout: Duration) -> ShutdownReport {
        let deadline = Instant::now().checked_add(timeout);
        if self.table().is_shut() {
            return ShutdownReport::default();
        }
        // Tasks may look for their reactor while they are dropped.
        let entered = self.enter();
        self.executor.shut_down();
        self.drop_locals();
        let waiting = self.table().shut();
        self.open.set(false);
        self.wake_all(waiting);

        let mut report = ShutdownReport::default();
        // What the tasks' drops have queued (cancels, closes) goes out; the rest is ended below.
        self.flush(&mut report);
        let won = self.table().cancels_won;
        let (wakers, abandoned) = self.table().end_queued();
        report.cancelled += self.table().cancels_won - won;
        for id in abandoned {
            self.abandon(id, true);
        }
        self.wake_all(wakers);

        // Also where the kernel has taken none of the last: closes and posts are in no table.
        while self.table().in_kernel() > 0 || self.wake_armed.get() || self.ring().staged() > 0 {
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            // Also where there is no time: most of what is in flight ends on the spot.
            self.ring().cancel_all(left);
            let wait = Wait::Completion(Some(left.min(Duration::from_millis(10))));
            if self.enter_ring(wait).is_err() {
                break;
            }
            self.reap_counting(&mut report);
            if left.is_zero() {
                break;
            }
        }

        report.leaked = self.leak_in_kernel();
        self.executor.shield(|| self.descriptors.closes.shut());
        // Refused only where it has been done, and the ring goes anyway.
        let _ = self.ring().unregister_buffers();
        drop(entered);
        report
    }

    /// Leaves to the kernel for ever what it still has; returns how many operations that are.
    fn leak_in_kernel(&self) -> u64 {
        let leaked = self.table().take_in_kernel();
        if !leaked.is_empty() {
            // A receive among them may still write to the pool.
            std::mem::forget(Rc::clone(&self.pool));
        }
        let posts = self.table().take_posts();
        let posted = posts.map(std::mem::forget).count();
        let count = (leaked.len() + posted) as u64;
        for (mut op, unfetched) in leaked {
            for cqe in unfetched {
                self.executor.shield(|| op.discard(cqe));
            }
            std::mem::forget(op);
        }
        count
    }

    /// Submits what is queued, until nothing is left or the kernel takes no more.
    fn flush(&self, report: &mut ShutdownReport) {
        // Each round stages at least one SQE, or ends; a completion may queue more (a close).
        for _ in 0..1 << 20 {
            let all_staged = self.stage();
            if self.ring().staged() == 0 || self.enter_ring(Wait::No).is_err() {
                break;
            }
            self.reap_counting(report);
            if all_staged && self.descriptors.closes.is_empty() {
                break;
            }
        }
    }

    fn reap_counting(&self, report: &mut ShutdownReport) {
        let won = self.table().cancels_won;
        let before = self.table().in_kernel();
        self.reap();
        let table = self.table();
        let ended = before.saturating_sub(table.in_kernel()) as u64;
        let cancelled = (table.cancels_won - won).min(ended);
        drop(table);
        report.cancelled += cancelled;
        report.completed += ended - cancelled;
    }
}

/// The last line: were a shutdown cut short by a panic, freeing what the kernel has would be worse than a leak.
impl Drop for Core {
    fn drop(&mut self) {
        self.leak_in_kernel();
    }
}
