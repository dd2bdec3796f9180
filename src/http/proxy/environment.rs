//! What the environment says about proxies.
//!
//! `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, or the same in capitals if the small ones are not set.
//! But `HTTP_PROXY` is not looked at where `REQUEST_METHOD` is set: there a CGI program may run, and then the
//! variable is a `Proxy` field of whoever sent the request (httpoxy, CVE-2016-5385).
//!
//! This machine is always reached directly: who sets a proxy for the world does not mean the tests next door.

use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use http::HeaderValue;

use super::{BadProxy, NoProxy, Proxies, Proxy, Schemes};

/// What is said otherwise than there.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Changes {
    /// The value of Proxy-Authorization.
    pub(in crate::http) credentials: Option<HeaderValue>,
    pub(in crate::http) bypass: Option<NoProxy>,
}

impl Changes {
    fn apply(&self, mut proxy: Proxy) -> Proxy {
        if let Some(credentials) = &self.credentials {
            Rc::make_mut(&mut proxy.server).credentials = Some(credentials.clone());
        }
        proxy
    }
}

/// A variable of this process.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| text(value.as_bytes()))
}

/// A value as text. What is no UTF-8 is written as in a URL, and does not make the whole pass for one that is not set: the
/// way past a proxy, or into the trap of a CGI program.
pub(super) fn text(value: &[u8]) -> String {
    let mut text = String::new();
    for chunk in value.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The value of a variable, which says something.
fn set(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.trim().is_empty())
}

fn either(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    set(&variable, name).or_else(|| set(&variable, &name.to_ascii_uppercase()))
}

/// The hosts that are reached without a proxy.
pub(super) fn no_proxy(variable: impl Fn(&str) -> Option<String>) -> NoProxy {
    NoProxy::new(&either(variable, "no_proxy").unwrap_or_default())
}

pub(super) fn read(variable: impl Fn(&str) -> Option<String>, changes: Changes) -> Proxies {
    let set = |name: &str| set(&variable, name);
    let either = |name: &str| either(&variable, name);
    let bypass = changes.bypass.clone();
    let bypass = bypass.unwrap_or_else(|| no_proxy(&variable)).and_loopback();
    let http = match set("REQUEST_METHOD") {
        Some(_) => set("http_proxy"),
        None => either("http_proxy"),
    };
    let settings = [
        ("http_proxy", Schemes::Http, http),
        ("https_proxy", Schemes::Https, either("https_proxy")),
        ("all_proxy", Schemes::All, either("all_proxy")),
    ];
    let mut proxies = Proxies::default();
    for (name, schemes, value) in settings {
        let Some(value) = value else {
            continue;
        };
        proxies
            .proxies
            .push(match Proxy::new(schemes, value.trim()) {
                Ok(proxy) => Ok(changes.apply(proxy).no_proxy(bypass.clone())),
                Err(error) => {
                    let source = std::error::Error::source(&error);
                    let reason = source.map(ToString::to_string).unwrap_or_default();
                    Err(BadProxy {
                        schemes,
                        bypass: bypass.clone(),
                        reason: format!("{name}: {reason}").into(),
                    })
                }
            });
    }
    proxies
}
