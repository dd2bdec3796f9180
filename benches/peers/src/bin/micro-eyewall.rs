//! Tasks, timers and a ping-pong in eyewall.

use std::io;

use eyewall::net::{TcpListener, TcpStream};
use peers::micro::{self, PING, TIMER};

fn main() -> io::Result<()> {
    let report = eyewall::block_on(micro::measure(
        |number| eyewall::spawn(async move { number }),
        |joined| joined.expect("no panic"),
        || eyewall::time::sleep(TIMER),
        |count| async move { ping_pong(count).await.expect("loopback works") },
    ));
    micro::print(&report.map_err(io::Error::other)?)
}

async fn ping_pong(count: u64) -> io::Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = eyewall::spawn(async move {
        let (mut connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        while let Some(chunk) = connection.recv_chunk().await? {
            connection.send_all(chunk).await.0?;
        }
        io::Result::Ok(())
    });
    let mut client = TcpStream::connect(address).await?;
    client.set_nodelay(true)?;
    let mut buffer = vec![7; PING];
    for _ in 0..count {
        let (sent, mut back) = client.send_all(buffer).await;
        sent?;
        back.clear();
        let (received, back) = client.recv_exact(back).await;
        received?;
        buffer = back;
    }
    client.close().await?;
    server.await.expect("no panic")
}
