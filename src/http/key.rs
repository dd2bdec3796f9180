//! What two requests must have in common to go over one connection.

use std::rc::Rc;

use super::proxy::ProxyServer;
use super::request::RequestUrl;
use super::transport::ConnectOptions;

/// What a connection is kept under: everything that decides whom it reaches, and as whom.
///
/// A part that is left out here lets a request go out on a connection that was made for another (with another's
/// certificate, proxy credentials or source address); so whatever [`connect`](super::Client) looks at stands
/// here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// TLS to the origin.
    pub(super) secure: bool,
    /// Host and port of who is connected to, as in a URL: lower case, IPv6 in brackets, without the scheme's own
    /// port. For plain HTTP through a proxy, that is the proxy.
    pub(super) authority: Box<str>,
    /// The way there.
    pub(super) proxy: Option<Rc<ProxyServer>>,
    /// How connections are made: from where, by which names, with whose certificates.
    pub(super) connect: ConnectOptions,
}

impl Key {
    /// The proxy that is asked for the whole URL, where that is who is connected to.
    pub(super) fn forwarder(&self) -> Option<&ProxyServer> {
        self.proxy.as_deref().filter(|_| !self.secure)
    }

    /// Whether it is the key of what `wanted` describes.
    pub(super) fn fits(&self, wanted: &Route<'_>) -> bool {
        self.secure == wanted.secure
            && *self.authority == *wanted.authority
            && self.proxy.as_ref() == wanted.proxy
            && self.connect == *wanted.connect
    }
}

/// A key that is still in the request's own words, so that looking it up copies nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'a> {
    pub(super) secure: bool,
    pub(super) authority: &'a str,
    pub(super) proxy: Option<&'a Rc<ProxyServer>>,
    pub(super) connect: &'a ConnectOptions,
}

impl<'a> Route<'a> {
    /// The route to `url`, which is [secure](RequestUrl::is_secure) or not, through `proxy` if there is one.
    pub(super) fn to(
        url: &'a RequestUrl,
        secure: bool,
        proxy: Option<&'a Rc<ProxyServer>>,
        connect: &'a ConnectOptions,
    ) -> Route<'a> {
        Route {
            secure,
            authority: match proxy {
                Some(proxy) if !secure => proxy.authority(),
                _ => url.authority(),
            },
            proxy,
            connect,
        }
    }

    /// The proxy that is asked for the whole URL, where the request goes to one.
    pub(super) fn forwarder(&self) -> Option<&'a ProxyServer> {
        let proxy = self.proxy.filter(|_| !self.secure);
        proxy.map(|proxy| &**proxy)
    }

    pub(super) fn key(&self) -> Key {
        Key {
            secure: self.secure,
            authority: self.authority.into(),
            proxy: self.proxy.cloned(),
            connect: self.connect.clone(),
        }
    }
}
