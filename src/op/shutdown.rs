//! Shut down one or both directions of a connection.

use std::io;
use std::net;
use std::os::fd::AsRawFd;

use super::{Held, Next, OnDrop, Operation};
use crate::ring::{Cqe, Request};

/// `IORING_OP_SHUTDOWN`; as shutdown(2). Owns nothing.
#[derive(Debug)]
pub(crate) struct Shutdown {
    pub(crate) fd: Held,
    pub(crate) how: net::Shutdown,
}

impl Operation for Shutdown {
    type Output = io::Result<()>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    fn request(&mut self) -> Request {
        Request::Shutdown {
            fd: self.fd.as_raw_fd(),
            how: match self.how {
                net::Shutdown::Read => libc::SHUT_RD,
                net::Shutdown::Write => libc::SHUT_WR,
                net::Shutdown::Both => libc::SHUT_RDWR,
            },
        }
    }

    fn advance(&mut self, _cqe: Cqe, _abandoned: bool) -> Next {
        self.fd.release();
        Next::Done
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<()> {
        cqe.into_result().map(drop)
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
