//! Memory that is used again.

use std::alloc::{Layout, dealloc};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Memory of boxes that have been emptied, for the next ones of the same size. Operations come and go with each send
/// and each receive, and the allocator took a tenth of the time of those.
#[derive(Default)]
pub(crate) struct Spares {
    /// By size: of one word, of two, and so on.
    sizes: [Size; LARGEST],
}

/// How many words a block may have, and how many blocks of a size are kept.
const LARGEST: usize = 16;
const KEPT: u32 = 64;

type Word = u64;

#[derive(Default)]
struct Size {
    first: Cell<Option<Block>>,
    count: Cell<u32>,
}

/// A block that nobody uses; in it stands the next one.
type Block = NonNull<Next>;
struct Next(Option<Block>);

const _: () = assert!(Layout::new::<Next>().size() <= size_of::<Word>());

/// The layout of the blocks of this many words.
const fn layout(words: usize) -> Layout {
    let size = words * size_of::<Word>();
    match Layout::from_size_align(size, align_of::<Word>()) {
        Ok(layout) => layout,
        Err(_) => panic!("it is small"),
    }
}

/// How many words a `T` takes, if memory for it is kept.
const fn words<T>() -> Option<usize> {
    let words = size_of::<T>() / size_of::<Word>();
    let fits = words > 0
        && words <= LARGEST
        && layout(words).size() == size_of::<T>()
        && layout(words).align() == align_of::<T>();
    match fits {
        true => Some(words),
        false => None,
    }
}

impl Spares {
    #[inline(always)]
    fn size<T>(&self) -> Option<&Size> {
        const { words::<T>() }.map(|words| &self.sizes[words - 1])
    }

    /// A box to be written to.
    #[inline(always)]
    pub(crate) fn boxed<T>(&self) -> Box<MaybeUninit<T>> {
        match self.size::<T>().and_then(Size::pop) {
            // SAFETY: `unbox` has taken it from a box of this layout, and nobody uses it.
            Some(block) => unsafe { Box::from_raw(block.cast().as_ptr()) },
            None => Box::new_uninit(),
        }
    }

    /// Takes the value out of its box.
    #[inline(always)]
    pub(crate) fn unbox<T>(&self, boxed: Box<T>) -> T {
        let memory = Box::into_raw(boxed);
        // SAFETY: it is there, and from here on the memory counts as without a value.
        let value = unsafe { memory.read() };
        // SAFETY: as above.
        let memory = unsafe { Box::from_raw(memory.cast::<MaybeUninit<T>>()) };
        if let Some(size) = self.size::<T>().filter(|size| size.count.get() < KEPT) {
            let block: Block = NonNull::from(Box::leak(memory)).cast();
            // SAFETY: it has room for a word, of the alignment of one, and nobody else uses it.
            unsafe { block.write(Next(size.first.get())) };
            size.first.set(Some(block));
            size.count.set(size.count.get() + 1);
        }
        value
    }

    /// How many blocks are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> u32 {
        self.sizes.iter().map(|size| size.count.get()).sum()
    }
}

impl Size {
    #[inline(always)]
    fn pop(&self) -> Option<Block> {
        let block = self.first.get()?;
        // SAFETY: `unbox` has left the next one here.
        self.first.set(unsafe { block.read() }.0);
        self.count.set(self.count.get() - 1);
        Some(block)
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for (size, words) in self.sizes.iter().zip(1..) {
            while let Some(block) = size.pop() {
                // SAFETY: it was that of a box, which had this layout.
                unsafe { dealloc(block.as_ptr().cast(), layout(words)) };
            }
        }
    }
}
