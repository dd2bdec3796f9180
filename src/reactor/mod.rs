//! The reactor: the table of operations, their life, the turn, timers, shutdown, counters.
//!
//! A program needs [`block_on`], or a [`Reactor`] that it keeps, made by a [`Builder`] where its settings are to
//! change; [`Metrics`] for its counters. The rest of this page says how it works.
//!
//! | file | job |
//! | --- | --- |
//! | `core.rs` | the state of a reactor, and how operations enter and leave it |
//! | `crowd.rs` | who gives slots back when there is none |
//! | `submission.rs` | the handle of an operation: a future, or a stream of results |
//! | `table.rs` | the rules of a slot's life |
//! | `posts.rs` | the posts, which have no slot |
//! | `slots.rs` | the slots, and the generations of their use |
//! | `turn.rs` | stage, enter, reap, fire timers |
//! | `spin.rs` | when to spin before going to sleep |
//! | `gather.rs` | when to sleep until several completions are there |
//! | `wheel.rs` | the timers |
//! | `given_up.rs` | what the kernel gives up by itself |
//! | `shutdown.rs` | ending it all without freeing what the kernel may still write to |
//!
//! # The life of an operation
//!
//! 1. A call such as `stream.recv(buffer)` makes an operation (a file in `op/`), which takes the buffer. It
//!    gets a slot in the table and its id goes to the end of the queue. Nothing has reached the kernel.
//! 2. The next turn *stages* it: its request becomes an SQE whose `user_data` is the id: slot (32 bits),
//!    generation (31 bits). The same turn enters the kernel. From here on the kernel may touch the buffer. What a
//!    stream sends or receives is staged by the call itself where nothing waits to be staged before it: that saves
//!    the way through the queue.
//! 3. A completion finds the slot by its `user_data`. Where the generation differs, the completion is counted
//!    as stale and wakes nobody. The final completion (the one without `IORING_CQE_F_MORE`; for a zero-copy
//!    send its notification) ends the operation. If there is more to do, as after a short send, the operation
//!    goes back to step 2 by itself.
//! 4. The future fetches its result and the buffer, and the slot is free.
//!
//! A *posted* send has no future, and mostly no completion: its SQE asks for none on success and must not wait
//! (`MSG_DONTWAIT`), so that it is over when the enter that submits it returns. What has no completion by then has
//! succeeded; what has failed or come short goes on as an ordinary send. So the enter that sends a question can
//! also wait for the answer. It needs no slot until then, but counts as if it had one: its `user_data` is a number of
//! 31 bits, by which `posts.rs` finds it. One that cannot be staged at once takes a slot and goes through the queue; that
//! one has a completion.
//!
//! # The order of staging
//!
//! The wake-up poll, cancels, closes, then operations, oldest first. What does not fit into the submission queue waits
//! for the next turn, which comes without sleeping. So a flood of operations cannot hold up a cancel: one that finds
//! the submission queue filled by calls since the last turn goes out with the next. And no SQE of the reactor's own is
//! ever lost. An operation that finds the table full waits in its future, and the pools of clients are asked, one of them
//! a turn, for the slots of idle connections. When a slot is freed the future that has waited longest is called, and the
//! slot is kept for it until the next turn, so that neither a busy task nor a forgotten future can keep the others out. A
//! close takes no slot, but where it is awaited or may take a while (that of a file); then it takes one beyond the limit if
//! it must: a full table has to be able to shrink.
//!
//! # What a dropped future does
//!
//! - The operation is queued and has never been in the kernel: it is taken back; nothing has happened.
//! - The kernel has it, or it is staged: it is *abandoned*. A receive, accept or connect is cancelled; a send goes on
//!   to its last byte, so that the stream is never torn. Either way the operation keeps its buffer until the final
//!   completion, which then goes to `discard`: bytes go back to their stream for the next receive, a buffer to the
//!   pool, a descriptor is closed, a send's error waits for the next send.
//! - Its completion was there: the same, at once.
//!
//! A forgotten future (`mem::forget`) leaves its operation in flight. The next call on the same half of the
//! socket abandons it, and so takes over what it received; the drop of the half abandons it, too. What belongs to no
//! half (a connect, a datagram on its way out, a shutdown, what is done to a file) keeps its slot and its buffer until
//! the reactor is shut down, as whatever is forgotten leaks. It does not keep a descriptor that others hold open, once
//! the kernel has ended it: a close that is awaited does not wait for ever. Where a future is forgotten while it waits for
//! a full table, its operation is in nobody's reach: it holds up no other call, but leaks with the descriptor, and a close
//! that is awaited does wait for ever.
//!
//! An operation belongs to the reactor of its socket or file. Where another one runs, or none, a call is an error: its
//! turn might never come. A future that has begun at home can end only there: what has its buffer cannot give it back before,
//! and so it waits, polled elsewhere, until its own reactor has run and it is polled again.
//!
//! Pooled receives and accepts belong to the socket, not to a future: they stay armed when their future is
//! dropped, and what they bring goes to the next call.
//!
//! A worked example. A task runs `timeout(1 s, stream.recv(buffer))`, and the bytes arrive in the same moment
//! as the timer. The turn reaps the completion and keeps it in the slot; then the timer fires. The task polls
//! the receive first and gets its bytes. Had the completion come one turn later, the timeout would have
//! dropped the future: the slot is abandoned, a cancel is queued, staged and submitted; the kernel answers it
//! with ENOENT, because the receive has completed, with 100 bytes. `discard` gives the 100 bytes to the
//! stream. The next `recv` finds the abandoned operation in flight or ended, waits for its end, and returns
//! the 100 bytes before it asks the kernel for more.
//!
//! # The turn
//!
//! Tasks that are ready run, and the future of `block_on` whenever it has been woken, until none is ready or as many as
//! [`task_budget`](Builder::task_budget) says have run; or until that future wakes itself, as it does to wait for a turn.
//! Then: stage, enter, reap, fire timers. There is one `io_uring_enter` a turn, and none if nothing is staged, no task work is
//! flagged and no completions overflowed. (One comes in between where descriptors are used up and some wait for their
//! close.) It waits only when no task is ready, no other thread has called, nobody
//! waits for the end of a post and no stream is parked for want of a buffer. `spin.rs` says when it spins before
//! that: then what is staged goes out by an enter of its own, and another one ends the spin. `gather.rs` says when it
//! sleeps until several completions are there; if none came in time, another enter waits for the first. Timers cost no SQE:
//! the next deadline is the timeout of the enter. No user code (a task, a waker, the drop of a buffer) runs
//! while the ring or the table is borrowed.
//!
//! # Shutdown
//!
//! 1. The tasks are dropped; no operation is taken any more ([`ErrorKind::ShutDown`](crate::ErrorKind)).
//! 2. What is queued goes out, cancels and closes first. What finds no room for long ends as cancelled.
//! 3. Everything in flight is cancelled, synchronously (`IORING_REGISTER_SYNC_CANCEL`), and reaped until
//!    nothing is left or the time is over.
//! 4. What the kernel then still has is leaked on purpose, with its buffers and the pool, and counted: closing
//!    a ring is not a barrier, so that freeing would let the kernel write to memory of somebody else.
//! 5. Descriptors that wait for their close are closed with close(2), as are those dropped later.

#![forbid(unsafe_code)]

mod builder;
mod core;
#[cfg(feature = "http")]
mod crowd;
mod gather;
mod given_up;
mod metrics;
mod posts;
mod shutdown;
mod slots;
mod spin;
mod submission;
mod table;
#[cfg(test)]
mod tests;
mod turn;
mod wheel;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

pub use builder::Builder;
pub(crate) use core::Core;
#[cfg(feature = "http")]
pub(crate) use crowd::{Relief, Stock};
pub use metrics::Metrics;
pub use shutdown::ShutdownReport;
pub(crate) use submission::{Handed, Submission};
pub(crate) use table::OpId;
pub(crate) use wheel::TimerKey;

use crate::error::Error;
use crate::task::{Handle, JoinHandle};

/// A completion reactor: one io_uring ring, the operations in flight on it, and the tasks that wait for them,
/// all on the thread that made it.
///
/// A thread may have several, but only one can run at a time. Dropping it shuts it down.
///
/// A child of fork(2) has no part in it: the ring and the buffer pool are not mapped there, and to touch them ends the
/// child. One that goes on with execve(2), as [`std::process::Command`] has it, sees nothing of it; another may make a
/// reactor of its own, as far as a child of a process with threads may do anything (fork(2), NOTES): locks that these held
/// stay locked in it.
///
/// ```
/// use eyewall::Reactor;
///
/// let reactor = Reactor::new()?;
/// let sum = reactor.block_on(async {
///     let task = eyewall::spawn(async { 20 });
///     task.await.unwrap() + 22
/// })?;
/// assert_eq!(sum, 42);
/// # Ok::<(), eyewall::Error>(())
/// ```
pub struct Reactor {
    core: Rc<Core>,
    shutdown_timeout: Duration,
}

impl Reactor {
    /// A reactor with the default settings; see [`Builder`].
    ///
    /// # Errors
    ///
    /// An [`Error`] that says what to do, if the kernel is too old or forbids io_uring, or memory is short.
    pub fn new() -> Result<Reactor, Error> {
        Reactor::builder().build()
    }

    /// The settings, to be changed before the reactor is made.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs `future` to its end, and spawned tasks meanwhile.
    ///
    /// Tasks that have not ended stay, and go on in the next `block_on` of the same reactor.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Nested`](crate::ErrorKind::Nested) if a reactor already runs on this thread, which this
    /// call would block; otherwise only if the ring itself fails.
    ///
    /// # Panics
    ///
    /// If `future` panics; the reactor stays usable.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        let called_at = Location::caller();
        let _entered = self.core.enter()?;
        let executor = &self.core.executor;
        let main = executor.main(called_at);
        let waker = main.waker();
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        let mut woken = true;
        let mut left = self.core.task_budget;
        loop {
            if woken
                && let Poll::Ready(output) =
                    executor.watch(called_at, || future.as_mut().poll(&mut cx))
            {
                return Ok(output);
            }
            // What the future has made ready runs first, and so a task that is spawned and awaited costs no turn. A
            // future that has woken itself waits for one.
            if left == 0 || main.is_woken() || !executor.has_ready() {
                self.core.turn()?;
                executor.take_remote();
                left = self.core.task_budget;
            }
            woken = executor.run(&mut left);
        }
    }

    /// Spawns a task, which runs whenever the reactor does; see [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        Rc::clone(&self.core.executor).spawn(future)
    }

    /// A way to this reactor from other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(self.core.executor.remote())
    }

    /// What the reactor has counted, and its levels now.
    pub fn metrics(&self) -> Metrics {
        self.core.metrics()
    }

    /// Ends the reactor: drops its tasks, cancels what is in flight and waits, for at most `timeout`, until the
    /// kernel has given it up.
    ///
    /// Sockets that outlive it return errors, and still close when they are dropped.
    ///
    /// ```
    /// use std::time::Duration;
    /// use eyewall::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.block_on(async { /* ... */ })?;
    /// let report = reactor.shutdown(Duration::from_secs(1));
    /// assert_eq!(report.leaked, 0);
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn shutdown(self, timeout: Duration) -> ShutdownReport {
        self.core.shut_down(timeout)
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.core.shut_down(self.shutdown_timeout);
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}

/// The counters of the reactor that runs on this thread; see [`Reactor::metrics`]. `None` where none runs.
///
/// ```
/// eyewall::block_on(async {
///     let task = eyewall::spawn(std::future::pending::<()>());
///     let now = eyewall::reactor::metrics().expect("a reactor runs here");
///     assert_eq!((now.tasks, now.panics), (1, 0));
///     task.abort();
/// })?;
/// assert_eq!(eyewall::reactor::metrics(), None);
/// # Ok::<(), eyewall::Error>(())
/// ```
pub fn metrics() -> Option<Metrics> {
    Core::current().ok().map(|core| core.metrics())
}

/// Runs `future` to its end on a new reactor with the default settings, which is then shut down.
///
/// # Errors
///
/// As [`Reactor::new`] and [`Reactor::block_on`].
///
/// ```
/// let answer = eyewall::block_on(async { 42 })?;
/// assert_eq!(answer, 42);
/// # Ok::<(), eyewall::Error>(())
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Error> {
    Reactor::new()?.block_on(future)
}

/// One round through the ring that does nothing: what an operation costs at least.
///
/// # Errors
///
/// Where no reactor runs on this thread, or it has been shut down.
///
/// # Cancel safety
///
/// Cancel safe: there is nothing to lose.
///
/// ```
/// eyewall::block_on(eyewall::reactor::nop())??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_NOP")]
pub async fn nop() -> std::io::Result<()> {
    let core = Core::current()?;
    core.check_open()?;
    core.submit(crate::op::Nop).await.0
}
