//! Make a socket a listener.

use std::io;
use std::os::fd::AsRawFd;

use super::{Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_LISTEN` (Linux 6.11); as listen(2). Owns nothing.
#[derive(Debug)]
pub(crate) struct Listen {
    pub(crate) fd: SharedFd,
    pub(crate) backlog: i32,
}

impl Operation for Listen {
    type Output = io::Result<()>;

    fn request(&mut self) -> Request {
        Request::Listen {
            fd: self.fd.as_raw_fd(),
            backlog: self.backlog,
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<()> {
        cqe.into_result().map(drop)
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
