//! Bring a file's data to the disk.

use std::io;
use std::os::fd::AsRawFd;

use super::late::InFlight;
use super::{Next, OnDrop, Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_FSYNC`; as fsync(2), or fdatasync(2). Owns nothing.
///
/// What could not be written the kernel tells once. So the error of one whose future was dropped waits for the next
/// ([`Late`](super::Late)).
pub(crate) struct Fsync {
    file: InFlight<()>,
    data_only: bool,
}

impl Fsync {
    pub(crate) fn new(fd: SharedFd, data_only: bool) -> Fsync {
        Fsync {
            file: InFlight::new(fd),
            data_only,
        }
    }
}

impl Operation for Fsync {
    type Output = io::Result<()>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    fn request(&mut self) -> Request {
        Request::Fsync {
            fd: self.file.as_raw_fd(),
            data_only: self.data_only,
        }
    }

    /// Where a signal has ended it, it begins again, as [`Held::ended`](super::Held::ended) has it.
    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        let next = Next::again_if(cqe.is_interrupted());
        if next == Next::Done {
            self.file.release();
        }
        next
    }

    fn release(&mut self) {
        self.file.release();
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<()> {
        cqe.into_result().map(drop)
    }

    fn discard(&mut self, cqe: Cqe) {
        match cqe.into_result() {
            Err(error) if !cqe.is_cancelled() => self.file.keep(Err(error)),
            _ => {}
        }
    }
}
