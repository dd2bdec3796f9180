//! The HTTP/1.1 client codec: slices in, events out, no sockets.
//!
//! One [`ResponseDecoder`] is made for each exchange and is told what the request was
//! ([`RequestKind`]), because that decides how its response ends. It is then fed what the connection
//! receives, in whatever pieces it comes, and gives one [`Event`] a step:
//!
//! ```text
//!           +-- Informational (1xx, at most 16) --+
//!           v                                     |
//!  start --> head ------------------------------->+
//!           |
//!           |  Head, and then by its framing:
//!           +-- None, Tunnel ------------------------------------> End
//!           +-- Length(n) -- Body ... n bytes -------------------> End
//!           +-- Chunked ---- Body ... last chunk -- [Trailers] --> End
//!           +-- UntilClose - Body ... the peer closes, finish() -> End
//! ```
//!
//! Every event but [`Event::NeedMore`] is followed by another step with what is left of the input, until
//! `NeedMore` says that all of it is used up, or [`Event::End`] that the response is complete. Bytes that are
//! left over after the end do not belong to the response. What that means is the caller's to judge: on a
//! tunnel they are the first of the other protocol; on any other connection the peer has sent what nobody
//! asked for, and the connection must not be used again.
//!
//! An error is final, and the same bytes give the same events and the same error however they are cut.
//!
//! ```
//! use eyewall::http::codec::{Event, Limits, RequestKind, ResponseDecoder};
//!
//! // Received in two pieces; the second has more than belongs to the response.
//! let pieces = ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none", "\r\n0\r\n\r\nmore"];
//! let mut decoder = ResponseDecoder::new(Limits::default(), RequestKind::default());
//! let (mut body, mut left_over) = (Vec::new(), 0);
//! for piece in pieces {
//!     let mut input = piece.as_bytes();
//!     loop {
//!         let step = decoder.decode(input)?;
//!         match &step.event {
//!             Event::Head(head) => assert_eq!(head.status, 200),
//!             Event::Body(range) => body.extend_from_slice(&input[range.clone()]),
//!             Event::End => left_over = input.len() - step.consumed,
//!             _ => {}
//!         }
//!         input = &input[step.consumed..];
//!         if matches!(step.event, Event::NeedMore | Event::End) {
//!             break;
//!         }
//!     }
//! }
//! assert_eq!((&body[..], left_over), (&b"one"[..], 4));
//! # Ok::<(), eyewall::http::ProtocolError>(())
//! ```
//!
//! # What is copied
//!
//! Content never: a [`Event::Body`] is a range of the input, which the caller turns into a view of the buffer
//! that it received into. A caller that wants a body of known length in one piece need not show it to the
//! decoder at all: it receives [`body_remaining`](ResponseDecoder::body_remaining) bytes where it wants them,
//! and reports them by [`advance_body`](ResponseDecoder::advance_body).
//!
//! A head that lies whole in one input, as nearly all do, is parsed where it lies and then copied, once and as
//! it is, so that the receive buffer is free as soon as the event is out. Its fields stay lines of that copy
//! ([`Headers`]), which are looked for when somebody wants one, or the `HeaderMap`; what frames the content has been
//! read from the lines by then. A head that is spread over several inputs is gathered first. Its end is looked for
//! in each new piece only, so that a peer that sends a byte at a time costs no more than its bytes, and it is parsed
//! once, when it is whole.
//!
//! # Who does what
//!
//! | file | job |
//! | --- | --- |
//! | `decode` | the state machine above, limits on heads, blank lines, EOF |
//! | `scan` | where a head or a trailer section ends |
//! | `lines` | status lines and field lines, in one pass over their bytes |
//! | `head` | one complete head: its lines, and what they mean together |
//! | `headers` | the fields of a head: lines that become a `HeaderMap` on demand |
//! | `names` | field names: a short cut for the usual ones, and which are not in a head |
//! | `fields` | Content-Length, Transfer-Encoding, Connection; folded lines; what is wrong with a line |
//! | `framing` | from status and fields to the framing of the content |
//! | `chunked`, `trailers` | the chunked coding and what follows it |
//! | `encode` | the head of a request, and chunk lines |
//! | `event`, `error`, `limits` | the types that all of them speak |
#![forbid(unsafe_code)]

mod chunked;
mod decode;
mod encode;
mod error;
mod event;
mod fields;
mod framing;
mod head;
mod headers;
mod limits;
mod lines;
mod names;
mod scan;
mod trailers;

#[cfg(test)]
mod tests;

pub use decode::ResponseDecoder;
pub use encode::{
    BodyFraming, CHUNK_END, CHUNKED_END, LAST_CHUNK, RequestHead, encode_chunk_header,
    encode_trailers,
};
pub(super) use encode::{check_target, concerns_message, write_field};
pub use error::ProtocolError;
pub use event::{Event, Framing, Head, RequestKind, Step};
pub use headers::Headers;
pub use limits::Limits;
