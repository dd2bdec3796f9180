//! Connections that have come and gone leave nothing behind. This file counts descriptors, so it has one test.

#![forbid(unsafe_code)]

mod common;

use std::net::SocketAddr;

use common::{now, open_fds, settles};
use eyewall::net::{TcpListener, TcpStream};
use eyewall::{Reactor, spawn};
use futures_util::StreamExt;
use futures_util::future::join_all;

const CONNECTIONS: usize = 10_000;
const AT_A_TIME: usize = 64;

/// Sends back what comes, in one of two ways, until the peer has finished.
async fn echo(mut stream: TcpStream, number: usize) {
    loop {
        if number.is_multiple_of(2) {
            match stream.recv_chunk().await.unwrap() {
                Some(chunk) => stream.send_all(chunk).await.0.unwrap(),
                None => break,
            }
        } else {
            let (count, bytes) = stream.recv(Vec::with_capacity(100)).await;
            match count.unwrap() {
                0 => break,
                _ => stream.send_all(bytes).await.0.unwrap(),
            }
        }
    }
}

/// Opens a connection, uses it and ends it in one of several ways.
async fn visit(address: SocketAddr, number: usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.send_all(number.to_string()).await.0.unwrap();
    let expected = number.to_string().into_bytes();
    let (result, answer) = stream.recv_exact(Vec::with_capacity(expected.len())).await;
    result.unwrap();
    assert_eq!(answer[..expected.len()], expected);
    match number % 4 {
        0 => stream.close().await.unwrap(),
        1 => drop(stream),
        2 => {
            stream.shutdown().await.unwrap();
            assert!(stream.recv_chunk().await.unwrap().is_none());
        }
        _ => {
            let (receiving, sending) = stream.into_split();
            drop(receiving);
            drop(sending);
        }
    }
}

async fn open_use_and_close() {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(async move {
        let mut incoming = listener.incoming().take(CONNECTIONS).enumerate();
        let mut echoes = Vec::new();
        while let Some((number, stream)) = incoming.next().await {
            echoes.push(spawn(echo(stream.unwrap(), number)));
        }
        for echo in echoes {
            echo.await.unwrap();
        }
    });
    let clients = (0..AT_A_TIME).map(|first| {
        spawn(async move {
            for number in (first..CONNECTIONS).step_by(AT_A_TIME) {
                visit(address, number).await;
            }
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    server.await.unwrap();
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let reactor = Reactor::new().unwrap();
    // The first turn opens what the reactor itself needs.
    common::run(&reactor, common::turns(2));
    let fds = open_fds();
    common::run(&reactor, async {
        let operations = now().operations;
        open_use_and_close().await;
        settles((fds, operations, 0), || {
            (open_fds(), now().operations, now().tasks)
        })
        .await;
    });
    let counted = reactor.metrics();
    assert_eq!(counted.pool_available, counted.pool_buffers);
    assert_eq!((counted.stale, counted.panics), (0, 0));
    assert!(counted.cqes > 2 * CONNECTIONS as u64);
}
