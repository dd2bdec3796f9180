//! Opens connections to an echo server, uses each once, and holds them. Each number of connections on standard
//! input is reached and then said on standard output; the end of the input ends it. The first of all makes some
//! thousands of echoes, so that pages that all connections share are in memory before anything is measured.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// More echoes than any contender has buffers in a ring.
const SHARED_BUFFERS: usize = 5000;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).and_then(|arg| arg.parse().ok());
    let address: SocketAddr = address.expect("usage: hold ADDRESS");
    let mut held = Vec::new();
    for line in io::stdin().lock().lines() {
        let wanted: usize = line?.trim().parse().map_err(io::Error::other)?;
        while held.len() < wanted {
            let mut connection = TcpStream::connect(address)?;
            let echoes = if held.is_empty() { SHARED_BUFFERS } else { 1 };
            for _ in 0..echoes {
                echo(&mut connection)?;
            }
            held.push(connection);
        }
        println!("{}", held.len());
    }
    Ok(())
}

fn echo(connection: &mut TcpStream) -> io::Result<()> {
    let mut back = [0; 64];
    connection.write_all(&[7; 64])?;
    connection.read_exact(&mut back)?;
    match back == [7; 64] {
        true => Ok(()),
        false => Err(io::Error::other("other bytes came back than were sent")),
    }
}
