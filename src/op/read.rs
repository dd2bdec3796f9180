//! Read a file at an offset.

use std::io;
use std::os::fd::AsRawFd;

use super::{Held, Next, Operation};
use crate::buf::{IoBufMut, sqe_len};
use crate::ring::{Cqe, Request};

/// `IORING_OP_READ`; as pread(2). Owns the buffer. The offset is explicit, so that a read for nobody loses
/// nothing.
#[derive(Debug)]
pub(crate) struct Read<B> {
    pub(crate) fd: Held,
    pub(crate) buffer: B,
    pub(crate) offset: u64,
    /// By a worker of the kernel, since it may wait where it is submitted.
    pub(crate) aside: bool,
}

impl<B: IoBufMut> Operation for Read<B> {
    type Output = io::Result<usize>;

    #[inline]
    fn request(&mut self) -> Request {
        Request::Read {
            fd: self.fd.as_raw_fd(),
            data: self.buffer.bytes_mut_ptr(),
            len: sqe_len(self.buffer.bytes_capacity()),
            offset: self.offset,
            aside: self.aside,
        }
    }

    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        self.fd.ended(cqe)
    }

    fn release(&mut self) {
        self.fd.release();
    }

    #[expect(unsafe_code, reason = "the contract of IoBufMut")]
    fn complete(&mut self, cqe: Cqe) -> io::Result<usize> {
        let count = cqe.into_result()? as usize;
        // SAFETY: the kernel wrote `count` bytes to the start of the buffer, within its capacity.
        unsafe { self.buffer.set_written(count) };
        Ok(count)
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
