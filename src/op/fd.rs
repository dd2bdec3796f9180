//! A descriptor that stays open while any operation uses it, and closes on the ring.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::SockRef;

use super::asking::Asking;
use super::{Arrived, Late, Next};
use crate::reactor::OpId;
use crate::ring::Cqe;
use crate::task::wake_all;

/// A counted descriptor: the socket holds it, and so does each of its operations until it has ended. With it goes what
/// the socket keeps of operations whose futures have gone.
///
/// io_uring looks a descriptor up when it issues the SQE, so that one that was closed, and perhaps given to
/// somebody else, in between would hit the wrong file. When the last holder has gone, the descriptor goes to
/// the [`CloseQueue`].
#[derive(Clone, Debug)]
pub(crate) struct SharedFd(Rc<Descriptor>);

pub(super) struct Descriptor {
    /// `None` only while it is being dropped.
    fd: Option<OwnedFd>,
    reactor: Rc<Descriptors>,
    signal: Cell<Option<Rc<CloseSignal>>>,
    pace: Cell<Pace>,
    /// Whether an answer is awaited, as [`Asking`] sees it.
    asked: Cell<u32>,
    /// It has connected from here.
    called: Cell<bool>,
    /// Whatever is in flight on it is being cancelled.
    closing: Cell<bool>,
    /// The last receive has left something: bytes, or the end.
    more: Cell<bool>,
    incoming: Late<Arrived>,
    outgoing: Late<()>,
    /// What the last post that was not over at once has become; it may have ended.
    postponed: Cell<Option<OpId>>,
}

impl Descriptor {
    #[inline]
    fn answered(&self) {
        self.reactor.asking.end(&self.asked, self.called.get());
    }
}

/// How long the close of a descriptor may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It is over with the enter that submits it.
    Quick,
    /// The kernel may hand it to a worker, as that of a file on some file systems.
    Slow,
    /// It would wait where it is done, for what the socket has still to send (`SO_LINGER`): on the ring, or on a worker of
    /// the kernel, to which other work is given all the same.
    Lingering,
}

impl std::fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Descriptor")
            .field("fd", &self.fd)
            .finish_non_exhaustive()
    }
}

impl SharedFd {
    /// That of a socket.
    pub(crate) fn new(fd: OwnedFd, reactor: &Rc<Descriptors>) -> SharedFd {
        SharedFd::make(fd, reactor, Pace::Quick)
    }

    /// That of a file.
    pub(crate) fn of_file(fd: OwnedFd, reactor: &Rc<Descriptors>) -> SharedFd {
        SharedFd::make(fd, reactor, Pace::Slow)
    }

    fn make(fd: OwnedFd, reactor: &Rc<Descriptors>, pace: Pace) -> SharedFd {
        SharedFd(Rc::new(Descriptor {
            fd: Some(fd),
            reactor: Rc::clone(reactor),
            signal: Cell::new(None),
            pace: Cell::new(pace),
            asked: Cell::new(0),
            called: Cell::new(false),
            closing: Cell::new(false),
            more: Cell::new(false),
            incoming: Late::default(),
            outgoing: Late::default(),
            postponed: Cell::new(None),
        }))
    }

    /// Whether the close of this socket may wait for what it has still to send.
    pub(crate) fn set_lingering(&self, lingers: bool) {
        self.0.pace.set(match lingers {
            true => Pace::Lingering,
            false => Pace::Quick,
        });
    }

    /// Makes a reset of the close of this socket, so that the peer cannot take a part for the whole. Other than TCP sockets
    /// have none to send.
    pub(crate) fn reset_at_close(&self) {
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
        // That is not to be undone.
        self.set_lingering(false);
    }

    /// Gives up this holder; the returned signal says when the descriptor has been closed, which is after
    /// the last operation on it has ended.
    pub(crate) fn close(self) -> Rc<CloseSignal> {
        let signal = self.0.signal.take().unwrap_or_default();
        self.0.signal.set(Some(Rc::clone(&signal)));
        signal
    }

    /// Whatever is in flight on it is about to be cancelled.
    pub(crate) fn set_closing(&self) {
        self.0.closing.set(true);
    }

    /// Whether an operation with this completion begins again, if nobody has asked to cancel it: it has ended by a signal, or
    /// as cancelled, by the close of a duplicate of the descriptor. That finds what is in flight on the socket, whoever's it
    /// is. The close of this one ends what it finds, either way.
    pub(super) fn begins_again(&self, cqe: Cqe) -> bool {
        (cqe.is_interrupted() || cqe.is_cancelled()) && !self.0.closing.get()
    }

    /// Something is being sent, which may be answered.
    #[inline]
    pub(super) fn asks(&self) {
        let Descriptor { asked, called, .. } = &*self.0;
        self.0.reactor.asking.begin(asked, called.get());
    }

    /// Something has been received.
    #[inline]
    pub(crate) fn answered(&self) {
        self.0.answered();
    }

    /// The last receive has left something behind, if there is `more`.
    #[inline]
    pub(crate) fn set_more(&self, more: bool) {
        self.0.more.set(more);
    }

    /// Whether the last receive has left something behind: bytes, or the end.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.0.more.get()
    }

    /// The connection of this socket has been made from here. To be said before anything is sent.
    pub(crate) fn set_called(&self) {
        self.0.called.set(true);
    }

    /// What receives have left.
    pub(crate) fn incoming(&self) -> &Late<Arrived> {
        &self.0.incoming
    }

    /// What sends have left: errors.
    pub(crate) fn outgoing(&self) -> &Late<()> {
        &self.0.outgoing
    }

    /// A post on this socket goes on as `id`.
    pub(crate) fn set_postponed(&self, id: OpId) {
        self.0.postponed.set(Some(id));
    }

    /// What the last post that was not over at once has become; it may have ended.
    pub(crate) fn postponed(&self) -> Option<OpId> {
        self.0.postponed.get()
    }
}

impl AsFd for SharedFd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0
            .fd
            .as_ref()
            .expect("a descriptor is there until it is dropped")
            .as_fd()
    }
}

impl AsRawFd for SharedFd {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// An operation's hold on a socket, of which it may give up the descriptor before its own end.
#[derive(Debug)]
pub(super) enum Hold {
    Open(SharedFd),
    /// The descriptor is held by others, or has gone.
    Released(Weak<Descriptor>),
}

impl Hold {
    #[inline]
    pub(super) fn fd(&self) -> &SharedFd {
        match self {
            Hold::Open(fd) => fd,
            Hold::Released(_) => unreachable!("no round follows a release"),
        }
    }

    pub(super) fn release(&mut self) {
        if let Hold::Open(SharedFd(fd)) = self {
            *self = Hold::Released(Rc::downgrade(fd));
        }
    }

    /// The socket, if it is still there.
    pub(super) fn socket(&self) -> Option<SharedFd> {
        match self {
            Hold::Open(fd) => Some(fd.clone()),
            Hold::Released(fd) => fd.upgrade().map(SharedFd),
        }
    }
}

/// An operation's hold on a descriptor, which it gives up as soon as the kernel has ended the operation: a result that
/// nobody fetches, because its future was forgotten, must not keep the descriptor open.
#[derive(Debug)]
pub(crate) struct Held(Option<SharedFd>);

impl Held {
    /// The kernel has ended the operation, unless by a signal, which only stops the process for a while where a worker of the
    /// kernel waits for a terminal, or for what a file system of user space says: then it begins again.
    pub(super) fn ended(&mut self, cqe: Cqe) -> Next {
        let next = Next::again_if(cqe.is_interrupted());
        if next == Next::Done {
            self.release();
        }
        next
    }

    pub(super) fn release(&mut self) {
        self.0 = None;
    }
}

impl From<SharedFd> for Held {
    fn from(fd: SharedFd) -> Held {
        Held(Some(fd))
    }
}

impl AsRawFd for Held {
    fn as_raw_fd(&self) -> RawFd {
        let fd = self.0.as_ref();
        fd.expect("no round follows a release").as_raw_fd()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.answered();
        let Some(fd) = self.fd.take() else { return };
        let mut pace = self.pace.get();
        if pace == Pace::Lingering {
            // Nobody would see what it waits for: what is left to be sent is sent all the same.
            let _ = SockRef::from(&fd).set_linger(None);
            pace = Pace::Quick;
        }
        self.reactor.closes.push(Closing {
            fd,
            signal: self.signal.take(),
            pace,
        });
    }
}

/// What the descriptors of one reactor have in common.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    pub(crate) closes: CloseQueue,
    pub(crate) asking: Asking,
}

/// Descriptors that wait for their close to be staged.
#[derive(Debug)]
pub(crate) struct CloseQueue {
    queue: RefCell<VecDeque<Closing>>,
    /// How many they are; looked at in every turn.
    len: Cell<usize>,
    /// Off once the ring has gone: then a descriptor is closed on the spot.
    open: Cell<bool>,
}

/// A descriptor on its way out, and who wants to know.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(super) fd: OwnedFd,
    pub(super) signal: Option<Rc<CloseSignal>>,
    pub(super) pace: Pace,
}

impl Default for CloseQueue {
    fn default() -> CloseQueue {
        CloseQueue {
            queue: RefCell::default(),
            len: Cell::new(0),
            open: Cell::new(true),
        }
    }
}

impl CloseQueue {
    fn push(&self, closing: Closing) {
        if self.open.get() {
            self.queue.borrow_mut().push_back(closing);
            self.len.set(self.len.get() + 1);
        } else {
            closing.close_now();
        }
    }

    pub(crate) fn pop(&self) -> Option<Closing> {
        if self.is_empty() {
            return None;
        }
        self.len.set(self.len.get() - 1);
        self.queue.borrow_mut().pop_front()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on descriptors are closed with close(2); so are those that wait.
    pub(crate) fn shut(&self) {
        self.open.set(false);
        while let Some(closing) = self.pop() {
            closing.close_now();
        }
    }
}

impl Closing {
    /// The descriptor, for the kernel to close without a word, if nobody wants to know and it is done by the enter that
    /// submits it: then no operation has to stay for the completion, and no wait ends with it.
    pub(crate) fn let_go(self) -> Result<RawFd, Closing> {
        match self.signal {
            None if self.pace == Pace::Quick => Ok(self.fd.into_raw_fd()),
            _ => Err(self),
        }
    }

    fn close_now(self) {
        drop(self.fd);
        if let Some(signal) = self.signal {
            signal.set(Ok(()));
        }
    }
}

/// Tells that a descriptor has been closed.
#[derive(Debug, Default)]
pub(crate) struct CloseSignal {
    result: RefCell<Option<io::Result<()>>>,
    waker: RefCell<Option<Waker>>,
}

impl CloseSignal {
    pub(super) fn set(&self, result: io::Result<()>) {
        *self.result.borrow_mut() = Some(result);
        wake_all(self.waker.take());
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                // The old one is dropped when the cell is no longer borrowed: that is user code.
                drop(self.waker.replace(Some(cx.waker().clone())));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::{Fsync, Operation, Read, Statx, Write};
    use super::*;

    /// How many descriptors have been given up when `op` has begun again and ended.
    fn given_up(mut op: impl Operation, descriptors: &Descriptors) -> usize {
        op.request();
        let interrupted = Cqe::with_result(-libc::EINTR);
        assert_eq!(op.advance(interrupted, false), Next::Again);
        op.request();
        assert!(descriptors.closes.is_empty());
        assert_eq!(op.advance(Cqe::with_result(0), false), Next::Done);
        std::iter::from_fn(|| descriptors.closes.pop()).count()
    }

    #[test]
    fn a_signal_begins_what_is_done_to_a_file_again() {
        let descriptors = Rc::new(Descriptors::default());
        let file = || SharedFd::of_file(File::open("/dev/null").unwrap().into(), &descriptors);
        let read = Read {
            fd: file().into(),
            buffer: Vec::with_capacity(1),
            offset: 0,
            aside: false,
        };
        assert_eq!(given_up(read, &descriptors), 1);
        let write = Write {
            fd: file().into(),
            buffer: "x",
            offset: 0,
        };
        assert_eq!(given_up(write, &descriptors), 1);
        assert_eq!(given_up(Fsync::new(file(), false), &descriptors), 1);
        assert_eq!(given_up(Statx::of_file(file()), &descriptors), 1);
        assert_eq!(given_up(Statx::of_path(c"/".into()), &descriptors), 0);
    }
}
