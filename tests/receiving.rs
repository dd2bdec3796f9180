//! Nothing received is lost, whatever becomes of the futures.

mod setups;

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::pin::Pin;
use std::time::Duration;

use eyewall::net::{TcpListener, TcpStream};
use eyewall::reactor::Builder;
use eyewall::{Reactor, spawn};
use futures_util::StreamExt;
use setups::{
    POINTS, Point, Random, byte_at, check_stretch, finish, half_std_pair, metrics, pair, poll_once,
    race_turns, run, run_on, settle, std_pair, stretch, turns, turns_until,
};

#[derive(Clone, Copy, Debug)]
enum Method {
    Recv,
    RecvChunk,
    Chunks,
}

const METHODS: [Method; 3] = [Method::Recv, Method::RecvChunk, Method::Chunks];

/// One receive by `method`; the end of the stream is no bytes.
async fn receive(stream: &mut TcpStream, method: Method, room: usize) -> Vec<u8> {
    match method {
        Method::Recv => {
            let (count, mut data) = stream.recv(Vec::with_capacity(room)).await;
            data.truncate(count.expect("a receive"));
            data
        }
        Method::RecvChunk => match stream.recv_chunk().await.expect("a receive") {
            Some(chunk) => chunk.to_vec(),
            None => Vec::new(),
        },
        Method::Chunks => match stream.chunks().next().await {
            Some(chunk) => chunk.expect("a receive").to_vec(),
            None => Vec::new(),
        },
    }
}

/// Receives `count` bytes or more with a mixture of methods and compares them with the stream from `position`
/// on.
async fn receive_and_check(stream: &mut TcpStream, position: &mut usize, count: usize) {
    let end = *position + count;
    let mut round = 0;
    while *position < end {
        let data = receive(stream, METHODS[round % 3], 7 + round).await;
        assert!(!data.is_empty(), "the stream ended at {position} of {end}");
        check_stretch(position, &data);
        round += 1;
    }
}

/// The future of a receive is dropped, or forgotten, at each point; what it may have received
/// goes to the next call, in order.
#[test]
fn a_receive_dropped_or_forgotten_at_any_point_loses_nothing() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        for point in POINTS {
            for method in METHODS {
                for forget in [false, true] {
                    eprintln!("{point:?} {method:?} forget: {forget}");
                    run_on(&reactor, one_receive_given_up(point, method, forget));
                    assert_eq!(settle(&reactor).operations, 0);
                }
            }
        }
        finish(reactor);
    });
}

async fn one_receive_given_up(point: Point, method: Method, forget: bool) {
    let (mut ours, mut theirs) = half_std_pair();
    let mut position = 0;
    let mut future: Pin<Box<dyn Future<Output = Vec<u8>>>> =
        Box::pin(receive(&mut ours, method, 100));
    let _before = point.before().await;
    assert!(poll_once(&mut future).await.is_none());
    if point > Point::Staged {
        // A tiny SQ takes more than one turn.
        turns(4).await;
    }
    if point == Point::Reaped {
        let before = metrics().cqes;
        theirs.write_all(&stretch(0..50)).unwrap();
        turns_until(|| metrics().cqes > before).await;
    }
    if forget {
        std::mem::forget(future);
    } else {
        drop(future);
    }
    let already = if point == Point::Reaped { 50 } else { 0 };
    theirs.write_all(&stretch(already..1000)).unwrap();
    receive_and_check(&mut ours, &mut position, 1000).await;
    assert_eq!(position, 1000);
    drop(theirs);
    assert!(receive(&mut ours, method, 10).await.is_empty());
    assert!(receive(&mut ours, Method::Recv, 10).await.is_empty());
}

/// A half that is dropped gives up what was forgotten, too: descriptor, slot and buffer.
#[test]
fn a_forgotten_receive_ends_with_its_half() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        for point in POINTS {
            for method in METHODS {
                run_on(&reactor, async {
                    let (mut ours, mut theirs) = half_std_pair();
                    let mut future = Box::pin(receive(&mut ours, method, 100));
                    assert!(poll_once(&mut future).await.is_none());
                    if point > Point::Staged {
                        turns(4).await;
                    }
                    if point == Point::Reaped {
                        let before = metrics().cqes;
                        theirs.write_all(b"for nobody").unwrap();
                        turns_until(|| metrics().cqes > before).await;
                    }
                    std::mem::forget(future);
                    drop(ours);
                    turns_until(|| metrics().operations == 0).await;
                    turns(2).await;
                    // The descriptor has been closed: with unread bytes that is a reset.
                    let end = theirs.read(&mut [0; 8]);
                    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
                });
            }
        }
        finish(reactor);
    });
}

/// A receive that found the table full is forgotten after it got its slot: the next one takes over.
#[test]
fn a_receive_that_waited_for_a_slot_can_be_forgotten() {
    let reactor = Reactor::builder().max_operations(1).build().unwrap();
    run_on(&reactor, async {
        let (mut ours, mut theirs) = half_std_pair();
        let (mut other, mut others) = half_std_pair();
        let mut holds = Box::pin(other.recv(vec![0; 8]));
        assert!(poll_once(&mut holds).await.is_none());
        let mut waits = Box::pin(ours.recv(vec![0; 8]));
        assert!(poll_once(&mut waits).await.is_none());
        others.write_all(b"x").unwrap();
        holds.await.0.unwrap();
        assert!(poll_once(&mut waits).await.is_none());
        turns(3).await;
        theirs.write_all(b"taken").unwrap();
        turns(3).await;
        std::mem::forget(waits);
        let (count, data) = ours.recv(Vec::with_capacity(8)).await;
        assert_eq!((count.unwrap(), &data[..]), (5, &b"taken"[..]));
    });
    finish(reactor);
}

/// Receives that are dropped after a few turns or by a timeout, over a busy stream.
#[test]
fn a_busy_stream_loses_nothing_to_dropped_receives() {
    let rounds = |builder: Builder, rounds: usize, seed: u64| {
        run(builder, async move {
            let (mut ours, theirs) = half_std_pair();
            let writer = std::thread::spawn(move || write_until_closed(theirs, seed ^ 1));
            let mut random = Random(seed);
            let (mut position, mut dropped) = (0, 0);
            for _ in 0..rounds {
                let method = METHODS[random.below(3) as usize];
                let room = 1 + random.below(3000) as usize;
                let future = receive(&mut ours, method, room);
                let data = if random.below(4) == 0 {
                    let short = Duration::from_micros(random.below(80));
                    eyewall::time::timeout(short, future).await.ok()
                } else {
                    race_turns(future, random.below(4)).await
                };
                match data {
                    Some(data) => check_stretch(&mut position, &data),
                    None => dropped += 1,
                }
            }
            receive_and_check(&mut ours, &mut position, 10_000).await;
            assert!(
                dropped > rounds / 20,
                "the test drops too little: {dropped}"
            );
            drop(ours);
            // The writer sees the end only once the descriptor is closed.
            while !writer.is_finished() {
                eyewall::time::sleep(Duration::from_millis(1)).await;
            }
            writer.join().unwrap();
        });
    };
    for (index, (name, builder)) in setups::setups().into_iter().enumerate() {
        let _watchdog = setups::Watchdog::new(name);
        rounds(
            builder,
            if index == 0 { 100_000 } else { 5_000 },
            42 + index as u64,
        );
    }
}

/// Writes the stream in pieces, some of them with a pause behind them.
fn write_until_closed(mut stream: StdStream, seed: u64) {
    let mut random = Random(seed);
    let mut position = 0;
    loop {
        let len = 1 + random.below(2000) as usize;
        let piece = stretch(position..position + len);
        if stream.write_all(&piece).is_err() {
            return;
        }
        position += len;
        if random.below(8) == 0 {
            std::thread::sleep(Duration::from_micros(random.below(100)));
        }
    }
}

#[test]
fn a_receive_exact_whose_stream_ends_says_so() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            let (mut ours, mut theirs) = half_std_pair();
            theirs.write_all(b"short").unwrap();
            drop(theirs);
            let (result, data) = ours.recv_exact(Vec::with_capacity(10)).await;
            assert_eq!(
                result.unwrap_err().kind(),
                std::io::ErrorKind::UnexpectedEof
            );
            assert_eq!(data, b"short");
        });
    });
}

/// The error that a dropped receive met is not lost either.
#[test]
fn a_reset_seen_by_a_dropped_receive_is_reported_by_the_next() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            let (mut ours, theirs) = half_std_pair();
            let mut future = Box::pin(ours.recv(vec![0; 8]));
            assert!(poll_once(&mut future).await.is_none());
            turns(4).await;
            socket2::SockRef::from(&theirs)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            let before = metrics().cqes;
            drop(theirs);
            turns_until(|| metrics().cqes > before).await;
            drop(future);
            let error = ours.recv(vec![0; 8]).await.0.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        });
    });
}

#[test]
fn an_accept_dropped_or_forgotten_at_any_point_loses_no_connection() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        for point in POINTS {
            for multishot in [false, true] {
                for forget in [false, true] {
                    run_on(&reactor, one_accept_given_up(point, multishot, forget));
                    assert_eq!(settle(&reactor).operations, 0);
                }
            }
        }
        finish(reactor);
    });
}

async fn accept(listener: &mut TcpListener, multishot: bool) -> TcpStream {
    match multishot {
        true => listener.incoming().next().await.unwrap().unwrap(),
        false => listener.accept().await.unwrap().0,
    }
}

async fn one_accept_given_up(point: Point, multishot: bool, forget: bool) {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut future = Box::pin(accept(&mut listener, multishot));
    assert!(poll_once(&mut future).await.is_none());
    if point > Point::Staged {
        turns(4).await;
    }
    let mut clients = Vec::new();
    if point == Point::Reaped {
        let before = metrics().cqes;
        clients.push(StdStream::connect(address).unwrap());
        turns_until(|| metrics().cqes > before).await;
    }
    if forget {
        std::mem::forget(future);
    } else {
        drop(future);
    }
    while clients.len() < 3 {
        clients.push(StdStream::connect(address).unwrap());
    }
    for (index, client) in clients.iter().enumerate() {
        let server = accept(&mut listener, multishot ^ (index == 1)).await;
        assert_eq!(
            server.peer_addr().unwrap(),
            client.local_addr().unwrap(),
            "in the order of connecting"
        );
    }
}

/// Every connection that is made is given to somebody, exactly once.
#[test]
fn connections_accepted_for_dropped_futures_go_to_the_next() {
    setups::for_each_setup(|builder| {
        const CLIENTS: usize = 300;
        run(builder, async {
            let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let clients = std::thread::spawn(move || connect_many(address, CLIENTS));
            let mut random = Random(7);
            let mut seen: Vec<SocketAddr> = Vec::new();
            let mut dropped = 0;
            while seen.len() < CLIENTS {
                let future = accept(&mut listener, random.below(2) == 0);
                let stream = if random.below(3) == 0 {
                    let short = Duration::from_micros(random.below(100));
                    eyewall::time::timeout(short, future).await.ok()
                } else {
                    race_turns(future, random.below(4)).await
                };
                match stream {
                    Some(stream) => seen.push(stream.peer_addr().unwrap()),
                    None => dropped += 1,
                }
            }
            let streams = clients.join().unwrap();
            let mut made: Vec<SocketAddr> = streams
                .iter()
                .map(|stream| stream.local_addr().unwrap())
                .collect();
            made.sort();
            seen.sort();
            assert_eq!(made, seen);
            assert!(dropped > 10, "the test drops too little: {dropped}");
            // Nobody else is there.
            assert!(race_turns(accept(&mut listener, true), 10).await.is_none());
        });
    });
}

fn connect_many(address: SocketAddr, count: usize) -> Vec<StdStream> {
    (0..count)
        .map(|index| {
            if index % 16 == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
            StdStream::connect(address).unwrap()
        })
        .collect()
}

/// A half in another task than its other half, both busy.
#[test]
fn halves_work_at_the_same_time() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            const LEN: usize = 200_000;
            let (client, server) = pair().await;
            let mut tasks = Vec::new();
            for stream in [client, server] {
                let (mut recv, mut send) = stream.into_split();
                tasks.push(spawn(async move {
                    let mut position = 0;
                    while position < LEN {
                        let chunk = recv.recv_chunk().await.unwrap().unwrap();
                        check_stretch(&mut position, &chunk);
                    }
                }));
                tasks.push(spawn(async move {
                    for start in (0..LEN).step_by(10_000) {
                        send.send_all(stretch(start..start + 10_000))
                            .await
                            .0
                            .unwrap();
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn the_stream_of_bytes_is_what_it_says() {
    let data = stretch(0..5000);
    let mut position = 0;
    check_stretch(&mut position, &data);
    assert_ne!(byte_at(0), byte_at(1));
    // A lost stretch of any length below 4 000 shows within 16 bytes.
    for lost in 1..4000 {
        assert!((0..16).any(|at| byte_at(at) != byte_at(at + lost)));
    }
}

/// A spin makes an answer come sooner, and nothing else: whoever only receives does not spin.
#[test]
fn what_streams_in_is_not_spun_for() {
    run(Reactor::builder(), async {
        let (mut stream, mut peer) = half_std_pair();
        let before = metrics().spins;
        let writer = std::thread::spawn(move || {
            for _ in 0..2000 {
                peer.write_all(&[7; 100]).unwrap();
            }
        });
        let mut left = 200_000;
        while left > 0 {
            left -= receive(&mut stream, Method::RecvChunk, 0).await.len();
        }
        assert_eq!(metrics().spins, before);
        writer.join().unwrap();
    });
}

/// A close cancels what is in flight on its socket, by the descriptor. To the kernel a duplicate is the same.
#[test]
fn the_close_of_a_duplicate_ends_nothing_of_the_other() {
    setups::for_each_setup(|builder| {
        run(builder, async {
            let duplicate = |of: &StdStream| TcpStream::from_std(of.try_clone().unwrap()).unwrap();
            for method in METHODS {
                let (ours, mut peer) = std_pair();
                let mut stream = duplicate(&ours);
                let mut receive = Box::pin(receive(&mut stream, method, 8));
                assert!(poll_once(&mut receive).await.is_none());
                turns(4).await;
                duplicate(&ours).close().await.unwrap();
                turns(4).await;
                peer.write_all(b"all").unwrap();
                assert_eq!(receive.await, b"all", "{method:?}");
            }
            for kind in 0..4 {
                let (ours, mut peer) = std_pair();
                let mut stream = duplicate(&ours);
                let large = || vec![1; 16 << 20];
                let mut sending = Box::pin(async {
                    match kind {
                        0 => stream.send_all(large()).await.0,
                        1 => stream.send_zc(large()).await.0,
                        2 => stream.send_vectored(vec![large()]).await.0,
                        _ => {
                            stream.post(large()).await.unwrap();
                            stream.flush().await
                        }
                    }
                });
                assert!(poll_once(&mut sending).await.is_none());
                turns(4).await;
                duplicate(&ours).close().await.unwrap();
                let reader = std::thread::spawn(move || {
                    let mut all = vec![0; 16 << 20];
                    peer.read_exact(&mut all).map(|()| peer)
                });
                sending.await.unwrap();
                reader.join().unwrap().unwrap();
            }
        });
    });
}
