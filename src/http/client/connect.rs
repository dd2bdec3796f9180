//! Making a connection for a request.

use super::Client;
use crate::dns;
use crate::http::connection::Connection;
use crate::http::error::{Error, ErrorKind, Stage};
use crate::http::faces::ClientEvent;
use crate::http::key::Route;
use crate::http::origin::Origin;
use crate::http::timings::Timings;
use crate::http::watch::Watch;
use crate::net::TcpStream;

impl Client {
    /// Makes a connection to `origin`, the way that `route` says. The deadlines are the watch's.
    pub(super) async fn connect(
        &self,
        route: &Route<'_>,
        origin: Origin,
        timings: &mut Timings,
        watch: &Watch,
    ) -> Result<Connection, Error> {
        watch.enter(Stage::Resolve);
        let (host, port) = match route.proxy {
            Some(proxy) => (&*proxy.host, proxy.port),
            None => (&*origin.host, origin.port),
        };
        let addresses = dns::resolve(host, port)
            .await
            .map_err(|error| Error::io(ErrorKind::Resolve, error))?;
        timings.resolved = timings.now();
        watch.enter(Stage::Connect);
        let stream = TcpStream::connect(&addresses[..])
            .await
            .map_err(|error| Error::io(ErrorKind::Connect, error))?;
        timings.connected = timings.now();
        let connection = Connection::new(stream.into());
        let remote = connection.peer;
        self.watchers().tell(&ClientEvent::Connected { remote });
        Ok(connection)
    }
}
