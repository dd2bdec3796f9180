//! From a [`Request`] to the SQE that io_uring reads.

use io_uring::types::{CancelBuilder, Fd, FsyncFlags};
use io_uring::{opcode, squeue};

use super::BUFFER_GROUP;
use super::request::Request;

/// Builds the SQE of `request`, marked with `user_data`.
#[inline(always)]
pub(super) fn build(request: &Request, user_data: u64) -> squeue::Entry {
    let entry = match *request {
        Request::Nop => opcode::Nop::new().build(),
        Request::Connect { fd, addr, addr_len } => {
            opcode::Connect::new(Fd(fd), addr, addr_len).build()
        }
        Request::Bind { fd, addr, addr_len } => opcode::Bind::new(Fd(fd), addr, addr_len).build(),
        Request::Listen { fd, backlog } => opcode::Listen::new(Fd(fd), backlog).build(),
        Request::Accept {
            fd,
            multishot: false,
        } => opcode::Accept::new(Fd(fd), std::ptr::null_mut(), std::ptr::null_mut())
            .flags(libc::SOCK_CLOEXEC)
            .build(),
        Request::Accept {
            fd,
            multishot: true,
        } => opcode::AcceptMulti::new(Fd(fd))
            .flags(libc::SOCK_CLOEXEC)
            .build(),
        Request::Recv { fd, data, len } => opcode::Recv::new(Fd(fd), data, len).build(),
        Request::RecvPooled {
            fd,
            multishot: false,
        } => opcode::Recv::new(Fd(fd), std::ptr::null_mut(), 0)
            .buf_group(BUFFER_GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT),
        Request::RecvPooled {
            fd,
            multishot: true,
        } => opcode::RecvMulti::new(Fd(fd), BUFFER_GROUP).build(),
        Request::RecvMsg { fd, message, flags } => {
            opcode::RecvMsg::new(Fd(fd), message).flags(flags).build()
        }
        Request::Send {
            fd,
            data,
            len,
            flags,
            quiet,
        } => {
            let send = opcode::Send::new(Fd(fd), data, len).flags(flags).build();
            if quiet {
                send.flags(squeue::Flags::SKIP_SUCCESS)
            } else {
                send
            }
        }
        Request::SendMsg { fd, message, flags } => {
            opcode::SendMsg::new(Fd(fd), message).flags(flags).build()
        }
        Request::SendZc {
            fd,
            data,
            len,
            flags,
        } => opcode::SendZc::new(Fd(fd), data, len).flags(flags).build(),
        Request::Shutdown { fd, how } => opcode::Shutdown::new(Fd(fd), how).build(),
        Request::Close { fd, quiet } => {
            let mut flags = squeue::Flags::empty();
            flags.set(squeue::Flags::SKIP_SUCCESS, quiet);
            opcode::Close::new(Fd(fd)).build().flags(flags)
        }
        Request::Poll {
            fd,
            events,
            multishot,
        } => opcode::PollAdd::new(Fd(fd), events)
            .multi(multishot)
            .build(),
        // A cancel that finds its target says nothing: the target's own completion does.
        Request::Cancel { user_data } => opcode::AsyncCancel::new(user_data)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS),
        Request::CancelFd { fd } => {
            opcode::AsyncCancel2::new(CancelBuilder::fd(Fd(fd)).all()).build()
        }
        Request::OpenAt {
            path,
            flags,
            mode,
            aside,
        } => {
            let cwd = Fd(libc::AT_FDCWD);
            let open = opcode::OpenAt::new(cwd, path).flags(flags).mode(mode);
            open.build().flags(by_worker(aside))
        }
        Request::Read {
            fd,
            data,
            len,
            offset,
            aside,
        } => {
            let read = opcode::Read::new(Fd(fd), data, len).offset(offset);
            read.build().flags(by_worker(aside))
        }
        Request::Write {
            fd,
            data,
            len,
            offset,
        } => opcode::Write::new(Fd(fd), data, len).offset(offset).build(),
        Request::Fsync { fd, data_only } => opcode::Fsync::new(Fd(fd))
            .flags(if data_only {
                FsyncFlags::DATASYNC
            } else {
                FsyncFlags::empty()
            })
            .build(),
        Request::Statx {
            dir,
            path,
            flags,
            mask,
            out,
        } => opcode::Statx::new(Fd(dir), path, out.cast())
            .flags(flags)
            .mask(mask)
            .build(),
    };
    entry.user_data(user_data)
}

/// Whether a worker of the kernel does it from the start.
fn by_worker(aside: bool) -> squeue::Flags {
    match aside {
        true => squeue::Flags::ASYNC,
        false => squeue::Flags::empty(),
    }
}
