//! Waiting for a task's end.

#![forbid(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use super::cell::TaskOf;
use super::executor;

/// A spawned task: await it for its result, [`abort`](JoinHandle::abort) it, or drop it to let the task run
/// on by itself.
///
/// # Cancel safety
///
/// Awaiting `&mut handle` in a `select!` is safe: the result stays with the task until it is fetched.
///
/// # In another reactor
///
/// A thread may have several reactors, of which one runs at a time. Awaited inside one of the others, the handle of a
/// task that has not ended gives an error at once ([`JoinError::is_elsewhere`]): the task would not run as long as it
/// is waited for. It goes on when its own reactor runs again, where the handle, if it was awaited as `&mut handle`, gives
/// the result as ever. A result that is there can be fetched anywhere; so can the handle be awaited where no reactor
/// runs, in an executor of somebody else's.
///
/// ```
/// # eyewall::block_on(async {
/// let endless = eyewall::spawn(std::future::pending::<()>());
/// endless.abort();
/// assert!(endless.await.unwrap_err().is_aborted());
///
/// let clumsy = eyewall::spawn(async { panic!("oh") });
/// let error = clumsy.await.unwrap_err();
/// assert_eq!(error.to_string(), "the task panicked: oh");
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
pub struct JoinHandle<T> {
    task: TaskOf<T>,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(task: TaskOf<T>) -> JoinHandle<T> {
        JoinHandle { task }
    }

    /// Ends the task: its future is dropped at once, or, if the task calls this on itself, when it next
    /// yields. A task that has ended already keeps its result.
    pub fn abort(&self) {
        let task = self.task.task();
        task.executor().abort(task);
    }

    /// Lets the task run on without a handle; the same as dropping the handle, but says so.
    pub fn detach(self) {}

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.task.task().has_ended()
    }
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If polled again after it was ready, save with [`JoinError::is_elsewhere`].
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        executor::join(&self.task, cx.waker())
    }
}

impl<T> Unpin for JoinHandle<T> {}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let task = self.task.task();
        if !task.is_empty() {
            task.executor().detach(task);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Why a task has no result. `?` makes an [`io::Error`] of it:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// async fn hosts() -> std::io::Result<String> {
///     eyewall::spawn_blocking(|| std::fs::read_to_string("/etc/hosts")).await?
/// }
/// eyewall::block_on(hosts())??;
/// # Ok(())
/// # }
/// ```
pub struct JoinError {
    cause: Cause,
}

enum Cause {
    Aborted,
    ShutDown,
    Deadlock,
    Elsewhere,
    Refused,
    /// In a mutex only to be `Sync`, as an error inside of `io::Error` has to be.
    Panicked(Mutex<Box<dyn Any + Send>>),
}

impl JoinError {
    pub(super) fn aborted() -> JoinError {
        JoinError {
            cause: Cause::Aborted,
        }
    }

    pub(super) fn shut_down() -> JoinError {
        JoinError {
            cause: Cause::ShutDown,
        }
    }

    pub(crate) fn deadlock() -> JoinError {
        JoinError {
            cause: Cause::Deadlock,
        }
    }

    pub(crate) fn elsewhere() -> JoinError {
        JoinError {
            cause: Cause::Elsewhere,
        }
    }

    pub(super) fn refused() -> JoinError {
        JoinError {
            cause: Cause::Refused,
        }
    }

    pub(super) fn panicked(payload: Box<dyn Any + Send>) -> JoinError {
        JoinError {
            cause: Cause::Panicked(Mutex::new(payload)),
        }
    }

    /// Whether [`JoinHandle::abort`] ended the task.
    pub fn is_aborted(&self) -> bool {
        matches!(self.cause, Cause::Aborted)
    }

    /// Whether the reactor was shut down before the task had ended.
    pub fn is_shut_down(&self) -> bool {
        matches!(self.cause, Cause::ShutDown)
    }

    /// Whether the task has not ended, and was awaited inside another reactor than its own. It goes on, and its
    /// [`JoinHandle`] can be awaited again.
    ///
    /// ```
    /// use eyewall::Reactor;
    ///
    /// let (home, other) = (Reactor::new()?, Reactor::new()?);
    /// let mut task = home.spawn(async { 42 });
    /// let error = other.block_on(&mut task)?.unwrap_err();
    /// assert!(error.is_elsewhere());
    /// assert_eq!(home.block_on(task)?.unwrap(), 42);
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.cause, Cause::Elsewhere)
    }

    /// Whether the task has not ended, and the thread of its reactor was to be blocked until it has
    /// ([`RemoteTask::wait`](crate::task::RemoteTask::wait)). It goes on.
    pub fn is_deadlock(&self) -> bool {
        matches!(self.cause, Cause::Deadlock)
    }

    /// Whether work for [`spawn_blocking`](crate::spawn_blocking) was dropped because there was no thread for it, and the
    /// system let none be made.
    pub fn is_refused(&self) -> bool {
        matches!(self.cause, Cause::Refused)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panicked(_))
    }

    /// What the task panicked with, for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// This error again if the task did not panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self.cause {
            Cause::Panicked(payload) => {
                Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            cause => Err(JoinError { cause }),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Aborted => f.write_str("the task was aborted"),
            Cause::ShutDown => f.write_str("the reactor was shut down before the task had ended"),
            Cause::Deadlock => f.write_str(
                "the task's reactor belongs to this very thread, which would wait for itself for ever: await the task \
                 inside that reactor, or wait on another thread",
            ),
            Cause::Elsewhere => f.write_str(
                "the task belongs to a reactor that does not run here, so that it would be waited for in vain: await it \
                 inside that reactor's block_on or a task of it",
            ),
            Cause::Refused => f.write_str(
                "no thread could be made for work that blocks: is a limit of processes and threads (ulimit -u, pids.max \
                 of the cgroup) reached, or memory short?",
            ),
            Cause::Panicked(payload) => {
                let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
                let text = payload
                    .downcast_ref::<&str>()
                    .copied()
                    .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
                match text {
                    Some(text) => write!(f, "the task panicked: {text}"),
                    None => f.write_str("the task panicked"),
                }
            }
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    /// Of the kind `Other`, with the [`JoinError`] inside.
    fn from(error: JoinError) -> io::Error {
        io::Error::other(error)
    }
}
