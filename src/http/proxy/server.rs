//! One proxy.

use std::fmt;
use std::rc::Rc;

use http::HeaderValue;
use url::Url;

use super::{NoProxy, Schemes};
use crate::http::auth;
use crate::http::error::{Error, ErrorKind};

/// An HTTP proxy, and which requests go through it.
///
/// ```
/// use eyewall::http::{Client, Proxy};
///
/// let proxy = Proxy::all("http://proxy.example:3128")?
///     .basic_auth("user", "secret")
///     .no_proxy("localhost, .internal.example, 10.0.0.0/8");
/// let client = Client::builder().proxy(proxy).build();
/// # Ok::<(), eyewall::http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Proxy {
    pub(super) schemes: Schemes,
    pub(super) server: Rc<ProxyServer>,
    pub(super) bypass: NoProxy,
}

impl Proxy {
    /// A proxy for `http` URLs.
    ///
    /// # Errors
    ///
    /// As [`all`](Proxy::all).
    pub fn http(url: impl AsRef<str>) -> Result<Proxy, Error> {
        Proxy::new(Schemes::Http, url.as_ref())
    }

    /// A proxy for `https` URLs.
    ///
    /// # Errors
    ///
    /// As [`all`](Proxy::all).
    pub fn https(url: impl AsRef<str>) -> Result<Proxy, Error> {
        Proxy::new(Schemes::Https, url.as_ref())
    }

    /// A proxy for all URLs. A user name and password in `url` are sent to the proxy, and to nobody else. One
    /// without a scheme is taken as `http://`; the port is 80 if it says none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Proxy`] if the URL cannot be read, or its scheme is not `http`: TLS to the proxy itself and
    /// SOCKS are not supported.
    pub fn all(url: impl AsRef<str>) -> Result<Proxy, Error> {
        Proxy::new(Schemes::All, url.as_ref())
    }

    pub(super) fn new(schemes: Schemes, url: &str) -> Result<Proxy, Error> {
        Ok(Proxy {
            schemes,
            server: Rc::new(ProxyServer::new(url)?),
            bypass: NoProxy::default(),
        })
    }

    /// The user name and password for the proxy, by the `Basic` scheme. A user name has no colon: the proxy takes what is
    /// behind that for the password (RFC 7617, 2).
    pub fn basic_auth(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> Proxy {
        let (user, password) = (user.as_ref().as_bytes(), password.as_ref().as_bytes());
        Rc::make_mut(&mut self.server).credentials = Some(auth::basic(user, password));
        self
    }

    #[cfg(fuzzing)]
    pub(in crate::http) fn server(&self) -> &ProxyServer {
        &self.server
    }

    /// Hosts that are reached without this proxy.
    pub fn no_proxy(mut self, hosts: impl Into<NoProxy>) -> Proxy {
        self.bypass = hosts.into();
        self
    }
}

/// Whom to connect to, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::http) struct ProxyServer {
    /// As in a URL.
    authority: Box<str>,
    /// An IPv6 address without its brackets.
    pub(in crate::http) host: Box<str>,
    pub(in crate::http) port: u16,
    /// The value of Proxy-Authorization.
    pub(in crate::http) credentials: Option<HeaderValue>,
}

impl ProxyServer {
    fn new(text: &str) -> Result<ProxyServer, Error> {
        let parsed = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let mut url = parsed.map_err(|error| {
            let reason = format!("the proxy's URL cannot be read: {error}");
            Error::boxed(ErrorKind::Proxy, reason)
        })?;
        if url.scheme() != "http" {
            let reason = format!(
                "a proxy is reached by http, not by {}: TLS to the proxy itself and SOCKS are not supported",
                url.scheme()
            );
            return Err(Error::boxed(ErrorKind::Proxy, reason));
        }
        let credentials = auth::take_userinfo(&mut url);
        // An http URL has a host.
        let host = url.host_str().unwrap_or_default();
        Ok(ProxyServer {
            authority: url[url::Position::BeforeHost..url::Position::AfterPort].into(),
            host: host.trim_matches(['[', ']']).into(),
            port: url.port_or_known_default().unwrap_or(80),
            credentials,
        })
    }

    pub(in crate::http) fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyServer")
            .field("authority", &self.authority)
            .field("credentials", &self.credentials.is_some())
            .finish()
    }
}
