//! The sending side of a transport.

use std::future::Future;
use std::io;

use crate::buf::{BufResult, IoBuf};
use crate::net::SendHalf;

/// Sends to the peer.
#[derive(Debug)]
pub(in crate::http) enum SendSide {
    /// A TCP or Unix socket.
    Socket(SendHalf),
}

impl SendSide {
    /// Hands `buffer` over to be sent and does not wait for that, where the transport can; its error comes with
    /// the next call. Dropped before it returns, nothing is sent.
    pub(in crate::http) fn post<B: IoBuf>(
        &mut self,
        buffer: B,
    ) -> impl Future<Output = io::Result<()>> {
        match self {
            SendSide::Socket(half) => half.post(buffer),
        }
    }

    /// Sends all of `buffer`; gives it back. A dropped send has not begun, or sends the whole buffer.
    pub(in crate::http) async fn send_all<B: IoBuf>(&mut self, buffer: B) -> BufResult<(), B> {
        match self {
            SendSide::Socket(half) => half.send_all(buffer).await,
        }
    }

    /// Sends all of `buffers`, one behind the other; otherwise as [`send_all`](SendSide::send_all).
    pub(in crate::http) async fn send_vectored<B: IoBuf>(
        &mut self,
        buffers: Vec<B>,
    ) -> BufResult<(), Vec<B>> {
        match self {
            SendSide::Socket(half) => half.send_vectored(buffers).await,
        }
    }

    /// Tells the peer that nothing more will be sent.
    pub(in crate::http) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            SendSide::Socket(half) => half.shutdown().await,
        }
    }

    /// Whether everything has been sent, and without an error.
    pub(in crate::http) fn is_settled(&self) -> bool {
        match self {
            SendSide::Socket(half) => half.is_settled(),
        }
    }
}
