//! A counted view of received bytes.

use std::fmt;
use std::ops::{Deref, RangeBounds};
use std::ptr::NonNull;
#[cfg(feature = "http")]
use std::rc::Rc;

use super::IoBuf;
use super::slice::bounds;
use super::view::View;

/// Received bytes, held in one of the reactor's pooled buffers.
///
/// A chunk is a view with a count: cloning it and [slicing](Chunk::slice_ref) it copy nothing, and when the
/// last view of a buffer is dropped the buffer goes back to the kernel. **Keep chunks short**: the pool is
/// shared by all streams of the reactor, and a stream that finds it empty waits or falls back to memory of
/// its own. Copy what you keep ([`to_vec`](slice::to_vec)).
///
/// Derefs to `[u8]`, and can be sent as it is ([`IoBuf`]).
///
/// ```
/// # use eyewall::net::{TcpListener, TcpStream};
/// # eyewall::block_on(async {
/// # let mut listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let address = listener.local_addr()?;
/// let mut client = TcpStream::connect(address).await?;
/// let (mut server, _) = listener.accept().await?;
/// client.send_all("one two").await.0?;
///
/// let chunk = server.recv_chunk().await?.expect("not the end yet");
/// let two = chunk.slice_ref(4..);
/// drop(chunk);
/// assert_eq!(&two[..], b"two");
/// # Ok::<(), std::io::Error>(()) })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Chunk {
    /// Of which this one is counted.
    view: NonNull<View>,
    start: u32,
    len: u32,
}

/// The future of whoever waits for one, or sends one, keeps room for it: the state of an idle connection.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Option<Chunk>>() == 16);

impl Chunk {
    /// The first `len` bytes of `view`, which counts this chunk already.
    #[inline]
    pub(super) fn of(view: NonNull<View>, len: u32) -> Chunk {
        Chunk {
            view,
            start: 0,
            len,
        }
    }

    /// All initialised bytes of a buffer; of one of 4 GiB or more, which no operation of the kernel fills, the first.
    pub(crate) fn owned<B: IoBuf>(buffer: B) -> Chunk {
        let len = u32::try_from(buffer.bytes_len()).unwrap_or(u32::MAX);
        Chunk::of(View::owned(buffer, B::bytes_ptr), len)
    }

    /// All initialised bytes of a buffer of any size.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a buffer that is too large for a chunk.
    #[cfg(feature = "http")]
    pub(crate) fn whole<B: IoBuf>(buffer: B) -> std::io::Result<Chunk> {
        if u32::try_from(buffer.bytes_len()).is_err() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "a buffer of 4 GiB or more: give it in parts",
            ));
        }
        Ok(Chunk::owned(buffer))
    }

    /// All initialised bytes of a buffer that its owner gets back once this chunk has gone.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a buffer that is too large for one operation of the kernel.
    #[cfg(feature = "http")]
    pub(crate) fn shared<B: IoBuf>(buffer: &Rc<B>) -> std::io::Result<Chunk> {
        let len = super::sqe_len(buffer.bytes_len());
        if len as usize != buffer.bytes_len() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "a buffer of 2 GiB or more: give it in parts",
            ));
        }
        let view = View::owned(Rc::clone(buffer), |buffer| buffer.bytes_ptr());
        Ok(Chunk::of(view, len))
    }

    #[inline]
    fn view(&self) -> &View {
        // SAFETY: it is there as long as it counts a chunk, which this is.
        unsafe { self.view.as_ref() }
    }

    /// A view of a part of this chunk; copies nothing.
    ///
    /// # Panics
    ///
    /// If the range does not lie within the chunk.
    pub fn slice_ref(&self, range: impl RangeBounds<usize>) -> Chunk {
        let (start, end) = bounds(&range, self.len());
        assert!(
            start <= end && end <= self.len(),
            "range {start}..{end} of a chunk of {} bytes",
            self.len()
        );
        let mut view = self.clone();
        view.start += start as u32;
        view.len = (end - start) as u32;
        view
    }

    /// Splits off the first `at` bytes; this chunk keeps the rest. Copies nothing.
    ///
    /// # Panics
    ///
    /// If the chunk is shorter.
    pub fn split_to(&mut self, at: usize) -> Chunk {
        let front = self.slice_ref(..at);
        self.start += at as u32;
        self.len -= at as u32;
        front
    }

    /// Drops the first `count` bytes from the view.
    ///
    /// # Panics
    ///
    /// If the chunk is shorter.
    pub fn advance(&mut self, count: usize) {
        assert!(
            count <= self.len(),
            "advance by {count} in a chunk of {} bytes",
            self.len()
        );
        self.start += count as u32;
        self.len -= count as u32;
    }
}

impl Clone for Chunk {
    #[inline]
    fn clone(&self) -> Chunk {
        let chunks = &self.view().chunks;
        chunks.set(chunks.get() + 1);
        Chunk { ..*self }
    }
}

impl Drop for Chunk {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it was counted, and gives itself up.
        unsafe { View::release(self.view) };
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes are there and unchanged while the view counts this chunk: a pooled buffer is not provided,
        // and other memory is an `IoBuf` that nobody touches. `start` and `len` only ever shrink within what was
        // initialised.
        unsafe {
            let start = self.view().bytes.add(self.start as usize);
            std::slice::from_raw_parts(start, self.len as usize)
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

// SAFETY: pooled memory is mapped until the last chunk has gone, and counted; owned memory is an IoBuf.
unsafe impl IoBuf for Chunk {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline]
    fn bytes_len(&self) -> usize {
        self.len as usize
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("len", &self.len)
            .field("pooled", &self.view().is_pooled())
            .finish()
    }
}
