//! A part of an owned buffer.

use std::ops::{Bound, RangeBounds};

use super::{IoBuf, IoBufMut};

/// A part of a buffer, lent together with the whole; made by [`IoBuf::slice`].
///
/// ```
/// use eyewall::buf::IoBuf;
///
/// let line = b"GET / HTTP/1.1".to_vec().slice(4..5);
/// assert_eq!(line.as_ref(), b"/");
/// assert_eq!(line.into_inner().len(), 14);
/// ```
#[derive(Clone, Debug)]
pub struct Slice<B> {
    buffer: B,
    start: usize,
    /// `usize::MAX` for "to the end", whatever the end is when the slice is used.
    end: usize,
}

impl<B: IoBuf> Slice<B> {
    pub(super) fn new(buffer: B, range: impl RangeBounds<usize>) -> Slice<B> {
        let (start, end) = bounds(&range, usize::MAX);
        assert!(
            start <= end,
            "a slice starts at {start}, behind its end {end}"
        );
        Slice { buffer, start, end }
    }

    /// The whole buffer again.
    pub fn into_inner(self) -> B {
        self.buffer
    }

    /// The whole buffer, without giving it up.
    pub fn get_ref(&self) -> &B {
        &self.buffer
    }
}

/// The start and the end that a range means where `len` is "the end".
pub(super) fn bounds(range: &impl RangeBounds<usize>, len: usize) -> (usize, usize) {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => end.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => len,
    };
    (start, end)
}

impl<B: IoBuf> AsRef<[u8]> for Slice<B> {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: IoBuf promises that so many bytes are initialised and unchanged while borrowed.
        unsafe { std::slice::from_raw_parts(self.bytes_ptr(), self.bytes_len()) }
    }
}

// SAFETY: a range within the inner buffer's stable bytes; both ends are clamped to them.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    fn bytes_ptr(&self) -> *const u8 {
        let start = self.start.min(self.buffer.bytes_len());
        // SAFETY: `start` is at most the length.
        unsafe { self.buffer.bytes_ptr().add(start) }
    }

    fn bytes_len(&self) -> usize {
        self.end
            .min(self.buffer.bytes_len())
            .saturating_sub(self.start)
    }
}

// SAFETY: a range within the inner buffer's capacity; both ends are clamped to it. A start beyond the
// initialised bytes has capacity 0, because the gap would count as written.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        let start = self.start.min(self.buffer.bytes_capacity());
        // SAFETY: `start` is at most the capacity.
        unsafe { self.buffer.bytes_mut_ptr().add(start) }
    }

    fn bytes_capacity(&self) -> usize {
        if self.start > self.buffer.bytes_len() {
            return 0;
        }
        self.end
            .min(self.buffer.bytes_capacity())
            .saturating_sub(self.start)
    }

    unsafe fn set_written(&mut self, len: usize) {
        // What lay behind the slice stays: the buffer's length only grows.
        let written = (self.start + len).max(self.buffer.bytes_len());
        // SAFETY: bytes up to `start` were initialised (else the capacity is 0), and the caller vouches for
        // the rest.
        unsafe { self.buffer.set_written(written) };
    }
}
