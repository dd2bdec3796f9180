//! TCP connections.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::stream::{Chunks, RecvHalf, SendHalf, Stream};
use crate::buf::{BufResult, Chunk, IoBuf, IoBufMut};
use crate::op::SharedFd;
use crate::reactor::Core;

/// A TCP connection.
///
/// It has two halves, which [`split`](TcpStream::split) lends and [`into_split`](TcpStream::into_split) parts.
/// [`RecvHalf`] and [`SendHalf`] say what dropping a future in the middle means: nothing received is lost, and
/// nothing sent is torn.
///
/// Dropping the stream cancels what is in flight and closes the connection in the background;
/// [`close`](TcpStream::close) waits for that.
///
/// ```
/// use eyewall::net::{TcpListener, TcpStream};
///
/// eyewall::block_on(async {
///     let mut listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///
///     client.send_all("ping").await.0?;
///     let (count, buffer) = server.recv(Vec::with_capacity(16)).await;
///     assert_eq!(count?, 4);
///     assert_eq!(buffer, b"ping");
///     client.close().await
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpStream {
    stream: Box<Stream>,
}

impl TcpStream {
    /// A stream over a connected socket; `lingers` as [`lingers`] says.
    pub(super) fn new(core: &Rc<Core>, fd: OwnedFd, lingers: bool) -> TcpStream {
        let fd = core.share(fd);
        fd.set_lingering(lingers);
        TcpStream::over(core, fd)
    }

    /// A stream over a socket that has just been connected.
    pub(super) fn over(core: &Rc<Core>, fd: SharedFd) -> TcpStream {
        TcpStream {
            stream: Stream::new(core, fd),
        }
    }

    /// Takes over a connected socket.
    ///
    /// # Errors
    ///
    /// Where no reactor runs on this thread, or the socket refuses to become a blocking one (which the ring
    /// wants).
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        let core = Core::current()?;
        stream.set_nonblocking(false)?;
        let lingers = lingers(&SockRef::from(&stream))?;
        Ok(TcpStream::new(&core, stream.into(), lingers))
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

    /// Sends all of `buffer` without copying it; see [`SendHalf::send_zc`].
    pub fn send_zc<B: IoBuf>(&mut self, buffer: B) -> impl Future<Output = BufResult<(), B>> {
        self.stream.send.send_zc(buffer)
    }

    /// Tells the peer that nothing more will be sent; see [`SendHalf::shutdown`].
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.send.shutdown().await
    }

    /// Closes the connection and waits until the kernel has done so. What is being sent, a [`post`](TcpStream::post) too, is
    /// cut off as by the drop of its [half](SendHalf), which is no error here: [`flush`](TcpStream::flush) before.
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

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        super::ip_address(self.socket().local_addr()?)
    }

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// As getpeername(2); `NotConnected` once the peer has reset the connection.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        super::ip_address(self.socket().peer_addr()?)
    }

    /// Whether small segments go out at once (`TCP_NODELAY`). On for every stream that this crate connects or
    /// accepts, since a buffer is sent whole.
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket().tcp_nodelay()
    }

    /// Sets `TCP_NODELAY`; see [`nodelay`](TcpStream::nodelay).
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.socket().set_tcp_nodelay(on)
    }

    /// Probes the peer after `idle` without traffic, every `interval`, and gives the connection up after
    /// `retries` probes without an answer; `None` turns it off (`SO_KEEPALIVE`, `TCP_KEEPIDLE` and so on,
    /// tcp(7)).
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        match keepalive {
            None => self.socket().set_keepalive(false),
            Some(Keepalive {
                idle,
                interval,
                retries,
            }) => self.socket().set_tcp_keepalive(
                &TcpKeepalive::new()
                    .with_time(idle)
                    .with_interval(interval)
                    .with_retries(retries),
            ),
        }
    }

    /// Gives the connection up when what was sent has not been acknowledged for so long, in whole milliseconds (of
    /// less than one, one), or the peer's window has been shut; `None` or zero leaves that to the system, which tries for some
    /// 15 minutes (`TCP_USER_TIMEOUT`, tcp(7)). Operations then fail with `TimedOut`.
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    #[doc(alias = "TCP_USER_TIMEOUT")]
    pub fn set_user_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        let limit = limit.map(|limit| counted(limit, Duration::from_millis(1)));
        self.socket().set_tcp_user_timeout(limit)
    }

    /// What closing does with unsent bytes (`SO_LINGER`, socket(7)): `None`, the default, sends them in the
    /// background; zero resets the connection. Any other duration, in whole seconds (of less than one, one), would make
    /// the close wait until they have been acknowledged, for that long at most, and the reactor with it: it is switched
    /// off where the socket closes, so that they are sent in the background here, too. Where it is set by other means
    /// than this once the stream or its listener is made or taken over, the whole reactor stands still.
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        let linger = linger.map(|limit| counted(limit, Duration::from_secs(1)));
        self.socket().set_linger(linger)?;
        let lingers = linger.is_some_and(|limit| !limit.is_zero());
        self.stream.recv.set_lingering(lingers);
        Ok(())
    }

    /// The setting of [`set_linger`](TcpStream::set_linger).
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket().linger()
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.stream.recv)
    }
}

/// Whether the close of this socket would wait for what it has still to send; of a listener's, that of its connections,
/// which have the setting from it.
pub(super) fn lingers(socket: &SockRef<'_>) -> io::Result<bool> {
    let linger = socket.linger()?;
    Ok(linger.is_some_and(|limit| !limit.is_zero()))
}

/// A duration that the kernel counts in this unit, with 31 bits. Less than one would be zero, which means something else;
/// so may be what is left of more than there can be.
fn counted(limit: Duration, unit: Duration) -> Duration {
    match limit.is_zero() {
        true => limit,
        false => limit.clamp(unit, unit * i32::MAX as u32),
    }
}

/// The timing of keep-alive probes; see [`TcpStream::set_keepalive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long the connection is idle before the first probe; in whole seconds, at least one.
    pub idle: Duration,
    /// The time between two probes; in whole seconds, at least one.
    pub interval: Duration,
    /// How many probes go unanswered before the connection is given up.
    pub retries: u32,
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.recv.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
