//! Unix listeners.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use futures_util::stream::FusedStream;
use socket2::{Domain, SockRef, Type};

use super::listener::Listener;
use super::stream::close;
use super::{UnixStream, bind_and_listen, cannot, new_socket, unix_address};
use crate::reactor::Core;

/// A socket that accepts connections of processes on the same machine (unix(7)).
///
/// Up to 4 096 connections wait to be accepted unless its [builder](UnixListener::builder) says otherwise. Want of
/// descriptors and errors of single connections are dealt with as by [`TcpListener`](super::TcpListener).
///
/// The file at its path belongs to you: it is not removed when the listener is dropped, and binding to a path
/// where there is a file is an error.
///
/// ```
/// use eyewall::net::{UnixListener, UnixStream};
///
/// # let path = std::env::temp_dir().join(format!("eyewall-doc-{}", std::process::id()));
/// eyewall::block_on(async {
///     let mut listener = UnixListener::bind(&path).await?;
///     let mut client = UnixStream::connect(&path).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.send_all("hello").await.0?;
///     assert_eq!(server.recv(Vec::with_capacity(16)).await.1, b"hello");
///     std::fs::remove_file(&path)
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixListener {
    listener: Listener,
}

/// The settings of a [`UnixListener`]; made by [`UnixListener::builder`].
///
/// | setting | default |
/// | --- | --- |
/// | [`backlog`](UnixListenerBuilder::backlog) | 4 096 |
///
/// ```
/// use eyewall::net::UnixListener;
///
/// # let path = std::env::temp_dir().join(format!("eyewall-doc-backlog-{}", std::process::id()));
/// eyewall::block_on(async {
///     // Who comes while 16 wait is told to try again.
///     let listener = UnixListener::builder().backlog(16).bind(&path).await?;
///     # drop(listener);
///     std::fs::remove_file(&path)
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `bind` or `bind_addr` is called"]
pub struct UnixListenerBuilder {
    backlog: i32,
}

impl UnixListenerBuilder {
    /// How many connections may wait to be accepted; 4 096 by default, and the kernel caps it at
    /// `net.core.somaxconn` (listen(2)).
    pub fn backlog(mut self, connections: i32) -> UnixListenerBuilder {
        self.backlog = connections;
        self
    }

    /// Listens at `path`, where it makes a socket file; for an abstract name see
    /// [`bind_addr`](UnixListenerBuilder::bind_addr).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path that is too long (over 107 bytes) or contains a NUL byte; otherwise as bind(2)
    /// and listen(2), with the address: `AddrInUse` if there is a file.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket. The file may have been made.
    pub async fn bind(self, path: impl AsRef<Path>) -> io::Result<UnixListener> {
        self.bind_addr(&unix_address::of_path(path.as_ref())?).await
    }

    /// Listens at a path or an abstract name. With an unnamed address, the system chooses an abstract name; see
    /// [`local_addr`](UnixListener::local_addr).
    ///
    /// # Errors, cancel safety
    ///
    /// As [`bind`](UnixListenerBuilder::bind).
    pub async fn bind_addr(self, address: &SocketAddr) -> io::Result<UnixListener> {
        let core = Core::current()?;
        let fd = new_socket(&core, Domain::UNIX, Type::STREAM).await?;
        let raw = unix_address::to_raw(address)?;
        bind_and_listen(&core, &fd, raw, self.backlog)
            .await
            .map_err(|error| cannot("listen on", address, &error))?;
        Ok(UnixListener {
            listener: Listener::new(&core, fd),
        })
    }
}

impl UnixListener {
    /// The settings, to be changed before the listener is made.
    pub fn builder() -> UnixListenerBuilder {
        UnixListenerBuilder { backlog: 4096 }
    }

    /// Listens at `path` with the default settings; see [`UnixListenerBuilder::bind`].
    ///
    /// # Errors, cancel safety
    ///
    /// As [`UnixListenerBuilder::bind`].
    pub async fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        UnixListener::builder().bind(path).await
    }

    /// Listens at a path or an abstract name with the default settings; see [`UnixListenerBuilder::bind_addr`].
    ///
    /// # Errors, cancel safety
    ///
    /// As [`UnixListenerBuilder::bind`].
    pub async fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        UnixListener::builder().bind_addr(address).await
    }

    /// Takes over a listening socket.
    ///
    /// # Errors
    ///
    /// Where no reactor runs on this thread, or the socket refuses to become a blocking one (which the ring
    /// wants).
    pub fn from_std(listener: net::UnixListener) -> io::Result<UnixListener> {
        let core = Core::current()?;
        listener.set_nonblocking(false)?;
        let fd = core.share(listener.into());
        Ok(UnixListener {
            listener: Listener::new(&core, fd),
        })
    }

    /// The next connection, and the name of its peer, which usually has none.
    ///
    /// # Errors
    ///
    /// As accept(2), save those that pass by themselves.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a connection that comes for a dropped future goes to the next call.
    #[doc(alias = "IORING_OP_ACCEPT")]
    pub async fn accept(&mut self) -> io::Result<(UnixStream, SocketAddr)> {
        let fd = poll_fn(|cx| self.listener.poll_accept(cx, false)).await?;
        let stream = UnixStream::new(self.listener.core(), fd);
        let peer = stream.peer_addr()?;
        Ok((stream, peer))
    }

    /// The connections as a stream, which never ends; see
    /// [`TcpListener::incoming`](super::TcpListener::incoming).
    #[doc(alias = "IORING_ACCEPT_MULTISHOT")]
    pub fn incoming(&mut self) -> UnixIncoming<'_> {
        UnixIncoming {
            listener: &mut self.listener,
        }
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix_address::from_raw(&SockRef::from(&self.listener).local_addr()?)
    }

    /// Stops listening and waits until the kernel has closed the socket. The file stays.
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

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl AsRawFd for UnixListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The connections of a [`UnixListener`] as a stream; from [`UnixListener::incoming`].
#[derive(Debug)]
#[must_use = "a stream accepts nothing until it is polled"]
pub struct UnixIncoming<'a> {
    listener: &'a mut Listener,
}

impl Stream for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(self.listener.poll_accept(cx, true));
        let core = self.listener.core();
        Poll::Ready(Some(accepted.map(|fd| UnixStream::new(core, fd))))
    }
}

impl FusedStream for UnixIncoming<'_> {
    fn is_terminated(&self) -> bool {
        false
    }
}
