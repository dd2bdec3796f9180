//! Close a descriptor.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::rc::Rc;

use super::{CloseSignal, Closing, OnDrop, Operation};
use crate::ring::{Cqe, Request};

/// `IORING_OP_CLOSE`; as close(2). Owns the descriptor until the kernel has closed it.
///
/// Nobody holds its future: the last [`SharedFd`](super::SharedFd) that goes makes one, and who awaits a
/// close waits for the [`CloseSignal`]. A close that nobody awaits is mostly none of these; see
/// [`Closing::let_go`].
#[derive(Debug)]
pub(crate) struct Close {
    fd: Option<OwnedFd>,
    signal: Option<Rc<CloseSignal>>,
}

impl Close {
    pub(crate) fn new(closing: Closing) -> Close {
        Close {
            fd: Some(closing.fd),
            signal: closing.signal,
        }
    }
}

impl Operation for Close {
    type Output = io::Result<()>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    fn request(&mut self) -> Request {
        let fd = self
            .fd
            .as_ref()
            .expect("a close in flight has its descriptor");
        Request::Close {
            fd: fd.as_raw_fd(),
            quiet: false,
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<()> {
        if let Some(fd) = self.fd.take() {
            // Whatever the kernel says, an error too, it has taken the descriptor (close(2), NOTES): the number may
            // be somebody else's by now. ECANCELED is what the flush of a FUSE file may say, and also what a
            // close says that a shutdown has caught in front of such a flush. Then the descriptor stays open,
            // which is better than to close another's.
            if !cqe.was_submitted() {
                drop(fd);
                return Ok(());
            }
            let _ = fd.into_raw_fd();
        }
        cqe.into_result().map(drop)
    }

    fn discard(&mut self, cqe: Cqe) {
        let result = self.complete(cqe);
        if let Some(signal) = self.signal.take() {
            signal.set(result);
        }
    }
}
