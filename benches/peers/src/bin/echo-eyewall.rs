//! Echo on eyewall. `--no-spin` parks at once when there is nothing to do.

use std::io;
use std::time::Duration;

use eyewall::Reactor;
use eyewall::net::{TcpListener, TcpStream};
use futures_util::StreamExt;

fn main() -> io::Result<()> {
    let mut builder = Reactor::builder();
    if std::env::args().nth(1).as_deref() == Some("--no-spin") {
        builder = builder.spin(Duration::ZERO);
    }
    let reactor = builder.build().map_err(io::Error::other)?;
    reactor.block_on(serve()).map_err(io::Error::other)?
}

async fn serve() -> io::Result<()> {
    let mut listener = TcpListener::from_std(peers::listen::listen()?)?;
    let mut connections = listener.incoming();
    while let Some(connection) = connections.next().await {
        eyewall::spawn(echo(connection?)).detach();
    }
    Ok(())
}

/// What is sent is the pooled buffer that was received; nobody waits for its completion.
async fn echo(mut connection: TcpStream) -> io::Result<()> {
    let (receive, send) = connection.split();
    let mut chunks = receive.chunks();
    while let Some(chunk) = chunks.next().await {
        send.post(chunk?).await?;
    }
    Ok(())
}
