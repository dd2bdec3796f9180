//! A connection that speaks another protocol now.

use std::io;

use super::connection::Connection;
use super::transport::{RecvSide, SendSide, Transport};
use crate::buf::{BufResult, Chunk, IoBuf, IoBufMut};

/// The connection of a response that has switched protocols (101), or of a tunnel (2xx to CONNECT); from
/// [`Response::upgrade`](super::Response::upgrade).
///
/// It has two directions, which [`split`](Upgraded::split) lends and [`into_split`](Upgraded::into_split) parts. What the
/// peer sent right behind its response is what the first receive gives. Dropping it closes the connection.
#[derive(Debug)]
pub struct Upgraded {
    recv: UpgradedRecv,
    send: UpgradedSend,
}

impl Upgraded {
    /// Of a connection on which `leftover` has come, and `early` behind that.
    pub(super) fn new(
        connection: Connection,
        leftover: Option<Chunk>,
        early: Option<io::Result<Option<Chunk>>>,
    ) -> Upgraded {
        let (recv, send) = connection.stream.into_split();
        Upgraded {
            recv: UpgradedRecv {
                recv,
                leftover,
                early,
            },
            send: UpgradedSend { send },
        }
    }

    /// Receives into `buffer`, from its start, as much as is there and fits; gives it back with the count. 0 means
    /// that the peer has finished sending.
    ///
    /// # Errors, cancel safety
    ///
    /// As [`RecvHalf::recv`](crate::net::RecvHalf::recv).
    #[doc(alias = "read")]
    pub async fn recv<B: IoBufMut>(&mut self, buffer: B) -> BufResult<usize, B> {
        self.recv.recv(buffer).await
    }

    /// Receives into a buffer of the reactor's pool; `None` when the peer has finished sending.
    ///
    /// # Errors, cancel safety
    ///
    /// As [`RecvHalf::recv_chunk`](crate::net::RecvHalf::recv_chunk).
    pub async fn recv_chunk(&mut self) -> io::Result<Option<Chunk>> {
        self.recv.recv_chunk().await
    }

    /// Sends all of `buffer`; gives it back.
    ///
    /// # Errors, cancel safety
    ///
    /// As [`SendHalf::send_all`](crate::net::SendHalf::send_all).
    #[doc(alias = "write_all")]
    pub async fn send_all<B: IoBuf>(&mut self, buffer: B) -> BufResult<(), B> {
        self.send.send_all(buffer).await
    }

    /// Tells the peer that nothing more will be sent.
    ///
    /// # Errors
    ///
    /// As [`SendHalf::shutdown`](crate::net::SendHalf::shutdown).
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.send.shutdown().await
    }

    /// The two directions, to be used at the same time.
    pub fn split(&mut self) -> (&mut UpgradedRecv, &mut UpgradedSend) {
        (&mut self.recv, &mut self.send)
    }

    /// The two directions, each on its own, such as for a task that reads and one that writes; the connection closes when
    /// both have been dropped.
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use eyewall::http::Client;
    ///
    /// let request = Client::new().get("http://example.org/chat").header("upgrade", "chat/1");
    /// let (mut recv, mut send) = request.send().await?.upgrade().await?.into_split();
    /// let reader = eyewall::spawn(async move {
    ///     while let Some(news) = recv.recv_chunk().await? {
    ///         println!("{} bytes of news", news.len());
    ///     }
    ///     std::io::Result::Ok(())
    /// });
    /// send.send_all("hello").await.0.unwrap();
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn into_split(self) -> (UpgradedRecv, UpgradedSend) {
        (self.recv, self.send)
    }

    /// Closes the connection and waits until the kernel has done so, and not for the peer: what has been sent goes on to
    /// it, and what is still being sent, by a [`send_all`](Upgraded::send_all) that was dropped, is cut off, which a TCP
    /// connection tells by a reset. Over TLS, the end is said first (close_notify) if the kernel takes that at once. Who
    /// wants to be sure of it calls [`shutdown`](Upgraded::shutdown) before, which waits as long as the peer takes
    /// nothing: put a [`timeout`](crate::time::timeout) around that. Where something has come that nobody has received,
    /// the kernel resets a TCP connection that is closed, whatever is still on its way (RFC 2525, 2.17): receive to the
    /// end before.
    ///
    /// A [`Conduit`](super::Conduit) that has a sink closes that, and takes its time for it.
    ///
    /// # Errors
    ///
    /// As close(2). The descriptor is gone in any case.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background; a sink is dropped.
    pub async fn close(self) -> io::Result<()> {
        Transport::of(self.recv.recv, self.send.send).close().await
    }
}

/// The receiving direction of an [`Upgraded`] connection; from [`split`](Upgraded::split) or
/// [`into_split`](Upgraded::into_split).
#[derive(Debug)]
pub struct UpgradedRecv {
    recv: RecvSide,
    leftover: Option<Chunk>,
    early: Option<io::Result<Option<Chunk>>>,
}

impl UpgradedRecv {
    /// As [`Upgraded::recv`].
    #[doc(alias = "read")]
    pub async fn recv<B: IoBufMut>(&mut self, mut buffer: B) -> BufResult<usize, B> {
        if buffer.bytes_capacity() == 0 {
            return self.recv.recv(buffer).await;
        }
        let mut chunk = match self.at_hand() {
            Some(Ok(Some(chunk))) => chunk,
            Some(Ok(None)) => return (Ok(0), buffer),
            Some(Err(error)) => return (Err(error), buffer),
            None => return self.recv.recv(buffer).await,
        };
        let count = crate::buf::fill(&mut buffer, &chunk);
        chunk.advance(count);
        self.leftover = (!chunk.is_empty()).then_some(chunk);
        (Ok(count), buffer)
    }

    /// As [`Upgraded::recv_chunk`].
    pub async fn recv_chunk(&mut self) -> io::Result<Option<Chunk>> {
        match self.at_hand() {
            Some(received) => received,
            None => self.recv.recv_chunk().await,
        }
    }

    /// What was received before the connection was taken over, in order.
    fn at_hand(&mut self) -> Option<io::Result<Option<Chunk>>> {
        match self.leftover.take() {
            Some(chunk) => Some(Ok(Some(chunk))),
            None => self.early.take(),
        }
    }
}

/// The sending direction of an [`Upgraded`] connection; from [`split`](Upgraded::split) or
/// [`into_split`](Upgraded::into_split).
///
/// Dropped while the receiving direction is there, it tells the peer the end over TLS (close_notify), and nothing over
/// a plain connection: where it matters, call [`shutdown`](UpgradedSend::shutdown).
#[derive(Debug)]
pub struct UpgradedSend {
    send: SendSide,
}

impl UpgradedSend {
    /// As [`Upgraded::send_all`].
    #[doc(alias = "write_all")]
    pub async fn send_all<B: IoBuf>(&mut self, buffer: B) -> BufResult<(), B> {
        self.send.send_all(buffer).await
    }

    /// As [`Upgraded::shutdown`].
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.send.shutdown().await
    }
}
