//! Owned buffers: who holds the bytes while the kernel may touch them.
//!
//! An operation takes a buffer and gives it back with its result, so that nobody can free or read it in
//! between. [`IoBuf`] and [`IoBufMut`] say which types can be lent in this way; [`Slice`] lends a part of one.
//! What is sent to many at once is not copied for each of them: clone a [`Bytes`], or an `Rc<str>`.
//! A [`Chunk`] is a counted view into a buffer that the kernel picked from the reactor's pool when the data
//! arrived: an idle connection holds none.
//!
//! ```
//! use std::rc::Rc;
//!
//! use eyewall::net::UnixStream;
//!
//! eyewall::block_on(async {
//!     let (mut one, mut one_end) = UnixStream::pair()?;
//!     let (mut two, mut two_end) = UnixStream::pair()?;
//!     let news: Rc<str> = format!("news of {}", 1912).into();
//!     for member in [&mut one, &mut two] {
//!         member.send_all(Rc::clone(&news)).await.0?;
//!     }
//!     for end in [&mut one_end, &mut two_end] {
//!         assert_eq!(end.recv_chunk().await?.as_deref(), Some(news.as_bytes()));
//!     }
//!     Ok::<(), std::io::Error>(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```

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

#[doc(no_inline)]
pub use bytes::{Bytes, BytesMut};

/// A result together with the buffer that the operation took: `(result, buffer)`.
///
/// The buffer comes back in every case, also with an error.
pub type BufResult<T, B> = (std::io::Result<T>, B);

/// The length of a buffer as an SQE holds it; one operation moves at most 2 GiB less a page (`MAX_RW_COUNT`).
///
/// Of more than that the kernel takes a part and calls it success, which must not go unheard: so this has the bound of the
/// largest pages that there are, 64 KiB.
#[inline]
pub(crate) fn sqe_len(len: usize) -> u32 {
    const MAX_RW_COUNT: usize = 0x7fff_0000;
    len.min(MAX_RW_COUNT) as u32
}
