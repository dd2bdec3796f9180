//! Send several buffers at once, or a datagram to an address.

use std::io;
use std::os::fd::AsRawFd;

use socket2::SockAddr;

use super::late::InFlight;
use super::send::Progress;
use super::{Next, OnDrop, Operation, SharedFd};
use crate::buf::{IoBuf, Message};
use crate::ring::{Cqe, Request};

/// `IORING_OP_SENDMSG`; as sendmsg(2) with `MSG_NOSIGNAL`. Owns the buffers, the header, the vectors and the
/// address. A dropped future leaves it to finish, as [`Send`](super::Send) does.
pub(crate) struct SendMsg<B> {
    buffers: Vec<B>,
    message: Message,
    progress: Progress,
    in_flight: InFlight<()>,
}

impl<B: IoBuf> SendMsg<B> {
    /// A send of all of `buffers`, one behind the other.
    pub(crate) fn all(fd: SharedFd, buffers: Vec<B>) -> SendMsg<B> {
        let message = Message::sending(buffers.iter(), None);
        SendMsg {
            progress: Progress::new(message.len(), true),
            message,
            buffers,
            in_flight: InFlight::new(fd),
        }
    }

    /// A send of `buffers` as one datagram. Where its future was dropped, its error is nobody's: the next one is
    /// not to blame.
    pub(crate) fn datagram(fd: SharedFd, buffers: Vec<B>, target: Option<SockAddr>) -> SendMsg<B> {
        let message = Message::sending(buffers.iter(), target);
        SendMsg {
            progress: Progress::new(message.len(), false),
            message,
            buffers,
            in_flight: InFlight::apart(fd),
        }
    }

    pub(crate) fn into_buffers(self) -> Vec<B> {
        self.buffers
    }
}

impl<B: IoBuf> Operation for SendMsg<B> {
    type Output = io::Result<usize>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    #[inline]
    fn request(&mut self) -> Request {
        self.in_flight.begin();
        Request::SendMsg {
            fd: self.in_flight.as_raw_fd(),
            message: self.message.header_to_send(),
            flags: self.progress.flags() as u32,
        }
    }

    fn advance(&mut self, cqe: Cqe, abandoned: bool) -> Next {
        let before = self.progress.sent;
        let next = self.progress.advance(cqe, abandoned, &self.in_flight);
        self.message.advance(self.progress.sent - before);
        if next == Next::Done {
            self.in_flight.release();
        }
        next
    }

    fn release(&mut self) {
        self.in_flight.release();
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<usize> {
        self.progress.result(cqe)
    }

    fn discard(&mut self, cqe: Cqe) {
        self.progress.discard(cqe, &self.in_flight);
    }
}
