//! Round trips of 64 bytes over TCP on loopback. Both ends are tasks of one reactor: a round trip is four
//! operations of two tasks.

#![forbid(unsafe_code)]

mod common;

use std::rc::Rc;

use common::{Meter, Plan, Round, Subject, Watch};
use eyewall::net::{TcpListener, TcpStream};
use futures_util::StreamExt;
use futures_util::future::join_all;

const SIZE: usize = 64;

fn main() {
    let mut subjects = Vec::new();
    for (name, kind) in [
        ("owned", Kind::Owned),
        ("pooled", Kind::Pooled),
        ("multishot", Kind::Multishot),
        ("posted", Kind::Posted),
        ("posted-multishot", Kind::PostedMultishot),
    ] {
        for (connections, operations) in [(1, 20_000), (64, 32_000), (1000, 30_000)] {
            let name = format!("ping-pong/{name}/{connections}");
            let run = move |plan| round_trips(plan, kind, connections);
            subjects.push(Subject::new(name, operations, run).concurrency(connections));
        }
    }
    common::main(
        "Ping-pong of 64 bytes on loopback, both ends in the one reactor, by kind and connections",
        &subjects,
    );
}

/// How both ends receive and send.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `recv` into a buffer of the connection's own, `send_all`.
    Owned,
    /// `recv_chunk` from the pool, `send_all`.
    Pooled,
    /// `chunks` from the pool, `send_all`.
    Multishot,
    /// `recv_chunk`, `post`.
    Posted,
    /// `chunks`, `post`.
    PostedMultishot,
}

async fn round_trips(plan: Plan, kind: Kind, connections: usize) -> Round {
    let clients = connect(kind, connections).await;
    let clients = drive(clients, kind, plan.warm_up, &Meter::start(plan)).await;
    let meter = Meter::start(plan);
    drive(clients, kind, plan.operations, &meter).await;
    meter.stop()
}

/// Connections to a task each, which sends back what comes.
async fn connect(kind: Kind, count: usize) -> Vec<TcpStream> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let (client, server) = futures_util::join!(TcpStream::connect(address), listener.accept());
        clients.push(client.unwrap());
        eyewall::spawn(echo(server.unwrap().0, kind)).detach();
    }
    clients
}

async fn drive(
    clients: Vec<TcpStream>,
    kind: Kind,
    operations: u64,
    meter: &Rc<Meter>,
) -> Vec<TcpStream> {
    let each = operations / clients.len() as u64;
    let tasks = clients
        .into_iter()
        .map(|client| eyewall::spawn(ping(client, kind, each, meter.watch())));
    let ended = join_all(tasks).await;
    ended.into_iter().map(Result::unwrap).collect()
}

async fn ping(stream: TcpStream, kind: Kind, count: u64, watch: Watch) -> TcpStream {
    match kind {
        Kind::Owned => ping_owned(stream, count, watch).await,
        Kind::Pooled => ping_pooled(stream, count, watch).await,
        Kind::Multishot => ping_multishot(stream, count, watch).await,
        Kind::Posted => ping_posted(stream, count, watch).await,
        Kind::PostedMultishot => ping_posted_multishot(stream, count, watch).await,
    }
}

async fn echo(stream: TcpStream, kind: Kind) {
    match kind {
        Kind::Owned => echo_owned(stream).await,
        Kind::Pooled => echo_pooled(stream).await,
        Kind::Multishot => echo_multishot(stream).await,
        Kind::Posted => echo_posted(stream).await,
        Kind::PostedMultishot => echo_posted_multishot(stream).await,
    }
}

async fn ping_owned(mut stream: TcpStream, count: u64, mut watch: Watch) -> TcpStream {
    let mut buffer = vec![b'x'; SIZE];
    for _ in 0..count {
        let (sent, sent_buffer) = stream.send_all(buffer).await;
        sent.unwrap();
        let (received, received_buffer) = stream.recv(sent_buffer).await;
        assert_eq!(received.unwrap(), SIZE);
        buffer = received_buffer;
        watch.lap(1);
    }
    stream
}

async fn echo_owned(mut stream: TcpStream) {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let (received, received_buffer) = stream.recv(buffer).await;
        if received.unwrap() == 0 {
            break;
        }
        let (sent, sent_buffer) = stream.send_all(received_buffer).await;
        sent.unwrap();
        buffer = sent_buffer;
    }
}

async fn ping_pooled(mut stream: TcpStream, count: u64, mut watch: Watch) -> TcpStream {
    for _ in 0..count {
        stream.send_all(&[b'x'; SIZE][..]).await.0.unwrap();
        let chunk = stream.recv_chunk().await.unwrap();
        assert_eq!(chunk.map(|chunk| chunk.len()), Some(SIZE));
        watch.lap(1);
    }
    stream
}

async fn echo_pooled(mut stream: TcpStream) {
    while let Some(chunk) = stream.recv_chunk().await.unwrap() {
        stream.send_all(chunk).await.0.unwrap();
    }
}

async fn ping_multishot(mut stream: TcpStream, count: u64, mut watch: Watch) -> TcpStream {
    let (receiving, sending) = stream.split();
    let mut chunks = receiving.chunks();
    for _ in 0..count {
        sending.send_all(&[b'x'; SIZE][..]).await.0.unwrap();
        let chunk = chunks.next().await.unwrap().unwrap();
        assert_eq!(chunk.len(), SIZE);
        watch.lap(1);
    }
    stream
}

async fn echo_multishot(mut stream: TcpStream) {
    let (receiving, sending) = stream.split();
    let mut chunks = receiving.chunks();
    while let Some(chunk) = chunks.next().await {
        sending.send_all(chunk.unwrap()).await.0.unwrap();
    }
}

async fn ping_posted(mut stream: TcpStream, count: u64, mut watch: Watch) -> TcpStream {
    for _ in 0..count {
        stream.post(&[b'x'; SIZE][..]).await.unwrap();
        let chunk = stream.recv_chunk().await.unwrap();
        assert_eq!(chunk.map(|chunk| chunk.len()), Some(SIZE));
        watch.lap(1);
    }
    stream
}

async fn echo_posted(mut stream: TcpStream) {
    while let Some(chunk) = stream.recv_chunk().await.unwrap() {
        stream.post(chunk).await.unwrap();
    }
}

async fn ping_posted_multishot(mut stream: TcpStream, count: u64, mut watch: Watch) -> TcpStream {
    let (receiving, sending) = stream.split();
    let mut chunks = receiving.chunks();
    for _ in 0..count {
        sending.post(&[b'x'; SIZE][..]).await.unwrap();
        let chunk = chunks.next().await.unwrap().unwrap();
        assert_eq!(chunk.len(), SIZE);
        watch.lap(1);
    }
    stream
}

async fn echo_posted_multishot(mut stream: TcpStream) {
    let (receiving, sending) = stream.split();
    let mut chunks = receiving.chunks();
    while let Some(chunk) = chunks.next().await {
        sending.post(chunk.unwrap()).await.unwrap();
    }
}
