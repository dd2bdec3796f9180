//! What an idle connection costs a server in memory. That is the memory of the process, so this file has one test.

#![forbid(unsafe_code)]

mod common;

use std::io::{self, Read, Write};
use std::net;

use common::now;
use eyewall::net::{TcpListener, TcpStream};
use eyewall::{Reactor, spawn, spawn_blocking};
use futures_util::StreamExt;

/// What is allocated once, by the first of them, does not count.
const WARM: usize = 1_000;
const CONNECTIONS: usize = 5_000;
/// Bytes for each. The allocator of musl takes 30 more for the same blocks.
const GOAL: u64 = match cfg!(target_env = "musl") {
    true => 576,
    false => 512,
};

/// Bytes of memory that this process has written to: pages of its program come and go for reasons of their own.
fn written() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = line.unwrap().trim().strip_suffix("kB").unwrap();
    kib.trim().parse::<u64>().unwrap() << 10
}

async fn serve(mut listener: TcpListener) -> io::Result<()> {
    let mut connections = listener.incoming();
    while let Some(connection) = connections.next().await {
        spawn(echo(connection?)).detach();
    }
    Ok(())
}

async fn echo(mut connection: TcpStream) -> io::Result<()> {
    let (receive, send) = connection.split();
    let mut chunks = receive.chunks();
    while let Some(chunk) = chunks.next().await {
        send.post(chunk?).await?;
    }
    Ok(())
}

/// Opens connections until there are so many, and uses each, the first `echoes` times.
fn open(held: &mut Vec<net::TcpStream>, count: usize, address: net::SocketAddr, echoes: usize) {
    while held.len() < count {
        let mut stream = net::TcpStream::connect(address).unwrap();
        let times = if held.is_empty() { echoes } else { 1 };
        for _ in 0..times {
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
        held.push(stream);
    }
}

#[test]
fn an_idle_connection_of_an_echo_server_costs_at_most_512_bytes() {
    rlimit::increase_nofile_limit(2 * CONNECTIONS as u64 + 64).unwrap();
    let reactor = Reactor::new().unwrap();
    common::run(&reactor, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn(serve(listener)).detach();
        // So often that each buffer of the pool has been used.
        let echoes = 2 * now().pool_buffers as usize;
        // One thread for all of it, since another has memory of its own.
        let (held, few, many) = spawn_blocking(move || {
            let mut held = Vec::with_capacity(CONNECTIONS);
            open(&mut held, WARM, address, echoes);
            let few = written();
            open(&mut held, CONNECTIONS, address, echoes);
            let many = written();
            (held, few, many)
        })
        .await
        .unwrap();
        let each = (many - few) / (CONNECTIONS - WARM) as u64;
        println!("{each} bytes each");
        assert!(each <= GOAL, "an idle connection costs {each} bytes");
        common::settles(now().pool_buffers, || now().pool_available).await;
        drop(held);
    });
}
