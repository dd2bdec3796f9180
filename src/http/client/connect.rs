//! Making a connection for a request.

use std::time::Instant;

use super::Client;
use crate::dns;
use crate::http::connection::Connection;
use crate::http::deadline::Deadline;
use crate::http::error::{Error, ErrorKind, Phase};
use crate::http::origin::Origin;
use crate::http::request::Request;
use crate::http::timings::Timings;
use crate::net::TcpStream;

impl Client {
    pub(super) async fn connect(
        &self,
        request: &Request,
        origin: Origin,
        timings: &mut Timings,
    ) -> Result<Connection, Error> {
        let limit = request
            .connect_timeout
            .unwrap_or(self.inner.settings.connect_timeout);
        let connecting = async {
            let addresses = dns::resolve(&origin.host, origin.port)
                .await
                .map_err(|error| Error::io(ErrorKind::Resolve, error))?;
            timings.resolved = timings.now();
            TcpStream::connect(&addresses[..])
                .await
                .map_err(|error| Error::io(ErrorKind::Connect, error))
        };
        let stream = Deadline::after(Instant::now(), limit)
            .bound(Phase::Connect, connecting)
            .await?;
        timings.connected = timings.now();
        Ok(Connection::new(stream, origin))
    }
}
