//! Open a file.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

use super::{Next, Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_OPENAT`; as openat(2) from the working directory, with `O_CLOEXEC`. Owns the path; its
/// completion carries a descriptor.
#[derive(Debug)]
pub(crate) struct OpenAt {
    pub(crate) path: CString,
    pub(crate) flags: i32,
    pub(crate) mode: u32,
    /// By a worker of the kernel. Else the kernel tries first as with `O_NONBLOCK`, which means something else for a FIFO
    /// (fifo(7)): the one to be read opens at once, and the one to be written fails with ENXIO.
    pub(crate) aside: bool,
    /// Stays open until this one has ended.
    pub(crate) beside: Option<SharedFd>,
}

/// The kernel's own name for a system call that is to be restarted; no errno of user space.
const ERESTARTSYS: i32 = 512;

impl Operation for OpenAt {
    type Output = io::Result<OwnedFd>;

    fn request(&mut self) -> Request {
        Request::OpenAt {
            path: self.path.as_ptr(),
            flags: self.flags | libc::O_CLOEXEC,
            mode: self.mode,
            aside: self.aside,
        }
    }

    /// A signal that only stops the process for a while ends the wait for the other end of a FIFO, on a worker of the
    /// kernel: open(2) would be restarted then, of which that worker knows nothing.
    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        Next::again_if(cqe.is_interrupted() || cqe.result == -ERESTARTSYS)
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<OwnedFd> {
        cqe.into_fd()
    }

    fn discard(&mut self, cqe: Cqe) {
        drop(cqe.into_fd());
        drop(self.beside.take());
    }
}
