//! The kernel's side of the provided buffer ring: which buffers can be picked.

use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use crate::ring::BufRing;

/// What a [`BufRing`] offers.
pub(super) struct Offered {
    entries: *const BufRingEntry,
    count: u16,
    head: u16,
}

/// A buffer that may be written to, until it has been offered again.
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    pub(super) id: u16,
    pub(super) data: *mut u8,
    pub(super) len: usize,
}

impl Offered {
    /// Those of `buffers`, which stay where they are until the ring has been told otherwise, or has gone.
    pub(super) fn new(buffers: &BufRing) -> Offered {
        Offered {
            entries: buffers.address() as *const BufRingEntry,
            count: buffers.count(),
            head: 0,
        }
    }

    /// The next buffer, which stays offered until it is [taken](Offered::take).
    pub(super) fn first(&self) -> Option<Buffer> {
        // SAFETY: the mapping is live until the buffers are unregistered, which drops `self`; the tail lies in the first
        // entry.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        if tail.load(Ordering::Acquire) == self.head {
            return None;
        }
        let at = usize::from(self.head & (self.count - 1));
        // SAFETY: the index is masked to the ring, and the entry is before the tail, so that nobody writes to it.
        let entry = unsafe { &*self.entries.add(at) };
        Some(Buffer {
            id: entry.bid(),
            data: entry.addr() as *mut u8,
            len: entry.len() as usize,
        })
    }

    /// The first buffer is somebody's now.
    pub(super) fn take(&mut self) {
        self.head = self.head.wrapping_add(1);
    }
}
