//! Wait until a descriptor is ready.

use std::io;
use std::os::fd::AsRawFd;

use super::{Next, Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_POLL_ADD`; as poll(2), once. Owns nothing.
#[derive(Debug)]
pub(crate) struct Poll {
    pub(crate) fd: SharedFd,
    /// `libc::POLLIN` and its like.
    pub(crate) events: i16,
}

impl Operation for Poll {
    /// The events that are there.
    type Output = io::Result<u32>;

    #[inline]
    fn request(&mut self) -> Request {
        Request::Poll {
            fd: self.fd.as_raw_fd(),
            events: self.events as u32,
            multishot: false,
        }
    }

    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        Next::again_if(self.fd.begins_again(cqe))
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<u32> {
        cqe.into_result()
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
