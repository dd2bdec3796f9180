//! Work that blocks, on a pool of threads.

#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_channel::oneshot;
use futures_util::FutureExt;

use super::executor::contain_panic;
use super::join::JoinError;
use super::threads::{self, Ticket};

/// Runs `work` on a thread where blocking is allowed, and gives its result.
///
/// The threads are those of the whole process: started when needed, at most 500 (`EYEWALL_BLOCKING_THREADS` in the
/// environment sets another number, from 1 on), gone after half a second without work. Name resolution uses the same ones.
/// Work that finds no thread waits for one, in the order in which it was given; without a limit, so that whoever takes
/// work from others has to set one.
///
/// # Errors
///
/// A [`JoinError`] if `work` panicked; one for which [`JoinError::is_refused`] is true if there is no thread and the
/// system lets none be made.
///
/// # Cancel safety
///
/// Work that no thread has begun is dropped with the returned task, at once; work that runs goes on to its end, and
/// its result is dropped.
///
/// ```
/// # eyewall::block_on(async {
/// let sum = eyewall::spawn_blocking(|| (1..=100).sum::<u32>());
/// assert_eq!(sum.await.unwrap(), 5050);
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
pub fn spawn_blocking<T, W>(work: W) -> BlockingTask<T>
where
    W: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job = move || {
        let result = catch_unwind(AssertUnwindSafe(work)).map_err(JoinError::panicked);
        // An error here: nobody waits for the result.
        let _ = sender.send(result);
    };
    BlockingTask {
        // Refused work drops the sender, which tells the receiver.
        ticket: Some(threads::give(Box::new(job))),
        receiver: Some(receiver),
    }
}

/// The result of [`spawn_blocking`], to be awaited in any executor.
#[must_use = "dropping it cancels work that has not begun; `detach` lets it run"]
pub struct BlockingTask<T> {
    /// `None` once there is nothing to take back.
    ticket: Option<Ticket>,
    /// `None` once the result has been given.
    receiver: Option<oneshot::Receiver<Result<T, JoinError>>>,
}

impl<T> BlockingTask<T> {
    /// Lets the work run without anybody waiting for it.
    pub fn detach(mut self) {
        self.ticket = None;
    }

    /// Drops the work, if no thread has begun it; whether that is so.
    pub(crate) fn take_back(&mut self) -> bool {
        let work = self.ticket.and_then(threads::take_back);
        let taken = work.is_some();
        contain_panic(|| drop(work));
        taken
    }
}

impl<T> Future for BlockingTask<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let receiver = self.receiver.as_mut();
        let receiver = receiver.expect("a BlockingTask was polled after it was ready");
        let received = ready!(receiver.poll_unpin(cx));
        self.ticket = None;
        self.receiver = None;
        Poll::Ready(received.unwrap_or_else(|_| Err(JoinError::refused())))
    }
}

impl<T> Drop for BlockingTask<T> {
    fn drop(&mut self) {
        self.take_back();
        let receiver = self.receiver.take();
        contain_panic(|| drop(receiver));
    }
}

impl<T> fmt::Debug for BlockingTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingTask").finish_non_exhaustive()
    }
}
