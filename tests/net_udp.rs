//! UDP: every datagram is received once, whatever becomes of the futures.

#![forbid(unsafe_code)]

mod net_support;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use eyewall::net::UdpSocket;
use eyewall::reactor::metrics;
use eyewall::time::timeout;
use eyewall::{Reactor, spawn, yield_now};
use net_support::*;

async fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A peer that the reactor knows nothing of. On loopback, what it sends has arrived when the call returns.
fn peer() -> std::net::UdpSocket {
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    peer
}

fn buffer() -> Vec<u8> {
    Vec::with_capacity(64)
}

/// The next datagram, as text.
async fn next(socket: &mut UdpSocket) -> String {
    let (result, buffer) = socket.recv_from(buffer()).await;
    assert_eq!(result.unwrap().0, buffer.len());
    String::from_utf8(buffer).unwrap()
}

#[test]
fn a_std_socket_that_does_not_block_is_taken_over() {
    alone().run(async {
        let (peer, socket) = (peer(), peer());
        let address = socket.local_addr().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut socket = UdpSocket::from_std(socket).unwrap();
        let sending = spawn(async move {
            turns(2).await;
            peer.send_to(b"late", address).unwrap();
        });
        assert_eq!(next(&mut socket).await, "late");
        sending.await.unwrap();
    });
}

#[test]
fn the_close_of_a_duplicate_ends_no_receive_of_the_other() {
    alone().run(async {
        let (peer, socket) = (peer(), peer());
        let address = socket.local_addr().unwrap();
        let duplicate = UdpSocket::from_std(socket.try_clone().unwrap()).unwrap();
        let mut socket = UdpSocket::from_std(socket).unwrap();
        let mut receive = pin!(next(&mut socket));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(2).await;
        duplicate.close().await.unwrap();
        turns(2).await;
        peer.send_to(b"late", address).unwrap();
        assert_eq!(receive.await, "late");
    });
}

#[test]
fn a_datagram_goes_there_and_back() {
    alone().run(async {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let before = open();
            let mut server = UdpSocket::bind(any).await.unwrap();
            let mut client = UdpSocket::bind(any).await.unwrap();
            let (result, sent) = client.send_to("ping", server.local_addr().unwrap()).await;
            assert_eq!((result.unwrap(), sent), (4, "ping"));
            let (result, received) = server.recv_from(buffer()).await;
            let (len, from) = result.unwrap();
            assert_eq!((len, &received[..]), (4, &b"ping"[..]));
            assert_eq!(from, client.local_addr().unwrap());
            server.send_to("pong", from).await.0.unwrap();
            assert_eq!(next(&mut client).await, "pong");
            server.close().await.unwrap();
            client.close().await.unwrap();
            settles_to(before).await;
        }
    });
}

#[test]
fn a_connected_socket_hears_only_its_peer_and_what_came_before() {
    alone().run(async {
        let (mut one, one_address) = bound().await;
        let (mut other, _) = bound().await;
        let stranger = peer();
        assert_eq!(
            other.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        let early = stranger.send_to(b"early", other.local_addr().unwrap());
        early.unwrap();
        other.connect(one_address).await.unwrap();
        assert_eq!(other.peer_addr().unwrap(), one_address);
        stranger
            .send_to(b"stranger", other.local_addr().unwrap())
            .unwrap();
        other.send("to one").await.0.unwrap();
        assert_eq!(next(&mut one).await, "to one");
        one.send_to("from one", other.local_addr().unwrap())
            .await
            .0
            .unwrap();
        let (received, _) = other.recv_from(buffer()).await;
        assert_eq!(received.unwrap(), (5, stranger.local_addr().unwrap()));
        let (len, bytes) = other.recv(buffer()).await;
        assert_eq!((len.unwrap(), &bytes[..]), (8, &b"from one"[..]));
    });
}

#[test]
fn a_refused_datagram_is_reported_to_a_connected_socket() {
    alone().run(async {
        let (_, gone) = bound().await;
        let (mut socket, _) = bound().await;
        socket.connect(gone).await.unwrap();
        // Its address is free again when the socket has been closed.
        while std::net::UdpSocket::bind(gone).is_err() {
            yield_now().await;
        }
        socket.send("anybody there?").await.0.unwrap();
        let error = socket.recv(buffer()).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

        // The kernel tells it once, here to a receive that nobody waits for any more.
        let sender = socket.sender();
        let mut receive = Box::pin(socket.recv(buffer()));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(2).await;
        let before = cqes();
        sender.send("anybody?").await.0.unwrap();
        reaped(before, 2).await;
        drop(receive);
        assert_eq!(metrics().unwrap().discarded, 1);
        let error = socket.recv(buffer()).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    alone().run(async {
        let (mut socket, address) = bound().await;
        socket.send_to("", address).await.0.unwrap();
        socket.send_to(Vec::new(), address).await.0.unwrap();
        socket.send_to("x", address).await.0.unwrap();
        assert_eq!(next(&mut socket).await, "");
        let (datagram, _) = socket.recv_datagram(buffer()).await;
        let datagram = datagram.unwrap();
        assert_eq!((datagram.len, datagram.full_len), (0, 0));
        assert_eq!(datagram.from, address);
        assert!(!datagram.is_truncated());
        assert_eq!(next(&mut socket).await, "x");
    });
}

#[test]
fn a_truncated_datagram_says_so_and_takes_nothing_of_the_next() {
    alone().run(async {
        let (mut socket, address) = bound().await;
        for text in ["0123456789", "0123456789", "0123", "01234"] {
            socket.send_to(text, address).await.0.unwrap();
        }
        let small = || vec![0; 4].into_boxed_slice();
        let (len, bytes) = socket.recv(small()).await;
        assert_eq!((len.unwrap(), &bytes[..]), (4, &b"0123"[..]));
        let (datagram, bytes) = socket.recv_datagram(small()).await;
        let datagram = datagram.unwrap();
        assert_eq!(&bytes[..], b"0123");
        assert_eq!((datagram.len, datagram.full_len), (4, 10));
        assert!(datagram.is_truncated());
        let (datagram, _) = socket.recv_datagram(small()).await;
        assert!(!datagram.unwrap().is_truncated(), "it just fits");
        let (datagram, _) = socket.recv_datagram(small()).await;
        assert!(datagram.unwrap().is_truncated());
    });
}

#[test]
fn bad_input_is_an_error() {
    alone().run(async {
        let before = open();
        let (mut socket, address) = bound().await;
        let error = socket.recv(Vec::new()).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);

        let (error, buffer) = socket.send_to(vec![0; 65_508], address).await;
        assert_eq!(error.unwrap_err().raw_os_error(), Some(EMSGSIZE));
        assert_eq!(buffer.len(), 65_508, "it comes back");
        assert!(socket.send("no peer").await.0.is_err());

        let error = UdpSocket::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        let error = UdpSocket::bind(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = socket.connect(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = socket.connect("[::1]:1").await.unwrap_err();
        assert!(error.to_string().contains("[::1]:1"), "{error}");
        drop(socket);
        settles_to(before).await;
    });
}

const EMSGSIZE: i32 = 90;

#[test]
fn the_first_address_that_can_be_bound_is_taken() {
    alone().run(async {
        let (_taken, taken) = bound().await;
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = UdpSocket::bind(vec![taken, free]).await.unwrap();
        assert_ne!(socket.local_addr().unwrap(), taken);
    });
}

#[test]
fn options_are_those_of_the_socket() {
    alone().run(async {
        let (socket, _) = bound().await;
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        let options = socket2::SockRef::from(&socket);
        options.set_ttl_v4(7).unwrap();
        assert_eq!(options.ttl_v4().unwrap(), 7);

        let group = Ipv4Addr::new(239, 255, 77, 1);
        socket
            .join_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .unwrap();
        socket
            .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .unwrap();
        let again = socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrNotAvailable);

        // Of the interface alone, which every machine has as its first.
        const LOOPBACK: u32 = 1;
        let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x77, 1);
        let socket = UdpSocket::bind("[::1]:0").await.unwrap();
        socket.join_multicast_v6(group, LOOPBACK).unwrap();
        socket.leave_multicast_v6(group, LOOPBACK).unwrap();
        let again = socket.leave_multicast_v6(group, LOOPBACK);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    });
}

#[test]
fn many_senders_and_one_receiver() {
    alone().run(async {
        let before = open();
        let (mut socket, address) = bound().await;
        for task in 0..8 {
            let sender = socket.sender();
            spawn(async move {
                for number in 0..8 {
                    let text = format!("{task} {number}");
                    sender.send_to(text, address).await.0.unwrap();
                }
            });
        }
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..64 {
            assert!(seen.insert(next(&mut socket).await));
        }
        drop(socket);
        settles_to(before).await;
    });
}

#[test]
fn the_socket_stays_open_for_its_senders() {
    alone().run(async {
        let before = open();
        let (socket, _) = bound().await;
        let (mut target, address) = bound().await;
        let sender = socket.sender();
        let closing = spawn(socket.close());
        sender
            .clone()
            .send_to("still there", address)
            .await
            .0
            .unwrap();
        assert_eq!(next(&mut target).await, "still there");
        assert!(!closing.is_finished());
        drop(sender);
        closing.await.unwrap().unwrap();
        drop(target);
        settles_to(before).await;
    });
}

// What a dropped future may have been doing: three points, for each of the operations.

#[test]
fn a_receive_dropped_before_it_is_staged_takes_nothing() {
    alone().run(async {
        let (mut socket, address) = bound().await;
        // The reactor's own poll goes out with the first turn.
        turns(1).await;
        let idle = open();
        let sqes = metrics().unwrap().sqes;
        let mut receive = Box::pin(socket.recv_from(buffer()));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        drop(receive);
        assert_eq!(open(), idle);
        peer().send_to(b"first", address).unwrap();
        assert_eq!(next(&mut socket).await, "first");
        assert_eq!(
            metrics().unwrap().sqes,
            sqes + 1,
            "the first was taken back"
        );
    });
}

#[test]
fn a_receive_dropped_in_the_kernel_is_cancelled() {
    alone().run(async {
        let (mut socket, address) = bound().await;
        let idle = open();
        let mut receive = Box::pin(socket.recv_from(buffer()));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(2).await;
        assert_eq!(open().operations, idle.operations + 1);
        drop(receive);
        settles_to(idle).await;
        assert_eq!(metrics().unwrap().cancels_won, 1);
        peer().send_to(b"first", address).unwrap();
        assert_eq!(next(&mut socket).await, "first");
    });
}

#[test]
fn a_datagram_that_meets_the_cancel_is_received_once() {
    alone().run(async {
        let (mut socket, address) = bound().await;
        let peer = peer();
        let idle = open();
        for turns_before in 0..4 {
            for turns_after in 0..4 {
                let mut receive = Box::pin(socket.recv_from(buffer()));
                assert!(poll_once(receive.as_mut()).await.is_pending());
                turns(turns_before).await;
                peer.send_to(b"one", address).unwrap();
                drop(receive);
                turns(turns_after).await;
                peer.send_to(b"two", address).unwrap();
                assert_eq!(next(&mut socket).await, "one");
                assert_eq!(next(&mut socket).await, "two");
                settles_to(idle).await;
            }
        }
    });
}

#[test]
fn a_datagram_that_was_reaped_for_a_dropped_receive_goes_to_the_next() {
    alone().run(async {
        let (mut socket, address) = bound().await;
        let peer = peer();
        let idle = open();
        let mut receive = Box::pin(socket.recv_from(buffer()));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(2).await;
        let before = cqes();
        peer.send_to(b"one", address).unwrap();
        reaped(before, 1).await;
        drop(receive);
        settles_to(idle).await;
        let discarded = metrics().unwrap().discarded;
        assert_eq!(discarded, 1, "it went through the discard");
        peer.send_to(b"two", address).unwrap();
        let (result, bytes) = socket.recv_from(buffer()).await;
        assert_eq!(result.unwrap(), (3, peer.local_addr().unwrap()));
        assert_eq!(bytes, b"one");
        assert_eq!(next(&mut socket).await, "two");
    });
}

/// Without DEFER_TASKRUN the kernel takes it while nobody looks at the ring.
#[test]
fn a_datagram_that_was_taken_for_a_dropped_receive_goes_to_the_next() {
    let _alone = alone();
    let reactor = Reactor::builder().defer_taskrun(false).build().unwrap();
    let test = async {
        let (mut socket, address) = bound().await;
        let mut receive = Box::pin(socket.recv_from(buffer()));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(2).await;
        peer().send_to(b"one", address).unwrap();
        drop(receive);
        assert_eq!(next(&mut socket).await, "one");
    };
    let in_time = reactor.block_on(timeout(LIMIT, test)).unwrap();
    in_time.expect("the test ends in time");
}

#[test]
fn a_kept_datagram_keeps_its_length_also_for_another_buffer() {
    alone().run(async {
        let (mut socket, address) = bound().await;
        let idle = open();
        for (sent, room, len, full_len) in [
            (&b"0123456789"[..], 64, 3, 10),
            (&b"0123456789"[..], 5, 3, 10),
            (&b"0123456789"[..], 2, 2, 10),
            (&b""[..], 64, 0, 0),
        ] {
            let mut receive = Box::pin(socket.recv(Vec::with_capacity(room)));
            assert!(poll_once(receive.as_mut()).await.is_pending());
            turns(2).await;
            let before = cqes();
            peer().send_to(sent, address).unwrap();
            reaped(before, 1).await;
            drop(receive);
            let (datagram, bytes) = socket.recv_datagram(vec![0; 3].into_boxed_slice()).await;
            let datagram = datagram.unwrap();
            assert_eq!((datagram.len, datagram.full_len), (len, full_len));
            assert_eq!(bytes[..len], sent[..len]);
            settles_to(idle).await;
        }
    });
}

#[test]
fn a_timeout_around_a_receive_loses_no_datagram() {
    alone().run(async {
        let (mut socket, address) = bound().await;
        let sender = socket.sender();
        spawn(async move {
            for number in 0..200 {
                sender.send_to(number.to_string(), address).await.0.unwrap();
                eyewall::time::sleep(Duration::from_micros(150)).await;
            }
        });
        let mut expected = 0;
        while expected < 200 {
            let limit = Duration::from_micros(100);
            if let Ok(text) = timeout(limit, next(&mut socket)).await {
                assert_eq!(text, expected.to_string());
                expected += 1;
            }
        }
        let metrics = metrics().unwrap();
        assert!(metrics.cancels > 0, "no receive was ever cancelled");
    });
}

#[test]
fn a_forgotten_receive_gives_its_datagram_to_the_next() {
    alone().run(async {
        let before = open();
        let (mut socket, address) = bound().await;
        let idle = open();
        for turns_before in 0..3 {
            let mut receive = Box::pin(socket.recv_from(buffer()));
            assert!(poll_once(receive.as_mut()).await.is_pending());
            turns(turns_before).await;
            peer().send_to(b"one", address).unwrap();
            turns(turns_before).await;
            std::mem::forget(receive);
            assert_eq!(next(&mut socket).await, "one");
            settles_to(idle).await;
        }
        let mut receive = Box::pin(socket.recv_from(buffer()));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(2).await;
        std::mem::forget(receive);
        drop(socket);
        settles_to(before).await;
    });
}

#[test]
fn a_receive_that_waited_for_a_slot_can_be_forgotten() {
    let _alone = alone();
    let reactor = Reactor::builder().max_operations(1).build().unwrap();
    let test = async {
        let (mut socket, address) = bound().await;
        let (mut other, other_address) = bound().await;
        let mut holds = Box::pin(other.recv_from(buffer()));
        assert!(poll_once(holds.as_mut()).await.is_pending());
        let mut waits = Box::pin(socket.recv_from(buffer()));
        assert!(poll_once(waits.as_mut()).await.is_pending());
        peer().send_to(b"x", other_address).unwrap();
        holds.await.0.unwrap();
        assert!(poll_once(waits.as_mut()).await.is_pending());
        turns(2).await;
        std::mem::forget(waits);
        peer().send_to(b"one", address).unwrap();
        assert_eq!(next(&mut socket).await, "one");
    };
    let in_time = reactor.block_on(timeout(LIMIT, test)).unwrap();
    in_time.expect("the next receive does not wait for the forgotten one");
}

#[test]
fn a_send_dropped_before_it_is_staged_sends_nothing() {
    alone().run(async {
        let (socket, _) = bound().await;
        let peer = peer();
        let target = peer.local_addr().unwrap();
        let idle = open();
        let mut send = Box::pin(socket.send_to("never", target));
        assert!(poll_once(send.as_mut()).await.is_pending());
        drop(send);
        assert_eq!(open(), idle);
        socket.send_to("then", target).await.0.unwrap();
        let mut received = [0; 16];
        let len = peer.recv(&mut received).unwrap();
        assert_eq!(&received[..len], b"then");
    });
}

#[test]
fn a_send_dropped_later_has_sent_its_datagram_once() {
    alone().run(async {
        let (socket, _) = bound().await;
        let peer = peer();
        let target = peer.local_addr().unwrap();
        let idle = open();
        for turns_before in 1..4 {
            let mut send = Box::pin(socket.send_to("whole", target));
            assert!(poll_once(send.as_mut()).await.is_pending());
            turns(turns_before).await;
            drop(send);
            settles_to(idle).await;
            socket.send_to("mark", target).await.0.unwrap();
            for expected in ["whole", "mark"] {
                let mut received = [0; 16];
                let len = peer.recv(&mut received).unwrap();
                assert_eq!(&received[..len], expected.as_bytes());
            }
        }
    });
}

#[test]
fn the_error_of_a_dropped_send_blames_no_other() {
    alone().run(async {
        let (socket, address) = bound().await;
        let mut send = Box::pin(socket.send_to(vec![0; 70_000], address));
        assert!(poll_once(send.as_mut()).await.is_pending());
        turns(2).await;
        drop(send);
        socket.send_to("fine", address).await.0.unwrap();
    });
}

#[test]
fn sends_at_once_on_a_full_table_all_go_out() {
    let _alone = alone();
    let reactor = Reactor::builder().max_operations(4).build().unwrap();
    reactor
        .block_on(timeout(LIMIT, async {
            let (mut socket, address) = bound().await;
            let sender = Rc::new(socket.sender());
            let sends: Vec<_> = (0..32)
                .map(|number| {
                    let sender = Rc::clone(&sender);
                    spawn(async move { sender.send_to(format!("{number}"), address).await.0 })
                })
                .collect();
            for send in sends {
                send.await.unwrap().unwrap();
            }
            for _ in 0..32 {
                next(&mut socket).await;
            }
        }))
        .unwrap()
        .expect("in time");
}

#[test]
fn after_a_shutdown_a_socket_is_an_error() {
    let alone = alone();
    let mut socket = alone.run(async { bound().await.0 });
    let again = Reactor::new().unwrap();
    again
        .block_on(async {
            let error = socket.recv(buffer()).await.0.unwrap_err();
            assert!(error.to_string().contains("shut down"), "{error}");
            let error = socket.send("x").await.0.unwrap_err();
            assert!(error.to_string().contains("shut down"), "{error}");
        })
        .unwrap();
}
