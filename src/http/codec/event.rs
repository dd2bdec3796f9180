//! What the decoder is told about a request, and what it tells about its response.

use std::ops::Range;

use http::{HeaderMap, Method, StatusCode, Version};

use super::Headers;

/// The facts of a request that decide how the response to it is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestKind {
    /// The method is HEAD: the response has no content, whatever its fields say.
    pub head: bool,
    /// The method is CONNECT: a 2xx response turns the connection into a tunnel.
    pub connect: bool,
    /// The request has an Upgrade field: a 101 response turns the connection into a tunnel.
    pub upgrade: bool,
}

impl RequestKind {
    /// The kind of a request with this method that asks for no upgrade.
    pub fn of(method: &Method) -> Self {
        RequestKind {
            head: *method == Method::HEAD,
            connect: *method == Method::CONNECT,
            upgrade: false,
        }
    }

    /// The same request, with or without an Upgrade field.
    pub fn with_upgrade(mut self, asked: bool) -> Self {
        self.upgrade = asked;
        self
    }
}

/// One step of decoding: how far it went, and what it found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// How many bytes at the front of the input are done with. Drop them before the next step.
    pub consumed: usize,
    /// What was found.
    pub event: Event,
}

/// What a step of decoding found.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The whole input is consumed and more is needed. The input's buffer may be reused.
    NeedMore,
    /// An interim response (1xx) is complete. The final one is still to come.
    Informational(Head),
    /// The head of the final response is complete.
    Head(Head),
    /// Content: this range of the input that was given to this step. Never empty.
    Body(Range<usize>),
    /// The trailer fields after a chunked body. Only if there are any.
    Trailers(HeaderMap),
    /// The response is complete. What is left of the input does not belong to it.
    End,
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Head {
    /// The status code.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The reason phrase, if there is one and it is not the usual one of this status. Bytes beyond ASCII
    /// are read as Latin-1.
    pub reason: Option<Box<str>>,
    /// The fields.
    pub headers: Headers,
    /// How the content that follows ends.
    pub framing: Framing,
    /// Whether the connection may carry another exchange after this one, as far as the response tells.
    /// The caller has its own reasons to close (it said `close`, or bytes were left over).
    pub keep_alive: bool,
}

impl Head {
    /// One that stands where none has come yet.
    pub(in crate::http) fn blank() -> Head {
        Head {
            status: StatusCode::OK,
            version: Version::HTTP_11,
            reason: None,
            headers: Headers::default(),
            framing: Framing::None,
            keep_alive: false,
        }
    }
}

/// How the content of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no content: an interim response, 204, 304, or the answer to HEAD.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// When the peer closes the connection.
    UntilClose,
    /// There is no response any more: after the head the connection speaks another protocol (101, or 2xx to
    /// CONNECT).
    Tunnel,
}
