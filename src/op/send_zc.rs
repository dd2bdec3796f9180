//! Send an owned buffer without copying it into the kernel.

use std::io;
use std::os::fd::AsRawFd;

use super::late::InFlight;
use super::send::Progress;
use super::{Next, OnDrop, Operation, SharedFd};
use crate::buf::{IoBuf, sqe_len};
use crate::ring::{Cqe, Request};

/// `IORING_OP_SEND_ZC` (Linux 6.0). Owns the buffer until the kernel's notification that it is free, which
/// for TCP is when the peer has acknowledged the bytes.
pub(crate) struct SendZc<B> {
    buffer: B,
    progress: Progress,
    /// The kernel may not lock so much of this user's memory (`RLIMIT_MEMLOCK`), or has no other way over this socket: it
    /// copies the rest.
    copying: bool,
    in_flight: InFlight<()>,
}

impl<B: IoBuf> SendZc<B> {
    /// A send of all of `buffer`.
    pub(crate) fn new(fd: SharedFd, buffer: B) -> SendZc<B> {
        SendZc {
            progress: Progress::new(buffer.bytes_len(), true),
            copying: false,
            buffer,
            in_flight: InFlight::new(fd),
        }
    }

    pub(crate) fn into_buffer(self) -> B {
        self.buffer
    }
}

impl<B: IoBuf> Operation for SendZc<B> {
    type Output = io::Result<usize>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    #[inline]
    fn request(&mut self) -> Request {
        self.in_flight.begin();
        let sent = self.progress.sent;
        let fd = self.in_flight.as_raw_fd();
        let data = self.buffer.bytes_ptr().wrapping_add(sent);
        let len = sqe_len(self.buffer.bytes_len() - sent);
        let flags = self.progress.flags();
        match self.copying {
            false => Request::SendZc {
                fd,
                data,
                len,
                flags,
            },
            true => Request::Send {
                fd,
                data,
                len,
                flags,
                quiet: false,
            },
        }
    }

    fn advance(&mut self, cqe: Cqe, abandoned: bool) -> Next {
        let refused = matches!(-cqe.result, libc::ENOMEM | libc::EOPNOTSUPP);
        if refused && !self.copying {
            self.copying = true;
            return Next::Again;
        }
        self.progress.advance(cqe, abandoned, &self.in_flight)
    }

    /// The notification waits until the peer has taken the bytes or the socket is closed. A peer that does
    /// not read must not keep open what was dropped.
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
