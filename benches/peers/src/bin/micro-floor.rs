//! The ping-pong written by hand: both ends in one loop.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::{IoUring, opcode, types};
use peers::micro::{self, PING};
use peers::uring;

const RECEIVED: u64 = 2;

/// One end, with the buffer that it receives into and sends from.
struct End {
    connection: TcpStream,
    buffer: Box<[u8; PING]>,
}

impl End {
    fn new(connection: TcpStream) -> io::Result<End> {
        connection.set_nodelay(true)?;
        Ok(End {
            connection,
            buffer: Box::new([7; PING]),
        })
    }

    fn send(&self, ring: &mut IoUring, index: u64) -> io::Result<()> {
        let fd = types::Fd(self.connection.as_raw_fd());
        let send = opcode::Send::new(fd, self.buffer.as_ptr(), PING as u32).build();
        // SAFETY: the buffer lives as long as the loop, and is not received into before the answer to it.
        unsafe { uring::push(ring, &send.user_data(index)) }
    }

    fn receive(&mut self, ring: &mut IoUring, index: u64) -> io::Result<()> {
        let fd = types::Fd(self.connection.as_raw_fd());
        let receive = opcode::Recv::new(fd, self.buffer.as_mut_ptr(), PING as u32)
            .flags(libc::MSG_WAITALL)
            .build();
        // SAFETY: the buffer lives as long as the loop, which does not look at it before the completion.
        unsafe { uring::push(ring, &receive.user_data(RECEIVED | index)) }
    }
}

fn main() -> io::Result<()> {
    micro::print(&micro::measure_ping_pong(ping_pong)?)
}

fn ping_pong(count: u64) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    let mut ends = [End::new(client)?, End::new(server)?];
    let mut ring = uring::ring(8)?;
    ends[1].receive(&mut ring, 1)?;
    ends[0].send(&mut ring, 0)?;
    ends[0].receive(&mut ring, 0)?;
    let mut round_trips = 0;
    let mut completions = Vec::new();
    loop {
        uring::turn(&mut ring, Duration::ZERO, 1)?;
        completions.extend(ring.completion());
        for completion in completions.drain(..) {
            assert_eq!(completion.result(), PING as i32);
            let data = completion.user_data();
            if data & RECEIVED == 0 {
                continue;
            }
            let index = data & 1;
            if index == 0 {
                round_trips += 1;
                if round_trips == count {
                    return Ok(());
                }
            }
            let end = &mut ends[index as usize];
            end.send(&mut ring, index)?;
            end.receive(&mut ring, index)?;
        }
    }
}
