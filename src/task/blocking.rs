//! Work that blocks, on a pool of threads.

#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;

use super::join::JoinError;

/// Runs `work` on a thread where blocking is allowed, and gives its result.
///
/// The threads are those of the `blocking` crate: started when needed, at most 500 (`BLOCKING_MAX_THREADS`
/// in the environment sets another number), gone after half a second without work. Name resolution uses the
/// same pool.
///
/// # Cancel safety
///
/// Work that no thread has begun is dropped with the returned task; work that runs goes on to its end, and
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
    let work = AssertUnwindSafe(work);
    BlockingTask {
        task: blocking::unblock(move || {
            let work = work;
            catch_unwind(AssertUnwindSafe(work.0)).map_err(JoinError::panicked)
        }),
    }
}

/// The result of [`spawn_blocking`], to be awaited in any executor.
#[derive(Debug)]
#[must_use = "dropping it cancels work that has not begun; `detach` lets it run"]
pub struct BlockingTask<T> {
    task: blocking::Task<Result<T, JoinError>>,
}

impl<T> BlockingTask<T> {
    /// Lets the work run without anybody waiting for it.
    pub fn detach(self) {
        self.task.detach();
    }
}

impl<T> Future for BlockingTask<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.task.poll_unpin(cx)
    }
}
