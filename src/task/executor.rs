//! The tasks and the queue of those that are ready.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::cell::{self, Entered, List, Polled, Queue, Spare, Task, TaskOf, Woken};
use super::join::{JoinError, JoinHandle};
use super::remote::Remote;
use super::stall::StallWatch;

/// Spawns a task onto the reactor that runs on this thread.
///
/// The task starts when the reactor next runs what is ready, and need not be `Send`. A panic in it ends the task alone, and
/// goes to whoever awaits the handle.
///
/// # Panics
///
/// If no reactor runs on this thread.
///
/// ```
/// eyewall::block_on(async {
///     let task = eyewall::spawn(async { "done" });
///     assert_eq!(task.await.unwrap(), "done");
/// })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
#[doc(alias = "spawn_local")]
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    match Executor::current() {
        Some(executor) => executor.spawn(future),
        None => panic!(
            "eyewall::spawn was called where no reactor runs: call it inside block_on, or use \
             Reactor::spawn or Handle::spawn"
        ),
    }
}

/// Whether a task that is spawned here and now would run.
#[cfg(feature = "http")]
pub(crate) fn can_spawn() -> bool {
    Executor::current().is_some_and(|executor| !executor.shut.get())
}

/// Whether the reactor that runs on this thread is being shut down: its tasks have ended, and none will run.
pub(crate) fn is_shut() -> bool {
    Executor::current().is_some_and(|executor| executor.shut.get())
}

/// Runs a future of our own as a task that nobody waits for; drops it and says `false` where no reactor runs, or
/// it runs no more tasks.
#[track_caller]
pub(crate) fn in_background<F>(future: F) -> bool
where
    F: Future<Output = ()> + 'static,
{
    let Some(executor) = Executor::current().filter(|executor| !executor.shut.get()) else {
        return false;
    };
    executor.spawn(future).detach();
    true
}

/// Calls a user's callback, shielded; where no reactor runs, a panic is counted nowhere. See [`Executor::shield`].
pub(crate) fn contain_panic(callback: impl FnOnce()) {
    match Executor::current() {
        Some(executor) => executor.shield(callback),
        None => {
            _ = contained(callback);
        }
    }
}

/// Wakes them all. What a foreign waker does then is code of others: a panic in one keeps nobody else asleep.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        contain_panic(|| waker.wake());
    }
}

/// Whether `code` went through without a panic.
fn contained(code: impl FnOnce()) -> bool {
    let result = catch_unwind(AssertUnwindSafe(code));
    // Its drop could panic again.
    result.map_err(std::mem::forget).is_ok()
}

/// Counts a panic that was caught in a task of the executor that runs on this thread.
pub(super) fn count_panic() {
    if let Some(executor) = Executor::current() {
        executor.panics.set(executor.panics.get() + 1);
    }
}

/// Whether the executor that runs on this thread is another one than that of `remote`.
pub(super) fn another_runs_here(remote: &Arc<Remote>) -> bool {
    Executor::current().is_some_and(|executor| !Arc::ptr_eq(&executor.remote, remote))
}

/// The tasks of one reactor.
pub(crate) struct Executor {
    /// Those that have not ended.
    tasks: List,
    ready: Queue,
    spare: Spare,
    remote: Arc<Remote>,
    stall: Option<StallWatch>,
    panics: Cell<u64>,
    shut: Cell<bool>,
}

impl Executor {
    pub(crate) fn new(remote: Arc<Remote>, stall: Option<StallWatch>) -> Rc<Executor> {
        Rc::new(Executor {
            tasks: List::default(),
            ready: Queue::default(),
            spare: Spare::new(),
            remote,
            stall,
            panics: Cell::new(0),
            shut: Cell::new(false),
        })
    }

    pub(crate) fn current() -> Option<Rc<Executor>> {
        cell::current()
    }

    /// Makes this the executor of the thread; `None` if there is one already.
    pub(crate) fn enter(self: &Rc<Executor>) -> Option<Entered> {
        cell::enter(self)
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    /// What stands for the future of a `block_on` that was called at `called_at`.
    pub(crate) fn main(self: &Rc<Executor>, called_at: &'static Location<'static>) -> Main {
        Main(Task::main(Rc::clone(self), called_at))
    }

    /// Tasks that have not ended.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.get()
    }

    pub(crate) fn stalls(&self) -> u64 {
        self.stall.as_ref().map_or(0, StallWatch::count)
    }

    #[track_caller]
    pub(crate) fn spawn<F>(self: Rc<Executor>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        let task = TaskOf::new(future, self, Location::caller());
        let executor = task.task().executor();
        executor.insert(task.task());
        JoinHandle::new(task)
    }

    #[inline]
    fn insert(&self, task: &Task) {
        if self.shut.get() {
            self.refuse(task);
        } else {
            task.enlist();
            task.queue();
        }
    }

    #[cold]
    fn refuse(&self, task: &Task) {
        self.shield(|| task.end(JoinError::shut_down()));
    }

    pub(super) fn spare(&self) -> &Spare {
        &self.spare
    }

    pub(super) fn list(&self) -> &List {
        &self.tasks
    }

    /// Puts a task that has been woken into the queue.
    pub(super) fn push(&self, woken: Woken) {
        self.ready.push(woken);
    }

    /// Takes in what other threads left; jobs run here.
    #[inline]
    pub(crate) fn take_remote(&self) {
        if self.remote.is_pending() {
            self.empty_remote();
        }
    }

    #[cold]
    #[inline(never)]
    fn empty_remote(&self) {
        let (woken, jobs) = self.remote.take();
        for sent in woken {
            sent.arrive(self);
        }
        for job in jobs {
            self.shield(job);
        }
    }

    /// Runs code of the user's that nobody waits for (a waker, a drop, a job). A panic in it must not stop the
    /// reactor half-way: the panic hook has reported it, and it is counted.
    pub(crate) fn shield(&self, code: impl FnOnce()) {
        if !contained(code) {
            self.panics.set(self.panics.get() + 1);
        }
    }

    /// Whether a task, or the future of `block_on`, is ready.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Polls ready tasks, at most as many as are `left`; `true` if the future of `block_on` has been woken.
    pub(crate) fn run(&self, left: &mut usize) -> bool {
        let mut main = false;
        let mut more = *left;
        while more > 0 {
            let Some(woken) = self.ready.pop() else {
                break;
            };
            let Some(task) = woken.into_task() else {
                continue;
            };
            more -= 1;
            if task.is_waiting() {
                self.poll_task(&task);
            } else if task.is_main() {
                main = true;
            }
        }
        *left = more;
        main
    }

    #[inline(always)]
    fn poll_task(&self, task: &Task) {
        match self.watch(task.spawned_at(), || task.poll()) {
            Polled::Waits => {}
            Polled::Ended => self.finish(task),
            Polled::Aborted => self.finish_with(task, JoinError::aborted()),
            Polled::Panicked(payload) => {
                self.panics.set(self.panics.get() + 1);
                self.finish_with(task, JoinError::panicked(payload));
            }
        }
    }

    /// Polls what was begun at `location`, and tells if that held the thread for too long.
    pub(crate) fn watch<T>(
        &self,
        location: &'static Location<'static>,
        poll: impl FnOnce() -> T,
    ) -> T {
        let Some(watch) = &self.stall else {
            return poll();
        };
        let start = Instant::now();
        let polled = poll();
        self.shield(|| watch.check(start, location));
        polled
    }

    /// The task has ended: tells its joiner, or drops the result if nobody can fetch it.
    #[inline]
    fn finish(&self, task: &Task) {
        task.delist();
        if let Some(joiner) = task.joiner().take() {
            self.shield(|| joiner.wake());
        }
        if task.is_last() {
            self.shield(|| task.clear());
        }
    }

    /// Drops the future of a task, which then ends with `error`.
    #[cold]
    fn finish_with(&self, task: &Task, error: JoinError) {
        // First, because what is dropped may ask how many there are.
        task.delist();
        self.shield(|| task.end(error));
        self.finish(task);
    }

    /// Ends a task with the error that `reason` makes; one that is being polled is aborted after that.
    fn end(&self, task: &Task, reason: fn() -> JoinError) {
        if task.is_waiting() {
            self.finish_with(task, reason());
        } else {
            task.abort_later();
        }
    }

    pub(super) fn abort(&self, task: &Task) {
        // An owner beside the handle, so that the handle is seen.
        self.end(&task.clone(), JoinError::aborted);
    }

    /// The handle of the task goes without its result.
    pub(super) fn detach(&self, task: &Task) {
        let joiner = task.joiner().take();
        self.shield(|| drop(joiner));
        self.shield(|| task.clear());
    }

    /// Ends every task, and takes no more.
    pub(crate) fn shut_down(&self) {
        self.shut.set(true);
        for job in self.remote.close() {
            self.shield(|| drop(job));
        }
        // A task's drop may end others, so each is looked for anew.
        while let Some(task) = self.tasks.waiting() {
            self.end(&task, JoinError::shut_down);
        }
        while let Some(woken) = self.ready.pop() {
            drop(woken);
        }
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tasks.places()).finish()
    }
}

/// Stands for the future of a `block_on` among the tasks.
pub(crate) struct Main(Task);

impl Main {
    pub(crate) fn waker(&self) -> Waker {
        self.0.waker()
    }

    /// Whether it has been woken and not run since.
    pub(crate) fn is_woken(&self) -> bool {
        self.0.is_queued()
    }
}

/// Fetches the result of a task, or leaves a waker for its end.
pub(super) fn join<T: 'static>(of: &TaskOf<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    if let Some(result) = of.take() {
        return Poll::Ready(result);
    }
    let task = of.task();
    assert!(
        !task.is_empty(),
        "a JoinHandle was polled after it was ready"
    );
    if !task.is_home() {
        return join_from_outside(of, waker);
    }
    if task.has_joiner(waker) {
        return Poll::Pending;
    }
    task.joiner().set(Some(waker.clone()));
    Poll::Pending
}

/// As [`join`], where the executor of the task does not run, for a task that had not ended.
#[cold]
#[inline(never)]
fn join_from_outside<T: 'static>(of: &TaskOf<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    if Executor::current().is_some() {
        // Whoever asked before, at home, still waits.
        return Poll::Ready(Err(JoinError::elsewhere()));
    }
    let joiner = of.task().joiner();
    // Cloning and dropping a foreign waker is user code, which here may run the executor.
    drop(joiner.take());
    let new = waker.clone();
    if let Some(result) = of.take() {
        return Poll::Ready(result);
    }
    joiner.set(Some(new));
    Poll::Pending
}
