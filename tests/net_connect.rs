//! Connecting: the race of several addresses, its errors, and what a dropped connect leaves behind.

#![forbid(unsafe_code)]

mod net_support;
mod setups;

use std::io::{ErrorKind, Read, Write, copy, sink};
use std::net::{self, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use eyewall::net::{ConnectError, Keepalive, TcpConnector, TcpStream};
use eyewall::reactor::metrics;
use futures_util::StreamExt;
use futures_util::future::join;
use net_support::*;
use socket2::SockRef;

fn listener(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Whether somebody has connected to the listener.
fn has_connection(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    listener.accept().is_ok()
}

fn attempts(error: &std::io::Error) -> Vec<SocketAddr> {
    let inner = error.get_ref().unwrap().downcast_ref::<ConnectError>();
    let attempts = inner.unwrap().attempts();
    attempts.iter().map(|(address, _)| *address).collect()
}

#[test]
fn c01_a_silent_first_address_delays_only_by_the_attempt_delay() {
    let alone = alone();
    let delay = Duration::from_millis(100);
    let (_good, good) = listener("127.0.0.1:0");
    let silent = Blackhole::new("::1");
    alone.run(async {
        let before = open();
        let connector = TcpConnector::new().attempt_delay(delay);
        let start = Instant::now();
        let stream = connector.connect(vec![silent.address, good]).await.unwrap();
        let took = start.elapsed();
        assert!(took >= delay, "{took:?}");
        assert!(took < delay * 8, "{took:?}");
        assert_eq!(stream.peer_addr().unwrap(), good);
        let winner_only = Open {
            fds: before.fds + 1,
            ..before
        };
        settles_to(winner_only).await;
        drop(stream);
        settles_to(before).await;
    });
}

#[test]
fn c01_the_default_delay_is_a_quarter_of_a_second() {
    let alone = alone();
    let (_good, good) = listener("127.0.0.1:0");
    let silent = Blackhole::new("127.0.0.1");
    alone.run(async {
        let start = Instant::now();
        TcpStream::connect(vec![silent.address, good])
            .await
            .unwrap();
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(250), "{took:?}");
        assert!(took < Duration::from_millis(900), "{took:?}");
    });
}

#[test]
fn the_first_address_wins_alone_where_it_is_good() {
    let alone = alone();
    for (first, second) in [("[::1]:0", "127.0.0.1:0"), ("127.0.0.1:0", "[::1]:0")] {
        let (_one, one) = listener(first);
        let (other, second) = listener(second);
        alone.run(async {
            let before = metrics().unwrap().sqes;
            let stream = TcpStream::connect(vec![one, second]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), one);
            assert!(!has_connection(&other));
            // A socket and a connect; one more is the reactor's own wake-up poll.
            assert!(metrics().unwrap().sqes - before <= 3);
        });
    }
}

#[test]
fn a_failure_begins_the_next_attempt_at_once() {
    let alone = alone();
    let (_bound, refusing) = refusing("::1");
    let (_good, good) = listener("127.0.0.1:0");
    alone.run(async {
        let before = open();
        let connector = TcpConnector::new().attempt_delay(Duration::MAX);
        let stream = connector.connect(vec![refusing, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        drop(stream);
        settles_to(before).await;
    });
}

#[test]
fn an_attempt_goes_on_while_later_ones_run() {
    let alone = alone();
    let mut first = Blackhole::new("127.0.0.1");
    let second = Blackhole::new("::1");
    alone.run(async {
        let before = open();
        let connector = TcpConnector::new().attempt_delay(Duration::from_millis(10));
        let mut connect = pin!(connector.connect(vec![first.address, second.address]));
        let both_run = async {
            assert!(poll_once(connect.as_mut()).await.is_pending());
            while open().operations < before.operations + 2 {
                assert!(poll_once(connect.as_mut()).await.is_pending());
                eyewall::time::sleep(Duration::from_millis(1)).await;
            }
        };
        both_run.await;
        // Now there is room in the first one's backlog for the next SYN, which comes after a second.
        first.listener.accept().unwrap();
        first.clients.clear();
        let stream = connect.await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), first.address);
    });
}

#[test]
fn c01_when_all_refuse_the_error_lists_them_in_the_order_of_the_attempts() {
    let alone = alone();
    let (_a, a) = refusing("::1");
    let (_b, b) = refusing("::1");
    let (_c, c) = refusing("127.0.0.1");
    alone.run(async {
        let before = open();
        let error = TcpStream::connect(&[a, b, c][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(attempts(&error), [a, c, b], "the families take turns");
        let refused = "Connection refused (os error 111)";
        let expected =
            format!("cannot connect to {a}: {refused}; to {c}: {refused}; to {b}: {refused}");
        assert_eq!(error.to_string(), expected);
        settles_to(before).await;
    });
}

#[test]
fn a_refusal_tells_more_than_an_unreachable_network() {
    let alone = alone();
    let (_refusing, refusing) = refusing("127.0.0.1");
    // A link-local address without a zone has no network (EINVAL).
    let nowhere: SocketAddr = "[fe80::1]:80".parse().unwrap();
    alone.run(async {
        let error = TcpStream::connect(vec![nowhere, refusing])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(attempts(&error), [nowhere, refusing]);
        let alone = TcpStream::connect(nowhere).await.unwrap_err();
        assert_ne!(alone.kind(), ErrorKind::ConnectionRefused);
        assert!(alone.to_string().contains("os error"), "{alone}");
    });
}

#[test]
fn a_timeout_lists_those_that_did_not_answer() {
    let alone = alone();
    let (_refusing, refusing) = refusing("127.0.0.1");
    let (one, other) = (Blackhole::new("127.0.0.1"), Blackhole::new("127.0.0.1"));
    alone.run(async {
        let before = open();
        let connector = TcpConnector::new()
            .attempt_delay(Duration::from_millis(10))
            .timeout(Duration::from_millis(100));
        let addresses = vec![one.address, refusing, other.address];
        let error = connector.connect(addresses.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(attempts(&error), addresses);
        let text = error.to_string();
        assert_eq!(text.matches("no answer within 100ms").count(), 2, "{text}");
        assert!(text.contains("Connection refused"), "{text}");
        settles_to(before).await;
        assert_eq!(metrics().unwrap().timers, 1, "only that of this test");
    });
}

#[test]
fn settings_leave_addresses_out() {
    let alone = alone();
    let (_v4, v4) = listener("127.0.0.1:0");
    let (_v6, v6) = listener("[::1]:0");
    let (_refusing, refusing) = refusing("127.0.0.1");
    alone.run(async {
        let new = TcpConnector::new;
        for (connector, expected) in [
            (new().ipv4(false), v6),
            (new().ipv6(false), v4),
            (new().source_address("127.0.0.2".parse().unwrap()), v4),
            (new().source_address("::1".parse().unwrap()), v6),
            (new().interface("lo"), v4),
        ] {
            let stream = connector.connect(vec![v4, v6]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), expected, "{connector:?}");
            assert!(stream.nodelay().unwrap());
        }

        let connector = new().max_addresses(1);
        let error = connector.connect(vec![refusing, v4]).await.unwrap_err();
        assert_eq!(attempts(&error), [refusing]);

        for connector in [
            new().ipv4(false),
            new().source_address("::1".parse().unwrap()),
            new().max_addresses(0),
        ] {
            let error = connector.connect(v4).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{connector:?}");
        }
        let error = new().connect(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn c04_the_source_address_is_the_one_that_was_set() {
    let alone = alone();
    let (_v4, v4) = listener("127.0.0.1:0");
    alone.run(async {
        let source = "127.0.0.2".parse().unwrap();
        let connector = TcpConnector::new().source_address(source).nodelay(false);
        let stream = connector.connect(v4).await.unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), source);
        assert!(!stream.nodelay().unwrap());
    });
}

#[test]
fn options_of_a_stream_are_those_of_its_socket() {
    let alone = alone();
    let (_v4, v4) = listener("127.0.0.1:0");
    alone.run(async {
        let stream = TcpStream::connect(v4).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(!socket.keepalive().unwrap());
        let keepalive = Keepalive {
            idle: Duration::from_secs(15),
            interval: Duration::from_secs(5),
            retries: 3,
        };
        stream.set_keepalive(Some(keepalive)).unwrap();
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), keepalive.idle);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), keepalive.interval);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), keepalive.retries);
        stream.set_keepalive(None).unwrap();
        assert!(!socket.keepalive().unwrap());
        for limit in [Some(Duration::from_millis(1500)), None] {
            stream.set_user_timeout(limit).unwrap();
            let known = socket.tcp_user_timeout().unwrap();
            assert_eq!(known.filter(|known| !known.is_zero()), limit);
        }
        for linger in [Some(Duration::ZERO), Some(Duration::from_secs(2)), None] {
            stream.set_linger(linger).unwrap();
            assert_eq!(stream.linger().unwrap(), linger);
        }
        // Less than the kernel counts is not nothing, which means something else.
        let moment = Some(Duration::from_micros(1));
        stream.set_user_timeout(moment).unwrap();
        let known = socket.tcp_user_timeout().unwrap();
        assert_eq!(known, Some(Duration::from_millis(1)));
        stream.set_linger(moment).unwrap();
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(1)));
        // Nor is more.
        for ages in [Duration::from_secs(1 << 32), Duration::MAX] {
            stream.set_user_timeout(Some(ages)).unwrap();
            let known = socket.tcp_user_timeout().unwrap();
            assert_eq!(known, Some(Duration::from_millis(i32::MAX as u64)));
            stream.set_linger(Some(ages)).unwrap();
            let known = stream.linger().unwrap();
            assert_eq!(known, Some(Duration::from_secs(i32::MAX as u64)));
        }
        stream.set_linger(None).unwrap();
        stream.set_nodelay(false).unwrap();
        assert!(!stream.nodelay().unwrap());
    });
}

/// Closes connections that linger, each with as much on its way as there is room for.
async fn close_lingering(connections: Vec<(TcpStream, net::TcpStream)>) {
    let (mut lingering, mut peers) = (Vec::new(), Vec::new());
    let (piece, mut sent) = ([0; 1 << 16], 0);
    for (stream, peer) in connections {
        let socket = SockRef::from(&stream);
        socket.set_send_buffer_size(1 << 16).unwrap();
        loop {
            match socket.send_with_flags(&piece, libc::MSG_DONTWAIT) {
                Ok(count) => sent += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        lingering.push(stream);
        peers.push(peer);
    }
    let begun = Instant::now();
    for (number, stream) in lingering.into_iter().enumerate() {
        match number % 2 {
            0 => drop(stream),
            _ => {
                let before = open().fds;
                stream.close().await.unwrap();
                assert_eq!(open().fds, before - 2, "it and the one before are closed");
            }
        }
    }
    for _ in 0..3 {
        eyewall::time::sleep(Duration::from_millis(1)).await;
    }
    // This, the kernel gives to a worker of its own.
    eyewall::fs::metadata("/").await.unwrap();
    let read_all = move |mut peer| copy(&mut peer, &mut sink()).unwrap();
    let reader = std::thread::spawn(move || peers.into_iter().map(read_all).sum::<u64>());
    assert_eq!(reader.join().unwrap(), sent);
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "one has waited for another's peer"
    );
}

const LINGER: Option<Duration> = Some(Duration::from_secs(60));

#[test]
fn closes_that_linger_hold_nobody_up() {
    let alone = alone();
    let (listener, address) = listener("127.0.0.1:0");
    alone.run(async {
        for count in [1, 20] {
            let mut connections = Vec::new();
            for _ in 0..count {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.set_linger(LINGER).unwrap();
                connections.push((stream, listener.accept().unwrap().0));
            }
            close_lingering(connections).await;
        }
    });
}

#[test]
fn nor_do_those_of_sockets_that_were_taken_over() {
    let alone = alone();
    let (listener, address) = listener("127.0.0.1:0");
    alone.run(async {
        let socket = net::TcpStream::connect(address).unwrap();
        SockRef::from(&socket).set_linger(LINGER).unwrap();
        let stream = TcpStream::from_std(socket).unwrap();
        close_lingering(vec![(stream, listener.accept().unwrap().0)]).await;
    });
}

#[test]
fn nor_do_those_of_streams_that_have_it_from_their_listener() {
    let alone = alone();
    let (listener, address) = listener("127.0.0.1:0");
    SockRef::from(&listener).set_linger(LINGER).unwrap();
    alone.run(async {
        let mut listener = eyewall::net::TcpListener::from_std(listener).unwrap();
        let peer = net::TcpStream::connect(address).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        close_lingering(vec![(stream, peer)]).await;
        let peer = net::TcpStream::connect(address).unwrap();
        let stream = listener.incoming().next().await.unwrap().unwrap();
        assert_eq!(stream.linger().unwrap(), LINGER);
        close_lingering(vec![(stream, peer)]).await;
    });
}

#[test]
fn what_was_to_break_its_connection_off_does_so_when_taken_over() {
    let alone = alone();
    let (listener, address) = listener("127.0.0.1:0");
    alone.run(async {
        let socket = net::TcpStream::connect(address).unwrap();
        SockRef::from(&socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        let stream = TcpStream::from_std(socket).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        stream.close().await.unwrap();
        let error = peer.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn c04_a_bad_source_or_interface_is_named() {
    let alone = alone();
    let (_v4, v4) = listener("127.0.0.1:0");
    alone.run(async {
        let before = open();
        let foreign = TcpConnector::new().source_address("192.0.2.1".parse().unwrap());
        let error = foreign.connect(v4).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("192.0.2.1"), "{error}");

        for name in ["no-such", "a name that is too long to be one"] {
            let error = TcpConnector::new().interface(name).connect(v4).await;
            let error = error.unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        settles_to(before).await;
    });
}

#[test]
fn a_connect_dropped_at_any_point_leaves_nothing() {
    let alone = alone();
    let (server, good) = listener("127.0.0.1:0");
    let silent = Blackhole::new("127.0.0.1");
    alone.run(async {
        let before = open();
        for address in [good, silent.address] {
            for polls in 1..=3 {
                for turns_between in 0..=3 {
                    let mut connect = Box::pin(TcpStream::connect(address));
                    for _ in 0..polls {
                        if poll_once(connect.as_mut()).await.is_ready() {
                            break;
                        }
                        turns(turns_between).await;
                    }
                    drop(connect);
                    settles_to(before).await;
                }
            }
        }
    });
    drop(server);
}

#[test]
fn c10_what_becomes_of_a_failed_connect_never_reaches_who_has_its_descriptor_now() {
    let alone = alone();
    let (server, good) = listener("127.0.0.1:0");
    let (_refusing, refusing) = refusing("127.0.0.1");
    let silent = Blackhole::new("127.0.0.1");
    alone.run(async {
        let before = open();
        let mut numbers = std::collections::HashMap::new();
        for round in 0..120u32 {
            // One that fails or never ends is given up at some point, and its descriptor is free at once, or soon.
            let nowhere = [refusing, silent.address][round as usize % 2];
            let mut lost = Box::pin(TcpStream::connect(nowhere));
            for _ in 0..1 + round % 4 {
                if poll_once(lost.as_mut()).await.is_ready() {
                    break;
                }
                turns(round as usize % 3).await;
            }
            drop(lost);
            // Whoever gets the number next has a connection of its own, and hears of nothing else.
            let mut stream = TcpStream::connect(good).await.unwrap();
            *numbers.entry(stream.as_fd().as_raw_fd()).or_insert(0) += 1;
            let (mut peer, _) = server.accept().unwrap();
            peer.write_all(&round.to_le_bytes()).unwrap();
            let mut received = Vec::new();
            while received.len() < 4 {
                received.extend_from_slice(&stream.recv_chunk().await.unwrap().unwrap());
            }
            assert_eq!(received, round.to_le_bytes());
            stream.send_all(received).await.0.unwrap();
            let mut back = [0; 4];
            peer.read_exact(&mut back).unwrap();
            assert_eq!(back, round.to_le_bytes());
        }
        let again = numbers.values().filter(|count| **count > 1).count();
        assert!(again > 0, "no number was used twice: {numbers:?}");
        settles_to(before).await;
    });
}

#[test]
fn a_connection_that_is_dropped_unfetched_is_closed() {
    let alone = alone();
    let mut late = Blackhole::new("127.0.0.1");
    alone.run(async {
        let mut before = open();
        let mut connect = Box::pin(TcpStream::connect(late.address));
        let reaped_before = cqes();
        assert!(poll_once(connect.as_mut()).await.is_pending());
        before.fds -= late.clients.len();
        late.drain();
        reaped(reaped_before, 1).await;
        drop(connect);
        settles_to(before).await;
        let (mut peer, _) = late.listener.accept().unwrap();
        peer.set_read_timeout(Some(LIMIT)).unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer sees the end");
    });
}

#[test]
fn a_connection_that_comes_about_late_is_like_any_other() {
    let alone = alone();
    let mut late = Blackhole::new("127.0.0.1");
    alone.run(async {
        let mut connect = Box::pin(TcpStream::connect(late.address));
        assert!(poll_once(connect.as_mut()).await.is_pending());
        late.drain();
        let mut stream = connect.await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), late.address);
        assert!(stream.nodelay().unwrap());
        let (mut peer, _) = late.listener.accept().unwrap();
        // The receive waits for what is not there yet.
        let mut receive = Box::pin(stream.recv_chunk());
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(3).await;
        assert!(poll_once(receive.as_mut()).await.is_pending());
        peer.write_all(b"late").unwrap();
        assert_eq!(receive.await.unwrap().as_deref(), Some(&b"late"[..]));
    });
}

#[test]
fn a_connection_to_this_machine_takes_no_turn() {
    let alone = alone();
    for ip in ["127.0.0.1:0", "[::1]:0"] {
        let (server, good) = listener(ip);
        alone.run(async {
            let enters = metrics().unwrap().enters;
            let mut connect = Box::pin(TcpStream::connect(good));
            let Poll::Ready(Ok(mut stream)) = poll_once(connect.as_mut()).await else {
                panic!("it has still to be waited for");
            };
            assert_eq!(metrics().unwrap().enters, enters);
            let (mut peer, _) = server.accept().unwrap();
            let mut receive = Box::pin(stream.recv_chunk());
            assert!(poll_once(receive.as_mut()).await.is_pending());
            turns(3).await;
            assert!(poll_once(receive.as_mut()).await.is_pending());
            peer.write_all(b"near").unwrap();
            assert_eq!(receive.await.unwrap().as_deref(), Some(&b"near"[..]));
        });
    }
}

/// The error of a bind is there at once, as is that of a network that cannot be reached.
#[test]
fn whoever_tries_again_and_again_lets_others_run() {
    let alone = alone();
    let (_refusing, refusing) = refusing("127.0.0.1");
    let connector = TcpConnector::new().source_address("192.0.2.1".parse().unwrap());
    alone.run(async {
        let end = Instant::now() + Duration::from_secs(5);
        for connector in [TcpConnector::new(), connector] {
            let other = eyewall::spawn(eyewall::time::sleep(Duration::from_millis(1)));
            // Nothing is left that would go out with the connect.
            turns(2).await;
            while !other.is_finished() {
                connector.connect(refusing).await.unwrap_err();
                assert!(Instant::now() < end, "nobody else has run");
            }
        }
    });
}

#[test]
fn who_connects_again_and_again_leaves_the_reactor_its_turns() {
    const CONNECTS: usize = 200;
    let alone = alone();
    let (server, good) = listener("127.0.0.1:0");
    alone.run(async {
        let before = open();
        // Its time has come as soon as the reactor looks.
        let timer = eyewall::spawn(eyewall::time::sleep(Duration::ZERO));
        let mut most = 0;
        for _ in 0..CONNECTS {
            drop(TcpStream::connect(good).await.unwrap());
            drop(server.accept().unwrap());
            most = most.max(open().fds - before.fds);
        }
        assert!(timer.is_finished());
        assert!(most <= 4, "{most} descriptors wait for their close");
        settles_to(before).await;
    });
}

#[test]
fn connects_that_begin_together_share_an_enter() {
    const CONNECTS: u64 = 16;
    let alone = alone();
    let (server, good) = listener("127.0.0.1:0");
    alone.run(async {
        let mut before = open();
        turns(1).await;
        let counted = metrics().unwrap();
        let tasks: Vec<_> = (0..CONNECTS)
            .map(|_| eyewall::spawn(TcpStream::connect(good)))
            .collect();
        let mut streams = Vec::new();
        for task in tasks {
            streams.push(task.await.unwrap().unwrap());
        }
        let now = metrics().unwrap();
        assert_eq!(now.sqes - counted.sqes, CONNECTS);
        assert!(now.enters - counted.enters < CONNECTS / 2);
        let peers: Vec<_> = streams.iter().map(|_| server.accept().unwrap()).collect();
        drop(streams);
        before.fds += peers.len();
        settles_to(before).await;
    });
}

#[test]
fn a_close_that_nobody_awaits_has_no_completion() {
    let alone = alone();
    let (server, good) = listener("127.0.0.1:0");
    alone.run(async {
        let before = open();
        let stream = TcpStream::connect(good).await.unwrap();
        let (mut peer, _) = server.accept().unwrap();
        // The reactor's own poll goes out.
        turns(1).await;
        let now = || {
            let now = metrics().unwrap();
            (now.cqes, now.sqes)
        };
        let (cqes, sqes) = now();
        drop(stream);
        // It goes out with whatever the reactor enters the kernel for.
        while now().1 == sqes {
            turns(1).await;
        }
        turns(1).await;
        assert_eq!(now(), (cqes, sqes + 1));
        assert_eq!(
            open(),
            Open {
                fds: before.fds + 1,
                ..before
            }
        );
        peer.set_read_timeout(Some(LIMIT)).unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer sees the end");
    });
}

#[test]
fn a_forgotten_connect_ends_with_its_reactor() {
    let _alone = alone();
    let silent = Blackhole::new("127.0.0.1");
    let reactor = eyewall::Reactor::new().unwrap();
    reactor
        .block_on(async {
            let mut connect = Box::pin(TcpStream::connect(silent.address));
            for _ in 0..3 {
                assert!(poll_once(connect.as_mut()).await.is_pending());
                turns(3).await;
            }
            std::mem::forget(connect);
        })
        .unwrap();
    let report = reactor.shutdown(LIMIT);
    assert_eq!((report.cancelled, report.leaked), (1, 0), "{report:?}");
}

#[test]
fn outside_a_reactor_it_is_an_error() {
    use futures_util::FutureExt;
    let connect = TcpStream::connect("127.0.0.1:1");
    let error = connect.now_or_never().unwrap().unwrap_err();
    assert!(error.to_string().contains("no reactor"), "{error}");
}

/// The port that the system chooses where it has one alone.
const ONLY: u16 = 40_001;

fn leave_one_port() {
    let range = format!("{ONLY} {ONLY}");
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", range).unwrap();
}

/// The one port that there is to connect from is the one that is called, and nobody listens on it.
#[test]
fn no_socket_is_connected_with_itself() {
    let alone = alone();
    setups::in_own_network("no_socket_is_connected_with_itself", || {
        leave_one_port();
        alone.run(async {
            let own = SocketAddr::from(([127, 0, 0, 1], ONLY));
            // By a call, and on the ring, behind another in the same turn.
            let first = TcpStream::connect(own).await.unwrap_err();
            let other = TcpStream::connect("127.0.0.2:1");
            let (_, second) = join(other, TcpStream::connect(own)).await;
            for error in [first, second.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
            }
            turns(3).await;
            TcpListener::bind(own).unwrap();
        });
    });
}

#[test]
fn a_source_address_has_its_ports_for_each_peer_anew() {
    let alone = alone();
    setups::in_own_network("a_source_address_has_its_ports_for_each_peer_anew", || {
        leave_one_port();
        alone.run(async {
            let connector = TcpConnector::new().source_address([127, 0, 0, 1].into());
            let mut connections = Vec::new();
            for port in [1, 2] {
                let (listener, address) = listener(&format!("127.0.0.1:{port}"));
                let stream = connector.connect(address).await.unwrap();
                assert_eq!(stream.local_addr().unwrap().port(), ONLY);
                connections.push((stream, listener));
            }
        });
    });
}
