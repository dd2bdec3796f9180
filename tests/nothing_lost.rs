//! Nothing that has been received is lost, whatever becomes of the futures that wait for it.

#![forbid(unsafe_code)]

mod common;

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use common::{Checker, Random, connected, now, poll_once, reaped, sequence, turns};
use eyewall::net::{TcpListener, TcpStream};
use eyewall::time::timeout;
use eyewall::{Reactor, yield_now};
use futures_util::{FutureExt, StreamExt, select};

/// What one of the first `kinds` kinds of receive has given: into a buffer of our own, as a chunk, from the
/// stream of chunks. The later ones stay armed when they are dropped, and then serve the earlier ones, too.
async fn receive_some(stream: &mut TcpStream, kinds: u64, random: &mut Random) -> Vec<u8> {
    match random.below(kinds) {
        0 => {
            let buffer = Vec::with_capacity(1 + random.below(300) as usize);
            let (count, buffer) = stream.recv(buffer).await;
            assert_eq!(count.unwrap(), buffer.len());
            buffer
        }
        1 => stream
            .recv_chunk()
            .await
            .unwrap()
            .map_or(Vec::new(), |chunk| chunk.to_vec()),
        _ => match stream.chunks().next().await {
            Some(chunk) => chunk.unwrap().to_vec(),
            None => Vec::new(),
        },
    }
}

/// Receives, unless something else is ready before.
async fn receive_or_give_up(
    stream: &mut TcpStream,
    kinds: u64,
    random: &mut Random,
) -> Option<Vec<u8>> {
    let turns = random.below(4);
    if random.below(4) == 0 {
        let limit = Duration::from_micros(random.below(60));
        return timeout(limit, receive_some(stream, kinds, random))
            .await
            .ok();
    }
    let other = async {
        for _ in 0..turns {
            yield_now().await;
        }
    };
    select! {
        bytes = receive_some(stream, kinds, random).fuse() => Some(bytes),
        () = other.fuse() => None,
    }
}

/// Writes the sequence in small pieces with small pauses until it is told to stop; returns how much it was.
fn write_until(stop: Arc<AtomicBool>, mut peer: std::net::TcpStream) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut random = Random::new(7);
        let mut written = 0;
        while !stop.load(Ordering::Relaxed) {
            let count = 1 + random.below(64);
            let bytes: Vec<u8> = (written..written + count).map(sequence).collect();
            peer.write_all(&bytes).unwrap();
            written += count;
            match random.below(8) {
                0 => std::thread::sleep(Duration::from_micros(random.below(50))),
                1..4 => std::thread::yield_now(),
                _ => (0..random.below(2000)).for_each(|_| std::hint::spin_loop()),
            }
        }
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        written
    })
}

async fn lose_nothing_in(rounds: usize) {
    let (mut stream, peer) = connected().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = write_until(Arc::clone(&stop), peer);
    let mut random = Random::new(1);
    let mut checker = Checker::default();
    for kinds in 1..=3 {
        let rounds = rounds / 3;
        let (mut given_up, mut in_a_row) = (0, 0);
        let discarded = now().discarded;
        for _ in 0..rounds {
            // On a busy machine the writer may not run for a long time: then wait for it.
            let received = match in_a_row {
                20 => Some(receive_some(&mut stream, kinds, &mut random).await),
                _ => receive_or_give_up(&mut stream, kinds, &mut random).await,
            };
            match received {
                Some(bytes) => {
                    in_a_row = 0;
                    assert!(!bytes.is_empty(), "the peer has not finished yet");
                    checker.check(&bytes);
                }
                None => {
                    given_up += 1;
                    in_a_row += 1;
                }
            }
        }
        let discarded = now().discarded - discarded;
        println!("{kinds}: given up {given_up} of {rounds}, {discarded} discarded");
        // Otherwise the test has not tried what it is about.
        assert!(given_up > rounds / 20);
        assert!(kinds > 1 || discarded > rounds as u64 / 100);
    }
    stop.store(true, Ordering::Relaxed);
    loop {
        let bytes = receive_some(&mut stream, 3, &mut random).await;
        if bytes.is_empty() {
            break;
        }
        checker.check(&bytes);
    }
    assert_eq!(checker.position, writer.join().unwrap());
}

#[test]
fn a_hundred_thousand_receives_given_up_lose_nothing() {
    let reactor = Reactor::new().unwrap();
    common::run(&reactor, lose_nothing_in(100_000));
    assert_eq!(reactor.metrics().stale, 0);
}

#[test]
fn nor_in_any_set_up() {
    common::run_everywhere(|_| lose_nothing_in(5_000));
}

/// How far a receive has come when it is forgotten.
#[derive(Clone, Copy, Debug)]
enum Point {
    Staged,
    InTheKernel,
    Completed,
}

async fn forget_at(point: Point) {
    let (mut stream, mut peer) = connected().await;
    let mut receive = Box::pin(stream.recv(Vec::with_capacity(4)));
    let before = now().cqes;
    assert!(poll_once(receive.as_mut()).await.is_pending());
    match point {
        Point::Staged => {}
        Point::InTheKernel => turns(2).await,
        Point::Completed => {
            peer.write_all(b"abcdef").unwrap();
            reaped(before, 1).await;
        }
    }
    std::mem::forget(receive);
    match point {
        Point::Completed => peer.write_all(b"gh").unwrap(),
        _ => peer.write_all(b"abcdefgh").unwrap(),
    }
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = Vec::new();
    loop {
        let (count, bytes) = stream.recv(Vec::with_capacity(3)).await;
        if count.unwrap() == 0 {
            break;
        }
        all.extend(bytes);
    }
    assert_eq!(all, b"abcdefgh", "{point:?}");
}

#[test]
fn a_forgotten_receive_leaves_its_bytes_to_the_next() {
    common::run_everywhere(|_| async {
        for point in [Point::Staged, Point::InTheKernel, Point::Completed] {
            forget_at(point).await;
        }
    });
}

#[test]
fn a_forgotten_receive_leaves_its_bytes_to_a_chunk() {
    common::run_everywhere(|_| async {
        let (mut stream, mut peer) = connected().await;
        let before = now().cqes;
        let mut receive = Box::pin(stream.recv(Vec::with_capacity(4)));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        peer.write_all(b"abcd").unwrap();
        reaped(before, 1).await;
        std::mem::forget(receive);
        let chunk = stream.recv_chunk().await.unwrap().unwrap();
        assert_eq!(&chunk[..], b"abcd");
    });
}

#[test]
fn connections_accepted_for_dropped_futures_arrive_later() {
    const CLIENTS: u32 = 100;
    common::run_everywhere(|_| async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut random = Random::new(3);
        let mut clients = Vec::new();
        let mut accepted = Vec::new();
        for number in 0..CLIENTS {
            // Three in four come while nobody asks, so that a multishot is paused and armed again.
            let kind = random.below(8);
            let mut incoming = listener.incoming();
            let early = match kind {
                0 => poll_once(Pin::new(&mut incoming.next()))
                    .await
                    .map(Option::unwrap),
                1 => {
                    let mut accept = Box::pin(listener.accept());
                    let polled = poll_once(accept.as_mut()).await;
                    if polled.is_pending() && random.below(4) == 0 {
                        std::mem::forget(accept);
                    }
                    polled.map_ok(|(stream, _)| stream)
                }
                _ => Poll::Pending,
            };
            if let Poll::Ready(stream) = early {
                accepted.push(stream.unwrap());
            }
            turns(random.below(3) as usize).await;
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(&number.to_le_bytes()).unwrap();
            clients.push(client);
            turns(random.below(3) as usize).await;
        }
        assert!(accepted.len() < CLIENTS as usize / 2, "most wait");
        while accepted.len() < CLIENTS as usize {
            accepted.push(listener.accept().await.unwrap().0);
        }
        let mut numbers = Vec::new();
        for mut stream in accepted {
            let (result, bytes) = stream.recv_exact(Vec::with_capacity(4)).await;
            result.unwrap();
            numbers.push(u32::from_le_bytes(bytes.try_into().unwrap()));
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..CLIENTS));
        assert!(listener.accept().now_or_never().is_none());
    });
}
