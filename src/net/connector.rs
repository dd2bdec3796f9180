//! How connections are to be made.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::connect::race;
use super::{TcpStream, ToAddresses};
use crate::reactor::Core;
use crate::time::timeout_at;

/// Makes TCP connections, by settings that [`TcpStream::connect`] leaves at their defaults.
///
/// | setting | default |
/// | --- | --- |
/// | [`attempt_delay`](TcpConnector::attempt_delay) | 250 ms |
/// | [`max_addresses`](TcpConnector::max_addresses) | 16 |
/// | [`timeout`](TcpConnector::timeout) | none |
/// | [`ipv4`](TcpConnector::ipv4), [`ipv6`](TcpConnector::ipv6) | both |
/// | [`source_address`](TcpConnector::source_address) | the system chooses |
/// | [`interface`](TcpConnector::interface) | the system chooses |
/// | [`nodelay`](TcpConnector::nodelay) | on |
///
/// # Several addresses
///
/// A host often has addresses of both families, and one of them may be out of order. As RFC 8305 ("Happy
/// Eyeballs") says, the addresses are tried in the order that they came in, but with the families taking
/// turns, beginning with that of the first address. If an attempt has not been decided after
/// `attempt_delay`, the next begins beside it; if it fails, the next begins at once. The first connection that
/// comes about is the result, and the others are closed.
///
/// ```
/// use std::time::Duration;
/// use eyewall::net::{TcpConnector, TcpListener};
///
/// # eyewall::block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let port = listener.local_addr()?.port();
/// let connector = TcpConnector::new()
///     .timeout(Duration::from_secs(5))
///     .ipv6(false);
/// let stream = connector.connect(("localhost", port)).await?;
/// assert!(stream.peer_addr()?.is_ipv4());
/// # Ok::<(), std::io::Error>(()) })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a connector makes nothing until `connect` is called"]
pub struct TcpConnector {
    pub(super) attempt_delay: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) source: Option<IpAddr>,
    pub(super) interface: Option<String>,
    pub(super) nodelay: bool,
    max_addresses: usize,
    ipv4: bool,
    ipv6: bool,
}

impl Default for TcpConnector {
    fn default() -> TcpConnector {
        TcpConnector {
            attempt_delay: Duration::from_millis(250),
            timeout: None,
            source: None,
            interface: None,
            nodelay: true,
            max_addresses: 16,
            ipv4: true,
            ipv6: true,
        }
    }
}

impl TcpConnector {
    /// The default settings.
    pub fn new() -> TcpConnector {
        TcpConnector::default()
    }

    /// How long one attempt goes on alone before the next begins beside it. `Duration::MAX` tries one address
    /// after the other.
    pub fn attempt_delay(mut self, delay: Duration) -> TcpConnector {
        self.attempt_delay = delay;
        self
    }

    /// How many addresses are tried at most; the rest is left out.
    pub fn max_addresses(mut self, addresses: usize) -> TcpConnector {
        self.max_addresses = addresses;
        self
    }

    /// How long looking up the name and connecting may take together; zero is no time at all. Without it, the system
    /// gives an address up after about two minutes (`tcp_syn_retries`, tcp(7)).
    pub fn timeout(mut self, timeout: Duration) -> TcpConnector {
        self.timeout = Some(timeout);
        self
    }

    /// Whether IPv4 addresses may be used.
    pub fn ipv4(mut self, on: bool) -> TcpConnector {
        self.ipv4 = on;
        self
    }

    /// Whether IPv6 addresses may be used.
    pub fn ipv6(mut self, on: bool) -> TcpConnector {
        self.ipv6 = on;
        self
    }

    /// The address to connect from, one of this machine's. Only addresses of the same family are tried.
    pub fn source_address(mut self, address: IpAddr) -> TcpConnector {
        self.source = Some(address);
        self
    }

    /// The network interface to connect through, such as `eth0` (`SO_BINDTODEVICE`, socket(7)).
    pub fn interface(mut self, name: impl Into<String>) -> TcpConnector {
        self.interface = Some(name.into());
        self
    }

    /// Whether small segments go out at once; see [`TcpStream::nodelay`](TcpStream::nodelay).
    pub fn nodelay(mut self, on: bool) -> TcpConnector {
        self.nodelay = on;
        self
    }

    /// Connects to one of the addresses.
    ///
    /// # Errors
    ///
    /// - A name that does not resolve: see [`dns::is_resolve_error`](crate::dns::is_resolve_error).
    /// - `InvalidInput` where the settings leave no address.
    /// - A [`ConnectError`](super::ConnectError), which lists every address that was tried with its error. For
    ///   those that had not answered when the time was over, the error is `TimedOut`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all attempts.
    #[doc(alias = "IORING_OP_CONNECT")]
    pub async fn connect(&self, address: impl ToAddresses) -> io::Result<TcpStream> {
        let core = Core::current()?;
        // No deadline, too, where an `Instant` cannot say when.
        let deadline = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let found = match deadline {
            None => address.resolve().await?,
            Some(deadline) => timeout_at(deadline, address.resolve())
                .await
                .map_err(|_| self.timed_out("the name was not resolved"))??,
        };
        let addresses = self.select(found)?;
        race(&core, self, addresses, deadline).await
    }

    /// The error of something that did not happen in time.
    pub(super) fn timed_out(&self, what: &str) -> io::Error {
        let message = format!("{what} within {:?}", self.timeout.unwrap_or_default());
        io::Error::new(io::ErrorKind::TimedOut, message)
    }

    /// Whether the settings allow to connect to `address`.
    pub(crate) fn allows(&self, address: &SocketAddr) -> bool {
        let family_is_on = match address {
            SocketAddr::V4(_) => self.ipv4,
            SocketAddr::V6(_) => self.ipv6,
        };
        let source_fits = self
            .source
            .is_none_or(|source| source.is_ipv4() == address.is_ipv4());
        family_is_on && source_fits
    }

    /// The addresses to try, in order.
    fn select(&self, mut addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let found = addresses.len();
        addresses.retain(|address| self.allows(address));
        if addresses.len() > 1 {
            addresses = take_turns(addresses);
        }
        addresses.truncate(self.max_addresses);
        if addresses.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                match found {
                    0 => "there is no address to connect to".to_owned(),
                    _ => format!("the connector's settings allow none of the {found} addresses"),
                },
            ));
        }
        Ok(addresses)
    }
}

/// Sorts the addresses so that the families alternate, beginning with that of the first; each family keeps its
/// order (RFC 8305, 4).
fn take_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let count = addresses.len();
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut sorted = Vec::with_capacity(count);
    while sorted.len() < count {
        sorted.extend(one.next());
        sorted.extend(other.next());
    }
    sorted
}
