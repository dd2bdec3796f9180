//! Send an owned buffer without a word, unless it fails.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::SockRef;

use super::late::InFlight;
use super::{Next, OnDrop, Operation, SharedFd};
use crate::buf::{IoBuf, sqe_len};
use crate::ring::{Cqe, Request};

/// `IORING_OP_SEND` with `MSG_DONTWAIT | MSG_WAITALL` and `IOSQE_CQE_SKIP_SUCCESS`. Owns the buffer.
///
/// Such a send never waits: it is over when the enter that submits it returns. No completion then means that
/// every byte has gone. One says how far it came, and the rest follows as an ordinary send.
///
/// Nobody holds its future. Its error waits for the next send ([`Late`](super::Late)).
pub(crate) struct Post<B> {
    buffer: B,
    sent: usize,
    /// The first try, which does not wait.
    quiet: bool,
    in_flight: InFlight<()>,
}

impl<B: IoBuf> Post<B> {
    pub(crate) fn new(fd: SharedFd, buffer: B) -> Post<B> {
        Post {
            buffer,
            sent: 0,
            quiet: true,
            in_flight: InFlight::new(fd),
        }
    }
}

impl<B: IoBuf> Operation for Post<B> {
    type Output = ();

    const ON_DROP: OnDrop = OnDrop::Finish;

    /// From here on, so that the next one is not staged beside it and overtakes its rest.
    #[inline(always)]
    fn placed(&mut self) {
        self.in_flight.begin();
        self.in_flight.set_quiet(true);
    }

    #[inline(always)]
    fn request(&mut self) -> Request {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let wait = match self.quiet {
            true => libc::MSG_DONTWAIT,
            false => 0,
        };
        Request::Send {
            fd: self.in_flight.as_raw_fd(),
            data: self.buffer.bytes_ptr().wrapping_add(self.sent),
            len: sqe_len(self.buffer.bytes_len() - self.sent),
            flags: flags | wait,
            quiet: self.quiet,
        }
    }

    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        let blocked = self.quiet && cqe.result == -libc::EAGAIN;
        self.quiet = false;
        self.in_flight.set_quiet(false);
        self.sent += cqe.result.max(0) as usize;
        let again = blocked || cqe.result > 0 || cqe.result == -libc::EINTR;
        // Without a half there is nobody left who would notice that the peer never reads.
        if again && self.sent < self.buffer.bytes_len() && !self.in_flight.is_deserted() {
            Next::Again
        } else {
            Next::Done
        }
    }

    fn complete(&mut self, cqe: Cqe) {
        self.discard(cqe);
    }

    fn discard(&mut self, cqe: Cqe) {
        // One that had not begun has torn nothing.
        if self.sent == self.buffer.bytes_len() || (cqe.is_cancelled() && self.sent == 0) {
            return;
        }
        if self.in_flight.is_deserted() {
            // The peer must not take the part for the whole. Other than TCP sockets have no reset to send.
            let _ = SockRef::from(self.in_flight.fd()).set_linger(Some(Duration::ZERO));
            return;
        }
        let error = cqe.into_result().err();
        self.in_flight
            .keep(Err(error.unwrap_or(io::ErrorKind::WriteZero.into())));
    }
}
