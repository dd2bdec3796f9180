//! Tasks, timers and a ping-pong in compio.

use std::io;

use compio::BufResult;
use compio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use peers::micro::{self, PING, TIMER};

fn main() -> io::Result<()> {
    let runtime = compio::runtime::Runtime::new()?;
    micro::print(&runtime.block_on(micro::measure(
        |number| compio::runtime::spawn(async move { number }),
        |joined| joined.expect("no panic"),
        || compio::time::sleep(TIMER),
        |count| async move { ping_pong(count).await.expect("loopback works") },
    )))
}

async fn ping_pong(count: u64) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = compio::runtime::spawn(async move {
        let (mut connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(PING);
        loop {
            let BufResult(received, back) = connection.read(buffer).await;
            if received? == 0 {
                return io::Result::Ok(());
            }
            let BufResult(sent, back) = connection.write_all(back).await;
            sent?;
            buffer = back;
            buffer.clear();
        }
    });
    let mut client = TcpStream::connect(address).await?;
    client.set_nodelay(true)?;
    let mut buffer = vec![7; PING];
    for _ in 0..count {
        let BufResult(sent, back) = client.write_all(buffer).await;
        sent?;
        let BufResult(received, back) = client.read_exact(back).await;
        received?;
        buffer = back;
    }
    client.close().await?;
    server.await.expect("no panic")
}
