//! What can go wrong, and where.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// What went wrong with a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URL cannot be read, or has no host, as a path alone; the source says why.
    Url,
    /// The URL's scheme is not one that this build can fetch.
    UnsupportedScheme,
    /// The client fetches `https` URLs only, and this one is not.
    HttpsOnly,
    /// A header, method or body of the request is not valid; nothing was sent.
    Request,
    /// The client has been closed, before the fetch or during it.
    Closed,
    /// The fetch was given up before its end: its handle was dropped, or its reactor shut down.
    Cancelled,
    /// The host's name does not resolve.
    Resolve,
    /// No connection could be made.
    Connect,
    /// The TLS handshake failed, or the peer broke TLS later; see
    /// [`certificate_fault`](super::Error::certificate_fault).
    Tls,
    /// The proxy did not open the way to the host.
    Proxy,
    /// The time for this part was over.
    Timeout {
        /// The part.
        phase: Phase,
        /// The time that it had.
        limit: Duration,
    },
    /// The request could not be sent. An answer that comes all the same is the result; this is the error if none does,
    /// or not all of it, before a time is over.
    Send,
    /// The source of the request's body failed, or gave more or fewer bytes than it had announced.
    Body,
    /// The peer closed the connection without a byte of response.
    EmptyReply,
    /// The response is not valid HTTP/1.1.
    Protocol,
    /// The peer closed the connection in the middle of the response.
    Truncated {
        /// Bytes of the body that came.
        received: u64,
        /// Bytes that the response announced, if it did.
        expected: Option<u64>,
    },
    /// The connection failed while the response came.
    Receive,
    /// The body is larger than allowed.
    BodyTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The body is not what its Content-Encoding says.
    Decode,
    /// The connection was to be taken over, and the response does not switch protocols.
    NotUpgraded,
    /// The body could not be written to its file.
    Save,
    /// More redirects than allowed.
    TooManyRedirects {
        /// The limit.
        limit: u32,
    },
    /// A redirect to what is no URL that can be fetched.
    RedirectLocation,
    /// A redirect from `https` to `http`, which is not followed unless that is allowed.
    RedirectDowngrade,
    /// A redirect (307 or 308) that wants the body again, which cannot be sent twice.
    RedirectBody,
    /// The response has a status that was to be an error.
    Status(StatusCode),
    /// No reactor runs on this thread, or another one than that of a fetch which is waited for or read, or it has been shut
    /// down, or none can be made for a blocking fetch; the source says which.
    Reactor,
    /// A fetch was to be waited for on a reactor's own thread: one that runs there would be blocked, and one that has to
    /// do the fetch could not.
    Nested,
}

/// Whose certificate it was that TLS failed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// The server's is not accepted: it has expired, is for another name, or nobody who is trusted vouches for it.
    Server,
    /// The certificates to trust cannot be read, or there are none.
    Trust,
    /// This client's own certificate, or its key, cannot be used.
    Client,
    /// The server refuses this client's, or wants one that it has not got. In TLS 1.3 it says so behind the handshake,
    /// when a request may have been sent. One that closes the connection without an alert, or with a general one, is not
    /// among these.
    Refused,
}

/// The part of a fetch that a timeout was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The whole, from the call to the last byte of the body.
    Total,
    /// Waiting for a place among the client's active fetches.
    Queue,
    /// Resolving the name, connecting, and the TLS handshake.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the end of the request, or the last interim response behind it, to the first byte of the response.
    FirstByte,
    /// Between two pieces of the response.
    IdleRead,
    /// Between two pieces of the request.
    IdleWrite,
}

/// How far a fetch had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// It waited for a place among the client's active fetches.
    #[default]
    Queue,
    /// The host's name was being resolved.
    Resolve,
    /// The connection was being made.
    Connect,
    /// A proxy was asked for a tunnel.
    Tunnel,
    /// The TLS handshake.
    Tls,
    /// The request was being sent.
    Send,
    /// The request had been sent, and no byte of the response had come.
    Wait,
    /// The head of the response was on its way.
    Head,
    /// The body of the response was on its way.
    Body,
}

impl Stage {
    fn text(self) -> &'static str {
        match self {
            Stage::Queue => "in the queue for a connection",
            Stage::Resolve => "while the name was resolved",
            Stage::Connect => "while connecting",
            Stage::Tunnel => "while the proxy made a tunnel",
            Stage::Tls => "in the TLS handshake",
            Stage::Send => "while the request was sent",
            Stage::Wait => "while waiting for the answer",
            Stage::Head => "in the head of the answer",
            Stage::Body => "in the body of the answer",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, format_args!("server"))
    }
}

impl ErrorKind {
    /// Says what it is, where the other end of the connection was `peer`.
    pub(super) fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        peer: fmt::Arguments<'_>,
    ) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::Url => "bad URL",
            ErrorKind::UnsupportedScheme => "the URL has a scheme that cannot be fetched",
            ErrorKind::HttpsOnly => "only https:// URLs may be fetched",
            ErrorKind::Request => "bad request",
            ErrorKind::Closed => "the client has been closed",
            ErrorKind::Cancelled => "the fetch was given up",
            ErrorKind::Resolve => "the host's name does not resolve",
            ErrorKind::Connect => "cannot connect",
            ErrorKind::Tls => "TLS failed",
            ErrorKind::Proxy => "the proxy does not open the way to the host",
            ErrorKind::Timeout { phase, limit } => {
                match phase {
                    Phase::Total => f.write_str("the fetch took"),
                    Phase::Queue => f.write_str("waiting in the queue took"),
                    Phase::Connect => f.write_str("connecting took"),
                    Phase::Tls => f.write_str("the TLS handshake took"),
                    Phase::FirstByte => f.write_str("the first byte of the answer took"),
                    Phase::IdleRead => write!(f, "the {peer} sent nothing for"),
                    Phase::IdleWrite => write!(f, "the {peer} took nothing for"),
                }?;
                return write!(f, " longer than {limit:?}");
            }
            ErrorKind::Send => "cannot send the request",
            ErrorKind::Body => "the body of the request failed",
            ErrorKind::EmptyReply => {
                return write!(f, "the {peer} closed the connection without an answer");
            }
            ErrorKind::Protocol => "the answer is not valid HTTP/1.1",
            ErrorKind::Truncated { received, expected } => {
                write!(f, "the answer was cut off after {received} bytes of body")?;
                return match expected {
                    Some(expected) => write!(f, " of {expected}"),
                    None => Ok(()),
                };
            }
            ErrorKind::Receive => "the connection failed in the middle of the answer",
            ErrorKind::BodyTooLarge { limit } => {
                return write!(f, "the body is larger than the limit of {limit} bytes");
            }
            ErrorKind::Decode => "the body is not what its Content-Encoding says",
            ErrorKind::NotUpgraded => "the connection cannot be taken over",
            ErrorKind::Save => "cannot write the body to its file",
            ErrorKind::TooManyRedirects { limit } => {
                return write!(f, "more than {limit} redirects");
            }
            ErrorKind::RedirectLocation => "a redirect to what cannot be fetched",
            ErrorKind::RedirectDowngrade => "a redirect from https to http is not followed",
            ErrorKind::RedirectBody => "a redirect wants a body that cannot be sent twice",
            ErrorKind::Status(status) => return write!(f, "the answer is {status}"),
            ErrorKind::Reactor => "no reactor that the fetch could run on",
            ErrorKind::Nested => {
                "to wait for the fetch would block the reactor of this thread: await `send` there, or wait on another \
                 thread, as with `spawn_blocking`"
            }
        })
    }
}
