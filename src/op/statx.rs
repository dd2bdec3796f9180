//! Ask for a file's metadata.

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;

use super::{Held, Next, Operation, SharedFd};
use crate::buf::StatBuf;
use crate::ring::{Cqe, Request};

/// `IORING_OP_STATX`; as statx(2) of a path, or of an open file. Owns the path and the room for the answer.
pub(crate) struct Statx {
    target: Target,
    answer: StatBuf,
}

enum Target {
    Path(CString),
    File(Held),
}

impl Statx {
    pub(crate) fn of_path(path: CString) -> Statx {
        Statx {
            target: Target::Path(path),
            answer: StatBuf::new(),
        }
    }

    pub(crate) fn of_file(fd: SharedFd) -> Statx {
        Statx {
            target: Target::File(fd.into()),
            answer: StatBuf::new(),
        }
    }
}

impl Operation for Statx {
    type Output = io::Result<libc::statx>;

    fn request(&mut self) -> Request {
        let (dir, path, flags) = match &self.target {
            Target::Path(path) => (libc::AT_FDCWD, path.as_ptr(), 0),
            Target::File(fd) => (fd.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH),
        };
        Request::Statx {
            dir,
            path,
            flags,
            mask: libc::STATX_BASIC_STATS | libc::STATX_BTIME,
            out: self.answer.as_mut_ptr(),
        }
    }

    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        match &mut self.target {
            Target::File(fd) => fd.ended(cqe),
            Target::Path(_) => Next::again_if(cqe.is_interrupted()),
        }
    }

    fn release(&mut self) {
        if let Target::File(fd) = &mut self.target {
            fd.release();
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<libc::statx> {
        cqe.into_result()?;
        Ok(self.answer.get())
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
