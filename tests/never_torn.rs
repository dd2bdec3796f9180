//! What is sent is never torn: a message whose send is dropped is absent or whole.

#![forbid(unsafe_code)]

mod common;

use std::io::{ErrorKind, Read};
use std::net::TcpStream as Peer;
use std::thread::JoinHandle;
use std::time::Duration;

use common::{Random, connected, now, poll_once, sequence, turns};
use eyewall::buf::IoBuf;
use eyewall::net::TcpStream;
use eyewall::time::timeout;
use socket2::SockRef;

const MESSAGES: u32 = 120;
/// Index and length.
const HEAD: usize = 8;

/// A message that says its index and length, with a body that no other message has.
fn message(index: u32, len: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEAD + len);
    message.extend(index.to_le_bytes());
    message.extend((len as u32).to_le_bytes());
    message.extend(body(index, len));
    message
}

fn body(index: u32, len: usize) -> impl Iterator<Item = u8> {
    let start = u64::from(index) << 32;
    (start..start + len as u64).map(sequence)
}

/// The ways to send.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Send,
    SendAll,
    Vectored,
    ZeroCopy,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Send, Kind::SendAll, Kind::Vectored, Kind::ZeroCopy];

    /// How many bytes of `message` have been sent.
    async fn send(self, stream: &mut TcpStream, message: Vec<u8>) -> std::io::Result<usize> {
        let len = message.len();
        match self {
            Kind::Send => stream.send(message).await.0,
            Kind::SendAll => stream.send_all(message).await.0.map(|()| len),
            Kind::Vectored => {
                let parts = message
                    .chunks(len.div_ceil(5))
                    .map(<[u8]>::to_vec)
                    .collect();
                stream.send_vectored(parts).await.0.map(|()| len)
            }
            Kind::ZeroCopy => stream.send_zc(message).await.0.map(|()| len),
        }
    }
}

/// A stream whose buffers hold far less than a message.
async fn narrow() -> (TcpStream, Peer) {
    let (stream, peer) = connected().await;
    SockRef::from(&stream)
        .set_send_buffer_size(32 << 10)
        .unwrap();
    SockRef::from(&peer).set_recv_buffer_size(64 << 10).unwrap();
    (stream, peer)
}

/// Reads in small pieces with small pauses, and gives the indices of the messages.
fn read_slowly(mut peer: Peer) -> JoinHandle<Vec<u32>> {
    std::thread::spawn(move || {
        let mut random = Random::new(5);
        let mut bytes = Vec::new();
        let mut buffer = [0; 16384];
        loop {
            let want = 1 + random.below(buffer.len() as u64) as usize;
            match peer.read(&mut buffer[..want]).unwrap() {
                0 => break,
                count => bytes.extend(&buffer[..count]),
            }
            if random.below(16) == 0 {
                std::thread::sleep(Duration::from_micros(random.below(100)));
            }
        }
        let mut indices = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            assert!(rest.len() >= HEAD, "a head is torn");
            let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let (index, len) = (number(0), number(4) as usize);
            assert!(rest.len() >= HEAD + len, "message {index} is torn");
            let (message, behind) = rest.split_at(HEAD + len);
            assert!(
                message[HEAD..].iter().copied().eq(body(index, len)),
                "message {index} is not what was sent"
            );
            indices.push(index);
            rest = behind;
        }
        indices
    })
}

async fn send_and_drop() {
    let (mut stream, peer) = narrow().await;
    let reader = read_slowly(peer);
    let mut random = Random::new(11);
    let mut must_arrive = Vec::new();
    for index in 0..MESSAGES {
        let message = message(index, 1 + random.below(400 << 10) as usize);
        let whole = message.clone();
        let kind = Kind::ALL[random.below(4) as usize];
        let send = kind.send(&mut stream, message);
        let sent = match random.below(4) {
            0 => Some(send.await),
            1 => {
                let mut send = Box::pin(send);
                let polled = poll_once(send.as_mut()).await;
                turns(random.below(4) as usize).await;
                if random.below(2) == 0 {
                    std::mem::forget(send);
                }
                assert!(polled.is_pending());
                None
            }
            _ => timeout(Duration::from_micros(random.below(1500)), send)
                .await
                .ok(),
        };
        if let Some(sent) = sent {
            must_arrive.push(index);
            let sent = sent.unwrap();
            if sent < whole.len() {
                stream.send_all(whole.slice(sent..)).await.0.unwrap();
            }
        }
    }
    stream.shutdown().await.unwrap();
    let arrived = reader.join().unwrap();
    println!(
        "{} of {MESSAGES} arrived, {} were awaited",
        arrived.len(),
        must_arrive.len()
    );
    assert!(arrived.is_sorted_by(|a, b| a < b), "out of order");
    assert!(must_arrive.iter().all(|index| arrived.contains(index)));
    // Otherwise the test has not tried what it is about.
    assert!(arrived.len() > must_arrive.len(), "no dropped send went on");
    assert!(arrived.len() < MESSAGES as usize, "none had not begun");
}

#[test]
fn a_dropped_message_is_absent_or_whole() {
    common::run_everywhere(|_| send_and_drop());
}

#[test]
fn a_short_send_that_ended_unseen_goes_on() {
    common::run_everywhere(|_| async {
        for forget in [false, true] {
            let (mut stream, peer) = narrow().await;
            let mut send = Box::pin(stream.send(message(1, 1 << 20)));
            let before = now().cqes;
            assert!(poll_once(send.as_mut()).await.is_pending());
            common::reaped(before, 1).await;
            match forget {
                true => std::mem::forget(send),
                false => drop(send),
            }
            let reader = read_slowly(peer);
            stream.send_all(message(2, 10)).await.0.unwrap();
            stream.shutdown().await.unwrap();
            common::until(|| reader.is_finished()).await;
            assert_eq!(reader.join().unwrap(), [1, 2]);
        }
    });
}

/// A send of more than the buffers take that the kernel has begun, and whose future has gone.
async fn begin_and_drop(stream: &mut TcpStream, kind: Kind, forget: bool) {
    let mut send = Box::pin(kind.send(stream, message(0, 1 << 20)));
    assert!(poll_once(send.as_mut()).await.is_pending());
    turns(3).await;
    if forget {
        std::mem::forget(send);
    }
}

/// The kinds that send all or nothing.
const WHOLE: [Kind; 3] = [Kind::SendAll, Kind::Vectored, Kind::ZeroCopy];

/// The kernel tells of the reset once, perhaps within a send that has sent a part; then the pipe is broken.
fn is_broken(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

#[test]
fn the_error_of_a_dropped_send_is_reported_by_the_next() {
    common::run_everywhere(|name| async move {
        for kind in WHOLE {
            for forget in [false, true] {
                let (mut stream, mut peer) = narrow().await;
                let before = now().operations;
                begin_and_drop(&mut stream, kind, forget).await;
                peer.read_exact(&mut [0; 100]).unwrap();
                // Closed with bytes unread: a reset.
                drop(peer);
                if !forget {
                    common::settles(before, || now().operations).await;
                }
                let sqes = now().sqes;
                let error = stream.send_all("next").await.0.unwrap_err();
                assert!(is_broken(&error), "{name} {kind:?} {forget}: {error}");
                // It is the error of the dropped send: this one has not been tried.
                assert!(forget || now().sqes == sqes, "{name} {kind:?}");
                let error = stream.send_all("next").await.0.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
                assert!(now().sqes > sqes, "{name} {kind:?}");
            }
        }
    });
}

#[test]
fn or_by_the_shutdown() {
    common::run_everywhere(|_| async {
        let (mut stream, mut peer) = narrow().await;
        begin_and_drop(&mut stream, Kind::SendAll, false).await;
        peer.read_exact(&mut [0; 100]).unwrap();
        drop(peer);
        // Its own error would be ENOTCONN.
        let error = stream.shutdown().await.unwrap_err();
        assert!(is_broken(&error), "{error}");
    });
}

#[test]
fn dropping_the_stream_in_the_middle_resets_it() {
    common::run_everywhere(|name| async move {
        for kind in WHOLE {
            for forget in [false, true] {
                let before = now().operations;
                let (mut stream, mut peer) = narrow().await;
                begin_and_drop(&mut stream, kind, forget).await;
                drop(stream);
                common::settles(before, || now().operations).await;
                let mut buffer = [0; 16384];
                let error = loop {
                    match peer.read(&mut buffer) {
                        Ok(count) => assert!(count > 0, "{name} {kind:?} {forget}: a clean end"),
                        Err(error) => break error,
                    }
                };
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{name} {kind:?}");
            }
        }
    });
}

/// The close does not linger then, whatever had been asked of it.
#[test]
fn so_it_does_where_its_close_was_to_linger() {
    common::run_everywhere(|name| async move {
        for posted in [false, true] {
            let (mut stream, mut peer) = narrow().await;
            stream.set_linger(Some(Duration::from_secs(60))).unwrap();
            if posted {
                stream.post(message(0, 1 << 20)).await.unwrap();
                turns(3).await;
            } else {
                begin_and_drop(&mut stream, Kind::SendAll, false).await;
            }
            drop(stream);
            common::settles(0, || now().operations).await;
            let kind = peer
                .read_to_end(&mut Vec::new())
                .map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::ConnectionReset), "{name} {posted}");
        }
    });
}

/// A post that went out without a word leaves nothing behind that would let the send after it be cut off quietly.
#[test]
fn so_it_does_behind_a_post_that_has_ended() {
    common::run_everywhere(|name| async move {
        for forget in [false, true] {
            let before = now().operations;
            let (mut stream, mut peer) = narrow().await;
            stream.post("posted").await.unwrap();
            stream.flush().await.unwrap();
            begin_and_drop(&mut stream, Kind::SendAll, forget).await;
            drop(stream);
            common::settles(before, || now().operations).await;
            let mut all = Vec::new();
            let error = peer.read_to_end(&mut all);
            let kind = error.map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::ConnectionReset), "{name} {forget}");
        }
    });
}

#[test]
fn dropping_the_stream_after_the_last_byte_ends_it_cleanly() {
    common::run_everywhere(|_| async {
        for kind in WHOLE {
            let (mut stream, peer) = narrow().await;
            let reader = read_slowly(peer);
            kind.send(&mut stream, message(9, 100_000)).await.unwrap();
            drop(stream);
            common::until(|| reader.is_finished()).await;
            assert_eq!(reader.join().unwrap(), [9], "{kind:?}");
        }
    });
}
