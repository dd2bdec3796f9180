//! Unix sockets: streams, listeners, datagrams, and their names.

#![forbid(unsafe_code)]

mod net_support;

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};

use eyewall::net::{UnixDatagram, UnixListener, UnixStream};
use eyewall::spawn;
use futures_util::StreamExt;
use futures_util::future::join;
use net_support::*;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

static NAMES: AtomicU32 = AtomicU32::new(0);

/// A name that no other test has.
fn unique() -> String {
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("eyewall-test-{}-{number}", std::process::id())
}

/// A path for a socket, removed at the end.
struct TempPath(PathBuf);

impl TempPath {
    fn new() -> TempPath {
        TempPath(std::env::temp_dir().join(unique()))
    }
}

impl AsRef<Path> for TempPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn abstract_name() -> SocketAddr {
    SocketAddr::from_abstract_name(unique()).unwrap()
}

fn buffer() -> Vec<u8> {
    Vec::with_capacity(64)
}

async fn next(socket: &mut UnixDatagram) -> String {
    let (len, buffer) = socket.recv(buffer()).await;
    assert_eq!(len.unwrap(), buffer.len());
    String::from_utf8(buffer).unwrap()
}

async fn talk(mut client: UnixStream, mut server: UnixStream) {
    client.send_all("request").await.0.unwrap();
    let (result, bytes) = server.recv_exact(Vec::with_capacity(7)).await;
    result.unwrap();
    assert_eq!(bytes, b"request");
    server.send_vectored(vec!["an", "swer"]).await.0.unwrap();
    server.shutdown().await.unwrap();
    let mut answer = Vec::new();
    while let Some(chunk) = client.recv_chunk().await.unwrap() {
        answer.extend_from_slice(&chunk);
    }
    assert_eq!(answer, b"answer");
    client.close().await.unwrap();
    server.close().await.unwrap();
}

/// The kernel has no way to send over one without copying.
#[test]
fn a_zero_copy_send_goes_out_over_a_unix_stream() {
    alone().run(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (_receive, mut send) = ours.into_split();
        for _ in 0..2 {
            let (sent, buffer) = send.send_zc("all of it").await;
            sent.unwrap();
            assert_eq!(buffer, "all of it");
            let chunk = theirs.recv_chunk().await.unwrap().unwrap();
            assert_eq!(&*chunk, b"all of it");
        }
    });
}

#[test]
fn a_stream_over_a_path() {
    alone().run(async {
        let before = open();
        let path = TempPath::new();
        let mut listener = UnixListener::bind(&path).await.unwrap();
        assert_eq!(
            listener.local_addr().unwrap().as_pathname(),
            Some(path.as_ref())
        );
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert!(peer.is_unnamed());
        assert!(client.local_addr().unwrap().is_unnamed());
        assert_eq!(
            client.peer_addr().unwrap().as_pathname(),
            Some(path.as_ref())
        );
        talk(client, server).await;
        listener.close().await.unwrap();
        assert!(path.0.exists(), "the file is the user's");
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&*path.0.to_string_lossy()));
        settles_to(before).await;
    });
}

#[test]
fn a_stream_over_an_abstract_name() {
    alone().run(async {
        let before = open();
        let address = abstract_name();
        let mut listener = UnixListener::bind_addr(&address).await.unwrap();
        let name = listener.local_addr().unwrap();
        assert_eq!(name.as_abstract_name(), address.as_abstract_name());
        let client = UnixStream::connect_addr(&address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        talk(client, server).await;
        drop(listener);
        settles_to(before).await;
        // The name went with the listener.
        UnixListener::bind_addr(&address).await.unwrap();
    });
}

#[test]
fn no_more_than_the_backlog_wait_to_be_accepted() {
    alone().run(async {
        let path = TempPath::new();
        let builder = UnixListener::builder().backlog(1);
        let mut listener = builder.bind(&path).await.unwrap();
        let connect = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // A full backlog is an error then, instead of something to wait for.
            socket.set_nonblocking(true)?;
            socket.connect(&SockAddr::unix(&path)?)?;
            Ok::<_, std::io::Error>(socket)
        };
        // The kernel lets one more in (unix_recvq_full in net/unix/af_unix.c).
        let _clients = [connect().unwrap(), connect().unwrap()];
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.accept().await.unwrap();
        connect().unwrap();
    });
}

#[test]
fn an_unnamed_listener_gets_a_name() {
    alone().run(async {
        let unnamed = SocketAddr::from_pathname("").unwrap();
        assert!(unnamed.is_unnamed());
        let mut listener = UnixListener::bind_addr(&unnamed).await.unwrap();
        let name = listener.local_addr().unwrap();
        assert!(name.as_abstract_name().is_some());
        let client = UnixStream::connect_addr(&name).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        talk(client, server).await;
    });
}

#[test]
fn a_pair_and_who_is_at_its_other_end() {
    alone().run(async {
        let before = open();
        let (one, other) = UnixStream::pair().unwrap();
        let (fds, pid) = (open().fds - before.fds, std::process::id());
        assert_eq!(fds, 2);
        let credentials = one.peer_credentials().unwrap();
        assert_eq!(credentials.pid, Some(pid));
        let owner = std::fs::metadata("/proc/self").unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_eq!(
            (credentials.uid, credentials.gid),
            (owner.uid(), owner.gid())
        );
        assert!(one.local_addr().unwrap().is_unnamed());
        assert!(one.peer_addr().unwrap().is_unnamed());
        talk(one, other).await;
        settles_to(before).await;
    });
}

#[test]
fn a_std_socket_is_taken_over_non_blocking_or_not() {
    alone().run(async {
        let (one, other) = net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let mut one = UnixStream::from_std(one).unwrap();
        let mut other = UnixStream::from_std(other).unwrap();
        let sending = spawn(async move {
            eyewall::yield_now().await;
            other.send_all("late").await.0.unwrap();
            other
        });
        assert_eq!(one.recv(buffer()).await.1, b"late");
        sending.await.unwrap();

        let path = TempPath::new();
        let listener = net::UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut listener = UnixListener::from_std(listener).unwrap();
        let accepting = spawn(async move { listener.accept().await.unwrap().0 });
        eyewall::yield_now().await;
        let client = UnixStream::connect(&path).await.unwrap();
        talk(client, accepting.await.unwrap()).await;

        let (one, other) = net::UnixDatagram::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let mut one = UnixDatagram::from_std(one).unwrap();
        let sending = spawn(async move {
            turns(2).await;
            other.send(b"late").unwrap();
        });
        assert_eq!(one.recv(buffer()).await.1, b"late");
        sending.await.unwrap();
    });
}

/// As whoever shares a socket may do, which has it from its parent or by a message.
fn make_non_blocking(socket: &impl AsFd) {
    SockRef::from(socket).set_nonblocking(true).unwrap();
}

#[test]
fn what_somebody_else_makes_non_blocking_is_waited_for() {
    alone().run(async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        make_non_blocking(&one);
        make_non_blocking(&other);
        for way in 0..3 {
            let mut receive = pin!(async {
                match way {
                    0 => one.recv(buffer()).await.0.unwrap(),
                    1 => one.recv_chunk().await.unwrap().unwrap().len(),
                    _ => one.chunks().next().await.unwrap().unwrap().len(),
                }
            });
            for _ in 0..3 {
                assert!(poll_once(receive.as_mut()).await.is_pending());
                turns(3).await;
            }
            other.send_all("x").await.0.unwrap();
            assert_eq!(receive.await, 1);
        }

        // More than the socket takes.
        let mut sending = pin!(one.send_all(vec![0; 1 << 20]));
        for _ in 0..3 {
            assert!(poll_once(sending.as_mut()).await.is_pending());
            turns(3).await;
        }
        let all = Vec::with_capacity(1 << 20);
        let (sent, received) = join(sending, other.recv_exact(all)).await;
        sent.0.unwrap();
        received.0.unwrap();

        let mut listener = UnixListener::bind_addr(&abstract_name()).await.unwrap();
        make_non_blocking(&listener);
        let address = listener.local_addr().unwrap();
        let mut accept = pin!(listener.accept());
        for _ in 0..3 {
            assert!(poll_once(accept.as_mut()).await.is_pending());
            turns(3).await;
        }
        let _client = net::UnixStream::connect_addr(&address).unwrap();
        accept.await.unwrap();

        let (sender, mut receiver) = UnixDatagram::pair().unwrap();
        make_non_blocking(&sender);
        make_non_blocking(&receiver);
        fill(&sender);
        make_non_blocking(&sender);
        let mut waiting = pin!(sender.send("last"));
        for _ in 0..3 {
            assert!(poll_once(waiting.as_mut()).await.is_pending());
            turns(3).await;
        }
        let last = async { while next(&mut receiver).await != "last" {} };
        join(waiting, last).await.0.0.unwrap();
    });
}

#[test]
fn a_flush_tells_of_a_post_that_failed() {
    alone().run(async {
        let (mut stream, other) = UnixStream::pair().unwrap();
        stream.post("arrives").await.unwrap();
        stream.flush().await.unwrap();
        other.close().await.unwrap();
        stream.post("does not").await.unwrap();
        let error = stream.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn many_connections_through_incoming() {
    alone().run(async {
        let before = open();
        let address = abstract_name();
        let mut listener = UnixListener::bind_addr(&address).await.unwrap();
        let clients: Vec<_> = (0..20u8)
            .map(|number| {
                let address = address.clone();
                spawn(async move {
                    let mut client = UnixStream::connect_addr(&address).await.unwrap();
                    client.send_all(vec![number]).await.0.unwrap();
                })
            })
            .collect();
        let mut seen = Vec::new();
        let mut incoming = listener.incoming();
        for _ in 0..20 {
            let mut server = incoming.next().await.unwrap().unwrap();
            seen.push(server.recv(buffer()).await.1[0]);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<u8>>());
        for client in clients {
            client.await.unwrap();
        }
        drop(listener);
        settles_to(before).await;
    });
}

#[test]
fn the_halves_work_at_once() {
    alone().run(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (mut recv, mut send) = one.into_split();
        // More than the socket buffers hold, so that neither direction can go first.
        let sent = vec![7u8; 4 << 20];
        let len = sent.len();
        let there = spawn(async move {
            send.send_all(sent).await.0.unwrap();
            send.shutdown().await.unwrap();
        });
        let back = spawn(async move {
            let (recv, send) = other.split();
            let mut count = 0;
            while let Some(chunk) = recv.recv_chunk().await.unwrap() {
                count += chunk.len();
                send.send_all(chunk).await.0.unwrap();
            }
            send.shutdown().await.unwrap();
            count
        });
        let mut received = 0;
        while let Some(chunk) = recv.recv_chunk().await.unwrap() {
            assert!(chunk.iter().all(|&byte| byte == 7));
            received += chunk.len();
        }
        there.await.unwrap();
        assert_eq!((back.await.unwrap(), received), (len, len));
    });
}

#[test]
fn a_receive_dropped_at_any_point_loses_nothing() {
    alone().run(async {
        let (mut one, other) = UnixStream::pair().unwrap();
        let peer = net::UnixStream::from(other.as_fd().try_clone_to_owned().unwrap());
        let idle = open();
        for turns_before in 0..4 {
            for turns_after in 0..4 {
                let mut receive = Box::pin(one.recv(buffer()));
                assert!(poll_once(receive.as_mut()).await.is_pending());
                turns(turns_before).await;
                std::io::Write::write_all(&mut &peer, b"once").unwrap();
                turns(turns_after).await;
                drop(receive);
                let (result, bytes) = one.recv_exact(Vec::with_capacity(4)).await;
                result.unwrap();
                assert_eq!(bytes, b"once");
                settles_to(idle).await;
            }
        }
    });
}

#[test]
fn a_forgotten_receive_does_not_keep_a_dropped_stream_open() {
    alone().run(async {
        let before = open();
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let mut receive = Box::pin(one.recv(buffer()));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(3).await;
        std::mem::forget(receive);
        drop(one);
        let (end, _) = other.recv(buffer()).await;
        assert_eq!(end.unwrap(), 0, "the peer sees the end");
        drop(other);
        settles_to(before).await;
    });
}

#[test]
fn a_connect_that_waits_for_a_full_backlog_can_be_dropped() {
    alone().run(async {
        let path = TempPath::new();
        let builder = UnixListener::builder().backlog(0);
        let mut listener = builder.bind(&path).await.unwrap();
        let _fills = net::UnixStream::connect(&path).unwrap();
        let before = open();
        for turns_before in [0, 1, 2, 300] {
            let mut connect = Box::pin(UnixStream::connect(&path));
            for _ in 0..2 {
                assert!(poll_once(connect.as_mut()).await.is_pending());
                turns(turns_before).await;
            }
            drop(connect);
            settles_to(before).await;
        }

        let mut waiting = pin!(UnixStream::connect(&path));
        for _ in 0..3 {
            assert!(poll_once(waiting.as_mut()).await.is_pending());
            turns(3).await;
        }
        listener.accept().await.unwrap();
        waiting.await.unwrap();
    });
}

/// Its wait is that of a worker of the kernel, and a stop of the process ends it.
#[test]
fn a_connect_that_waits_for_a_full_backlog_outlasts_a_stop() {
    alone().run(async {
        let path = TempPath::new();
        let builder = UnixListener::builder().backlog(0);
        let mut listener = builder.bind(&path).await.unwrap();
        let _fills = net::UnixStream::connect(&path).unwrap();
        let mut waiting = pin!(UnixStream::connect(&path));
        for _ in 0..3 {
            assert!(poll_once(waiting.as_mut()).await.is_pending());
            turns(300).await;
            stop_for_a_while().await;
        }
        turns(300).await;
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        listener.accept().await.unwrap();
        waiting.await.unwrap();
    });
}

/// Stops this process, as Ctrl-Z does, and lets it go on.
async fn stop_for_a_while() {
    let script = "trap 'kill -CONT $0' EXIT; kill -STOP $0; \
                  until grep -q '^State:.T' /proc/$0/status; do :; done";
    let us = std::process::id().to_string();
    let mut stop = std::process::Command::new("sh");
    stop.args(["-c", script, &us]);
    let stopped = eyewall::spawn_blocking(move || stop.status()).await;
    assert!(stopped.unwrap().unwrap().success());
}

#[test]
fn bad_paths_are_errors() {
    alone().run(async {
        let before = open();
        let long = "x".repeat(108);
        for bad in ["", "nul\0byte", &long] {
            let error = UnixStream::connect(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            let error = UnixListener::bind(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            let error = UnixDatagram::bind(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            let socket = UnixDatagram::unbound().await.unwrap();
            let (error, back) = socket.send_to("x", bad).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(back, "x");
        }
        let nowhere = TempPath::new();
        let error = UnixStream::connect(&nowhere).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let taken = TempPath::new();
        std::fs::write(&taken, "").unwrap();
        let error = UnixListener::bind(&taken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let error = UnixDatagram::bind(&taken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&*taken.0.to_string_lossy()));
        settles_to(before).await;
    });
}

#[test]
fn datagrams_and_the_names_of_their_senders() {
    alone().run(async {
        let before = open();
        let (path, other_path) = (TempPath::new(), TempPath::new());
        let mut server = UnixDatagram::bind(&path).await.unwrap();
        let mut named = UnixDatagram::bind(&other_path).await.unwrap();
        let mut hidden = UnixDatagram::bind_addr(&abstract_name()).await.unwrap();
        let nameless = UnixDatagram::unbound().await.unwrap();

        named.send_to("from a path", &path).await.0.unwrap();
        let (result, bytes) = server.recv_from(buffer()).await;
        let (len, from) = result.unwrap();
        assert_eq!((len, &bytes[..]), (11, &b"from a path"[..]));
        assert_eq!(from.as_pathname(), Some(other_path.as_ref()));
        server.send_to_addr("back", &from).await.0.unwrap();
        assert_eq!(next(&mut named).await, "back");

        hidden.send_to("from a name", &path).await.0.unwrap();
        let from = server.recv_from(buffer()).await.0.unwrap().1;
        assert_eq!(
            from.as_abstract_name(),
            hidden.local_addr().unwrap().as_abstract_name()
        );
        server.send_to_addr("back", &from).await.0.unwrap();
        assert_eq!(next(&mut hidden).await, "back");

        nameless.send_to("from nobody", &path).await.0.unwrap();
        let from = server.recv_from(buffer()).await.0.unwrap().1;
        assert!(from.is_unnamed());

        assert_eq!(
            nameless.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        nameless.connect(&path).await.unwrap();
        assert_eq!(
            nameless.peer_addr().unwrap().as_pathname(),
            Some(path.as_ref())
        );
        nameless.send("connected").await.0.unwrap();
        assert_eq!(next(&mut server).await, "connected");

        let error = nameless.connect(&TempPath::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        server.close().await.unwrap();
        assert!(path.0.exists());
        drop((named, hidden, nameless));
        settles_to(before).await;
    });
}

#[test]
fn datagrams_of_a_pair_keep_their_bounds() {
    alone().run(async {
        let (one, mut other) = UnixDatagram::pair().unwrap();
        for text in ["first", "", "0123456789", "last"] {
            one.send(text).await.0.unwrap();
        }
        assert_eq!(next(&mut other).await, "first");
        assert_eq!(next(&mut other).await, "");
        let (datagram, bytes) = other.recv_datagram(Vec::with_capacity(4)).await;
        let datagram = datagram.unwrap();
        assert!(datagram.is_truncated());
        assert!(datagram.from.is_unnamed());
        assert_eq!((datagram.len, datagram.full_len), (bytes.len(), 10));
        assert_eq!(next(&mut other).await, "last");
        let error = other.recv(Vec::new()).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        one.close().await.unwrap();
        // The descriptor has gone; the socket behind it may take one turn more.
        let error = loop {
            match other.send("nobody").await.0 {
                Ok(_) => turns(1).await,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
            ),
            "{error}"
        );
    });
}

#[test]
fn a_datagram_meets_a_dropped_receive_at_any_point() {
    alone().run(async {
        let (one, mut other) = UnixDatagram::pair().unwrap();
        let peer = net::UnixDatagram::from(one.as_fd().try_clone_to_owned().unwrap());
        let idle = open();
        for turns_before in 0..4 {
            for turns_after in 0..4 {
                let mut receive = Box::pin(other.recv(buffer()));
                assert!(poll_once(receive.as_mut()).await.is_pending());
                turns(turns_before).await;
                peer.send(b"one").unwrap();
                turns(turns_after).await;
                drop(receive);
                peer.send(b"two").unwrap();
                assert_eq!(next(&mut other).await, "one");
                assert_eq!(next(&mut other).await, "two");
                settles_to(idle).await;
            }
        }
    });
}

/// Fills the queue of `socket`'s peer; how many datagrams that took.
fn fill(socket: &impl AsFd) -> usize {
    let socket = net::UnixDatagram::from(socket.as_fd().try_clone_to_owned().unwrap());
    socket.set_nonblocking(true).unwrap();
    let mut count = 0;
    while socket.send(b"fill").is_ok() {
        count += 1;
        assert!(count < 10_000, "the queue is not bounded");
    }
    // The mode belongs to the socket, which the ring wants to be a blocking one.
    socket.set_nonblocking(false).unwrap();
    count
}

#[test]
fn a_send_waits_for_a_full_queue_and_can_be_dropped_there() {
    alone().run(async {
        let (one, mut other) = UnixDatagram::pair().unwrap();
        let filled = fill(&one);
        let idle = open();
        for turns_before in 0..4 {
            let mut send = Box::pin(one.send("dropped"));
            assert!(poll_once(send.as_mut()).await.is_pending());
            turns(turns_before).await;
            drop(send);
            settles_to(idle).await;
        }
        let sender = one.sender();
        let waiting = spawn(async move { sender.send("waited").await.0 });
        turns(3).await;
        assert!(!waiting.is_finished());
        for _ in 0..filled {
            assert_eq!(next(&mut other).await, "fill");
        }
        assert_eq!(
            next(&mut other).await,
            "waited",
            "no dropped send came through"
        );
        assert_eq!(waiting.await.unwrap().unwrap(), 6);
    });
}

#[test]
fn a_send_to_a_full_queue_without_a_connection_can_be_dropped() {
    alone().run(async {
        let path = TempPath::new();
        let mut server = UnixDatagram::bind(&path).await.unwrap();
        let client = UnixDatagram::unbound().await.unwrap();
        client.connect(&path).await.unwrap();
        let filled = fill(&client);
        let stranger = UnixDatagram::unbound().await.unwrap();
        let idle = open();
        for turns_before in [0, 1, 2, 300] {
            let mut send = Box::pin(stranger.send_to("dropped", &path));
            assert!(poll_once(send.as_mut()).await.is_pending());
            turns(turns_before).await;
            drop(send);
            settles_to(idle).await;
        }
        for _ in 0..filled {
            assert_eq!(next(&mut server).await, "fill");
        }
        stranger.send_to("then", &path).await.0.unwrap();
        assert_eq!(next(&mut server).await, "then");
    });
}

#[test]
fn receiving_and_sending_at_once_through_a_sender() {
    alone().run(async {
        let before = open();
        let (mut one, mut other) = UnixDatagram::pair().unwrap();
        let echo = spawn(async move {
            for _ in 0..10 {
                let (len, bytes) = other.recv(buffer()).await;
                len.unwrap();
                other.send(bytes).await.0.unwrap();
            }
        });
        let sender = one.sender();
        let sending = spawn(async move {
            for number in 0..10 {
                sender.send(number.to_string()).await.0.unwrap();
            }
        });
        for number in 0..10 {
            assert_eq!(next(&mut one).await, number.to_string());
        }
        sending.await.unwrap();
        echo.await.unwrap();
        one.close().await.unwrap();
        settles_to(before).await;
    });
}

#[test]
fn a_close_ends_a_forgotten_receive() {
    alone().run(async {
        let before = open();
        let (one, mut other) = UnixDatagram::pair().unwrap();
        let mut receive = Box::pin(other.recv(buffer()));
        assert!(poll_once(receive.as_mut()).await.is_pending());
        turns(3).await;
        std::mem::forget(receive);
        other.close().await.unwrap();
        drop(one);
        settles_to(before).await;
    });
}
