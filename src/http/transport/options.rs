//! How connections are to be made.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
#[cfg(feature = "__tls")]
use std::sync::Arc;
use std::time::Duration;

use url::Host;

use super::{Connector, Resolver};
#[cfg(feature = "__tls")]
use crate::http::tls::{Pem, TlsSettings, rustls};
use crate::net::Keepalive;

/// How connections are to be made: where from, by which names, and whom TLS trusts. For a
/// [client](crate::http::ClientBuilder::connect_options), which has the same methods itself, or for
/// [one request](crate::http::RequestBuilder::connect_options).
///
/// Cloning it is cheap. Requests share connections if their options are clones of each other; options that were made
/// or changed apart from each other never do, whatever they say. So make them once, and keep them.
///
/// | setting | default |
/// | --- | --- |
/// | [`ipv4`](ConnectOptions::ipv4), [`ipv6`](ConnectOptions::ipv6) | both |
/// | [`local_address`](ConnectOptions::local_address), [`interface`](ConnectOptions::interface) | the system chooses |
/// | [`nodelay`](ConnectOptions::nodelay) | on |
/// | [`keepalive`](ConnectOptions::keepalive) | off |
/// | [`user_timeout`](ConnectOptions::user_timeout) | the system's |
/// | names | [`dns::resolve`](crate::dns::resolve) |
/// | trust, with TLS | the certificates that the system trusts |
#[derive(Clone, Default)]
#[must_use = "options do nothing until a client or a request has them"]
pub struct ConnectOptions {
    inner: Rc<Inner>,
}

#[derive(Clone)]
pub(super) struct Inner {
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
    pub(super) local_address: Option<IpAddr>,
    pub(super) interface: Option<String>,
    pub(super) nodelay: bool,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) user_timeout: Option<Duration>,
    pub(super) unix_socket: Option<PathBuf>,
    pub(super) overrides: Vec<Override>,
    pub(super) resolver: Option<Rc<dyn Resolver>>,
    pub(super) connector: Option<Rc<dyn Connector>>,
    #[cfg(feature = "__tls")]
    pub(super) tls: TlsSettings,
}

/// The addresses of one host.
#[derive(Clone, Debug)]
pub(super) struct Override {
    /// As [`plain_name`] gives it.
    host: Box<str>,
    /// Zero: any.
    port: u16,
    addresses: Vec<SocketAddr>,
}

impl Default for Inner {
    fn default() -> Inner {
        Inner {
            ipv4: true,
            ipv6: true,
            local_address: None,
            interface: None,
            nodelay: true,
            keepalive: None,
            user_timeout: None,
            unix_socket: None,
            overrides: Vec::new(),
            resolver: None,
            connector: None,
            #[cfg(feature = "__tls")]
            tls: TlsSettings::default(),
        }
    }
}

/// Whether they are clones of each other.
impl PartialEq for ConnectOptions {
    fn eq(&self, other: &ConnectOptions) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for ConnectOptions {}

impl ConnectOptions {
    /// The defaults.
    pub fn new() -> ConnectOptions {
        ConnectOptions::default()
    }

    fn set(mut self, set: impl FnOnce(&mut Inner)) -> ConnectOptions {
        set(Rc::make_mut(&mut self.inner));
        self
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Whether a connection goes elsewhere than to the address of its host, so that no proxy is asked.
    pub(in crate::http) fn is_elsewhere(&self) -> bool {
        self.inner.unix_socket.is_some()
    }

    /// Whether the user's own code makes the connection or looks the name up.
    pub(in crate::http) fn has_code(&self) -> bool {
        self.inner.connector.is_some() || self.inner.resolver.is_some()
    }

    /// Whether IPv4 addresses may be connected to.
    pub fn ipv4(self, on: bool) -> ConnectOptions {
        self.set(|inner| inner.ipv4 = on)
    }

    /// Whether IPv6 addresses may be connected to.
    pub fn ipv6(self, on: bool) -> ConnectOptions {
        self.set(|inner| inner.ipv6 = on)
    }

    /// The address to connect from, one of this machine's; `None` lets the system choose. Only addresses of the same
    /// family are connected to.
    pub fn local_address(self, address: impl Into<Option<IpAddr>>) -> ConnectOptions {
        self.set(|inner| inner.local_address = address.into())
    }

    /// The network interface to connect through, such as `eth0`.
    #[doc(alias = "SO_BINDTODEVICE")]
    pub fn interface(self, name: impl Into<String>) -> ConnectOptions {
        self.set(|inner| inner.interface = Some(name.into()))
    }

    /// Whether small segments go out at once (`TCP_NODELAY`).
    pub fn nodelay(self, on: bool) -> ConnectOptions {
        self.set(|inner| inner.nodelay = on)
    }

    /// Probes the peer while nothing comes from it, so that a connection to one that has vanished ends;
    /// see [`TcpStream::set_keepalive`](crate::net::TcpStream::set_keepalive).
    #[doc(alias = "SO_KEEPALIVE")]
    pub fn keepalive(self, keepalive: impl Into<Option<Keepalive>>) -> ConnectOptions {
        self.set(|inner| inner.keepalive = keepalive.into())
    }

    /// How long the peer may leave unacknowledged what was sent, so that a connection to one that has vanished ends;
    /// see [`TcpStream::set_user_timeout`](crate::net::TcpStream::set_user_timeout).
    #[doc(alias = "TCP_USER_TIMEOUT")]
    pub fn user_timeout(self, limit: impl Into<Option<Duration>>) -> ConnectOptions {
        self.set(|inner| inner.user_timeout = limit.into())
    }

    /// Connects to the Unix socket at `path`, whatever the host of the URL is. No name is looked up, and no proxy is
    /// asked.
    ///
    /// ```no_run
    /// use eyewall::http::Client;
    ///
    /// # eyewall::block_on(async {
    /// let client = Client::builder().unix_socket("/run/docker.sock").build();
    /// let version = client.get("http://localhost/version").send().await?.text().await?;
    /// # Ok::<(), eyewall::http::Error>(()) })?;
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn unix_socket(self, path: impl AsRef<Path>) -> ConnectOptions {
        self.set(|inner| inner.unix_socket = Some(path.as_ref().into()))
    }

    /// Connects to `addresses` where `host` with `port` is wanted, without looking the name up. A port of 0 stands for
    /// any port, and in an address for the one that is wanted. The last call for a host counts.
    pub fn resolve(
        self,
        host: impl AsRef<str>,
        port: u16,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> ConnectOptions {
        let new = Override {
            host: plain_name(host.as_ref()).into(),
            port,
            addresses: addresses.into_iter().collect(),
        };
        self.set(|inner| {
            (inner.overrides).retain(|known| known.host != new.host || known.port != port);
            inner.overrides.push(new);
        })
    }

    /// Who looks names up.
    pub fn resolver(self, resolver: impl Resolver + 'static) -> ConnectOptions {
        self.set(|inner| inner.resolver = Some(Rc::new(resolver)))
    }

    /// Who makes the connections. No name is looked up then, and what is said here about addresses and sockets does
    /// not count.
    pub fn connector(self, connector: impl Connector + 'static) -> ConnectOptions {
        self.set(|inner| inner.connector = Some(Rc::new(connector)))
    }
}

#[cfg(feature = "__tls")]
impl ConnectOptions {
    pub(in crate::http) fn tls(&self) -> &TlsSettings {
        &self.inner.tls
    }

    /// Everything about TLS, in rustls' own words. What else is said here about TLS does not count then.
    ///
    /// The protocols that it offers (ALPN) should be `http/1.1` or none: nothing else is spoken.
    pub fn tls_config(self, config: Arc<rustls::ClientConfig>) -> ConnectOptions {
        self.set(|inner| inner.tls.change(|wanted| wanted.config = Some(config)))
    }

    /// Trusts these certificates, and not those that the system trusts.
    pub fn ca_certificates(self, pem: Pem) -> ConnectOptions {
        self.set(|inner| inner.tls.change(|wanted| wanted.roots.push(pem)))
    }

    /// Trusts these certificates, too.
    pub fn extra_ca_certificates(self, pem: Pem) -> ConnectOptions {
        self.set(|inner| inner.tls.change(|wanted| wanted.more_roots.push(pem)))
    }

    /// The certificate to show to servers that ask for one, with those between it and a certificate that they trust;
    /// and its private key. Both may be in one file.
    pub fn client_certificate(self, certificates: Pem, key: Pem) -> ConnectOptions {
        self.set(|inner| {
            (inner.tls).change(|wanted| wanted.identity = Some((certificates, key)));
        })
    }

    /// Accepts every certificate: one of somebody else, one that has expired, one that nobody vouches for.
    ///
    /// **Dangerous**: anybody between here and the server can then read and change everything.
    pub fn danger_accept_invalid_certs(self, accept: bool) -> ConnectOptions {
        self.set(|inner| inner.tls.change(|wanted| wanted.accept_invalid = accept))
    }
}

impl Inner {
    /// The addresses that were given for `host`.
    pub(super) fn given(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        if self.overrides.is_empty() {
            return None;
        }
        let host = plain_name(host);
        let mut fitting = self.overrides.iter().filter(|known| *known.host == *host);
        let found = (fitting.clone().find(|known| known.port == port))
            .or_else(|| fitting.find(|known| known.port == 0))?;
        let with_port = |address: &SocketAddr| {
            let mut address = *address;
            if address.port() == 0 {
                address.set_port(port);
            }
            address
        };
        Some(found.addresses.iter().map(with_port).collect())
    }
}

/// A host as it is compared: a name in ASCII and lower case, without a dot at its end, or an address in one of the ways to
/// spell it. A URL spells some IPv6 addresses otherwise than Rust does.
fn plain_name(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return address.to_string();
    }
    // As a URL has it: an international name in ASCII, 127.1 as 127.0.0.1.
    let host =
        Host::parse(host).map_or_else(|_| host.to_ascii_lowercase(), |host| host.to_string());
    host.strip_suffix('.').unwrap_or(&host).into()
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        let mut debug = f.debug_struct("ConnectOptions");
        debug
            .field("ipv4", &inner.ipv4)
            .field("ipv6", &inner.ipv6)
            .field("local_address", &inner.local_address)
            .field("interface", &inner.interface)
            .field("nodelay", &inner.nodelay)
            .field("keepalive", &inner.keepalive)
            .field("user_timeout", &inner.user_timeout)
            .field("unix_socket", &inner.unix_socket)
            .field("overrides", &inner.overrides)
            .field("resolver", &inner.resolver.is_some())
            .field("connector", &inner.connector.is_some());
        #[cfg(feature = "__tls")]
        debug.field("tls", &inner.tls);
        debug.finish()
    }
}
