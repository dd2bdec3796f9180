//! Give a socket its local address.

use std::io;
use std::os::fd::AsRawFd;

use socket2::SockAddr;

use super::{Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// `IORING_OP_BIND` (Linux 6.11); as bind(2). Owns the address.
#[derive(Debug)]
pub(crate) struct Bind {
    pub(crate) fd: SharedFd,
    pub(crate) address: SockAddr,
}

impl Operation for Bind {
    type Output = io::Result<()>;

    fn request(&mut self) -> Request {
        Request::Bind {
            fd: self.fd.as_raw_fd(),
            addr: self.address.as_ptr().cast(),
            addr_len: self.address.len(),
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<()> {
        cqe.into_result().map(drop)
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
