//! Memory that chunks show parts of, counted.

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

use super::Pool;

/// What all chunks of one buffer share. It stands at the start of a [`PooledView`] or an [`OwnedView`], so that one
/// pointer tells a chunk all that it has to know: a connection that waits keeps room for a chunk or two.
pub(super) struct View {
    /// How many chunks there are; 0 while the buffer is the kernel's. So wide also where a pointer is not, since chunks
    /// can be forgotten: no number of clones brings it to its end.
    pub(super) chunks: Cell<u64>,
    /// Where the bytes start.
    pub(super) bytes: *const u8,
    /// Frees memory of its own. It wants the start of an `OwnedView` that nobody uses any more.
    free: Option<unsafe fn(NonNull<View>)>,
}

/// One buffer of a pool.
#[repr(C)]
pub(super) struct PooledView {
    view: View,
    id: u16,
    /// While there are chunks; so those keep the pool, and with it this and the buffer.
    pool: Cell<Option<Rc<Pool>>>,
}

/// Memory of its own, with what keeps it.
#[repr(C)]
struct OwnedView<K> {
    view: View,
    _keeper: K,
}

impl PooledView {
    /// That of buffer `id`, which starts at `bytes` and has no chunk.
    pub(super) fn new(id: u16, bytes: *const u8) -> PooledView {
        PooledView {
            view: View {
                chunks: Cell::new(0),
                bytes,
                free: None,
            },
            id,
            pool: Cell::new(None),
        }
    }

    /// Counts the first chunk of the buffer, which `pool` has.
    ///
    /// # Panics
    ///
    /// If there is one already.
    #[inline(always)]
    pub(super) fn claim(&self, pool: &Rc<Pool>) -> NonNull<View> {
        let id = self.id;
        assert_eq!(
            self.view.chunks.get(),
            0,
            "the kernel handed over buffer {id}, which is in use"
        );
        self.view.chunks.set(1);
        let before = self.pool.replace(Some(Rc::clone(pool)));
        debug_assert!(before.is_none(), "it goes with the last chunk");
        // So there is nothing to be dropped, which takes a look at it.
        std::mem::forget(before);
        NonNull::from(self).cast()
    }
}

impl View {
    /// The view of what `keeper` keeps, with its first chunk. `bytes` says where the bytes start, once `keeper` is
    /// where it stays.
    pub(super) fn owned<K: 'static>(
        keeper: K,
        bytes: impl FnOnce(&K) -> *const u8,
    ) -> NonNull<View> {
        let mut owned = Box::new(OwnedView {
            view: View {
                chunks: Cell::new(1),
                bytes: std::ptr::null(),
                free: Some(free::<K>),
            },
            _keeper: keeper,
        });
        owned.view.bytes = bytes(&owned._keeper);
        NonNull::from(Box::leak(owned)).cast()
    }

    pub(super) fn is_pooled(&self) -> bool {
        self.free.is_none()
    }

    /// Counts a chunk less; after the last a pooled buffer is provided again, and other memory is freed.
    ///
    /// # Safety
    ///
    /// The caller gives up a chunk that has been counted.
    #[inline]
    pub(super) unsafe fn release(view: NonNull<View>) {
        // SAFETY: the chunk has kept it until now.
        let (chunks, free) = unsafe { (&view.as_ref().chunks, view.as_ref().free) };
        let left = chunks.get() - 1;
        chunks.set(left);
        if left > 0 {
            return;
        }
        match free {
            // SAFETY: only an `OwnedView` has this, which is of the type that it was made for. It was the last chunk.
            Some(free) => unsafe { free(view) },
            // SAFETY: a view without it is the start of a `PooledView`.
            None => unsafe { give_back(view) },
        }
    }
}

/// # Safety
///
/// `view` is the start of a [`PooledView`] whose last chunk has just gone.
#[inline]
unsafe fn give_back(view: NonNull<View>) {
    let view = view.cast::<PooledView>();
    // SAFETY: as the caller says. The pool has it, and the pool is still kept.
    let (id, pool) = unsafe { (view.as_ref().id, view.as_ref().pool.take()) };
    if let Some(pool) = pool {
        pool.give_back(id);
    }
}

/// # Safety
///
/// `view` is the start of an `OwnedView<K>` that nobody uses any more.
unsafe fn free<K>(view: NonNull<View>) {
    // SAFETY: as the caller says; it comes from a box.
    drop(unsafe { Box::from_raw(view.cast::<OwnedView<K>>().as_ptr()) });
}
