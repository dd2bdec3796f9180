//! The receiving side of a transport.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use super::conduit::ConduitRecv;
use crate::buf::{BufResult, Chunk, IoBufMut};
#[cfg(feature = "__tls")]
use crate::http::tls::TlsRecv;
use crate::net::RecvHalf;

/// Receives what the peer sends.
#[derive(Debug)]
pub(in crate::http) enum RecvSide {
    /// A TCP or Unix socket.
    Socket(RecvHalf),
    #[cfg(feature = "__tls")]
    Tls(Box<TlsRecv>),
    /// What a user has made.
    Conduit(Box<ConduitRecv>),
}

impl RecvSide {
    /// The next bytes; `None` when the peer has finished sending, where it is certain that it was the peer. Dropping
    /// nothing loses nothing.
    pub(in crate::http) fn poll_recv_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Chunk>>> {
        match self {
            RecvSide::Socket(half) => half.poll_recv_chunk(cx),
            #[cfg(feature = "__tls")]
            RecvSide::Tls(tls) => tls.poll_recv_chunk(cx),
            RecvSide::Conduit(conduit) => conduit.poll_recv_chunk(cx),
        }
    }

    /// As [`poll_recv_chunk`](RecvSide::poll_recv_chunk). Cancel safe.
    pub(in crate::http) async fn recv_chunk(&mut self) -> io::Result<Option<Chunk>> {
        poll_fn(|cx| self.poll_recv_chunk(cx)).await
    }

    /// Receives into `buffer`, from its start, as much as is there and fits; gives it back with the count, which
    /// is 0 when the peer has finished sending. Dropping the future loses no bytes.
    pub(in crate::http) async fn recv<B: IoBufMut>(
        &mut self,
        mut buffer: B,
    ) -> BufResult<usize, B> {
        let conduit = match self {
            RecvSide::Socket(half) => return half.recv(buffer).await,
            _ if buffer.bytes_capacity() == 0 => {
                let message = "the buffer to receive into has no capacity";
                let error = io::Error::new(io::ErrorKind::InvalidInput, message);
                return (Err(error), buffer);
            }
            #[cfg(feature = "__tls")]
            RecvSide::Tls(tls) => return tls.recv(buffer).await,
            RecvSide::Conduit(conduit) => conduit,
        };
        match poll_fn(|cx| conduit.poll_recv_chunk(cx)).await {
            Ok(Some(mut chunk)) => {
                let count = crate::buf::fill(&mut buffer, &chunk);
                chunk.advance(count);
                if !chunk.is_empty() {
                    conduit.put_back(chunk);
                }
                (Ok(count), buffer)
            }
            Ok(None) => (Ok(0), buffer),
            Err(error) => (Err(error), buffer),
        }
    }

    /// Whether the peer has neither closed the connection nor sent anything, while it is not in use. The waker is
    /// woken when that may have changed.
    pub(in crate::http) fn poll_alive(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            // What lies in the socket already is seen by a receive only once the ring has a turn, which may be behind the
            // next request.
            RecvSide::Socket(half) => {
                let lacked = half.lacks_buffers();
                !half.has_more()
                    && half.poll_recv_chunk(cx).is_pending()
                    && !holds_unreceived(half, lacked)
            }
            #[cfg(feature = "__tls")]
            RecvSide::Tls(tls) => {
                let more = tls.below().socket().is_some_and(RecvHalf::has_more);
                let lacked = tls.below().socket().is_some_and(RecvHalf::lacks_buffers);
                // The rest of a record that has begun to come would be read as an answer.
                let alive = !more && tls.poll_look(cx).is_pending() && !tls.has_part();
                tls.rest();
                let below = tls.below().socket();
                alive && !below.is_some_and(|half| holds_unreceived(half, lacked))
            }
            RecvSide::Conduit(conduit) => conduit.poll_look(cx).is_pending(),
        }
    }

    /// See [`ConduitRecv::poll_look`].
    #[cfg(feature = "__tls")]
    pub(in crate::http) fn poll_look(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Chunk>>> {
        match self {
            RecvSide::Tls(tls) => tls.poll_look(cx),
            RecvSide::Conduit(conduit) => conduit.poll_look(cx),
            RecvSide::Socket(half) => half.poll_recv_chunk(cx),
        }
    }

    pub(super) fn is_current(&self) -> bool {
        match self {
            RecvSide::Socket(half) => half.is_current(),
            #[cfg(feature = "__tls")]
            RecvSide::Tls(tls) => tls.below().is_current(),
            RecvSide::Conduit(conduit) => conduit.is_current(),
        }
    }

    /// The socket at the bottom.
    pub(super) fn socket(&self) -> Option<&RecvHalf> {
        match self {
            RecvSide::Socket(half) => Some(half),
            #[cfg(feature = "__tls")]
            RecvSide::Tls(tls) => tls.below().socket(),
            RecvSide::Conduit(_) => None,
        }
    }
}

/// Whether something lies in the socket that a receive, which is pending, does not tell of yet since there was no buffer
/// for it: there is none now, or there had been none before it was polled.
fn holds_unreceived(half: &RecvHalf, lacked: bool) -> bool {
    (lacked || half.lacks_buffers()) && half.has_more_unreceived()
}
