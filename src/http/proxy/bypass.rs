//! Hosts that are reached without a proxy.

use std::net::IpAddr;

use url::{Host, Url};

use super::environment;

/// A list of hosts that are reached without a proxy, in the words of the variable `NO_PROXY`: separated by commas
/// or white space, each of them
///
/// - a name, which stands for its subdomains too; a leading `.` or `*.` changes nothing about that, nor whether an
///   international one is in ASCII (`xn--...`);
/// - an IP address, or a range of them in CIDR notation (`10.0.0.0/8`, `fd00::/8`);
/// - either with a port (`example.org:8080`, `[::1]:8080`), for that port only;
/// - `*` for all.
///
/// What is none of these fits nothing. Names are not resolved to compare addresses.
///
/// ```
/// use eyewall::http::{Client, NoProxy, Proxy};
///
/// let inside = NoProxy::new("internal.example, 10.0.0.0/8");
/// let proxy = Proxy::all("http://proxy.example:3128")?.no_proxy(inside);
/// let client = Client::builder().proxy(proxy).build();
/// # Ok::<(), eyewall::http::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy {
    rules: Vec<Rule>,
    /// This machine, by whatever name.
    loopback: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// Lower case, without dots at either end.
    Domain(Box<str>),
    Net(IpAddr, u8),
}

impl NoProxy {
    /// The rules in `list`.
    pub fn new(list: &str) -> NoProxy {
        let entries = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
        NoProxy {
            rules: entries.filter_map(Rule::new).collect(),
            loopback: false,
        }
    }

    /// The rules in the variable `no_proxy`, or, if that is not set, `NO_PROXY`: for a [`Proxy`](crate::http::Proxy) of
    /// one's own, since those of the environment keep to it anyway.
    ///
    /// ```
    /// use eyewall::http::{Client, NoProxy, Proxy};
    ///
    /// let proxy = Proxy::all("http://proxy.example:3128")?.no_proxy(NoProxy::of_environment());
    /// let client = Client::builder().proxy(proxy).build();
    /// # Ok::<(), eyewall::http::Error>(())
    /// ```
    pub fn of_environment() -> NoProxy {
        environment::no_proxy(environment::variable)
    }

    /// These, and the addresses and names of this machine.
    pub(super) fn and_loopback(mut self) -> NoProxy {
        self.loopback = true;
        self
    }

    pub(super) fn covers(&self, url: &Url) -> bool {
        (self.loopback && is_loopback(url)) || self.rules.iter().any(|rule| rule.covers(url))
    }
}

impl From<&str> for NoProxy {
    fn from(list: &str) -> NoProxy {
        NoProxy::new(list)
    }
}

/// Whether the host is this machine, as far as its name says.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

impl Rule {
    fn new(entry: &str) -> Option<Rule> {
        if entry.is_empty() {
            return None;
        }
        if let Some(hosts) = Hosts::address(entry) {
            return Some(Rule { hosts, port: None });
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let hosts = Hosts::address(name).or_else(|| Hosts::name(name))?;
        Some(Rule { hosts, port })
    }

    fn covers(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        (self.port.is_none() || self.port == port) && self.hosts.cover(url)
    }
}

impl Hosts {
    fn address(text: &str) -> Option<Hosts> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(address);
        let written: IpAddr = address.parse().ok()?;
        let address = written.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let Some(prefix) = prefix else {
            return Some(Hosts::Net(address, longest));
        };
        let prefix: u8 = prefix.parse().ok()?;
        // An IPv4 address that is written as one of IPv6 has 96 bits before its own.
        let prefix = match written.is_ipv6() && address.is_ipv4() {
            true => prefix.checked_sub(96)?,
            false => prefix,
        };
        (prefix <= longest).then_some(Hosts::Net(address, prefix))
    }

    fn name(text: &str) -> Option<Hosts> {
        if text == "*" {
            return Some(Hosts::All);
        }
        let name = text.strip_prefix('*').unwrap_or(text);
        let name = name.trim_matches('.').to_ascii_lowercase();
        if name.is_empty() || name.contains(['/', '*']) {
            return None;
        }
        // URLs have their names in ASCII.
        match name.is_ascii() {
            true => Some(Hosts::Domain(name.into())),
            false => match Host::parse(&name) {
                Ok(Host::Domain(name)) => Some(Hosts::Domain(name.into())),
                _ => None,
            },
        }
    }

    fn cover(&self, url: &Url) -> bool {
        match (self, url.host()) {
            (Hosts::All, _) => true,
            (Hosts::Domain(domain), Some(Host::Domain(name))) => {
                let name = name.trim_end_matches('.');
                name.strip_suffix(&**domain)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Hosts::Net(net, prefix), Some(Host::Ipv4(address))) => {
                within(IpAddr::V4(address), *net, *prefix)
            }
            (Hosts::Net(net, prefix), Some(Host::Ipv6(address))) => {
                within(IpAddr::V6(address).to_canonical(), *net, *prefix)
            }
            _ => false,
        }
    }
}

/// Whether two addresses have their first `prefix` bits in common.
fn within(address: IpAddr, net: IpAddr, prefix: u8) -> bool {
    let (differing, bits) = match (address, net) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits() ^ other.to_bits()), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits(), 128),
        _ => return false,
    };
    differing.checked_shr(bits - u32::from(prefix)).unwrap_or(0) == 0
}
