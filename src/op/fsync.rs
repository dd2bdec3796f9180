//! Bring a file's data to the disk.

use std::io;
use std::os::fd::AsRawFd;

use super::{Held, Next, OnDrop, Operation};
use crate::ring::{Cqe, Request};

/// `IORING_OP_FSYNC`; as fsync(2), or fdatasync(2). Owns nothing.
#[derive(Debug)]
pub(crate) struct Fsync {
    pub(crate) fd: Held,
    pub(crate) data_only: bool,
}

impl Operation for Fsync {
    type Output = io::Result<()>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    fn request(&mut self) -> Request {
        Request::Fsync {
            fd: self.fd.as_raw_fd(),
            data_only: self.data_only,
        }
    }

    fn advance(&mut self, _cqe: Cqe, _abandoned: bool) -> Next {
        self.fd.release();
        Next::Done
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<()> {
        cqe.into_result().map(drop)
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
