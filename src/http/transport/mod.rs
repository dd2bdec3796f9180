//! What carries an exchange of messages: bytes in either direction, whatever they go through.
//!
//! | file | job |
//! | --- | --- |
//! | `recv.rs`, `send.rs` | the two directions |
//!
//! A transport has two sides, which can be used at the same time, as the halves of a socket can. What those
//! promise holds here too: nothing received is lost, and nothing sent is torn, when a future is dropped. A socket
//! costs one comparison more than by itself.

mod recv;
mod send;

use std::io;
use std::net::SocketAddr;

pub(super) use recv::RecvSide;
pub(super) use send::SendSide;

use crate::net::{self, TcpStream};

/// A connection to a peer: both directions.
#[derive(Debug)]
pub(super) struct Transport {
    recv: RecvSide,
    send: SendSide,
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Transport {
        let (recv, send) = stream.into_split();
        Transport {
            recv: RecvSide::Socket(recv),
            send: SendSide::Socket(send),
        }
    }
}

impl Transport {
    /// The two directions, to be used at the same time.
    pub(super) fn split(&mut self) -> (&mut RecvSide, &mut SendSide) {
        (&mut self.recv, &mut self.send)
    }

    /// The address of this end, where it has an IP address.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match &self.recv {
            RecvSide::Socket(half) => net::local_ip_addr(half),
        }
    }

    /// The address of the peer, where it has an IP address.
    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        match &self.recv {
            RecvSide::Socket(half) => net::peer_ip_addr(half),
        }
    }

    /// Whether it belongs to the reactor that runs on this thread, or to one that has been shut down.
    pub(super) fn is_current(&self) -> bool {
        self.recv.is_current()
    }

    /// Closes the connection and waits until that is done.
    pub(super) async fn close(self) -> io::Result<()> {
        match (self.recv, self.send) {
            (RecvSide::Socket(recv), SendSide::Socket(send)) => net::close(recv, send).await,
        }
    }
}
