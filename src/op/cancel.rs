//! Cancel what is in flight on a descriptor.
//!
//! Cancelling one operation by its id needs no file here: the reactor stages it for every future that is
//! dropped ([`Request::Cancel`]).

use std::io;
use std::os::fd::AsRawFd;

use super::{OnDrop, Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_ASYNC_CANCEL` with `IORING_ASYNC_CANCEL_FD` and `_ALL` (Linux 5.19). Owns nothing; its result
/// is how many operations it found. Each of those still has a completion of its own.
#[derive(Debug)]
pub(crate) struct CancelFd {
    pub(crate) fd: SharedFd,
}

impl Operation for CancelFd {
    type Output = io::Result<u32>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    fn request(&mut self) -> Request {
        Request::CancelFd {
            fd: self.fd.as_raw_fd(),
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<u32> {
        cqe.into_result()
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
