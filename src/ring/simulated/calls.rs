//! The system calls that do what a request asks, none of which waits. Each returns what a completion would hold: a count
//! or a descriptor, or an errno below zero.

use std::os::fd::RawFd;

use crate::ring::Request;

/// From linux/tcp.h: how many bytes are left is told beside those that are received.
const TCP_INQ: libc::c_int = 36;

fn errno() -> i32 {
    std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

fn result(returned: isize) -> i32 {
    match returned {
        -1 => -errno(),
        count => count as i32,
    }
}

/// Makes the calls of `act` not wait for `fd`.
fn without_wait(fd: RawFd, act: impl FnOnce() -> i32) -> i32 {
    // SAFETY: fcntl with these commands touches no memory.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 {
        return -errno();
    }
    let set = |flags: libc::c_int| {
        // SAFETY: as above.
        unsafe { libc::fcntl(fd, libc::F_SETFL, flags) }
    };
    set(flags | libc::O_NONBLOCK);
    let outcome = act();
    set(flags);
    outcome
}

/// Does what has one system call that waits for nobody, or is the only thing that the request waits for; EAGAIN where
/// it would wait.
pub(super) fn once(request: &Request) -> i32 {
    // SAFETY, for each call below: what the request points to is owned by its operation and stays where it is until the
    // final completion, which comes after the call.
    match *request {
        Request::Nop => 0,
        Request::Bind { fd, addr, addr_len } => {
            // SAFETY: see above.
            result(unsafe { libc::bind(fd, addr, addr_len) } as isize)
        }
        Request::Listen { fd, backlog } => {
            // SAFETY: no memory is touched.
            result(unsafe { libc::listen(fd, backlog) } as isize)
        }
        Request::Accept { fd, .. } => without_wait(fd, || {
            let (none, flags) = (std::ptr::null_mut(), libc::SOCK_CLOEXEC);
            // SAFETY: no address is asked for.
            result(unsafe { libc::accept4(fd, none, none.cast(), flags) } as isize)
        }),
        Request::Connect { fd, addr, addr_len } => without_wait(fd, || {
            // SAFETY: see above.
            result(unsafe { libc::connect(fd, addr, addr_len) } as isize)
        }),
        Request::RecvMsg { fd, message, flags } => {
            let flags = flags as i32 | libc::MSG_DONTWAIT;
            // SAFETY: see above.
            result(unsafe { libc::recvmsg(fd, message, flags) })
        }
        Request::Shutdown { fd, how } => {
            // SAFETY: no memory is touched.
            result(unsafe { libc::shutdown(fd, how) } as isize)
        }
        Request::OpenAt {
            path, flags, mode, ..
        } => {
            // SAFETY: see above.
            result(unsafe { libc::openat(libc::AT_FDCWD, path, flags, mode) } as isize)
        }
        Request::Fsync { fd, data_only } => {
            let sync = match data_only {
                true => libc::fdatasync,
                false => libc::fsync,
            };
            // SAFETY: no memory is touched.
            result(unsafe { sync(fd) } as isize)
        }
        Request::Statx {
            dir,
            path,
            flags,
            mask,
            out,
        } => {
            // SAFETY: see above.
            result(unsafe { libc::statx(dir, path, flags, mask, out) } as isize)
        }
        ref other => unreachable!("{other:?} has a way of its own"),
    }
}

/// Receives into `len` bytes at `data`, which the caller may write to. The second says whether another receive would not
/// wait, where the socket tells; at the end of a TCP stream it says whether that is the peer's.
pub(super) fn recv(fd: RawFd, data: *mut u8, len: usize) -> (i32, bool) {
    let on: libc::c_int = 1;
    // SAFETY: the option is ours, and as long as is said.
    let tells = unsafe {
        let len = size_of_val(&on) as libc::socklen_t;
        libc::setsockopt(fd, libc::SOL_TCP, TCP_INQ, (&raw const on).cast(), len) == 0
    };
    let mut vector = libc::iovec {
        iov_base: data.cast(),
        iov_len: len,
    };
    let mut control = [0_u64; 8];
    // SAFETY: zeroes are a header without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut vector;
    message.msg_iovlen = 1;
    if tells {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
    }
    // SAFETY: the caller says so; the rest is ours.
    let received = result(unsafe { libc::recvmsg(fd, &mut message, libc::MSG_DONTWAIT) });
    // SAFETY: the kernel has filled the header in, and the control messages lie in `control`.
    let told = unsafe {
        match libc::CMSG_FIRSTHDR(&message) {
            first if first.is_null() => None,
            first => Some(
                libc::CMSG_DATA(first)
                    .cast::<libc::c_int>()
                    .read_unaligned()
                    > 0,
            ),
        }
    };
    let more = || received > 0 && ready(fd, libc::POLLIN) & libc::POLLIN != 0;
    (received, told.unwrap_or_else(more))
}

/// Sends `len` bytes at `data`, which the caller may read.
pub(super) fn send(fd: RawFd, data: *const u8, len: usize, flags: i32) -> i32 {
    let flags = flags & !libc::MSG_WAITALL | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the caller says so.
    result(unsafe { libc::send(fd, data.cast(), len, flags) })
}

/// Sends what `message` says beyond its first `skip` bytes.
pub(super) fn sendmsg(fd: RawFd, message: *const libc::msghdr, skip: usize, flags: u32) -> i32 {
    let flags = flags as i32 & !libc::MSG_WAITALL | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the operation owns the header and the vectors, and does not change them until the final completion.
    let (mut message, mut vectors) = unsafe {
        let message = *message;
        let vectors = match message.msg_iovlen {
            0 => Vec::new(),
            count => std::slice::from_raw_parts(message.msg_iov, count).to_vec(),
        };
        (message, vectors)
    };
    let mut left = skip;
    for vector in &mut vectors {
        let sent = left.min(vector.iov_len);
        vector.iov_base = vector.iov_base.wrapping_byte_add(sent);
        vector.iov_len -= sent;
        left -= sent;
    }
    message.msg_iov = vectors.as_mut_ptr();
    // SAFETY: as above; the vectors are ours.
    result(unsafe { libc::sendmsg(fd, &message, flags) })
}

/// How many bytes `message` has.
pub(super) fn message_len(message: *const libc::msghdr) -> usize {
    // SAFETY: the operation owns the header and the vectors.
    let vectors = unsafe {
        match (*message).msg_iovlen {
            0 => &[],
            count => std::slice::from_raw_parts((*message).msg_iov, count),
        }
    };
    vectors.iter().map(|vector| vector.iov_len).sum()
}

/// Reads up to `len` bytes to `data`, at `offset` where the file has places.
pub(super) fn read(fd: RawFd, data: *mut u8, len: usize, offset: u64) -> i32 {
    without_wait(fd, || {
        // SAFETY: the caller may write there.
        let read = result(unsafe { libc::pread(fd, data.cast(), len, offset as i64) });
        match read == -libc::ESPIPE {
            // SAFETY: as above.
            true => result(unsafe { libc::read(fd, data.cast(), len) }),
            false => read,
        }
    })
}

/// Writes `len` bytes at `data`, at `offset` where the file has places.
pub(super) fn write(fd: RawFd, data: *const u8, len: usize, offset: u64) -> i32 {
    without_wait(fd, || {
        // SAFETY: the caller may read there.
        let written = result(unsafe { libc::pwrite(fd, data.cast(), len, offset as i64) });
        match written == -libc::ESPIPE {
            // SAFETY: as above.
            true => result(unsafe { libc::write(fd, data.cast(), len) }),
            false => written,
        }
    })
}

/// An option of a socket that is a number; an errno below zero if there is none.
fn option(fd: RawFd, level: libc::c_int, name: libc::c_int) -> Result<i32, i32> {
    let mut value: libc::c_int = 0;
    let mut len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: both are ours, and as long as is said.
    let returned = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut len) };
    match returned {
        0 => Ok(value),
        _ => Err(-errno()),
    }
}

/// What the connect of `fd` that is under way has come to.
pub(super) fn connected(fd: RawFd) -> i32 {
    match option(fd, libc::SOL_SOCKET, libc::SO_ERROR) {
        Ok(error) => -error,
        Err(error) => error,
    }
}

/// Whether what is sent to `fd` can stay where it is: Unix sockets copy.
pub(super) fn sends_without_copy(fd: RawFd) -> bool {
    let domain = option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN);
    matches!(domain, Ok(libc::AF_INET | libc::AF_INET6))
}

/// Whether the peer of `fd` has still to acknowledge something (SIOCOUTQ, tcp(7)).
pub(super) fn has_unsent(fd: RawFd) -> bool {
    let mut unsent: libc::c_int = 0;
    // SAFETY: the call writes one int.
    let told = unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &mut unsent) };
    // A connection that has failed sends nothing more, but still counts it.
    told == 0 && unsent > 0 && ready(fd, 0) & (libc::POLLERR | libc::POLLHUP) == 0
}

/// Waits for at most `timeout` milliseconds (for ever if below zero) until one of `polls` is ready.
pub(super) fn poll(polls: &mut [libc::pollfd], timeout: i32) -> i32 {
    // SAFETY: the slice is ours.
    result(unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, timeout) } as isize)
}

/// Which of `events` are there.
pub(super) fn ready(fd: RawFd, events: i16) -> i16 {
    let mut poll_one = [libc::pollfd {
        fd,
        events,
        revents: 0,
    }];
    poll(&mut poll_one, 0);
    poll_one[0].revents
}

/// Whether both descriptors are of one file (kcmp(2)).
pub(super) fn is_same_file(one: RawFd, other: RawFd) -> bool {
    const KCMP_FILE: libc::c_int = 0;
    let own = std::process::id();
    // SAFETY: numbers alone go in.
    one == other || unsafe { libc::syscall(libc::SYS_kcmp, own, own, KCMP_FILE, one, other) } == 0
}

/// Closes `fd`, which belongs to the request.
pub(super) fn close(fd: RawFd) -> i32 {
    // SAFETY: the operation has given it away.
    result(unsafe { libc::close(fd) } as isize)
}

/// Looks whether what `request` points to is there, as the kernel may at any time: where the memory has been freed, a
/// sanitizer says so.
pub(super) fn touch(request: &Request) {
    let (start, len): (*const u8, usize) = match *request {
        Request::Recv { data, len, .. } | Request::Read { data, len, .. } => {
            (data.cast_const(), len as usize)
        }
        Request::Send { data, len, .. }
        | Request::SendZc { data, len, .. }
        | Request::Write { data, len, .. } => (data, len as usize),
        Request::RecvMsg { message, .. } => {
            (message.cast_const().cast(), size_of::<libc::msghdr>())
        }
        Request::SendMsg { message, .. } => (message.cast(), size_of::<libc::msghdr>()),
        Request::Connect { addr, addr_len, .. } | Request::Bind { addr, addr_len, .. } => {
            (addr.cast(), addr_len as usize)
        }
        Request::OpenAt { path, .. } => (path.cast(), 1),
        Request::Statx { out, .. } => (out.cast_const().cast(), size_of::<libc::statx>()),
        _ => return,
    };
    if len > 0 {
        for at in [0, len - 1] {
            // SAFETY: the operation owns these bytes until its final completion. They may not have been written to, which
            // a byte that may be anything is for.
            let _ = unsafe {
                start
                    .cast::<std::mem::MaybeUninit<u8>>()
                    .add(at)
                    .read_volatile()
            };
        }
    }
}
