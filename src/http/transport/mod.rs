//! What carries an exchange of messages: bytes in either direction, whatever they go through.
//!
//! | file | job |
//! | --- | --- |
//! | `recv.rs`, `send.rs` | the two directions |
//! | `conduit.rs` | a connection that a user has made |
//! | `options.rs`, `builder.rs` | how connections are to be made |
//! | `connector.rs`, `resolver.rs` | making them, and looking names up, in the user's own way |
//! | `open.rs` | making one |
//! | `tunnel.rs` | through a proxy, to what lies behind it |
//!
//! A transport has two sides, which can be used at the same time, as the halves of a socket can. What those
//! promise holds here too: nothing received is lost, and nothing sent is torn, when a future is dropped. A socket
//! costs one comparison more than by itself.

mod builder;
mod conduit;
mod connector;
mod open;
mod options;
mod recv;
mod resolver;
mod send;
mod tunnel;

use std::fmt;
use std::io;
use std::net::SocketAddr;

pub use conduit::Conduit;
pub use connector::{Connector, Target};
pub(super) use open::{Opened, Waiting, open, open_now};
pub use options::ConnectOptions;
pub(super) use recv::RecvSide;
pub use resolver::Resolver;
pub(super) use send::SendSide;
pub(super) use tunnel::tunnel;

#[cfg(feature = "__tls")]
pub(super) use super::tls::Heard;
#[cfg(feature = "__tls")]
use super::tls::{TlsRecv, TlsSend};
use crate::net::{self, RecvHalf, SendHalf, TcpStream, UnixStream};

/// A connection to a peer: both directions.
#[derive(Debug)]
pub(super) struct Transport {
    recv: RecvSide,
    send: SendSide,
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Transport {
        stream.into_split().into()
    }
}

impl From<UnixStream> for Transport {
    fn from(stream: UnixStream) -> Transport {
        stream.into_split().into()
    }
}

impl From<(RecvHalf, SendHalf)> for Transport {
    fn from((recv, send): (RecvHalf, SendHalf)) -> Transport {
        Transport {
            recv: RecvSide::Socket(recv),
            send: SendSide::Socket(send),
        }
    }
}

impl Transport {
    /// One whose directions have been on their own.
    pub(super) fn of(recv: RecvSide, send: SendSide) -> Transport {
        Transport { recv, send }
    }

    /// The two directions, each on its own; the connection closes when both have been dropped.
    pub(super) fn into_split(self) -> (RecvSide, SendSide) {
        (self.recv, self.send)
    }

    /// The two directions, to be used at the same time.
    pub(super) fn split(&mut self) -> (&mut RecvSide, &mut SendSide) {
        (&mut self.recv, &mut self.send)
    }

    /// One that goes through this one.
    #[cfg(feature = "__tls")]
    pub(super) fn through(
        self,
        tls: impl FnOnce(RecvSide, SendSide) -> (TlsRecv, TlsSend),
    ) -> Transport {
        let (recv, send) = tls(self.recv, self.send);
        Transport {
            recv: RecvSide::Tls(Box::new(recv)),
            send: SendSide::Tls(Box::new(send)),
        }
    }

    /// The address of this end, where it has an IP address.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        net::local_ip_addr(self.recv.socket()?)
    }

    /// The address of the peer, where it has an IP address.
    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        net::peer_ip_addr(self.recv.socket()?)
    }

    /// Who tells when the peer was heard last, where what it sends cannot be handed out as it comes.
    pub(super) fn heard(&self) -> Option<Heard> {
        match &self.recv {
            #[cfg(feature = "__tls")]
            RecvSide::Tls(tls) => Some(tls.heard()),
            RecvSide::Socket(_) | RecvSide::Conduit(_) => None,
        }
    }

    /// Whether it belongs to the reactor that runs on this thread, or to one that has been shut down.
    pub(super) fn is_current(&self) -> bool {
        self.recv.is_current()
    }

    /// Whether something lies in the socket that no receive has told of: for one of no IP address.
    #[cold]
    pub(super) fn holds_unseen(&self) -> bool {
        self.recv.socket().is_some_and(RecvHalf::looks_for_more)
    }

    /// Whether a send that has begun goes on to its end when its future is dropped: at the bottom is a socket.
    pub(super) fn sends_by_itself(&self) -> bool {
        self.recv.socket().is_some()
    }

    /// Closes the connection and waits until that is done, and not for the peer.
    pub(super) async fn close(mut self) -> io::Result<()> {
        self.send.finish().await;
        let closing = self.recv.socket().map(net::close);
        drop(self);
        match closing {
            Some(closing) => closing.await,
            None => Ok(()),
        }
    }
}

/// In this build, whatever comes is handed out at once.
#[cfg(not(feature = "__tls"))]
#[derive(Debug)]
pub(super) enum Heard {}

#[cfg(not(feature = "__tls"))]
impl Heard {
    pub(super) fn at(&self) -> Option<std::time::Instant> {
        match *self {}
    }
}

/// The error of sending behind the end of what is sent, or behind a failure, as a socket has it.
pub(super) fn after_the_end() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "nothing can be sent any more: the end has been told, or an earlier send has failed",
    )
}

/// The error of an end that anybody between here and the peer may have made: that of a TLS connection without
/// close_notify.
#[cfg(feature = "__tls")]
pub(super) fn unclean_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, UncleanEnd)
}

/// Whether `error` is that of an unclean end.
pub(super) fn is_unclean_end(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<UncleanEnd>())
}

#[derive(Debug)]
struct UncleanEnd;

impl fmt::Display for UncleanEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection has ended without TLS saying so: it may have been cut off")
    }
}

impl std::error::Error for UncleanEnd {}
