//! One connection, and one exchange on it.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::codec::{Event, Head, ResponseDecoder};
use super::error::{Error, ErrorKind, Stage};
use super::pool::Stir;
use super::timings::Timings;
use super::watch::Watch;
use crate::buf::Chunk;
use crate::net::TcpStream;

/// A connection to an origin, between or in exchanges.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    /// It has carried an exchange before.
    pub(super) reused: bool,
    /// Its waker while it is idle, once it has been.
    pub(super) stir: Option<Arc<Stir>>,
    /// Received and not yet decoded.
    pub(super) pending: Option<Chunk>,
}

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) head: Bytes,
    pub(super) body: Option<Bytes>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Connection {
        Connection {
            local: stream.local_addr().ok(),
            peer: stream.peer_addr().ok(),
            stream,
            reused: false,
            stir: None,
            pending: None,
        }
    }

    /// Sends a request and receives until the head of the final response is there.
    ///
    /// The receive is armed before the request is sent, so that an early response is seen, also when the
    /// peer then takes no more of the request. What is not yet sent when the head comes goes on being sent.
    pub(super) async fn exchange(
        &mut self,
        wire: Wire,
        decoder: &mut ResponseDecoder,
        timings: &mut Timings,
        watch: &Watch,
    ) -> Result<Head, Error> {
        timings.sending = timings.now();
        watch.enter(Stage::Send);
        let size = wire.head.len() + wire.body.as_ref().map_or(0, Bytes::len);
        let (recv, send) = self.stream.split();
        let mut sending = pin!(async move {
            match wire.body.filter(|body| !body.is_empty()) {
                Some(body) => send.send_vectored(vec![wire.head, body]).await.0,
                None => send.send_all(wire.head).await.0,
            }
        });
        let mut sent: Option<io::Result<()>> = None;
        loop {
            let received = poll_fn(|cx| {
                let received = recv.poll_recv_chunk(cx);
                // A peer that takes no more may have answered: an error here does not end the receiving.
                if sent.is_none()
                    && let Poll::Ready(result) = sending.as_mut().poll(cx)
                {
                    if result.is_ok() {
                        watch.sent(size as u64);
                        watch.sent_all();
                    }
                    sent = Some(result);
                }
                received
            })
            .await;
            let chunk = match received {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    return Err(match (decoder.finish(), sent) {
                        (_, Some(Err(error))) if decoder.bytes_received() == 0 => {
                            Error::io(ErrorKind::Send, error)
                        }
                        (Err(error), _) => Error::protocol(error, 0),
                        (Ok(_), _) => Error::new(ErrorKind::EmptyReply),
                    });
                }
                Err(error) => {
                    return Err(match sent {
                        Some(Err(error)) => Error::io(ErrorKind::Send, error),
                        _ => Error::io(ErrorKind::Receive, error),
                    });
                }
            };
            watch.received(chunk.len() as u64);
            if timings.first_byte.is_none() {
                timings.first_byte = timings.now();
            }
            self.pending = Some(chunk);
            while let Some(event) = decode(&mut self.pending, decoder)? {
                if let Event::Head(head) = event {
                    return Ok(head);
                }
            }
        }
    }

    /// Whether the reactor that runs here is the one that it belongs to.
    pub(super) fn is_current(&self) -> bool {
        self.stream.is_current()
    }

    /// Whether the request has been sent to its end, and nothing beyond the response has come.
    pub(super) fn is_clean(&mut self) -> bool {
        self.pending.is_none() && self.stream.split().1.is_settled()
    }

    /// Whether the connection can carry another exchange: the peer has neither closed it nor sent anything.
    /// The waker is woken when that changes.
    pub(super) fn poll_alive(&mut self, cx: &mut Context<'_>) -> bool {
        self.pending.is_none() && self.stream.split().0.poll_recv_chunk(cx).is_pending()
    }
}

/// Decodes the next event of what has been received; `None` when more is needed.
///
/// Body events are not for this: their range refers to the chunk before it is advanced; see [`body`].
fn decode(
    pending: &mut Option<Chunk>,
    decoder: &mut ResponseDecoder,
) -> Result<Option<Event>, Error> {
    let Some(chunk) = pending else {
        return Ok(None);
    };
    let step = decoder
        .decode(chunk)
        .map_err(|error| Error::protocol(error, 0))?;
    consume(pending, step.consumed);
    Ok(match step.event {
        Event::NeedMore => None,
        event => Some(event),
    })
}

/// What comes next in the body of a response.
pub(super) enum Part {
    /// Bytes of the body: a view into what was received.
    Data(Chunk),
    /// The fields after a chunked body.
    Trailers(http::HeaderMap),
    /// The response is complete.
    End,
    /// More has to be received.
    NeedMore,
}

/// Decodes the next part of a body from what has been received.
pub(super) fn body(
    pending: &mut Option<Chunk>,
    decoder: &mut ResponseDecoder,
    so_far: u64,
) -> Result<Part, Error> {
    let input: &[u8] = pending.as_deref().unwrap_or_default();
    let step = decoder
        .decode(input)
        .map_err(|error| Error::protocol(error, so_far))?;
    let part = match step.event {
        Event::Body(range) => match pending {
            Some(chunk) => Part::Data(chunk.slice_ref(range)),
            None => Part::NeedMore,
        },
        Event::Trailers(fields) => Part::Trailers(fields),
        Event::End => Part::End,
        Event::NeedMore | Event::Informational(_) | Event::Head(_) => Part::NeedMore,
    };
    consume(pending, step.consumed);
    Ok(part)
}

/// Drops what has been decoded; a chunk without a rest goes back to the pool.
fn consume(pending: &mut Option<Chunk>, count: usize) {
    if let Some(chunk) = pending {
        chunk.advance(count);
        if chunk.is_empty() {
            *pending = None;
        }
    }
}
