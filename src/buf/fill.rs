//! Filling owned buffers of any type.

use super::IoBufMut;

/// Copies as much of `data` as fits to the start of `buffer`, as a receive would; returns how much.
pub(crate) fn fill<B: IoBufMut>(buffer: &mut B, data: &[u8]) -> usize {
    fill_from(buffer, 0, data)
}

/// As [`fill`], behind the first `at` bytes.
///
/// # Panics
///
/// If those are not initialised.
pub(crate) fn fill_from<B: IoBufMut>(buffer: &mut B, at: usize, data: &[u8]) -> usize {
    assert!(at <= buffer.bytes_len().min(buffer.bytes_capacity()));
    let count = data.len().min(buffer.bytes_capacity() - at);
    // SAFETY: `at + count` bytes may be written to the buffer, and `data` is a different object. They are then
    // initialised: those before `at` have been so before.
    unsafe {
        std::ptr::copy_nonoverlapping(data.as_ptr(), buffer.bytes_mut_ptr().add(at), count);
        buffer.set_written(at + count);
    }
    count
}
