//! The settings of a reactor.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::Reactor;
use super::core::Core;
use crate::error::{Error, ErrorKind};
use crate::task::Stall;

/// What to call when a task held the thread too long, and how long that is.
type OnStall = (Duration, Rc<dyn Fn(&Stall)>);

/// Sets up a [`Reactor`]; made by [`Reactor::builder`].
///
/// | setting | default |
/// | --- | --- |
/// | [`sq_entries`](Builder::sq_entries) | 256 |
/// | [`cq_entries`](Builder::cq_entries) | 8 × the submission queue, at most 65 536 |
/// | [`max_operations`](Builder::max_operations) | 65 536 |
/// | [`multishot_backlog`](Builder::multishot_backlog) | 16 |
/// | [`pool`](Builder::pool) | 256 buffers of 16 KiB |
/// | [`name_cache`](Builder::name_cache) | 256 names for 5 s |
/// | [`spin`](Builder::spin) | 100 µs |
/// | [`gather`](Builder::gather) | 200 µs |
/// | [`task_budget`](Builder::task_budget) | 256 |
/// | [`defer_taskrun`](Builder::defer_taskrun) | on |
/// | [`shutdown_timeout`](Builder::shutdown_timeout) | 1 s |
/// | [`on_stall`](Builder::on_stall) | off |
///
/// ```
/// use std::time::Duration;
///
/// let reactor = eyewall::Reactor::builder()
///     .pool(64, 4096)
///     .spin(Duration::ZERO)
///     .build()?;
/// assert_eq!(reactor.metrics().pool_buffers, 64);
/// # Ok::<(), eyewall::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct Builder {
    pub(super) sq_entries: u32,
    pub(super) cq_entries: u32,
    pub(super) defer_taskrun: bool,
    pub(super) max_operations: usize,
    pub(super) multishot_backlog: usize,
    pub(super) pool_buffers: u16,
    pub(super) pool_buffer_size: u32,
    pub(super) cached_names: usize,
    pub(super) names_kept: Duration,
    pub(super) spin: Duration,
    pub(super) gather: Duration,
    pub(super) task_budget: usize,
    pub(super) shutdown_timeout: Duration,
    pub(super) stall: Option<OnStall>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            sq_entries: 256,
            cq_entries: 0,
            defer_taskrun: true,
            max_operations: 1 << 16,
            multishot_backlog: 16,
            pool_buffers: 256,
            pool_buffer_size: 16 << 10,
            cached_names: 256,
            names_kept: Duration::from_secs(5),
            spin: Duration::from_micros(100),
            gather: Duration::from_micros(200),
            task_budget: 256,
            shutdown_timeout: Duration::from_secs(1),
            stall: None,
        }
    }
}

impl Builder {
    /// How many submissions fit into the submission queue (1 to 32 768); the kernel rounds up to a power of
    /// two. More that are made in one turn go out in the next, so that this bounds a batch, not the number of
    /// operations in flight.
    pub fn sq_entries(mut self, entries: u32) -> Builder {
        self.sq_entries = entries;
        self
    }

    /// How many completions fit into the completion queue, not below the submission queue's size. More that
    /// come before they are reaped wait in a list of the kernel, which costs time and memory but loses
    /// nothing.
    pub fn cq_entries(mut self, entries: u32) -> Builder {
        self.cq_entries = entries;
        self
    }

    /// Whether completions are worked off only when the reactor asks (`IORING_SETUP_DEFER_TASKRUN`), which is
    /// faster. Off, `IORING_SETUP_COOP_TASKRUN` takes its place.
    pub fn defer_taskrun(mut self, on: bool) -> Builder {
        self.defer_taskrun = on;
        self
    }

    /// How many operations may be in flight; a future that wants one more waits until one has ended. Each idle connection
    /// has one; those that a client keeps are closed, the one idle for longest first, while somebody waits (on the
    /// reactor where it was used first, if there are several). A fetch may have two at once, such as a receive and a send:
    /// with fewer than two for each fetch under way, all of them may wait for each other until their time is over.
    pub fn max_operations(mut self, limit: usize) -> Builder {
        self.max_operations = limit;
        self
    }

    /// How many results of one multishot operation (the connections of an `incoming()`, the chunks of a
    /// `chunks()`) may wait to be fetched. Over it, the operation is cancelled, and armed again when they have
    /// been fetched: one slow consumer cannot take all buffers, if there are some more than this. (The kernel
    /// may bring up to 32 further results in one go, before the reactor sees the first; before Linux 6.8, as many as
    /// there are.)
    pub fn multishot_backlog(mut self, results: usize) -> Builder {
        self.multishot_backlog = results;
        self
    }

    /// The buffer pool: how many buffers (a power of two up to 32 768) of how many bytes. Memory is used only
    /// once data has been received into a buffer.
    pub fn pool(mut self, buffers: u16, bytes: u32) -> Builder {
        self.pool_buffers = buffers;
        self.pool_buffer_size = bytes;
        self
    }

    /// How many resolved names are kept, and for how long; over the number the oldest goes. A zero for either
    /// keeps none. Names that did not resolve are never kept; see [`crate::dns`].
    pub fn name_cache(mut self, names: usize, keep: Duration) -> Builder {
        self.cached_names = names;
        self.names_kept = keep;
        self
    }

    /// How long at most the reactor looks for an answer before it sleeps, when recent ones came soon; zero always
    /// sleeps at once.
    ///
    /// Whatever is set here, an idle reactor sleeps, and so does one that only receives, or whose core is wanted by
    /// another process. [`Metrics::spins`](super::Metrics::spins) says how often it looks.
    pub fn spin(mut self, limit: Duration) -> Builder {
        self.spin = limit;
        self
    }

    /// How long at most the reactor sleeps on after the first completion, to take several at once, when many streams
    /// await answers that come one soon after the other; zero always ends a sleep with the first.
    ///
    /// It saves processor time where the peers are what all wait for, and adds at most an eighth to the time that an
    /// answer takes. A stream that has connected from here and was sent to counts as one that awaits an answer; where many
    /// of these do not, and a sleep holds up the others, the reactor soon leaves it. Whatever else comes, as from another
    /// thread, also waits no longer than the limit, and timers do not. Without
    /// [`defer_taskrun`](Builder::defer_taskrun) each sleep ends with the first.
    /// [`Metrics::gathers`](super::Metrics::gathers) says how often it does not.
    pub fn gather(mut self, limit: Duration) -> Builder {
        self.gather = limit;
        self
    }

    /// How many ready tasks run before the ring has its turn again.
    pub fn task_budget(mut self, tasks: usize) -> Builder {
        self.task_budget = tasks;
        self
    }

    /// How long dropping the reactor waits for the kernel to give up what is in flight;
    /// see [`Reactor::shutdown`].
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Builder {
        self.shutdown_timeout = timeout;
        self
    }

    /// Calls `callback` for each poll of a task, or of the future of `block_on`, that held the thread for `threshold`
    /// or longer, after it. Costs two readings of the clock for each poll.
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    ///
    /// let stalls = Rc::new(Cell::new(0));
    /// let seen = Rc::clone(&stalls);
    /// let reactor = eyewall::Reactor::builder()
    ///     .on_stall(Duration::from_millis(1), move |stall| {
    ///         println!("{} held the thread for {:?}", stall.spawned_at, stall.held);
    ///         seen.set(seen.get() + 1);
    ///     })
    ///     .build()?;
    /// reactor.block_on(async {
    ///     eyewall::spawn(async { std::thread::sleep(Duration::from_millis(2)) }).await
    /// })?.unwrap();
    /// assert!(stalls.get() > 0);
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn on_stall(mut self, threshold: Duration, callback: impl Fn(&Stall) + 'static) -> Builder {
        self.stall = Some((threshold, Rc::new(callback)));
        self
    }

    /// Makes the reactor.
    ///
    /// # Errors
    ///
    /// An [`Error`] that says what to do: the kernel is too old or forbids io_uring, memory is short, or a
    /// setting is out of its range.
    pub fn build(mut self) -> Result<Reactor, Error> {
        let invalid = |message| Err(Error::new(ErrorKind::InvalidInput, message));
        if self.sq_entries == 0 || self.sq_entries > 1 << 15 {
            return invalid("sq_entries must be 1 to 32768");
        }
        if self.cq_entries == 0 {
            self.cq_entries = (self.sq_entries.next_power_of_two() * 8).min(1 << 16);
        }
        if self.cq_entries < self.sq_entries || self.cq_entries > 1 << 16 {
            return invalid("cq_entries must be between sq_entries and 65536");
        }
        if !self.pool_buffers.is_power_of_two() || self.pool_buffers > 1 << 15 {
            return invalid("the pool must have a power of two of buffers, at most 32768");
        }
        if !(64..=1 << 24).contains(&self.pool_buffer_size) {
            return invalid("a pool buffer must have 64 bytes to 16 MiB");
        }
        if self.max_operations == 0 || self.max_operations > 1 << 30 {
            return invalid("max_operations must be 1 to 2^30");
        }
        if self.multishot_backlog == 0 || self.task_budget == 0 {
            return invalid("multishot_backlog and task_budget must be at least 1");
        }
        Ok(Reactor {
            core: Core::new(&self)?,
            shutdown_timeout: self.shutdown_timeout,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("sq_entries", &self.sq_entries)
            .field("cq_entries", &self.cq_entries)
            .field("defer_taskrun", &self.defer_taskrun)
            .field("max_operations", &self.max_operations)
            .field("multishot_backlog", &self.multishot_backlog)
            .field("pool_buffers", &self.pool_buffers)
            .field("pool_buffer_size", &self.pool_buffer_size)
            .field("cached_names", &self.cached_names)
            .field("names_kept", &self.names_kept)
            .field("spin", &self.spin)
            .field("gather", &self.gather)
            .field("task_budget", &self.task_budget)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .finish_non_exhaustive()
    }
}
