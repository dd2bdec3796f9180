//! Owned buffers: who holds the bytes while the kernel may touch them.
//!
//! An operation takes a buffer and gives it back with its result, so that nobody can free or read it in
//! between. [`IoBuf`] and [`IoBufMut`] say which types can be lent in this way; [`Slice`] lends a part of one.
//! A [`Chunk`] is a counted view into a buffer that the kernel picked from the reactor's pool when the data
//! arrived: an idle connection holds none.

mod addr;
mod chunk;
mod credentials;
mod fill;
mod lent;
mod msg;
mod pool;
mod slice;
mod spare;
mod stat;
#[cfg(test)]
mod tests;
mod traits;
mod view;

pub(crate) use addr::AddrBuf;
pub use chunk::Chunk;
pub(crate) use credentials::peer_credentials;
pub(crate) use fill::fill;
#[cfg(feature = "__tls")]
pub(crate) use fill::fill_from;
pub(crate) use lent::Lent;
pub(crate) use msg::Message;
pub(crate) use pool::Pool;
pub use slice::Slice;
pub(crate) use spare::Spares;
pub(crate) use stat::StatBuf;
pub use traits::{IoBuf, IoBufMut};

/// A result together with the buffer that the operation took: `(result, buffer)`.
///
/// The buffer comes back in every case, also with an error.
pub type BufResult<T, B> = (std::io::Result<T>, B);

/// The length of a buffer as an SQE holds it; one operation moves at most 2 GiB - 4 KiB (`MAX_RW_COUNT`).
#[inline]
pub(crate) fn sqe_len(len: usize) -> u32 {
    const MAX_RW_COUNT: usize = 0x7fff_f000;
    len.min(MAX_RW_COUNT) as u32
}
