//! Receive a datagram with its sender's address.

use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use socket2::SockAddr;

use super::late::InFlight;
use super::{Late, Operation, SharedFd};
use crate::buf::{Chunk, IoBufMut, Message};
use crate::ring::{Cqe, Request};

/// `IORING_OP_RECVMSG`; as recvmsg(2). Owns the buffer, the header and the room for the address.
///
/// A datagram that arrives after its future was dropped is given back to the socket ([`Late`]).
pub(crate) struct RecvMsg<B> {
    fd: SharedFd,
    /// `None` once the datagram has been handed on.
    lent: Option<(B, Message)>,
    in_flight: InFlight<Datagram>,
}

/// A datagram that was received for nobody yet.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) data: Chunk,
    pub(crate) from: SockAddr,
}

impl<B: IoBufMut> RecvMsg<B> {
    pub(crate) fn new(fd: SharedFd, mut buffer: B, late: &Rc<Late<Datagram>>) -> RecvMsg<B> {
        let message = Message::receiving(&mut buffer);
        RecvMsg {
            fd,
            lent: Some((buffer, message)),
            in_flight: InFlight::new(late),
        }
    }

    /// The buffer, and the sender of the datagram in it.
    pub(crate) fn into_parts(self) -> (B, SockAddr) {
        let (buffer, message) = self.lent.expect("a waiting receive has not been discarded");
        (buffer, message.into_sender())
    }

    fn received(&mut self, cqe: Cqe) -> io::Result<usize> {
        let count = cqe.into_result()? as usize;
        let (buffer, _) = self
            .lent
            .as_mut()
            .expect("a receive in flight has its buffer");
        // SAFETY: the kernel wrote `count` bytes to the start of the buffer, within its capacity.
        unsafe { buffer.set_written(count) };
        Ok(count)
    }
}

impl<B: IoBufMut> Operation for RecvMsg<B> {
    type Output = io::Result<usize>;

    fn request(&mut self) -> Request {
        self.in_flight.begin();
        let (_, message) = self
            .lent
            .as_mut()
            .expect("a receive in flight has its header");
        Request::RecvMsg {
            fd: self.fd.as_raw_fd(),
            message: message.header_to_receive(),
            flags: 0,
        }
    }

    fn complete(&mut self, cqe: Cqe) -> io::Result<usize> {
        self.received(cqe)
    }

    fn discard(&mut self, cqe: Cqe) {
        match self.received(cqe) {
            Ok(count) => {
                let (buffer, message) = self.lent.take().expect("discarded once");
                self.in_flight.keep(Ok(Datagram {
                    data: Chunk::owned(buffer).slice_ref(..count),
                    from: message.into_sender(),
                }));
            }
            Err(_) if cqe.is_cancelled() => {}
            // The kernel reports a socket's error once; the next call must see it.
            Err(error) => self.in_flight.keep(Err(error)),
        }
    }
}
