//! What an operation asks of the kernel, as plain data.
//!
//! A [`Request`] is the seam between the operations and io_uring: nothing in it depends on the io-uring
//! crate, so that another kernel can be put in its place. The pointers in it point into memory that the
//! operation owns; the reactor keeps the operation until the final completion.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// One submission, before it becomes an SQE.
///
/// Pointers and descriptors must stay valid until the final completion. The reactor sees to it: it owns the
/// operation that built the request, and the operation owns what the request points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Nop,
    Connect {
        fd: RawFd,
        addr: *const libc::sockaddr,
        addr_len: libc::socklen_t,
    },
    Bind {
        fd: RawFd,
        addr: *const libc::sockaddr,
        addr_len: libc::socklen_t,
    },
    Listen {
        fd: RawFd,
        backlog: i32,
    },
    Accept {
        fd: RawFd,
        multishot: bool,
    },
    Recv {
        fd: RawFd,
        data: *mut u8,
        len: u32,
    },
    /// Receive into a buffer that the kernel picks from the provided buffer ring.
    RecvPooled {
        fd: RawFd,
        multishot: bool,
    },
    RecvMsg {
        fd: RawFd,
        message: *mut libc::msghdr,
        flags: u32,
    },
    Send {
        fd: RawFd,
        data: *const u8,
        len: u32,
        flags: i32,
        /// Only a failure completes; to be used with `MSG_DONTWAIT`.
        quiet: bool,
    },
    SendMsg {
        fd: RawFd,
        message: *const libc::msghdr,
        flags: u32,
    },
    /// Two completions: the result, then the notification that the buffer is free.
    SendZc {
        fd: RawFd,
        data: *const u8,
        len: u32,
        flags: i32,
    },
    Shutdown {
        fd: RawFd,
        how: i32,
    },
    Close {
        fd: RawFd,
        /// Only a failure completes.
        quiet: bool,
    },
    Poll {
        fd: RawFd,
        events: u32,
        multishot: bool,
    },
    /// Cancel the one operation with this `user_data`.
    Cancel {
        user_data: u64,
    },
    /// Cancel every operation on a descriptor.
    CancelFd {
        fd: RawFd,
    },
    OpenAt {
        path: *const libc::c_char,
        flags: i32,
        mode: u32,
        /// A worker of the kernel does it, since it may wait.
        aside: bool,
    },
    Read {
        fd: RawFd,
        data: *mut u8,
        len: u32,
        offset: u64,
        /// By a worker of the kernel.
        aside: bool,
    },
    Write {
        fd: RawFd,
        data: *const u8,
        len: u32,
        offset: u64,
    },
    Fsync {
        fd: RawFd,
        data_only: bool,
    },
    Statx {
        dir: RawFd,
        path: *const libc::c_char,
        flags: i32,
        mask: u32,
        out: *mut libc::statx,
    },
}

/// How many completions a request may have, and which of them carries its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completions {
    /// Exactly one.
    One,
    /// Any number, each a result of its own; the one without `IORING_CQE_F_MORE` is the last.
    Many,
    /// One if it fails, none if it succeeds (`IOSQE_CQE_SKIP_SUCCESS`). Either way it is over when the enter
    /// that submits it returns.
    FailureOnly,
    /// The first carries the result; where it has `IORING_CQE_F_MORE`, a notification follows that frees
    /// the buffer. An early error comes alone.
    ResultThenNotification,
}

impl Request {
    /// Whether this makes somebody do something, so that a completion may soon follow. What only waits until
    /// somebody else does something (a receive, an accept, a poll) does not.
    #[inline(always)]
    pub(crate) fn is_prompting(&self) -> bool {
        !matches!(
            self,
            Request::Recv { .. }
                | Request::RecvPooled { .. }
                | Request::RecvMsg { .. }
                | Request::Accept { .. }
                | Request::Poll { .. }
        )
    }

    /// The completion rule of this request.
    #[inline(always)]
    pub(crate) fn completions(&self) -> Completions {
        match self {
            Request::Accept {
                multishot: true, ..
            }
            | Request::RecvPooled {
                multishot: true, ..
            }
            | Request::Poll {
                multishot: true, ..
            } => Completions::Many,
            Request::Send { quiet: true, .. } | Request::Close { quiet: true, .. } => {
                Completions::FailureOnly
            }
            Request::SendZc { .. } => Completions::ResultThenNotification,
            _ => Completions::One,
        }
    }
}

/// One completion as the kernel posted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cqe {
    pub(crate) user_data: u64,
    pub(crate) result: i32,
    pub(crate) flags: u32,
}

impl Cqe {
    /// The completion of an operation that never reached the kernel.
    #[inline]
    pub(crate) fn never_submitted() -> Cqe {
        Cqe {
            user_data: Cqe::OF_NONE,
            result: -libc::ECANCELED,
            flags: 0,
        }
    }

    /// One that the kernel might give, for tests.
    #[cfg(test)]
    pub(crate) fn with_result(result: i32) -> Cqe {
        Cqe {
            user_data: 0,
            result,
            flags: 0,
        }
    }

    /// The `user_data` of no operation.
    const OF_NONE: u64 = u64::MAX;

    /// Whether the kernel has ever had the operation.
    pub(crate) fn was_submitted(self) -> bool {
        self.user_data != Cqe::OF_NONE
    }

    /// The result as a count or a descriptor, or the error.
    #[inline]
    pub(crate) fn into_result(self) -> io::Result<u32> {
        if self.result < 0 {
            Err(io::Error::from_raw_os_error(-self.result))
        } else {
            Ok(self.result as u32)
        }
    }

    /// The descriptor that this completion of an accept or openat hands over; to be called once.
    pub(crate) fn into_fd(self) -> io::Result<OwnedFd> {
        let fd = self.into_result()?;
        // SAFETY: the kernel has just opened this descriptor for the operation, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    }

    /// Whether the kernel gave the operation up because it was asked to.
    #[inline]
    pub(crate) fn is_cancelled(self) -> bool {
        self.result == -libc::ECANCELED
    }

    /// Whether a signal has ended the operation. A worker of the kernel, to which a receive goes where there is no memory
    /// to wait otherwise, says so when the process is stopped for a while, or when the operation is cancelled.
    #[inline]
    pub(crate) fn is_interrupted(self) -> bool {
        self.result == -libc::EINTR
    }

    /// Whether more completions of the same operation follow (`IORING_CQE_F_MORE`).
    #[inline]
    pub(crate) fn has_more(self) -> bool {
        io_uring::cqueue::more(self.flags)
    }

    /// Whether this is the notification of a zero-copy send (`IORING_CQE_F_NOTIF`).
    #[inline]
    pub(crate) fn is_notification(self) -> bool {
        io_uring::cqueue::notif(self.flags)
    }

    /// Whether a receive of this socket would not wait (`IORING_CQE_F_SOCK_NONEMPTY`).
    #[inline]
    pub(crate) fn has_socket_more(self) -> bool {
        io_uring::cqueue::sock_nonempty(self.flags)
    }

    /// The provided buffer that this completion hands over, if any (`IORING_CQE_F_BUFFER`).
    #[inline]
    pub(crate) fn buffer_id(self) -> Option<u16> {
        io_uring::cqueue::buffer_select(self.flags)
    }
}
