//! Tasks, timers and a ping-pong in tokio-uring; its timers are those of the tokio that it runs in.

use std::io;
use std::net::SocketAddr;

use peers::micro::{self, PING, TIMER};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    micro::print(&tokio_uring::start(micro::measure(
        |number| tokio_uring::spawn(async move { number }),
        |joined| joined.expect("no panic"),
        || tokio::time::sleep(TIMER),
        |count| async move { ping_pong(count).await.expect("loopback works") },
    )))
}

async fn ping_pong(count: u64) -> io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?;
    let server = tokio_uring::spawn(async move {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(PING);
        loop {
            let (received, back) = connection.read(buffer).await;
            if received? == 0 {
                return io::Result::Ok(());
            }
            let (sent, back) = connection.write_all(back).await;
            sent?;
            buffer = back;
            buffer.clear();
        }
    });
    let client = TcpStream::connect(address).await?;
    client.set_nodelay(true)?;
    let mut buffer = vec![7; PING];
    for _ in 0..count {
        let (sent, back) = client.write_all(buffer).await;
        sent?;
        buffer = read_exact(&client, back).await?;
    }
    drop(client);
    server.await.expect("no panic")
}

async fn read_exact(connection: &TcpStream, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut filled = 0;
    while filled < PING {
        let (received, slice) = connection.read(buffer.slice(filled..)).await;
        filled += received?;
        buffer = slice.into_inner();
    }
    Ok(buffer)
}
