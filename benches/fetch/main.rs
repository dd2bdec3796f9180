//! GETs on kept connections. The server is this program once more, in a process of its own with a reactor of
//! its own: time and instructions are the client's alone.

#![forbid(unsafe_code)]

mod common;

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use common::{Meter, Peer, Plan, Round, Subject};
use eyewall::http::{Client, Url};
use eyewall::net::{TcpListener, TcpStream};
use futures_util::StreamExt;
use futures_util::future::join_all;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn main() {
    if Peer::role().is_some() {
        eyewall::block_on(serve()).unwrap().unwrap();
        return;
    }
    let mut subjects = Vec::new();
    for (name, size, concurrency, operations) in [
        ("fetch/1k/1", KIB, 1, 10_000),
        ("fetch/1k/64", KIB, 64, 32_000),
        ("fetch/1m/1", MIB, 1, 1000),
        ("fetch/1m/64", MIB, 64, 1280),
    ] {
        let run = move |plan| fetches(plan, size, concurrency);
        subjects.push(Subject::new(name, operations, run).concurrency(concurrency));
    }
    common::main(
        "Fetch on kept connections from another process, by body and how many at a time; CPU of the client",
        &subjects,
    );
}

async fn fetches(plan: Plan, size: usize, concurrency: usize) -> Round {
    let mut server = Peer::start("server");
    let url = format!("http://{}/{size}", server.line());
    let client = Client::new();
    drive(
        &client,
        &url,
        size,
        concurrency,
        plan.warm_up,
        &Meter::start(plan),
    )
    .await;
    let meter = Meter::start(plan);
    drive(&client, &url, size, concurrency, plan.operations, &meter).await;
    meter.stop()
}

async fn drive(
    client: &Client,
    url: &str,
    size: usize,
    concurrency: usize,
    operations: u64,
    meter: &Rc<Meter>,
) {
    let each = operations / concurrency as u64;
    let tasks = (0..concurrency).map(|_| {
        let (client, url, mut watch) = (client.clone(), Url::parse(url).unwrap(), meter.watch());
        eyewall::spawn(async move {
            for _ in 0..each {
                let mut response = client.get(&url).send().await.unwrap();
                assert_eq!(response.bytes().await.unwrap().len(), size);
                watch.lap(1);
            }
        })
    });
    for ended in join_all(tasks).await {
        ended.unwrap();
    }
}

/// Prints its address, and serves until standard input ends.
async fn serve() -> io::Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    eyewall::spawn(async move {
        let (small, large) = (answer(KIB), answer(MIB));
        let mut connections = listener.incoming();
        while let Some(Ok(connection)) = connections.next().await {
            eyewall::spawn(answer_all(connection, small.clone(), large.clone())).detach();
        }
    })
    .detach();
    eyewall::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()))
        .await
        .map_err(io::Error::other)??;
    Ok(())
}

async fn answer_all(mut connection: TcpStream, small: Bytes, large: Bytes) -> io::Result<()> {
    let mut request = Vec::new();
    while let Some(chunk) = connection.recv_chunk().await? {
        request.extend_from_slice(&chunk);
        if request.ends_with(b"\r\n\r\n") {
            let answer = match request.starts_with(b"GET /1024 ") {
                true => small.clone(),
                false => large.clone(),
            };
            connection.send_all(answer).await.0?;
            request.clear();
        }
    }
    Ok(())
}

/// What nginx sends for a file of this size.
fn answer(size: usize) -> Bytes {
    let head = format!(
        "HTTP/1.1 200 OK\r\n\
         Server: nginx/1.22.1\r\n\
         Date: Mon, 23 Nov 2026 07:10:00 GMT\r\n\
         Content-Type: application/octet-stream\r\n\
         Content-Length: {size}\r\n\
         Last-Modified: Mon, 23 Nov 2026 07:00:00 GMT\r\n\
         Connection: keep-alive\r\n\
         ETag: \"6922b2f0-{size:x}\"\r\n\
         Accept-Ranges: bytes\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + size, b'x');
    bytes.into()
}
