//! Echo on monoio, with io_uring.

use std::io;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
        .with_entries(4096)
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(peers::listen::listen()?)?;
        loop {
            let (connection, _) = listener.accept().await?;
            monoio::spawn(echo(connection));
        }
    })
}

async fn echo(mut connection: TcpStream) {
    let mut buffer = Vec::with_capacity(4 << 10);
    loop {
        let (result, received) = connection.read(buffer).await;
        let Ok(1..) = result else { break };
        let (result, sent) = connection.write_all(received).await;
        if result.is_err() {
            break;
        }
        buffer = sent;
        buffer.clear();
    }
}
