//! Tasks, timers and a ping-pong in tokio.

use std::io;

use peers::micro::{self, PING, TIMER};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    micro::print(&runtime.block_on(micro::measure(
        |number| tokio::spawn(async move { number }),
        |joined| joined.expect("no panic"),
        || tokio::time::sleep(TIMER),
        |count| async move { ping_pong(count).await.expect("loopback works") },
    )))
}

async fn ping_pong(count: u64) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let mut buffer = [0; PING];
        while let count @ 1.. = connection.read(&mut buffer).await? {
            connection.write_all(&buffer[..count]).await?;
        }
        io::Result::Ok(())
    });
    let mut client = TcpStream::connect(address).await?;
    client.set_nodelay(true)?;
    let mut buffer = [7; PING];
    for _ in 0..count {
        client.write_all(&buffer).await?;
        client.read_exact(&mut buffer).await?;
    }
    drop(client);
    server.await.expect("no panic")
}
