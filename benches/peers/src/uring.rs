//! A ring of provided buffers on the `io-uring` crate, for the hand-written loops and the generator.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use io_uring::{IoUring, types};

/// A ring set up as the fastest of the measured loops: completions are worked off when this thread asks.
pub fn ring(entries: u32) -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_clamp()
        .setup_cqsize(entries * 4)
        .build(entries)
}

/// How long to look for completions before going to sleep: 20 µs with `--spin` as an argument, otherwise not at all.
pub fn spin_argument() -> Duration {
    match std::env::args().any(|arg| arg == "--spin") {
        true => Duration::from_micros(20),
        false => Duration::ZERO,
    }
}

/// Submits what is staged and waits for so many completions, up to `spin` without going to sleep.
pub fn turn(ring: &mut IoUring, spin: Duration, completions: usize) -> io::Result<()> {
    if !spin.is_zero() {
        let end = Instant::now() + spin;
        loop {
            poll(ring)?;
            if ring.completion().len() >= completions {
                return Ok(());
            }
            if Instant::now() >= end {
                break;
            }
        }
    }
    match ring.submit_and_wait(completions) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

/// Submits what is staged and has completions posted, without waiting for one.
pub fn poll(ring: &mut IoUring) -> io::Result<()> {
    const GETEVENTS: u32 = 1;
    let staged = {
        let mut queue = ring.submission();
        queue.sync();
        queue.len() as u32
    };
    // SAFETY: no argument is passed that the kernel could read.
    match unsafe { ring.submitter().enter::<()>(staged, 0, GETEVENTS, None) } {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

/// Stages an operation, and submits first where the queue is full.
///
/// # Safety
///
/// What the operation points to must live until its completion.
pub unsafe fn push(ring: &mut IoUring, operation: &io_uring::squeue::Entry) -> io::Result<()> {
    // SAFETY: as promised by the caller.
    while unsafe { ring.submission().push(operation) }.is_err() {
        ring.submit()?;
    }
    Ok(())
}

/// Buffers that the kernel picks from when it receives.
pub struct BufferRing {
    entries: NonNull<types::BufRingEntry>,
    count: u16,
    size: usize,
    memory: Vec<u8>,
    tail: u16,
}

impl BufferRing {
    /// Registers `count` buffers (a power of two) of `size` bytes as `group`. The ring must end before this does,
    /// or the program with both.
    pub fn register(ring: &IoUring, group: u16, count: u16, size: usize) -> io::Result<BufferRing> {
        assert!(count.is_power_of_two());
        let bytes = usize::from(count) * size_of::<types::BufRingEntry>();
        // SAFETY: a new mapping at an address of the kernel's choice.
        let mapping = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if mapping == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let entries = NonNull::new(mapping.cast()).expect("a mapping is not at zero");
        // SAFETY: the mapping has room for `count` entries, is aligned to a page, and is never unmapped.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(mapping as u64, count, group, 0)?;
        }
        let mut buffers = BufferRing {
            entries,
            count,
            size,
            memory: vec![0; usize::from(count) * size],
            tail: 0,
        };
        for id in 0..count {
            buffers.give_back(id);
        }
        Ok(buffers)
    }

    /// The first `len` bytes of a buffer that the kernel has filled.
    pub fn bytes(&self, id: u16, len: usize) -> &[u8] {
        let start = usize::from(id) * self.size;
        &self.memory[start..start + len]
    }

    /// Lets the kernel use a buffer again.
    pub fn give_back(&mut self, id: u16) {
        let slot = usize::from(self.tail & (self.count - 1));
        let address = &raw mut self.memory[usize::from(id) * self.size];
        // SAFETY: `slot` is below `count`; the kernel reads an entry only once the tail is past it.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(slot);
            entry.set_addr(address as u64);
            entry.set_len(self.size as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies within the first entry, and is only ever accessed as an atomic.
        unsafe {
            let tail = types::BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}
