//! Cancel what is in flight on a descriptor.
//!
//! Cancelling one operation by its id needs no file here: the reactor stages it for every future that is
//! dropped ([`Request::Cancel`]).

use std::os::fd::AsRawFd;

use super::{OnDrop, Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_ASYNC_CANCEL` with `IORING_ASYNC_CANCEL_FD` and `_ALL` (Linux 5.19). Owns nothing. Each of the
/// operations that it finds still has a completion of its own; that there is none is no error.
#[derive(Debug)]
pub(crate) struct CancelFd {
    pub(crate) fd: SharedFd,
}

impl Operation for CancelFd {
    type Output = ();

    const ON_DROP: OnDrop = OnDrop::Finish;

    fn request(&mut self) -> Request {
        Request::CancelFd {
            fd: self.fd.as_raw_fd(),
        }
    }

    fn complete(&mut self, _cqe: Cqe) {}

    fn discard(&mut self, _cqe: Cqe) {}
}
