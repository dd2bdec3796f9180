//! Whether a file can be read without a wait.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Whether the kernel may wait for what is read from this file where the read is submitted, unless told not to.
///
/// It first tries without a wait, which most kinds of files know how to do; of one that does not, Linux 6.10 and later ask
/// poll(2), and read where that says that there is something. A file system of user space mostly says so of all its files,
/// and is then waited for. A read of one byte that must not wait is refused there, before the file hears of it.
pub(crate) fn reads_may_wait(file: &impl AsFd) -> bool {
    let mut byte = 0_u8;
    let vector = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let fd = libc::c_long::from(file.as_fd().as_raw_fd());
    let (count, offset) = (1_usize, 0_i64);
    let vectors = &raw const vector;
    let flags = libc::RWF_NOWAIT;
    // Not by the function of that name, which musl has from 1.2.5 on only. The offset is in two halves (preadv2(2)).
    // SAFETY: there is one vector, and it leads to one byte that may be written to.
    let read =
        unsafe { libc::syscall(libc::SYS_preadv2, fd, vectors, count, offset, 0_i64, flags) };
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
