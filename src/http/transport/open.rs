//! Making a connection.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use url::{Host, Url};

use super::options::Inner;
use super::{ConnectOptions, Target, Transport};
use crate::dns;
use crate::http::error::{Error, ErrorKind, Stage};
use crate::http::timings::Timings;
use crate::http::watch::Watch;
use crate::net::{self, Begun, Pending, TcpConnector, TcpStream, UnixStream};
use crate::reactor::Core;

/// What has come of a connection without waiting.
pub(in crate::http) enum Opened {
    /// With the address of the peer.
    Made(Transport, SocketAddr),
    /// The peer has still to answer.
    Waiting(Waiting),
    /// Something has to be asked or done before, or has failed: it is to be made by [`open`] from the start.
    Nothing,
}

/// A connection that has begun, for [`open`] to wait for.
pub(in crate::http) struct Waiting {
    core: Rc<Core>,
    address: SocketAddr,
    pending: Pending,
}

/// Begins to connect to the host of `url` where that is an address, and needs nothing but the connect itself.
pub(in crate::http) fn open_now(options: &ConnectOptions, url: &Url) -> Opened {
    let inner = options.inner();
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.into(),
        _ => return Opened::Nothing,
    };
    if !inner.needs_addresses() || !inner.overrides.is_empty() || inner.changes_streams() {
        return Opened::Nothing;
    }
    let address = SocketAddr::new(ip, url.port_or_known_default().unwrap_or(80));
    let connector = connector(inner);
    let Some(core) = Core::current().ok().filter(|_| connector.allows(&address)) else {
        return Opened::Nothing;
    };
    match connector.begin(&core, address) {
        Ok(Begun::Made(socket, peer)) => Opened::Made(net::halves(&core, socket).into(), peer),
        Ok(Begun::Waiting(pending)) => Opened::Waiting(Waiting {
            core,
            address,
            pending,
        }),
        Err(_) => Opened::Nothing,
    }
}

/// Connects to `host`, as `options` say, or waits for what has `begun`. The deadlines are the watch's.
pub(in crate::http) async fn open(
    options: &ConnectOptions,
    host: &str,
    port: u16,
    begun: Option<Waiting>,
    timings: &mut Timings,
    watch: &Watch,
) -> Result<Transport, Error> {
    let inner = options.inner();
    // Also where no name is resolved: the limit of connecting begins here.
    watch.enter(Stage::Resolve);
    if let Some(Waiting {
        core,
        address,
        pending,
    }) = begun
    {
        timings.resolved = timings.now();
        watch.enter(Stage::Connect);
        let made = pending.made_to(&core, address).await;
        let stream = made.map_err(|error| Error::io(ErrorKind::Connect, error))?;
        timings.connected = timings.now();
        return Ok(stream.into());
    }
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
        (None, None) => connect(inner, addresses).await.map(Transport::from),
    };
    let transport = made.map_err(|error| Error::io(ErrorKind::Connect, error))?;
    timings.connected = timings.now();
    Ok(transport)
}

impl Inner {
    fn needs_addresses(&self) -> bool {
        self.connector.is_none() && self.unix_socket.is_none()
    }

    /// Whether there are settings of a connection to be made once it is there.
    fn changes_streams(&self) -> bool {
        self.keepalive.is_some() || self.user_timeout.is_some()
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

fn connector(inner: &Inner) -> TcpConnector {
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
    connector
}

async fn connect(inner: &Inner, addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let stream = connector(inner).connect(addresses).await?;
    if inner.keepalive.is_some() {
        stream.set_keepalive(inner.keepalive)?;
    }
    if inner.user_timeout.is_some() {
        stream.set_user_timeout(inner.user_timeout)?;
    }
    Ok(stream)
}
