//! Requests through sockets that hold far less than a request, to a peer that reads in odd pieces: the kernel takes a
//! part at a time, or nothing, and every byte arrives once and in order.
#![cfg(feature = "http")]

mod http_peer;

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use eyewall::http::{Body, Client, Conduit, Target};
use eyewall::net::TcpStream;
use futures_util::stream;
use http_peer::{Peer, accept, ok, run};
use socket2::SockRef;

/// Reads one request by one byte, then by odd pieces with pauses, until `end` says that it is whole; hands it over.
fn slow_reader(end: impl Fn(&[u8]) -> bool + Send + 'static) -> (Peer, Receiver<Vec<u8>>) {
    let (give, take) = channel();
    let peer = Peer::new(move |listener| {
        SockRef::from(&listener)
            .set_recv_buffer_size(64 << 10)
            .unwrap();
        let mut stream = accept(&listener);
        let mut all = Vec::new();
        let mut buffer = [0; 8 << 10];
        let mut round = 0;
        while !end(&all) {
            let size = match round {
                0..500 => 1,
                _ => 1 + round * 37 % buffer.len(),
            };
            let count = stream.read(&mut buffer[..size]).unwrap();
            assert!(count > 0, "the client closed after {} bytes", all.len());
            all.extend_from_slice(&buffer[..count]);
            if round % 64 == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
            round += 1;
        }
        ok(&mut stream);
        give.send(all).unwrap();
    });
    (peer, take)
}

/// A client whose sockets take 32 KiB at once.
fn narrow(address: SocketAddr) -> Client {
    let connect = move |_: Target| async move {
        let stream = TcpStream::connect(address).await?;
        SockRef::from(&stream).set_send_buffer_size(32 << 10)?;
        Ok(Conduit::from(stream))
    };
    Client::builder().connector(connect).build()
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 13 % 251) as u8).collect()
}

/// Sends `body` and gives what arrives of it.
fn arrives(body: Body, len: usize) -> Vec<u8> {
    let chunked = body.length().is_none();
    let (peer, arrived) = slow_reader(move |all| match chunked {
        true => all.ends_with(b"\r\n0\r\n\r\n"),
        false => head_length(all).is_some_and(|head| all.len() == head + len),
    });
    run(async {
        let request = narrow(peer.address).post(peer.url()).body(body);
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
    });
    peer.join();
    let all = arrived.recv().unwrap();
    let head = head_length(&all).unwrap();
    match chunked {
        true => decode(&all[head..]),
        false => all[head..].to_vec(),
    }
}

fn head_length(all: &[u8]) -> Option<usize> {
    let end = all.windows(4).take(4096).position(|at| at == b"\r\n\r\n");
    end.map(|at| at + 4)
}

fn decode(mut coded: &[u8]) -> Vec<u8> {
    http_peer::read_chunked(&mut coded).concat()
}

#[test]
fn b07_a_head_and_no_body() {
    // It is handed over without waiting, and most of it does not go at once.
    let value = "v".repeat(4000);
    let (peer, arrived) = slow_reader(|all| all.ends_with(b"\r\n\r\n"));
    run(async {
        let mut request = narrow(peer.address).get(peer.url());
        for number in 0..150 {
            request = request.header(format!("x-{number}"), &value);
        }
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
    });
    peer.join();
    let head = String::from_utf8(arrived.recv().unwrap()).unwrap();
    for number in 0..150 {
        let line = format!("\r\nx-{number}: {value}\r\n");
        assert!(head.contains(&line), "x-{number} is not whole");
    }
}

#[test]
fn b07_bytes_that_go_with_their_head_and_bytes_in_pieces() {
    for len in [200_000, 1_000_000] {
        assert!(arrives(Body::from(bytes(len)), len) == bytes(len), "{len}");
    }
}

#[test]
fn b07_chunks_of_one_byte_and_large_ones() {
    let mut parts: Vec<Vec<u8>> = (0..300u16).map(|at| vec![at as u8]).collect();
    parts.extend([bytes(100_000), bytes(3), bytes(300_000)]);
    let expected = parts.concat();
    let body = Body::stream(stream::iter(parts.into_iter().map(Ok::<_, io::Error>)));
    assert!(arrives(body, expected.len()) == expected);
}
