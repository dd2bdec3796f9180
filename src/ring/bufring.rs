//! The memory of a provided buffer ring: buffers that the kernel picks from at the moment data arrives.
//!
//! Two anonymous mappings: the ring of descriptors that is shared with the kernel, and the buffers. A buffer
//! belongs to the kernel from [`BufRing::provide`] until a completion names it; from then on it belongs to
//! us until it is provided again. See io_uring_register_buf_ring(3).

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

/// Provided buffers of one size and the ring that offers them to the kernel.
#[derive(Debug)]
pub(crate) struct BufRing {
    entries: Mapping,
    buffers: Mapping,
    count: u16,
    buffer_size: u32,
}

impl BufRing {
    /// Maps `count` buffers (a power of two up to 32 768) of `buffer_size` bytes. None is provided yet.
    pub(crate) fn new(count: u16, buffer_size: u32) -> io::Result<BufRing> {
        assert!(
            count.is_power_of_two() && count <= 1 << 15,
            "a buffer ring has a power of two of buffers, at most 32768"
        );
        Ok(BufRing {
            entries: Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?,
            buffers: Mapping::new(usize::from(count) * buffer_size as usize)?,
            count,
            buffer_size,
        })
    }

    /// How many buffers there are.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// The size of each buffer in bytes.
    pub(crate) fn buffer_size(&self) -> u32 {
        self.buffer_size
    }

    /// The address to register (`IORING_REGISTER_PBUF_RING`).
    pub(super) fn address(&self) -> u64 {
        self.entries.base.as_ptr() as u64
    }

    /// Gives buffer `id` to the kernel. The caller holds no reference into it any more.
    #[inline]
    pub(crate) fn provide(&self, id: u16) {
        assert!(id < self.count, "buffer {id} is not in this ring");
        let base: *mut BufRingEntry = self.entries.base.as_ptr().cast();
        // SAFETY: `base` is the start of a ring of `count` entries; its tail lies in the first one.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()) };
        let at = tail.load(Ordering::Relaxed);
        // SAFETY: the index is masked to the ring. We are the only writer (the ring is used on one thread),
        // and the kernel does not read an entry before the tail has passed it. The tail itself shares the
        // first entry's reserved field, which the setters leave alone.
        let entry = unsafe { &mut *base.add(usize::from(at & (self.count - 1))) };
        entry.set_addr(self.buffer_ptr(id) as u64);
        entry.set_len(self.buffer_size);
        entry.set_bid(id);
        tail.store(at.wrapping_add(1), Ordering::Release);
    }

    /// Where buffer `id` starts. Its bytes are initialised, since the mapping is zeroed at first. From the completion
    /// that hands it over until it is provided again they may be read, and nobody writes to them.
    pub(crate) fn start(&self, id: u16) -> *const u8 {
        assert!(id < self.count, "buffer {id} is not in this ring");
        self.buffer_ptr(id)
    }

    #[inline]
    fn buffer_ptr(&self, id: u16) -> *mut u8 {
        let offset = usize::from(id) * self.buffer_size as usize;
        // SAFETY: `id < count` is asserted by the callers, so the offset is inside the mapping.
        unsafe { self.buffers.base.as_ptr().add(offset) }
    }
}

/// An anonymous private mapping, zeroed, unmapped on drop.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

impl Mapping {
    fn new(len: usize) -> io::Result<Mapping> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base: NonNull<u8> = NonNull::new(base.cast()).expect("mmap does not map address zero");
        // A child of fork(2) must not share pages that the kernel writes to on our behalf. (Miri knows no madvise.)
        if !cfg!(miri) {
            // SAFETY: the range is the mapping just made.
            unsafe { libc::madvise(base.as_ptr().cast(), len, libc::MADV_DONTFORK) };
        }
        Ok(Mapping { base, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and whoever referred to it holds the `BufRing` alive.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
