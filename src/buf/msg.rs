//! The `msghdr` of recvmsg and sendmsg, with all that it points to.

use std::mem::MaybeUninit;

use socket2::{SockAddr, SockAddrStorage};

use super::{IoBuf, IoBufMut};

/// A message header whose address and vectors live beside it.
///
/// The pointers in the header lead to the heap and to the value itself, so that they are set when the header
/// is asked for, at the address where the value then stays.
pub(crate) struct Message {
    header: libc::msghdr,
    vectors: Vec<libc::iovec>,
    peer: SockAddrStorage,
    target: Option<SockAddr>,
}

impl Message {
    /// A message to send the bytes of `buffers`, to `target` where the socket is not connected.
    pub(crate) fn sending<'a, B: IoBuf>(
        buffers: impl Iterator<Item = &'a B>,
        target: Option<SockAddr>,
    ) -> Message {
        Message::new(
            buffers
                .map(|buffer| libc::iovec {
                    iov_base: buffer.bytes_ptr().cast_mut().cast(),
                    iov_len: buffer.bytes_len(),
                })
                .collect(),
            target,
        )
    }

    /// A message to receive into `buffer`, with the sender's address.
    pub(crate) fn receiving<B: IoBufMut>(buffer: &mut B) -> Message {
        Message::new(
            vec![libc::iovec {
                iov_base: buffer.bytes_mut_ptr().cast(),
                iov_len: buffer.bytes_capacity(),
            }],
            None,
        )
    }

    fn new(vectors: Vec<libc::iovec>, target: Option<SockAddr>) -> Message {
        Message {
            // SAFETY: a msghdr is plain data for which all zero bytes are a value.
            header: unsafe { MaybeUninit::zeroed().assume_init() },
            vectors,
            peer: SockAddrStorage::zeroed(),
            target,
        }
    }

    /// The header for sendmsg; valid while the message is neither moved nor touched.
    pub(crate) fn header_to_send(&mut self) -> *const libc::msghdr {
        if let Some(target) = &self.target {
            self.header.msg_name = target.as_ptr().cast_mut().cast();
            self.header.msg_namelen = target.len();
        }
        self.point_to_vectors()
    }

    /// The header for recvmsg; valid while the message is neither moved nor touched.
    pub(crate) fn header_to_receive(&mut self) -> *mut libc::msghdr {
        self.header.msg_name = (&raw mut self.peer).cast();
        self.header.msg_namelen = self.peer.size_of();
        self.point_to_vectors()
    }

    fn point_to_vectors(&mut self) -> *mut libc::msghdr {
        self.header.msg_iov = self.vectors.as_mut_ptr();
        self.header.msg_iovlen = self.vectors.len() as _;
        &raw mut self.header
    }

    /// Drops the first `sent` bytes from the vectors.
    pub(crate) fn advance(&mut self, mut sent: usize) {
        let mut whole = 0;
        for vector in &mut self.vectors {
            if sent < vector.iov_len {
                vector.iov_base = vector.iov_base.wrapping_byte_add(sent);
                vector.iov_len -= sent;
                break;
            }
            sent -= vector.iov_len;
            whole += 1;
        }
        self.vectors.drain(..whole);
    }

    /// How many bytes the vectors have.
    pub(crate) fn len(&self) -> usize {
        self.vectors.iter().map(|vector| vector.iov_len).sum()
    }

    /// The sender's address.
    pub(crate) fn into_sender(self) -> SockAddr {
        let len = self.header.msg_namelen.min(self.peer.size_of());
        // SAFETY: the storage was zeroed, so that every byte is initialised whatever the kernel wrote, and
        // `len` is within it. An all-zero address has the family AF_UNSPEC, which no reader interprets.
        unsafe { SockAddr::new(self.peer, len) }
    }
}
