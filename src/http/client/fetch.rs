//! The fetch itself: a connection, an exchange on it, and a second try where that is safe.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::Client;
use crate::http::codec::{Head, Limits, RequestKind, ResponseDecoder};
use crate::http::connection::{Connection, Wire};
use crate::http::deadline::Deadline;
use crate::http::error::{Error, ErrorKind, Phase};
use crate::http::origin::Origin;
use crate::http::request::Request;
use crate::http::response::{Response, ResponseBody};
use crate::http::timings::Timings;
use crate::reactor::Core;

impl Client {
    /// Sends a request and gives the response as soon as its head is there.
    pub(in crate::http) async fn fetch(&self, request: Request) -> Result<Response, Error> {
        let url = request.url.clone();
        self.fetch_url(request)
            .await
            .map_err(|error| error.at(&url))
    }

    async fn fetch_url(&self, request: Request) -> Result<Response, Error> {
        let core = Core::current().map_err(|error| Error::io(ErrorKind::Reactor, error))?;
        core.check_open()
            .map_err(|error| Error::io(ErrorKind::Reactor, error))?;
        let settings = &self.inner.settings;
        let mut timings = Timings::new();
        let limit = request.timeout.unwrap_or(settings.timeout);
        let deadline = Deadline::after(timings.start, limit);
        let origin = Origin::of(&request.url)?;
        let wire = self.encode(&request)?;
        let request_size = wire.head.len() as u64;

        let head = deadline.bound(
            Phase::Total,
            self.answer(&request, origin, wire, &mut timings),
        );
        let (connection, decoder, head) = head.await?;
        let body = ResponseBody {
            keep: head.keep_alive && !request.closes(),
            connection: Some(connection),
            decoder,
            pool: Rc::clone(&self.inner.pool),
            deadline,
            limit: request.max_body_size.unwrap_or(settings.max_body_size),
            received: 0,
            trailers: None,
        };
        Response::new(request.url, head, body, timings, request_size)
    }

    /// Gets a connection and exchanges the heads on it. A kept connection that turns out to be dead, before a
    /// byte of response, is tried again once on a fresh one where the method allows it (RFC 9110 section
    /// 9.2.2).
    async fn answer(
        &self,
        request: &Request,
        origin: Origin,
        wire: Wire,
        timings: &mut Timings,
    ) -> Result<(Connection, ResponseDecoder, Head), Error> {
        let kept = poll_fn(|cx| Poll::Ready(self.inner.pool.take(&origin, cx))).await;
        if let Some(mut connection) = kept {
            timings.resolved = timings.now();
            timings.connected = timings.resolved;
            let mut decoder = decoder(request);
            match connection
                .exchange(wire.clone(), &mut decoder, timings)
                .await
            {
                Ok(head) => return Ok((connection, decoder, head)),
                Err(error) if decoder.bytes_received() > 0 || !request.may_repeat() => {
                    return Err(error);
                }
                Err(_) => timings.first_byte = None,
            }
        }
        let mut connection = self.connect(request, origin, timings).await?;
        let mut decoder = decoder(request);
        let head = connection.exchange(wire, &mut decoder, timings).await?;
        Ok((connection, decoder, head))
    }
}

fn decoder(request: &Request) -> ResponseDecoder {
    ResponseDecoder::new(Limits::default(), RequestKind::of(&request.method))
}
