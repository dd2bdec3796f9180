//! What comes in on the way of an exchange, and what it means.

use std::io;

use http::HeaderMap;

use super::Sent;
use crate::buf::Chunk;
use crate::http::codec::{Event, Head, ResponseDecoder};
use crate::http::error::{Error, ErrorKind};
use crate::http::timings::Timings;
use crate::http::transport::is_unclean_end;
use crate::http::watch::Watch;

/// What has been received, and what it means.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) decoder: ResponseDecoder,
    /// Received and not yet decoded.
    pub(super) pending: Option<Chunk>,
    /// Received by an upload that was stopped meanwhile, or before the connection is another's.
    pub(super) early: Option<io::Result<Option<Chunk>>>,
    /// Bytes of content so far.
    pub(super) content: u64,
}

/// What comes next in the content of a response.
pub(super) enum Part {
    /// Bytes of it: a view into what was received.
    Data(Chunk),
    /// The fields after a chunked body.
    Trailers(Box<HeaderMap>),
    /// The response is complete.
    End,
    /// More has to be received.
    NeedMore,
}

impl Incoming {
    pub(super) fn new(decoder: ResponseDecoder) -> Incoming {
        Incoming {
            decoder,
            pending: None,
            early: None,
            content: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_none() && self.early.is_none()
    }

    /// Whether a rest of the content, known to be less than `most` bytes, lies here whole.
    pub(super) fn has_rest(&self, most: usize) -> bool {
        let (Some(left), Some(chunk)) = (self.decoder.body_remaining(), &self.pending) else {
            return false;
        };
        left > 0 && left <= chunk.len() as u64 && left < most as u64
    }

    /// Takes in what has been received before the head; the end of the connection is the end of the exchange.
    pub(super) fn take_in(
        &mut self,
        received: io::Result<Option<Chunk>>,
        sent: &mut Sent,
        watch: &Watch,
        timings: &mut Timings,
    ) -> Result<(), Error> {
        match received {
            Ok(Some(chunk)) => {
                watch.received(chunk.len() as u64);
                if timings.first_byte.is_none() {
                    timings.first_byte = timings.at(watch.arrived());
                }
                self.pending = Some(chunk);
                Ok(())
            }
            Ok(None) => {
                let answered = self.decoder.bytes_received() > 0;
                Err(match (self.finish(true), &sent) {
                    (_, Sent::Failed(_)) if !answered => sent.take_error(),
                    (Err(error), _) => error,
                    (Ok(_), _) => Error::new(ErrorKind::EmptyReply),
                })
            }
            Err(error) => {
                let error = self.receive_error(error);
                Err(match sent {
                    // TLS that is broken says more than a send that fails for that.
                    Sent::Failed(_) if !error.is_tls() => sent.take_error(),
                    _ => error,
                })
            }
        }
    }

    /// What an error of receiving means: it may be an end that the framing has to judge.
    pub(super) fn receive_error(&mut self, error: io::Error) -> Error {
        let judged = match is_unclean_end(&error) {
            true => self.finish(false).err(),
            false => None,
        };
        judged.unwrap_or_else(|| Error::io(ErrorKind::Receive, error))
    }

    /// Whether the head of the final response has come, which goes to `answer` then; `interim` is called with each that
    /// comes before it.
    pub(super) fn next_head(
        &mut self,
        answer: &mut Head,
        watch: &Watch,
        mut interim: impl FnMut(&Head),
    ) -> Result<bool, Error> {
        while let Some(chunk) = &self.pending {
            let step = self
                .decoder
                .decode(chunk)
                .map_err(|error| Error::protocol(error, 0))?;
            self.consume(step.consumed);
            match step.event {
                Event::Head(head) => {
                    *answer = head;
                    return Ok(true);
                }
                Event::Informational(head) => {
                    if self.pending.is_none() {
                        watch.received_interim();
                    }
                    interim(&head);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// The next part of the content of what has been received.
    pub(super) fn next_part(&mut self) -> Result<Part, Error> {
        if let Some(left) = self.decoder.body_remaining() {
            return Ok(self.next_of_known(left));
        }
        let input: &[u8] = self.pending.as_deref().unwrap_or_default();
        let content = self.content;
        let step = self
            .decoder
            .decode(input)
            .map_err(|error| Error::protocol(error, content))?;
        let part = match (step.event, &self.pending) {
            (Event::Body(range), Some(chunk)) => {
                self.content += range.len() as u64;
                Part::Data(chunk.slice_ref(range))
            }
            (Event::Trailers(fields), _) => Part::Trailers(Box::new(fields)),
            (Event::End, _) => Part::End,
            _ => Part::NeedMore,
        };
        self.consume(step.consumed);
        Ok(part)
    }

    /// The next part of a body of known length, of which so much is left: what is there of it, without a look.
    fn next_of_known(&mut self, left: u64) -> Part {
        if left == 0 {
            return Part::End;
        }
        let Some(mut chunk) = self.pending.take() else {
            return Part::NeedMore;
        };
        let count = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
        if count < chunk.len() {
            let content = chunk.slice_ref(..count);
            chunk.advance(count);
            self.pending = Some(std::mem::replace(&mut chunk, content));
        }
        self.advance(count);
        Part::Data(chunk)
    }

    /// Drops what has been decoded; a chunk without a rest goes back to the pool.
    fn consume(&mut self, count: usize) {
        if let Some(chunk) = &mut self.pending {
            chunk.advance(count);
            if chunk.is_empty() {
                self.pending = None;
            }
        }
    }

    /// Counts content that did not pass through here.
    pub(super) fn advance(&mut self, count: usize) {
        self.decoder.advance_body(count as u64);
        self.content += count as u64;
    }

    /// The peer has closed; or, if that is not `orderly`, somebody has.
    pub(super) fn finish(&mut self, orderly: bool) -> Result<(), Error> {
        let content = self.content;
        let ended = match orderly {
            true => self.decoder.finish(),
            false => self.decoder.finish_unclean(),
        };
        ended
            .map(drop)
            .map_err(|error| Error::protocol(error, content))
    }
}
