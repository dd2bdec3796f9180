//! A table of operations that is full.

#![forbid(unsafe_code)]

mod common;

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use common::{connected, now, poll_once, run, settles, turns};
use eyewall::{Reactor, spawn};

fn small() -> Reactor {
    Reactor::builder().max_operations(4).build().unwrap()
}

#[test]
fn fifty_operations_all_end_with_room_for_four() {
    let reactor = small();
    run(&reactor, async {
        let mut tasks = Vec::new();
        let mut peers = Vec::new();
        for number in 0..50u8 {
            let (mut stream, mut peer) = connected().await;
            peer.write_all(&[number; 100]).unwrap();
            peers.push(peer);
            tasks.push(spawn(async move {
                let bytes = match number % 2 {
                    0 => stream.recv(Vec::with_capacity(100)).await.1,
                    _ => stream.recv_chunk().await.unwrap().unwrap().to_vec(),
                };
                assert_eq!(bytes, [number; 100]);
                stream.send_all(bytes).await.0.unwrap();
                stream
            }));
        }
        turns(1).await;
        assert!(now().operations <= 4);
        let mut streams = Vec::new();
        for (task, mut peer) in tasks.into_iter().zip(peers) {
            let stream = task.await.unwrap();
            let mut echoed = [0; 100];
            peer.read_exact(&mut echoed).unwrap();
            assert!(now().operations <= 4);
            // Not dropped yet: a close may take a place beyond the limit.
            streams.push(stream);
        }
        drop(streams);
        settles(0, || now().operations).await;
    });
}

/// Four streams that wait for bytes, and so fill the table, with their peers.
async fn fill() -> (Vec<eyewall::JoinHandle<usize>>, Vec<std::net::TcpStream>) {
    let mut tasks = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..4 {
        let (mut stream, peer) = connected().await;
        peers.push(peer);
        tasks.push(async move { stream.recv(vec![0; 10]).await.0.unwrap() });
    }
    // Only now, since connecting needs room, too.
    let tasks = tasks.into_iter().map(spawn).collect();
    turns(2).await;
    assert_eq!(now().operations, 4);
    (tasks, peers)
}

#[test]
fn a_dropped_waiter_does_not_hold_up_the_others() {
    let reactor = small();
    run(&reactor, async {
        let (mut first, _first_peer) = connected().await;
        let (mut second, mut second_peer) = connected().await;
        let (tasks, mut peers) = fill().await;
        second_peer.write_all(b"bytes").unwrap();

        let mut waiting = Box::pin(first.recv(vec![0; 10]));
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        let next = spawn(async move { second.recv(vec![0; 10]).await.0.unwrap() });
        turns(5).await;
        assert_eq!(now().operations, 4);
        assert!(!next.is_finished());
        drop(waiting);
        turns(5).await;
        assert!(!next.is_finished(), "nothing has become free");

        peers[0].write_all(b"x").unwrap();
        assert_eq!(next.await.unwrap(), 5);
        for peer in &mut peers[1..] {
            peer.write_all(b"x").unwrap();
        }
        for task in tasks {
            assert_eq!(task.await.unwrap(), 1);
        }
    });
}

#[test]
fn a_waiter_dropped_after_its_wake_does_not_keep_the_room() {
    let reactor = small();
    run(&reactor, async {
        let (mut first, _first_peer) = connected().await;
        let (mut second, mut second_peer) = connected().await;
        let (_tasks, mut peers) = fill().await;
        second_peer.write_all(b"bytes").unwrap();
        let mut waiting = Box::pin(first.recv(vec![0; 10]));
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        let next = spawn(async move { second.recv(vec![0; 10]).await.0.unwrap() });
        turns(5).await;
        peers[0].write_all(b"x").unwrap();
        settles(false, || now().operations == 4 && !next.is_finished()).await;
        // Woken together with the other, and never polled again.
        drop(waiting);
        assert_eq!(next.await.unwrap(), 5);
    });
}

#[test]
fn who_waits_for_room_is_not_called_before_there_is_some() {
    let reactor = small();
    run(&reactor, async {
        let (mut stream, mut peer) = connected().await;
        let (_tasks, mut peers) = fill().await;
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let waiting = spawn(async move {
            let mut recv = pin!(stream.recv(vec![0; 10]));
            let result = poll_fn(|cx| {
                counted.set(counted.get() + 1);
                recv.as_mut().poll(cx)
            });
            result.await.0.unwrap()
        });
        turns(20).await;
        assert_eq!(polls.get(), 1);
        peer.write_all(b"x").unwrap();
        peers[0].write_all(b"x").unwrap();
        assert_eq!(waiting.await.unwrap(), 1);
    });
}

#[test]
fn a_later_waiter_that_is_polled_first_does_not_take_the_room_of_an_earlier() {
    let reactor = small();
    run(&reactor, async {
        let (mut first, mut first_peer) = connected().await;
        let (mut second, _second_peer) = connected().await;
        let (mut tasks, mut peers) = fill().await;
        let mut earlier = pin!(first.recv(vec![0; 10]));
        let mut later = pin!(second.recv(vec![0; 10]));
        assert!(poll_once(earlier.as_mut()).await.is_pending());
        assert!(poll_once(later.as_mut()).await.is_pending());
        peers[0].write_all(b"x").unwrap();
        assert_eq!(tasks.remove(0).await.unwrap(), 1);
        // The one has been called; the other is polled as a branch of a select may be.
        assert!(poll_once(later.as_mut()).await.is_pending());
        first_peer.write_all(b"bytes").unwrap();
        assert_eq!(earlier.await.0.unwrap(), 5);
    });
}

#[test]
fn who_comes_late_for_the_room_it_was_called_to_waits_for_other() {
    let reactor = small();
    run(&reactor, async {
        let (mut first, mut first_peer) = connected().await;
        let (mut second, _second_peer) = connected().await;
        let (mut tasks, mut peers) = fill().await;
        let mut late = pin!(first.recv(vec![0; 10]));
        assert!(poll_once(late.as_mut()).await.is_pending());
        peers[0].write_all(b"x").unwrap();
        assert_eq!(tasks.remove(0).await.unwrap(), 1);
        turns(1).await;
        let mut quick = pin!(second.recv(vec![0; 10]));
        assert!(poll_once(quick.as_mut()).await.is_pending());
        assert!(poll_once(late.as_mut()).await.is_pending());
        assert_eq!(now().operations, 4);
        peers[1].write_all(b"x").unwrap();
        first_peer.write_all(b"bytes").unwrap();
        assert_eq!(late.await.0.unwrap(), 5);
    });
}

#[test]
fn a_stream_can_be_closed_when_the_table_is_full() {
    let reactor = small();
    run(&reactor, async {
        let (idle, mut idle_peer) = connected().await;
        let (_tasks, _peers) = fill().await;
        drop(idle);
        let end = spawn(async move {
            eyewall::spawn_blocking(move || idle_peer.read(&mut [0]).unwrap())
                .await
                .unwrap()
        });
        assert_eq!(end.await.unwrap(), 0);
    });
}

#[test]
fn an_operation_given_up_while_it_waits_for_room_has_not_begun() {
    let reactor = small();
    run(&reactor, async {
        let (mut stream, mut peer) = connected().await;
        let (_tasks, mut peers) = fill().await;
        let mut send = Box::pin(stream.send_all("never"));
        assert_eq!(poll_once(send.as_mut()).await.map(drop), Poll::Pending);
        drop(send);
        peers[0].write_all(b"x").unwrap();
        stream.send_all("sent").await.0.unwrap();
        let mut bytes = [0; 4];
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"sent");
    });
}

#[test]
fn a_post_that_is_dropped_while_it_waits_for_room_sends_nothing() {
    let reactor = small();
    run(&reactor, async {
        let (mut stream, mut peer) = connected().await;
        let (tasks, peers) = fill().await;
        {
            let mut post = pin!(stream.post("never"));
            assert!(poll_once(post.as_mut()).await.is_pending());
        }
        drop(peers);
        for task in tasks {
            assert_eq!(task.await.unwrap(), 0);
        }
        stream.post("sent").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut all = String::new();
        peer.read_to_string(&mut all).unwrap();
        assert_eq!(all, "sent");
    });
}

#[test]
fn the_room_that_a_post_leaves_goes_to_who_waits_for_it() {
    // What comes by itself, such as a timer that moves down the wheel, would hide that nobody tells.
    const AT_ONCE: Duration = Duration::from_secs(10);
    let reactor = small();
    run(&reactor, async {
        let mut tasks = Vec::new();
        let mut peers = Vec::new();
        for _ in 0..3 {
            let (mut stream, peer) = connected().await;
            peers.push(peer);
            tasks.push(async move { stream.recv(vec![0; 10]).await.0.unwrap() });
        }
        let (mut stream, mut peer) = connected().await;
        peer.set_read_timeout(Some(AT_ONCE)).unwrap();
        let tasks: Vec<_> = tasks.into_iter().map(spawn).collect();
        turns(2).await;
        peer.write_all(b"early").unwrap();
        stream.post("ping").await.unwrap();
        assert_eq!(now().operations, 4);
        // It has to wait for the end of the post.
        let reader = std::thread::spawn(move || {
            let mut got = [0; 5];
            let ended = peer
                .read_exact(&mut got[..4])
                .and_then(|()| peer.read_exact(&mut got));
            ended.map(|()| got)
        });
        assert_eq!(
            stream.recv_chunk().await.unwrap().as_deref(),
            Some(&b"early"[..])
        );
        stream.send_all("again").await.0.unwrap();
        assert_eq!(&reader.join().unwrap().unwrap(), b"again");
        drop(tasks);
    });
}

/// A post takes no slot, but one that fails needs one.
#[test]
fn posts_on_their_way_count_as_operations() {
    let reactor = small();
    run(&reactor, async {
        let mut pairs = Vec::new();
        for _ in 0..5 {
            pairs.push(connected().await);
        }
        settles(0, || now().operations).await;
        let mut posted = 0;
        for (stream, _) in &mut pairs {
            let post = pin!(stream.post("ping"));
            posted += usize::from(poll_once(post).await.is_ready());
            assert_eq!(now().operations, posted);
        }
        assert_eq!(posted, 4);
        turns(2).await;
        assert_eq!(now().operations, 0);
        let mut heard = 0;
        for (stream, mut peer) in pairs {
            stream.close().await.unwrap();
            let mut all = String::new();
            peer.read_to_string(&mut all).unwrap();
            heard += all.len() / 4;
        }
        assert_eq!(heard, 4);
    });
}
