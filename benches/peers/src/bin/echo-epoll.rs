//! Echo on epoll, level-triggered, with one buffer for all connections.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

const LISTENER: u64 = u64::MAX;

fn main() -> io::Result<()> {
    let listener = peers::listen::listen()?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = [0; 4 << 10];
    loop {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                while let Some(connection) = accept(&listener)? {
                    let key = connection.as_raw_fd() as usize;
                    epoll::add(
                        &epoll,
                        &connection,
                        EventData::new_u64(key as u64),
                        EventFlags::IN,
                    )?;
                    connections.resize_with(connections.len().max(key + 1), || None);
                    connections[key] = Some(connection);
                }
                continue;
            }
            let slot = &mut connections[key as usize];
            if !slot
                .as_ref()
                .is_some_and(|connection| echo(connection, &mut buffer))
            {
                *slot = None;
            }
        }
    }
}

fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((connection, _)) => {
            connection.set_nonblocking(true)?;
            Ok(Some(connection))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the connection goes on. A message of the comparison always fits into the socket's buffer.
fn echo(mut connection: &TcpStream, buffer: &mut [u8]) -> bool {
    match connection.read(buffer) {
        Ok(0) => false,
        Ok(count) => connection.write_all(&buffer[..count]).is_ok(),
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}
