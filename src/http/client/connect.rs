//! Making a connection for a request.

use std::io;
use std::time::Duration;

use url::Url;

use super::Client;
use crate::http::connection::{Connection, Ends};
use crate::http::error::{Error, Stage};
use crate::http::faces::ClientEvent;
use crate::http::hooks::Hooks;
use crate::http::key::Route;
use crate::http::origin::Origin;
use crate::http::request::Request;
use crate::http::timings::Timings;
use crate::http::trace::Trace;
use crate::http::transport::{Opened, Transport, Waiting, open, open_now, tunnel};
use crate::http::watch::Watch;
use crate::net::ConnectError;
use crate::time::sleep;

/// Who finds no descriptor for a connection waits for one, with pauses that double, 0.6 s in all. Each time a kept
/// connection makes room, if there is one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(320);

/// Whether the process or the system has no descriptors left.
fn lacks_descriptors(error: &Error) -> bool {
    let lacks = |error: &io::Error| {
        let code = error.raw_os_error();
        code.is_some_and(|code| matches!(code, libc::EMFILE | libc::ENFILE))
    };
    let Some(error) = error.as_io() else {
        return false;
    };
    let inner = error.get_ref();
    let attempts = inner.and_then(|inner| inner.downcast_ref::<ConnectError>());
    lacks(error)
        || attempts.is_some_and(|error| error.attempts().iter().any(|(_, error)| lacks(error)))
}

impl Client {
    /// Makes a connection to the host of `url`, the way that `route` says, if that takes no waiting. Otherwise what has
    /// begun is for [`connect`](Client::connect).
    pub(super) fn connect_now(
        &self,
        route: &Route<'_>,
        url: &Url,
        timings: &mut Timings,
        hooks: &Hooks,
    ) -> Result<Box<Connection>, Option<Waiting>> {
        // A trace tells of the connect before it begins.
        if route.secure || route.proxy.is_some() || hooks.is_traced() {
            return Err(None);
        }
        let (transport, peer) = match open_now(route.connect, url) {
            Opened::Made(transport, peer) => (transport, peer),
            Opened::Waiting(waiting) => return Err(Some(waiting)),
            Opened::Nothing => return Err(None),
        };
        timings.connected_now();
        let ends = Ends::of(transport.local_addr(), Some(peer));
        Ok(self.connected(Connection::new(transport, ends)))
    }

    /// Makes a connection for `request`, the way that `route` says, or waits for what has `begun`. The deadlines are the
    /// watch's.
    pub(super) async fn connect(
        &self,
        route: &Route<'_>,
        request: &Request,
        mut begun: Option<Waiting>,
        timings: &mut Timings,
        watch: &Watch,
    ) -> Result<Box<Connection>, Error> {
        let origin = Origin::of(&request.url)?;
        let hooks = &request.hooks;
        let (host, port) = match route.proxy {
            Some(proxy) => (&*proxy.host, proxy.port),
            None => (&*origin.host, origin.port),
        };
        hooks.trace(&Trace::Connecting {
            host,
            port,
            proxy: route.proxy.is_some(),
        });
        let mut pause = FIRST_PAUSE;
        let mut transport = loop {
            let opened = open(route.connect, host, port, begun.take(), timings, watch).await;
            match opened {
                Err(error) if pause <= LAST_PAUSE && lacks_descriptors(&error) => {
                    self.inner.pool.make_room();
                    sleep(pause).await;
                    pause *= 2;
                }
                opened => break opened?,
            }
        };
        let (local, peer) = (transport.local_addr(), transport.peer_addr());
        hooks.trace(&Trace::Connected {
            local,
            remote: peer,
        });
        // What fails from here on fails on this connection.
        let ends = Ends::of(local, peer);
        watch.between(ends.clone());
        if route.secure {
            let agent = match route.proxy {
                Some(_) => self.agent_line(request),
                None => Vec::new(),
            };
            transport = secure(transport, route, &origin, &agent, timings, watch, hooks).await?;
        }
        Ok(self.connected(Connection::new(transport, ends)))
    }

    fn connected(&self, connection: Connection) -> Box<Connection> {
        let connection = Box::new(connection);
        let remote = connection.ends().peer();
        self.watchers().tell(&ClientEvent::Connected { remote });
        connection
    }
}

/// Makes TLS with `origin`, which may lie behind a proxy. That one is told the line of the `agent`.
#[cfg(feature = "__tls")]
async fn secure(
    mut transport: Transport,
    route: &Route<'_>,
    origin: &Origin,
    agent: &[u8],
    timings: &mut Timings,
    watch: &Watch,
    hooks: &Hooks,
) -> Result<Transport, Error> {
    use crate::http::error::ErrorKind;
    use crate::http::tls::handshake;

    let mut received = None;
    if let Some(proxy) = route.proxy {
        watch.enter(Stage::Tunnel);
        received = tunnel(&mut transport, proxy, origin, agent, hooks).await?;
    }
    watch.enter(Stage::Tls);
    let config = route.connect.tls().config().await.map_err(|bad| {
        let error = Error::io(ErrorKind::Tls, bad.error);
        match bad.fault {
            Some(fault) => error.with_fault(fault),
            None => error,
        }
    })?;
    let transport = handshake(transport, &config, &origin.host, received, hooks);
    let transport = transport
        .await
        .map_err(|error| Error::io(ErrorKind::Tls, error))?;
    timings.tls = timings.now();
    Ok(transport)
}

/// There is none in this build: such a URL has been refused before.
#[cfg(not(feature = "__tls"))]
async fn secure(
    mut transport: Transport,
    route: &Route<'_>,
    origin: &Origin,
    agent: &[u8],
    _timings: &mut Timings,
    watch: &Watch,
    hooks: &Hooks,
) -> Result<Transport, Error> {
    if let Some(proxy) = route.proxy {
        watch.enter(Stage::Tunnel);
        tunnel(&mut transport, proxy, origin, agent, hooks).await?;
    }
    Err(crate::http::origin::without_tls())
}
