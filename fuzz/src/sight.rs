//! A decoder at work: what it shows, and what must hold at every step.

use eyewall::http::codec::{Event, Framing, Head, ProtocolError, ResponseDecoder, Step};
use http::{HeaderMap, HeaderName};

use crate::settings::{Ending, Settings};

/// What a caller sees of a response. However the bytes came, it is the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    pub(crate) messages: Vec<Message>,
    /// The pieces of content, joined.
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) outcome: Outcome,
}

/// One head, the last of them that of the final response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) head: Head,
    /// Its fields in their order and spelling, which the map does not tell.
    pub(crate) lines: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) informational: bool,
    /// Where in the input it ends.
    pub(crate) end: usize,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The response is complete after this many bytes of the input.
    Complete(usize),
    /// More is wanted.
    Waiting,
    Failed(ProtocolError),
}

/// How the content is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// All of it through the decoder.
    Decoded,
    /// What is of known length past the decoder, as far as a piece of input holds it; every other piece.
    PastDecoder,
}

/// A decoder and what it has shown.
struct Observer {
    decoder: ResponseDecoder,
    settings: Settings,
    consumed: usize,
    sight: Sight,
    /// How the content of the final response ends, once its head has come.
    framing: Option<Framing>,
}

/// Feeds a decoder with `pieces`, and panics if it breaks one of its promises.
pub(crate) fn observe(settings: &Settings, pieces: &[&[u8]], taking: Taking) -> Sight {
    let decoder = ResponseDecoder::new(settings.limits, settings.request);
    let mut observer = Observer {
        decoder: decoder.strict(settings.strict),
        settings: *settings,
        consumed: 0,
        sight: Sight {
            messages: Vec::new(),
            content: Vec::new(),
            trailers: None,
            outcome: Outcome::Waiting,
        },
        framing: None,
    };
    for (index, piece) in pieces.iter().enumerate() {
        let past = taking == Taking::PastDecoder && index % 2 == 0;
        if observer.feed(piece, past) {
            return observer.sight;
        }
    }
    observer.end();
    observer.sight
}

impl Observer {
    /// Whether that was the end, of one kind or the other.
    fn feed(&mut self, piece: &[u8], past: bool) -> bool {
        let mut rest = piece;
        loop {
            if past {
                rest = self.take_past(rest);
            }
            let complete = self.decoder.is_complete();
            let step = match self.decoder.decode(rest) {
                Ok(step) => step,
                Err(error) => {
                    assert!(!complete, "{error:?} after the response was complete");
                    self.fail(error);
                    return true;
                }
            };
            assert!(step.consumed <= rest.len(), "more consumed than there was");
            let ended = step.event == Event::End;
            assert!(
                ended || !complete,
                "{:?} after the response was complete",
                step.event
            );
            // The last chunk is not told apart from the end.
            let may_end = complete || self.framing == Some(Framing::Chunked);
            assert!(!ended || may_end, "an end that is none");
            self.consumed += step.consumed;
            assert_eq!(self.decoder.bytes_received(), self.consumed as u64);
            let (done, after) = rest.split_at(step.consumed);
            if self.event(step, done, after) {
                return self.decoder.is_complete();
            }
            rest = after;
        }
    }

    /// Takes from `input` what belongs to a body of known length.
    fn take_past<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let left = self.decoder.body_remaining().unwrap_or(0);
        let len = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        if len == 0 {
            return input;
        }
        let (body, rest) = input.split_at(len);
        self.decoder.advance_body(len as u64);
        self.consumed += len;
        self.sight.content.extend_from_slice(body);
        self.check_remaining();
        rest
    }

    /// Keeps an event. Whether it is the last one of this piece.
    fn event(&mut self, step: Step, done: &[u8], after: &[u8]) -> bool {
        match step.event {
            Event::NeedMore => {
                assert!(after.is_empty(), "more is wanted while there is some");
                return true;
            }
            Event::End => {
                assert!(step.consumed == 0 || self.framing == Some(Framing::Chunked));
                self.check_end(after);
                self.sight.outcome = Outcome::Complete(self.consumed);
                return true;
            }
            Event::Informational(head) => self.head(head, true),
            Event::Head(head) => {
                self.framing = Some(head.framing);
                self.head(head, false);
            }
            Event::Body(range) => {
                assert!(!range.is_empty(), "content of no bytes");
                match self.framing {
                    Some(Framing::Chunked) => {}
                    Some(Framing::Length(_) | Framing::UntilClose) => {
                        assert_eq!(range, 0..done.len())
                    }
                    other => panic!("content although the framing is {other:?}"),
                }
                assert!(self.sight.trailers.is_none(), "content after the trailers");
                self.sight.content.extend_from_slice(&done[range]);
            }
            Event::Trailers(trailers) => {
                assert_eq!(self.framing, Some(Framing::Chunked));
                assert!(!trailers.is_empty(), "trailers without a field");
                assert!(trailers.len() <= self.settings.limits.trailer_fields);
                let before = self.sight.trailers.replace(trailers);
                assert_eq!(before, None, "trailers twice");
            }
        }
        assert!(step.consumed > 0, "an event that took nothing");
        self.check_remaining();
        false
    }

    fn head(&mut self, head: Head, informational: bool) {
        let limits = &self.settings.limits;
        let messages = &mut self.sight.messages;
        assert!(
            messages.last().is_none_or(|last| last.informational),
            "two final heads"
        );
        assert!(
            self.consumed <= limits.head_bytes,
            "heads of {} bytes",
            self.consumed
        );
        assert!(
            !informational || messages.len() < limits.informational,
            "too many interim heads"
        );
        let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
        let lines: Vec<_> = head.headers.lines().map(owned).collect();
        assert!(lines.len() <= limits.fields, "{} fields", lines.len());
        assert_eq!(
            head.headers.len(),
            lines.len(),
            "the map and the lines differ"
        );
        for (name, _) in lines.iter().take(8) {
            let same = |(other, _): &&(Vec<u8>, Vec<u8>)| other.eq_ignore_ascii_case(name);
            let first = lines.iter().find(same).map(|(_, value)| &value[..]);
            let name = HeaderName::from_bytes(name).expect("a name");
            assert_eq!(head.headers.first(&name), first, "the first {name}");
        }
        messages.push(Message {
            lines,
            informational,
            end: self.consumed,
            head,
        });
    }

    fn check_remaining(&self) {
        let expected = match self.framing {
            Some(Framing::Length(length)) => Some(length - self.sight.content.len() as u64),
            _ => None,
        };
        assert_eq!(self.decoder.body_remaining(), expected);
    }

    /// The end stays, whatever comes.
    fn check_end(&mut self, after: &[u8]) {
        for more in [after, b"HTTP/1.1 200 OK\r\n\r\n", b""] {
            let again = self.decoder.decode(more).expect("the end stays");
            assert_eq!((again.consumed, again.event), (0, Event::End));
        }
        assert_eq!(self.decoder.finish(), Ok(Event::End));
        assert_eq!(self.decoder.finish_unclean(), Ok(Event::End));
        assert!(self.decoder.is_complete());
        assert_eq!(self.decoder.bytes_received(), self.consumed as u64);
    }

    /// An error stays, whatever comes.
    fn fail(&mut self, error: ProtocolError) {
        for more in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b""] {
            assert_eq!(self.decoder.decode(more), Err(error), "an error stays");
        }
        assert_eq!(self.decoder.finish(), Err(error), "an error stays");
        assert_eq!(self.decoder.finish_unclean(), Err(error), "an error stays");
        assert!(!self.decoder.is_complete());
        assert!(
            !error.to_string().contains("malformed message"),
            "{error:?} has no text"
        );
        self.sight.outcome = Outcome::Failed(error);
    }

    fn end(&mut self) {
        let complete = self.decoder.is_complete();
        let end = match self.settings.ending {
            Ending::Open => {
                // Its last byte may have come with the last piece.
                if complete {
                    self.sight.outcome = Outcome::Complete(self.consumed);
                }
                return;
            }
            Ending::Orderly => self.decoder.finish(),
            Ending::Unclean => self.decoder.finish_unclean(),
        };
        match end {
            Ok(event) => {
                assert_eq!(event, Event::End);
                let closed = self.framing == Some(Framing::UntilClose)
                    && self.settings.ending == Ending::Orderly;
                assert!(complete || closed, "an end that is none");
                self.check_end(b"");
                self.sight.outcome = Outcome::Complete(self.consumed);
            }
            Err(error) => {
                assert!(!complete, "{error:?} after the response was complete");
                self.fail(error);
            }
        }
    }
}
