//! Names to addresses, without holding up the thread.
//!
//! A name goes to getaddrinfo(3), and so through whatever the system is set up to ask: `/etc/hosts`, DNS, mDNS.
//! getaddrinfo blocks, which is why it runs on the pool of [`spawn_blocking`](crate::spawn_blocking).
//!
//! - Those who ask for one name at the same time share one call.
//! - What was found is kept for a short while, by the reactor; see
//!   [`Builder::name_cache`](crate::reactor::Builder::name_cache). A failure is not kept.
//! - `localhost` and all names below it (`app.localhost`) are this machine (RFC 6761, 6.3): what the system knows of
//!   `localhost` is the answer.
//! - An IP address written as text (`127.0.0.1`, `[::1]`, `fe80::1%eth0`) is no name: it asks nobody.
//!
//! Names are taken as they are. Turning an international name into its ASCII form is the caller's business.

#![forbid(unsafe_code)]

mod cache;
mod error;
mod literal;
mod names;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

pub use error::{ResolveError, is_resolve_error};
pub(crate) use names::Names;

use crate::reactor::Core;

/// The addresses of `host`, each with `port`, in the system's order of preference (RFC 6724).
///
/// `host` is a name, or an IP address with or without brackets; an IPv6 address may have a zone
/// (`fe80::1%eth0`). A dot at the end of a name says that no search domain is to be tried.
///
/// # Errors
///
/// An error that names the host and for which [`is_resolve_error`] is true, if the name has no address or
/// nobody could be asked. There is no time limit beyond the system's own (resolv.conf(5)); use
/// [`timeout`](crate::time::timeout). Where the reactor in which it began does not run, it says so, if nothing has been
/// found.
///
/// # Cancel safety
///
/// Cancel safe. A look-up that runs goes on without the dropped future: others may wait for it, and its result is
/// kept. One that still waits for a thread goes with the last future that waits for it: who asks again then is the
/// last in the queue.
///
/// ```
/// # eyewall::block_on(async {
/// let addresses = eyewall::dns::resolve("127.0.0.1", 80).await?;
/// assert_eq!(addresses, ["127.0.0.1:80".parse().unwrap()]);
/// # Ok::<(), std::io::Error>(()) })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "getaddrinfo")]
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Some(address) = literal::parse(host, port)? {
        return Ok(vec![address]);
    }
    let core = Core::current()?;
    core.check_open()?;
    let mut looking = pin!(core.names().look_up(host));
    let found = poll_fn(|cx| match looking.as_mut().poll(cx) {
        // It goes on in its own reactor only.
        Poll::Pending => core
            .check_open()
            .map_or_else(|elsewhere| Poll::Ready(Err(elsewhere)), |()| Poll::Pending),
        ready => ready,
    })
    .await?;
    let with_port = |&address: &SocketAddr| {
        let mut address = address;
        address.set_port(port);
        address
    };
    Ok(found.iter().map(with_port).collect())
}
