//! GETs on io_uring by hand: the send has no completion of its own and is linked to the receive, so that one enter
//! makes one exchange. The body is counted, not kept.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Instant;

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use peers::client::{self, Load};
use peers::uring::{self, BufferRing};
use socket2::{Domain, SockAddr, Socket, Type};

const GROUP: u16 = 0;
const BUFFERS: u16 = 64;
const BUFFER_BYTES: usize = 64 << 10;
/// What belongs to a connection has its index as `user_data`; what reports only failures has this as well.
const SKIPPED: u64 = 1 << 32;

fn main() -> io::Result<()> {
    let load = client::start();
    let spin = uring::spin_argument();
    let mut ring = uring::ring(1024)?;
    let (host, path) = load
        .url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .expect("a URL");
    let address: SocketAddr = host.parse().expect("an address as the host");
    let close = if load.cold {
        "Connection: close\r\n"
    } else {
        ""
    };
    let mut client = Client {
        request: format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n{close}\r\n")
            .into_bytes(),
        address: address.into(),
        buffers: BufferRing::register(&ring, GROUP, BUFFERS, BUFFER_BYTES)?,
        gets: Vec::new(),
        load,
    };
    for index in 0..client.load.concurrency {
        let start = Instant::now();
        let socket = client.connect(&mut ring, index)?;
        client.gets.push(Get {
            socket,
            start,
            received: 0,
            head: 0,
            expected: 0,
        });
        client.exchange(&mut ring, index)?;
    }
    let mut completions = Vec::new();
    while client::wanted() {
        uring::turn(&mut ring, spin, 1)?;
        completions.extend(ring.completion());
        for completion in completions.drain(..) {
            client.complete(&mut ring, &completion)?;
        }
    }
    // What is under way may still write into the buffers.
    drop(ring);
    drop(client);
    client::report()
}

struct Client {
    request: Vec<u8>,
    address: SockAddr,
    buffers: BufferRing,
    gets: Vec<Get>,
    load: Load,
}

/// A connection with its GET under way.
struct Get {
    socket: Socket,
    start: Instant,
    received: usize,
    /// The length of the head, and of head and body, once the head is there.
    head: usize,
    expected: usize,
}

impl Client {
    /// A socket whose connect is staged, linked to what is staged next.
    fn connect(&self, ring: &mut IoUring, index: usize) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_tcp_nodelay(true)?;
        let connect = opcode::Connect::new(
            types::Fd(socket.as_raw_fd()),
            self.address.as_ptr().cast(),
            self.address.len(),
        )
        .build()
        .flags(squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS)
        .user_data(SKIPPED | index as u64);
        // SAFETY: the address lives longer than the ring.
        unsafe { uring::push(ring, &connect)? };
        Ok(socket)
    }

    /// The next GET, on a new connection where each has its own.
    fn next(&mut self, ring: &mut IoUring, index: usize) -> io::Result<()> {
        let start = Instant::now();
        if self.load.cold {
            self.gets[index].socket = self.connect(ring, index)?;
        }
        self.gets[index].start = start;
        self.gets[index].received = 0;
        self.exchange(ring, index)
    }

    fn exchange(&self, ring: &mut IoUring, index: usize) -> io::Result<()> {
        let get = &self.gets[index];
        let send = opcode::Send::new(
            types::Fd(get.socket.as_raw_fd()),
            self.request.as_ptr(),
            self.request.len() as u32,
        )
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build()
        .flags(squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS)
        .user_data(SKIPPED | index as u64);
        // SAFETY: the request lives longer than the ring.
        unsafe { uring::push(ring, &send)? };
        self.receive(ring, index)
    }

    fn receive(&self, ring: &mut IoUring, index: usize) -> io::Result<()> {
        let fd = types::Fd(self.gets[index].socket.as_raw_fd());
        let receive = opcode::Recv::new(fd, std::ptr::null_mut(), BUFFER_BYTES as u32)
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT)
            .user_data(index as u64);
        // SAFETY: the buffer is the ring's.
        unsafe { uring::push(ring, &receive) }
    }

    fn complete(&mut self, ring: &mut IoUring, completion: &cqueue::Entry) -> io::Result<()> {
        let (result, data) = (completion.result(), completion.user_data());
        let index = (data & !SKIPPED) as usize;
        if result == -libc::ENOBUFS {
            return self.receive(ring, index);
        }
        if data & SKIPPED != 0 || result <= 0 {
            return Err(match result {
                0.. => io::ErrorKind::UnexpectedEof.into(),
                error => io::Error::from_raw_os_error(-error),
            });
        }
        let buffer = cqueue::buffer_select(completion.flags()).expect("data has a buffer");
        let get = &mut self.gets[index];
        if get.received == 0 {
            let (head, body) = lengths(self.buffers.bytes(buffer, result as usize));
            (get.head, get.expected) = (head, head + body);
        }
        get.received += result as usize;
        self.buffers.give_back(buffer);
        if get.received < get.expected {
            return self.receive(ring, index);
        }
        self.load.done(get.start, get.received - get.head);
        self.next(ring, index)
    }
}

/// The lengths of head and body, from what begins with a whole head.
fn lengths(received: &[u8]) -> (usize, usize) {
    assert!(received.starts_with(b"HTTP/1.1 200 "), "another status");
    let head = memchr::memmem::find(received, b"\r\n\r\n").expect("a whole head") + 4;
    let name = b"Content-Length: ";
    let at = memchr::memmem::find(&received[..head], name).expect("a length") + name.len();
    let digits = received[at..].iter().take_while(|byte| **byte != b'\r');
    (
        head,
        digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')),
    )
}
