//! The contracts of a buffer that can be lent to the kernel.

use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// A buffer that the kernel can read from while an operation owns it.
///
/// # Safety
///
/// [`bytes_ptr`](IoBuf::bytes_ptr) points to [`bytes_len`](IoBuf::bytes_len) initialised bytes. The address
/// and the bytes stay valid and unchanged while the value is alive and not touched, **also when the value
/// itself is moved**. (A `[u8; N]` does not qualify: it moves with the value.)
///
/// The reactor is borrowed while it asks: the methods look at the value only. They do not panic and do not call
/// anything of this crate. (The drop of a buffer may do both.)
///
/// ```
/// use eyewall::buf::IoBuf;
///
/// let greeting = String::from("hello");
/// assert_eq!(greeting.bytes_len(), 5);
/// assert_eq!(greeting.slice(1..4).as_ref(), b"ell");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given away, as a buffer for the kernel has to be",
    label = "give an owned buffer (`Vec<u8>`, `String`, `Bytes`, `Chunk`, ...) or a `&'static` one, not a borrow",
    note = "an operation owns its buffer until the kernel is done with it, and gives it back: `let (result, buffer) = \
            stream.send_all(buffer).await`"
)]
pub unsafe trait IoBuf: 'static {
    /// Where the bytes start.
    fn bytes_ptr(&self) -> *const u8;

    /// How many initialised bytes there are.
    fn bytes_len(&self) -> usize;

    /// Lends only a part: the bytes in `range`, counted from the start of this buffer.
    ///
    /// For a receive the range may lie beyond the initialised bytes, within the capacity, so that
    /// `vec.slice(vec.len()..)` appends. One that begins further behind them has no capacity, since it would leave a gap.
    /// What of a range lies beyond the bytes, or the capacity, is left out without a word: all of
    /// `"abc".slice(1..9)` is `"bc"`.
    ///
    /// # Panics
    ///
    /// If the start of the range lies behind its end.
    fn slice(self, range: impl std::ops::RangeBounds<usize>) -> super::Slice<Self>
    where
        Self: Sized,
    {
        super::Slice::new(self, range)
    }
}

/// A buffer that the kernel can write to while an operation owns it.
///
/// A receive writes from the start of the buffer, up to its capacity, and then sets its length to what was
/// received. To append, receive into a [`slice`](IoBuf::slice).
///
/// # Safety
///
/// As for [`IoBuf`], and [`bytes_mut_ptr`](IoBufMut::bytes_mut_ptr) is valid for writes of
/// [`bytes_capacity`](IoBufMut::bytes_capacity) bytes under the same condition; the first
/// [`bytes_len`](IoBuf::bytes_len) of them are those of [`IoBuf`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no buffer that the kernel can be given to write to",
    label = "give an owned buffer (`Vec<u8>`, `BytesMut`, `Box<[u8]>`), not a borrow",
    note = "an operation owns its buffer until the kernel is done with it, and gives it back: `let (count, buffer) = \
            stream.recv(buffer).await`; `stream.recv_chunk()` needs none"
)]
pub unsafe trait IoBufMut: IoBuf {
    /// Where writing starts.
    fn bytes_mut_ptr(&mut self) -> *mut u8;

    /// How many bytes may be written.
    fn bytes_capacity(&self) -> usize;

    /// Says that the first `len` bytes have been written: [`bytes_len`](IoBuf::bytes_len) is `len` or more after that.
    ///
    /// # Safety
    ///
    /// `len` is at most the capacity, and the first `len` bytes are initialised.
    unsafe fn set_written(&mut self, len: usize);
}

// SAFETY: a Vec's elements live on the heap; moving the Vec does not move them.
unsafe impl IoBuf for Vec<u8> {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: the whole capacity is allocated and writable.
unsafe impl IoBufMut for Vec<u8> {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_written(&mut self, len: usize) {
        // SAFETY: the caller vouches that `len` bytes are there and initialised.
        unsafe { self.set_len(len) };
    }
}

// SAFETY: the bytes live on the heap.
unsafe impl IoBuf for Box<[u8]> {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: the whole box is writable. Its length is fixed, so that there is nothing to set.
unsafe impl IoBufMut for Box<[u8]> {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.len()
    }

    unsafe fn set_written(&mut self, _len: usize) {}
}

// SAFETY: static memory does not move.
unsafe impl IoBuf for &'static [u8] {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: static memory does not move.
unsafe impl<const N: usize> IoBuf for &'static [u8; N] {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        N
    }
}

// SAFETY: static memory does not move.
unsafe impl IoBuf for &'static str {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: a String is a Vec.
unsafe impl IoBuf for String {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: the bytes live on the heap, and nobody writes to them while this counts.
unsafe impl IoBuf for Rc<[u8]> {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: as for an Rc of bytes.
unsafe impl IoBuf for Rc<str> {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: as for an Rc.
unsafe impl IoBuf for Arc<[u8]> {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: as for an Rc.
unsafe impl IoBuf for Arc<str> {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: a Bytes refers to shared memory that outlives it and does not move with it.
unsafe impl IoBuf for Bytes {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: as for Bytes; nobody else refers to a BytesMut's range.
unsafe impl IoBuf for BytesMut {
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: the whole capacity belongs to this handle alone.
unsafe impl IoBufMut for BytesMut {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_written(&mut self, len: usize) {
        // SAFETY: the caller vouches that `len` bytes are there and initialised.
        unsafe { self.set_len(len) };
    }
}
