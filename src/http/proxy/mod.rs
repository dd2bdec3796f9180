//! Proxies: which one a request goes through.

use std::fmt;
use std::rc::Rc;

use http::HeaderValue;
use url::Url;

/// A proxy that a request goes through.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ProxyServer {
    /// As in a URL.
    authority: Box<str>,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// The value of Proxy-Authorization.
    pub(super) credentials: Option<HeaderValue>,
}

impl ProxyServer {
    pub(super) fn authority(&self) -> &str {
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

/// Which proxy is for which URL.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    all: Option<Rc<ProxyServer>>,
}

impl Proxies {
    pub(super) fn of(&self, _url: &Url) -> Option<&Rc<ProxyServer>> {
        self.all.as_ref()
    }
}
