//! What idle TLS sessions cost by themselves: each with a socket, used for one GET, and nothing else. By rustls'
//! interface with buffers of its own; with `--unbuffered` as the last argument, by the one without.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use peers::client::{self, Load};
use peers::{hold, tls};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ClientConfig, ClientConnection};

type Failed = Box<dyn Error + Send + Sync>;

/// A session and what carries it: in a box, so that their own size counts once they are there.
enum Held {
    Buffered(Box<(TcpStream, ClientConnection)>),
    Unbuffered(Box<(TcpStream, UnbufferedClientConnection)>),
}

fn main() -> Result<(), Failed> {
    let load = client::start();
    let unbuffered = std::env::args().any(|arg| arg == "--unbuffered");
    let origin = Origin::of(&load)?;
    let mut held = Vec::with_capacity(1 << 15);
    for wanted in hold::wanted() {
        let wanted = wanted?;
        while held.len() < wanted {
            held.push(match unbuffered {
                true => Held::Unbuffered(Box::new(origin.unbuffered()?)),
                false => Held::Buffered(Box::new(origin.buffered()?)),
            });
        }
        hold::report(wanted)?;
    }
    // They are measured while they are there.
    for one in &held {
        match one {
            Held::Buffered(held) => held.0.take_error()?,
            Held::Unbuffered(held) => held.0.take_error()?,
        };
    }
    Ok(())
}

struct Origin {
    address: String,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    request: Vec<u8>,
    body: usize,
}

impl Origin {
    fn of(load: &Load) -> Result<Origin, Failed> {
        let rest = load.url.strip_prefix("https://").ok_or("not https")?;
        let (address, path) = rest.split_once('/').ok_or("no path")?;
        let (host, _) = address.split_once(':').ok_or("no port")?;
        Ok(Origin {
            address: address.into(),
            name: ServerName::try_from(host.to_owned())?,
            config: Arc::new(tls::config(load).ok_or("nobody to trust")?),
            request: format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes(),
            body: load.bytes,
        })
    }

    /// Whether so much plaintext is the whole response.
    fn is_whole(&self, plaintext: &[u8]) -> bool {
        let head = plaintext.windows(4).position(|end| end == b"\r\n\r\n");
        head.is_some_and(|at| plaintext.len() - at - 4 == self.body)
    }

    fn buffered(&self) -> Result<(TcpStream, ClientConnection), Failed> {
        let mut socket = TcpStream::connect(&self.address)?;
        let mut session = ClientConnection::new(Arc::clone(&self.config), self.name.clone())?;
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        stream.write_all(&self.request)?;
        let mut plaintext = Vec::new();
        while !self.is_whole(&plaintext) {
            let mut piece = [0; 16 << 10];
            match stream.read(&mut piece)? {
                0 => return Err("the response has been cut off".into()),
                count => plaintext.extend_from_slice(&piece[..count]),
            }
        }
        Ok((socket, session))
    }

    fn unbuffered(&self) -> Result<(TcpStream, UnbufferedClientConnection), Failed> {
        let mut socket = TcpStream::connect(&self.address)?;
        let config = Arc::clone(&self.config);
        let mut session = UnbufferedClientConnection::new(config, self.name.clone())?;
        let (mut incoming, mut outgoing, mut plaintext) = (Vec::new(), Vec::new(), Vec::new());
        let mut asked = false;
        while !self.is_whole(&plaintext) {
            let UnbufferedStatus { mut discard, state } =
                session.process_tls_records(&mut incoming);
            let mut starved = false;
            match state? {
                ConnectionState::EncodeTlsData(mut data) => {
                    let mut out = vec![0; 18 << 10];
                    let size = data.encode(&mut out)?;
                    outgoing.extend_from_slice(&out[..size]);
                }
                ConnectionState::TransmitTlsData(data) => {
                    socket.write_all(&std::mem::take(&mut outgoing))?;
                    data.done();
                }
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        plaintext.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::WriteTraffic(mut traffic) if !asked => {
                    let mut out = vec![0; 18 << 10];
                    let size = traffic.encrypt(&self.request, &mut out)?;
                    socket.write_all(&out[..size])?;
                    asked = true;
                }
                ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake => {
                    starved = true;
                }
                other => return Err(format!("an unexpected state: {other:?}").into()),
            }
            incoming.drain(..discard);
            if starved && receive(&mut socket, &mut incoming)? == 0 {
                return Err("the response has been cut off".into());
            }
        }
        Ok((socket, session))
    }
}

fn receive(socket: &mut TcpStream, incoming: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 16 << 10];
    let count = socket.read(&mut piece)?;
    incoming.extend_from_slice(&piece[..count]);
    Ok(count)
}
