//! Receive into an owned buffer.

use std::io;
use std::os::fd::AsRawFd;

use super::late::InFlight;
use super::{Arrived, Operation, SharedFd};
use crate::buf::{Chunk, IoBufMut, sqe_len};
use crate::ring::{Cqe, Request};

/// `IORING_OP_RECV`; as recv(2). Owns the buffer.
///
/// Bytes that arrive after its future was dropped are given back to the socket ([`Late`](super::Late)).
pub(crate) struct Recv<B> {
    /// `None` once the bytes have been given back to the socket.
    buffer: Option<B>,
    in_flight: InFlight<Arrived>,
}

impl<B: IoBufMut> Recv<B> {
    pub(crate) fn new(fd: SharedFd, buffer: B) -> Recv<B> {
        Recv {
            buffer: Some(buffer),
            in_flight: InFlight::new(fd),
        }
    }

    /// One that belongs to the socket, not to a future: only when the socket itself has gone is it discarded, with
    /// the bytes.
    pub(crate) fn of_socket(fd: SharedFd, buffer: B) -> Recv<B> {
        Recv {
            buffer: Some(buffer),
            in_flight: InFlight::apart(fd),
        }
    }

    pub(crate) fn into_buffer(self) -> B {
        self.buffer
            .expect("a waiting receive has not been discarded")
    }

    fn buffer(&mut self) -> &mut B {
        self.buffer
            .as_mut()
            .expect("a receive in flight has its buffer")
    }
}

impl<B: IoBufMut> Operation for Recv<B> {
    type Output = io::Result<usize>;

    #[inline(always)]
    fn request(&mut self) -> Request {
        self.in_flight.begin();
        let fd = self.in_flight.as_raw_fd();
        let buffer = self.buffer();
        Request::Recv {
            fd,
            data: buffer.bytes_mut_ptr(),
            len: sqe_len(buffer.bytes_capacity()),
        }
    }

    #[expect(unsafe_code, reason = "the contract of IoBufMut")]
    fn complete(&mut self, cqe: Cqe) -> io::Result<usize> {
        let count = cqe.into_result()? as usize;
        // SAFETY: the kernel wrote `count` bytes to the start of the buffer, within its capacity.
        unsafe { self.buffer().set_written(count) };
        Ok(count)
    }

    fn discard(&mut self, cqe: Cqe) {
        match self.complete(cqe) {
            // The end of the stream is there to be seen again.
            Ok(0) => {}
            Ok(count) => {
                let buffer = self.buffer.take().expect("discarded once");
                let chunk = Chunk::owned(buffer).slice_ref(..count);
                self.in_flight.keep(Ok(Arrived::Bytes(chunk)));
            }
            Err(_) if cqe.is_cancelled() => {}
            // The kernel reports a socket's error once; the next call must see it.
            Err(error) => self.in_flight.keep(Err(error)),
        }
    }
}
