//! Reading and filling owned buffers of any type.

use super::{IoBuf, IoBufMut};

/// An [`IoBuf`] whose type has been forgotten.
pub(super) trait Bytes {
    fn as_bytes(&self) -> &[u8];
}

impl<B: IoBuf> Bytes for B {
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: IoBuf promises that so many bytes are initialised and unchanged while borrowed.
        unsafe { std::slice::from_raw_parts(self.bytes_ptr(), self.bytes_len()) }
    }
}

/// Copies as much of `data` as fits to the start of `buffer`, as a receive would; returns how much.
pub(crate) fn fill<B: IoBufMut>(buffer: &mut B, data: &[u8]) -> usize {
    let count = data.len().min(buffer.bytes_capacity());
    // SAFETY: `count` bytes may be written to the buffer, and `data` is a different object. They are then
    // initialised.
    unsafe {
        std::ptr::copy_nonoverlapping(data.as_ptr(), buffer.bytes_mut_ptr(), count);
        buffer.set_written(count);
    }
    count
}
