//! Chunks without a ring, so that Miri can look at how their memory is counted (`scripts/miri.sh`).

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Wake, Waker};

#[cfg(feature = "__tls")]
use super::fill_from;
use super::{Chunk, IoBuf, Pool, Spares};
use crate::ring::{BufRing, Cqe};

/// A buffer that tells whether it is still there.
struct Told {
    bytes: Vec<u8>,
    _there: Rc<()>,
}

// SAFETY: its bytes are those of the vector.
unsafe impl IoBuf for Told {
    fn bytes_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}

/// A buffer, and what goes with it.
fn told(bytes: &[u8]) -> (Told, Weak<()>) {
    let there = Rc::new(());
    let gone = Rc::downgrade(&there);
    let told = Told {
        bytes: bytes.to_vec(),
        _there: there,
    };
    (told, gone)
}

/// The completion of a receive of `len` bytes into buffer `id`.
fn received(id: u16, len: i32) -> Cqe {
    const IORING_CQE_F_BUFFER: u32 = 1;
    Cqe {
        user_data: 1,
        result: len,
        flags: IORING_CQE_F_BUFFER | u32::from(id) << 16,
    }
}

fn pool(count: u16) -> Rc<Pool> {
    Pool::new(BufRing::new(count, 64).unwrap())
}

/// As the reactor does with each completion, and then the stream.
fn claim(pool: &Rc<Pool>, id: u16, len: i32) -> Chunk {
    let cqe = received(id, len);
    pool.reaped(cqe);
    pool.claim(cqe).unwrap()
}

#[test]
fn memory_of_its_own_goes_with_the_last_chunk() {
    let (buffer, gone) = told(b"one two three");
    let mut rest = Chunk::owned(buffer);
    let one = rest.split_to(3);
    rest.advance(1);
    let three = rest.slice_ref(4..);
    let moved = Box::new(rest.clone());
    drop(rest);
    assert_eq!((&one[..], &three[..]), (&b"one"[..], &b"three"[..]));
    drop((one, three));
    assert_eq!(&moved[..], b"two three");
    assert!(gone.upgrade().is_some());
    drop(moved);
    assert!(gone.upgrade().is_none());
}

#[test]
fn a_boxed_slice_and_nothing_at_all_can_be_shown() {
    let boxed: Box<[u8]> = Box::from(&b"boxed"[..]);
    assert_eq!(&Chunk::owned(boxed)[..], b"boxed");
    assert!(Chunk::owned(Vec::new()).is_empty());
    assert!(Chunk::owned("").slice_ref(..).is_empty());
}

/// Clones of a buffer with "one two" show the same bytes, wherever they are moved to and in whatever order they go.
fn shown_many_times<B: IoBuf + Clone>(text: B) {
    let first = Chunk::owned(text.clone());
    let moved = Box::new(Chunk::owned(text.clone()));
    let (one, boxed) = (first.slice_ref(..3), Box::new(text));
    let address = first.as_ptr();
    assert_eq!((boxed.bytes_ptr(), boxed.bytes_len()), (address, 7));
    drop((first, boxed));
    assert_eq!((&one[..], &moved[..]), (&b"one"[..], &b"one two"[..]));
    drop(one);
    assert_eq!((moved.as_ptr(), &moved[4..]), (address, &b"two"[..]));
}

#[test]
fn what_is_counted_or_static_is_shown_many_times_and_stays_where_it_is() {
    shown_many_times::<Rc<[u8]>>(Rc::from(*b"one two"));
    shown_many_times::<Rc<str>>("one two".into());
    shown_many_times::<Arc<[u8]>>(Arc::from(*b"one two"));
    shown_many_times::<Arc<str>>("one two".into());
    shown_many_times::<&'static [u8; 7]>(b"one two");
}

#[test]
fn who_shares_a_lent_buffer_cannot_change_it() {
    let mut text: Rc<[u8]> = Rc::from(*b"old");
    let chunk = Chunk::owned(Rc::clone(&text));
    assert!(Rc::get_mut(&mut text).is_none());
    Rc::make_mut(&mut text).copy_from_slice(b"new");
    assert_eq!((&chunk[..], &text[..]), (&b"old"[..], &b"new"[..]));
}

#[cfg(feature = "http")]
#[test]
fn a_shared_buffer_comes_back_when_its_chunks_have_gone() {
    let (buffer, gone) = told(b"lent");
    let buffer = Rc::new(buffer);
    let chunk = Chunk::shared(&buffer).unwrap();
    let part = chunk.slice_ref(1..3);
    drop(chunk);
    let buffer = Rc::try_unwrap(buffer).map(drop).unwrap_err();
    assert_eq!(&part[..], b"en");
    drop(part);
    assert!(gone.upgrade().is_some());
    assert_eq!(Rc::into_inner(buffer).unwrap().bytes, b"lent");
}

/// Says that it is so long, and is never looked at.
#[cfg(feature = "http")]
struct Long(usize);

// SAFETY: nobody looks at bytes that are refused.
#[cfg(feature = "http")]
unsafe impl IoBuf for Long {
    fn bytes_ptr(&self) -> *const u8 {
        std::ptr::NonNull::dangling().as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.0
    }
}

#[cfg(feature = "http")]
#[test]
fn what_is_too_long_for_a_chunk_is_refused() {
    let error = Chunk::whole(Long(1 << 32)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let error = Chunk::shared(&Rc::new(Long(1 << 31))).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(Chunk::whole(b"short".to_vec()).unwrap().len(), 5);
}

#[test]
fn a_pooled_buffer_is_provided_again_after_the_last_chunk() {
    let pool = pool(4);
    for _ in 0..3 {
        let first = claim(&pool, 1, 10);
        let second = claim(&pool, 2, 0);
        assert_eq!((first.len(), second.len()), (10, 0));
        assert_eq!(pool.available(), 2);
        let part = first.slice_ref(2..4);
        drop(first);
        assert_eq!(&part[..], [0, 0]);
        assert_eq!(pool.available(), 2);
        drop(part);
        assert_eq!(pool.available(), 3);
        drop(second);
        assert_eq!(pool.available(), 4);
    }
    assert_eq!(Rc::strong_count(&pool), 1);
}

#[test]
fn who_is_woken_for_a_buffer_may_give_one_back() {
    thread_local! {
        static KEPT: Cell<Option<Chunk>> = const { Cell::new(None) };
    }
    struct GivesBack;
    impl Wake for GivesBack {
        fn wake(self: Arc<Self>) {
            drop(KEPT.take());
        }
    }
    let pool = pool(2);
    let first = claim(&pool, 0, 5);
    KEPT.set(Some(claim(&pool, 1, 5)));
    let waker = Waker::from(Arc::new(GivesBack));
    pool.park(&waker);
    pool.park(Waker::noop());
    drop(first);
    assert_eq!(pool.available(), 2);
    // Each buffer is for one.
    assert!(!pool.has_parked());
    pool.park(&waker);
    assert_eq!(pool.unpark_all().len(), 1);
    assert!(!pool.has_parked());
}

#[cfg(feature = "__tls")]
#[test]
fn what_is_filled_in_behind_the_first_bytes_ends_with_the_buffer() {
    let mut buffer = [1, 2, 3, 0, 0].to_vec().into_boxed_slice();
    assert_eq!(fill_from(&mut buffer, 3, b"too much"), 2);
    assert_eq!(&buffer[..], [1, 2, 3, b't', b'o']);
}

#[test]
fn a_chunk_keeps_its_pool() {
    let pool = pool(2);
    let gone = Rc::downgrade(&pool);
    let chunk = claim(&pool, 0, 5);
    let other = chunk.clone();
    drop(pool);
    drop(chunk);
    assert_eq!(&other[..], [0; 5]);
    assert!(gone.upgrade().is_some());
    drop(other);
    assert!(gone.upgrade().is_none());
}

#[test]
#[should_panic(expected = "which is in use")]
fn a_buffer_that_is_handed_over_twice_is_a_bug() {
    let pool = pool(2);
    let _chunk = claim(&pool, 0, 5);
    claim(&pool, 0, 5);
}

#[test]
fn memory_of_an_emptied_box_is_used_again_by_what_has_its_size() {
    let spares = Spares::default();
    let boxed = Box::write(spares.boxed(), (vec![1], 2_u64));
    let memory = (&raw const *boxed).addr();
    let (vec, number) = spares.unbox(boxed);
    assert_eq!((vec, number), (vec![1], 2));
    // Of another size.
    let other = Box::write(spares.boxed(), 3_u64);
    let again = Box::write(spares.boxed(), [4_u64; 4]);
    assert_eq!((&raw const *again).addr(), memory);
    // Freed as any box.
    drop(again);
    assert_eq!(spares.unbox(other), 3);
}

#[test]
fn what_is_too_large_or_has_no_size_is_boxed_all_the_same() {
    let spares = Spares::default();
    for _ in 0..2 {
        let large = Box::write(spares.boxed(), [5_u64; 17]);
        assert_eq!(spares.unbox(large), [5; 17]);
        let bytes = Box::write(spares.boxed(), [6_u8; 13]);
        assert_eq!(spares.unbox(bytes), [6; 13]);
        let aligned = Box::write(spares.boxed(), 7_u128);
        assert_eq!(spares.unbox(aligned), 7);
        spares.unbox(Box::write(spares.boxed(), ()));
        assert_eq!(spares.kept(), 0);
    }
    let largest = Box::write(spares.boxed(), [8_u64; 16]);
    assert_eq!(spares.unbox(largest), [8; 16]);
    assert_eq!(spares.kept(), 1);
}

#[test]
fn no_more_memory_is_kept_than_is_said() {
    let spares = Spares::default();
    let boxes: Vec<Box<u64>> = (0..1_000).map(|_| Box::write(spares.boxed(), 8)).collect();
    for boxed in boxes {
        assert_eq!(spares.unbox(boxed), 8);
    }
    assert_eq!(spares.kept(), 64);
    let again: Vec<Box<u64>> = (0..1_000).map(|_| Box::write(spares.boxed(), 9)).collect();
    assert!(again.iter().all(|boxed| **boxed == 9));
    assert_eq!(spares.kept(), 0);
}
