//! Making a connection.

use std::io;
use std::net::SocketAddr;

use super::options::Inner;
use super::{ConnectOptions, Target, Transport};
use crate::dns;
use crate::http::error::{Error, ErrorKind, Stage};
use crate::http::timings::Timings;
use crate::http::watch::Watch;
use crate::net::{TcpConnector, TcpStream, UnixStream};

/// Connects to `host`, as `options` say. The deadlines are the watch's.
pub(in crate::http) async fn open(
    options: &ConnectOptions,
    host: &str,
    port: u16,
    timings: &mut Timings,
    watch: &Watch,
) -> Result<Transport, Error> {
    let inner = options.inner();
    // Also where no name is resolved: the limit of connecting begins here.
    watch.enter(Stage::Resolve);
    let addresses = match inner.needs_addresses() {
        true => {
            let found = resolve(inner, host, port).await;
            found.map_err(|error| Error::io(ErrorKind::Resolve, error))?
        }
        false => Vec::new(),
    };
    timings.resolved = timings.now();
    watch.enter(Stage::Connect);
    let made: io::Result<Transport> = match (&inner.connector, &inner.unix_socket) {
        (Some(connector), _) => {
            let target = Target {
                host: host.into(),
                port,
            };
            let conduit = connector.connect(target).await;
            conduit.map(|conduit| conduit.into_transport())
        }
        (None, Some(path)) => UnixStream::connect(path).await.map(Transport::from),
        (None, None) => connect(inner, &addresses).await.map(Transport::from),
    };
    let transport = made.map_err(|error| Error::io(ErrorKind::Connect, error))?;
    timings.connected = timings.now();
    Ok(transport)
}

impl Inner {
    fn needs_addresses(&self) -> bool {
        self.connector.is_none() && self.unix_socket.is_none()
    }
}

async fn resolve(inner: &Inner, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Some(given) = inner.given(host, port) {
        return Ok(given);
    }
    match &inner.resolver {
        Some(resolver) if !is_address(host) => {
            let found = resolver.resolve(host.into(), port).await?;
            match found.is_empty() {
                true => Err(io::Error::other(format!(
                    "the resolver knows no address of {host:?}"
                ))),
                false => Ok(found),
            }
        }
        _ => dns::resolve(host, port).await,
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

async fn connect(inner: &Inner, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut connector = TcpConnector::new()
        .ipv4(inner.ipv4)
        .ipv6(inner.ipv6)
        .nodelay(inner.nodelay);
    if let Some(address) = inner.local_address {
        connector = connector.source_address(address);
    }
    if let Some(interface) = &inner.interface {
        connector = connector.interface(interface);
    }
    let stream = connector.connect(addresses).await?;
    if inner.keepalive.is_some() {
        stream.set_keepalive(inner.keepalive)?;
    }
    if inner.user_timeout.is_some() {
        stream.set_user_timeout(inner.user_timeout)?;
    }
    Ok(stream)
}
