//! Looking names up in the user's own way.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

/// Turns the names of hosts into addresses, in place of [`dns::resolve`](crate::dns::resolve).
///
/// A closure will do:
///
/// ```no_run
/// use std::net::SocketAddr;
/// use eyewall::http::Client;
///
/// let client = Client::builder()
///     .resolver(|host: String, port| async move {
///         match host.as_str() {
///             "service.internal" => Ok(vec![SocketAddr::from(([10, 0, 0, 7], port))]),
///             _ => eyewall::dns::resolve(&host, port).await,
///         }
///     })
///     .build();
/// ```
pub trait Resolver {
    /// The addresses of `host`, each with `port`, in the order in which they are to be tried. It is not asked about IP
    /// addresses, nor about names for which [`resolve`](super::ConnectOptions::resolve) has an answer. Nothing is
    /// kept of what it says.
    ///
    /// # Errors
    ///
    /// Any, for which the fetch fails with [`ErrorKind::Resolve`](crate::http::ErrorKind::Resolve).
    fn resolve(
        &self,
        host: String,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>>>>;
}

impl<F, Fut> Resolver for F
where
    F: Fn(String, u16) -> Fut,
    Fut: Future<Output = io::Result<Vec<SocketAddr>>> + 'static,
{
    fn resolve(
        &self,
        host: String,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>>>> {
        Box::pin(self(host, port))
    }
}
