//! What an idle connection of an echo server costs in memory of its process. The server is this program once
//! more, in a process of its own, one for each way to receive; this one holds the other ends.

#![forbid(unsafe_code)]

mod common;

use std::fs::read_to_string;
use std::io::{self, Read, Write};
use std::net;

use common::{Args, Mode, Peer};
use eyewall::net::{TcpListener, TcpStream};
use eyewall::reactor::metrics;
use futures_util::StreamExt;

const ABOUT: &str =
    "Idle connections on an echo server: memory of its process (RSS), each used once";
const KINDS: [&str; 3] = ["owned", "pooled", "multishot"];
/// Descriptors for other things.
const OTHERS: u64 = 64;

fn main() -> io::Result<()> {
    if let Some(kind) = Peer::role() {
        return eyewall::block_on(serve(kind)).map_err(io::Error::other)?;
    }
    let args = Args::parse(ABOUT);
    let wanted = match args.mode {
        Mode::Full => 10_000,
        Mode::Quick => 2000,
        Mode::Smoke => 20,
        Mode::Count(count) => count.max(10),
    };
    let allowed = rlimit::increase_nofile_limit(wanted + OTHERS)?.saturating_sub(OTHERS);
    let count = wanted.min(allowed);
    let names = KINDS.map(|kind| (kind, format!("idle/{kind}")));
    let chosen = names.iter().filter(|(_, name)| args.selects(name));
    if args.list {
        chosen.for_each(|(_, name)| println!("{name}"));
        return Ok(());
    }
    if count < wanted {
        println!(
            "{count} connections instead of {wanted}: no more open files are allowed (ulimit -Hn)"
        );
    }
    // What is allocated once, by the first connections, is not counted.
    let warm = count / 10;
    if args.mode == Mode::Smoke {
        for (kind, name) in chosen {
            measure(kind, warm, count)?;
            println!("{name} works");
        }
        return Ok(());
    }
    println!(
        "\n{ABOUT}\n{:<28} {:>11} {:>11} {:>11} {:>14} {:>14}",
        "", "connections", "RSS before", "RSS after", "bytes each", "buffers free"
    );
    for (kind, name) in chosen {
        let (before, after) = measure(kind, warm, count)?;
        let each = (after.resident as f64 - before.resident as f64) / (count - warm) as f64;
        println!(
            "{name:<28} {:>11} {:>11} {:>11} {each:>14.0} {:>14}",
            format!("{warm}-{count}"),
            format!("{} KiB", before.resident >> 10),
            format!("{} KiB", after.resident >> 10),
            format!("{} of {}", after.free_buffers, after.buffers),
        );
    }
    Ok(())
}

/// The state of a server with `warm` connections, and with `count`.
fn measure(kind: &str, warm: u64, count: u64) -> io::Result<(State, State)> {
    let mut server = Peer::start(kind);
    let address = server.line();
    let mut clients = Vec::new();
    let mut grow = |to: u64| {
        while (clients.len() as u64) < to {
            clients.push(used(&address)?);
        }
        io::Result::Ok(State::parse(&server.ask("state")))
    };
    Ok((grow(warm)?, grow(count)?))
}

/// A connection that has been used once.
fn used(address: &str) -> io::Result<net::TcpStream> {
    let mut stream = net::TcpStream::connect(address)?;
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])?;
    Ok(stream)
}

/// What the server says of itself.
struct State {
    /// Bytes.
    resident: u64,
    free_buffers: u64,
    buffers: u64,
}

impl State {
    fn print() -> io::Result<()> {
        let now = metrics().expect("a reactor runs");
        println!(
            "{} {} {}",
            resident()?,
            now.pool_available,
            now.pool_buffers
        );
        Ok(())
    }

    fn parse(line: &str) -> State {
        let mut numbers = line
            .split(' ')
            .map(|number| number.parse().expect("a number"));
        let mut next = || numbers.next().expect("three numbers");
        State {
            resident: next(),
            free_buffers: next(),
            buffers: next(),
        }
    }
}

/// Bytes of memory that this process has in use. /proc/self/statm is quicker, but off by some pages for each
/// processor.
fn resident() -> io::Result<u64> {
    let text = read_to_string("/proc/self/smaps_rollup")?;
    let kib = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("Rss:")?
                .strip_suffix("kB")?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .ok_or_else(|| io::Error::other("/proc/self/smaps_rollup has another form"))?;
    Ok(kib << 10)
}

/// Prints its address, then its state for each line that it is sent.
async fn serve(kind: String) -> io::Result<()> {
    let listener = net::TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let mut listener = TcpListener::from_std(listener)?;
    eyewall::spawn(async move {
        let mut connections = listener.incoming();
        while let Some(Ok(connection)) = connections.next().await {
            match &*kind {
                "owned" => eyewall::spawn(echo_owned(connection)).detach(),
                "pooled" => eyewall::spawn(echo_pooled(connection)).detach(),
                _ => eyewall::spawn(echo_multishot(connection)).detach(),
            }
        }
    })
    .detach();
    while next_line().await? {
        State::print()?;
    }
    Ok(())
}

/// Waits for a line on standard input; `false` at its end.
async fn next_line() -> io::Result<bool> {
    let read = || io::stdin().read_line(&mut String::new());
    let count = eyewall::spawn_blocking(read)
        .await
        .map_err(io::Error::other)??;
    Ok(count > 0)
}

/// With a buffer of 4 KiB, which it holds while it waits, as is usual elsewhere.
async fn echo_owned(mut connection: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let (received, received_buffer) = connection.recv(buffer).await;
        if received? == 0 {
            return Ok(());
        }
        let (sent, sent_buffer) = connection.send_all(received_buffer).await;
        sent?;
        buffer = sent_buffer;
    }
}

async fn echo_pooled(mut connection: TcpStream) -> io::Result<()> {
    while let Some(chunk) = connection.recv_chunk().await? {
        connection.send_all(chunk).await.0?;
    }
    Ok(())
}

async fn echo_multishot(mut connection: TcpStream) -> io::Result<()> {
    let (receiving, sending) = connection.split();
    let mut chunks = receiving.chunks();
    while let Some(chunk) = chunks.next().await {
        sending.send_all(chunk?).await.0?;
    }
    Ok(())
}
