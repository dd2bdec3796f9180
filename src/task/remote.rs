//! The way in from other threads: wakes and jobs, and the handle that sends them.

#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use futures_channel::oneshot::{self, Canceled};
use futures_util::FutureExt;

use super::cell::Sent;
use super::executor::Executor;
use super::join::JoinError;
use super::wait::{NotEnded, wait};
use crate::error::no_reactor;
use crate::ring::EventFd;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// What other threads leave for the reactor, and how they wake it.
///
/// A writer puts its word into the inbox, raises `pending`, and writes the eventfd only if it finds the
/// reactor `parked`. The reactor raises `parked`, and only then looks at `pending` for the last time before it
/// sleeps. Both orders are sequentially consistent, so that at least one of the two sees the other.
#[derive(Debug)]
pub(crate) struct Remote {
    inbox: Mutex<Inbox>,
    pending: AtomicBool,
    parked: AtomicBool,
    eventfd: EventFd,
    /// The thread of the reactor.
    thread: ThreadId,
}

#[derive(Default)]
struct Inbox {
    woken: Vec<Sent>,
    jobs: Vec<Job>,
    closed: bool,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("woken", &self.woken.len())
            .field("jobs", &self.jobs.len())
            .field("closed", &self.closed)
            .finish()
    }
}

impl Remote {
    pub(crate) fn new() -> io::Result<Arc<Remote>> {
        Ok(Arc::new(Remote {
            inbox: Mutex::default(),
            pending: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            eventfd: EventFd::new()?,
            thread: thread::current().id(),
        }))
    }

    pub(crate) fn eventfd(&self) -> &EventFd {
        &self.eventfd
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        // Nothing panics while it holds the lock.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        self.pending.store(true, Ordering::SeqCst);
        if self.parked.swap(false, Ordering::SeqCst) {
            self.eventfd.signal();
        }
    }

    /// Hands a task over that has been woken.
    pub(super) fn wake(&self, woken: Sent) {
        let mut inbox = self.inbox();
        if inbox.closed {
            return;
        }
        inbox.woken.push(woken);
        drop(inbox);
        self.announce();
    }

    /// Runs `job` on the reactor's thread; gives it back if the reactor has gone.
    fn run(&self, job: Job) -> Result<(), Job> {
        let mut inbox = self.inbox();
        if inbox.closed {
            return Err(job);
        }
        inbox.jobs.push(job);
        drop(inbox);
        self.announce();
        Ok(())
    }

    /// Whether something waits in the inbox.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Says that the reactor is about to sleep; `false` if it must not.
    pub(crate) fn park(&self) -> bool {
        self.parked.store(true, Ordering::SeqCst);
        if self.is_pending() {
            self.unpark();
            return false;
        }
        true
    }

    /// The reactor is awake again.
    pub(crate) fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    /// Empties the inbox.
    pub(super) fn take(&self) -> (Vec<Sent>, Vec<Job>) {
        self.pending.store(false, Ordering::SeqCst);
        let mut inbox = self.inbox();
        (
            std::mem::take(&mut inbox.woken),
            std::mem::take(&mut inbox.jobs),
        )
    }

    /// Takes nothing more; returns the jobs that waited, to be dropped.
    pub(super) fn close(&self) -> Vec<Job> {
        self.inbox().closed = true;
        self.take().1
    }
}

/// A way to a reactor from any thread: `Send`, `Sync` and cheap to clone.
///
/// It does not keep the reactor alive. Once the reactor has been shut down, what it spawns ends with
/// [`JoinError::is_shut_down`].
///
/// ```
/// use eyewall::Reactor;
///
/// let reactor = Reactor::new()?;
/// let handle = reactor.handle();
/// let other = std::thread::spawn(move || {
///     // The closure runs on the reactor's thread, so that its future need not be Send.
///     handle.spawn(|| async { 40 + 2 }).wait()
/// });
/// reactor.block_on(async {
///     while !other.is_finished() {
///         eyewall::time::sleep(std::time::Duration::from_millis(1)).await;
///     }
/// })?;
/// assert_eq!(other.join().unwrap().unwrap(), 42);
/// # Ok::<(), eyewall::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    remote: Arc<Remote>,
}

impl Handle {
    /// Whether its reactor belongs to this thread: as long as that waits, it does not run.
    pub(super) fn is_of_this_thread(&self) -> bool {
        self.remote.thread == thread::current().id()
    }

    /// Whether it belongs to this thread, where another reactor runs: as long as somebody waits inside of that, it does
    /// not run.
    pub(crate) fn is_kept_from_running(&self) -> bool {
        super::executor::another_runs_here(&self.remote) && self.is_of_this_thread()
    }

    pub(crate) fn new(remote: &Arc<Remote>) -> Handle {
        Handle {
            remote: Arc::clone(remote),
        }
    }

    /// A way back to the reactor that runs on this thread, to be handed to another one.
    ///
    /// # Errors
    ///
    /// Where none runs, it says so.
    ///
    /// ```
    /// use eyewall::task::Handle;
    ///
    /// assert!(Handle::current().is_err());
    /// let answer = eyewall::block_on(async {
    ///     let handle = Handle::current().unwrap();
    ///     let other = std::thread::spawn(move || handle.spawn(|| async { 42 }));
    ///     eyewall::spawn_blocking(|| other.join().unwrap()).await.unwrap().await
    /// })?;
    /// assert_eq!(answer.unwrap(), 42);
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn current() -> io::Result<Handle> {
        let executor = Executor::current().ok_or_else(no_reactor)?;
        Ok(Handle::new(executor.remote()))
    }

    /// Spawns the future that `make` returns onto the reactor.
    ///
    /// `make` runs on the reactor's thread, in its next turn. The task runs on if the returned
    /// [`RemoteTask`] is dropped.
    pub fn spawn<M, F>(&self, make: M) -> RemoteTask<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            let task = catch_unwind(AssertUnwindSafe(make));
            super::in_background(async move {
                let result = match task {
                    Ok(future) => contained(future).await,
                    Err(panic) => Err(panic),
                };
                if result.is_err() {
                    super::executor::count_panic();
                }
                // An error here: nobody waits for the result.
                let _ = sender.send(result.map_err(JoinError::panicked));
            });
        };
        // A refused job drops the sender, which tells the receiver.
        let _ = self.remote.run(Box::new(job));
        RemoteTask {
            receiver: Some(receiver),
            reactor: self.clone(),
        }
    }
}

/// Runs `future` to its end, and drops it; one that panics while it is dropped has not ended well either.
async fn contained<F: Future>(future: F) -> thread::Result<F::Output> {
    let mut place = pin!(Some(AssertUnwindSafe(future).catch_unwind()));
    let running = place.as_mut().as_pin_mut().expect("it is there");
    let result = running.await;
    let dropped = catch_unwind(AssertUnwindSafe(|| place.set(None)));
    result.and_then(|output| dropped.map(|()| output))
}

/// The result of a task that was spawned through a [`Handle`].
///
/// Await it in any executor, or block a thread on it with [`wait`](RemoteTask::wait) or
/// [`wait_timeout`](RemoteTask::wait_timeout).
///
/// Awaited inside another reactor of the same thread, it gives an error at once if the task has not ended
/// ([`JoinError::is_elsewhere`]), as a [`JoinHandle`](crate::JoinHandle) does.
#[derive(Debug)]
pub struct RemoteTask<T> {
    /// `None` once the result has been given.
    receiver: Option<oneshot::Receiver<Result<T, JoinError>>>,
    reactor: Handle,
}

impl<T> RemoteTask<T> {
    /// Blocks this thread until the task has ended.
    ///
    /// # Errors
    ///
    /// A [`JoinError`] if the task panicked or the reactor was shut down. On the reactor's own thread, which would wait
    /// for itself, it says so at once ([`JoinError::is_deadlock`]), if the task has not ended; the task runs on.
    ///
    /// # Panics
    ///
    /// If it has been awaited, and has given its result.
    ///
    /// ```
    /// let reactor = eyewall::Reactor::new()?;
    /// let handle = reactor.handle();
    /// let error = handle.spawn(|| async { 42 }).wait().unwrap_err();
    /// assert!(error.is_deadlock(), "nobody runs the reactor while its thread waits");
    /// assert_eq!(reactor.block_on(handle.spawn(|| async { 42 }))?.unwrap(), 42);
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn wait(mut self) -> Result<T, JoinError> {
        loop {
            if let Some(result) = self.wait_until(None) {
                return result;
            }
        }
    }

    /// As [`wait`](RemoteTask::wait), but for at most `timeout`; then it gives this handle back. Without time it only
    /// looks. A time that no [`Instant`] can express has no end.
    ///
    /// # Errors
    ///
    /// This handle, if the task has not ended by then: wait again, await it, or drop it, whereupon the task runs on. The
    /// result inside is that of `wait`.
    ///
    /// # Panics
    ///
    /// As [`wait`](RemoteTask::wait).
    ///
    /// ```
    /// use std::time::Duration;
    /// use eyewall::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// let task = handle.spawn(|| async { 42 });
    /// // Nobody has run the reactor.
    /// let task = task.wait_timeout(Duration::ZERO).unwrap_err();
    /// let other = std::thread::spawn(move || task.wait_timeout(Duration::from_secs(60)));
    /// reactor.block_on(async {
    ///     while !other.is_finished() {
    ///         eyewall::time::sleep(Duration::from_millis(1)).await;
    ///     }
    /// })?;
    /// let in_time = other.join().unwrap();
    /// assert_eq!(in_time.expect("a minute is enough").unwrap(), 42);
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn wait_timeout(
        mut self,
        timeout: Duration,
    ) -> Result<Result<T, JoinError>, RemoteTask<T>> {
        let deadline = Instant::now().checked_add(timeout);
        self.wait_until(deadline).ok_or(self)
    }

    /// `None` if the deadline came before the end.
    fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Result<T, JoinError>> {
        let receiver = self.receiver.as_mut().expect(GIVEN);
        match wait(&self.reactor, receiver, deadline) {
            Ok(received) => Some(ended(received)),
            Err(NotEnded::OfThisThread) => Some(Err(JoinError::deadlock())),
            Err(NotEnded::TimeOver) => None,
        }
    }
}

const GIVEN: &str = "a RemoteTask was asked again after it had given its result";

/// A sender that has gone says that the reactor has.
fn ended<T>(received: Result<Result<T, JoinError>, Canceled>) -> Result<T, JoinError> {
    received.unwrap_or_else(|Canceled| Err(JoinError::shut_down()))
}

impl<T> Future for RemoteTask<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If polled again after it was ready, save with [`JoinError::is_elsewhere`].
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let RemoteTask { receiver, reactor } = &mut *self;
        let waiting = receiver.as_mut().expect(GIVEN);
        let received = if reactor.is_kept_from_running() {
            // Whoever asked before, elsewhere, still waits.
            match waiting.try_recv().transpose() {
                Some(received) => received,
                None => return Poll::Ready(Err(JoinError::elsewhere())),
            }
        } else {
            ready!(waiting.poll_unpin(cx))
        };
        *receiver = None;
        Poll::Ready(ended(received))
    }
}
