//! The memory of large bodies that have been dropped, for those that come next.
//!
//! An allocator gives a large block that is freed back to the system, and takes a new one page by page, each with a
//! fault: for a body of 1 MiB that costs more than receiving it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Smaller bodies are in the allocator's good hands.
const SMALLEST: usize = 128 << 10;

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

    /// An empty vector of at least this capacity, and not much more if it is one that was kept.
    pub(super) fn take(&self, capacity: usize) -> Vec<u8> {
        if capacity >= SMALLEST {
            let mut kept = self.kept();
            let fits = |block: &Vec<u8>| (capacity..=2 * capacity).contains(&block.capacity());
            if let Some(at) = kept.blocks.iter().rposition(fits) {
                let block = kept.blocks.remove(at);
                kept.bytes -= block.capacity();
                return block;
            }
        }
        Vec::with_capacity(capacity)
    }

    /// Hands a body out, whose memory comes back when the last view of it is dropped.
    pub(super) fn lend(self: &Arc<Spare>, body: Vec<u8>) -> Bytes {
        if !(SMALLEST..=self.limit).contains(&body.capacity()) {
            return body.into();
        }
        Bytes::from_owner(Lent {
            body,
            home: Arc::clone(self),
        })
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> usize {
        self.kept().bytes
    }

    fn put(&self, mut block: Vec<u8>) {
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
    body: Vec<u8>,
    home: Arc<Spare>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// Lends a body of `bytes` bytes and drops it; says where it was.
    fn pass(spare: &Arc<Spare>, bytes: usize) -> *const u8 {
        let mut body = spare.take(bytes);
        body.resize(bytes, 1);
        let lent = spare.lend(body);
        assert_eq!(lent.len(), bytes);
        lent.as_ptr()
    }

    fn kept(spare: &Spare) -> (usize, usize) {
        let kept = spare.kept();
        (kept.blocks.len(), kept.bytes)
    }

    fn opened(limit: usize) -> Arc<Spare> {
        let spare = Spare::new(limit);
        spare.open();
        spare
    }

    #[test]
    fn the_memory_of_a_dropped_body_serves_the_next() {
        let spare = opened(4 * MIB);
        let first = pass(&spare, MIB);
        assert_eq!(kept(&spare), (1, MIB));
        assert_eq!(pass(&spare, MIB), first);
        assert_eq!(pass(&spare, MIB / 2), first, "a smaller one");
        assert_eq!(kept(&spare), (1, MIB));
    }

    #[test]
    fn it_comes_back_with_the_last_view_and_from_another_thread() {
        let spare = opened(4 * MIB);
        let lent = spare.lend(vec![1; MIB]);
        let view = lent.slice(1..2);
        drop(lent);
        assert_eq!(kept(&spare), (0, 0));
        std::thread::spawn(|| drop(view)).join().unwrap();
        assert_eq!(kept(&spare), (1, MIB));
        assert!(spare.take(MIB).is_empty(), "nothing of it is left");
    }

    #[test]
    fn a_small_body_does_not_get_a_large_block() {
        let spare = opened(4 * MIB);
        pass(&spare, MIB);
        assert!(spare.take(MIB / 2 - 1).capacity() < MIB);
        assert_eq!(kept(&spare).0, 1);
    }

    #[test]
    fn no_more_than_the_limit_is_kept_and_the_coldest_goes_first() {
        let spare = opened(2 * MIB + MIB / 2);
        let lent: Vec<Bytes> = (0..3).map(|_| spare.lend(vec![1; MIB])).collect();
        let last = lent[2].as_ptr();
        drop(lent);
        assert_eq!(kept(&spare), (2, 2 * MIB));
        assert_eq!(pass(&spare, MIB), last);
        drop(spare.lend(vec![1; 3 * MIB]));
        assert_eq!(kept(&spare), (2, 2 * MIB), "larger than the limit");
        drop(spare.lend(vec![1; SMALLEST - 1]));
        assert_eq!(kept(&spare), (2, 2 * MIB), "not worth it");
    }

    #[test]
    fn nothing_is_kept_when_nothing_is_to_come() {
        let spare = opened(4 * MIB);
        let late = spare.lend(vec![1; MIB]);
        pass(&spare, MIB);
        spare.close();
        assert_eq!(kept(&spare), (0, 0));
        drop(late);
        assert_eq!(kept(&spare), (0, 0));
    }
}
