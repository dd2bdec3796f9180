//! The server of plain HTTP, on a reactor.

use std::io;

use bytes::Bytes;
use eyewall::net::{TcpListener, TcpStream};
use futures_util::StreamExt;

use super::{KIB, MIB};

/// Prints its address, and serves until standard input ends.
pub(super) async fn serve() -> io::Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    eyewall::spawn(async move {
        let (small, large) = (answer(KIB), answer(MIB));
        let mut connections = listener.incoming();
        while let Some(Ok(connection)) = connections.next().await {
            eyewall::spawn(answer_all(connection, small.clone(), large.clone())).detach();
        }
    })
    .detach();
    eyewall::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()))
        .await
        .map_err(io::Error::other)??;
    Ok(())
}

/// The field of a request that wants its connection closed behind the answer.
const CLOSE: &[u8] = b"\r\nconnection: close\r\n";

async fn answer_all(mut connection: TcpStream, small: Bytes, large: Bytes) -> io::Result<()> {
    let mut request = Vec::new();
    while let Some(chunk) = connection.recv_chunk().await? {
        request.extend_from_slice(&chunk);
        if request.ends_with(b"\r\n\r\n") {
            let answer = match request.starts_with(b"GET /1024 ") {
                true => small.clone(),
                false => large.clone(),
            };
            connection.send_all(answer).await.0?;
            if memchr::memmem::find(&request, CLOSE).is_some() {
                return connection.close().await;
            }
            request.clear();
        }
    }
    Ok(())
}

/// What nginx sends for a file of this size.
pub(super) fn answer(size: usize) -> Bytes {
    let head = format!(
        "HTTP/1.1 200 OK\r\n\
         Server: nginx/1.22.1\r\n\
         Date: Mon, 23 Nov 2026 07:10:00 GMT\r\n\
         Content-Type: application/octet-stream\r\n\
         Content-Length: {size}\r\n\
         Last-Modified: Mon, 23 Nov 2026 07:00:00 GMT\r\n\
         Connection: keep-alive\r\n\
         ETag: \"6922b2f0-{size:x}\"\r\n\
         Accept-Ranges: bytes\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + size, b'x');
    bytes.into()
}
