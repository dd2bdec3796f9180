//! Send an owned buffer.

use std::io;
use std::os::fd::AsRawFd;

use super::late::InFlight;
use super::{Next, OnDrop, Operation, SharedFd};
use crate::buf::{IoBuf, sqe_len};
use crate::ring::{Cqe, Request};

/// `IORING_OP_SEND`; as send(2) with `MSG_NOSIGNAL`. Owns the buffer.
///
/// One whose future was dropped goes on until every byte is sent, so that the stream is never torn; its
/// error, if any, waits for the next send ([`Late`](super::Late)).
pub(crate) struct Send<B> {
    buffer: B,
    progress: Progress,
    in_flight: InFlight<()>,
}

/// How far a send has come, and how far it wants to go; shared by the kinds of send.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) sent: usize,
    len: usize,
    /// Not content with a short send.
    all: bool,
}

impl Progress {
    pub(super) fn new(len: usize, all: bool) -> Progress {
        Progress { sent: 0, len, all }
    }

    /// Counts a final completion and says whether to go on.
    pub(super) fn advance(&mut self, cqe: Cqe, abandoned: bool, in_flight: &InFlight<()>) -> Next {
        match cqe.result {
            result if result <= 0 => return Next::again_if(in_flight.begins_again(cqe)),
            result => self.sent += result as usize,
        }
        if self.sent < self.len && (self.all || abandoned) {
            Next::Again
        } else {
            Next::Done
        }
    }

    /// Whether a part is left that nobody else will send.
    pub(super) fn resume(&self, cqe: Cqe) -> Next {
        if cqe.result > 0 && self.sent < self.len {
            Next::Again
        } else {
            Next::Done
        }
    }

    /// The result of the whole send, given the completion that ended it.
    ///
    /// Whoever gets an error of the kernel's as it is knows that not a byte had been taken.
    #[inline]
    pub(super) fn result(&self, cqe: Cqe) -> io::Result<usize> {
        if let Err(error) = cqe.into_result() {
            return Err(explain(error, self.sent, self.len));
        }
        if self.all && self.sent < self.len {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(self.sent)
    }

    /// `MSG_WAITALL` makes the kernel go on after a short send by itself.
    pub(super) fn flags(&self) -> i32 {
        if self.all {
            libc::MSG_NOSIGNAL | libc::MSG_WAITALL
        } else {
            libc::MSG_NOSIGNAL
        }
    }

    /// Leaves the error of a send that nobody waited for to the next one.
    pub(super) fn discard(&self, cqe: Cqe, in_flight: &InFlight<()>) {
        match cqe.into_result() {
            // One that had not begun has torn nothing.
            Err(_) if cqe.is_cancelled() && self.sent == 0 => {}
            Err(error) => in_flight.keep(Err(error)),
            Ok(_) if self.sent < self.len => in_flight.keep(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "an earlier send, whose future was dropped, was cut off in the middle",
            ))),
            Ok(_) => {}
        }
    }
}

/// The error of a send of which `sent` of `len` bytes had been taken: the kernel's own only where that is none.
#[cold]
#[inline(never)]
pub(super) fn explain(error: io::Error, sent: usize, len: usize) -> io::Error {
    match sent {
        0 => error,
        sent => {
            let text = format!("{error}, after {sent} of {len} bytes");
            io::Error::new(error.kind(), text)
        }
    }
}

impl<B: IoBuf> Send<B> {
    /// A send of `buffer`; `all` of it, or as much as the kernel takes at once.
    pub(crate) fn new(fd: SharedFd, buffer: B, all: bool) -> Send<B> {
        Send {
            progress: Progress::new(buffer.bytes_len(), all),
            buffer,
            in_flight: InFlight::new(fd),
        }
    }

    pub(crate) fn into_buffer(self) -> B {
        self.buffer
    }
}

impl<B: IoBuf> Operation for Send<B> {
    type Output = io::Result<usize>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    #[inline(always)]
    fn request(&mut self) -> Request {
        self.in_flight.begin();
        let sent = self.progress.sent;
        Request::Send {
            fd: self.in_flight.as_raw_fd(),
            data: self.buffer.bytes_ptr().wrapping_add(sent),
            len: sqe_len(self.buffer.bytes_len() - sent),
            flags: self.progress.flags(),
            quiet: false,
        }
    }

    fn advance(&mut self, cqe: Cqe, abandoned: bool) -> Next {
        self.progress.advance(cqe, abandoned, &self.in_flight)
    }

    fn resume(&mut self, cqe: Cqe) -> Next {
        self.progress.resume(cqe)
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<usize> {
        self.progress.result(cqe)
    }

    fn discard(&mut self, cqe: Cqe) {
        self.progress.discard(cqe, &self.in_flight);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    use super::super::Descriptors;
    use super::*;

    /// The kernel says these where a worker of it sends, and seldom.
    #[test]
    fn a_signal_begins_it_again_and_where_nothing_goes_it_ends() {
        let cqe = Cqe::with_result;
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let fd = SharedFd::new(ours.into(), &Rc::new(Descriptors::default()));
        let of = InFlight::new(fd.clone());
        let mut progress = Progress::new(10, true);
        assert_eq!(progress.advance(cqe(4), false, &of), Next::Again);
        assert_eq!(progress.advance(cqe(-libc::EINTR), false, &of), Next::Again);
        // By the close of a duplicate.
        let cancelled = cqe(-libc::ECANCELED);
        assert_eq!(progress.advance(cancelled, false, &of), Next::Again);
        assert_eq!(progress.advance(cqe(0), true, &of), Next::Done);
        fd.set_closing();
        assert_eq!(progress.advance(cancelled, false, &of), Next::Done);
        assert_eq!(progress.resume(cqe(0)), Next::Done);
        let error = progress.result(cqe(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
