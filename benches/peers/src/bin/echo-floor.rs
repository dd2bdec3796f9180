//! Echo on io_uring by hand: multishot accept, multishot receive into a buffer ring, and a send from the ring's
//! buffer.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use peers::uring::{self, BufferRing};

const GROUP: u16 = 0;
const BUFFERS: u16 = 2048;
const BUFFER_BYTES: usize = 4 << 10;

/// What an operation was, in its `user_data`: the kind, and the buffer that it sends or the descriptor.
#[derive(Clone, Copy)]
enum Tag {
    Accept,
    Receive(RawFd),
    Send(u16),
}

impl Tag {
    fn pack(self) -> u64 {
        match self {
            Tag::Accept => 0,
            Tag::Receive(fd) => 1 << 32 | fd as u64,
            Tag::Send(buffer) => 2 << 32 | u64::from(buffer),
        }
    }

    fn unpack(data: u64) -> Tag {
        match data >> 32 {
            0 => Tag::Accept,
            1 => Tag::Receive(data as u32 as RawFd),
            _ => Tag::Send(data as u16),
        }
    }
}

fn main() -> io::Result<()> {
    let spin = uring::spin_argument();
    let listener = peers::listen::listen()?;
    let mut ring = uring::ring(4096)?;
    let buffers = BufferRing::register(&ring, GROUP, BUFFERS, BUFFER_BYTES)?;
    let mut server = Server {
        listener,
        buffers,
        sends: 0,
    };
    stage(&mut ring, server.accept())?;
    let mut completions = Vec::new();
    loop {
        // A send ends while it is submitted: to wait for one more saves the enter that would only fetch that.
        uring::turn(&mut ring, spin, std::mem::take(&mut server.sends) + 1)?;
        completions.extend(ring.completion());
        for completion in completions.drain(..) {
            server.complete(&mut ring, &completion)?;
        }
    }
}

struct Server {
    listener: TcpListener,
    buffers: BufferRing,
    /// Staged since the last turn.
    sends: usize,
}

impl Server {
    fn complete(&mut self, ring: &mut IoUring, completion: &cqueue::Entry) -> io::Result<()> {
        let (result, more) = (completion.result(), cqueue::more(completion.flags()));
        match Tag::unpack(completion.user_data()) {
            Tag::Accept => {
                if result >= 0 {
                    stage(ring, receive(result))?;
                }
                if !more {
                    stage(ring, self.accept())?;
                }
            }
            Tag::Receive(fd) if result > 0 => {
                let buffer = cqueue::buffer_select(completion.flags()).expect("data has a buffer");
                let send = self.send(fd, buffer, result as usize);
                stage(ring, send)?;
                if !more {
                    stage(ring, receive(fd))?;
                }
            }
            Tag::Receive(fd) if -result == libc::ENOBUFS => stage(ring, receive(fd))?,
            // SAFETY: the connection has ended, and nobody else has the descriptor.
            Tag::Receive(fd) => drop(unsafe { OwnedFd::from_raw_fd(fd) }),
            Tag::Send(buffer) => self.buffers.give_back(buffer),
        }
        Ok(())
    }

    fn accept(&self) -> squeue::Entry {
        opcode::AcceptMulti::new(types::Fd(self.listener.as_raw_fd()))
            .build()
            .user_data(Tag::Accept.pack())
    }

    /// All of it, or an error: the kernel goes on after a short send.
    fn send(&mut self, fd: RawFd, buffer: u16, len: usize) -> squeue::Entry {
        self.sends += 1;
        let bytes = self.buffers.bytes(buffer, len);
        opcode::Send::new(types::Fd(fd), bytes.as_ptr(), len as u32)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build()
            .user_data(Tag::Send(buffer).pack())
    }
}

fn receive(fd: RawFd) -> squeue::Entry {
    opcode::RecvMulti::new(types::Fd(fd), GROUP)
        .build()
        .user_data(Tag::Receive(fd).pack())
}

fn stage(ring: &mut IoUring, operation: squeue::Entry) -> io::Result<()> {
    // SAFETY: the only pointers are into the buffers, which live as long as the loop.
    unsafe { uring::push(ring, &operation) }
}
