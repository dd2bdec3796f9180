//! What large bodies cost in memory: as much as small ones. Memory is that of the process, so each test has one of its
//! own.
#![cfg(feature = "http")]

mod http_peer;
mod setups;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use eyewall::Reactor;
use eyewall::http::{Client, Flow};
use http_peer::{Peer, accept, read_head};
use setups::in_own_process;

/// Bytes of memory that this process has in use.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.unwrap().trim().strip_suffix("kB").unwrap();
    kib.trim().parse::<u64>().unwrap() << 10
}

/// How much memory grows while `work` runs, looked at whenever it asks.
struct Growth {
    before: u64,
    most: u64,
}

impl Growth {
    fn new() -> Growth {
        let before = resident();
        Growth {
            before,
            most: before,
        }
    }

    fn look(&mut self) {
        self.most = self.most.max(resident());
    }

    fn bytes(&self) -> u64 {
        self.most - self.before
    }
}

static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];

/// Sends a body of `length` bytes, which are whole pieces, as fast as they are taken.
fn large_peer(length: u64) -> Peer {
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        send_pieces(&mut stream, length);
    })
}

fn send_pieces(stream: &mut TcpStream, length: u64) {
    for _ in 0..length / PIECE.len() as u64 {
        if stream.write_all(&PIECE).is_err() {
            return;
        }
    }
}

/// Runs a test on a reactor with 64 KiB of buffers.
fn run_small<F: Future>(future: F) -> F::Output {
    let reactor = Reactor::builder().pool(16, 4096).build().unwrap();
    let bounded = eyewall::time::timeout(Duration::from_secs(50), future);
    let output = reactor.block_on(bounded).unwrap();
    let metrics = reactor.metrics();
    assert_eq!(metrics.pool_available, metrics.pool_buffers);
    output.expect("the test takes too long")
}

#[test]
fn b01_a_gibibyte_for_a_slow_reader_costs_no_memory() {
    in_own_process("b01_a_gibibyte_for_a_slow_reader_costs_no_memory", || {
        const LENGTH: u64 = 1 << 30;
        let peer = large_peer(LENGTH);
        run_small(async {
            let request = Client::new().get(peer.url()).max_body_size(LENGTH);
            let request = request.timeout(Duration::ZERO);
            let mut response = request.send().await.unwrap();
            let mut growth = Growth::new();
            let mut seen = 0;
            let mut next_rest = 0;
            while let Some(chunk) = response.chunk().await.unwrap() {
                assert!(chunk[0] == b'x' && chunk[chunk.len() - 1] == b'x');
                seen += chunk.len() as u64;
                if seen >= next_rest {
                    // Holds what it has, while the server goes on to send.
                    growth.look();
                    eyewall::time::sleep(Duration::from_millis(5)).await;
                    growth.look();
                    next_rest += LENGTH / 100;
                }
            }
            assert_eq!(seen, LENGTH);
            assert!(growth.bytes() < 2 << 20, "{} bytes", growth.bytes());
        });
        peer.join();
    });
}

#[test]
fn b01_a_push_that_pauses_costs_no_memory() {
    in_own_process("b01_a_push_that_pauses_costs_no_memory", || {
        const LENGTH: u64 = 100 << 20;
        let peer = large_peer(LENGTH);
        run_small(async {
            let response = Client::new().get(peer.url()).send().await.unwrap();
            let mut seen = 0;
            let mut next_rest = 0;
            let mut push = response.push(move |bytes| {
                seen += bytes.len() as u64;
                if seen < next_rest {
                    return Flow::Continue;
                }
                next_rest += LENGTH / 20;
                Flow::Pause
            });
            let pusher = push.pusher();
            let mut growth = Growth::new();
            while eyewall::time::timeout(Duration::from_millis(10), &mut push)
                .await
                .is_err()
            {
                growth.look();
                pusher.resume();
            }
            assert!(growth.bytes() < 2 << 20, "{} bytes", growth.bytes());
        });
        peer.join();
    });
}

#[cfg(feature = "compression")]
#[test]
fn d03_ten_gibibytes_in_ten_mebibytes_stop_at_the_limit_and_cost_no_memory() {
    use eyewall::http::ErrorKind;
    use flate2::{Compression, write::GzEncoder};

    let name = "d03_ten_gibibytes_in_ten_mebibytes_stop_at_the_limit_and_cost_no_memory";
    in_own_process(name, || {
        const LIMIT: u64 = 4 << 20;
        // Members of 1 MiB of zeros, one behind the other.
        let mut member = GzEncoder::new(Vec::new(), Compression::best());
        member.write_all(&vec![0; 1 << 20]).unwrap();
        let bomb = member.finish().unwrap().repeat(10 << 10);
        assert!((9 << 20..12 << 20).contains(&bomb.len()), "{}", bomb.len());
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            bomb.len()
        )
        .into_bytes();
        answer.extend_from_slice(&bomb);
        drop(bomb);
        let peer = Peer::answering(answer);
        run_small(async {
            let request = Client::new().get(peer.url()).max_body_size(LIMIT);
            let request = request.timeout(Duration::ZERO);
            let mut response = request.send().await.unwrap();
            let mut growth = Growth::new();
            let mut seen = 0;
            let error = loop {
                match response.chunk().await {
                    Ok(chunk) => seen += chunk.expect("not the end").len() as u64,
                    Err(error) => break error,
                }
                if seen.is_multiple_of(1 << 20) {
                    growth.look();
                }
            };
            assert_eq!(error.kind(), ErrorKind::BodyTooLarge { limit: LIMIT });
            assert!(seen <= LIMIT && seen > LIMIT - (64 << 10), "{seen}");
            assert!(growth.bytes() < 2 << 20, "{} bytes", growth.bytes());
        });
        peer.join();
    });
}
