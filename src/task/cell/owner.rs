//! A task at its home.

use std::alloc::Layout;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering};
use std::task::{Context, Poll, Waker};

use super::header::{BIAS, Header, Stage, State, Whole, count_here, free_left, gone};
use super::here::is_home;
use super::waker::raw_waker;
use crate::task::executor::Executor;
use crate::task::join::JoinError;

/// An owner of a task, at its home.
pub(in crate::task) struct Task(pub(super) NonNull<Header>);

/// An owner of a task whose output is a `T`.
pub(in crate::task) struct TaskOf<T> {
    task: Task,
    output: PhantomData<T>,
}

/// What a poll of a task has come to.
pub(in crate::task) enum Polled {
    Waits,
    Ended,
    /// It was aborted meanwhile, and has still to be ended.
    Aborted,
    /// So has one that has panicked.
    Panicked(Box<dyn Any + Send>),
}

impl<T: 'static> TaskOf<T> {
    /// A task of `executor` that waits for its first poll.
    pub(in crate::task) fn new<F>(
        future: F,
        executor: Rc<Executor>,
        spawned_at: &'static Location<'static>,
    ) -> TaskOf<T>
    where
        F: Future<Output = T> + 'static,
    {
        TaskOf {
            task: Task::new(future, State::Waiting, executor, spawned_at),
            output: PhantomData,
        }
    }

    /// Takes the result, if it is there.
    pub(in crate::task) fn take(&self) -> Option<Result<T, JoinError>> {
        let state = &self.task.header().state;
        if state.get() != State::Ended {
            return None;
        }
        state.set(State::Empty);
        let mut result = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: the state said that the result was there and in nobody's hands, and now keeps everybody from it. A
        // `TaskOf` is made only with a future whose output is a `T`.
        unsafe {
            (self.task.header().vtable.take)(self.task.0, result.as_mut_ptr().cast());
            Some(result.assume_init())
        }
    }
}

impl<T> TaskOf<T> {
    pub(in crate::task) fn task(&self) -> &Task {
        &self.task
    }
}

impl Task {
    fn new<F>(
        future: F,
        state: State,
        executor: Rc<Executor>,
        spawned_at: &'static Location<'static>,
    ) -> Task
    where
        F: Future + 'static,
    {
        let remote = Arc::as_ptr(executor.remote());
        let whole = executor.spare().get(Layout::new::<Whole<F>>()).cast();
        let whole_task = Whole {
            header: Header {
                vtable: &Whole::<F>::VTABLE,
                home: AtomicPtr::new(Rc::into_raw(executor).cast_mut()),
                remote,
                elsewhere: AtomicI64::new(BIAS),
                sent: AtomicBool::new(false),
                here: Cell::new(0),
                owners: Cell::new(1),
                queued: Cell::new(false),
                behind: Cell::new(None),
                state: Cell::new(state),
                listed: Cell::new(false),
                left: Cell::new(None),
                right: Cell::new(None),
                spawned_at,
                joiner: Cell::new(None),
            },
            stage: UnsafeCell::new(Stage::Future(future)),
        };
        // SAFETY: it is memory of this layout.
        unsafe { whole.write(whole_task) };
        Task(whole.cast())
    }

    /// A task to stand for the future of `block_on`: to be woken, not to be polled.
    pub(in crate::task) fn main(
        executor: Rc<Executor>,
        called_at: &'static Location<'static>,
    ) -> Task {
        Task::new(
            std::future::pending::<()>(),
            State::Main,
            executor,
            called_at,
        )
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: an owner keeps it.
        unsafe { self.0.as_ref() }
    }

    pub(in crate::task) fn executor(&self) -> &Executor {
        // SAFETY: the owners hold an `Rc` of it.
        unsafe { &*self.header().home.load(Ordering::Relaxed) }
    }

    pub(in crate::task) fn spawned_at(&self) -> &'static Location<'static> {
        self.header().spawned_at
    }

    /// Who is to be told when it has ended.
    pub(in crate::task) fn joiner(&self) -> &Cell<Option<Waker>> {
        &self.header().joiner
    }

    /// Whether `waker` would wake whom it has to tell.
    pub(in crate::task) fn has_joiner(&self, waker: &Waker) -> bool {
        // SAFETY: a comparison of pointers, which does nothing to the cell meanwhile; nor does another thread, whose
        // wakers do not touch this one.
        let joiner = unsafe { &*self.header().joiner.as_ptr() };
        joiner.as_ref().is_some_and(|known| known.will_wake(waker))
    }

    /// Whether this is its only owner.
    pub(in crate::task) fn is_last(&self) -> bool {
        self.header().owners.get() == 1
    }

    pub(in crate::task) fn is_main(&self) -> bool {
        self.header().state.get() == State::Main
    }

    /// Whether it has neither ended nor is being polled.
    pub(in crate::task) fn is_waiting(&self) -> bool {
        self.header().state.get() == State::Waiting
    }

    /// Whether its result is there, or was.
    pub(in crate::task) fn has_ended(&self) -> bool {
        matches!(self.header().state.get(), State::Ended | State::Empty)
    }

    /// Whether its result has been fetched or dropped.
    pub(in crate::task) fn is_empty(&self) -> bool {
        self.header().state.get() == State::Empty
    }

    /// Whether its executor is the one that runs on this thread.
    #[inline]
    pub(in crate::task) fn is_home(&self) -> bool {
        is_home(self.header())
    }

    /// Whether it is in the executor's queue.
    pub(in crate::task) fn is_queued(&self) -> bool {
        self.header().queued.get()
    }

    /// A waker of it.
    pub(in crate::task) fn waker(&self) -> Waker {
        count_here(self.header());
        // SAFETY: the vtable's functions want a header with a reference that has been counted.
        unsafe { Waker::from_raw(raw_waker(self.0)) }
    }

    /// Polls the future of a task that waits. It has still to be ended if it panics, or was aborted meanwhile.
    #[inline(always)]
    pub(in crate::task) fn poll(&self) -> Polled {
        let header = self.header();
        if header.state.get() != State::Waiting {
            return Polled::Waits;
        }
        header.state.set(State::Polling);
        // SAFETY: as in `waker`. This one is not counted, and not dropped either: `self` keeps the task meanwhile.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw_waker(self.0)) });
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the state said that the stage was in nobody's hands, and now says that it is in ours.
            unsafe { (header.vtable.poll)(self.0, &mut Context::from_waker(&waker)) }
        }));
        match polled {
            Ok(Poll::Pending) if header.state.get() != State::Aborting => {
                header.state.set(State::Waiting);
                Polled::Waits
            }
            Ok(Poll::Pending) => {
                header.state.set(State::Aborted);
                Polled::Aborted
            }
            Ok(Poll::Ready(())) => {
                header.state.set(State::Ended);
                Polled::Ended
            }
            Err(payload) => {
                header.state.set(State::Waiting);
                Polled::Panicked(payload)
            }
        }
    }

    /// If it is being polled, it shall be aborted after that.
    pub(in crate::task) fn abort_later(&self) {
        let state = &self.header().state;
        if state.get() == State::Polling {
            state.set(State::Aborting);
        }
    }

    /// Ends a task that waits: drops its future, and leaves `error` as its result.
    ///
    /// # Panics
    ///
    /// If the drop does. The task has ended all the same.
    pub(in crate::task) fn end(&self, error: JoinError) {
        struct Ended<'a>(&'a Cell<State>);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.set(State::Ended);
            }
        }

        let header = self.header();
        if !matches!(header.state.get(), State::Waiting | State::Aborted) {
            return;
        }
        header.state.set(State::Ending);
        let _ended = Ended(&header.state);
        // SAFETY: as in `poll`. An assignment whose drop panics is carried out all the same.
        unsafe { (header.vtable.end)(self.0, error) };
    }

    /// Drops a result that nobody has fetched.
    ///
    /// # Panics
    ///
    /// If the drop does.
    pub(in crate::task) fn clear(&self) {
        if self.header().state.get() == State::Ended {
            self.empty();
        }
    }

    /// Drops what the stage has, which is in nobody's hands.
    fn empty(&self) {
        let header = self.header();
        header.state.set(State::Empty);
        // SAFETY: the state said that the stage was in nobody's hands, and now keeps everybody from it.
        unsafe { (header.vtable.clear)(self.0) };
    }

    /// The last owner goes.
    #[inline(never)]
    fn release(&self) {
        let header = self.header();
        if header.state.get() != State::Empty {
            self.empty();
            drop(header.joiner.take());
        }
        // What was dropped may have made another owner.
        let owners = header.owners.get() - 1;
        header.owners.set(owners);
        if owners > 0 {
            return;
        }
        let executor = header.home.load(Ordering::Relaxed);
        if header.here.get() == 0 && header.elsewhere.load(Ordering::Acquire) == BIAS {
            // SAFETY: there is no reference but this, as the page says. The load has seen all drops of others. The
            // executor lives until its `Rc` is dropped below.
            unsafe { (*executor).spare().put(self.0) };
        } else {
            header.home.store(gone(), Ordering::Relaxed);
            let rest = header.here.get() - BIAS;
            // SAFETY: the executor still keeps `remote`, which came from an `Arc`. From here on the wakers keep it.
            unsafe { Arc::increment_strong_count(header.remote) };
            if header.elsewhere.fetch_add(rest, Ordering::AcqRel) == -rest {
                // SAFETY: the sum says that no waker is left.
                unsafe { free_left(self.0) };
            }
        }
        // SAFETY: the owners' `Rc`, which `new` has made a pointer.
        drop(unsafe { Rc::from_raw(executor) });
    }
}

impl Clone for Task {
    fn clone(&self) -> Task {
        // They are few: the executor's list, the handle, and those on the executor's stack.
        let owners = &self.header().owners;
        owners.set(owners.get() + 1);
        Task(self.0)
    }
}

impl Drop for Task {
    #[inline]
    fn drop(&mut self) {
        let owners = &self.header().owners;
        match owners.get() {
            1 => self.release(),
            more => owners.set(more - 1),
        }
    }
}
