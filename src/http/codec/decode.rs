//! Decodes the response to one request, from whatever pieces it comes in.

use std::mem;

use super::chunked::Chunked;
use super::head::{self, Rules};
use super::headers::MAX_FIELDS;
use super::scan::EmptyLine;
use super::{Event, Framing, Head, Limits, ProtocolError, RequestKind, Step};

/// How many bytes an empty line has. It ends every chunked body, so that there is no bound below it.
const EMPTY_LINE: usize = 2;

/// Where in the response the decoding stands.
#[derive(Debug)]
enum State {
    /// Before or in a head.
    Head,
    /// In a body of known length.
    Length { left: u64, expected: u64 },
    /// In a chunked body.
    Chunked(Chunked),
    /// In a body that ends when the peer closes.
    UntilClose,
    /// After the response.
    Complete,
    /// After an error.
    Failed(ProtocolError),
}

/// Decodes the response to one request.
///
/// Feed it what has been received with [`decode`](Self::decode), step by step, until it gives
/// [`Event::NeedMore`] (receive again) or [`Event::End`]; tell it with [`finish`](Self::finish) that the
/// peer has closed. However the bytes are cut into pieces, the same events come out, apart from where a
/// [`Event::Body`] is divided. An error stays: every later call gives it again.
#[derive(Debug)]
pub struct ResponseDecoder {
    state: State,
    rules: Rules,
    /// Bytes consumed in this exchange.
    received: u64,
    /// Bytes of the heads (and of blank lines) that are done with.
    head_bytes: usize,
    /// Interim responses so far.
    informational: usize,
    /// A CR has come where a head may begin, and its LF has not.
    blank_cr: bool,
    /// The part of the present head that came in earlier inputs.
    gathered: Vec<u8>,
    /// The search for its end.
    head_end: EmptyLine,
}

impl ResponseDecoder {
    /// A decoder for the response to one request.
    pub fn new(mut limits: Limits, request: RequestKind) -> Self {
        limits.head_bytes = limits.head_bytes.min(u32::MAX as usize);
        limits.fields = limits.fields.min(MAX_FIELDS);
        limits.trailer_fields = limits.trailer_fields.min(MAX_FIELDS);
        limits.trailer_bytes = limits.trailer_bytes.clamp(EMPTY_LINE, u32::MAX as usize);
        ResponseDecoder {
            state: State::Head,
            rules: Rules {
                limits,
                request,
                strict: false,
            },
            received: 0,
            head_bytes: 0,
            informational: 0,
            blank_cr: false,
            gathered: Vec::new(),
            head_end: EmptyLine::new(),
        }
    }

    /// Refuses what is tolerated otherwise: a bare LF at the end of a head's line, and a 204 response that
    /// announces content.
    #[inline]
    pub fn strict(mut self, strict: bool) -> Self {
        self.rules.strict = strict;
        self
    }

    /// Looks at `input`, which goes on where the last step's `consumed` ended, and gives the next event.
    ///
    /// # Errors
    ///
    /// What the peer did wrong. The connection has to be closed.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        match &mut self.state {
            State::Head => self.decode_head(input),
            State::Length { left: 0, .. } | State::Complete => Ok(step(0, Event::End)),
            State::Length { left, .. } => {
                let len = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= len as u64;
                Ok(self.body(len))
            }
            State::Chunked(chunked) => {
                let result = chunked.step(input, &self.rules.limits);
                self.note(result)
            }
            State::UntilClose => Ok(self.body(input.len())),
            State::Failed(error) => Err(*error),
        }
    }

    /// Tells that the peer has closed and every received byte has been decoded. Gives [`Event::End`] if the
    /// response is complete.
    ///
    /// Over TLS, call this for an orderly end (close_notify) only, and
    /// [`finish_unclean`](Self::finish_unclean) for any other.
    ///
    /// # Errors
    ///
    /// Where the response was cut off.
    pub fn finish(&mut self) -> Result<Event, ProtocolError> {
        self.end(true)
    }

    /// Tells that the connection has ended in a way that anyone between here and the peer may have brought
    /// about, as a TLS connection does without close_notify. A response whose framing says that it is complete
    /// is that; one that ends with the connection may have been cut off.
    ///
    /// # Errors
    ///
    /// Where the response was cut off, or may have been.
    pub fn finish_unclean(&mut self) -> Result<Event, ProtocolError> {
        self.end(false)
    }

    fn end(&mut self, orderly: bool) -> Result<Event, ProtocolError> {
        let received = self.received;
        let error = match &self.state {
            State::Complete | State::Length { left: 0, .. } => return Ok(Event::End),
            State::UntilClose if orderly => {
                self.state = State::Complete;
                return Ok(Event::End);
            }
            State::UntilClose => ProtocolError::EofUnclean {
                received: received - self.head_bytes as u64,
            },
            State::Chunked(chunked) if chunked.is_complete() => return Ok(Event::End),
            State::Head if received == 0 => ProtocolError::EofBeforeResponse,
            State::Head => ProtocolError::EofInHead { received },
            State::Length { left, expected } => ProtocolError::EofInBody {
                received: expected - left,
                expected: *expected,
            },
            State::Chunked(chunked) => chunked.eof(),
            State::Failed(error) => *error,
        };
        self.state = State::Failed(error);
        Err(error)
    }

    /// How many bytes of this exchange have been consumed: heads, framing and content. Zero means that the
    /// peer has not answered at all.
    pub fn bytes_received(&self) -> u64 {
        self.received
    }

    /// Whether the last byte of the response has been consumed. What follows does not belong to it.
    pub fn is_complete(&self) -> bool {
        match &self.state {
            State::Complete | State::Length { left: 0, .. } => true,
            State::Chunked(chunked) => chunked.is_complete(),
            _ => false,
        }
    }

    /// What is left of a body of known length. `None` before the head and with every other framing.
    ///
    /// A caller that wants the whole body may receive this many bytes straight into its final buffer, and
    /// tell how many came with [`advance_body`](Self::advance_body).
    pub fn body_remaining(&self) -> Option<u64> {
        match self.state {
            State::Length { left, .. } => Some(left),
            _ => None,
        }
    }

    /// Counts `bytes` of the body that the caller has received by itself.
    ///
    /// # Panics
    ///
    /// If they are more than [`body_remaining`](Self::body_remaining).
    pub fn advance_body(&mut self, bytes: u64) {
        let left = match &mut self.state {
            State::Length { left, .. } if *left >= bytes => left,
            _ => panic!("advance_body({bytes}) goes beyond a body of known length"),
        };
        *left -= bytes;
        self.received += bytes;
    }

    /// The step for `len` bytes of content at the front of the input.
    #[inline]
    fn body(&mut self, len: usize) -> Step {
        self.received += len as u64;
        match len {
            0 => step(0, Event::NeedMore),
            _ => step(len, Event::Body(0..len)),
        }
    }

    /// Counts what a step has consumed, and stays with its error.
    #[inline]
    fn note(&mut self, result: Result<Step, ProtocolError>) -> Result<Step, ProtocolError> {
        match &result {
            Ok(step) => self.received += step.consumed as u64,
            Err(error) => self.state = State::Failed(*error),
        }
        result
    }

    /// Apart from [`decode`](Self::decode), whose other steps do not need so much of the stack.
    #[inline(never)]
    fn decode_head(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        let result = self.try_head(input);
        self.note(result)
    }

    #[inline]
    fn try_head(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        let mut start = 0;
        if self.gathered.is_empty() {
            if self.blank_cr || input.first() != Some(&b'H') {
                start = self.skip_blank_lines(input)?;
            }
            let rest = &input[start..];
            let room = self.head_room();
            if let Some(parsed) = head::parse_in_place(rest, room, &self.rules) {
                let (head, len) = parsed?;
                let informational = self.enter(&head, len)?;
                return Ok(head_step(start + len, head, informational));
            }
        }
        self.gather_head(input, start)
    }

    /// The longer way: a head that comes in pieces, or one that is not plainly right. What is in `input`
    /// from `start` on goes on with it.
    #[cold]
    fn gather_head(&mut self, input: &[u8], start: usize) -> Result<Step, ProtocolError> {
        let rest = &input[start..];
        let room = self.head_room();
        head::check_version(self.gathered.len(), &rest[..rest.len().min(room)])?;
        let end = self.head_end.find(rest);
        let len = end.unwrap_or(rest.len());
        if len > room {
            return Err(ProtocolError::HeadTooLarge {
                limit: self.rules.limits.head_bytes,
            });
        }
        if end.is_none() {
            self.gathered.extend_from_slice(rest);
            return Ok(step(input.len(), Event::NeedMore));
        }
        let head_len = self.gathered.len() + len;
        let head = if self.gathered.is_empty() {
            head::parse(&rest[..len], &self.rules)?
        } else {
            self.gathered.extend_from_slice(&rest[..len]);
            head::parse(&mem::take(&mut self.gathered), &self.rules)?
        };
        let informational = self.enter(&head, head_len)?;
        Ok(head_step(start + len, head, informational))
    }

    /// Skips empty lines before a status line. Some servers send one after the content of the response
    /// before.
    fn skip_blank_lines(&mut self, input: &[u8]) -> Result<usize, ProtocolError> {
        for (pos, &byte) in input.iter().enumerate() {
            match (self.blank_cr, byte) {
                (false, b'\r') => self.blank_cr = true,
                (true, b'\n') => self.blank_cr = false,
                (false, b'\n') if self.rules.strict => return Err(ProtocolError::BareLfInHead),
                (false, b'\n') => {}
                (true, _) => {
                    return Err(ProtocolError::ControlInHead {
                        line: 1,
                        byte: b'\r',
                    });
                }
                (false, _) => return Ok(pos),
            }
            self.head_bytes += 1;
            if self.head_bytes > self.rules.limits.head_bytes {
                return Err(ProtocolError::HeadTooLarge {
                    limit: self.rules.limits.head_bytes,
                });
            }
        }
        Ok(input.len())
    }

    /// How many bytes of heads may still come.
    fn head_room(&self) -> usize {
        let used = self.head_bytes + self.gathered.len();
        self.rules.limits.head_bytes.saturating_sub(used)
    }

    /// Goes on to what follows a head of `len` bytes. Whether it is the head of an interim response.
    #[inline]
    fn enter(&mut self, head: &Head, len: usize) -> Result<bool, ProtocolError> {
        self.head_bytes += len;
        if head.status.is_informational() && head.framing != Framing::Tunnel {
            self.informational += 1;
            if self.informational > self.rules.limits.informational {
                return Err(ProtocolError::TooManyInformational {
                    limit: self.rules.limits.informational,
                });
            }
            return Ok(true);
        }
        self.state = match head.framing {
            Framing::None | Framing::Tunnel => State::Complete,
            Framing::Length(expected) => State::Length {
                left: expected,
                expected,
            },
            Framing::Chunked => State::Chunked(Chunked::new()),
            Framing::UntilClose => State::UntilClose,
        };
        Ok(false)
    }
}

fn head_step(consumed: usize, head: Head, informational: bool) -> Step {
    let event = match informational {
        true => Event::Informational(head),
        false => Event::Head(head),
    };
    Step { consumed, event }
}

fn step(consumed: usize, event: Event) -> Step {
    Step { consumed, event }
}
