//! One connection.

use std::net::{SocketAddr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use super::pool::Stir;
use super::transport::Transport;

/// A connection to an origin, between or in exchanges.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Transport,
    ends: Ends,
    /// It has carried an exchange before.
    pub(super) reused: bool,
    /// Its waker while it is idle, once it has been.
    pub(super) stir: Option<Arc<Stir>>,
}

/// The addresses of both ends of a connection, in a quarter of the room that they take where they are of IPv4, since idle
/// connections keep them. A clone is cheap.
#[derive(Clone, Debug, Default)]
pub(super) enum Ends {
    /// There is no connection.
    #[default]
    Nowhere,
    V4 {
        local: SocketAddrV4,
        peer: SocketAddrV4,
    },
    Other(Rc<(Option<SocketAddr>, Option<SocketAddr>)>),
}

impl Ends {
    pub(super) fn of(local: Option<SocketAddr>, peer: Option<SocketAddr>) -> Ends {
        match (local, peer) {
            (Some(SocketAddr::V4(local)), Some(SocketAddr::V4(peer))) => Ends::V4 { local, peer },
            others => Ends::Other(Rc::new(others)),
        }
    }

    /// The address of this end, where it has an IP address.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Ends::Nowhere => None,
            Ends::V4 { local, .. } => Some(SocketAddr::V4(*local)),
            Ends::Other(ends) => ends.0,
        }
    }

    /// The address of the peer, where it has an IP address.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Ends::Nowhere => None,
            Ends::V4 { peer, .. } => Some(SocketAddr::V4(*peer)),
            Ends::Other(ends) => ends.1,
        }
    }
}

/// What each idle connection of a client takes, beside what its operation does.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Connection>() <= 120);

impl Connection {
    pub(super) fn new(stream: Transport, ends: Ends) -> Connection {
        Connection {
            ends,
            stream,
            reused: false,
            stir: None,
        }
    }

    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Whether it belongs to the reactor that runs on this thread, or to one that has been shut down.
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
        // Receives of IP sockets tell of what they leave behind.
        let unseen = self.ends.peer().is_none() && self.stream.holds_unseen();
        !unseen && self.stream.split().0.poll_alive(cx)
    }
}
