//! Names (placeholder).
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = host.to_owned();
    crate::spawn_blocking(move || (host.as_str(), port).to_socket_addrs().map(Vec::from_iter))
        .await
        .map_err(io::Error::other)?
}
