//! Unix stream sockets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::rc::Rc;

use socket2::{Domain, SockRef, Type};

use super::stream::{Chunks, RecvHalf, SendHalf, Stream};
use super::{cannot, new_socket, unix_address, with_descriptors};
use crate::buf::{self, BufResult, Chunk, IoBuf, IoBufMut};
use crate::op::Connect;
use crate::reactor::Core;

/// A connection between processes of one machine (unix(7)).
///
/// As with [`TcpStream`](super::TcpStream), it has two halves that can be parted, and nothing received is lost
/// and nothing sent is torn by a dropped future; see [`RecvHalf`] and [`SendHalf`]. One thing differs: a Unix
/// socket has no reset. If the stream is dropped in the middle of a send, the peer sees a part and then the end.
///
/// ```
/// use eyewall::net::UnixStream;
///
/// eyewall::block_on(async {
///     let (mut one, mut other) = UnixStream::pair()?;
///     one.send_all("ping").await.0?;
///     let (count, buffer) = other.recv(Vec::with_capacity(16)).await;
///     assert_eq!(count?, 4);
///     assert_eq!(buffer, b"ping");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixStream {
    stream: Box<Stream>,
}

impl UnixStream {
    pub(super) fn new(core: &Rc<Core>, fd: OwnedFd) -> UnixStream {
        UnixStream {
            stream: Stream::new(core, core.share(fd)),
        }
    }

    /// Connects to the socket at `path`; for an abstract name see [`connect_addr`](UnixStream::connect_addr).
    ///
    /// Where the listener's backlog is full, it waits for a place in it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path that is too long (over 107 bytes) or contains a NUL byte; otherwise as
    /// connect(2), with the address: `NotFound` without a file, `ConnectionRefused` without a listener.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    #[doc(alias = "IORING_OP_CONNECT")]
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&unix_address::of_path(path.as_ref())?).await
    }

    /// Connects to a path or an abstract name; otherwise as [`connect`](UnixStream::connect).
    ///
    /// ```
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    /// use eyewall::net::{UnixListener, UnixStream};
    ///
    /// eyewall::block_on(async {
    ///     let address = SocketAddr::from_abstract_name(format!("example {}", std::process::id()))?;
    ///     let mut listener = UnixListener::bind_addr(&address).await?;
    ///     let client = UnixStream::connect_addr(&address).await?;
    ///     let (server, _) = listener.accept().await?;
    ///     assert_eq!(server.peer_credentials()?.pid, Some(std::process::id()));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let core = Core::current()?;
        let fd = new_socket(&core, Domain::UNIX, Type::STREAM).await?;
        let op = Connect {
            fd,
            address: unix_address::to_raw(address)?,
        };
        let (result, op) = core.submit(op).await;
        let result = core.explained(result);
        result.map_err(|error| cannot("connect to", address, &error))?;
        Ok(UnixStream {
            stream: Stream::new(&core, op.fd),
        })
    }

    /// Two streams that are connected with each other and have no name.
    ///
    /// # Errors
    ///
    /// As socketpair(2), or where no reactor runs on this thread.
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let core = Core::current()?;
        let (one, other) = with_descriptors(&core, net::UnixStream::pair)?;
        Ok((
            UnixStream::new(&core, one.into()),
            UnixStream::new(&core, other.into()),
        ))
    }

    /// Takes over a connected socket.
    ///
    /// # Errors
    ///
    /// Where no reactor runs on this thread, or the socket refuses to become a blocking one (which the ring
    /// wants).
    pub fn from_std(stream: net::UnixStream) -> io::Result<UnixStream> {
        let core = Core::current()?;
        stream.set_nonblocking(false)?;
        Ok(UnixStream::new(&core, stream.into()))
    }

    /// Receives into `buffer`; see [`RecvHalf::recv`].
    #[doc(alias = "read")]
    pub fn recv<B: IoBufMut>(&mut self, buffer: B) -> impl Future<Output = BufResult<usize, B>> {
        self.stream.recv.recv(buffer)
    }

    /// Receives until `buffer` is full; see [`RecvHalf::recv_exact`].
    #[doc(alias = "read_exact")]
    pub async fn recv_exact<B: IoBufMut>(&mut self, buffer: B) -> BufResult<(), B> {
        self.stream.recv.recv_exact(buffer).await
    }

    /// Receives into a buffer of the pool; see [`RecvHalf::recv_chunk`].
    pub fn recv_chunk(&mut self) -> impl Future<Output = io::Result<Option<Chunk>>> {
        self.stream.recv.recv_chunk()
    }

    /// The received bytes as a stream of chunks; see [`RecvHalf::chunks`].
    pub fn chunks(&mut self) -> Chunks<'_> {
        self.stream.recv.chunks()
    }

    /// Sends as much of `buffer` as the kernel takes at once; see [`SendHalf::send`].
    #[doc(alias = "write")]
    pub fn send<B: IoBuf>(&mut self, buffer: B) -> impl Future<Output = BufResult<usize, B>> {
        self.stream.send.send(buffer)
    }

    /// Hands `buffer` over to be sent and does not wait for it; see [`SendHalf::post`].
    pub fn post<B: IoBuf>(&mut self, buffer: B) -> impl Future<Output = io::Result<()>> {
        self.stream.send.post(buffer)
    }

    /// Waits until the kernel has taken what was posted; see [`SendHalf::flush`].
    pub async fn flush(&mut self) -> io::Result<()> {
        self.stream.send.flush().await
    }

    /// Sends all of `buffer`; see [`SendHalf::send_all`].
    #[doc(alias = "write_all")]
    pub fn send_all<B: IoBuf>(&mut self, buffer: B) -> impl Future<Output = BufResult<(), B>> {
        self.stream.send.send_all(buffer)
    }

    /// Sends all of `buffers` in one operation; see [`SendHalf::send_vectored`].
    #[doc(alias = "write_vectored")]
    pub fn send_vectored<B: IoBuf>(
        &mut self,
        buffers: Vec<B>,
    ) -> impl Future<Output = BufResult<(), Vec<B>>> {
        self.stream.send.send_vectored(buffers)
    }

    /// Tells the peer that nothing more will be sent; see [`SendHalf::shutdown`].
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.send.shutdown().await
    }

    /// Closes the connection and waits until the kernel has done so. What is being sent, a [`post`](UnixStream::post) too, is
    /// cut off as by the drop of its [half](SendHalf), which is no error here, and an end like any other to the peer:
    /// [`flush`](UnixStream::flush) before.
    ///
    /// # Errors
    ///
    /// As close(2). The descriptor is gone in any case.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    #[doc(alias = "IORING_OP_CLOSE")]
    pub async fn close(self) -> io::Result<()> {
        self.stream.close().await
    }

    /// The two halves, to be used at the same time.
    pub fn split(&mut self) -> (&mut RecvHalf, &mut SendHalf) {
        (&mut self.stream.recv, &mut self.stream.send)
    }

    /// The two halves, each on its own; the connection closes when both have been dropped.
    pub fn into_split(self) -> (RecvHalf, SendHalf) {
        let Stream { recv, send } = *self.stream;
        (recv, send)
    }

    /// The name of this end; the end that connected usually has none.
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix_address::from_raw(&self.socket().local_addr()?)
    }

    /// The name of the peer, if it has one.
    ///
    /// # Errors
    ///
    /// As getpeername(2).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        unix_address::from_raw(&self.socket().peer_addr()?)
    }

    /// Who the peer was when it connected, listened or made the pair. The kernel vouches for it.
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        let credentials = buf::peer_credentials(self.as_fd())?;
        Ok(PeerCredentials {
            pid: u32::try_from(credentials.pid).ok().filter(|&pid| pid > 0),
            uid: credentials.uid,
            gid: credentials.gid,
        })
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.stream.recv)
    }
}

/// Who is at the other end of a [`UnixStream`]; from [`UnixStream::peer_credentials`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The process; `None` if it cannot be seen from the PID namespace of this one.
    pub pid: Option<u32>,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.recv.as_fd()
    }
}

impl AsRawFd for UnixStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
