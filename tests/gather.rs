//! The sleep until several completions are there: when it is taken, and that it keeps nobody waiting. By the counters,
//! since time says nothing on a busy machine; so what is to be seen once is waited for.

#![forbid(unsafe_code)]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener as StdListener, TcpStream as StdStream};
use std::time::Duration;

use common::{connected, now};
use eyewall::net::TcpStream;
use eyewall::time::timeout;
use eyewall::{Reactor, spawn};
use futures_util::future::join_all;

/// So many streams that have connected, and their peers.
async fn streams(count: usize) -> (Vec<TcpStream>, Vec<StdStream>) {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut pairs = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect(address).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.set_nodelay(true).unwrap();
        pairs.push((stream, peer));
    }
    pairs.into_iter().unzip()
}

/// So many that were accepted, and their peers.
async fn accepted(count: usize) -> (Vec<TcpStream>, Vec<StdStream>) {
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push(connected().await);
    }
    pairs.into_iter().unzip()
}

/// A thread that answers each byte with itself, one stream after the other, until they end.
fn answer(mut peers: Vec<StdStream>) {
    std::thread::spawn(move || {
        let mut byte = [0];
        loop {
            for peer in &mut peers {
                match peer.read(&mut byte) {
                    Ok(1) => peer.write_all(&byte).unwrap(),
                    _ => return,
                }
            }
        }
    });
}

/// Each stream asks, and awaits its answer, so many times.
async fn rounds(streams: Vec<TcpStream>, count: u8) -> Vec<TcpStream> {
    let tasks = streams.into_iter().map(|mut stream| {
        spawn(async move {
            for round in 0..count {
                stream.post(vec![round]).await.unwrap();
                let answer = stream.recv_chunk().await.unwrap().unwrap();
                assert_eq!(&answer[..], [round]);
            }
            stream
        })
    });
    let ended = join_all(tasks).await;
    ended.into_iter().map(Result::unwrap).collect()
}

/// The same until the reactor has seen that the answers come soon one after the other, and gathers.
async fn gathering(mut streams: Vec<TcpStream>) -> Vec<TcpStream> {
    let before = now().gathers;
    while now().gathers == before {
        streams = rounds(streams, 20).await;
    }
    streams
}

fn reactor(limit: Duration) -> Reactor {
    let builder = Reactor::builder().spin(Duration::ZERO);
    builder.gather(limit).build().unwrap()
}

#[test]
fn it_is_taken_where_many_answers_come_soon() {
    let builder = Reactor::builder().gather(Duration::from_secs(1));
    for reactor in [builder.clone(), builder.spin(Duration::ZERO)] {
        common::run(&reactor.build().unwrap(), async {
            let (streams, peers) = streams(32).await;
            answer(peers);
            let streams = gathering(streams).await;
            rounds(streams, 100).await;
        });
    }
}

#[test]
fn it_is_not_taken_without_a_limit_nor_for_a_few() {
    for (limit, count) in [(Duration::ZERO, 32), (Duration::from_secs(1), 15)] {
        common::run(&reactor(limit), async {
            let (streams, peers) = streams(count).await;
            answer(peers);
            rounds(streams, 200).await;
            assert_eq!(now().gathers, 0, "{limit:?}, {count} streams");
        });
    }
}

/// What they are sent is the answer: nobody knows when the next question comes.
#[test]
fn it_is_not_taken_for_streams_that_were_accepted() {
    common::run(&reactor(Duration::from_secs(1)), async {
        let (streams, peers) = accepted(32).await;
        answer(peers);
        rounds(streams, 200).await;
        assert_eq!(now().gathers, 0);
    });
}

#[test]
fn a_timer_and_a_single_answer_end_it() {
    common::run(&reactor(Duration::from_secs(1)), async {
        let (mut mute, mut mute_peers) = streams(32).await;
        let (answered, peers) = streams(32).await;
        answer(peers);
        let answered = gathering(answered).await;
        loop {
            let before = now().gathers;
            ask(&mut mute).await;
            let none = timeout(Duration::from_millis(1), mute[0].recv_chunk()).await;
            assert!(none.is_err());
            if now().gathers > before {
                break;
            }
        }
        let answered = gathering(answered).await;
        loop {
            let before = now().gathers;
            ask(&mut mute).await;
            // The thread is another one, so that its answer finds the reactor asleep or about to be.
            let answering = std::thread::spawn(move || {
                mute_peers[0].write_all(b"!").unwrap();
                mute_peers
            });
            let chunk = mute[0].recv_chunk().await.unwrap().unwrap();
            assert_eq!(&chunk[..], b"!");
            mute_peers = answering.join().unwrap();
            if now().gathers > before {
                break;
            }
        }
        drop(answered);
    });
}

/// Asks on all of them, and awaits nothing.
async fn ask(streams: &mut [TcpStream]) {
    for stream in streams {
        stream.post("?").await.unwrap();
    }
}
