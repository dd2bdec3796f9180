//! Connect a socket.

use std::io;
use std::os::fd::AsRawFd;

use socket2::SockAddr;

use super::{Next, Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_CONNECT`; as connect(2). Owns the address.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) fd: SharedFd,
    pub(crate) address: SockAddr,
}

impl Operation for Connect {
    type Output = io::Result<()>;

    fn request(&mut self) -> Request {
        Request::Connect {
            fd: self.fd.as_raw_fd(),
            addr: self.address.as_ptr().cast(),
            addr_len: self.address.len(),
        }
    }

    /// A signal that only stops the process for a while ends the wait for room in the backlog of a Unix listener, on a
    /// worker of the kernel. A TCP connect waits for no worker.
    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        Next::again_if(cqe.is_interrupted())
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<()> {
        cqe.into_result()?;
        self.fd.set_called();
        Ok(())
    }

    /// A connection that was made too late goes down with the socket, which the same future held.
    fn discard(&mut self, _cqe: Cqe) {}
}
