//! What the reactor has counted.

use std::cell::Cell;

/// The counters of a reactor since it was made, and a few levels as they are now; see
/// [`Reactor::metrics`](super::Reactor::metrics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Calls of `io_uring_enter`.
    pub enters: u64,
    /// Those of them that could sleep.
    pub waits: u64,
    /// Submissions staged.
    pub sqes: u64,
    /// Completions reaped.
    pub cqes: u64,
    /// Times that the reactor spun instead of going to sleep at once.
    pub spins: u64,
    /// Spins that met their completion, so that the sleep was saved.
    pub spins_won: u64,
    /// Sleeps that were to bring several completions at once.
    pub gathers: u64,
    /// Cancels staged for operations whose futures were dropped.
    pub cancels: u64,
    /// Cancels that came before the operation had a result.
    pub cancels_won: u64,
    /// Cancels that came too late: the operation had ended by itself.
    pub cancels_lost: u64,
    /// Completions that nobody waited for any more and that were disposed of or given back to their socket.
    pub discarded: u64,
    /// Streams that found the buffer pool empty (ENOBUFS) and waited.
    pub pool_parks: u64,
    /// Multishot operations paused because their results were not fetched.
    pub throttled: u64,
    /// Turns that found the completion queue overflowing into the kernel's own list.
    pub cq_overflows: u64,
    /// Completions for operations that are not in flight. Not zero means a bug: please report it.
    pub stale: u64,
    /// Accepts postponed because the process or the system had no descriptors or memory left, or forbade them.
    pub accepts_paused: u64,
    /// Names that the system was asked for and has answered, be it with an error; one that was known, or already being
    /// asked for, does not count.
    pub look_ups: u64,
    /// Polls of tasks, and of the future of `block_on`, that held the thread longer than the stall threshold.
    pub stalls: u64,
    /// Panics that the reactor caught: in tasks, and in wakers, jobs and drops that it ran.
    pub panics: u64,
    /// Operations in flight, now, with those that wait to be staged.
    pub operations: usize,
    /// Tasks that have not ended, now.
    pub tasks: usize,
    /// Timers that wait, now.
    pub timers: usize,
    /// Pool buffers that the kernel can pick from, now.
    pub pool_available: u16,
    /// Pool buffers in all.
    pub pool_buffers: u16,
}

/// A counter that several owners on one thread can raise.
#[derive(Debug, Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.set(self.0.get() + count);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

/// The counters that the reactor itself raises.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) enters: Counter,
    pub(crate) waits: Counter,
    pub(crate) sqes: Counter,
    pub(crate) cqes: Counter,
    pub(crate) spins: Counter,
    pub(crate) spins_won: Counter,
    pub(crate) gathers: Counter,
    pub(crate) cancels: Counter,
    pub(crate) discarded: Counter,
    pub(crate) throttled: Counter,
    pub(crate) stale: Counter,
    pub(crate) accepts_paused: Counter,
}
