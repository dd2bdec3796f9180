//! A counted view of received bytes.

use std::fmt;
use std::ops::{Deref, RangeBounds};
use std::rc::Rc;

use super::erased::Bytes;
use super::slice::bounds;
use super::{IoBuf, Pool};

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
    memory: Memory,
    start: u32,
    len: u32,
}

enum Memory {
    /// A buffer of the pool, counted there. The id takes a whole word, so that a chunk is moved by words.
    Pooled { pool: Rc<Pool>, id: usize },
    /// Memory of its own.
    Owned(Rc<dyn Bytes>),
}

impl Chunk {
    /// The first `len` bytes of pool buffer `id`, which a completion has just handed over.
    #[inline]
    pub(super) fn pooled(pool: Rc<Pool>, id: u16, len: u32) -> Chunk {
        Chunk {
            memory: Memory::Pooled {
                pool,
                id: usize::from(id),
            },
            start: 0,
            len,
        }
    }

    /// All initialised bytes of a buffer.
    pub(crate) fn owned<B: IoBuf>(buffer: B) -> Chunk {
        let len = super::sqe_len(buffer.bytes_len());
        Chunk {
            memory: Memory::Owned(Rc::new(buffer)),
            start: 0,
            len,
        }
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
        let memory: Rc<dyn Bytes> = Rc::clone(buffer) as Rc<dyn Bytes>;
        Ok(Chunk {
            memory: Memory::Owned(memory),
            start: 0,
            len,
        })
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
    fn clone(&self) -> Chunk {
        let memory = match &self.memory {
            Memory::Pooled { pool, id } => {
                pool.retain(*id);
                Memory::Pooled {
                    pool: Rc::clone(pool),
                    id: *id,
                }
            }
            Memory::Owned(buffer) => Memory::Owned(Rc::clone(buffer)),
        };
        Chunk { memory, ..*self }
    }
}

impl Drop for Chunk {
    #[inline]
    fn drop(&mut self) {
        if let Memory::Pooled { pool, id } = &self.memory {
            pool.release(*id);
        }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.memory {
            // SAFETY: this view is counted, so the buffer has not been provided again; `start` and `len` only
            // ever shrink within what the completion said was written.
            Memory::Pooled { pool, id } => unsafe { pool.bytes(*id, self.start, self.len) },
            Memory::Owned(buffer) => {
                &buffer.as_bytes()[self.start as usize..(self.start + self.len) as usize]
            }
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
            .field("pooled", &matches!(self.memory, Memory::Pooled { .. }))
            .finish()
    }
}
