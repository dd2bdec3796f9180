//! Open a file.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

use super::{Operation, SharedFd};
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

impl Operation for OpenAt {
    type Output = io::Result<OwnedFd>;

    fn request(&mut self) -> Request {
        Request::OpenAt {
            dir: libc::AT_FDCWD,
            path: self.path.as_ptr(),
            flags: self.flags | libc::O_CLOEXEC,
            mode: self.mode,
            aside: self.aside,
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<OwnedFd> {
        cqe.into_fd()
    }

    fn discard(&mut self, cqe: Cqe) {
        drop(cqe.into_fd());
        drop(self.beside.take());
    }
}
