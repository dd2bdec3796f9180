//! Files, without holding up the thread.
//!
//! Opening, reading, writing and syncing are operations of the ring. Reads and writes say where in the file they
//! mean to be, so that several can be in flight and a dropped one loses nothing. Where one has read or written to is
//! for the caller to count: a [`File`] has no position.
//!
//! ```
//! # let path = std::env::temp_dir().join(format!("eyewall-fs-{}", std::process::id()));
//! # eyewall::block_on(async {
//! eyewall::fs::write(&path, "one two").await.0?;
//! let file = eyewall::fs::File::open(&path).await?;
//! let (count, buffer) = file.read_at(Vec::with_capacity(3), 4).await;
//! assert_eq!((count?, &buffer[..]), (3, &b"two"[..]));
//! file.close().await?;
//! # std::fs::remove_file(&path)
//! # })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! One wait the kernel does not take off the thread: a file whose name it knows already is opened where that is submitted,
//! and one of a file system of user space (FUSE) by a question to that, for whose answer the whole reactor waits. Where that
//! may take long, open it on a thread that may block ([`spawn_blocking`](crate::spawn_blocking)), and take it over
//! ([`File::from_std`]).
//!
//! What is asked for seldom is not here: directories, renaming, removing, links, permissions. `std::fs` has it, which
//! blocks, and so belongs on a thread that may be ([`spawn_blocking`](crate::spawn_blocking)). A file can come from
//! there ([`File::from_std`]), and what needs only a descriptor can borrow that of a [`File`] (`as_fd`).
//!
//! ```
//! # let path = std::env::temp_dir().join(format!("eyewall-fs-new-{}", std::process::id()));
//! # eyewall::block_on(async {
//! // Either the old content or the new, whatever happens meanwhile.
//! let part = path.with_extension("part");
//! let file = eyewall::fs::File::create(&part).await?;
//! file.write_all_at("all of it", 0).await.0?;
//! file.sync_all().await?;
//! file.close().await?;
//! # let gone = path.clone();
//! eyewall::spawn_blocking(move || std::fs::rename(part, path)).await??;
//! # assert_eq!(std::fs::read(&gone)?, b"all of it");
//! # std::fs::remove_file(&gone)
//! # })??;
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod file;
mod metadata;
mod open_options;

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use file::File;
pub use metadata::Metadata;
pub use open_options::OpenOptions;

use crate::buf::{BufResult, IoBuf};
use crate::op::Statx;
use crate::reactor::Core;

/// Reads a whole file, however large it is; [`File::read_at`] has a bound.
///
/// # Errors
///
/// As open(2) and read(2); `OutOfMemory` for a file that does not fit into memory.
///
/// # Cancel safety
///
/// Dropping the future loses what was read, and nothing else.
///
/// ```
/// # eyewall::block_on(async {
/// let status = eyewall::fs::read("/proc/self/status").await?;
/// assert!(status.starts_with(b"Name:"));
/// # Ok::<(), std::io::Error>(()) })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = File::open(path).await?;
    // A hint only: files in /proc say 0, and a file may grow.
    let size = file.metadata().await?.len();
    let room = match usize::try_from(size) {
        // Some of those give what they have to the first read alone: what has no room there would be missing.
        Ok(0) => 64 << 10,
        size => size.unwrap_or(usize::MAX).saturating_add(1),
    };
    let mut whole = Vec::new();
    reserve(&mut whole, room)?;
    loop {
        let at = whole.len();
        if at == whole.capacity() {
            reserve(&mut whole, at.max(4096))?;
        }
        let (result, slice) = file.read_at(whole.slice(at..), at as u64).await;
        whole = slice.into_inner();
        if result? == 0 {
            if size == 0 {
                whole.shrink_to_fit();
            }
            return Ok(whole);
        }
    }
}

/// Makes room for so many bytes more. How long a file says that it is, others have a say in: that must not end the process.
fn reserve(whole: &mut Vec<u8>, count: usize) -> io::Result<()> {
    whole.try_reserve_exact(count).map_err(|_| {
        let len = whole.len().saturating_add(count);
        let text =
            format!("no memory for a file of {len} bytes: read it in parts, with File::read_at");
        io::Error::new(io::ErrorKind::OutOfMemory, text)
    })
}

/// Makes or replaces a file with the bytes of `buffer`; gives the buffer back.
///
/// # Errors
///
/// As open(2) and write(2); the file may then hold a part.
///
/// # Cancel safety
///
/// Not cancel safe: after a dropped future the file may have been made or emptied, and hold a part.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("eyewall-write-{}", std::process::id()));
/// # eyewall::block_on(async {
/// eyewall::fs::write(&path, "all of it").await.0?;
/// assert_eq!(eyewall::fs::read(&path).await?, b"all of it");
/// # std::fs::remove_file(&path)
/// # })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn write<B: IoBuf>(path: impl AsRef<Path>, buffer: B) -> BufResult<(), B> {
    match File::create(path).await {
        Ok(file) => file.write_all_at(buffer, 0).await,
        Err(error) => (Err(error), buffer),
    }
}

/// What is known of a file, symbolic links followed.
///
/// # Errors
///
/// As statx(2).
///
/// # Cancel safety
///
/// Cancel safe: it only looks.
///
/// ```
/// # eyewall::block_on(async {
/// assert!(eyewall::fs::metadata("/proc").await?.is_dir());
/// # Ok::<(), std::io::Error>(()) })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_STATX")]
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let core = Core::current()?;
    core.check_open()?;
    let (answer, _) = core.submit(Statx::of_path(c_path(path.as_ref())?)).await;
    core.explained(answer).map(Metadata::new)
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a path cannot hold a NUL byte"))
}
