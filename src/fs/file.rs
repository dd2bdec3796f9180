//! An open file.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;
use std::rc::Rc;

use super::{Metadata, OpenOptions};
use crate::buf::{BufResult, IoBuf, IoBufMut};
use crate::op::{CloseSignal, Fsync, Read, SharedFd, Statx, Write};
use crate::reactor::Core;
use crate::ring::reads_may_wait;

/// An open file. Dropping it closes it in the background; [`close`](File::close) waits for that.
///
/// Reads and writes name their offset and take `&self`, so that several can be in flight. The file closes when
/// the last of them has ended.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("eyewall-file-{}", std::process::id()));
/// # eyewall::block_on(async {
/// use eyewall::fs::File;
/// use futures_util::future::join;
///
/// let file = File::create(&path).await?;
/// let (front, back) = join(file.write_all_at("front ", 0), file.write_all_at("back", 6)).await;
/// front.0?;
/// back.0?;
/// file.sync_all().await?;
/// assert_eq!(file.metadata().await?.len(), 10);
/// file.close().await?;
/// # std::fs::remove_file(&path)
/// # })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct File {
    core: Rc<Core>,
    fd: SharedFd,
    /// Whether its reads may wait where they are submitted, once that is known.
    waits: Cell<Option<bool>>,
}

impl File {
    pub(super) fn new(core: &Rc<Core>, fd: SharedFd) -> File {
        File {
            core: Rc::clone(core),
            fd,
            waits: Cell::new(None),
        }
    }

    /// Opens a file for reading.
    ///
    /// # Errors, cancel safety
    ///
    /// As [`OpenOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Makes a file, or empties the one that is there, for writing.
    ///
    /// # Errors, cancel safety
    ///
    /// As [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let options = OpenOptions::new().write(true).create(true).truncate(true);
        options.open(path).await
    }

    /// Takes over a file that is already open. Reads and writes of one that is non-blocking (`O_NONBLOCK`), as others may have
    /// made a terminal or a pipe that they share with this program, wait all the same.
    ///
    /// # Errors
    ///
    /// Where no reactor runs on this thread.
    pub fn from_std(file: std::fs::File) -> io::Result<File> {
        let core = Core::current()?;
        let fd = core.share_file(file.into());
        Ok(File::new(&core, fd))
    }

    /// Reads from `offset` into `buffer`, from its start, as much as is there and fits; gives it back with the
    /// count. 0 means the end of the file.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a buffer without capacity, which would read as the end; otherwise as pread(2).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the buffer and nothing else; where there are no offsets, as in a pipe or a terminal, also
    /// what had been read by then.
    #[doc(alias = "IORING_OP_READ")]
    pub async fn read_at<B: IoBufMut>(&self, buffer: B, offset: u64) -> BufResult<usize, B> {
        if buffer.bytes_capacity() == 0 {
            let error = io::Error::new(
                io::ErrorKind::InvalidInput,
                "the buffer to read into has no capacity",
            );
            return (Err(error), buffer);
        }
        if let Err(error) = self.check(offset) {
            return (Err(error), buffer);
        }
        let read = Read {
            fd: self.fd.clone().into(),
            buffer,
            offset,
            aside: self.reads_may_wait(),
        };
        let (result, op) = self.core.submit(read).await;
        (self.core.explained(result), op.buffer)
    }

    /// Writes `buffer` at `offset`, as much as the kernel takes at once; gives it back with the count.
    ///
    /// # Errors
    ///
    /// As pwrite(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped write has not begun, or goes on; how much of it is written is then unknown. It is not cancelled: one that
    /// waits at a full pipe does so until there is room or no reader is left, and a [`close`](File::close) waits with it.
    #[doc(alias = "IORING_OP_WRITE")]
    pub async fn write_at<B: IoBuf>(&self, buffer: B, offset: u64) -> BufResult<usize, B> {
        if let Err(error) = self.check(offset) {
            return (Err(error), buffer);
        }
        let write = Write {
            fd: self.fd.clone().into(),
            buffer,
            offset,
        };
        let (result, op) = self.core.submit(write).await;
        (self.core.explained(result), op.buffer)
    }

    /// Writes all of `buffer` at `offset`; gives it back.
    ///
    /// # Errors
    ///
    /// As [`write_at`](File::write_at); a part may then be written.
    ///
    /// # Cancel safety
    ///
    /// As [`write_at`](File::write_at).
    pub async fn write_all_at<B: IoBuf>(&self, mut buffer: B, offset: u64) -> BufResult<(), B> {
        let mut written = 0;
        while written < buffer.bytes_len() {
            let rest = buffer.slice(written..);
            let (result, rest) = self.write_at(rest, offset + written as u64).await;
            buffer = rest.into_inner();
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buffer),
                Ok(count) => written += count,
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(()), buffer)
    }

    /// Waits until the content and the metadata are on the disk.
    ///
    /// # Errors
    ///
    /// As fsync(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped sync goes on, and whether the disk has it is unknown. The next one gives the error of those that were
    /// dropped and have ended, if it has none of its own, since the system tells what it could not write only once.
    #[doc(alias = "IORING_OP_FSYNC")]
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync(false).await
    }

    /// Waits until the content is on the disk, and what of the metadata is needed to read it.
    ///
    /// # Errors
    ///
    /// As fdatasync(2).
    ///
    /// # Cancel safety
    ///
    /// As [`sync_all`](File::sync_all).
    pub async fn sync_data(&self) -> io::Result<()> {
        self.sync(true).await
    }

    async fn sync(&self, data_only: bool) -> io::Result<()> {
        self.core.check_open()?;
        let fsync = Fsync::new(self.fd.clone(), data_only);
        let mut synced = self.core.explained(self.core.submit(fsync).await.0);
        // What this one has found in order, a dropped one may have found first. Told once, it is not told again.
        while let Some(earlier) = self.fd.outgoing().take() {
            synced = synced.and(earlier);
        }
        synced
    }

    /// What is known of the file.
    ///
    /// # Errors
    ///
    /// As statx(2).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only looks.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.core.check_open()?;
        let (answer, _) = self.core.submit(Statx::of_file(self.fd.clone())).await;
        self.core.explained(answer).map(Metadata::new)
    }

    /// Closes the file, after the operations on it that are in flight, and waits until that is done.
    ///
    /// # Errors
    ///
    /// As close(2), where some file systems report a failed write. The descriptor goes in any case.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    #[doc(alias = "IORING_OP_CLOSE")]
    pub async fn close(self) -> io::Result<()> {
        let signal = self.fd.close();
        // After a shutdown it has been closed on the spot.
        if !self.core.is_shut() {
            self.core.check_open()?;
        }
        poll_fn(|cx| CloseSignal::poll(&signal, cx)).await
    }

    fn reads_may_wait(&self) -> bool {
        let known = self.waits.get();
        let waits = known.unwrap_or_else(|| reads_may_wait(&self.fd));
        self.waits.set(Some(waits));
        waits
    }

    /// The ring takes an offset of -1 as "where the descriptor stands", which is not what was asked for.
    fn check(&self, offset: u64) -> io::Result<()> {
        if i64::try_from(offset).is_err() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no file is as long as this offset",
            ));
        }
        self.core.check_open()
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("fd", &self.fd.as_fd())
            .finish_non_exhaustive()
    }
}
