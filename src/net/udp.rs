//! UDP sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use socket2::{Domain, SockRef, Type};

use super::datagram::{Datagram, Receiver, Sender};
use super::stream::close;
use super::{ConnectError, ToAddresses, bind, bind_first, ip_address, new_socket};
use crate::buf::{BufResult, IoBuf, IoBufMut};
use crate::op::{Connect, SharedFd};
use crate::reactor::Core;

/// A UDP socket.
///
/// # Sharing it
///
/// Sending takes `&self` and receiving `&mut self`: datagrams go out from anywhere, but each that comes in has
/// one receiver. [`sender`](UdpSocket::sender) gives a handle for sending that can be cloned and moved to other
/// tasks while the socket itself receives.
///
/// # Nothing received is lost
///
/// A datagram that arrives for a receive whose future has been dropped, timed out or forgotten goes to the next
/// receive. A send whose future is dropped has sent its datagram or has not; never a part.
///
/// # Options
///
/// The less usual options (buffer sizes, TTL, multicast loops and interfaces) are those of
/// [`socket2::SockRef`](https://docs.rs/socket2), which takes any socket:
///
/// ```
/// use eyewall::net::UdpSocket;
///
/// eyewall::block_on(async {
///     let mut server = UdpSocket::bind("127.0.0.1:0").await?;
///     socket2::SockRef::from(&server).set_recv_buffer_size(1 << 20)?;
///
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.send_to("ping", server.local_addr()?).await.0?;
///
///     let (received, buffer) = server.recv_from(Vec::with_capacity(1500)).await;
///     let (len, from) = received?;
///     assert_eq!(len, 4);
///     assert_eq!(buffer, b"ping");
///     assert_eq!(from, client.local_addr()?);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    recv: Receiver,
    send: Sender,
}

impl UdpSocket {
    /// A socket with the local address `address`; with port 0 the system chooses the port. Of several addresses
    /// the first that can be bound is taken.
    ///
    /// # Errors
    ///
    /// As socket(2) and bind(2); `AddrInUse` names the address. A name that does not resolve.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    #[doc(alias = "IORING_OP_BIND")]
    pub async fn bind(address: impl ToAddresses) -> io::Result<UdpSocket> {
        let core = Core::current()?;
        bind_first(address, "bind to", async |address| {
            let fd = new_socket(&core, Domain::for_address(address), Type::DGRAM).await?;
            bind(&core, &fd, address.into()).await?;
            Ok(UdpSocket::over(&core, &fd))
        })
        .await
    }

    /// Takes over a socket, which may have been set up with `socket2`.
    ///
    /// # Errors
    ///
    /// Where no reactor runs on this thread, or the socket refuses to become a blocking one (which the ring
    /// wants).
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        let core = Core::current()?;
        socket.set_nonblocking(false)?;
        let fd = core.share(socket.into());
        Ok(UdpSocket::over(&core, &fd))
    }

    fn over(core: &Rc<Core>, fd: &SharedFd) -> UdpSocket {
        UdpSocket {
            recv: Receiver::new(core, fd),
            send: Sender::new(core, fd),
        }
    }

    /// Sets the peer: [`send`](UdpSocket::send) goes there, and only its datagrams arrive from now on. What has come from
    /// others before, since the socket was bound, is still received: [`recv_from`](UdpSocket::recv_from) says who sent it.
    /// Of several addresses the first that is possible is taken. Nothing is sent.
    ///
    /// # Errors
    ///
    /// A [`ConnectError`] that lists the addresses, each with its error as of connect(2).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has happened or not; another one does no harm.
    #[doc(alias = "IORING_OP_CONNECT")]
    pub async fn connect(&self, address: impl ToAddresses) -> io::Result<()> {
        self.recv.core().check_open()?;
        let mut failed = Vec::new();
        for address in address.resolve().await? {
            let op = Connect {
                fd: self.recv.fd().clone(),
                address: address.into(),
            };
            match self.recv.core().submit(op).await.0 {
                Ok(()) => return Ok(()),
                Err(error) => failed.push((address, error)),
            }
        }
        if failed.is_empty() {
            let message = "there is no address to connect to";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Err(ConnectError::new(failed, false).into())
    }

    /// Receives a datagram into `buffer`, from its start; gives it back with the datagram's length. 0 is an
    /// empty datagram, not an end.
    ///
    /// What does not fit into the buffer is lost; [`recv_datagram`](UdpSocket::recv_datagram) tells.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a buffer without capacity; otherwise as recv(2). On a connected socket,
    /// `ConnectionRefused` says that an earlier datagram found nobody.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a datagram that comes for a dropped future goes to the next call, cut off where the buffer of the
    /// dropped one ended. That buffer is lost.
    pub async fn recv<B: IoBufMut>(&mut self, buffer: B) -> BufResult<usize, B> {
        let (result, buffer) = self.recv.recv(buffer).await;
        (result.map(|datagram| datagram.len), buffer)
    }

    /// Receives a datagram and its sender's address; otherwise as [`recv`](UdpSocket::recv).
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub async fn recv_from<B: IoBufMut>(&mut self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        let (result, buffer) = self.recv_datagram(buffer).await;
        (result.map(|datagram| (datagram.len, datagram.from)), buffer)
    }

    /// Receives a datagram and all that is known of it: also whether the buffer was too short. Otherwise as
    /// [`recv`](UdpSocket::recv).
    ///
    /// ```
    /// # use eyewall::net::UdpSocket;
    /// # eyewall::block_on(async {
    /// # let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// # socket.send_to("too long", socket.local_addr()?).await.0?;
    /// let (datagram, buffer) = socket.recv_datagram(Vec::with_capacity(3)).await;
    /// let datagram = datagram?;
    /// if datagram.is_truncated() {
    ///     assert_eq!(buffer, b"too");
    ///     assert_eq!(datagram.full_len, 8);
    /// }
    /// # assert!(datagram.is_truncated());
    /// # Ok::<(), std::io::Error>(()) })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
                from: ip_address(datagram.from)?,
            })
        });
        (result, buffer)
    }

    /// Sends `buffer` as one datagram to the peer of a connected socket; see [`UdpSender::send`].
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send.send(buffer, None).await
    }

    /// Sends `buffer` as one datagram to `target`; see [`UdpSender::send_to`].
    pub async fn send_to<B: IoBuf>(&self, buffer: B, target: SocketAddr) -> BufResult<usize, B> {
        self.send.send(buffer, Some(target.into())).await
    }

    /// A handle for sending from this socket while the socket itself receives.
    ///
    /// ```
    /// # use eyewall::net::UdpSocket;
    /// # eyewall::block_on(async {
    /// let mut socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// let (sender, address) = (socket.sender(), socket.local_addr()?);
    /// eyewall::spawn(async move { sender.send_to("hello", address).await });
    /// let (len, _buffer) = socket.recv(Vec::with_capacity(1500)).await;
    /// assert_eq!(len?, 5);
    /// # Ok::<(), std::io::Error>(()) })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn sender(&self) -> UdpSender {
        UdpSender {
            send: self.send.clone(),
        }
    }

    /// The address of this socket.
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_address(self.socket().local_addr()?)
    }

    /// The address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not; otherwise as getpeername(2).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip_address(self.socket().peer_addr()?)
    }

    /// Allows sending to broadcast addresses (`SO_BROADCAST`, socket(7)); off by default.
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.socket().set_broadcast(on)
    }

    /// Whether sending to broadcast addresses is allowed.
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn broadcast(&self) -> io::Result<bool> {
        self.socket().broadcast()
    }

    /// Joins a multicast group on the interface with the address `interface`; the unspecified address lets the
    /// system choose (`IP_ADD_MEMBERSHIP`, ip(7)).
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket().join_multicast_v4(&group, &interface)
    }

    /// Leaves a multicast group again.
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket().leave_multicast_v4(&group, &interface)
    }

    /// Joins a multicast group on the interface with the index `interface`; 0 lets the system choose
    /// (`IPV6_ADD_MEMBERSHIP`, ipv6(7)).
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket().join_multicast_v6(&group, interface)
    }

    /// Leaves a multicast group again.
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket().leave_multicast_v6(&group, interface)
    }

    /// Closes the socket and waits until the kernel has done so. Sends that are under way end with an error. If
    /// a [`UdpSender`] is left, the socket closes with it, and this waits for that.
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

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.recv)
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.recv.as_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Sends from a [`UdpSocket`]; from [`UdpSocket::sender`]. The socket stays open until the last one has gone.
#[derive(Clone, Debug)]
pub struct UdpSender {
    send: Sender,
}

impl UdpSender {
    /// Sends `buffer` as one datagram to the peer of a connected socket; gives it back with its length.
    ///
    /// # Errors
    ///
    /// As send(2): `ConnectionRefused` says that an earlier datagram found nobody; a buffer that is too long
    /// (65 507 bytes over IPv4) is not sent (EMSGSIZE).
    ///
    /// # Cancel safety
    ///
    /// A send whose future is dropped has sent the datagram, or never sends it.
    #[doc(alias = "IORING_OP_SENDMSG")]
    pub async fn send<B: IoBuf>(&self, buffer: B) -> BufResult<usize, B> {
        self.send.send(buffer, None).await
    }

    /// Sends `buffer` as one datagram to `target`; gives it back with its length. For a name, ask
    /// [`dns::resolve`](crate::dns::resolve) first.
    ///
    /// # Errors, cancel safety
    ///
    /// As for [`send`](UdpSender::send).
    pub async fn send_to<B: IoBuf>(&self, buffer: B, target: SocketAddr) -> BufResult<usize, B> {
        self.send.send(buffer, Some(target.into())).await
    }
}

impl AsFd for UdpSender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.send.as_fd()
    }
}

impl AsRawFd for UdpSender {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
