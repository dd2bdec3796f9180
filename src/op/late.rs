//! What a socket keeps of operations whose futures have gone.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::task::{Context, Poll, Waker};

use super::fd::{Hold, SharedFd};
use crate::ring::Cqe;
use crate::task::wake_all;

/// Results that came after their future had been dropped, in order, and whether more may come.
///
/// Each descriptor has one for a direction (receive and send), and each operation that goes there an [`InFlight`]. An
/// operation of a dropped future leaves what it received here, and the next call takes it first.
pub(crate) struct Late<T> {
    /// Made when it is first needed, since most sockets never need it.
    kept: Cell<Option<Box<Kept<T>>>>,
    in_flight: Cell<u32>,
    /// What is in flight is a post that does not wait.
    quiet: Cell<bool>,
    /// The direction has been dropped: nobody will take what is kept.
    deserted: Cell<bool>,
    /// What is in flight says no more than that the end comes: without it the peer lacks nothing.
    farewell: Cell<bool>,
}

struct Kept<T> {
    results: VecDeque<io::Result<T>>,
    waker: Option<Waker>,
}

impl<T> Default for Late<T> {
    fn default() -> Late<T> {
        Late {
            kept: Cell::default(),
            in_flight: Cell::new(0),
            quiet: Cell::new(false),
            deserted: Cell::new(false),
            farewell: Cell::new(false),
        }
    }
}

impl<T> Late<T> {
    /// Puts back, as the first, what was taken and not used up.
    pub(crate) fn put_back(&self, result: T) {
        self.change(|kept| kept.results.push_front(Ok(result)));
    }

    /// Nothing is kept while `change` runs.
    fn change<R>(&self, change: impl FnOnce(&mut Kept<T>) -> R) -> R {
        let mut kept = self.kept.take().unwrap_or_else(|| {
            Box::new(Kept {
                results: VecDeque::new(),
                waker: None,
            })
        });
        let changed = change(&mut kept);
        if !kept.results.is_empty() || kept.waker.is_some() {
            self.kept.set(Some(kept));
        }
        changed
    }

    /// Whether there is nothing to see to: no operation in flight, and nothing kept.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        let kept = self.kept.take();
        let empty = kept.is_none();
        self.kept.set(kept);
        empty && !self.is_busy()
    }

    /// The next kept result, if there is one.
    pub(crate) fn take(&self) -> Option<io::Result<T>> {
        let kept = self.kept.take()?;
        self.kept.set(Some(kept));
        self.change(|kept| kept.results.pop_front())
    }

    /// Whether operations are in flight.
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// The direction has been dropped, and with it what is kept.
    pub(crate) fn desert(&self) {
        self.deserted.set(true);
        let kept = self.kept.take();
        drop(kept);
    }

    /// What is handed over next is the last, and may be left out.
    #[cfg(feature = "__tls")]
    pub(crate) fn say_farewell(&self) {
        self.farewell.set(true);
    }

    /// Whether an operation would be cut off by the end of this direction. A post that does not wait is none: it sees
    /// to itself.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.is_busy() && !self.quiet.get()
    }

    /// Ready when no operation is in flight any more.
    pub(crate) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_busy() {
            // A foreign waker's clone and drop are user code.
            let waker = cx.waker().clone();
            let old = self.change(|kept| kept.waker.replace(waker));
            drop(old);
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Keeps a result that nobody waited for, if somebody may still ask for it.
    fn keep(&self, result: io::Result<T>) {
        if !self.deserted.get() {
            self.change(|kept| kept.results.push_back(result));
        }
    }

    /// A post that does not wait, the only operation in flight, has been staged.
    #[inline(always)]
    pub(super) fn begin_quietly(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.quiet.set(true);
    }

    /// An operation that was counted has ended.
    #[inline(always)]
    pub(super) fn end_one(&self) {
        self.in_flight.set(self.in_flight.get() - 1);
        if let Some(kept) = self.kept.take() {
            self.kept.set(Some(kept));
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        let waker = self.change(|kept| kept.waker.take());
        wake_all(waker);
    }
}

/// What is kept of operations in one direction of a socket.
pub(crate) trait Direction: Sized {
    fn late(fd: &SharedFd) -> &Late<Self>;

    /// An operation that goes there is being staged.
    fn begun(_fd: &SharedFd) {}

    /// An operation that went there has ended.
    fn ended(_fd: &SharedFd) {}
}

/// An operation's hold on its socket, and on the [`Late`] of its direction.
///
/// It counts from the moment the operation is staged until the operation is dropped, which is after its result
/// has been fetched or kept.
#[derive(Debug)]
pub(super) struct InFlight<T: Direction> {
    hold: Hold,
    begun: bool,
    /// Nobody asks for what it leaves, and nobody waits for its end.
    apart: bool,
    direction: std::marker::PhantomData<T>,
}

impl<T: Direction> InFlight<T> {
    #[inline]
    pub(super) fn new(fd: SharedFd) -> InFlight<T> {
        InFlight {
            hold: Hold::Open(fd),
            begun: false,
            apart: false,
            direction: std::marker::PhantomData,
        }
    }

    /// That of an operation which has been counted; see [`begin_quietly`](Late::begin_quietly).
    pub(super) fn begun(fd: SharedFd) -> InFlight<T> {
        let mut in_flight = InFlight::new(fd);
        in_flight.begun = true;
        in_flight
    }

    /// That of an operation which is nothing to the others of its direction: what it leaves is dropped.
    pub(super) fn apart(fd: SharedFd) -> InFlight<T> {
        let mut in_flight = InFlight::new(fd);
        in_flight.apart = true;
        in_flight
    }

    /// Looks at what is kept. Where the socket has gone, nobody is left to tell.
    #[inline(always)]
    fn with(&self, look: impl FnOnce(&SharedFd)) {
        if let Hold::Open(fd) = &self.hold {
            look(fd);
        } else if let Some(fd) = self.hold.socket() {
            look(&fd);
        }
    }

    /// The operation is being staged, perhaps not for the first time.
    #[inline]
    pub(super) fn begin(&mut self) {
        if !self.begun && !self.apart {
            self.begun = true;
            self.with(|fd| {
                let late = T::late(fd);
                late.in_flight.set(late.in_flight.get() + 1);
                // What was before it may have been quiet.
                late.quiet.set(false);
                T::begun(fd);
            });
        }
    }

    /// Says whether the operation, the only one in flight, is a post that does not wait.
    #[inline]
    pub(super) fn set_quiet(&self, quiet: bool) {
        self.with(|fd| T::late(fd).quiet.set(quiet));
    }

    /// Whether the direction has been dropped.
    pub(super) fn is_deserted(&self) -> bool {
        let mut deserted = true;
        self.with(|fd| deserted = T::late(fd).deserted.get());
        deserted
    }

    /// Whether the peer lacks something where the operation does not come to its end.
    pub(super) fn is_needed(&self) -> bool {
        let mut farewell = false;
        self.with(|fd| farewell = T::late(fd).farewell.get());
        !farewell
    }

    /// As [`SharedFd::begins_again`].
    pub(super) fn begins_again(&self, cqe: Cqe) -> bool {
        let mut again = false;
        self.with(|fd| again = fd.begins_again(cqe));
        again
    }

    /// Keeps a result that nobody waited for.
    pub(super) fn keep(&self, result: io::Result<T>) {
        if !self.apart {
            self.with(|fd| T::late(fd).keep(result));
        }
    }

    /// Lets go of the descriptor, which the kernel needs no longer for this operation.
    pub(super) fn release(&mut self) {
        self.hold.release();
    }

    /// The socket, which has not been released.
    #[inline]
    pub(super) fn fd(&self) -> &SharedFd {
        self.hold.fd()
    }
}

impl<T: Direction> AsRawFd for InFlight<T> {
    #[inline(always)]
    fn as_raw_fd(&self) -> RawFd {
        self.hold.fd().as_raw_fd()
    }
}

impl<T: Direction> Drop for InFlight<T> {
    #[inline]
    fn drop(&mut self) {
        if self.begun {
            self.with(|fd| {
                T::late(fd).end_one();
                T::ended(fd);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    use socket2::SockAddr;

    use super::super::{Arrived, Connect, Descriptors, Operation};
    use super::*;
    use crate::ring::Cqe;
    use crate::task::tests::panicking_waker;

    #[test]
    fn a_send_asks_and_the_end_of_a_receive_answers() {
        let descriptors = Rc::new(Descriptors::default());
        let asking = || (descriptors.asking.count(), descriptors.asking.callers());
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let fd = SharedFd::new(ours.into(), &descriptors);
        let mut connect = Connect {
            fd: fd.clone(),
            address: SockAddr::unix("/").unwrap(),
        };
        connect.complete(Cqe::with_result(0)).unwrap();
        let mut receive = InFlight::<Arrived>::new(fd.clone());
        receive.begin();
        assert_eq!(asking(), (0, 0));
        InFlight::<()>::new(fd.clone()).begin();
        assert_eq!(asking(), (1, 1));
        drop(receive);
        assert_eq!(asking(), (0, 0));
    }

    #[test]
    fn a_waker_that_panics_leaves_no_question_open() {
        let descriptors = Rc::new(Descriptors::default());
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let fd = SharedFd::new(ours.into(), &descriptors);
        let mut receive = InFlight::<Arrived>::new(fd.clone());
        receive.begin();
        fd.asks();
        let panics = panicking_waker();
        let late = fd.incoming();
        assert!(
            late.poll_idle(&mut Context::from_waker(&panics))
                .is_pending()
        );
        drop(receive);
        assert_eq!(descriptors.asking.count(), 0);
        assert!(late.poll_idle(&mut Context::from_waker(&panics)).is_ready());
    }
}
