//! Whether a file can be read without a wait.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// Whether the kernel may wait for what is read from this file where the read is submitted, unless told not to.
///
/// It first tries without a wait, which most kinds of files know how to do; of one that does not, Linux 6.10 and later ask
/// poll(2), and read where that says that there is something. A file system of user space mostly says so of all its files,
/// and is then waited for. A read that must not wait is refused there, before the file hears of it. Elsewhere it finds
/// nothing, as it is for a byte behind any end. What is no regular file, and would give a byte of its own, is not asked.
pub(crate) fn reads_may_wait(file: &impl AsFd) -> bool {
    let fd = file.as_fd().as_raw_fd();
    if !is_regular(fd) {
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

/// As the kernel knows it: no file system is asked, which might wait.
fn is_regular(fd: RawFd) -> bool {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let (path, out) = (c"".as_ptr(), stat.as_mut_ptr());
    // SAFETY: the path is a string, and there is room for the answer.
    let answer = unsafe { libc::syscall(libc::SYS_statx, fd, path, flags, libc::STATX_TYPE, out) };
    // SAFETY: zeros are a value of it, too.
    let mode = unsafe { stat.assume_init() }.stx_mode;
    answer == 0 && u32::from(mode) & libc::S_IFMT == libc::S_IFREG
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
        // The first says that it does not wait, and the other does not say so, and is not asked.
        for device in ["/dev/zero", "/dev/full"] {
            assert!(!reads_may_wait(&File::open(device).unwrap()), "{device}");
        }
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

    #[test]
    fn neither_another_error_nor_that_of_another_file_says_so() {
        let plain = File::open(std::env::current_exe().unwrap()).unwrap();
        let waits = reads_may_wait(&plain);
        let made = File::open("/proc/self/status").unwrap();
        assert!(reads_may_wait(&made));
        assert_eq!(reads_may_wait(&plain), waits);
        let path = std::env::temp_dir().join(format!("eyewall-{}-unread", std::process::id()));
        let unreadable = File::create(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(!reads_may_wait(&unreadable));
    }
}
