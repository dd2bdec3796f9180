//! A stream is never torn: a send is absent or whole and in order, whatever becomes of its future.

mod setups;

use std::future::Future;
use std::io::{self, Read};
use std::net::TcpStream as StdStream;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use eyewall::net::TcpStream;
use eyewall::{Reactor, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use setups::{
    POINTS, Point, Random, check_stretch, finish, half_std_pair, metrics, pair, poll_once,
    race_turns, run, run_on, settle, stretch, turns, turns_until,
};
use socket2::SockRef;

/// More than the buffers of a loopback connection take.
const LARGE: usize = 8 << 20;

/// A stretch of the stream; made once, since debug builds are slow at it.
fn prepared(range: std::ops::Range<usize>) -> Vec<u8> {
    static STREAM: OnceLock<Vec<u8>> = OnceLock::new();
    STREAM.get_or_init(|| stretch(0..LARGE + 1000))[range].to_vec()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Send,
    SendAll,
    SendVectored,
    SendZc,
}

const METHODS: [Method; 4] = [
    Method::Send,
    Method::SendAll,
    Method::SendVectored,
    Method::SendZc,
];

async fn send(stream: &mut TcpStream, method: Method, data: Vec<u8>) -> io::Result<()> {
    match method {
        Method::Send => stream.send(data).await.0.map(drop),
        Method::SendAll => stream.send_all(data).await.0,
        Method::SendVectored => {
            let parts = data.chunks(data.len() / 3 + 1).map(<[u8]>::to_vec);
            stream.send_vectored(parts.collect()).await.0
        }
        Method::SendZc => stream.send_zc(data).await.0,
    }
}

/// Reads to the end, in the background.
fn drain(mut stream: StdStream) -> std::thread::JoinHandle<io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut data = Vec::new();
        stream.read_to_end(&mut data).map(|_| data)
    })
}

/// A send is dropped, or forgotten, at each point, and another one follows.
#[test]
fn a_send_dropped_or_forgotten_at_any_point_is_absent_or_whole() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        for point in POINTS {
            for method in METHODS {
                for forget in [false, true] {
                    for len in [1000, LARGE] {
                        // A large one has no completion before the peer reads; save the one that is content
                        // with less.
                        if point == Point::Reaped && len == LARGE && method != Method::Send {
                            continue;
                        }
                        if point == Point::InKernel && len != LARGE {
                            continue;
                        }
                        eprintln!("{point:?} {method:?} {len} forget: {forget}");
                        run_on(&reactor, one_send_given_up(point, method, forget, len));
                        assert_eq!(settle(&reactor).operations, 0);
                    }
                }
            }
        }
        finish(reactor);
    });
}

async fn one_send_given_up(point: Point, method: Method, forget: bool, len: usize) {
    let (mut ours, theirs) = half_std_pair();
    let before = metrics().cqes;
    let mut future = Box::pin(send(&mut ours, method, prepared(0..len)));
    let _other = point.before().await;
    assert!(poll_once(&mut future).await.is_none());
    match point {
        Point::Queued | Point::Staged => {}
        Point::InKernel => turns(4).await,
        Point::Reaped if method == Method::SendZc => {
            turns_until(|| metrics().cqes > before + 1).await
        }
        Point::Reaped => turns_until(|| metrics().cqes > before).await,
    }
    if forget {
        std::mem::forget(future);
    } else {
        drop(future);
    }
    let reader = drain(theirs);
    let begun = point > Point::Queued;
    let start = if begun { len } else { 0 };
    ours.send_all(prepared(start..start + 500)).await.0.unwrap();
    ours.shutdown().await.unwrap();
    let data = eyewall::spawn_blocking(move || reader.join().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(data.len(), start + 500, "whole, or absent");
    assert!(data == prepared(0..start + 500), "in order");
}

/// Sends dropped at random moments; every message carries its number and length.
#[test]
fn sends_dropped_at_random_never_tear() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        for seed in 0..3 {
            run_on(&reactor, random_sends(seed));
            assert_eq!(settle(&reactor).operations, 0);
        }
        finish(reactor);
    });
}

async fn random_sends(seed: u64) {
    const MESSAGES: u32 = 60;
    let (mut client, mut server) = pair().await;
    SockRef::from(&client)
        .set_send_buffer_size(16 << 10)
        .unwrap();
    SockRef::from(&server)
        .set_recv_buffer_size(16 << 10)
        .unwrap();
    let sender = spawn(async move {
        let mut random = Random(seed);
        let (mut finished, mut dropped) = (0, 0);
        for number in 0..MESSAGES {
            let len = match random.below(3) {
                0 => random.below(100),
                1 => random.below(20_000),
                _ => random.below(300_000),
            } as usize;
            let mut message = number.to_le_bytes().to_vec();
            message.extend((len as u32).to_le_bytes());
            message.extend(prepared(0..len));
            let method = METHODS[1 + random.below(3) as usize];
            let future = send(&mut client, method, message);
            let sent = if number + 1 == MESSAGES {
                Some(future.await)
            } else if random.below(3) == 0 {
                let short = Duration::from_micros(random.below(300));
                eyewall::time::timeout(short, future).await.ok()
            } else {
                race_turns(future, random.below(6)).await
            };
            match sent {
                Some(result) => {
                    result.unwrap();
                    finished += 1;
                }
                None => dropped += 1,
            }
        }
        client.shutdown().await.unwrap();
        (finished, dropped)
    });
    // The peer reads slowly, in small pieces.
    let mut random = Random(seed ^ 0xff);
    let mut data = Vec::new();
    loop {
        let room = 1 + random.below(30_000) as usize;
        let (count, piece) = server.recv(Vec::with_capacity(room)).await;
        if count.unwrap() == 0 {
            break;
        }
        data.extend(piece);
        turns(random.below(3) as usize).await;
    }
    let (finished, dropped) = sender.await.unwrap();
    assert!(dropped > 5, "the test drops too little: {dropped}");
    let (mut rest, mut last, mut whole) = (&data[..], None, 0);
    while !rest.is_empty() {
        let number = u32::from_le_bytes(rest[..4].try_into().unwrap());
        let len = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        assert!(last < Some(number), "in order");
        check_stretch(&mut 0, &rest[8..8 + len]);
        rest = &rest[8 + len..];
        last = Some(number);
        whole += 1;
    }
    assert_eq!(last, Some(MESSAGES - 1));
    assert!(whole >= finished);
}

/// A large send of which the kernel has a part when its future goes.
async fn dropped_in_the_middle(stream: &mut TcpStream, method: Method) {
    let mut future: Pin<Box<dyn Future<Output = io::Result<()>>>> =
        Box::pin(send(stream, method, vec![1; LARGE]));
    assert!(poll_once(&mut future).await.is_none());
    turns(4).await;
    drop(future);
}

#[test]
fn the_error_of_a_dropped_send_is_reported_by_the_next() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            for method in [Method::SendAll, Method::SendVectored, Method::SendZc] {
                for shutdown in [false, true] {
                    let (mut ours, mut theirs) = half_std_pair();
                    dropped_in_the_middle(&mut ours, method).await;
                    // Closing with unread data resets the connection.
                    theirs.read_exact(&mut [0; 10]).unwrap();
                    drop(theirs);
                    let error = match shutdown {
                        true => ours.shutdown().await.unwrap_err(),
                        false => ours.send_all("next").await.0.unwrap_err(),
                    };
                    assert!(
                        matches!(
                            error.kind(),
                            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                        ),
                        "{error:?}"
                    );
                }
            }
        });
    });
}

/// The kernel goes on by itself after it has taken a part.
#[test]
fn a_send_of_all_is_asked_for_once() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            for method in [Method::SendAll, Method::SendVectored, Method::SendZc] {
                let (mut ours, theirs) = half_std_pair();
                let drained = drain(theirs);
                turns(2).await;
                let sqes = metrics().sqes;
                send(&mut ours, method, prepared(0..LARGE)).await.unwrap();
                assert_eq!(metrics().sqes, sqes + 1, "{method:?}");
                ours.close().await.unwrap();
                assert_eq!(drained.join().unwrap().unwrap().len(), LARGE);
            }
        });
    });
}

/// Sends until the kernel does not take a single byte more.
fn fill(stream: &TcpStream) {
    for size in [1 << 20, 1] {
        let bytes = vec![1; size];
        while SockRef::from(stream)
            .send_with_flags(&bytes, libc::MSG_DONTWAIT)
            .is_ok()
        {}
    }
}

/// The kernel tells a reset once: whoever sends behind it is told of a broken pipe.
#[test]
fn the_error_of_a_dropped_send_of_which_nothing_was_taken_is_reported_too() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            for method in METHODS {
                let (mut ours, theirs) = half_std_pair();
                fill(&ours);
                let mut future = Box::pin(send(&mut ours, method, vec![2; 10]));
                assert!(poll_once(&mut future).await.is_none());
                turns(4).await;
                drop(future);
                // Closing with unread data resets the connection.
                drop(theirs);
                let error = ours.send_all("next").await.0.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET), "{method:?}");
            }
        });
    });
}

/// Reads until the end of the connection, which must be a reset.
async fn assert_reset(mut stream: StdStream) {
    let end = eyewall::spawn_blocking(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(error.kind()),
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(
        end,
        Some(io::ErrorKind::ConnectionReset),
        "the peer must not take a part for the whole"
    );
}

#[test]
fn dropping_the_half_in_the_middle_of_a_send_resets() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            for method in METHODS {
                // The whole stream.
                let (mut ours, theirs) = half_std_pair();
                if method != Method::Send {
                    dropped_in_the_middle(&mut ours, method).await;
                    drop(ours);
                    assert_reset(theirs).await;
                }
                // The half, and then the other.
                let (mut ours, theirs) = half_std_pair();
                if method != Method::Send {
                    dropped_in_the_middle(&mut ours, method).await;
                    let (recv, send_half) = ours.into_split();
                    drop(send_half);
                    turns(4).await;
                    drop(recv);
                    assert_reset(theirs).await;
                }
                // A send that was forgotten; for `send` one that had a part of its bytes sent, and said so.
                let (mut ours, theirs) = half_std_pair();
                let mut future = Box::pin(send(&mut ours, method, vec![1; LARGE]));
                assert!(poll_once(&mut future).await.is_none());
                turns(4).await;
                std::mem::forget(future);
                drop(ours);
                assert_reset(theirs).await;
            }
        });
    });
}

/// The kernel holds on to what was sent without a copy until the peer has it. That must not keep the descriptor open.
#[test]
fn a_zero_copy_send_that_is_cut_off_resets_a_peer_that_does_not_read() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            // The one goes into the send buffer as a whole, the other does not.
            for len in [200_000, 2 << 20] {
                let (mut ours, theirs) = half_std_pair();
                SockRef::from(&theirs).set_recv_buffer_size(4096).unwrap();
                SockRef::from(&ours).set_send_buffer_size(200_000).unwrap();
                let mut future = Box::pin(ours.send_zc(vec![1; len]));
                assert!(poll_once(&mut future).await.is_none());
                turns(4).await;
                drop(future);
                drop(ours);
                let reset = eyewall::spawn_blocking(move || {
                    let mut fds = [PollFd::new(&theirs, PollFlags::empty())];
                    let timeout = Timespec {
                        tv_sec: 10,
                        tv_nsec: 0,
                    };
                    poll(&mut fds, Some(&timeout)).map(|_| fds[0].revents())
                });
                let seen = reset.await.unwrap().unwrap();
                assert!(seen.contains(PollFlags::ERR), "{len}: {seen:?}");
            }
        });
    });
}

#[test]
fn a_zero_copy_send_goes_out_where_little_memory_may_be_locked() {
    const NAME: &str = "a_zero_copy_send_goes_out_where_little_memory_may_be_locked";
    setups::in_own_process(NAME, || {
        // Enough for a ring.
        const ROOM: u64 = 2 << 20;
        rlimit::setrlimit(rlimit::Resource::MEMLOCK, ROOM, ROOM).unwrap();
        // Who has these may lock what they like.
        let none = CapabilitySet::empty();
        let none = CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        set_capabilities(None, none).unwrap();
        setups::for_each_setup(|builder| {
            run(builder, async {
                let (mut ours, theirs) = half_std_pair();
                let drained = drain(theirs);
                let buffer = prepared(0..LARGE);
                let (result, buffer) = ours.send_zc(buffer).await;
                result.unwrap();
                assert_eq!(buffer.len(), LARGE);
                ours.close().await.unwrap();
                assert!(drained.join().unwrap().unwrap() == buffer);
            });
        });
    });
}

/// A forgotten send that went out whole is no reason for a reset.
#[test]
fn a_forgotten_send_that_is_over_does_not_reset() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            for method in METHODS {
                let (mut ours, theirs) = half_std_pair();
                let mut future = Box::pin(send(&mut ours, method, b"whole".to_vec()));
                assert!(poll_once(&mut future).await.is_none());
                // For the zero-copy send, until the peer has acknowledged.
                for _ in 0..50 {
                    turns(1).await;
                }
                std::mem::forget(future);
                drop(ours);
                let data = eyewall::spawn_blocking(move || drain(theirs).join().unwrap())
                    .await
                    .unwrap();
                assert_eq!(data.unwrap(), b"whole");
            }
        });
    });
}

/// A send that waited for a slot of the table, and was dropped or forgotten once it had begun.
#[test]
fn a_send_that_waited_for_a_slot_is_never_torn() {
    for forget in [false, true] {
        let reactor = Reactor::builder().max_operations(1).build().unwrap();
        run_on(&reactor, async {
            let (mut ours, theirs) = half_std_pair();
            let (mut other, mut others) = half_std_pair();
            let mut holds = Box::pin(other.recv(vec![0; 8]));
            assert!(poll_once(&mut holds).await.is_none());
            let mut waits = Box::pin(send(&mut ours, Method::SendAll, prepared(0..LARGE)));
            assert!(poll_once(&mut waits).await.is_none());
            io::Write::write_all(&mut others, b"x").unwrap();
            holds.await.0.unwrap();
            assert!(poll_once(&mut waits).await.is_none());
            turns(4).await;
            match forget {
                true => std::mem::forget(waits),
                false => drop(waits),
            }
            let reader = drain(theirs);
            ours.send_all(prepared(LARGE..LARGE + 10)).await.0.unwrap();
            ours.shutdown().await.unwrap();
            let data = reader.join().unwrap().unwrap();
            assert!(data == prepared(0..LARGE + 10));
        });
        finish(reactor);
    }
}

/// A shutdown cuts a dropped send off; the stream, which outlives the reactor, resets the connection.
#[test]
fn a_send_cut_off_by_a_shutdown_resets() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        let (ours, theirs) = run_on(&reactor, async {
            let (mut ours, theirs) = half_std_pair();
            dropped_in_the_middle(&mut ours, Method::SendAll).await;
            (ours, theirs)
        });
        let report = reactor.shutdown(Duration::from_secs(5));
        assert_eq!(report.leaked, 0);
        drop(ours);
        run(Reactor::builder(), assert_reset(theirs));
    });
}

#[test]
fn close_waits_and_the_peer_sees_the_end() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            let (mut ours, theirs) = half_std_pair();
            // With a receive armed, whose future was dropped.
            assert!(race_turns(ours.recv_chunk(), 3).await.is_none());
            ours.send_all("bye").await.0.unwrap();
            ours.close().await.unwrap();
            let data = drain(theirs).join().unwrap().unwrap();
            assert_eq!(data, b"bye");
        });
    });
}

#[test]
fn an_empty_send_is_no_error() {
    run(Reactor::builder(), async {
        let (mut ours, theirs) = half_std_pair();
        for method in METHODS {
            if method != Method::SendVectored {
                send(&mut ours, method, Vec::new()).await.unwrap();
            }
        }
        ours.send_vectored(Vec::<Vec<u8>>::new()).await.0.unwrap();
        ours.close().await.unwrap();
        assert!(drain(theirs).join().unwrap().unwrap().is_empty());
    });
}
