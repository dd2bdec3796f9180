//! A socket address that the kernel fills in.

use socket2::{SockAddr, SockAddrStorage};

/// Room for a socket address of any family.
#[derive(Debug)]
pub(crate) struct AddrBuf(SockAddrStorage);

impl AddrBuf {
    pub(crate) fn new() -> AddrBuf {
        AddrBuf(SockAddrStorage::zeroed())
    }

    pub(crate) fn capacity(&self) -> libc::socklen_t {
        self.0.size_of()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        std::ptr::from_mut(&mut self.0).cast()
    }

    /// The address, of which the kernel wrote `len` bytes.
    pub(crate) fn into_addr(self, len: libc::socklen_t) -> SockAddr {
        let len = len.min(self.0.size_of());
        // SAFETY: the storage was zeroed, so that every byte is initialised whatever the kernel wrote, and
        // `len` is within it. An all-zero address has the family AF_UNSPEC, which no reader interprets.
        unsafe { SockAddr::new(self.0, len) }
    }
}
