//! The memory of large bodies that have been dropped, for those that come next.
//!
//! An allocator gives a large block that is freed back to the system, and takes a new one page by page, each with a
//! fault: for a body of 1 MiB that costs more than receiving it.
//!
//! A large body also begins at an address that is good for copying. Allocators put large blocks 16 bytes behind the
//! begin of a page. A server that sends a file from the page cache makes the kernel copy from the same place in a page,
//! less those 16 bytes; and to copy a few bytes ahead of the source, modulo a page, takes AMD's `rep movsb` twelve times
//! as long as anything else.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Smaller bodies are in the allocator's good hands.
pub(super) const SMALLEST: usize = 128 << 10;

/// Where a large body begins: a multiple of the size of a cache line.
const ALIGNMENT: usize = 64;

/// Spare memory of one client. It is dropped on whatever thread a body is dropped.
pub(super) struct Spare {
    limit: usize,
    /// Whether another body may come. Closed before the blocks are freed, and read while they are locked.
    open: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The last one is the warmest.
    blocks: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    /// Keeps at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Arc<Spare> {
        Arc::new(Spare {
            limit,
            open: AtomicBool::new(false),
            kept: Mutex::default(),
        })
    }

    /// Keeps what comes from now on.
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Frees what is kept, and keeps no more.
    pub(super) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
        let kept = std::mem::take(&mut *self.kept());
        drop(kept);
    }

    /// Memory for a body of `length` bytes, which begins behind what is in it. It is not much larger than that if it
    /// is some that was kept.
    pub(super) fn take(&self, length: usize) -> Vec<u8> {
        if length < SMALLEST {
            return Vec::with_capacity(length);
        }
        let capacity = length + ALIGNMENT;
        let mut block = self
            .take_kept(capacity)
            .unwrap_or_else(|| Vec::with_capacity(capacity));
        let padding = block.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        block.resize(padding, 0);
        block
    }

    fn take_kept(&self, capacity: usize) -> Option<Vec<u8>> {
        let mut kept = self.kept();
        let fits = |block: &Vec<u8>| (capacity..=2 * capacity).contains(&block.capacity());
        let at = kept.blocks.iter().rposition(fits)?;
        let block = kept.blocks.remove(at);
        kept.bytes -= block.capacity();
        Some(block)
    }

    /// Hands out the body that begins at `start` of `memory`, which comes back when the last view of it is dropped.
    pub(super) fn lend(self: &Arc<Spare>, memory: Vec<u8>, start: usize) -> Bytes {
        if memory.capacity() < SMALLEST && start == 0 {
            return memory.into();
        }
        Bytes::from_owner(Lent {
            memory,
            start,
            home: Arc::clone(self),
        })
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> usize {
        self.kept().bytes
    }

    fn put(&self, mut block: Vec<u8>) {
        if block.capacity() > self.limit {
            return;
        }
        block.clear();
        let mut surplus = Vec::new();
        let mut kept = self.kept();
        if !self.open.load(Ordering::Relaxed) {
            return;
        }
        kept.bytes += block.capacity();
        kept.blocks.push(block);
        while kept.bytes > self.limit {
            let coldest = kept.blocks.remove(0);
            kept.bytes -= coldest.capacity();
            surplus.push(coldest);
        }
        drop(kept);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spare")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// A body on loan.
struct Lent {
    memory: Vec<u8>,
    start: usize,
    home: Arc<Spare>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// A body of `length` bytes.
    fn lend(spare: &Arc<Spare>, length: usize) -> Bytes {
        let mut memory = spare.take(length);
        let start = memory.len();
        memory.resize(start + length, 1);
        let lent = spare.lend(memory, start);
        assert!(lent.len() == length && lent.iter().all(|byte| *byte == 1));
        lent
    }

    /// How many blocks are kept, all of about a MiB.
    fn kept(spare: &Spare) -> usize {
        let blocks = spare.kept().blocks.len();
        assert_eq!(spare.bytes(), blocks * (MIB + ALIGNMENT));
        blocks
    }

    fn opened(limit: usize) -> Arc<Spare> {
        let spare = Spare::new(limit);
        spare.open();
        spare
    }

    #[test]
    fn the_memory_of_a_dropped_body_serves_the_next() {
        let spare = opened(4 * MIB);
        let first = lend(&spare, MIB).as_ptr();
        assert_eq!(kept(&spare), 1);
        assert_eq!(lend(&spare, MIB).as_ptr(), first);
        assert_eq!(lend(&spare, MIB / 2).as_ptr(), first, "a smaller one");
        assert_eq!(kept(&spare), 1);
    }

    #[test]
    fn a_large_body_begins_at_a_cache_line() {
        let spare = opened(0);
        for length in [SMALLEST, MIB, MIB + 1, 40 * MIB] {
            assert!(
                lend(&spare, length)
                    .as_ptr()
                    .addr()
                    .is_multiple_of(ALIGNMENT)
            );
        }
        assert_eq!(kept(&spare), 0);
    }

    #[test]
    fn it_comes_back_with_the_last_view_and_from_another_thread() {
        let spare = opened(4 * MIB);
        let lent = lend(&spare, MIB);
        let view = lent.slice(1..2);
        drop(lent);
        assert_eq!(kept(&spare), 0);
        std::thread::spawn(|| drop(view)).join().unwrap();
        assert_eq!(kept(&spare), 1);
    }

    #[test]
    fn a_small_body_does_not_get_a_large_block() {
        let spare = opened(4 * MIB);
        lend(&spare, MIB);
        assert!(spare.take(MIB / 2 - ALIGNMENT).capacity() < MIB);
        assert_eq!(kept(&spare), 1);
    }

    #[test]
    fn no_more_than_the_limit_is_kept_and_the_coldest_goes_first() {
        let spare = opened(2 * MIB + MIB / 2);
        let lent = [(); 3].map(|()| lend(&spare, MIB));
        let last = lent[2].as_ptr();
        drop(lent);
        assert_eq!(kept(&spare), 2);
        assert_eq!(lend(&spare, MIB).as_ptr(), last);
        lend(&spare, 3 * MIB);
        assert_eq!(kept(&spare), 2, "larger than the limit");
        lend(&spare, SMALLEST - 1);
        assert_eq!(kept(&spare), 2, "not worth it");
    }

    #[test]
    fn nothing_is_kept_when_nothing_is_to_come() {
        let spare = opened(4 * MIB);
        let late = lend(&spare, MIB);
        lend(&spare, MIB);
        spare.close();
        assert_eq!(kept(&spare), 0);
        drop(late);
        assert_eq!(kept(&spare), 0);
    }
}
