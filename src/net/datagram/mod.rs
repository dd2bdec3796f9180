//! Datagram sockets, whatever their address family.

mod recv;
mod send;

pub(super) use recv::Receiver;
pub(super) use send::Sender;

/// What is known of a received datagram beside its bytes. `A` is the type of its sender's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram<A> {
    /// How many bytes of it are in the buffer; 0 for an empty datagram, which is a datagram like any other.
    pub len: usize,
    /// How many bytes were sent.
    pub full_len: usize,
    /// Who sent it.
    pub from: A,
}

impl<A> Datagram<A> {
    /// Whether the buffer was too short; what did not fit is lost (`MSG_TRUNC`, recvmsg(2)).
    pub fn is_truncated(&self) -> bool {
        self.full_len > self.len
    }
}
