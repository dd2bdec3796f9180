//! Addresses written as text.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

use super::ResolveError;

/// The address that `host` is; `None` if it is a name.
pub(super) fn parse(host: &str, port: u16) -> io::Result<Option<SocketAddr>> {
    if let Some(inner) = host.strip_prefix('[') {
        let address = match inner.strip_suffix(']') {
            Some(inner) => v6(inner, port)?,
            None => None,
        };
        return match address {
            Some(address) => Ok(Some(address)),
            None => Err(ResolveError::new(host, "there is no IPv6 address in the brackets").into()),
        };
    }
    // As in URLs, an IPv4 address may end with a dot.
    let v4 = host.strip_suffix('.').unwrap_or(host).parse::<Ipv4Addr>();
    match v4 {
        Ok(ip) => Ok(Some(SocketAddr::new(IpAddr::V4(ip), port))),
        Err(_) => v6(host, port),
    }
}

fn v6(host: &str, port: u16) -> io::Result<Option<SocketAddr>> {
    let (ip, zone) = match host.split_once('%') {
        Some((ip, zone)) => (ip, Some(zone)),
        None => (host, None),
    };
    let Ok(ip) = ip.parse::<Ipv6Addr>() else {
        return Ok(None);
    };
    let scope = match zone.map(|zone| (zone, zone.parse())) {
        None => 0,
        Some((_, Ok(scope))) => scope,
        // The name of an interface. getaddrinfo knows its number and, for an address, asks nobody else.
        Some((_, Err(_))) => {
            let found = (host, port)
                .to_socket_addrs()
                .map_err(|_| ResolveError::new(host, "there is no interface of that name"))?;
            return Ok(found.into_iter().next());
        }
    };
    Ok(Some(SocketAddrV6::new(ip, port, 0, scope).into()))
}
