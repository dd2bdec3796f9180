//! One connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Context;

use super::pool::Stir;
use super::transport::Transport;

/// A connection to an origin, between or in exchanges.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Transport,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    /// It has carried an exchange before.
    pub(super) reused: bool,
    /// Its waker while it is idle, once it has been.
    pub(super) stir: Option<Arc<Stir>>,
}

impl Connection {
    pub(super) fn new(stream: Transport) -> Connection {
        Connection {
            local: stream.local_addr(),
            peer: stream.peer_addr(),
            stream,
            reused: false,
            stir: None,
        }
    }

    /// Whether the reactor that runs here is the one that it belongs to.
    pub(super) fn is_current(&self) -> bool {
        self.stream.is_current()
    }

    /// Whether everything has been sent.
    pub(super) fn is_settled(&mut self) -> bool {
        self.stream.split().1.is_settled()
    }

    /// Whether the connection can carry another exchange: the peer has neither closed it nor sent anything.
    /// The waker is woken when that changes.
    pub(super) fn poll_alive(&mut self, cx: &mut Context<'_>) -> bool {
        self.stream.split().0.poll_alive(cx)
    }
}
