//! Memory that is used again.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

use super::header::{Header, free};

/// How much memory an executor keeps, in bytes, and how large a block of it may be: two thousand of the smallest tasks,
/// which come and go by the thousand.
const KEPT: usize = 256 << 10;
const LARGEST: usize = 1 << 10;

/// Memory of tasks that have gone, for the next ones: whoever spawns a small task often does so again and again, and the
/// allocator took a quarter of the time of that. All blocks have one layout, that of the first that comes when there is
/// none, so that looking for one takes no time either.
pub(in crate::task) struct Spare {
    first: Cell<Option<NonNull<Header>>>,
    bytes: Cell<usize>,
    layout: Cell<Layout>,
}

impl Spare {
    pub(in crate::task) fn new() -> Spare {
        Spare {
            first: Cell::new(None),
            bytes: Cell::new(0),
            layout: Cell::new(Layout::new::<Header>()),
        }
    }

    /// Memory for a task.
    #[inline]
    pub(super) fn get(&self, layout: Layout) -> NonNull<Header> {
        if layout == self.layout.get()
            && let Some(spare) = self.pop()
        {
            return spare;
        }
        allocate(layout)
    }

    #[inline]
    fn pop(&self) -> Option<NonNull<Header>> {
        let spare = self.first.get()?;
        // SAFETY: `put` has left the next one here.
        self.first.set(unsafe { spare.cast().read() });
        self.bytes.set(self.bytes.get() - self.layout.get().size());
        Some(spare)
    }

    /// Takes the memory of a task.
    ///
    /// # Safety
    ///
    /// As for [`free`].
    pub(super) unsafe fn put(&self, task: NonNull<Header>) {
        // SAFETY: as the caller says.
        let layout = unsafe { task.as_ref() }.vtable.layout;
        if layout != self.layout.get() && !self.adopt(layout) {
            // SAFETY: as the caller says.
            unsafe { free(task) };
            return;
        }
        let bytes = self.bytes.get() + layout.size();
        // SAFETY: as the caller says; and a header has room for a pointer.
        unsafe {
            if bytes > KEPT {
                free(task);
            } else {
                task.cast().write(self.first.replace(Some(task)));
                self.bytes.set(bytes);
            }
        }
    }

    /// Whether blocks of another layout are kept from now on. While there are others, one of those gives way.
    #[cold]
    fn adopt(&self, layout: Layout) -> bool {
        if layout.size() > LARGEST || self.shrink() {
            return false;
        }
        self.layout.set(layout);
        true
    }

    /// Gives a block back to the allocator.
    fn shrink(&self) -> bool {
        let Some(spare) = self.pop() else {
            return false;
        };
        // SAFETY: `allocate` has made it with this layout.
        unsafe { dealloc(spare.as_ptr().cast(), self.layout.get()) };
        true
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        while self.shrink() {}
    }
}

#[inline(never)]
fn allocate(layout: Layout) -> NonNull<Header> {
    // SAFETY: a header has a size.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}
