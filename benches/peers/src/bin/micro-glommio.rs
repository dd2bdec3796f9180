//! Tasks, timers and a ping-pong in glommio.

use std::io;

use futures_util::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::timer::Timer;
use glommio::{LocalExecutorBuilder, Placement};
use peers::micro::{self, PING, TIMER};

fn main() -> io::Result<()> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound).make()?;
    micro::print(&executor.run(micro::measure(
        |number| glommio::spawn_local(async move { number }),
        |joined| joined,
        || Timer::new(TIMER),
        |count| async move { ping_pong(count).await.expect("loopback works") },
    )))
}

async fn ping_pong(count: u64) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = glommio::spawn_local(async move {
        let mut connection = listener.accept().await?;
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
    client.close().await?;
    server.await
}
