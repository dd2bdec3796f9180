//! Send an owned buffer without a word, unless it fails.

use std::io;
use std::os::fd::AsRawFd;

use super::late::InFlight;
use super::send::explain;
use super::{Next, OnDrop, Operation, SharedFd};
use crate::buf::{IoBuf, Lent, sqe_len};
use crate::ring::{Cqe, Request};

/// `IORING_OP_SEND` with `MSG_DONTWAIT | MSG_WAITALL` and `IOSQE_CQE_SKIP_SUCCESS`. Owns the buffer.
///
/// Such a send never waits: it is over when the enter that submits it returns. No completion then means that
/// every byte has gone; so it needs no slot. One says how far it came, and the rest follows as a [`Postponed`].
pub(crate) struct Post {
    buffer: Lent,
    fd: SharedFd,
}

impl Post {
    /// The post, and its request: that is made while the type of the buffer is still known.
    #[inline(always)]
    pub(crate) fn new<B: IoBuf>(fd: SharedFd, buffer: B) -> (Post, Request) {
        let request = request(&fd, &buffer, 0, Try::Unheard);
        let buffer = Lent::new(buffer);
        (Post { buffer, fd }, request)
    }

    /// It has been staged.
    #[inline(always)]
    pub(crate) fn begun(&self) {
        self.fd.outgoing().begin_quietly();
        self.fd.asks();
    }

    /// Every byte has gone.
    #[inline(always)]
    pub(crate) fn end(self) {
        self.fd.outgoing().end_one();
    }

    /// It has a completion after all.
    pub(crate) fn fail(self) -> Box<Postponed> {
        Box::new(Postponed {
            buffer: self.buffer,
            sent: 0,
            quiet: true,
            in_flight: InFlight::begun(self.fd),
        })
    }
}

/// A post that takes a slot: it found no room to be staged at once, or the kernel did not take all of it.
///
/// Nobody holds its future. Its error waits for the next send ([`Late`](super::Late)).
pub(crate) struct Postponed {
    buffer: Lent,
    sent: usize,
    /// The first try, which does not wait.
    quiet: bool,
    in_flight: InFlight<()>,
}

impl From<Post> for Postponed {
    fn from(post: Post) -> Postponed {
        Postponed {
            buffer: post.buffer,
            sent: 0,
            quiet: true,
            in_flight: InFlight::new(post.fd),
        }
    }
}

/// How a part of a post is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    /// Does not wait, and completes only where it fails.
    Unheard,
    /// Does not wait.
    First,
    /// Waits until all has gone.
    Patient,
}

#[inline(always)]
fn request(fd: &impl AsRawFd, buffer: &impl IoBuf, sent: usize, way: Try) -> Request {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    let wait = match way {
        Try::Unheard | Try::First => libc::MSG_DONTWAIT,
        Try::Patient => 0,
    };
    let left = buffer.bytes_len() - sent;
    let len = sqe_len(left);
    Request::Send {
        fd: fd.as_raw_fd(),
        data: buffer.bytes_ptr().wrapping_add(sent),
        len,
        flags: flags | wait,
        // What is more than one send takes has a rest, of which the completion tells.
        quiet: way == Try::Unheard && len as usize == left,
    }
}

impl Postponed {
    /// The socket that it belongs to.
    pub(crate) fn fd(&self) -> &SharedFd {
        self.in_flight.fd()
    }
}

impl Operation for Postponed {
    type Output = ();

    const ON_DROP: OnDrop = OnDrop::Finish;

    /// From here on, so that the next one is not staged beside it and overtakes its rest.
    fn placed(&mut self) {
        self.in_flight.begin();
        self.in_flight.set_quiet(true);
    }

    fn request(&mut self) -> Request {
        let way = match self.quiet {
            true => Try::First,
            false => Try::Patient,
        };
        request(&self.in_flight, &self.buffer, self.sent, way)
    }

    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        let blocked = self.quiet && cqe.result == -libc::EAGAIN;
        self.quiet = false;
        self.in_flight.set_quiet(false);
        self.sent += cqe.result.max(0) as usize;
        let again = blocked || cqe.result > 0 || self.in_flight.begins_again(cqe);
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
        // One that the kernel has never had was never handed over. One that it has given up is missing between what was
        // posted before and what comes after.
        if self.sent == self.buffer.bytes_len() || !cqe.was_submitted() {
            return;
        }
        if self.in_flight.is_deserted() {
            if self.in_flight.is_needed() {
                self.in_flight.fd().reset_at_close();
            }
            return;
        }
        let error = match cqe.into_result() {
            Err(error) => explain(error, self.sent, self.buffer.bytes_len()),
            Ok(_) => io::ErrorKind::WriteZero.into(),
        };
        self.in_flight.keep(Err(error));
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
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
        let (post, _) = Post::new(fd.clone(), "posted");
        post.begun();
        let mut rest = post.fail();
        assert_eq!(rest.advance(cqe(-libc::EINTR), true), Next::Again);
        assert_eq!(rest.advance(cqe(0), true), Next::Done);
        rest.discard(cqe(0));
        let kept = fd.outgoing().take().expect("it has failed");
        assert_eq!(kept.unwrap_err().kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn one_that_the_kernel_gives_up_leaves_its_error() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let fd = SharedFd::new(ours.into(), &Rc::new(Descriptors::default()));
        let (post, _) = Post::new(fd.clone(), "posted");
        post.begun();
        let cancelled = Cqe::with_result(-libc::ECANCELED);
        let mut rest = post.fail();
        assert_eq!(rest.advance(cancelled, true), Next::Again);
        fd.set_closing();
        assert_eq!(rest.advance(cancelled, true), Next::Done);
        rest.discard(cancelled);
        let kept = fd.outgoing().take().expect("its bytes are missing");
        assert_eq!(kept.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn one_that_is_too_long_for_one_send_is_heard_of() {
        let file = File::open("/dev/null").unwrap();
        // What the kernel takes where a page has 64 KiB: it sends no more, and where that is all of it, in silence.
        const MOST: usize = 0x7fff_0000;
        // Memory that nobody touches.
        let mut bytes = vec![0; MOST + 1];
        for (count, unheard) in [(1, true), (MOST, true), (MOST + 1, false)] {
            let part = bytes.slice(..count);
            let request = request(&file, &part, 0, Try::Unheard);
            bytes = part.into_inner();
            let Request::Send { len, quiet, .. } = request else {
                panic!("{request:?}");
            };
            assert_eq!((len as usize, quiet), (count.min(MOST), unheard));
        }
    }
}
