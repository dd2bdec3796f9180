//! Tasks, timers and a ping-pong in monoio.

use std::io;

use monoio::io::{AsyncReadRent, AsyncReadRentExt, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use peers::micro::{self, PING, TIMER};

fn main() -> io::Result<()> {
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
        .enable_timer()
        .build()?;
    micro::print(&runtime.block_on(micro::measure(
        |number| monoio::spawn(async move { number }),
        |joined| joined,
        || monoio::time::sleep(TIMER),
        |count| async move { ping_pong(count).await.expect("loopback works") },
    )))
}

async fn ping_pong(count: u64) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = monoio::spawn(async move {
        let (mut connection, _) = listener.accept().await?;
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
    let mut client = TcpStream::connect(address).await?;
    client.set_nodelay(true)?;
    let mut buffer = vec![7; PING];
    for _ in 0..count {
        let (sent, back) = client.write_all(buffer).await;
        sent?;
        let (received, back) = client.read_exact(back).await;
        received?;
        buffer = back;
    }
    drop(client);
    server.await
}
