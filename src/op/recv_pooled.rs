//! Receive into a buffer of the pool, once or many times.

use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use super::{Operation, SharedFd};
use crate::buf::{Chunk, Pool};
use crate::ring::{Cqe, Request};

/// `IORING_OP_RECV` with `IOSQE_BUFFER_SELECT`: the kernel picks the buffer when data arrives, so that a
/// receive that waits holds no memory.
///
/// It belongs to the socket, not to a future: one whose future was dropped stays armed, and what it receives
/// goes to the next call. Only when the socket itself has gone is a completion discarded.
#[derive(Debug)]
pub(crate) struct RecvPooled {
    pub(crate) fd: SharedFd,
    pub(crate) pool: Rc<Pool>,
    /// Go on until cancelled (`IORING_RECV_MULTISHOT`, Linux 6.0).
    pub(crate) multishot: bool,
}

/// What a completion of [`RecvPooled`] means.
#[derive(Debug)]
pub(crate) enum Received {
    /// Bytes.
    Data(Chunk),
    /// The peer has finished sending.
    End,
    /// The pool had no buffer (ENOBUFS); nothing was received.
    NoBuffer,
    /// It was cancelled, or interrupted by a signal, before anything came.
    Cancelled,
}

impl Received {
    /// The meaning of a completion.
    #[inline]
    pub(crate) fn of(cqe: Cqe, pool: &Rc<Pool>) -> io::Result<Received> {
        // Claimed first: an error may carry a buffer too.
        match pool.claim(cqe) {
            Some(chunk) if cqe.result > 0 => Ok(Received::Data(chunk)),
            chunk => {
                drop(chunk);
                Received::other(cqe)
            }
        }
    }

    /// The meaning of a completion that brings no bytes.
    #[cold]
    #[inline(never)]
    fn other(cqe: Cqe) -> io::Result<Received> {
        match cqe.result {
            result if result == -libc::ENOBUFS => Ok(Received::NoBuffer),
            _ if cqe.is_cancelled() || cqe.is_interrupted() => Ok(Received::Cancelled),
            0 => Ok(Received::End),
            _ => {
                cqe.into_result()?;
                Err(io::Error::other("the kernel received into no buffer"))
            }
        }
    }
}

impl Operation for RecvPooled {
    type Output = io::Result<Received>;

    #[inline(always)]
    fn request(&mut self) -> Request {
        Request::RecvPooled {
            fd: self.fd.as_raw_fd(),
            multishot: self.multishot,
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<Received> {
        Received::of(cqe, &self.pool)
    }

    fn discard(&mut self, cqe: Cqe) {
        drop(self.pool.claim(cqe));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::BufRing;

    #[test]
    fn a_signal_begins_it_again_and_an_error_is_one() {
        let pool = Pool::new(BufRing::new(1, 64).unwrap());
        let received = |errno: i32| Received::of(Cqe::with_result(-errno), &pool);
        assert!(matches!(received(libc::EINTR), Ok(Received::Cancelled)));
        let error = received(libc::ENOMEM).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    }
}
