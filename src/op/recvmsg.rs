//! Receive a datagram with its sender's address.

use std::io;
use std::os::fd::AsRawFd;

use socket2::SockAddr;

use super::late::InFlight;
use super::{Arrived, Next, Operation, SharedFd};
use crate::buf::{Chunk, IoBufMut, Message};
use crate::ring::{Cqe, Request};

/// `IORING_OP_RECVMSG`; as recvmsg(2) with `MSG_TRUNC`, which makes the result the length of the whole datagram
/// even where the buffer is shorter. Owns the buffer, the header and the room for the address.
///
/// A datagram that arrives after its future was dropped is given back to the socket ([`Late`](super::Late)).
pub(crate) struct RecvMsg<B> {
    /// `None` once the datagram has been handed on.
    lent: Option<(B, Message)>,
    in_flight: InFlight<Arrived>,
}

/// A datagram that was received for nobody yet.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) data: Chunk,
    /// The length that it was sent with.
    pub(crate) full_len: usize,
    pub(crate) from: SockAddr,
}

impl<B: IoBufMut> RecvMsg<B> {
    pub(crate) fn new(fd: SharedFd, mut buffer: B) -> RecvMsg<B> {
        let message = Message::receiving(&mut buffer);
        RecvMsg {
            lent: Some((buffer, message)),
            in_flight: InFlight::new(fd),
        }
    }

    /// The buffer, and the sender of the datagram in it.
    pub(crate) fn into_parts(self) -> (B, SockAddr) {
        let (buffer, message) = self.lent.expect("a waiting receive has not been discarded");
        (buffer, message.into_sender())
    }
}

impl<B: IoBufMut> Operation for RecvMsg<B> {
    /// How much of the datagram is in the buffer, and how long it is.
    type Output = io::Result<(usize, usize)>;

    #[inline]
    fn request(&mut self) -> Request {
        self.in_flight.begin();
        let (_, message) = self
            .lent
            .as_mut()
            .expect("a receive in flight has its header");
        Request::RecvMsg {
            fd: self.in_flight.as_raw_fd(),
            message: message.header_to_receive(),
            flags: libc::MSG_TRUNC as u32,
        }
    }

    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        Next::again_if(self.in_flight.begins_again(cqe))
    }

    #[expect(unsafe_code, reason = "the contract of IoBufMut")]
    fn complete(&mut self, cqe: Cqe) -> io::Result<(usize, usize)> {
        let full_len = cqe.into_result()? as usize;
        let (buffer, _) = self
            .lent
            .as_mut()
            .expect("a receive in flight has its buffer");
        let len = full_len.min(buffer.bytes_capacity());
        // SAFETY: the kernel wrote the datagram to the start of the buffer, as far as the capacity allowed.
        unsafe { buffer.set_written(len) };
        Ok((len, full_len))
    }

    fn discard(&mut self, cqe: Cqe) {
        match self.complete(cqe) {
            Ok((len, full_len)) => {
                let (buffer, message) = self.lent.take().expect("discarded once");
                let datagram = Datagram {
                    data: Chunk::owned(buffer).slice_ref(..len),
                    full_len,
                    from: message.into_sender(),
                };
                self.in_flight
                    .keep(Ok(Arrived::Datagram(Box::new(datagram))));
            }
            Err(_) if cqe.is_cancelled() || cqe.is_interrupted() => {}
            // The kernel reports a socket's error once; the next call must see it.
            Err(error) => self.in_flight.keep(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::rc::Rc;

    use super::super::Descriptors;
    use super::*;

    #[test]
    fn a_signal_begins_it_again_and_leaves_no_error() {
        let interrupted = Cqe::with_result(-libc::EINTR);
        let (ours, _theirs) = UnixDatagram::pair().unwrap();
        let fd = SharedFd::new(ours.into(), &Rc::new(Descriptors::default()));
        let mut receive = RecvMsg::new(fd.clone(), Vec::with_capacity(8));
        receive.request();
        assert_eq!(receive.advance(interrupted, false), Next::Again);
        receive.discard(interrupted);
        assert!(fd.incoming().take().is_none());
    }
}
