//! The answer to statx(2), for the kernel to fill in.

use std::mem::MaybeUninit;

/// Room for a `struct statx`.
pub(crate) struct StatBuf(libc::statx);

impl StatBuf {
    pub(crate) fn new() -> StatBuf {
        // SAFETY: a statx is plain integers, for which all zero bytes are a value.
        StatBuf(unsafe { MaybeUninit::zeroed().assume_init() })
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::statx {
        &raw mut self.0
    }

    pub(crate) fn get(&self) -> libc::statx {
        self.0
    }
}
