//! The error of a fetch.

use std::fmt;
use std::io;
use std::time::Duration;

use url::Url;

use super::codec::ProtocolError;

/// Why a fetch has no response, or no complete one.
///
/// The message names the URL, without the user name and password that it may hold; the source is the error
/// below, such as `Connection refused`.
pub struct Error {
    kind: ErrorKind,
    url: Option<Box<str>>,
    source: Option<Source>,
}

/// The error below an [`Error`].
enum Source {
    Io(io::Error),
    Protocol(ProtocolError),
    Url(url::ParseError),
    Http(http::Error),
}

/// What went wrong with a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URL cannot be read, or has no host.
    Url,
    /// The URL's scheme is not one that this build can fetch.
    UnsupportedScheme,
    /// A header, method or body of the request is not valid; nothing was sent.
    Request,
    /// The host's name does not resolve.
    Resolve,
    /// No connection could be made.
    Connect,
    /// The time for this part was over.
    Timeout {
        /// The part.
        phase: Phase,
        /// The time that it had.
        limit: Duration,
    },
    /// The request could not be sent.
    Send,
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
    /// No reactor runs on this thread, or it has been shut down.
    Reactor,
}

/// The part of a fetch that a timeout was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Resolving the name and connecting.
    Connect,
    /// The whole, from the call to the last byte of the body.
    Total,
}

impl Error {
    pub(super) fn new(kind: ErrorKind) -> Error {
        Error {
            kind,
            url: None,
            source: None,
        }
    }

    pub(super) fn io(kind: ErrorKind, error: io::Error) -> Error {
        Error {
            source: Some(Source::Io(error)),
            ..Error::new(kind)
        }
    }

    /// An error of the codec; `body` is how many bytes of the body had come.
    pub(super) fn protocol(error: ProtocolError, body: u64) -> Error {
        let kind = match error {
            ProtocolError::EofBeforeResponse => ErrorKind::EmptyReply,
            ProtocolError::EofInBody { received, expected } => ErrorKind::Truncated {
                received,
                expected: Some(expected),
            },
            ProtocolError::EofInHead { .. }
            | ProtocolError::EofInChunkedBody { .. }
            | ProtocolError::EofInTrailers { .. } => ErrorKind::Truncated {
                received: body,
                expected: None,
            },
            _ => ErrorKind::Protocol,
        };
        Error {
            source: Some(Source::Protocol(error)),
            ..Error::new(kind)
        }
    }

    pub(super) fn request(error: ProtocolError) -> Error {
        Error {
            source: Some(Source::Protocol(error)),
            ..Error::new(ErrorKind::Request)
        }
    }

    pub(super) fn http(error: http::Error) -> Error {
        Error {
            source: Some(Source::Http(error)),
            ..Error::new(ErrorKind::Request)
        }
    }

    pub(super) fn bad_url(text: &str, error: url::ParseError) -> Error {
        Error {
            url: Some(text.into()),
            source: Some(Source::Url(error)),
            kind: ErrorKind::Url,
        }
    }

    pub(super) fn timeout(phase: Phase, limit: Duration) -> Error {
        Error::new(ErrorKind::Timeout { phase, limit })
    }

    pub(super) fn at(mut self, url: &Url) -> Error {
        if self.url.is_none() {
            self.url = Some(without_userinfo(url).into());
        }
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The URL of the fetch, without user name and password.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Whether a time was over.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, ErrorKind::Timeout { .. })
    }

    /// Whether no connection was made: the name did not resolve, or nobody answered there.
    pub fn is_connect(&self) -> bool {
        matches!(self.kind, ErrorKind::Resolve | ErrorKind::Connect)
    }
}

/// The URL as it may be shown.
pub(super) fn without_userinfo(url: &Url) -> String {
    let mut url = url.clone();
    // Refused only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::Url => f.write_str("bad URL")?,
            ErrorKind::UnsupportedScheme => f.write_str("only http:// URLs can be fetched")?,
            ErrorKind::Request => f.write_str("bad request")?,
            ErrorKind::Resolve => f.write_str("the host's name does not resolve")?,
            ErrorKind::Connect => f.write_str("cannot connect")?,
            ErrorKind::Timeout { phase, limit } => {
                let what = match phase {
                    Phase::Connect => "connecting took",
                    Phase::Total => "the fetch took",
                };
                write!(f, "{what} longer than {limit:?}")?;
            }
            ErrorKind::Send => f.write_str("cannot send the request")?,
            ErrorKind::EmptyReply => {
                f.write_str("the server closed the connection without an answer")?
            }
            ErrorKind::Protocol => f.write_str("the answer is not valid HTTP/1.1")?,
            ErrorKind::Truncated { received, expected } => {
                write!(f, "the answer was cut off after {received} bytes of body")?;
                if let Some(expected) = expected {
                    write!(f, " of {expected}")?;
                }
            }
            ErrorKind::Receive => {
                f.write_str("the connection failed in the middle of the answer")?
            }
            ErrorKind::BodyTooLarge { limit } => {
                write!(f, "the body is larger than the limit of {limit} bytes")?;
            }
            ErrorKind::Reactor => f.write_str("no reactor")?,
        }
        if let Some(url) = &self.url {
            write!(f, " ({url})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("url", &self.url)
            .field("source", &std::error::Error::source(self))
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.source.as_ref()? {
            Source::Io(error) => Some(error),
            Source::Protocol(error) => Some(error),
            Source::Url(error) => Some(error),
            Source::Http(error) => Some(error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.kind {
            ErrorKind::Url | ErrorKind::UnsupportedScheme | ErrorKind::Request => {
                io::ErrorKind::InvalidInput
            }
            ErrorKind::Timeout { .. } => io::ErrorKind::TimedOut,
            ErrorKind::Truncated { .. } | ErrorKind::EmptyReply => io::ErrorKind::UnexpectedEof,
            ErrorKind::Protocol | ErrorKind::BodyTooLarge { .. } => io::ErrorKind::InvalidData,
            _ => match &error.source {
                Some(Source::Io(source)) => source.kind(),
                _ => io::ErrorKind::Other,
            },
        };
        io::Error::new(kind, error)
    }
}
