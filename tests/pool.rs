//! The buffer pool when it is empty: nobody fails, nobody spins, nobody starves.

#![forbid(unsafe_code)]

mod common;

use std::cell::RefCell;
use std::io::Write;
use std::net::TcpStream as Peer;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use common::{Checker, connected, now, poll_once, run, settles, turns};
use eyewall::buf::Chunk;
use eyewall::net::TcpStream;
use eyewall::time::sleep;
use eyewall::{Reactor, spawn};
use futures_util::StreamExt;

const BYTES: usize = 100_000;

/// Writes [`BYTES`] of the sequence from a thread, and then the end.
fn feed(mut peer: Peer) {
    std::thread::spawn(move || common::write_sequence(&mut peer, 0, BYTES));
}

/// Reads the whole sequence, and does with each chunk as told.
async fn read_all(mut stream: TcpStream, multishot: bool, mut then: impl FnMut(Chunk)) {
    let mut checker = Checker::default();
    if multishot {
        let mut chunks = stream.chunks();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.unwrap();
            checker.check(&chunk);
            then(chunk);
        }
    } else {
        while let Some(chunk) = stream.recv_chunk().await.unwrap() {
            checker.check(&chunk);
            then(chunk);
        }
    }
    assert_eq!(checker.position, BYTES as u64);
}

#[test]
fn streams_go_on_although_the_user_keeps_every_chunk() {
    let reactor = Reactor::builder().pool(2, 256).build().unwrap();
    run(&reactor, async {
        let kept = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..4 {
            let (stream, peer) = connected().await;
            feed(peer);
            let kept = Rc::clone(&kept);
            tasks.push(spawn(async move {
                read_all(stream, number % 2 == 0, |chunk| {
                    kept.borrow_mut().push(chunk)
                })
                .await;
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert!(now().pool_parks > 0, "the pool was never empty");
        assert_eq!(now().pool_available, 0);
        kept.borrow_mut().clear();
        settles(2, || now().pool_available).await;
    });
}

#[test]
fn a_stream_that_was_parked_uses_the_pool_again() {
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    run(&reactor, async {
        let (mut keeper, mut keeper_peer) = connected().await;
        let (mut other, mut peer) = connected().await;
        keeper_peer.write_all(b"kept").unwrap();
        let kept = keeper.recv_chunk().await.unwrap().unwrap();
        assert!(format!("{kept:?}").contains("pooled: true"));

        peer.write_all(b"one").unwrap();
        let chunk = other.recv_chunk().await.unwrap().unwrap();
        assert_eq!(&chunk[..], b"one");
        assert!(format!("{chunk:?}").contains("pooled: false"));
        assert!(now().pool_parks > 0);

        drop(kept);
        peer.write_all(b"two").unwrap();
        let chunk = other.recv_chunk().await.unwrap().unwrap();
        assert_eq!(&chunk[..], b"two");
        assert!(format!("{chunk:?}").contains("pooled: true"));
    });
}

#[test]
fn a_returning_buffer_wakes_a_parked_stream() {
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    run(&reactor, async {
        let (mut keeper, mut keeper_peer) = connected().await;
        keeper_peer.write_all(b"kept").unwrap();
        let kept = keeper.recv_chunk().await.unwrap().unwrap();
        let (mut other, mut peer) = connected().await;
        peer.write_all(b"bytes").unwrap();
        let parks = now().pool_parks;
        let waiting = spawn(async move { other.recv_chunk().await.unwrap().unwrap().to_vec() });
        while now().pool_parks == parks {
            turns(1).await;
        }
        drop(kept);
        assert_eq!(waiting.await.unwrap(), b"bytes");
        settles(1, || now().pool_available).await;
    });
}

#[test]
fn a_parked_stream_goes_on_though_the_reactor_never_sleeps() {
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    run(&reactor, async {
        let (mut keeper, mut keeper_peer) = connected().await;
        keeper_peer.write_all(b"kept").unwrap();
        let _kept = keeper.recv_chunk().await.unwrap().unwrap();
        let (mut other, mut peer) = connected().await;
        peer.write_all(b"bytes").unwrap();
        let busy = spawn(async {
            loop {
                turns(1).await;
            }
        });
        let chunk = other.recv_chunk().await.unwrap().unwrap();
        assert_eq!(&chunk[..], b"bytes");
        busy.abort();
    });
}

#[test]
fn a_posted_chunk_gives_its_buffer_to_a_parked_stream() {
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    run(&reactor, async {
        let (mut keeper, mut keeper_peer) = connected().await;
        keeper_peer.write_all(b"kept").unwrap();
        let kept = keeper.recv_chunk().await.unwrap().unwrap();
        let (mut other, mut peer) = connected().await;
        peer.write_all(b"bytes").unwrap();
        let parks = now().pool_parks;
        let waiting = spawn(async move { other.recv_chunk().await.unwrap().unwrap() });
        while now().pool_parks == parks {
            turns(1).await;
        }
        // In the same turn, and nothing tells of its end.
        keeper.post(kept).await.unwrap();
        let chunk = waiting.await.unwrap();
        assert_eq!(&chunk[..], b"bytes");
        assert!(format!("{chunk:?}").contains("pooled: true"), "{chunk:?}");
    });
}

#[test]
fn a_slow_consumer_cannot_starve_the_others() {
    let reactor = Reactor::builder()
        .pool(512, 256)
        .multishot_backlog(4)
        .build()
        .unwrap();
    run(&reactor, async {
        let (mut slow, slow_peer) = connected().await;
        feed(slow_peer);
        {
            // Armed, and then nobody asks for what it brings.
            let mut chunks = slow.chunks();
            let mut first = chunks.next();
            assert!(poll_once(Pin::new(&mut first)).await.is_pending());
        }
        settles(true, || now().throttled > 0).await;
        // The backlog, and what the kernel brings until it sees the cancel: some batches of 32. Its sender could fill
        // the pool many times over.
        let available = now().pool_available;
        assert!(available >= 256, "{available}");
        let parks = now().pool_parks;
        let (stream, peer) = connected().await;
        feed(peer);
        read_all(stream, true, drop).await;
        println!("{} parks", now().pool_parks - parks);
        // Nothing of the slow one is lost.
        read_all(slow, true, drop).await;
    });
}

#[test]
fn nor_one_that_takes_the_whole_pool() {
    let reactor = Reactor::builder().pool(2, 256).build().unwrap();
    run(&reactor, async {
        let (mut slow, slow_peer) = connected().await;
        feed(slow_peer);
        {
            let mut chunks = slow.chunks();
            let mut first = chunks.next();
            assert!(poll_once(Pin::new(&mut first)).await.is_pending());
        }
        settles(0, || now().pool_available).await;
        let (stream, peer) = connected().await;
        feed(peer);
        read_all(stream, false, drop).await;
        read_all(slow, false, drop).await;
    });
}

#[test]
fn a_parked_and_idle_stream_does_not_spin() {
    let reactor = Reactor::builder().pool(1, 256).build().unwrap();
    run(&reactor, async {
        let (mut keeper, mut keeper_peer) = connected().await;
        keeper_peer.write_all(b"kept").unwrap();
        let _kept = keeper.recv_chunk().await.unwrap().unwrap();
        let (mut idle, mut peer) = connected().await;
        let waiting = spawn(async move { idle.chunks().next().await.unwrap().unwrap().to_vec() });
        settles(true, || now().pool_parks > 0).await;
        sleep(Duration::from_millis(5)).await;
        let before = now();
        sleep(Duration::from_millis(200)).await;
        let after = now();
        let enters = after.enters - before.enters;
        assert!(enters <= 5, "{enters} enters: it spins");
        assert_eq!(after.pool_parks, before.pool_parks);
        peer.write_all(b"at last").unwrap();
        assert_eq!(waiting.await.unwrap(), b"at last");
    });
}
