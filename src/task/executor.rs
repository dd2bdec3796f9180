//! The tasks and the queue of those that are ready.
//!
//! A task costs one allocation: its future, its result and what to do with them lie in one box. The slot
//! around it, with its waker, is used again for the next task unless somebody still holds the waker.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_util::future::MaybeDone;

use super::join::{JoinError, JoinHandle};
use super::remote::Remote;
use super::slots::{Slots, State};
use super::stall::StallWatch;
use super::waker::Signal;

/// The index of the future that `block_on` runs, which has no slot.
const MAIN: u32 = u32::MAX;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
}

/// Spawns a task onto the reactor that runs on this thread.
///
/// The task starts in the reactor's next turn and need not be `Send`. A panic in it ends the task alone, and
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

/// Calls a user's callback, shielded where a reactor runs; see [`Executor::shield`].
pub(crate) fn contain_panic(callback: impl FnOnce()) {
    match Executor::current() {
        Some(executor) => executor.shield(callback),
        None => callback(),
    }
}

/// Counts a panic that was caught in a task of the executor that runs on this thread.
pub(super) fn count_panic() {
    if let Some(executor) = Executor::current() {
        executor.panics.set(executor.panics.get() + 1);
    }
}

/// Whether `remote` is that of the executor that runs on this thread.
pub(super) fn runs_here(remote: &Arc<Remote>) -> bool {
    Executor::current().is_some_and(|executor| Arc::ptr_eq(&executor.remote, remote))
}

/// Queues task `index` if `remote` is that of the executor that runs on this thread.
pub(super) fn queue_locally(remote: &Arc<Remote>, index: u32) -> bool {
    CURRENT
        .try_with(|current| match &*current.borrow() {
            Some(executor) if Arc::ptr_eq(&executor.remote, remote) => {
                executor.ready.borrow_mut().push_back(index);
                true
            }
            _ => false,
        })
        // Thread-local storage has gone: the thread is ending.
        .unwrap_or(false)
}

/// The tasks of one reactor.
#[derive(Debug)]
pub(crate) struct Executor {
    slots: RefCell<Slots>,
    ready: RefCell<VecDeque<u32>>,
    remote: Arc<Remote>,
    main: Arc<Signal>,
    stall: Option<StallWatch>,
    panics: Cell<u64>,
    /// Slots whose task has ended but whose handle is still there.
    ended: Cell<usize>,
    shut: Cell<bool>,
}

/// A future and, later, its output, in one place.
pub(super) trait Task {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Moves the output into `into`, which is an `Option` of the output's type.
    fn take_output(self: Pin<&mut Self>, into: &mut dyn Any);
}

impl<F: Future> Task for MaybeDone<F>
where
    F::Output: 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Future::poll(self, cx)
    }

    fn take_output(self: Pin<&mut Self>, into: &mut dyn Any) {
        let into: &mut Option<F::Output> =
            into.downcast_mut().expect("a handle has its task's type");
        *into = MaybeDone::take_output(self);
    }
}

/// What [`Executor::run`] did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    /// The future of `block_on` has been woken.
    pub(crate) main: bool,
}

/// Takes the executor off the thread again.
#[derive(Debug)]
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        let executor = CURRENT.try_with(|current| current.take());
        // Dropped when the cell is no longer borrowed.
        drop(executor);
    }
}

impl Executor {
    pub(crate) fn new(remote: Arc<Remote>, stall: Option<StallWatch>) -> Rc<Executor> {
        Rc::new(Executor {
            slots: RefCell::default(),
            ready: RefCell::default(),
            main: Signal::new(MAIN, &remote),
            remote,
            stall,
            panics: Cell::new(0),
            ended: Cell::new(0),
            shut: Cell::new(false),
        })
    }

    pub(crate) fn current() -> Option<Rc<Executor>> {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .ok()
            .flatten()
    }

    /// Makes this the executor of the thread; `None` if there is one already, or the thread is ending and its
    /// thread-local storage has gone.
    pub(crate) fn enter(self: &Rc<Executor>) -> Option<Entered> {
        let entered = CURRENT.try_with(|current| {
            let mut current = current.borrow_mut();
            if current.is_some() {
                return None;
            }
            *current = Some(Rc::clone(self));
            Some(Entered(()))
        });
        entered.ok().flatten()
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    /// The waker of the future that `block_on` runs.
    pub(crate) fn main_waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.main))
    }

    /// Tasks that have not ended.
    pub(crate) fn len(&self) -> usize {
        self.slots.borrow().len() - self.ended.get()
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.get()
    }

    pub(crate) fn stalls(&self) -> u64 {
        self.stall.as_ref().map_or(0, StallWatch::count)
    }

    #[track_caller]
    pub(crate) fn spawn<F>(self: &Rc<Executor>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        let spawned_at = Location::caller();
        let task: Pin<Box<dyn Task>> = Box::pin(MaybeDone::Future(future));
        let index = self.insert(task, spawned_at);
        JoinHandle::new(self, index)
    }

    fn insert(&self, task: Pin<Box<dyn Task>>, spawned_at: &'static Location<'static>) -> u32 {
        let shut = self.shut.get();
        let (task, refused, state) = if shut {
            (None, Some(task), State::ShutDown)
        } else {
            (Some(task), None, State::Running)
        };
        let mut slots = self.slots.borrow_mut();
        let index = slots.insert(task, state, spawned_at, &self.remote);
        drop(slots);
        if shut {
            self.ended.set(self.ended.get() + 1);
            self.shield(|| drop(refused));
        } else {
            self.ready.borrow_mut().push_back(index);
        }
        index
    }

    /// Takes in what other threads left; jobs run here.
    pub(crate) fn take_remote(&self) {
        if !self.remote.is_pending() {
            return;
        }
        let (woken, jobs) = self.remote.take();
        self.ready.borrow_mut().extend(woken);
        for job in jobs {
            self.shield(job);
        }
    }

    /// Runs code of the user's that nobody waits for (a waker, a drop, a job). A panic in it must not stop the
    /// reactor half-way: the panic hook has reported it, and it is counted.
    pub(crate) fn shield(&self, code: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
            self.panics.set(self.panics.get() + 1);
            // Its drop could panic again.
            std::mem::forget(payload);
        }
    }

    /// Whether a task, or the future of `block_on`, is ready.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.borrow().is_empty()
    }

    /// Polls up to `limit` ready tasks.
    pub(crate) fn run(&self, limit: usize) -> Ran {
        let mut main = false;
        for _ in 0..limit {
            let next = self.ready.borrow_mut().pop_front();
            match next {
                Some(MAIN) => {
                    self.main.unqueue();
                    main = true;
                }
                Some(index) => self.poll_task(index),
                None => break,
            }
        }
        Ran { main }
    }

    fn poll_task(&self, index: u32) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.find(index) else {
            return;
        };
        // A wake may come late: then the slot holds a result that has still to be fetched.
        if !matches!(slot.state, State::Running) {
            return;
        }
        let Some(mut task) = slot.task.take() else {
            return;
        };
        let spawned_at = slot.spawned_at;
        slot.signal.unqueue();
        let waker = slot.waker.take().expect("a waiting task has its waker");
        drop(slots);

        let polled = self.watch(spawned_at, || {
            catch_unwind(AssertUnwindSafe(|| {
                task.as_mut().poll(&mut Context::from_waker(&waker))
            }))
        });

        let mut slots = self.slots.borrow_mut();
        let slot = slots.get(index);
        slot.waker = Some(waker);
        match (polled, &slot.state) {
            (Ok(Poll::Pending), State::Running) => slot.task = Some(task),
            (Ok(Poll::Pending), _) => {
                drop(slots);
                self.finish(index, State::Aborted, Some(task));
            }
            (Ok(Poll::Ready(())), _) => {
                slot.task = Some(task);
                drop(slots);
                self.finish(index, State::Finished, None);
            }
            (Err(payload), _) => {
                self.panics.set(self.panics.get() + 1);
                drop(slots);
                self.finish(index, State::Panicked(payload), Some(task));
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

    /// The task of slot `index` has just ended with `state`: drops what is left of it, and tells its joiner or
    /// frees the slot.
    ///
    /// The slot comes first, because the drop may be that of the task's own handle.
    fn finish(&self, index: u32, state: State, rest: Option<Pin<Box<dyn Task>>>) {
        self.ended.set(self.ended.get() + 1);
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get(index);
        slot.state = state;
        let (detached, joiner) = (slot.detached, slot.joiner.take());
        drop(slots);
        if detached {
            self.free(index);
        }
        self.shield(|| drop(rest));
        if let Some(joiner) = joiner {
            self.shield(|| joiner.wake());
        }
    }

    /// Frees the slot of a task that has ended.
    fn free(&self, index: u32) {
        let rest = self.slots.borrow_mut().free(index);
        self.ended.set(self.ended.get() - 1);
        self.shield(|| drop(rest));
    }

    /// Fetches the result of a task; the output goes to `into`.
    pub(super) fn join(
        &self,
        index: u32,
        waker: &Waker,
        into: &mut dyn Any,
    ) -> Poll<Result<(), JoinError>> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get(index);
        match &mut slot.state {
            State::Running | State::Aborting => {
                let known = slot.joiner.as_ref();
                if !known.is_some_and(|known| known.will_wake(waker)) {
                    // Cloning and dropping a foreign waker is user code.
                    drop(slots);
                    let new = Some(waker.clone());
                    let old =
                        std::mem::replace(&mut self.slots.borrow_mut().get(index).joiner, new);
                    drop(old);
                }
                return Poll::Pending;
            }
            State::Finished => {
                let task = slot.task.as_mut().expect("a finished task is in its slot");
                task.as_mut().take_output(into);
            }
            State::Aborted | State::ShutDown | State::Panicked(_) | State::Vacant => {}
        }
        let state = std::mem::replace(&mut slot.state, State::Finished);
        drop(slots);
        self.free(index);
        Poll::Ready(match state {
            State::Aborted => Err(JoinError::aborted()),
            State::ShutDown => Err(JoinError::shut_down()),
            State::Panicked(payload) => Err(JoinError::panicked(payload)),
            _ => Ok(()),
        })
    }

    /// The handle of task `index` has gone.
    pub(super) fn detach(&self, index: u32) {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get(index);
        slot.detached = true;
        let joiner = slot.joiner.take();
        let ended = !matches!(slot.state, State::Running | State::Aborting);
        drop(slots);
        drop(joiner);
        if ended {
            self.free(index);
        }
    }

    pub(super) fn is_finished(&self, index: u32) -> bool {
        let mut slots = self.slots.borrow_mut();
        !matches!(slots.get(index).state, State::Running | State::Aborting)
    }

    pub(super) fn abort(&self, index: u32) {
        self.end(index, State::Aborted);
    }

    /// Ends a running task with `state`.
    fn end(&self, index: u32, state: State) {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get(index);
        if !matches!(slot.state, State::Running) {
            return;
        }
        match slot.task.take() {
            Some(task) => {
                drop(slots);
                self.finish(index, state, Some(task));
            }
            // It is being polled: this is the task itself.
            None => slot.state = State::Aborting,
        }
    }

    /// Ends every task, and takes no more.
    pub(crate) fn shut_down(&self) {
        self.shut.set(true);
        for job in self.remote.close() {
            self.shield(|| drop(job));
        }
        // A task's drop may end others, so the list is made anew until nothing runs.
        loop {
            let running = self.slots.borrow().running();
            if running.is_empty() {
                break;
            }
            for index in running {
                self.end(index, State::ShutDown);
            }
        }
        self.ready.borrow_mut().clear();
    }
}
