//! A closed loop of echoes: each connection has one message under way, and every byte that comes back is compared.
//! It never sleeps, so that its own waking is no latency of the server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use peers::meter::{Meter, watchdog};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::Timespec;

const USAGE: &str = "usage: gen ADDRESS CONNECTIONS SECONDS PID-OF-THE-SERVER [BYTES]";

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, connections, seconds, server, bytes @ ..] = args.as_slice() else {
        panic!("{USAGE}");
    };
    let address: SocketAddr = address.parse().expect(USAGE);
    let connections: usize = connections.parse().expect(USAGE);
    let window = Duration::from_secs_f64(seconds.parse().expect(USAGE));
    let bytes = bytes
        .first()
        .map_or(64, |bytes| bytes.parse().expect(USAGE));
    watchdog(window);

    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut loops = Vec::with_capacity(connections);
    for number in 0..connections {
        let echo = Echo::connect(address, number, bytes)?;
        epoll::add(
            &epoll,
            &echo.socket,
            EventData::new_u64(number as u64),
            EventFlags::IN,
        )?;
        loops.push(echo);
    }
    let mut meter = Meter::start(window, server.parse().expect(USAGE));
    for echo in &mut loops {
        echo.send()?;
    }
    let mut events = Vec::with_capacity(1024);
    while meter.is_running() {
        events.clear();
        epoll::wait(
            &epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::default()),
        )?;
        for event in &events {
            let echo = &mut loops[event.data.u64() as usize];
            if echo.receive()? {
                let now = Instant::now();
                meter.done(echo.start, now);
                echo.send()?;
            }
        }
    }
    meter.report()
}

/// A connection with its message under way.
struct Echo {
    socket: TcpStream,
    start: Instant,
    message: Vec<u8>,
    back: Vec<u8>,
    received: usize,
}

impl Echo {
    fn connect(address: SocketAddr, number: usize, bytes: usize) -> io::Result<Echo> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let message = (0..bytes).map(|at| (number * 31 + at * 7) as u8).collect();
        Ok(Echo {
            socket,
            start: Instant::now(),
            message,
            back: vec![0; bytes],
            received: 0,
        })
    }

    /// Messages differ from each other, so that one that was answered twice is noticed.
    fn send(&mut self) -> io::Result<()> {
        let first = &mut self.message[0];
        *first = first.wrapping_add(1);
        self.received = 0;
        self.start = Instant::now();
        self.socket.write_all(&self.message)
    }

    /// Whether the whole message is back.
    fn receive(&mut self) -> io::Result<bool> {
        match self.socket.read(&mut self.back[self.received..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.received += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let whole = self.received == self.message.len();
        if whole && self.back != self.message {
            return Err(io::Error::other("other bytes came back than were sent"));
        }
        Ok(whole)
    }
}
