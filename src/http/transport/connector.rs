//! Making connections in the user's own way.

use std::future::Future;
use std::io;
use std::pin::Pin;

use super::Conduit;

/// Makes connections in a way of its own: through a tunnel, to something in memory, with other settings of the
/// socket. TLS, where the URL wants it, goes through what it makes.
///
/// A closure will do:
///
/// ```no_run
/// use eyewall::http::{Client, Conduit, Target};
/// use eyewall::net::TcpStream;
///
/// let client = Client::builder()
///     .connector(|target: Target| async move {
///         println!("{}:{} is wanted", target.host(), target.port());
///         TcpStream::connect("127.0.0.1:8080").await.map(Conduit::from)
///     })
///     .build();
/// ```
pub trait Connector {
    /// Connects to `target`. The future is dropped when the time is over.
    ///
    /// # Errors
    ///
    /// Any, for which the fetch fails with [`ErrorKind::Connect`](crate::http::ErrorKind::Connect).
    fn connect(&self, target: Target) -> Pin<Box<dyn Future<Output = io::Result<Conduit>>>>;
}

impl<F, Fut> Connector for F
where
    F: Fn(Target) -> Fut,
    Fut: Future<Output = io::Result<Conduit>> + 'static,
{
    fn connect(&self, target: Target) -> Pin<Box<dyn Future<Output = io::Result<Conduit>>>> {
        Box::pin(self(target))
    }
}

/// Whom a [`Connector`] is to connect to: a server, or the proxy before it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Target {
    /// The host of the URL: a name in lower case, or an IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}
