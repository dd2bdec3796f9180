//! One file an operation: what it asks, what it owns in flight, what its completion means, and what to do
//! with a completion that nobody waits for any more.
//!
//! An [`Operation`] is boxed and handed to the reactor, which keeps it at that address until its final
//! completion. Whatever the kernel may touch (a buffer, an address, a path) is a field of the operation, so
//! it cannot be freed early, whether the future that waits for it is polled, dropped, forgotten or timed out.
//!
//! # The three questions
//!
//! - [`request`](Operation::request): what to ask the kernel. Called when the operation is staged, and again
//!   when it asked to go on.
//! - [`complete`](Operation::complete): the result, for a future that waits.
//! - [`discard`](Operation::discard): a completion for which nobody waits. It may carry a descriptor, a pool
//!   buffer or received bytes; each must go somewhere. There is no default, so that a new operation cannot
//!   forget it.
//!
//! Five more have the usual answer as their default: [`placed`](Operation::placed) says that the operation has its
//! slot, [`advance`](Operation::advance) lets it go on for another round (the rest of a short send) without waking
//! anybody, [`resume`](Operation::resume) does so when its future is dropped, [`release`](Operation::release) gives
//! its descriptor back early, and [`ON_DROP`](Operation::ON_DROP) says whether a dropped future cancels its operation
//! or lets it finish.

// Three files are excepted: a receive and a read say how much of a buffer the kernel has written.
#![deny(unsafe_code)]

mod accept;
mod asking;
mod bind;
mod cancel;
mod close;
mod connect;
mod fd;
mod fsync;
mod late;
mod listen;
mod nop;
mod openat;
mod poll;
mod post;
mod read;
mod recv;
mod recv_pooled;
mod recvmsg;
mod send;
mod send_zc;
mod sendmsg;
mod shutdown;
mod statx;
mod write;

use std::any::Any;

pub(crate) use accept::Accept;
pub(crate) use bind::Bind;
pub(crate) use cancel::CancelFd;
pub(crate) use close::Close;
pub(crate) use connect::Connect;
pub(crate) use fd::{CloseSignal, Closing, Descriptors, Held, SharedFd};
pub(crate) use fsync::Fsync;
pub(crate) use late::{Direction, Late};
pub(crate) use listen::Listen;
pub(crate) use nop::Nop;
pub(crate) use openat::OpenAt;
pub(crate) use poll::Poll;
pub(crate) use post::{Post, Postponed};
pub(crate) use read::Read;
pub(crate) use recv::{Recv, check_end};
pub(crate) use recv_pooled::{Received, RecvPooled};
pub(crate) use recvmsg::{Datagram, RecvMsg};
pub(crate) use send::Send;
pub(crate) use send_zc::SendZc;
pub(crate) use sendmsg::SendMsg;
pub(crate) use shutdown::Shutdown;
pub(crate) use statx::Statx;
pub(crate) use write::Write;

use crate::buf::Chunk;
use crate::ring::{Completions, Cqe, Place, Request, Ring};

/// What a receive has left for the next one.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// Bytes of a stream.
    Bytes(Chunk),
    Datagram(Box<Datagram>),
}

impl Arrived {
    /// What a datagram socket has received.
    pub(crate) fn into_datagram(self) -> Box<Datagram> {
        match self {
            Arrived::Datagram(datagram) => datagram,
            Arrived::Bytes(_) => unreachable!("a datagram socket receives datagrams"),
        }
    }

    /// What a stream has received.
    pub(crate) fn into_bytes(self) -> Chunk {
        match self {
            Arrived::Bytes(chunk) => chunk,
            Arrived::Datagram(datagram) => datagram.data,
        }
    }
}

impl Direction for Arrived {
    fn late(fd: &SharedFd) -> &Late<Arrived> {
        fd.incoming()
    }

    fn ended(fd: &SharedFd) {
        fd.answered();
    }
}

impl Direction for () {
    fn late(fd: &SharedFd) -> &Late<()> {
        fd.outgoing()
    }

    fn begun(fd: &SharedFd) {
        fd.asks();
    }
}

/// What the reactor needs to know of an operation; see the [module](self).
pub(crate) trait Operation: 'static {
    /// What a waiting future gets.
    type Output;

    /// What becomes of the operation when its future is dropped while the kernel has it.
    const ON_DROP: OnDrop = OnDrop::Cancel;

    /// It has got its slot in the table; until then one whose future is forgotten holds up nobody else; it leaks.
    fn placed(&mut self) {}

    /// What to ask the kernel; the pointers in it lead into `self` or to what `self` owns.
    fn request(&mut self) -> Request;

    /// Looks at the final completion before anybody else does. [`Next::Again`] stages
    /// [`request`](Operation::request) once more; `abandoned` says that no future waits.
    fn advance(&mut self, _cqe: Cqe, _abandoned: bool) -> Next {
        Next::Done
    }

    /// The future has gone without fetching the result `cqe`: says whether there is more to do after all, now
    /// that nobody else will do it.
    fn resume(&mut self, _cqe: Cqe) -> Next {
        Next::Done
    }

    /// The result is there, no further round follows, be it wanted, and the kernel keeps only the buffer, if anything,
    /// perhaps for as long as the descriptor is open: lets go of the descriptor.
    fn release(&mut self) {}

    /// The meaning of a completion for the future that waits.
    fn complete(&mut self, cqe: Cqe) -> Self::Output;

    /// Disposes of a completion for which nobody waits.
    fn discard(&mut self, cqe: Cqe);
}

/// Whether an operation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The completion is the result.
    Done,
    /// There is more to do: stage it again.
    Again,
}

impl Next {
    #[inline]
    fn again_if(more: bool) -> Next {
        match more {
            true => Next::Again,
            false => Next::Done,
        }
    }
}

/// What dropping the future of an operation in flight does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDrop {
    /// Ask the kernel to cancel it.
    Cancel,
    /// Let it go on to its end.
    Finish,
}

/// What has been staged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staged {
    pub(crate) completions: Completions,
    /// See [`Request::is_prompting`].
    pub(crate) prompting: bool,
}

/// Stages the request of `op`.
#[inline(always)]
pub(crate) fn stage<O: Operation>(op: &mut O, place: Place<'_>, user_data: u64) -> Staged {
    let request = op.request();
    place.stage(&request, user_data);
    Staged {
        completions: request.completions(),
        prompting: request.is_prompting(),
    }
}

/// An [`Operation`] whose type has been forgotten, as the table of the reactor keeps it.
pub(crate) trait Erased: Any {
    fn on_drop(&self) -> OnDrop;
    /// Stages its request; `None` when the submission queue is full.
    fn stage(&mut self, ring: &mut Ring, user_data: u64) -> Option<Staged>;
    fn advance(&mut self, cqe: Cqe, abandoned: bool) -> Next;
    fn resume(&mut self, cqe: Cqe) -> Next;
    fn release(&mut self);
    fn discard(&mut self, cqe: Cqe);
}

impl<O: Operation> Erased for O {
    fn on_drop(&self) -> OnDrop {
        O::ON_DROP
    }

    fn stage(&mut self, ring: &mut Ring, user_data: u64) -> Option<Staged> {
        Some(stage(self, ring.place()?, user_data))
    }

    fn advance(&mut self, cqe: Cqe, abandoned: bool) -> Next {
        Operation::advance(self, cqe, abandoned)
    }

    fn resume(&mut self, cqe: Cqe) -> Next {
        Operation::resume(self, cqe)
    }

    fn release(&mut self) {
        Operation::release(self);
    }

    fn discard(&mut self, cqe: Cqe) {
        Operation::discard(self, cqe);
    }
}
