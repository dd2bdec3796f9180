//! Nothing, done by the kernel: one round through the ring.

use std::io;

use super::Operation;
use crate::ring::{Cqe, Request};

/// `IORING_OP_NOP`. Owns nothing.
#[derive(Debug)]
pub(crate) struct Nop;

impl Operation for Nop {
    type Output = io::Result<()>;

    #[inline]
    fn request(&mut self) -> Request {
        Request::Nop
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<()> {
        cqe.into_result().map(drop)
    }

    fn discard(&mut self, _cqe: Cqe) {}
}
