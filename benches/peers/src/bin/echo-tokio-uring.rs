//! Echo on tokio-uring.

use std::io;

use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    tokio_uring::builder().entries(4096).start(async {
        let listener = TcpListener::from_std(peers::listen::listen()?);
        loop {
            let (connection, _) = listener.accept().await?;
            tokio_uring::spawn(echo(connection));
        }
    })
}

async fn echo(connection: TcpStream) {
    let mut buffer = vec![0; 4 << 10];
    loop {
        let (result, received) = connection.read(buffer).await;
        let Ok(count @ 1..) = result else { break };
        let (result, sent) = connection.write_all(received.slice(..count)).await;
        if result.is_err() {
            break;
        }
        buffer = sent.into_inner();
    }
}
