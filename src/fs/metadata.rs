//! What is known of a file.

use std::time::{Duration, SystemTime};

/// Size, kind, permissions and times of a file; from [`File::metadata`](super::File::metadata) and
/// [`metadata`](super::metadata()).
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    stat: libc::statx,
}

impl Metadata {
    pub(super) fn new(stat: libc::statx) -> Metadata {
        Metadata { stat }
    }

    /// The size in bytes.
    #[allow(clippy::len_without_is_empty, reason = "as in std::fs::Metadata")]
    pub fn len(&self) -> u64 {
        self.stat.stx_size
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind() == libc::S_IFREG
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == libc::S_IFDIR
    }

    fn kind(&self) -> u32 {
        u32::from(self.stat.stx_mode) & libc::S_IFMT
    }

    /// The kind and the permissions, as inode(7) has them.
    pub fn mode(&self) -> u32 {
        self.stat.stx_mode.into()
    }

    /// When the content was last changed.
    pub fn modified(&self) -> SystemTime {
        time(&self.stat.stx_mtime)
    }

    /// When it was last read, as far as the file system notes that.
    pub fn accessed(&self) -> SystemTime {
        time(&self.stat.stx_atime)
    }

    /// When it was made; `None` where the file system does not know.
    pub fn created(&self) -> Option<SystemTime> {
        (self.stat.stx_mask & libc::STATX_BTIME != 0).then(|| time(&self.stat.stx_btime))
    }
}

fn time(stamp: &libc::statx_timestamp) -> SystemTime {
    let nanos = Duration::from_nanos(stamp.tv_nsec.into());
    let seconds = Duration::from_secs(stamp.tv_sec.unsigned_abs());
    let whole = match stamp.tv_sec {
        0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
        _ => SystemTime::UNIX_EPOCH.checked_sub(seconds),
    };
    whole
        .and_then(|whole| whole.checked_add(nanos))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
