//! Opens connections to an echo server, uses each once, and holds them. Each number of connections on standard
//! input is reached and then said on standard output; the end of the input ends it.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).and_then(|arg| arg.parse().ok());
    let address: SocketAddr = address.expect("usage: hold ADDRESS");
    let mut held = Vec::new();
    for line in io::stdin().lock().lines() {
        let wanted: usize = line?.trim().parse().map_err(io::Error::other)?;
        while held.len() < wanted {
            let mut connection = TcpStream::connect(address)?;
            let mut back = [0; 64];
            connection.write_all(&[7; 64])?;
            connection.read_exact(&mut back)?;
            if back != [7; 64] {
                return Err(io::Error::other("other bytes came back than were sent"));
            }
            held.push(connection);
        }
        println!("{}", held.len());
    }
    Ok(())
}
