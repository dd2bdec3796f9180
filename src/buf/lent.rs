//! A buffer of any type, as one type.

use std::any::Any;

use super::{Chunk, IoBuf};

/// A buffer whose type has been forgotten. Those that are mostly sent lie in it as they are, all others in a box.
pub(crate) enum Lent {
    Vec(Vec<u8>),
    Chunk(Chunk),
    Static(&'static [u8]),
    Other(Box<dyn IoBuf>),
}

impl Lent {
    #[inline(always)]
    pub(crate) fn new<B: IoBuf>(buffer: B) -> Lent {
        // What type it is, is known where this is compiled.
        let mut buffer = Some(buffer);
        if let Some(chunk) = take(&mut buffer) {
            Lent::Chunk(chunk)
        } else if let Some(vec) = take(&mut buffer) {
            Lent::Vec(vec)
        } else if let Some(bytes) = take(&mut buffer) {
            Lent::Static(bytes)
        } else {
            Lent::Other(Box::new(buffer.expect("nobody has taken it")))
        }
    }

    #[inline(always)]
    fn inner(&self) -> &dyn IoBuf {
        match self {
            Lent::Vec(vec) => vec,
            Lent::Chunk(chunk) => chunk,
            Lent::Static(bytes) => bytes,
            Lent::Other(buffer) => &**buffer,
        }
    }
}

/// Takes the buffer, if it is a `T`.
#[inline(always)]
fn take<B: IoBuf, T: IoBuf>(buffer: &mut Option<B>) -> Option<T> {
    let buffer: &mut dyn Any = buffer;
    buffer.downcast_mut::<Option<T>>()?.take()
}

// SAFETY: what is lent is an `IoBuf`, in here or in a box.
unsafe impl IoBuf for Lent {
    #[inline(always)]
    fn bytes_ptr(&self) -> *const u8 {
        self.inner().bytes_ptr()
    }

    #[inline(always)]
    fn bytes_len(&self) -> usize {
        self.inner().bytes_len()
    }
}
