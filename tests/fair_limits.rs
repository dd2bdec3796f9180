//! Full tables and empty pools: everybody goes on, nobody spins.

mod setups;

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use eyewall::buf::Chunk;
use eyewall::net::TcpStream;
use eyewall::{Reactor, spawn, yield_now};
use futures_util::StreamExt;
use setups::{
    finish, half_std_pair, metrics, poll_once, race_turns, run, run_on, stretch, turns, turns_until,
};

#[test]
fn fifty_operations_share_a_table_of_four() {
    let reactor = Reactor::builder().max_operations(4).build().unwrap();
    run_on(&reactor, async {
        let mut tasks = Vec::new();
        let mut peers = Vec::new();
        for index in 0..50u8 {
            let (mut ours, theirs) = half_std_pair();
            peers.push((index, theirs));
            tasks.push(spawn(async move {
                let (count, data) = ours.recv(vec![0; 4]).await;
                assert_eq!((count.unwrap(), data[0]), (1, index));
                ours.send_all(vec![index]).await.0.unwrap();
                ours.close().await.unwrap();
            }));
        }
        let most = Rc::new(Cell::new(0));
        turns(5).await;
        for (index, peer) in &mut peers {
            peer.write_all(&[*index]).unwrap();
        }
        while tasks.iter().any(|task| !task.is_finished()) {
            most.set(most.get().max(metrics().operations));
            eyewall::time::sleep(Duration::from_micros(50)).await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        // Closes are the reactor's own and may exceed the limit, for a moment.
        assert!(most.get() >= 4);
    });
    finish(reactor);
}

/// Waiters that are dropped, or forgotten, do not hold up those behind them.
#[test]
fn a_waiter_that_goes_away_blocks_nobody() {
    for forget in [false, true] {
        let reactor = Reactor::builder().max_operations(2).build().unwrap();
        run_on(&reactor, async {
            let mut pairs: Vec<_> = (0..12).map(|_| half_std_pair()).collect();
            let (mut futures, mut peers) = (Vec::new(), Vec::new());
            for (ours, theirs) in &mut pairs {
                theirs.write_all(b"x").unwrap();
                futures.push(Some(Box::pin(ours.recv(vec![0; 4]))));
                peers.push(theirs);
            }
            for future in futures.iter_mut().flatten() {
                assert!(poll_once(future).await.is_none());
            }
            // Every second waiter goes before it is called; another one after that.
            for future in futures.iter_mut().skip(2).step_by(2) {
                let future = future.take();
                match forget {
                    true => std::mem::forget(future),
                    false => drop(future),
                }
            }
            turns(3).await;
            let called = futures[3].take();
            match forget {
                true => std::mem::forget(called),
                false => drop(called),
            }
            for future in futures.into_iter().flatten() {
                future.await.0.unwrap();
            }
        });
        drop(reactor);
    }
}

/// A task that takes the slot again the moment it has freed it does not keep the others out.
#[test]
fn a_busy_task_does_not_keep_the_table_for_itself() {
    let reactor = Reactor::builder().max_operations(1).build().unwrap();
    run_on(&reactor, async {
        let stop = Rc::new(Cell::new(false));
        let mut hogs = Vec::new();
        for _ in 0..3 {
            let stop = Rc::clone(&stop);
            let (mut ours, mut theirs) = half_std_pair();
            hogs.push(spawn(async move {
                while !stop.get() {
                    theirs.write_all(b"x").unwrap();
                    assert_eq!(ours.recv(vec![0; 8]).await.0.unwrap(), 1);
                }
            }));
        }
        turns(5).await;
        let others: Vec<_> = (0..10)
            .map(|_| {
                let (mut ours, mut theirs) = half_std_pair();
                spawn(async move {
                    theirs.write_all(b"y").unwrap();
                    ours.recv(vec![0; 8]).await.0.unwrap();
                })
            })
            .collect();
        for other in others {
            other.await.unwrap();
        }
        stop.set(true);
        for hog in hogs {
            hog.await.unwrap();
        }
    });
    finish(reactor);
}

/// Keeps every buffer of a pool of two.
async fn keep_all_buffers(stream: &mut TcpStream, peer: &mut std::net::TcpStream) -> Vec<Chunk> {
    let mut kept = Vec::new();
    while metrics().pool_available > 0 {
        peer.write_all(b"kept").unwrap();
        kept.push(stream.recv_chunk().await.unwrap().unwrap());
    }
    kept
}

#[test]
fn streams_go_on_when_the_user_keeps_every_buffer() {
    for busy in [false, true] {
        let _watchdog = setups::Watchdog::new("every buffer kept");
        let reactor = Reactor::builder().pool(2, 128).build().unwrap();
        run_on(&reactor, async {
            let (mut keeper, mut feeder) = half_std_pair();
            let kept = keep_all_buffers(&mut keeper, &mut feeder).await;
            // With something else that is always ready, the reactor never comes to rest.
            let stop = Rc::new(Cell::new(false));
            let spinner = spawn({
                let stop = Rc::clone(&stop);
                async move {
                    while busy && !stop.get() {
                        yield_now().await;
                    }
                }
            });
            let mut tasks = Vec::new();
            for multishot in [false, true, false, true] {
                let (mut ours, mut theirs) = half_std_pair();
                tasks.push(spawn(async move {
                    let mut position = 0;
                    for _ in 0..20 {
                        theirs
                            .write_all(&stretch(position..position + 300))
                            .unwrap();
                        let end = position + 300;
                        while position < end {
                            let chunk = match multishot {
                                true => ours.chunks().next().await.unwrap().unwrap(),
                                false => ours.recv_chunk().await.unwrap().unwrap(),
                            };
                            setups::check_stretch(&mut position, &chunk);
                        }
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            stop.set(true);
            spinner.await.unwrap();
            assert!(metrics().pool_parks > 0);
            assert_eq!(&kept[0][..], b"kept");
        });
        finish(reactor);
    }
}

/// A stream that is parked, then idle, costs nothing; a buffer that returns lets it go on from the pool.
#[test]
fn a_parked_stream_does_not_spin() {
    let reactor = Reactor::builder().pool(2, 128).build().unwrap();
    run_on(&reactor, async {
        let (mut keeper, mut feeder) = half_std_pair();
        let kept = keep_all_buffers(&mut keeper, &mut feeder).await;
        let (mut ours, mut theirs) = half_std_pair();
        let waits = spawn(async move {
            let chunk = ours.recv_chunk().await.unwrap().unwrap();
            (chunk.to_vec(), ours)
        });
        turns(5).await;
        let before = metrics();
        eyewall::time::sleep(Duration::from_millis(300)).await;
        let after = metrics();
        assert!(
            after.enters - before.enters < 20,
            "it spins: {before:?} {after:?}"
        );
        drop(kept);
        theirs.write_all(b"later").unwrap();
        let (data, ours) = waits.await.unwrap();
        assert_eq!(data, b"later");
        drop(ours);
    });
    finish(reactor);
}

/// One that does not fetch its chunks leaves the pool to the others.
#[test]
fn a_slow_consumer_does_not_starve_the_others() {
    const BACKLOG: usize = 8;
    let reactor = Reactor::builder()
        .pool(256, 256)
        .multishot_backlog(BACKLOG)
        .build()
        .unwrap();
    run_on(&reactor, async {
        let (mut slow, mut slow_peer) = half_std_pair();
        // Armed, and then nobody fetches.
        assert!(race_turns(slow.chunks().next(), 2).await.is_none());
        let writer = std::thread::spawn(move || {
            let data = stretch(0..200_000);
            slow_peer.write_all(&data).unwrap();
        });
        let (mut fast, mut fast_peer) = half_std_pair();
        let mut position = 0;
        let mut least = u16::MAX;
        for round in 0..200 {
            fast_peer
                .write_all(&stretch(round * 1000..(round + 1) * 1000))
                .unwrap();
            while position < (round + 1) * 1000 {
                let chunk = fast.chunks().next().await.unwrap().unwrap();
                setups::check_stretch(&mut position, &chunk);
            }
            least = least.min(metrics().pool_available);
        }
        assert_eq!(metrics().pool_parks, 0, "the fast one never wants");
        // The bound is that of the backlog, and what the kernel posts before the cancel reaches it.
        assert!(least > 256 - 2 * 64, "{least} buffers were left");
        turns_until(|| metrics().throttled > 0).await;
        // And the slow one has lost nothing.
        let mut position = 0;
        let mut chunks = slow.chunks();
        while position < 200_000 {
            let chunk = chunks.next().await.unwrap().unwrap();
            setups::check_stretch(&mut position, &chunk);
        }
        writer.join().unwrap();
    });
    finish(reactor);
}

#[test]
fn parks_are_counted_and_end_when_buffers_return() {
    let reactor = Reactor::builder().pool(2, 128).build().unwrap();
    run_on(&reactor, async {
        let (mut keeper, mut feeder) = half_std_pair();
        let mut kept = keep_all_buffers(&mut keeper, &mut feeder).await;
        let parks = metrics().pool_parks;
        let (mut ours, mut theirs) = half_std_pair();
        theirs.write_all(b"data").unwrap();
        let mut future = Box::pin(ours.recv_chunk());
        assert!(poll_once(&mut future).await.is_none());
        turns(3).await;
        assert!(poll_once(&mut future).await.is_none());
        assert_eq!(metrics().pool_parks, parks + 1);
        kept.clear();
        assert_eq!(&future.await.unwrap().unwrap()[..], b"data");
    });
    finish(reactor);
}

#[test]
fn chunks_outlive_their_reactor() {
    let reactor = Reactor::new().unwrap();
    let chunk = run_on(&reactor, async {
        let (mut ours, mut theirs) = half_std_pair();
        theirs.write_all(b"kept for long").unwrap();
        ours.recv_chunk().await.unwrap().unwrap()
    });
    drop(reactor);
    assert_eq!(&chunk.slice_ref(5..)[..], b"for long");
}

/// Ten thousand connections, at most 64 at a time.
#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    setups::in_own_process("ten_thousand_connections_leave_nothing_behind", || {
        let reactor = Reactor::new().unwrap();
        run_on(&reactor, async { drop(setups::pair().await) });
        setups::settle(&reactor);
        let before = setups::open_fds();
        let start = Instant::now();
        run_on(&reactor, async {
            let mut listener = eyewall::net::TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap();
            let address = listener.local_addr().unwrap();
            let server = spawn(async move {
                let mut incoming = listener.incoming();
                for _ in 0..10_000 {
                    let mut stream = incoming.next().await.unwrap().unwrap();
                    spawn(async move {
                        while let Some(chunk) = stream.recv_chunk().await.unwrap() {
                            stream.send_all(chunk).await.0.unwrap();
                        }
                    })
                    .detach();
                }
            });
            let clients: Vec<_> = (0..64)
                .map(|client| {
                    spawn(async move {
                        for round in (client..10_000).step_by(64) {
                            let mut stream = TcpStream::connect(address).await.unwrap();
                            stream.send_all("hello").await.0.unwrap();
                            let room = Vec::with_capacity(5);
                            assert_eq!(stream.recv_exact(room).await.1, b"hello");
                            if round % 2 == 0 {
                                stream.close().await.unwrap();
                            }
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            server.await.unwrap();
            turns_until(|| metrics().tasks == 0).await;
        });
        let metrics = setups::settle(&reactor);
        assert_eq!(metrics.operations, 0);
        assert_eq!(metrics.timers, 0);
        assert_eq!(setups::open_fds(), before);
        eprintln!("{:?}", start.elapsed());
        finish(reactor);
    });
}

/// Every operation that waits for a slot still ends when its reactor does.
#[test]
fn waiters_end_with_the_reactor() {
    let reactor = Reactor::builder().max_operations(1).build().unwrap();
    let mut left = Vec::new();
    run_on(&reactor, async {
        for _ in 0..3 {
            let (mut ours, theirs) = half_std_pair();
            let mut future = Box::pin(async move {
                let result = ours.recv(vec![0; 4]).await.0;
                drop(theirs);
                result
            });
            assert!(poll_once(&mut future).await.is_none());
            left.push(future);
        }
        turns(2).await;
    });
    let report = reactor.shutdown(Duration::from_secs(5));
    assert_eq!((report.cancelled, report.leaked), (1, 0));
    run(Reactor::builder(), async {
        for future in left {
            future.await.unwrap_err();
        }
    });
}
