//! Write a file at an offset.

use std::io;
use std::os::fd::AsRawFd;

use super::{Held, Next, OnDrop, Operation};
use crate::buf::{IoBuf, sqe_len};
use crate::ring::{Cqe, Request};

/// `IORING_OP_WRITE`; as pwrite(2). Owns the buffer. A dropped future leaves the kernel to finish it.
#[derive(Debug)]
pub(crate) struct Write<B> {
    pub(crate) fd: Held,
    pub(crate) buffer: B,
    pub(crate) offset: u64,
}

impl<B: IoBuf> Operation for Write<B> {
    type Output = io::Result<usize>;

    const ON_DROP: OnDrop = OnDrop::Finish;

    #[inline]
    fn request(&mut self) -> Request {
        Request::Write {
            fd: self.fd.as_raw_fd(),
            data: self.buffer.bytes_ptr(),
            len: sqe_len(self.buffer.bytes_len()),
            offset: self.offset,
        }
    }

    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        self.fd.ended(cqe)
    }

    fn release(&mut self) {
        self.fd.release();
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<usize> {
        cqe.into_result().map(|count| count as usize)
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
