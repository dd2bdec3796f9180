//! Make a socket.

use std::io;
use std::os::fd::OwnedFd;

use super::Operation;
use crate::ring::{Cqe, Request};

/// `IORING_OP_SOCKET` (Linux 5.19); as socket(2), with `SOCK_CLOEXEC`. Owns nothing; its completion carries
/// a descriptor.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) domain: i32,
    pub(crate) kind: i32,
    pub(crate) protocol: i32,
}

impl Operation for Socket {
    type Output = io::Result<OwnedFd>;

    fn request(&mut self) -> Request {
        Request::Socket {
            domain: self.domain,
            kind: self.kind | libc::SOCK_CLOEXEC,
            protocol: self.protocol,
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<OwnedFd> {
        cqe.into_fd()
    }

    fn discard(&mut self, cqe: Cqe) {
        drop(cqe.into_fd());
    }
}
