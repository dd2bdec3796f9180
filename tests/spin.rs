//! The spin before a sleep: when it runs, and when it does not. By the counters, since time says nothing on a busy
//! machine: with a limit of a minute every gap is a short one, and with none no gap is. A busy machine takes the core
//! away now and then, which stops the spins for a while; so what is to be seen once is waited for.

#![forbid(unsafe_code)]

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::{connected, now, pair, turns};
use eyewall::net::TcpStream;
use eyewall::time::sleep;
use eyewall::{Reactor, spawn, yield_now};

/// So many gaps bring an average that begins at sixteen limits below one: each takes a quarter off.
const GAPS: usize = 16;

/// A connection to a thread that answers each byte with itself.
async fn answering() -> TcpStream {
    let (stream, mut peer) = connected().await;
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(peer.read(&mut byte), Ok(1)) {
            peer.write_all(&byte).unwrap();
        }
    });
    stream
}

/// Asks and waits for the answer: each wait is a gap in which nothing else is to be done.
async fn gaps(stream: &mut TcpStream, count: usize) {
    for _ in 0..count {
        stream.post("?").await.unwrap();
        stream.recv_chunk().await.unwrap().unwrap();
    }
}

/// The same, once the reactor has seen that the answers come soon, and spins.
async fn answering_soon() -> TcpStream {
    let mut stream = answering().await;
    while now().spins == 0 {
        gaps(&mut stream, GAPS).await;
    }
    stream
}

fn spinning(limit: Duration) -> Reactor {
    Reactor::builder().spin(limit).build().unwrap()
}

#[test]
fn it_begins_when_gaps_have_been_short() {
    let reactor = spinning(Duration::from_secs(60));
    common::run(&reactor, async {
        let mut stream = answering().await;
        loop {
            let before = now();
            gaps(&mut stream, 10).await;
            let after = now();
            // A spin a gap, and never a sleep.
            if after.spins_won - before.spins_won == 10 && after.waits == before.waits {
                break;
            }
        }
    });
}

#[test]
fn zero_turns_it_off() {
    let reactor = spinning(Duration::ZERO);
    common::run(&reactor, async {
        let mut stream = answering().await;
        gaps(&mut stream, GAPS).await;
        assert_eq!(now().spins, 0);
        assert!(now().waits >= GAPS as u64);
    });
}

#[test]
fn it_does_not_run_while_there_is_something_to_do() {
    let reactor = spinning(Duration::from_secs(60));
    common::run(&reactor, async {
        let mut other = answering().await;
        gaps(&mut other, 2 * GAPS).await;
        let (mut stream, mut peer) = pair().await;
        let echo = spawn(async move {
            while let Some(chunk) = peer.recv_chunk().await.unwrap() {
                peer.send_all(chunk).await.0.unwrap();
            }
        });
        let busy = spawn(async {
            loop {
                yield_now().await;
            }
        });
        turns(2).await;
        let before = now();
        for _ in 0..100 {
            stream.send_all("ping").await.0.unwrap();
            stream.recv_chunk().await.unwrap().unwrap();
        }
        let after = now();
        assert_eq!(after.spins, before.spins);
        assert_eq!(after.waits, before.waits);
        busy.abort();
        drop(stream);
        echo.await.unwrap();
    });
}

#[test]
fn one_long_gap_ends_it() {
    // Long enough to be met by the short gaps on a busy machine, short enough to be overrun for real.
    let limit = Duration::from_millis(20);
    let reactor = spinning(limit);
    common::run(&reactor, async {
        let mut stream = answering_soon().await;
        let (mut silent, _peer) = pair().await;
        silent.post("?").await.unwrap();
        sleep(20 * limit).await;
        let before = now();
        gaps(&mut stream, 1).await;
        let after = now();
        assert_eq!(after.spins, before.spins, "it sleeps at once");
        assert!(after.waits > before.waits);
    });
}

/// A spin would take one by one what a sleep takes together.
#[test]
fn it_does_not_run_while_many_answers_are_awaited() {
    let reactor = spinning(Duration::from_secs(60));
    common::run(&reactor, async {
        let mut stream = answering_soon().await;
        let mut others = Vec::new();
        for _ in 0..16 {
            others.push(connected().await);
        }
        for (other, _) in &mut others[..8] {
            other.post("?").await.unwrap();
        }
        for (other, _) in &mut others[8..] {
            // Its completion is no answer.
            other.send_all("?").await.0.unwrap();
        }
        turns(2).await;
        let before = now();
        gaps(&mut stream, GAPS).await;
        assert_eq!(now().spins, before.spins);
        for (other, peer) in &mut others[..8] {
            peer.write_all(b"!").unwrap();
            other.recv_chunk().await.unwrap().unwrap();
        }
        gaps(&mut stream, GAPS).await;
        assert_eq!(
            now().spins,
            before.spins,
            "half of the answers are still to come"
        );
        // Nobody awaits an answer to what has gone.
        drop(others);
        while now().spins == before.spins {
            gaps(&mut stream, GAPS).await;
        }
    });
}

/// What is not asked for comes no sooner for a spin.
#[test]
fn it_does_not_run_where_nobody_was_asked() {
    let reactor = spinning(Duration::from_secs(60));
    common::run(&reactor, async {
        let _stream = answering_soon().await;
        let before = now();
        for _ in 0..GAPS {
            sleep(Duration::from_micros(100)).await;
        }
        assert_eq!(now().spins, before.spins);
    });
}
