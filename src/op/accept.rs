//! Accept connections, one or many.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::{Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_ACCEPT`; as accept4(2) with `SOCK_CLOEXEC`. Owns nothing; each completion carries a descriptor.
///
/// It belongs to the listener, not to a future: an accept whose future was dropped stays armed, and its
/// connection goes to the next accept. Only when the listener itself has gone is one discarded.
#[derive(Debug)]
pub(crate) struct Accept {
    pub(crate) fd: SharedFd,
    /// Go on until cancelled (`IORING_ACCEPT_MULTISHOT`, Linux 5.19).
    pub(crate) multishot: bool,
}

impl Operation for Accept {
    type Output = io::Result<OwnedFd>;

    #[inline]
    fn request(&mut self) -> Request {
        Request::Accept {
            fd: self.fd.as_raw_fd(),
            multishot: self.multishot,
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<OwnedFd> {
        cqe.into_fd()
    }

    fn discard(&mut self, cqe: Cqe) {
        drop(cqe.into_fd());
    }
}
