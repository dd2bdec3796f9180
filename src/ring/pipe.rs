//! Whether a descriptor is a pipe.

use std::os::fd::{AsFd, AsRawFd};

/// Whether a descriptor is an end of a pipe, with a name (fifo(7)) or without. Asks no file system, which might wait.
pub(crate) fn is_pipe(fd: &impl AsFd) -> bool {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: fcntl(2) takes no pointer for F_GETPIPE_SZ, which whatever is no pipe refuses (EBADF).
    let size = unsafe { libc::fcntl(fd, libc::F_GETPIPE_SZ) };
    size >= 0
}
