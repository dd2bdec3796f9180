//! A connection that speaks another protocol now.

use std::fmt;
use std::io;

use super::connection::Connection;
use super::transport::{RecvSide, SendSide};
use crate::buf::{BufResult, Chunk, IoBuf, IoBufMut};

/// The connection of a response that has switched protocols (101), or of a tunnel (2xx to CONNECT); from
/// [`Response::upgrade`](super::Response::upgrade).
///
/// What the peer sent right behind its response is what the first receive gives. Dropping it closes the connection.
pub struct Upgraded {
    connection: Box<Connection>,
    leftover: Option<Chunk>,
}

impl Upgraded {
    pub(super) fn new(connection: Box<Connection>, leftover: Option<Chunk>) -> Upgraded {
        Upgraded {
            connection,
            leftover,
        }
    }

    /// Receives into `buffer`, from its start, as much as is there and fits; gives it back with the count. 0 means
    /// that the peer has finished sending.
    ///
    /// # Errors, cancel safety
    ///
    /// As [`RecvHalf::recv`](crate::net::RecvHalf::recv).
    pub async fn recv<B: IoBufMut>(&mut self, buffer: B) -> BufResult<usize, B> {
        self.split().0.recv(buffer).await
    }

    /// Receives into a buffer of the reactor's pool; `None` when the peer has finished sending.
    ///
    /// # Errors, cancel safety
    ///
    /// As [`RecvHalf::recv_chunk`](crate::net::RecvHalf::recv_chunk).
    pub async fn recv_chunk(&mut self) -> io::Result<Option<Chunk>> {
        self.split().0.recv_chunk().await
    }

    /// Sends all of `buffer`; gives it back.
    ///
    /// # Errors, cancel safety
    ///
    /// As [`SendHalf::send_all`](crate::net::SendHalf::send_all).
    pub async fn send_all<B: IoBuf>(&mut self, buffer: B) -> BufResult<(), B> {
        self.split().1.send_all(buffer).await
    }

    /// Tells the peer that nothing more will be sent.
    ///
    /// # Errors
    ///
    /// As [`SendHalf::shutdown`](crate::net::SendHalf::shutdown).
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.split().1.shutdown().await
    }

    /// The two directions, to be used at the same time.
    pub fn split(&mut self) -> (UpgradedRecv<'_>, UpgradedSend<'_>) {
        let (recv, send) = self.connection.stream.split();
        let recv = UpgradedRecv {
            recv,
            leftover: &mut self.leftover,
        };
        (recv, UpgradedSend { send })
    }

    /// Closes the connection and waits until the kernel has done so.
    ///
    /// # Errors
    ///
    /// As close(2). The descriptor is gone in any case.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    pub async fn close(self) -> io::Result<()> {
        self.connection.stream.close().await
    }
}

/// The receiving direction of an [`Upgraded`] connection.
pub struct UpgradedRecv<'a> {
    recv: &'a mut RecvSide,
    leftover: &'a mut Option<Chunk>,
}

impl UpgradedRecv<'_> {
    /// As [`Upgraded::recv`].
    pub async fn recv<B: IoBufMut>(&mut self, mut buffer: B) -> BufResult<usize, B> {
        let Some(chunk) = self.leftover else {
            return self.recv.recv(buffer).await;
        };
        if buffer.bytes_capacity() == 0 {
            return self.recv.recv(buffer).await;
        }
        let count = crate::buf::fill(&mut buffer, chunk);
        chunk.advance(count);
        if chunk.is_empty() {
            *self.leftover = None;
        }
        (Ok(count), buffer)
    }

    /// As [`Upgraded::recv_chunk`].
    pub async fn recv_chunk(&mut self) -> io::Result<Option<Chunk>> {
        match self.leftover.take() {
            Some(chunk) => Ok(Some(chunk)),
            None => self.recv.recv_chunk().await,
        }
    }
}

/// The sending direction of an [`Upgraded`] connection.
pub struct UpgradedSend<'a> {
    send: &'a mut SendSide,
}

impl UpgradedSend<'_> {
    /// As [`Upgraded::send_all`].
    pub async fn send_all<B: IoBuf>(&mut self, buffer: B) -> BufResult<(), B> {
        self.send.send_all(buffer).await
    }

    /// As [`Upgraded::shutdown`].
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.send.shutdown().await
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded")
            .field("connection", &self.connection)
            .field("leftover", &self.leftover)
            .finish()
    }
}

impl fmt::Debug for UpgradedRecv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradedRecv").finish_non_exhaustive()
    }
}

impl fmt::Debug for UpgradedSend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradedSend").finish_non_exhaustive()
    }
}
