//! Any environment and any URL: which proxy it goes through, beside a model of the rules of `NO_PROXY`.

use std::net::IpAddr;

use eyewall::http::fuzzing;
use eyewall::http::{ErrorKind, Url};
use url::Host;

use crate::recipe::Recipe;

/// Makes an environment and a URL of `data`.
///
/// # Panics
///
/// If a host is exempted that no rule names, or the other way round.
pub fn run(data: &[u8]) {
    let mut recipe = Recipe::new(data);
    let url = recipe.text(&[
        "http://example.org/",
        "https://www.example.org:8443/",
        "http://10.1.2.3:81/",
        "http://[fd00::1]/",
        "http://localhost/",
        "http://[::ffff:10.0.0.1]/",
    ]);
    let Ok(url) = Url::parse(&url) else {
        return;
    };
    if !matches!(url.scheme(), "http" | "https") {
        return;
    }
    let proxy = recipe.text(&["http://proxy.example:3128", "socks5://proxy.example"]);
    let list = String::from_utf8_lossy(recipe.rest());
    check(&url, &proxy, &list);
}

fn check(url: &Url, proxy: &str, list: &str) {
    let variables = [("all_proxy", proxy), ("no_proxy", list)];
    let seen = fuzzing::proxy_of(&variables, url);
    let exempt = is_this_machine(url) || entries(list).any(|entry| covers(entry, url));
    match seen {
        _ if proxy.trim().is_empty() => assert!(matches!(seen, Ok(None))),
        Ok(None) => assert!(exempt, "{list:?} does not name {url}"),
        Ok(Some(authority)) => {
            assert!(!exempt, "{list:?} names {url}");
            assert!(
                !authority.contains(['/', '@', '?', '#', ' ']),
                "{authority}"
            );
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Proxy);
            assert!(!exempt, "{list:?} names {url}");
        }
    }
    // Rules only add to each other, whatever their order and their spelling.
    let turned: Vec<&str> = entries(list)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let turned = turned.join(" , ").to_ascii_uppercase();
    let again = fuzzing::proxy_of(&[("ALL_PROXY", proxy), ("NO_PROXY", &turned)], url);
    match (fuzzing::proxy_of(&variables, url), again) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "{list:?} and {turned:?} for {url}"),
        (Err(_), Err(_)) => {}
        (one, other) => panic!("{one:?} and {other:?}: {list:?} and {turned:?} for {url}"),
    }
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(|c: char| c == ',' || c.is_ascii_whitespace())
        .filter(|entry| !entry.is_empty())
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = format!(".{}", name.trim_end_matches('.'));
            name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.octets()[0] == 127,
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.octets()[0] == 127,
            None => u128::from(address) == 1,
        },
        None => false,
    }
}

/// Whether an entry names the host of a URL: by port, then by what its name can be read as.
fn covers(entry: &str, url: &Url) -> bool {
    // An IPv6 address without brackets is all colons, so that a port is looked for only in what is none.
    if let Some(net) = Net::read(entry) {
        return net.holds(url);
    }
    let (name, port) = match entry.rfind(':') {
        Some(at) => (&entry[..at], Some(&entry[at + 1..])),
        None => (entry, None),
    };
    if let Some(port) = port {
        let Ok(port) = port.parse::<u16>() else {
            return false;
        };
        if url.port_or_known_default() != Some(port) {
            return false;
        }
    }
    if let Some(net) = Net::read(name) {
        return net.holds(url);
    }
    if name == "*" {
        return true;
    }
    let domain = name
        .strip_prefix('*')
        .unwrap_or(name)
        .trim_matches('.')
        .to_ascii_lowercase();
    if domain.is_empty() || domain.contains('*') || domain.contains('/') {
        return false;
    }
    match url.host() {
        Some(Host::Domain(host)) => {
            let host = host.trim_end_matches('.');
            host == domain || host.ends_with(&format!(".{domain}"))
        }
        _ => false,
    }
}

/// Addresses with their first bits in common, as text of bits.
struct Net {
    prefix: String,
}

impl Net {
    fn read(text: &str) -> Option<Net> {
        let (address, len) = match text.find('/') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let bare = match address.starts_with('[') && address.ends_with(']') && address.len() > 1 {
            true => &address[1..address.len() - 1],
            false => address,
        };
        let address: IpAddr = bare.parse().ok()?;
        let mut bits = bits(address);
        if let Some(len) = len {
            let mut len = len.parse::<u8>().ok()?;
            if address != address.to_canonical() {
                // What marks the address as one of IPv4.
                len = len.checked_sub(96)?;
            }
            // The letter before the bits says which kind of address it is.
            if usize::from(len) >= bits.len() {
                return None;
            }
            bits.truncate(1 + usize::from(len));
        }
        Some(Net { prefix: bits })
    }

    fn holds(&self, url: &Url) -> bool {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return false,
        };
        bits(address).starts_with(&self.prefix)
    }
}

fn bits(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("4{:032b}", u32::from(address)),
        IpAddr::V6(address) => format!("6{:0128b}", u128::from(address)),
    }
}
