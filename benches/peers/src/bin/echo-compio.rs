//! Echo on compio, with io_uring.

use std::io;

use compio::BufResult;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let runtime = compio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(peers::listen::listen()?)?;
        loop {
            let (connection, _) = listener.accept().await?;
            compio::runtime::spawn(echo(connection)).detach();
        }
    })
}

async fn echo(mut connection: TcpStream) {
    let mut buffer = Vec::with_capacity(4 << 10);
    loop {
        let BufResult(result, received) = connection.read(buffer).await;
        let Ok(1..) = result else { break };
        let BufResult(result, sent) = connection.write_all(received).await;
        if result.is_err() {
            break;
        }
        buffer = sent;
        buffer.clear();
    }
}
