//! The one allocation of a task.

use std::alloc::{Layout, dealloc};
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr};
use std::task::{Context, Poll, Waker};

use crate::task::executor::Executor;
use crate::task::join::JoinError;
use crate::task::remote::Remote;

/// Where `elsewhere` starts: so high that no number of drops brings it to zero. Nor does any number of clones bring a
/// count of 64 bits to its end: a thousand million a second would take longer than a century.
pub(super) const BIAS: i64 = i64::MAX / 2;

/// What all references to a task know of it.
pub(super) struct Header {
    pub(super) vtable: &'static Vtable,
    /// The executor, of which the owners together hold an `Rc`; [`gone`] when there are none.
    pub(super) home: AtomicPtr<Executor>,
    /// That of the executor. The owners hold it by way of that; the last of them takes a count of it where wakers
    /// are left.
    pub(super) remote: *const Remote,
    pub(super) elsewhere: AtomicI64,
    /// It is among what other threads have woken.
    pub(super) sent: AtomicBool,

    // From here on only for the home.
    pub(super) here: Cell<i64>,
    pub(super) owners: Cell<u32>,
    /// It is in the executor's queue.
    pub(super) queued: Cell<bool>,
    /// The one behind it in the queue.
    pub(super) behind: Cell<Option<NonNull<Header>>>,
    pub(super) state: Cell<State>,
    /// It is in the executor's list, between these.
    pub(super) listed: Cell<bool>,
    pub(super) left: Cell<Option<NonNull<Header>>>,
    pub(super) right: Cell<Option<NonNull<Header>>>,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) joiner: Cell<Option<Waker>>,
}

/// What a task costs besides its future.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Header>() == 96);

/// What stands in `home` instead of an executor. It is not null, which `HERE` may be.
pub(super) fn gone() -> *mut Executor {
    NonNull::dangling().as_ptr()
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It stands for the future of `block_on`, and has none itself.
    Main,
    Waiting,
    Polling,
    /// It is being polled, and ends if it does not do so by itself.
    Aborting,
    /// It has not ended by itself, and is to be ended.
    Aborted,
    /// Its future is being dropped.
    Ending,
    /// Its result is there.
    Ended,
    /// Neither future nor result is left.
    Empty,
}

#[repr(C)]
pub(super) struct Whole<F: Future> {
    pub(super) header: Header,
    /// Belongs to whoever has brought the state from `Waiting` or `Ended` to another one.
    pub(super) stage: UnsafeCell<Stage<F>>,
}

pub(super) enum Stage<F: Future> {
    Future(F),
    Ended(Result<F::Output, JoinError>),
    Empty,
}

/// What depends on the type of the future. The functions want the header of a `Whole` of that type, and to be called at
/// home with the stage in the caller's hands.
pub(super) struct Vtable {
    /// Polls the future; its output takes its place.
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<()>,
    /// Puts the error in place of the future.
    pub(super) end: unsafe fn(NonNull<Header>, JoinError),
    /// Moves the result, which has to be there, to where the pointer shows; that is room for one of its type.
    pub(super) take: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops what there is.
    pub(super) clear: unsafe fn(NonNull<Header>),
    /// Of the whole.
    pub(super) layout: Layout,
}

impl<F: Future> Whole<F> {
    pub(super) const VTABLE: Vtable = Vtable {
        poll: Self::poll,
        end: Self::end,
        take: Self::take,
        clear: Self::clear,
        layout: Layout::new::<Whole<F>>(),
    };

    /// Where the stage of a task of this type is.
    unsafe fn stage(task: NonNull<Header>) -> *mut Stage<F> {
        let whole = task.cast::<Whole<F>>().as_ptr();
        // SAFETY: the header is the first field of a `Whole` that lives, as the caller says.
        unsafe { UnsafeCell::raw_get(&raw const (*whole).stage) }
    }

    unsafe fn poll(task: NonNull<Header>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the stage is in the caller's hands.
        let stage = unsafe { &mut *Self::stage(task) };
        let Stage::Future(future) = stage else {
            unreachable!("a task that waits has a future");
        };
        // SAFETY: it stays where it was put, and is dropped there.
        match unsafe { Pin::new_unchecked(future) }.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(output) => {
                *stage = Stage::Ended(Ok(output));
                Poll::Ready(())
            }
        }
    }

    unsafe fn end(task: NonNull<Header>, error: JoinError) {
        // SAFETY: the stage is in the caller's hands.
        unsafe { *Self::stage(task) = Stage::Ended(Err(error)) };
    }

    unsafe fn take(task: NonNull<Header>, into: *mut ()) {
        // SAFETY: the stage is in the caller's hands, and there is room for the result. That is moved: what it leaves is
        // overwritten, not dropped.
        unsafe {
            let stage = Self::stage(task);
            let Stage::Ended(result) = &*stage else {
                unreachable!("a task that has ended has a result");
            };
            into.cast::<Result<F::Output, JoinError>>()
                .write(ptr::read(result));
            stage.write(Stage::Empty);
        }
    }

    unsafe fn clear(task: NonNull<Header>) {
        // SAFETY: the stage is in the caller's hands.
        unsafe { *Self::stage(task) = Stage::Empty };
    }
}

/// Counts a reference more, at the task's home.
pub(super) fn count_here(header: &Header) {
    header.here.set(header.here.get() + 1);
}

/// Frees the memory of a task.
///
/// # Safety
///
/// Nobody uses it any more. Its last owner has emptied it, so that there is nothing to drop.
pub(super) unsafe fn free(task: NonNull<Header>) {
    // SAFETY: `allocate` has made it with this layout.
    unsafe {
        let layout = task.as_ref().vtable.layout;
        dealloc(task.as_ptr().cast(), layout);
    }
}

/// Frees the memory of a task whose last owner has left it to its wakers.
///
/// # Safety
///
/// Nobody uses it any more.
pub(super) unsafe fn free_left(task: NonNull<Header>) {
    // SAFETY: as the caller says. The count of `remote` is the one that the last owner took.
    unsafe {
        let remote = task.as_ref().remote;
        free(task);
        Arc::decrement_strong_count(remote);
    }
}
