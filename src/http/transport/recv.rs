//! The receiving side of a transport.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use crate::buf::{BufResult, Chunk, IoBufMut};
use crate::net::RecvHalf;

/// Receives what the peer sends.
#[derive(Debug)]
pub(in crate::http) enum RecvSide {
    /// A TCP or Unix socket.
    Socket(RecvHalf),
}

impl RecvSide {
    /// The next bytes; `None` when the peer has finished sending. Dropping nothing loses nothing.
    pub(in crate::http) fn poll_recv_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Chunk>>> {
        match self {
            RecvSide::Socket(half) => half.poll_recv_chunk(cx),
        }
    }

    /// As [`poll_recv_chunk`](RecvSide::poll_recv_chunk). Cancel safe.
    pub(in crate::http) async fn recv_chunk(&mut self) -> io::Result<Option<Chunk>> {
        poll_fn(|cx| self.poll_recv_chunk(cx)).await
    }

    /// Receives into `buffer`, from its start, as much as is there and fits; gives it back with the count, which
    /// is 0 when the peer has finished sending. Dropping the future loses no bytes.
    pub(in crate::http) async fn recv<B: IoBufMut>(&mut self, buffer: B) -> BufResult<usize, B> {
        match self {
            RecvSide::Socket(half) => half.recv(buffer).await,
        }
    }

    /// Whether the peer has neither closed the connection nor sent anything, while it is not in use. The waker is
    /// woken when that may have changed.
    pub(in crate::http) fn poll_alive(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_recv_chunk(cx).is_pending()
    }

    pub(super) fn is_current(&self) -> bool {
        match self {
            RecvSide::Socket(half) => half.is_current(),
        }
    }
}
