//! The same settings, where a client or a request is put together.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
#[cfg(feature = "__tls")]
use std::sync::Arc;
use std::time::Duration;

use super::{ConnectOptions, Connector, Resolver};
use crate::http::client::ClientBuilder;
use crate::http::request::RequestBuilder;
#[cfg(feature = "__tls")]
use crate::http::tls::{Pem, rustls};
use crate::net::Keepalive;

impl RequestBuilder {
    /// How the connection is made, in place of all that the client says about that. The request shares connections
    /// with others that have clones of the same options, and with no others.
    pub fn connect_options(self, options: &ConnectOptions) -> RequestBuilder {
        self.set(|mine| mine.connect = Some(options.clone()))
    }
}

impl ClientBuilder {
    fn change(self, change: impl FnOnce(ConnectOptions) -> ConnectOptions) -> ClientBuilder {
        self.set(|mine| {
            let options = mine.connect.take().unwrap_or_default();
            mine.connect = Some(change(options));
        })
    }

    /// How connections are made, in place of what was said about that before.
    pub fn connect_options(self, options: ConnectOptions) -> ClientBuilder {
        self.set(|mine| mine.connect = Some(options))
    }

    /// Whether IPv4 addresses may be connected to; see [`ConnectOptions::ipv4`].
    pub fn ipv4(self, on: bool) -> ClientBuilder {
        self.change(|options| options.ipv4(on))
    }

    /// Whether IPv6 addresses may be connected to; see [`ConnectOptions::ipv6`].
    pub fn ipv6(self, on: bool) -> ClientBuilder {
        self.change(|options| options.ipv6(on))
    }

    /// The address to connect from; see [`ConnectOptions::local_address`].
    pub fn local_address(self, address: impl Into<Option<IpAddr>>) -> ClientBuilder {
        self.change(|options| options.local_address(address))
    }

    /// The network interface to connect through; see [`ConnectOptions::interface`].
    pub fn interface(self, name: impl Into<String>) -> ClientBuilder {
        self.change(|options| options.interface(name))
    }

    /// Whether small segments go out at once; see [`ConnectOptions::nodelay`].
    #[doc(alias = "tcp_nodelay")]
    pub fn nodelay(self, on: bool) -> ClientBuilder {
        self.change(|options| options.nodelay(on))
    }

    /// Probes of peers that are silent; see [`ConnectOptions::keepalive`].
    #[doc(alias = "tcp_keepalive")]
    pub fn keepalive(self, keepalive: impl Into<Option<Keepalive>>) -> ClientBuilder {
        self.change(|options| options.keepalive(keepalive))
    }

    /// How long a peer may leave unacknowledged what was sent; see [`ConnectOptions::user_timeout`].
    pub fn user_timeout(self, limit: impl Into<Option<Duration>>) -> ClientBuilder {
        self.change(|options| options.user_timeout(limit))
    }

    /// Connects to a Unix socket; see [`ConnectOptions::unix_socket`].
    pub fn unix_socket(self, path: impl AsRef<Path>) -> ClientBuilder {
        self.change(|options| options.unix_socket(path))
    }

    /// The addresses of one host; see [`ConnectOptions::resolve`].
    #[doc(alias = "resolve_to_addrs")]
    pub fn resolve(
        self,
        host: impl AsRef<str>,
        port: u16,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> ClientBuilder {
        self.change(|options| options.resolve(host, port, addresses))
    }

    /// Who looks names up; see [`ConnectOptions::resolver`].
    #[doc(alias = "dns_resolver")]
    pub fn resolver(self, resolver: impl Resolver + 'static) -> ClientBuilder {
        self.change(|options| options.resolver(resolver))
    }

    /// Who makes the connections; see [`ConnectOptions::connector`].
    pub fn connector(self, connector: impl Connector + 'static) -> ClientBuilder {
        self.change(|options| options.connector(connector))
    }
}

#[cfg(feature = "__tls")]
impl ClientBuilder {
    /// Everything about TLS, in rustls' own words; see [`ConnectOptions::tls_config`].
    #[doc(alias = "use_preconfigured_tls")]
    pub fn tls_config(self, config: Arc<rustls::ClientConfig>) -> ClientBuilder {
        self.change(|options| options.tls_config(config))
    }

    /// Trusts these certificates alone; see [`ConnectOptions::ca_certificates`].
    pub fn ca_certificates(self, pem: Pem) -> ClientBuilder {
        self.change(|options| options.ca_certificates(pem))
    }

    /// Trusts these certificates, too; see [`ConnectOptions::extra_ca_certificates`].
    #[doc(alias = "add_root_certificate")]
    pub fn extra_ca_certificates(self, pem: Pem) -> ClientBuilder {
        self.change(|options| options.extra_ca_certificates(pem))
    }

    /// The certificate of this client; see [`ConnectOptions::client_certificate`].
    #[doc(alias = "identity")]
    pub fn client_certificate(self, certificates: Pem, key: Pem) -> ClientBuilder {
        self.change(|options| options.client_certificate(certificates, key))
    }

    /// Accepts every certificate. **Dangerous**; see [`ConnectOptions::danger_accept_invalid_certs`].
    pub fn danger_accept_invalid_certs(self, accept: bool) -> ClientBuilder {
        self.change(|options| options.danger_accept_invalid_certs(accept))
    }
}
