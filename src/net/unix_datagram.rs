//! Unix datagram sockets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::rc::Rc;

use socket2::{Domain, SockRef, Type};

use super::datagram::{Datagram, Receiver, Sender};
use super::stream::close;
use super::{bind, cannot, new_socket, unix_address, with_descriptors};
use crate::buf::{BufResult, IoBuf, IoBufMut};
use crate::op::{Connect, SharedFd};
use crate::reactor::Core;

/// A datagram socket between processes of one machine (unix(7)).
///
/// Datagrams arrive whole and in order, and none is dropped on the way: where the receiver's queue is full, a
/// send waits. (Several sends that wait at once may then go out in another order than they were called.)
///
/// As with [`UdpSocket`](super::UdpSocket), receiving takes `&mut self` and sending `&self`;
/// [`sender`](UnixDatagram::sender) gives a handle for sending that can be cloned. A datagram that arrives for a
/// dropped future goes to the next receive, and a dropped send has sent its datagram or has not.
///
/// The file at its path belongs to you: it is not removed when the socket is dropped.
///
/// ```
/// use eyewall::net::UnixDatagram;
///
/// eyewall::block_on(async {
///     let (one, mut other) = UnixDatagram::pair()?;
///     one.send("ping").await.0?;
///     let (len, buffer) = other.recv(Vec::with_capacity(16)).await;
///     assert_eq!(len?, 4);
///     assert_eq!(buffer, b"ping");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    recv: Receiver,
    send: Sender,
}

impl UnixDatagram {
    /// A socket without a name: it can send, but nobody can answer it.
    ///
    /// # Errors
    ///
    /// As socket(2), or where no reactor runs on this thread.
    pub async fn unbound() -> io::Result<UnixDatagram> {
        let core = Core::current()?;
        let fd = new_socket(&core, Domain::UNIX, Type::DGRAM).await?;
        Ok(UnixDatagram::over(&core, &fd))
    }

    /// A socket at `path`, where it makes a socket file; for an abstract name see
    /// [`bind_addr`](UnixDatagram::bind_addr).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path that is too long (over 107 bytes) or contains a NUL byte; otherwise as bind(2),
    /// with the address: `AddrInUse` if there is a file.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket. The file may have been made.
    pub async fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_addr(&unix_address::of_path(path.as_ref())?).await
    }

    /// A socket with a path or an abstract name. With an unnamed address, the system chooses an abstract name;
    /// see [`local_addr`](UnixDatagram::local_addr).
    ///
    /// # Errors, cancel safety
    ///
    /// As [`bind`](UnixDatagram::bind).
    pub async fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound().await?;
        let raw = unix_address::to_raw(address)?;
        bind(socket.recv.core(), socket.recv.fd(), raw)
            .await
            .map_err(|error| cannot("bind to", address, &error))?;
        Ok(socket)
    }

    /// Two sockets that are connected with each other and have no name.
    ///
    /// # Errors
    ///
    /// As socketpair(2), or where no reactor runs on this thread.
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let core = Core::current()?;
        let (one, other) = with_descriptors(&core, net::UnixDatagram::pair)?;
        let over = |fd: OwnedFd| UnixDatagram::over(&core, &core.share(fd));
        Ok((over(one.into()), over(other.into())))
    }

    /// Takes over a socket.
    ///
    /// # Errors
    ///
    /// Where no reactor runs on this thread, or the socket refuses to become a blocking one (which the ring
    /// wants).
    pub fn from_std(socket: net::UnixDatagram) -> io::Result<UnixDatagram> {
        let core = Core::current()?;
        socket.set_nonblocking(false)?;
        let fd = core.share(socket.into());
        Ok(UnixDatagram::over(&core, &fd))
    }

    fn over(core: &Rc<Core>, fd: &SharedFd) -> UnixDatagram {
        UnixDatagram {
            recv: Receiver::new(core, fd),
            send: Sender::new(core, fd),
        }
    }

    /// Sets the peer: [`send`](UnixDatagram::send) goes there, and only its datagrams arrive from now on. What has come
    /// from others before, since the socket was bound, is still received; but a socket that had another peer loses what
    /// waits in it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` as for [`bind`](UnixDatagram::bind); otherwise as connect(2), with the address.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has happened or not; another one does no harm.
    #[doc(alias = "IORING_OP_CONNECT")]
    pub async fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&unix_address::of_path(path.as_ref())?)
            .await
    }

    /// Sets the peer, by a path or an abstract name; otherwise as [`connect`](UnixDatagram::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](UnixDatagram::connect).
    pub async fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.recv.core().check_open()?;
        let op = Connect {
            fd: self.recv.fd().clone(),
            address: unix_address::to_raw(address)?,
        };
        let (result, _) = self.recv.core().submit(op).await;
        result.map_err(|error| cannot("connect to", address, &error))
    }

    /// Receives a datagram into `buffer`, from its start; gives it back with the datagram's length. 0 is an
    /// empty datagram, not an end.
    ///
    /// What does not fit into the buffer is lost; [`recv_datagram`](UnixDatagram::recv_datagram) tells.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a buffer without capacity; otherwise as recv(2).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a datagram that comes for a dropped future goes to the next call, cut off where the buffer of the
    /// dropped one ended. That buffer is lost.
    pub async fn recv<B: IoBufMut>(&mut self, buffer: B) -> BufResult<usize, B> {
        let (result, buffer) = self.recv.recv(buffer).await;
        (result.map(|datagram| datagram.len), buffer)
    }

    /// Receives a datagram and its sender's address, which is unnamed if the sender is not bound; otherwise as
    /// [`recv`](UnixDatagram::recv).
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub async fn recv_from<B: IoBufMut>(&mut self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        let (result, buffer) = self.recv_datagram(buffer).await;
        (result.map(|datagram| (datagram.len, datagram.from)), buffer)
    }

    /// Receives a datagram and all that is known of it: also whether the buffer was too short. Otherwise as
    /// [`recv`](UnixDatagram::recv).
    #[doc(alias = "MSG_TRUNC")]
    pub async fn recv_datagram<B: IoBufMut>(
        &mut self,
        buffer: B,
    ) -> BufResult<Datagram<SocketAddr>, B> {
        let (result, buffer) = self.recv.recv(buffer).await;
        let result = result.and_then(|datagram| {
            Ok(Datagram {
                len: datagram.len,
                full_len: datagram.full_len,
                from: unix_address::from_raw(&datagram.from)?,
            })
        });
        (result, buffer)
    }

    /// Sends `buffer` as one datagram to the peer of a connected socket; see [`UnixDatagramSender::send`].
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send.send(buffer, None).await
    }

    /// Sends `buffer` as one datagram to the socket at `path`; see [`UnixDatagramSender::send_to`].
    pub async fn send_to<B: IoBuf>(
        &self,
        buffer: B,
        path: impl AsRef<Path>,
    ) -> BufResult<usize, B> {
        send_to(&self.send, buffer, unix_address::of_path(path.as_ref())).await
    }

    /// Sends `buffer` as one datagram to `target`, which may be an abstract name or the sender of a received
    /// datagram; see [`UnixDatagramSender::send_to`].
    pub async fn send_to_addr<B: IoBuf>(
        &self,
        buffer: B,
        target: &SocketAddr,
    ) -> BufResult<usize, B> {
        send_to(&self.send, buffer, Ok(target.clone())).await
    }

    /// A handle for sending from this socket while the socket itself receives.
    pub fn sender(&self) -> UnixDatagramSender {
        UnixDatagramSender {
            send: self.send.clone(),
        }
    }

    /// The name of this socket, if it has one.
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix_address::from_raw(&SockRef::from(&self.recv).local_addr()?)
    }

    /// The name of the peer that the socket is connected to, if it has one.
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not; otherwise as getpeername(2).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        unix_address::from_raw(&SockRef::from(&self.recv).peer_addr()?)
    }

    /// Closes the socket and waits until the kernel has done so. Sends that are under way end with an error. If
    /// a [`UnixDatagramSender`] is left, the socket closes with it, and this waits for that. The file stays.
    ///
    /// # Errors
    ///
    /// As close(2). The descriptor is gone in any case.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    pub async fn close(self) -> io::Result<()> {
        let (core, fd) = (Rc::clone(self.recv.core()), self.recv.fd().clone());
        drop(self);
        close(&core, fd).await
    }
}

async fn send_to<B: IoBuf>(
    sender: &Sender,
    buffer: B,
    target: io::Result<SocketAddr>,
) -> BufResult<usize, B> {
    match target.and_then(|target| unix_address::to_raw(&target)) {
        Ok(target) => sender.send(buffer, Some(target)).await,
        Err(error) => (Err(error), buffer),
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.recv.as_fd()
    }
}

impl AsRawFd for UnixDatagram {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Sends from a [`UnixDatagram`]; from [`UnixDatagram::sender`]. The socket stays open until the last one has
/// gone.
#[derive(Clone, Debug)]
pub struct UnixDatagramSender {
    send: Sender,
}

impl UnixDatagramSender {
    /// Sends `buffer` as one datagram to the peer of a connected socket; gives it back with its length. Waits
    /// while the receiver's queue is full.
    ///
    /// # Errors
    ///
    /// As send(2): `ConnectionRefused` or `ConnectionReset` if the peer has gone; EMSGSIZE for a buffer that is
    /// too long for the socket's send buffer.
    ///
    /// # Cancel safety
    ///
    /// A send whose future is dropped has sent the datagram, or never sends it.
    #[doc(alias = "IORING_OP_SENDMSG")]
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send.send(buffer, None).await
    }

    /// Sends `buffer` as one datagram to the socket at `path`; gives it back with its length.
    ///
    /// # Errors, cancel safety
    ///
    /// As for [`send`](UnixDatagramSender::send); `NotFound` without a file, and `InvalidInput` for a path that
    /// is too long (over 107 bytes) or contains a NUL byte.
    pub async fn send_to<B: IoBuf>(
        &self,
        buffer: B,
        path: impl AsRef<Path>,
    ) -> BufResult<usize, B> {
        send_to(&self.send, buffer, unix_address::of_path(path.as_ref())).await
    }

    /// Sends `buffer` as one datagram to `target`, which may be an abstract name; otherwise as
    /// [`send_to`](UnixDatagramSender::send_to).
    pub async fn send_to_addr<B: IoBuf>(
        &self,
        buffer: B,
        target: &SocketAddr,
    ) -> BufResult<usize, B> {
        send_to(&self.send, buffer, Ok(target.clone())).await
    }
}

impl AsFd for UnixDatagramSender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.send.as_fd()
    }
}

impl AsRawFd for UnixDatagramSender {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
