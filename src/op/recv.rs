//! Receive into an owned buffer.

use std::io;
use std::os::fd::AsRawFd;

use socket2::{Protocol, SockRef};

use super::late::InFlight;
use super::{Arrived, Next, Operation, SharedFd};
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

/// Whether the end with which a receive has completed is the peer's.
///
/// Why a connection has failed the kernel tells once, which may be a send; to a `MSG_WAITALL` send that has come half-way it
/// tells nobody. A receive that comes after that completes as at the end of the stream. But where the peer has ended it,
/// there is always its end to be read (`tcp_inq_hint` in the kernel's net/ipv4/tcp.c).
#[cold]
#[inline(never)]
pub(crate) fn check_end(fd: &SharedFd, cqe: Cqe) -> io::Result<()> {
    if cqe.has_socket_more() {
        return Ok(());
    }
    let socket = SockRef::from(fd);
    // Only of TCP this is known; a Unix socket tells its peer's end and nothing else.
    let is_tcp = socket
        .protocol()
        .is_ok_and(|known| known == Some(Protocol::TCP));
    let peer = socket.peer_addr().map_err(|error| error.kind());
    match is_tcp && peer.is_err_and(|kind| kind == io::ErrorKind::NotConnected) {
        true => Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "the connection has failed before the peer had finished sending",
        )),
        false => Ok(()),
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

    fn advance(&mut self, cqe: Cqe, _abandoned: bool) -> Next {
        Next::again_if(self.in_flight.begins_again(cqe))
    }

    #[expect(unsafe_code, reason = "the contract of IoBufMut")]
    fn complete(&mut self, cqe: Cqe) -> io::Result<usize> {
        let count = cqe.into_result()? as usize;
        if count == 0 {
            check_end(self.in_flight.fd(), cqe)?;
        }
        self.in_flight.fd().set_more(cqe.has_socket_more());
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
            Err(_) if cqe.is_cancelled() || cqe.is_interrupted() => {}
            // The kernel reports a socket's error once; the next call must see it.
            Err(error) => self.in_flight.keep(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    use super::super::Descriptors;
    use super::*;

    #[test]
    fn a_signal_begins_it_again_and_leaves_no_error() {
        let interrupted = Cqe::with_result(-libc::EINTR);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let fd = SharedFd::new(ours.into(), &Rc::new(Descriptors::default()));
        let mut receive = Recv::new(fd.clone(), Vec::with_capacity(8));
        receive.request();
        assert_eq!(receive.advance(interrupted, false), Next::Again);
        receive.discard(interrupted);
        assert!(fd.incoming().take().is_none());
    }
}
