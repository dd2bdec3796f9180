//! What can be given where an address is wanted.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::dns;

/// An address with its port, or a name that has some addresses.
///
/// | type | example |
/// | --- | --- |
/// | `SocketAddr`, `&SocketAddr`, `SocketAddrV4`, `SocketAddrV6` | |
/// | `(IpAddr, u16)`, `(Ipv4Addr, u16)`, `(Ipv6Addr, u16)` | `(Ipv4Addr::LOCALHOST, 80)` |
/// | `(&str, u16)`, `(String, u16)` | `("example.org", 80)`, `("::1", 80)` |
/// | `&str`, `String`, `&String` | `"example.org:80"`, `"[::1]:80"` |
/// | `&[SocketAddr]`, `Vec<SocketAddr>` | |
///
/// A name is looked up by [`dns::resolve`].
///
/// The trait can be implemented for other types, which is the way to bring your own resolver:
///
/// ```
/// use std::io;
/// use std::net::{Ipv4Addr, SocketAddr};
/// use eyewall::net::{TcpListener, ToAddresses};
///
/// struct Service(&'static str);
///
/// impl ToAddresses for Service {
///     async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
///         match self.0 {
///             "echo" => (Ipv4Addr::LOCALHOST, 0).resolve().await,
///             other => Err(io::Error::other(format!("no service {other}"))),
///         }
///     }
/// }
///
/// eyewall::block_on(async {
///     TcpListener::bind(Service("echo")).await?;
///     Ok::<(), io::Error>(())
/// })??;
/// # Ok::<(), io::Error>(())
/// ```
pub trait ToAddresses {
    /// The addresses, in the order of preference.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a text that is not an address; otherwise as [`dns::resolve`].
    fn resolve(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>>;
}

impl ToAddresses for SocketAddr {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self])
    }
}

impl ToAddresses for &SocketAddr {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![*self])
    }
}

impl ToAddresses for SocketAddrV4 {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.into()])
    }
}

impl ToAddresses for SocketAddrV6 {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.into()])
    }
}

impl ToAddresses for (IpAddr, u16) {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.into()])
    }
}

impl ToAddresses for (Ipv4Addr, u16) {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.into()])
    }
}

impl ToAddresses for (Ipv6Addr, u16) {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.into()])
    }
}

impl ToAddresses for (&str, u16) {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        dns::resolve(self.0, self.1).await
    }
}

impl ToAddresses for (String, u16) {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        dns::resolve(&self.0, self.1).await
    }
}

impl ToAddresses for &str {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = split(self)?;
        dns::resolve(host, port).await
    }
}

impl ToAddresses for &String {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().resolve().await
    }
}

impl ToAddresses for String {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().resolve().await
    }
}

impl ToAddresses for &[SocketAddr] {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl ToAddresses for Vec<SocketAddr> {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        Ok(self)
    }
}

/// The host and the port of `host:port`.
fn split(text: &str) -> io::Result<(&str, u16)> {
    let invalid = |reason: &str| {
        let message = format!("{text:?} is not an address: {reason}");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    };
    let (host, port) = text
        .rsplit_once(':')
        .filter(|(_, port)| !port.ends_with(']'))
        .ok_or_else(|| invalid("a port is missing, as in \"example.org:80\""))?;
    if host.contains(':') && !host.starts_with('[') {
        return Err(invalid(
            "an IPv6 address stands in brackets, as in \"[::1]:80\"",
        ));
    }
    // `parse` alone would take a sign, too.
    match port.parse() {
        Ok(number) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok((host, number)),
        _ => Err(invalid("the port is a number from 0 to 65535")),
    }
}
