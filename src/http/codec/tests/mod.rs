//! Tests of the codec. The ids in the names are those of the situations in the design study: F framing,
//! I interim responses, C06 an unclean end, R10 injection, P08 closing. `framing_table` names what the study's
//! table of framing has beyond the situations. Where each of its rows is tested:
//!
//! | row | tests |
//! | --- | --- |
//! | Content-Length in lists and lines: equal, differing, not digits, beyond 64 bits | `f01` to `f05` |
//! | Content-Length and Transfer-Encoding | `f06` |
//! | Transfer-Encoding: not chunked, repeated, in HTTP/1.0 | `f07`, `f08`, `f09` |
//! | chunk sizes; extensions; bare LF; no CRLF after data | `f10`, `f11`; `f12`, `framing_table_extensions`; `f11`; `f13` |
//! | a chunk is not buffered | `f14` |
//! | trailers | `f15`, `f16` |
//! | head: bare LF; controls; folds; colons and names | `f24`; `f24`; `f23`; `f25` |
//! | status line: reason, code, version | `f26` |
//! | interim responses; 101 | `i01` to `i04`; `i09` |
//! | 204; HEAD and 304; 2xx to CONNECT; neither length nor coding | `f17`; `f18`, `f19`; `framing_table_2xx`; `f20` |
//! | the end of the connection: orderly; not | `f21`; `c06` |
//! | bytes after the response; a response before the request is sent | `f22`; `framing_table_early` |

mod api;
mod chunked;
mod encode;
mod fields;
mod framing;
mod head;
mod headers;
mod informational;
mod injection;
mod limits;
mod lines;
mod random;

use http::{HeaderMap, HeaderName};

use super::{Event, Head, Limits, ProtocolError, RequestKind, ResponseDecoder};

/// What a caller sees of a response, with adjacent pieces of content merged.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Informational(Head),
    Head(Head),
    Body(Vec<u8>),
    Trailers(HeaderMap),
    /// The end, and the bytes that are left over.
    End(Vec<u8>),
    /// All input is used up and the response is not complete.
    Waiting,
    Error(ProtocolError),
}

/// How a response is decoded.
#[derive(Clone, Copy, Debug, Default)]
struct Case {
    limits: Limits,
    request: RequestKind,
    strict: bool,
    /// The peer closes after the last byte.
    eof: bool,
    /// It does so without an orderly close.
    unclean: bool,
}

/// The same, by what a plain test wants to know.
#[derive(Debug)]
struct Decoded {
    informational: Vec<Head>,
    head: Head,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    left: Vec<u8>,
}

fn plain() -> Case {
    Case::default()
}

fn then_eof() -> Case {
    Case {
        eof: true,
        ..Case::default()
    }
}

fn then_unclean_eof() -> Case {
    Case {
        unclean: true,
        ..then_eof()
    }
}

fn strict() -> Case {
    Case {
        strict: true,
        ..Case::default()
    }
}

fn answer_to(request: RequestKind) -> Case {
    Case {
        request,
        ..Case::default()
    }
}

fn limited(change: impl FnOnce(&mut Limits)) -> Case {
    let mut case = Case::default();
    change(&mut case.limits);
    case
}

impl Case {
    fn decoder(&self) -> ResponseDecoder {
        ResponseDecoder::new(self.limits, self.request).strict(self.strict)
    }

    /// Feeds the pieces one after the other and collects what comes out, checking what must hold always.
    fn feed(&self, pieces: &[&[u8]]) -> Vec<Seen> {
        let mut decoder = self.decoder();
        let mut seen = Vec::new();
        let mut consumed = 0;
        for (index, piece) in pieces.iter().enumerate() {
            let mut rest = *piece;
            loop {
                let complete = decoder.is_complete();
                let step = match decoder.decode(rest) {
                    Ok(step) => step,
                    Err(error) => {
                        assert_eq!(
                            decoder.decode(b"HTTP/1.1 200"),
                            Err(error),
                            "an error stays"
                        );
                        assert_eq!(decoder.finish(), Err(error), "an error stays");
                        seen.push(Seen::Error(error));
                        return seen;
                    }
                };
                let (done, after) = rest.split_at(step.consumed);
                consumed += done.len();
                assert_eq!(decoder.bytes_received(), consumed as u64);
                if complete && step.event != Event::End {
                    panic!("{:?} after the response was complete", step.event);
                }
                match step.event {
                    Event::NeedMore => {
                        assert!(after.is_empty(), "NeedMore leaves {after:?} unused");
                        break;
                    }
                    Event::Informational(head) => {
                        check_headers(&head);
                        seen.push(Seen::Informational(head));
                    }
                    Event::Head(head) => {
                        check_headers(&head);
                        seen.push(Seen::Head(head));
                    }
                    Event::Body(range) => {
                        assert!(!range.is_empty(), "an empty body event");
                        assert!(range.end <= step.consumed, "a body event not consumed");
                        let data = &rest[range];
                        match seen.last_mut() {
                            Some(Seen::Body(body)) => body.extend_from_slice(data),
                            _ => seen.push(Seen::Body(data.to_vec())),
                        }
                    }
                    Event::Trailers(trailers) => seen.push(Seen::Trailers(trailers)),
                    Event::End => {
                        assert!(decoder.is_complete());
                        let again = decoder.decode(after).expect("the end stays");
                        assert_eq!((again.consumed, again.event), (0, Event::End));
                        assert_eq!(decoder.finish(), Ok(Event::End));
                        assert_eq!(decoder.finish_unclean(), Ok(Event::End));
                        let mut left = after.to_vec();
                        left.extend(pieces[index + 1..].concat());
                        seen.push(Seen::End(left));
                        return seen;
                    }
                }
                rest = after;
            }
        }
        if !self.eof {
            seen.push(match decoder.is_complete() {
                true => Seen::End(Vec::new()),
                false => Seen::Waiting,
            });
            return seen;
        }
        let end = match self.unclean {
            true => decoder.finish_unclean(),
            false => decoder.finish(),
        };
        seen.push(match end {
            Ok(event) => {
                assert_eq!(event, Event::End);
                assert!(decoder.is_complete());
                Seen::End(Vec::new())
            }
            Err(error) => {
                assert_eq!(decoder.finish(), Err(error), "an error stays");
                assert_eq!(decoder.finish_unclean(), Err(error), "an error stays");
                Seen::Error(error)
            }
        });
        seen
    }

    /// Decodes `wire` whole, a byte at a time and in every two pieces; all must show the same.
    fn see(&self, wire: &[u8]) -> Vec<Seen> {
        let whole = self.feed(&[wire]);
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        assert_same(&whole, &self.feed(&bytes), "a byte at a time");
        // A large input is cut at a sample of places that hits every offset modulo small numbers.
        let stride = wire.len() / 2000 * 7 + 1;
        for cut in (0..=wire.len()).step_by(stride) {
            let (front, back) = wire.split_at(cut);
            assert_same(&whole, &self.feed(&[front, back]), &format!("cut at {cut}"));
        }
        whole
    }

    /// Decodes a response that is right.
    fn ok(&self, wire: impl AsRef<[u8]>) -> Decoded {
        let wire = wire.as_ref();
        let shown = wire.escape_ascii().to_string();
        let mut seen = self.see(wire).into_iter().peekable();
        let mut informational = Vec::new();
        while let Some(Seen::Informational(_)) = seen.peek() {
            if let Some(Seen::Informational(head)) = seen.next() {
                informational.push(head);
            }
        }
        let Some(Seen::Head(head)) = seen.next() else {
            panic!("no head: {shown}: {:?}", self.feed(&[wire]));
        };
        let mut decoded = Decoded {
            informational,
            head,
            body: Vec::new(),
            trailers: None,
            left: Vec::new(),
        };
        for seen in seen {
            match seen {
                Seen::Body(body) => decoded.body = body,
                Seen::Trailers(trailers) => decoded.trailers = Some(trailers),
                Seen::End(left) => {
                    decoded.left = left;
                    return decoded;
                }
                other => panic!("{other:?} in {shown}"),
            }
        }
        panic!("no end: {shown}");
    }

    /// Decodes a response that is wrong, and gives the error.
    fn err(&self, wire: impl AsRef<[u8]>) -> ProtocolError {
        let wire = wire.as_ref();
        match self.see(wire).pop() {
            Some(Seen::Error(error)) => error,
            other => panic!("{other:?} instead of an error: {}", wire.escape_ascii()),
        }
    }

    /// Whether `wire` is right so far and more has to come.
    fn waits(&self, wire: impl AsRef<[u8]>) -> bool {
        self.see(wire.as_ref()).pop() == Some(Seen::Waiting)
    }
}

/// The lines that came and the map that is made of them have to say the same.
fn check_headers(head: &Head) {
    let mut count = 0;
    for (name, value) in head.headers.lines() {
        let name = HeaderName::from_bytes(name).expect("a right name");
        let mut values = head.headers.get_all(&name).iter();
        assert!(values.any(|known| known.as_bytes() == value));
        // Each looks at all lines.
        if count < 100 {
            let first = head.headers.get(&name).map(|known| known.as_bytes());
            assert_eq!(head.headers.first(&name), first);
        }
        count += 1;
    }
    assert_eq!(head.headers.len(), count);
}

fn assert_same(whole: &[Seen], cut: &[Seen], how: &str) {
    assert!(whole == cut, "{how}:\n  whole {whole:?}\n  cut   {cut:?}");
}

/// A 200 response with these field lines (each with its CRLF) and what follows the head.
fn with(fields: &str, rest: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{rest}")
}

/// A chunked response with this body.
fn chunked(body: &str) -> String {
    with("Transfer-Encoding: chunked\r\n", body)
}

/// The value of a field, which must be there once.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    let mut values = headers.get_all(name).iter();
    let value = values.next().unwrap_or_else(|| panic!("no field {name}"));
    assert!(values.next().is_none(), "more than one field {name}");
    value.as_bytes()
}
