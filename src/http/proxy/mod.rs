//! Proxies: which one a request goes through.
//!
//! | file | job |
//! | --- | --- |
//! | `server.rs` | one proxy |
//! | `bypass.rs` | hosts that need none: the rules of `NO_PROXY` |
//! | `environment.rs` | what the environment says |
//!
//! A proxy is asked for an `http` URL in absolute form, and for a tunnel to the host of an `https` URL.

mod bypass;
mod environment;
mod server;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use url::Url;

pub use self::bypass::NoProxy;
pub(super) use self::environment::Changes;
pub use self::server::Proxy;
pub(super) use self::server::ProxyServer;
use super::error::{Error, ErrorKind};

/// Which proxy is for which URL: the first that fits.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    proxies: Vec<Result<Proxy, BadProxy>>,
}

/// What the environment says and cannot be understood. To go around a proxy for that would be worse than to fail.
#[derive(Clone, Debug)]
struct BadProxy {
    schemes: Schemes,
    bypass: NoProxy,
    reason: Rc<str>,
}

/// The schemes that a proxy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schemes {
    Http,
    Https,
    All,
}

impl Schemes {
    fn contain(self, url: &Url) -> bool {
        match self {
            Schemes::Http => url.scheme() == "http",
            Schemes::Https => url.scheme() == "https",
            Schemes::All => true,
        }
    }
}

impl Proxies {
    /// What the environment of this process says, but for `changes`.
    pub(super) fn of_environment(changes: Changes) -> Proxies {
        environment::read(environment::variable, changes)
    }

    /// What an environment with these variables says.
    #[cfg(fuzzing)]
    pub(super) fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Proxies {
        environment::read(variable, Changes::default())
    }

    pub(super) fn add(&mut self, proxy: Proxy) {
        self.proxies.push(Ok(proxy));
    }

    /// The proxy for `url`.
    pub(super) fn of(&self, url: &Url) -> Result<Option<&Rc<ProxyServer>>, Error> {
        for proxy in &self.proxies {
            let (schemes, bypass) = match proxy {
                Ok(proxy) => (proxy.schemes, &proxy.bypass),
                Err(bad) => (bad.schemes, &bad.bypass),
            };
            if !schemes.contain(url) || bypass.covers(url) {
                continue;
            }
            return match proxy {
                Ok(proxy) => Ok(Some(&proxy.server)),
                Err(bad) => Err(Error::boxed(ErrorKind::Proxy, &*bad.reason)),
            };
        }
        Ok(None)
    }
}
