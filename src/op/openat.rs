//! Open a file.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

use super::Operation;
use crate::ring::{Cqe, Request};

/// `IORING_OP_OPENAT`; as openat(2) from the working directory, with `O_CLOEXEC`. Owns the path; its
/// completion carries a descriptor.
#[derive(Debug)]
pub(crate) struct OpenAt {
    pub(crate) path: CString,
    pub(crate) flags: i32,
    pub(crate) mode: u32,
}

impl Operation for OpenAt {
    type Output = io::Result<OwnedFd>;

    fn request(&mut self) -> Request {
        Request::OpenAt {
            dir: libc::AT_FDCWD,
            path: self.path.as_ptr(),
            flags: self.flags | libc::O_CLOEXEC,
            mode: self.mode,
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<OwnedFd> {
        cqe.into_fd()
    }

    fn discard(&mut self, cqe: Cqe) {
        drop(cqe.into_fd());
    }
}
