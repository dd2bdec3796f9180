//! What can be given where an address is wanted.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

/// An address, or a name that has some.
pub trait ToAddresses {
    /// The addresses, in the order of preference.
    fn resolve(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>>;
}

impl ToAddresses for SocketAddr {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self])
    }
}

impl ToAddresses for &str {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        self.parse()
            .map(|address| vec![address])
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not an address"))
    }
}

impl ToAddresses for &[SocketAddr] {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}
