//! The sending side of a transport.

use std::future::Future;
use std::io;

use futures_util::future::Either;

use super::conduit::ConduitSend;
use crate::buf::{BufResult, IoBuf};
#[cfg(feature = "__tls")]
use crate::http::tls::TlsSend;
use crate::net::SendHalf;

/// Sends to the peer.
#[derive(Debug)]
pub(in crate::http) enum SendSide {
    /// A TCP or Unix socket.
    Socket(SendHalf),
    #[cfg(feature = "__tls")]
    Tls(Box<TlsSend>),
    /// What a user has made.
    Conduit(Box<ConduitSend>),
}

impl SendSide {
    /// Hands `buffer` over to be sent and does not wait for that, where the transport can; its error comes with
    /// the next call. If it is dropped before it returns, nothing is sent, or all with the next call.
    pub(in crate::http) fn post<B: IoBuf>(
        &mut self,
        buffer: B,
    ) -> impl Future<Output = io::Result<()>> {
        match self {
            SendSide::Socket(half) => Either::Left(half.post(buffer)),
            #[cfg(feature = "__tls")]
            SendSide::Tls(tls) => Either::Right(tls.post(buffer)),
            SendSide::Conduit(conduit) => Either::Right(conduit.post(buffer)),
        }
    }

    /// Hands over what is said last, wherever that is; nobody waits for it.
    #[cfg(feature = "__tls")]
    pub(in crate::http) fn post_last<B: IoBuf>(&mut self, buffer: B) {
        match self {
            SendSide::Socket(half) => half.post_last(buffer),
            other => {
                let mut post = std::pin::pin!(other.post(buffer));
                let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
                let _ = post.as_mut().poll(cx);
            }
        }
    }

    /// Sends all of `buffer`; gives it back. A dropped send has not begun, or sends the whole buffer.
    pub(in crate::http) async fn send_all<B: IoBuf>(&mut self, buffer: B) -> BufResult<(), B> {
        if let SendSide::Socket(half) = self {
            return half.send_all(buffer).await;
        }
        let buffer = buffer.slice(..);
        let result = self.send_slices(&[buffer.as_ref()]).await;
        (result, buffer.into_inner())
    }

    /// Sends all of `buffers`, one behind the other; otherwise as [`send_all`](SendSide::send_all).
    pub(in crate::http) async fn send_vectored<B: IoBuf>(
        &mut self,
        buffers: Vec<B>,
    ) -> BufResult<(), Vec<B>> {
        if let SendSide::Socket(half) = self {
            return half.send_vectored(buffers).await;
        }
        let buffers: Vec<_> = buffers.into_iter().map(|buffer| buffer.slice(..)).collect();
        let slices: Vec<&[u8]> = buffers.iter().map(|buffer| buffer.as_ref()).collect();
        let result = self.send_slices(&slices).await;
        let buffers = buffers.into_iter().map(|buffer| buffer.into_inner());
        (result, buffers.collect())
    }

    async fn send_slices(&mut self, slices: &[&[u8]]) -> io::Result<()> {
        match self {
            SendSide::Socket(_) => Ok(()),
            #[cfg(feature = "__tls")]
            SendSide::Tls(tls) => tls.send(slices).await,
            SendSide::Conduit(conduit) => conduit.send(slices).await,
        }
    }

    /// Waits until everything has been sent.
    pub(in crate::http) async fn flush(&mut self) -> io::Result<()> {
        match self {
            SendSide::Socket(half) => half.flush().await,
            #[cfg(feature = "__tls")]
            SendSide::Tls(tls) => tls.flush().await,
            SendSide::Conduit(conduit) => conduit.flush().await,
        }
    }

    /// Tells the peer that nothing more will be sent.
    pub(in crate::http) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            SendSide::Socket(half) => half.shutdown().await,
            #[cfg(feature = "__tls")]
            SendSide::Tls(tls) => tls.shutdown().await,
            SendSide::Conduit(conduit) => conduit.shutdown().await,
        }
    }

    /// Says what is to be said before the connection is closed, where that is more than the closing itself. Waits for
    /// what a user has made, and for nobody else.
    pub(super) async fn finish(&mut self) {
        match self {
            SendSide::Socket(_) => {}
            #[cfg(feature = "__tls")]
            SendSide::Tls(tls) => tls.finish().await,
            // It is closed in any case.
            SendSide::Conduit(conduit) => drop(conduit.shutdown().await),
        }
    }

    /// Whether everything has been sent, and without an error.
    pub(in crate::http) fn is_settled(&self) -> bool {
        match self {
            SendSide::Socket(half) => half.is_settled(),
            #[cfg(feature = "__tls")]
            SendSide::Tls(tls) => tls.is_settled(),
            SendSide::Conduit(conduit) => conduit.is_settled(),
        }
    }
}
