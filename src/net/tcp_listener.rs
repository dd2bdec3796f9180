//! TCP listeners.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use futures_util::stream::FusedStream;
use socket2::{Domain, SockRef, Type};

use super::listener::Listener;
use super::stream::close;
use super::tcp_stream::lingers;
use super::{TcpStream, ToAddresses, bind_and_listen, bind_first, ip_address, new_socket};
use crate::reactor::Core;

/// A socket that accepts TCP connections.
///
/// A process or system that runs out of descriptors or memory (EMFILE and its like) neither ends the listener
/// nor makes it spin: it pauses, from 5 ms up to 1 s, while the connections wait in the backlog. So it does where accepts
/// are forbidden (EPERM). Errors of a single connection (ECONNABORTED and its like) are passed over.
///
/// ```
/// use eyewall::net::{TcpListener, TcpStream};
/// use futures_util::StreamExt;
///
/// eyewall::block_on(async {
///     let mut listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let client = eyewall::spawn(async move { TcpStream::connect(address).await });
///     let server = listener.incoming().next().await.unwrap()?;
///     assert_eq!(server.peer_addr()?, client.await.unwrap()?.local_addr()?);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpListener {
    listener: Listener,
    /// So does each of its connections.
    lingers: bool,
}

/// The settings of a [`TcpListener`]; made by [`TcpListener::builder`].
///
/// | setting | default |
/// | --- | --- |
/// | [`backlog`](TcpListenerBuilder::backlog) | 4 096 |
/// | [`reuse_address`](TcpListenerBuilder::reuse_address) | on |
/// | [`reuse_port`](TcpListenerBuilder::reuse_port) | off |
/// | [`only_v6`](TcpListenerBuilder::only_v6) | the system decides |
///
/// ```
/// use eyewall::net::TcpListener;
///
/// eyewall::block_on(async {
///     let one = TcpListener::builder().reuse_port(true).bind("127.0.0.1:0").await?;
///     // For a reactor on another thread: the kernel shares the connections out.
///     let two = TcpListener::builder().reuse_port(true).bind(one.local_addr()?).await?;
///     assert_eq!(one.local_addr()?, two.local_addr()?);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `bind` is called"]
pub struct TcpListenerBuilder {
    backlog: i32,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
}

impl TcpListenerBuilder {
    /// How many connections may wait to be accepted; 4 096 by default, and the kernel caps it at
    /// `net.core.somaxconn` (listen(2)).
    pub fn backlog(mut self, connections: i32) -> TcpListenerBuilder {
        self.backlog = connections;
        self
    }

    /// Lets several listeners share the port, each with its own backlog (`SO_REUSEPORT`, socket(7)); off by
    /// default.
    pub fn reuse_port(mut self, on: bool) -> TcpListenerBuilder {
        self.reuse_port = on;
        self
    }

    /// Lets the port be bound while old connections of it linger (`SO_REUSEADDR`); on by default.
    pub fn reuse_address(mut self, on: bool) -> TcpListenerBuilder {
        self.reuse_address = on;
        self
    }

    /// Whether an IPv6 listener refuses IPv4 connections (`IPV6_V6ONLY`); the system decides by default.
    pub fn only_v6(mut self, on: bool) -> TcpListenerBuilder {
        self.only_v6 = Some(on);
        self
    }

    /// Makes the listener. Port 0 lets the system choose one; see [`TcpListener::local_addr`].
    ///
    /// # Errors
    ///
    /// As socket(2), bind(2) and listen(2); `AddrInUse` names the address. A name that does not resolve.
    ///
    /// A process that is killed, or exits beside its reactor, keeps its port for some milliseconds beyond its end, until the
    /// kernel has ended what was in flight on the ring: whoever starts anew at once has to try again. One that has dropped its
    /// reactor keeps none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn bind(self, address: impl ToAddresses) -> io::Result<TcpListener> {
        let core = Core::current()?;
        bind_first(address, "listen on", async |address| {
            let fd = new_socket(&core, Domain::for_address(address), Type::STREAM).await?;
            let socket = SockRef::from(&fd);
            socket.set_reuse_address(self.reuse_address)?;
            socket.set_reuse_port(self.reuse_port)?;
            if let (Some(only), true) = (self.only_v6, address.is_ipv6()) {
                socket.set_only_v6(only)?;
            }
            bind_and_listen(&core, &fd, address.into(), self.backlog).await?;
            Ok(TcpListener {
                listener: Listener::new(&core, fd),
                lingers: false,
            })
        })
        .await
    }
}

impl TcpListener {
    /// The settings, to be changed before the listener is made.
    pub fn builder() -> TcpListenerBuilder {
        TcpListenerBuilder {
            backlog: 4096,
            reuse_address: true,
            reuse_port: false,
            only_v6: None,
        }
    }

    /// Listens on `address` with the default settings; see [`TcpListenerBuilder::bind`].
    ///
    /// # Errors, cancel safety
    ///
    /// As [`TcpListenerBuilder::bind`].
    pub async fn bind(address: impl ToAddresses) -> io::Result<TcpListener> {
        TcpListener::builder().bind(address).await
    }

    /// Takes over a listening socket.
    ///
    /// # Errors
    ///
    /// Where no reactor runs on this thread, or the socket refuses to become a blocking one (which the ring
    /// wants).
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let core = Core::current()?;
        listener.set_nonblocking(false)?;
        let lingers = lingers(&SockRef::from(&listener))?;
        let fd = core.share(listener.into());
        Ok(TcpListener {
            listener: Listener::new(&core, fd),
            lingers,
        })
    }

    /// The next connection, and the address of its peer.
    ///
    /// # Errors
    ///
    /// As accept(2), save those that pass by themselves; see [the type](TcpListener).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a connection that comes for a dropped future goes to the next call.
    #[doc(alias = "IORING_OP_ACCEPT")]
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let fd = poll_fn(|cx| self.listener.poll_accept(cx, false)).await?;
            let stream = self.accepted(fd);
            // Fails where the peer has already gone (ENOTCONN): not the listener's fault.
            if let Ok(peer) = stream.peer_addr() {
                stream.set_nodelay(true)?;
                return Ok((stream, peer));
            }
        }
    }

    /// The connections as a stream, which never ends.
    ///
    /// One multishot accept serves them all. Dropping the stream loses none: connections that had been
    /// accepted go to the next `accept` or `incoming`.
    #[doc(alias = "IORING_ACCEPT_MULTISHOT")]
    pub fn incoming(&mut self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    fn accepted(&self, fd: OwnedFd) -> TcpStream {
        TcpStream::new(self.listener.core(), fd, self.lingers)
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_address(SockRef::from(&self.listener).local_addr()?)
    }

    /// Stops listening and waits until the kernel has freed the port.
    ///
    /// # Errors
    ///
    /// As close(2). The descriptor is gone in any case.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    pub async fn close(self) -> io::Result<()> {
        let (core, fd) = self.listener.parts();
        drop(self);
        close(&core, fd).await
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The connections of a [`TcpListener`] as a stream; from [`TcpListener::incoming`].
#[derive(Debug)]
#[must_use = "a stream accepts nothing until it is polled"]
pub struct Incoming<'a> {
    listener: &'a mut TcpListener,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let fd = match ready!(self.listener.listener.poll_accept(cx, true)) {
            Ok(fd) => fd,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        let stream = self.listener.accepted(fd);
        Poll::Ready(Some(stream.set_nodelay(true).map(|()| stream)))
    }
}

impl FusedStream for Incoming<'_> {
    fn is_terminated(&self) -> bool {
        false
    }
}
