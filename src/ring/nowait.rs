//! Whether a file can be read without a wait.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Whether the kernel may wait for what is read from this file where the read is submitted, unless told not to.
///
/// It first tries without a wait, which most kinds of files know how to do; of one that does not, Linux 6.10 and later ask
/// poll(2), and read where that says that there is something. A file system of user space mostly says so of all its files,
/// and is then waited for. A read that must not wait is refused there, before the file hears of it. Elsewhere it finds
/// nothing, as it is for a byte behind any end; what has no places to be at, and would give a byte of its own, is not asked.
pub(crate) fn reads_may_wait(file: &impl AsFd) -> bool {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: lseek(2) takes no pointer.
    if unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) } < 0 {
        return false;
    }
    let mut byte = 0_u8;
    let vector = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let (vectors, count) = (&raw const vector, 1_usize);
    let (offset, behind) = (libc::c_long::MAX - 1, 0 as libc::c_long);
    let (number, flags) = (libc::SYS_preadv2, libc::RWF_NOWAIT);
    // Not by the function of that name, which musl has from 1.2.5 on only. The offset is in two halves (preadv2(2)).
    // SAFETY: there is one vector, and it leads to one byte that may be written to.
    let read = unsafe { libc::syscall(number, fd, vectors, count, offset, behind, flags) };
    read < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EOPNOTSUPP)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_file_whose_content_is_made_for_each_read_may_be_waited_for() {
        assert!(reads_may_wait(&File::open("/proc/self/status").unwrap()));
        assert!(!reads_may_wait(&File::open("/dev/zero").unwrap()));
        let (socket, _other) = UnixStream::pair().unwrap();
        assert!(!reads_may_wait(&socket));
        let mut child = Command::new("echo");
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        child.wait().unwrap();
        let mut pipe = child.stdout.take().unwrap();
        assert!(!reads_may_wait(&pipe));
        let mut left = String::new();
        pipe.read_to_string(&mut left).unwrap();
        assert_eq!(left, "\n", "nothing is taken out");
    }
}
