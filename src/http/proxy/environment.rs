//! What the environment says about proxies.
//!
//! `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, or the same in capitals if the small ones are not set.
//! But `HTTP_PROXY` is not looked at where `REQUEST_METHOD` is set: there a CGI program may run, and then the
//! variable is a `Proxy` field of whoever sent the request (httpoxy, CVE-2016-5385).
//!
//! This machine is always reached directly: who sets a proxy for the world does not mean the tests next door.

use super::{BadProxy, NoProxy, Proxies, Proxy, Schemes};

pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Proxies {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let either = |name: &str| set(name).or_else(|| set(&name.to_ascii_uppercase()));
    let bypass = NoProxy::new(&either("no_proxy").unwrap_or_default()).and_loopback();
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
                Ok(proxy) => Ok(proxy.no_proxy(bypass.clone())),
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
