//! What a socket keeps of operations whose futures have gone.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Results that came after their future had been dropped, in order, and whether more may come.
///
/// A direction of a socket (receive or send) has one of these, shared with its operations, each of which holds
/// an [`InFlight`]. An operation of a dropped future leaves what it received here, and the next call takes it
/// first.
#[derive(Debug)]
pub(crate) struct Late<T> {
    /// Made when it is first needed, since most sockets never need it.
    kept: RefCell<Option<Box<Kept<T>>>>,
    in_flight: Cell<u32>,
    /// What is in flight is a post that does not wait.
    quiet: Cell<bool>,
    /// The direction has been dropped: nobody will take what is kept.
    deserted: Cell<bool>,
}

#[derive(Debug)]
struct Kept<T> {
    results: VecDeque<io::Result<T>>,
    waker: Option<Waker>,
}

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept {
            results: VecDeque::new(),
            waker: None,
        }
    }
}

impl<T> Default for Late<T> {
    fn default() -> Late<T> {
        Late {
            kept: RefCell::default(),
            in_flight: Cell::new(0),
            quiet: Cell::new(false),
            deserted: Cell::new(false),
        }
    }
}

impl<T> Late<T> {
    /// Puts back, as the first, what was taken and not used up.
    pub(crate) fn put_back(&self, result: T) {
        self.kept().results.push_front(Ok(result));
    }

    fn kept(&self) -> RefMut<'_, Kept<T>> {
        RefMut::map(self.kept.borrow_mut(), |kept| {
            &mut **kept.get_or_insert_default()
        })
    }

    /// The next kept result, if there is one.
    pub(crate) fn take(&self) -> Option<io::Result<T>> {
        self.kept.borrow_mut().as_mut()?.results.pop_front()
    }

    /// Whether nothing is kept.
    #[cfg(feature = "http")]
    pub(crate) fn is_empty(&self) -> bool {
        let kept = self.kept.borrow();
        kept.as_ref().is_none_or(|kept| kept.results.is_empty())
    }

    /// Whether operations are in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// The direction is being dropped; says whether an operation is cut off by that. A post that does not wait is
    /// none: it sees to itself.
    pub(crate) fn desert(&self) -> bool {
        self.deserted.set(true);
        self.is_busy() && !self.quiet.get()
    }

    /// Ready when no operation is in flight any more.
    pub(crate) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_busy() {
            // The old one is dropped when the cell is no longer borrowed: that is user code.
            let waker = cx.waker().clone();
            let old = self.kept().waker.replace(waker);
            drop(old);
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

/// An operation's hold on the [`Late`] of its socket.
///
/// It counts from the moment the operation is staged until the operation is dropped, which is after its result
/// has been fetched or kept.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    late: Rc<Late<T>>,
    begun: bool,
}

impl<T> InFlight<T> {
    pub(super) fn new(late: &Rc<Late<T>>) -> InFlight<T> {
        InFlight {
            late: Rc::clone(late),
            begun: false,
        }
    }

    /// The operation is being staged, perhaps not for the first time.
    pub(super) fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.late.in_flight.set(self.late.in_flight.get() + 1);
        }
    }

    /// Says whether the operation, the only one in flight, is a post that does not wait.
    pub(super) fn set_quiet(&self, quiet: bool) {
        self.late.quiet.set(quiet);
    }

    /// Whether the direction has been dropped.
    pub(super) fn is_deserted(&self) -> bool {
        self.late.deserted.get()
    }

    /// Keeps a result that nobody waited for.
    pub(super) fn keep(&self, result: io::Result<T>) {
        self.late.kept().results.push_back(result);
    }
}

impl<T> Drop for InFlight<T> {
    fn drop(&mut self) {
        if self.begun {
            self.late.in_flight.set(self.late.in_flight.get() - 1);
            let mut kept = self.late.kept.borrow_mut();
            let waker = kept.as_mut().and_then(|kept| kept.waker.take());
            drop(kept);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}
