//! Echo on glommio. It binds by itself: it takes no listener of the standard library.

use std::io;

use futures_util::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement};

fn main() -> io::Result<()> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound).make()?;
    executor.run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        loop {
            let connection = listener.accept().await?;
            glommio::spawn_local(echo(connection)).detach();
        }
    })
}

async fn echo(mut connection: TcpStream) {
    let mut buffer = vec![0; 4 << 10];
    while let Ok(count @ 1..) = connection.read(&mut buffer).await {
        if connection.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}
