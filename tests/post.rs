//! Sends that are handed over: complete, in order, and with their errors told.

#![forbid(unsafe_code)]

mod common;

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use common::{
    connected, now, one_at_a_time, open_fds, pair, poll_once, run, run_everywhere, sequence,
    setups, turns, until,
};
use eyewall::net::TcpStream;
use eyewall::spawn;
use eyewall::time::timeout;
use futures_channel::oneshot;
use futures_util::FutureExt;
use rustix::event::{PollFd, PollFlags, poll};
use socket2::SockRef;

fn bytes(start: usize, count: usize) -> Vec<u8> {
    (start..start + count)
        .map(|at| sequence(at as u64))
        .collect()
}

/// More than two sockets hold, so that the kernel takes a part and the rest has to wait.
const MUCH: usize = 16 << 20;

#[test]
fn posts_arrive_whole_and_in_order() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, mut peer) = connected().await;
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all
        });
        let mut sent = 0;
        // Small ones that go at once, and large ones of which the kernel takes a part at a time.
        for round in 0..40 {
            let count = [1, 100, 5_000, 1 << 20][round % 4];
            stream.post(bytes(sent, count)).await.unwrap();
            sent += count;
        }
        stream.shutdown().await.unwrap();
        assert!(reader.join().unwrap() == bytes(0, sent), "{name}");
        assert_eq!(now().operations, 0, "{name}");
    });
}

#[test]
fn a_post_gives_its_buffer_back_and_has_no_completion() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, mut peer) = connected().await;
        let before = now();
        stream.post("ping").await.unwrap();
        stream.flush().await.unwrap();
        let after = now();
        assert_eq!(after.sqes - before.sqes, 1, "{name}");
        assert_eq!(
            (after.cqes, after.operations),
            (before.cqes, before.operations),
            "{name}"
        );
        let mut got = [0; 4];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"ping");
    });
}

thread_local! {
    static LAST_WORDS: Cell<Option<TcpStream>> = const { Cell::new(None) };
}

/// Bytes that post something when they are dropped.
struct Speaks;

impl AsRef<[u8]> for Speaks {
    fn as_ref(&self) -> &[u8] {
        b"first"
    }
}

impl Drop for Speaks {
    fn drop(&mut self) {
        if let Some(mut stream) = LAST_WORDS.take() {
            let posted = stream.post("last words").now_or_never();
            assert!(matches!(posted, Some(Ok(()))));
            LAST_WORDS.set(Some(stream));
        }
    }
}

#[test]
fn what_the_drop_of_a_posted_buffer_posts_is_sent_and_ends_too() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, mut peer) = connected().await;
        let (other, mut other_peer) = connected().await;
        LAST_WORDS.set(Some(other));
        let (operations, panics) = (now().operations, now().panics);
        stream.post(Bytes::from_owner(Speaks)).await.unwrap();
        stream.flush().await.unwrap();
        until(|| now().operations == operations).await;
        assert_eq!(now().panics, panics, "{name}");
        drop(LAST_WORDS.take());
        for (peer, words) in [(&mut peer, "first"), (&mut other_peer, "last words")] {
            let mut got = vec![0; words.len()];
            peer.read_exact(&mut got).unwrap();
            assert_eq!(got, words.as_bytes(), "{name}");
        }
    });
}

/// Many bytes that do so.
struct Much(Vec<u8>, Speaks);

impl AsRef<[u8]> for Much {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What is posted while completions are reaped puts off the end of what was posted before, but not until something
/// else happens.
#[test]
fn a_flush_does_not_wait_for_what_a_drop_posts_meanwhile() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, _peer) = connected().await;
        let (other, _other_peer) = connected().await;
        let (blocked, _blocked_peer) = connected().await;
        // The half that stays keeps the descriptor open, whose close would be something else that happens.
        let (_recv, mut send) = blocked.into_split();
        let words = Bytes::from_owner(Much(vec![1; MUCH], Speaks));
        let mut sending = Box::pin(send.send_all(words));
        assert!(poll_once(sending.as_mut()).await.is_pending());
        turns(3).await;
        drop(sending);
        LAST_WORDS.set(Some(other));
        stream.post("posted").await.unwrap();
        // Cancelled, it ends in the same turn as the post, and drops its buffer.
        drop(send);
        let waits = now().waits;
        let flushed = timeout(Duration::from_secs(1), stream.flush()).await;
        assert!(matches!(flushed, Ok(Ok(()))), "{name}");
        assert_eq!(now().waits, waits, "{name}");
        drop(LAST_WORDS.take());
    });
}

#[test]
fn an_answer_comes_with_the_enter_that_sends_the_question() {
    let _alone = one_at_a_time();
    let reactor = eyewall::Reactor::builder()
        .spin(Duration::ZERO)
        .build()
        .unwrap();
    run(&reactor, async {
        const ROUNDS: u64 = 100;
        let (mut near, mut far) = pair().await;
        let echo = spawn(async move {
            while let Some(chunk) = far.recv_chunk().await.unwrap() {
                far.post(chunk).await.unwrap();
            }
        });
        let before = now();
        for _ in 0..ROUNDS {
            near.post("ping").await.unwrap();
            assert_eq!(
                near.recv_chunk().await.unwrap().as_deref(),
                Some(&b"ping"[..])
            );
        }
        // One for each of the two messages.
        let enters = now().enters - before.enters;
        assert!(enters <= 2 * ROUNDS + 5, "{enters}");
        drop(near);
        echo.await.unwrap();
    });
}

#[test]
fn a_second_post_waits_for_the_first_and_nobody_sleeps_over_it() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, mut peer) = connected().await;
        stream.post("a").await.unwrap();
        // The first is still queued here.
        stream.post("b").await.unwrap();
        stream.send_all("c").await.0.unwrap();
        stream.post("d").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut all = String::new();
        peer.read_to_string(&mut all).unwrap();
        assert_eq!(all, "abcd", "{name}");
    });
}

/// Those that find no room in the submission queue go another way than the others.
#[test]
fn more_posts_than_the_submission_queue_holds_all_arrive() {
    let _alone = one_at_a_time();
    let reactor = eyewall::Reactor::builder().sq_entries(4).build().unwrap();
    run(&reactor, async {
        let mut pairs = Vec::new();
        for _ in 0..10 {
            pairs.push(connected().await);
        }
        turns(2).await;
        let before = now();
        for (stream, _) in &mut pairs {
            stream.post("first").now_or_never().unwrap().unwrap();
        }
        assert_eq!(now().operations, before.operations + 10);
        assert_eq!(now().sqes, before.sqes + 4);
        for (stream, peer) in &mut pairs {
            stream.post("second").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut all = String::new();
            peer.read_to_string(&mut all).unwrap();
            assert_eq!(all, "firstsecond");
        }
        assert_eq!(now().operations, before.operations);
    });
}

#[test]
fn the_error_of_a_post_goes_to_the_next_call() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, peer) = connected().await;
        SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        // The reset may take a moment; a receive says when it is here.
        stream.recv_chunk().await.unwrap_err();
        stream.post("lost").await.unwrap();
        let error = stream.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{name}");
        // Told once.
        stream.flush().await.unwrap();
    });
}

/// The kernel tells a reset once: whoever tries again is told of a broken pipe.
#[test]
fn a_post_that_fails_is_not_tried_again() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, peer) = connected().await;
        SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        let mut fds = [PollFd::new(&stream, PollFlags::empty())];
        poll(&mut fds, None).unwrap();
        stream.post("lost").await.unwrap();
        let error = stream.flush().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET), "{name}");
    });
}

/// The kernel's own error means that not a byte had been taken: who sees that may try again.
#[test]
fn the_error_of_a_post_says_how_much_had_been_taken() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, mut peer) = connected().await;
        stream.post(vec![1; MUCH]).await.unwrap();
        turns(3).await;
        peer.read_exact(&mut [0; 10]).unwrap();
        SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        let error = stream.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{name}");
        assert_eq!(error.raw_os_error(), None, "{name}");
        let said = format!(" of {MUCH} bytes");
        assert!(error.to_string().ends_with(&said), "{name}: {error}");
    });
}

fn read_to_end(mut peer: std::net::TcpStream) -> JoinHandle<std::io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all)
    })
}

/// Sends until the kernel does not take a single byte more; gives what it has taken.
fn fill(stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    for size in [1 << 20, 1] {
        let bytes = vec![1; size];
        while let Ok(taken) = SockRef::from(stream).send_with_flags(&bytes, libc::MSG_DONTWAIT) {
            all.resize(all.len() + taken, 1);
        }
    }
    all
}

#[test]
fn a_post_that_finds_the_buffers_full_waits_in_the_kernel() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, peer) = connected().await;
        let before = fill(&stream);
        let sqes = now().sqes;
        stream.post("posted").await.unwrap();
        turns(20).await;
        let reader = read_to_end(peer);
        stream.flush().await.unwrap();
        // The one that does not wait, and the one that does; no more, whatever the peer has made room for meanwhile.
        assert!(now().sqes <= sqes + 2, "{name}");
        stream.close().await.unwrap();
        let all = reader.join().unwrap().unwrap();
        assert!(all == [&before[..], b"posted"].concat(), "{name}");
    });
}

/// Without DEFER_TASKRUN the queue fills up before the enter that submits the post, whose completion then waits in the
/// kernel's own list.
#[test]
fn a_post_whose_completion_finds_no_room_is_not_taken_for_done() {
    let _alone = one_at_a_time();
    let reactor = eyewall::Reactor::builder().defer_taskrun(false);
    let reactor = reactor.sq_entries(2).cq_entries(4).build().unwrap();
    run(&reactor, async {
        let (mut stream, peer) = connected().await;
        let mut others = Vec::new();
        for _ in 0..8 {
            let (mut near, far) = connected().await;
            spawn(async move { near.recv_chunk().await }).detach();
            others.push(far);
        }
        turns(5).await;
        let before = fill(&stream);
        for other in &mut others {
            other.write_all(b"x").unwrap();
        }
        let overflows = now().cq_overflows;
        stream.post("posted").await.unwrap();
        turns(2).await;
        assert!(now().cq_overflows > overflows);
        let reader = read_to_end(peer);
        stream.flush().await.unwrap();
        stream.close().await.unwrap();
        let all = reader.join().unwrap().unwrap();
        assert!(all == [&before[..], b"posted"].concat());
    });
    assert_eq!(reactor.metrics().stale, 0);
}

#[test]
fn a_stream_dropped_behind_a_small_post_ends_in_order() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, mut peer) = connected().await;
        stream.post("farewell").await.unwrap();
        drop(stream);
        until(|| now().operations == 0).await;
        let mut all = String::new();
        peer.read_to_string(&mut all).unwrap();
        assert_eq!(all, "farewell", "{name}");
    });
}

#[test]
fn nobody_sleeps_over_the_close_of_a_stream_dropped_behind_a_post() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        let (mut stream, mut peer) = connected().await;
        peer.set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // What is left of the way here would wake the reactor.
        turns(3).await;
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || {
            let mut all = String::new();
            let read = peer.read_to_string(&mut all);
            tell.send(read.map(|_| all)).unwrap();
        });
        stream.post("farewell").await.unwrap();
        drop(stream);
        assert_eq!(told.await.unwrap().unwrap(), "farewell", "{name}");
    });
}

#[test]
fn a_post_that_has_failed_is_not_tried_again() {
    let _alone = one_at_a_time();
    for (name, builder) in setups() {
        let reactor = builder.build().unwrap();
        let (mut stream, mut peer) = run(&reactor, connected());
        let mut post = Box::pin(stream.post("once"));
        // No reactor runs here.
        assert!(post.as_mut().now_or_never().unwrap().is_err(), "{name}");
        let again = run(&reactor, AssertUnwindSafe(post).catch_unwind());
        assert!(again.is_err(), "{name}");
        drop(stream);
        run(&reactor, until(|| now().operations == 0));
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0, "{name}");
    }
}

#[test]
fn a_stream_dropped_behind_a_post_that_the_kernel_cannot_take_is_reset() {
    let _alone = one_at_a_time();
    run_everywhere(async |name| {
        for (wait, queued) in [(0, false), (3, false), (0, true), (3, true)] {
            let (mut stream, mut peer) = connected().await;
            let mut before = pin!(eyewall::reactor::nop());
            if queued {
                // So the post waits for its turn.
                assert!(poll_once(before.as_mut()).await.is_pending());
            }
            stream.post(vec![1; MUCH]).await.unwrap();
            turns(wait).await;
            drop(stream);
            if queued {
                before.await.unwrap();
            }
            until(|| now().operations == 0).await;
            let mut all = Vec::new();
            let error = peer.read_to_end(&mut all).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{name}");
            assert!(all.len() < MUCH);
        }
    });
}

#[test]
fn a_shutdown_lets_go_of_what_was_posted() {
    let _alone = one_at_a_time();
    for (name, builder) in setups() {
        let fds = open_fds();
        let reactor = builder.build().unwrap();
        let (streams, peers): (Vec<TcpStream>, Vec<_>) = run(&reactor, async {
            let mut pairs = Vec::new();
            for size in [10, MUCH] {
                let (mut stream, peer) = connected().await;
                stream.post(vec![1; size]).await.unwrap();
                pairs.push((stream, peer));
            }
            pairs.into_iter().unzip()
        });
        let report = reactor.shutdown(Duration::from_secs(10));
        assert_eq!(report.leaked, 0, "{name}");
        drop((streams, peers));
        assert_eq!(open_fds(), fds, "{name}");
    }
}
