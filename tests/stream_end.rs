//! The end of a stream is what the peer has said, and never what is left of a connection that has failed.

mod setups;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream as StdStream};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use eyewall::net::{TcpStream, UnixStream};
use futures_util::StreamExt;
use setups::{for_each_setup, half_std_pair, metrics, poll_once, run, turns, turns_until};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// The peer breaks the connection off.
fn reset(peer: StdStream) {
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// What every way to receive says of a stream of which nothing is left: `None` for its end.
async fn ends(stream: &mut TcpStream) -> [Option<ErrorKind>; 4] {
    let exact = stream.recv_exact(Vec::with_capacity(8)).await.0;
    let exact = exact.expect_err("nothing is left").kind();
    let (received, _) = stream.recv(Vec::with_capacity(8)).await;
    let chunk = stream.recv_chunk().await;
    let streamed = stream.chunks().next().await;
    [
        (exact != ErrorKind::UnexpectedEof).then_some(exact),
        received
            .map(|count| assert_eq!(count, 0))
            .err()
            .map(|error| error.kind()),
        chunk
            .map(|chunk| assert!(chunk.is_none()))
            .err()
            .map(|error| error.kind()),
        streamed.map(|chunk| chunk.expect_err("nothing is left").kind()),
    ]
}

const RESET: [Option<ErrorKind>; 4] = [Some(ErrorKind::ConnectionReset); 4];

/// Who meets the reset first, and is told of it by the kernel.
#[derive(Clone, Copy, Debug)]
enum First {
    Nobody,
    Receive,
    Send,
    DroppedSend,
    Post,
    /// A send that waits for room, to which the kernel does not say what has happened.
    HalfASend,
    HalfAPost,
}

async fn meet(stream: &mut TcpStream, peer: StdStream, first: First) {
    // More than both ends keep of it.
    let large = || vec![1; 16 << 20];
    match first {
        First::Nobody => reset(peer),
        First::Receive => {
            reset(peer);
            let error = stream.recv_chunk().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        First::Send => {
            reset(peer);
            let error = stream.send_all("x").await.0.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        First::DroppedSend => {
            reset(peer);
            let mut send = stream.send_all("x");
            assert!(poll_once(&mut send).await.is_none());
            drop(send);
        }
        First::Post => {
            reset(peer);
            stream.post("x").await.unwrap();
        }
        First::HalfASend => {
            let mut send = stream.send_all(large());
            assert!(poll_once(&mut send).await.is_none());
            turns(4).await;
            reset(peer);
            send.await.0.unwrap_err();
        }
        First::HalfAPost => {
            stream.post(large()).await.unwrap();
            turns(4).await;
            reset(peer);
            stream.flush().await.unwrap_err();
        }
    }
}

#[test]
fn a_connection_that_has_failed_has_no_end_whoever_was_told() {
    for_each_setup(|builder| {
        run(builder, async {
            for first in [
                First::Nobody,
                First::Receive,
                First::Send,
                First::DroppedSend,
                First::Post,
                First::HalfASend,
                First::HalfAPost,
            ] {
                let (mut stream, mut peer) = half_std_pair();
                peer.write_all(b"a part").unwrap();
                let part = stream.recv_chunk().await.unwrap();
                assert_eq!(part.as_deref(), Some(&b"a part"[..]));
                meet(&mut stream, peer, first).await;
                assert_eq!(ends(&mut stream).await, RESET, "{first:?}");
                assert_eq!(ends(&mut stream).await, RESET, "{first:?}");
            }
        });
    });
}

#[test]
fn nor_has_one_that_fails_beside_a_send_and_a_receive() {
    for_each_setup(|builder| {
        run(builder, async {
            let (stream, peer) = half_std_pair();
            let (mut recv, mut send) = stream.into_split();
            let mut receiving = Box::pin(recv.recv_chunk());
            assert!(poll_once(&mut receiving).await.is_none());
            let mut sending = send.send_all(vec![1; 16 << 20]);
            assert!(poll_once(&mut sending).await.is_none());
            turns(4).await;
            reset(peer);
            sending.await.0.unwrap_err();
            let error = receiving.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        });
    });
}

#[test]
fn an_end_is_an_end_whatever_becomes_of_the_connection() {
    for_each_setup(|builder| {
        run(builder, async {
            // The peer ends it, and nothing else happens.
            let (mut stream, peer) = half_std_pair();
            peer.shutdown(Shutdown::Write).unwrap();
            assert_eq!(ends(&mut stream).await, [None; 4]);

            // Both end it, in each order.
            stream.shutdown().await.unwrap();
            assert_eq!(ends(&mut stream).await, [None; 4]);
            let (mut stream, mut peer) = half_std_pair();
            stream.shutdown().await.unwrap();
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
            drop(peer);
            assert_eq!(ends(&mut stream).await, [None; 4]);

            // It ends it, and then wants nothing more.
            for read_before in [false, true] {
                let (mut stream, peer) = half_std_pair();
                peer.shutdown(Shutdown::Write).unwrap();
                if read_before {
                    assert_eq!(ends(&mut stream).await, [None; 4]);
                }
                reset(peer);
                stream.post("x").await.unwrap();
                stream.flush().await.unwrap_err();
                assert_eq!(
                    stream.peer_addr().unwrap_err().kind(),
                    ErrorKind::NotConnected
                );
                assert_eq!(ends(&mut stream).await, [None; 4]);
            }
        });
    });
}

#[test]
fn so_it_is_where_a_dropped_receive_has_seen_it() {
    for_each_setup(|builder| {
        run(builder, async {
            let (mut stream, peer) = half_std_pair();
            let mut receive = stream.recv(vec![0; 8]);
            assert!(poll_once(&mut receive).await.is_none());
            turns(4).await;
            let before = metrics().cqes;
            drop(peer);
            turns_until(|| metrics().cqes > before).await;
            drop(receive);
            assert_eq!(ends(&mut stream).await, [None; 4]);
        });
    });
}

/// A socket of another protocol does not tell what one of TCP does.
#[test]
fn an_end_over_several_paths_is_an_end() {
    run(eyewall::Reactor::builder(), async {
        let Ok(listener) = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)) else {
            println!("this kernel has no MPTCP");
            return;
        };
        listener
            .bind(&std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        listener.listen(1).unwrap();
        let client = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)).unwrap();
        client.connect(&listener.local_addr().unwrap()).unwrap();
        let peer = listener.accept().unwrap().0;
        let mut stream = TcpStream::from_std(client.into()).unwrap();
        stream.shutdown().await.unwrap();
        drop(peer);
        assert_eq!(ends(&mut stream).await, [None; 4]);
    });
}

/// A multishot receive is told once of bytes and of what came behind them before the kernel could look.
#[test]
fn what_comes_right_behind_the_last_bytes_is_seen() {
    for_each_setup(|builder| {
        run(builder, async {
            for before in [0, 4] {
                let (mut stream, mut peer) = half_std_pair();
                let mut chunks = stream.chunks();
                assert!(poll_once(&mut chunks.next()).await.is_none());
                turns(before).await;
                peer.write_all(b"the last").unwrap();
                reset(peer);
                let chunk = chunks.next().await.unwrap().unwrap();
                assert_eq!(&*chunk, b"the last");
                let error = chunks.next().await.unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);

                let (ours, mut peer) = StdUnixStream::pair().unwrap();
                let mut stream = UnixStream::from_std(ours).unwrap();
                let mut chunks = stream.chunks();
                assert!(poll_once(&mut chunks.next()).await.is_none());
                turns(before).await;
                peer.write_all(b"the last").unwrap();
                drop(peer);
                let chunk = chunks.next().await.unwrap().unwrap();
                assert_eq!(&*chunk, b"the last");
                assert!(chunks.next().await.is_none());
            }
        });
    });
}

#[test]
fn the_end_of_a_unix_stream_is_the_close_of_its_peer() {
    run(eyewall::Reactor::builder(), async {
        let (mut stream, peer) = UnixStream::pair().unwrap();
        drop(peer);
        assert!(stream.recv_chunk().await.unwrap().is_none());
        assert_eq!(stream.recv(vec![0; 8]).await.0.unwrap(), 0);
    });
}
