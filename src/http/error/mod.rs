//! The error of a fetch.

mod kind;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};
use url::Url;

pub use kind::{CertificateFault, ErrorKind, Phase, Stage};

use super::codec::ProtocolError;
use super::proxy::ProxyServer;
use super::timings::Timings;
use crate::error::is_out_of_place;

/// Why a fetch has no response, or no complete one.
///
/// The message names the URL, without the user name and password that it may hold, and the proxy, if it was that one
/// that could not be reached; the source is the error below, such as `Connection refused`.
///
/// ```
/// # eyewall::block_on(async {
/// let error = eyewall::fetch("http://user:secret@127.0.0.1:1/").await.unwrap_err();
/// assert!(error.is_connect() && error.is_retryable());
/// assert_eq!(error.url(), Some("http://127.0.0.1:1/"));
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    url: Option<Box<str>>,
    source: Option<Source>,
    seen: Seen,
    /// Of the response, for an error that is one of its status, or of what did not follow from it.
    status: Option<StatusCode>,
    headers: Option<HeaderMap>,
    fault: Option<CertificateFault>,
    /// The proxy that was in the way, as in a URL.
    proxy: Option<Box<str>>,
}

/// What was known of a fetch when it failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) stage: Option<Stage>,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// A part of the request may have reached the peer.
    pub(super) out: bool,
    pub(super) idempotent: bool,
    pub(super) timings: Option<Timings>,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
}

/// An error of any kind, of code that this crate calls.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The error below an [`Error`].
enum Source {
    Io(io::Error),
    Protocol(ProtocolError),
    Boxed(BoxError),
}

impl Error {
    pub(super) fn new(kind: ErrorKind) -> Error {
        Error {
            inner: Box::new(Inner {
                kind,
                url: None,
                source: None,
                seen: Seen::default(),
                status: None,
                headers: None,
                fault: None,
                proxy: None,
            }),
        }
    }

    fn because(kind: ErrorKind, source: Source) -> Error {
        let mut error = Error::new(kind);
        error.inner.source = Some(source);
        error
    }

    /// An error of a connection; where TLS is to blame, or that its reactor does not run, that is its kind.
    pub(super) fn io(kind: ErrorKind, error: io::Error) -> Error {
        #[cfg(feature = "__tls")]
        if super::tls::is_tls_error(&error) {
            let fault = super::tls::certificate_fault(&error);
            let mut error = Error::because(ErrorKind::Tls, Source::Io(error));
            error.inner.fault = fault;
            return error;
        }
        let kind = match is_out_of_place(&error) {
            true => ErrorKind::Reactor,
            false => kind,
        };
        Error::because(kind, Source::Io(error))
    }

    /// The error of the connection that it comes from.
    pub(super) fn as_io(&self) -> Option<&io::Error> {
        match &self.inner.source {
            Some(Source::Io(error)) => Some(error),
            _ => None,
        }
    }

    /// An error of which `source` says more.
    pub(super) fn boxed(kind: ErrorKind, source: impl Into<BoxError>) -> Error {
        Error::because(kind, Source::Boxed(source.into()))
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
            | ProtocolError::EofInTrailers { .. }
            | ProtocolError::EofUnclean { .. } => ErrorKind::Truncated {
                received: body,
                expected: None,
            },
            _ => ErrorKind::Protocol,
        };
        Error::because(kind, Source::Protocol(error))
    }

    /// What a proxy says when it is asked for a tunnel is no answer, or no whole one.
    pub(super) fn tunnel(error: ProtocolError) -> Error {
        Error::because(ErrorKind::Proxy, Source::Protocol(error))
    }

    pub(super) fn request(error: ProtocolError) -> Error {
        Error::because(ErrorKind::Request, Source::Protocol(error))
    }

    /// A field of the request that cannot be sent. Its value is not told: it may be a secret.
    pub(super) fn field(name: &HeaderName, error: impl Into<http::Error>) -> Error {
        let reason = format!(
            "the value of the field {name} cannot be sent: {}",
            error.into()
        );
        Error::boxed(ErrorKind::Request, reason)
    }

    /// The name of a field that is none. It is not told: somebody may have put the value into it.
    pub(super) fn field_name(error: impl Into<http::Error>) -> Error {
        let reason = format!("a field's name cannot be sent: {}", error.into());
        Error::boxed(ErrorKind::Request, reason)
    }

    pub(super) fn bad_url(text: &str, reason: impl Into<BoxError>) -> Error {
        let mut bad = Error::boxed(ErrorKind::Url, reason);
        bad.inner.url = Some(hide_userinfo(text).into());
        bad
    }

    pub(super) fn timeout(phase: Phase, limit: Duration) -> Error {
        Error::new(ErrorKind::Timeout { phase, limit })
    }

    /// Says which URL it was, unless that is known.
    pub(super) fn at(mut self, url: &Url) -> Error {
        if self.inner.url.is_none() {
            self.inner.url = Some(without_userinfo(url).into());
        }
        self
    }

    /// Says what was known of the fetch, unless that has been said.
    pub(super) fn seen(mut self, seen: impl FnOnce() -> Seen) -> Error {
        if self.inner.seen.stage.is_none() {
            self.inner.seen = seen();
        }
        self
    }

    #[cfg(feature = "__tls")]
    pub(super) fn with_fault(mut self, fault: CertificateFault) -> Error {
        self.inner.fault = Some(fault);
        self
    }

    /// It was on the way to this proxy, or to what lies behind it, that the connection failed.
    pub(super) fn at_proxy(mut self, authority: &str) -> Error {
        self.inner.proxy = Some(authority.into());
        self
    }

    /// The request went to this proxy, if it is one, for a server behind it: what became of its connection is told of the
    /// proxy. Who of the two is to blame is not known.
    #[cold]
    #[inline(never)]
    pub(super) fn by_way_of(self, forwarder: Option<&ProxyServer>) -> Error {
        match (forwarder, self.inner.kind) {
            (
                Some(proxy),
                ErrorKind::Send
                | ErrorKind::EmptyReply
                | ErrorKind::Protocol
                | ErrorKind::Truncated { .. }
                | ErrorKind::Receive
                | ErrorKind::Timeout { .. },
            ) => self.at_proxy(proxy.authority()),
            _ => self,
        }
    }

    pub(super) fn with_head(mut self, status: StatusCode, headers: HeaderMap) -> Error {
        self.inner.status = Some(status);
        self.inner.headers = Some(headers);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The URL of the fetch, without user name and password; after redirects the one that failed.
    pub fn url(&self) -> Option<&str> {
        self.inner.url.as_deref()
    }

    /// The proxy that could not be reached, or did not open the way: its host and, if that is not 80, its port. For a
    /// plain `http` URL also the one that was asked, and whose connection then failed, went silent or said what is not
    /// valid: the proxy may be to blame for that, or the server behind it. `None` where the fetch had none, or had come
    /// further.
    pub fn proxy(&self) -> Option<&str> {
        self.inner.proxy.as_deref()
    }

    /// How far the fetch had come; `None` if it had not begun.
    pub fn stage(&self) -> Option<Stage> {
        self.inner.seen.stage
    }

    /// How many bytes of the last request the kernel had taken, without chunk lines.
    pub fn bytes_sent(&self) -> u64 {
        self.inner.seen.sent
    }

    /// How many bytes of the last response had come, with its head.
    pub fn bytes_received(&self) -> u64 {
        self.inner.seen.received
    }

    /// How long the parts of the fetch took that it had come through; `None` if it had not begun.
    pub fn timings(&self) -> Option<&Timings> {
        self.inner.seen.timings.as_ref()
    }

    /// The address of this end of the connection, if there was one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.inner.seen.local
    }

    /// The address of the other end of the connection, if there was one.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.inner.seen.peer
    }

    /// The status of the response, where that is the error ([`raise_for_status`](super::RequestBuilder::raise_for_status),
    /// [`error_for_status`](super::Response::error_for_status)), or where the connection cannot be taken over
    /// ([`upgrade`](super::Response::upgrade)). With [`ErrorKind::Proxy`], that of the proxy, where it refuses a tunnel.
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// The header fields of the response that [`status`](Error::status) is of, where that is there.
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.inner.headers.as_ref()
    }

    /// Whether the same request, as it was made, may be sent again without harm, and might then succeed: no byte of it
    /// had been sent, or it is one of an idempotent method (RFC 9110, 9.2.2), and what went wrong was the connection or
    /// the time, or it is a [status](ErrorKind::Status), also of a proxy that refuses a tunnel, that may pass: 408, 429,
    /// 502, 503, 504. Nothing here waits or tries again; [`try_clone`](super::RequestBuilder::try_clone) keeps a request
    /// for who does.
    pub fn is_retryable(&self) -> bool {
        let passing = match self.inner.kind {
            _ if self.is_proxy_unusable() => false,
            ErrorKind::Proxy => match (&self.inner.source, self.inner.status) {
                (_, Some(status)) => may_pass(status),
                (Some(Source::Protocol(error)), None) => is_end(*error),
                _ => true,
            },
            // Not where it is TLS itself, or a setting of it.
            ErrorKind::Tls => self.as_io().is_some_and(is_lost),
            ErrorKind::Resolve
            | ErrorKind::Connect
            | ErrorKind::Timeout { .. }
            | ErrorKind::Send
            | ErrorKind::EmptyReply
            | ErrorKind::Truncated { .. }
            | ErrorKind::Receive => true,
            ErrorKind::Status(status) => may_pass(status),
            _ => false,
        };
        passing && (!self.inner.seen.out || self.inner.seen.idempotent)
    }

    /// Whether it is the proxy's URL that is wrong: nobody has been connected to.
    fn is_proxy_unusable(&self) -> bool {
        self.inner.kind == ErrorKind::Proxy && self.inner.seen.stage < Some(Stage::Connect)
    }

    /// Whether a time was over.
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::Timeout { .. })
    }

    /// Whether no connection was made: the name did not resolve, nobody answered there, its TLS or the proxy failed, or
    /// the time for one of these was over, which [`is_timeout`](Error::is_timeout) says, too. Not where it was the time of
    /// the whole fetch that was over meanwhile ([`stage`](Error::stage) tells), nor where TLS failed later: a request was
    /// sent then.
    pub fn is_connect(&self) -> bool {
        match self.inner.kind {
            ErrorKind::Resolve
            | ErrorKind::Connect
            | ErrorKind::Proxy
            | ErrorKind::Timeout {
                phase: Phase::Connect | Phase::Tls,
                ..
            } => true,
            ErrorKind::Tls => self.inner.seen.stage <= Some(Stage::Tls),
            _ => false,
        }
    }

    /// Whether the host's name does not resolve.
    pub fn is_resolve(&self) -> bool {
        self.inner.kind == ErrorKind::Resolve
    }

    /// Whether TLS failed.
    pub fn is_tls(&self) -> bool {
        self.inner.kind == ErrorKind::Tls
    }

    /// Whose certificate was at fault, where TLS failed for one.
    ///
    /// What exactly is wrong with the server's certificate, or what its alert says of this client's, is in the source: an
    /// [`io::Error`] around rustls' error.
    pub fn certificate_fault(&self) -> Option<CertificateFault> {
        self.inner.fault
    }

    /// Whether the request cannot be sent as it is: its URL, a header, its method or its body. Nothing was
    /// sent.
    pub fn is_request(&self) -> bool {
        matches!(
            self.inner.kind,
            ErrorKind::Url
                | ErrorKind::UnsupportedScheme
                | ErrorKind::HttpsOnly
                | ErrorKind::Request
        )
    }

    /// Whether a redirect could not, or must not, be followed.
    pub fn is_redirect(&self) -> bool {
        matches!(
            self.inner.kind,
            ErrorKind::TooManyRedirects { .. }
                | ErrorKind::RedirectLocation
                | ErrorKind::RedirectDowngrade
                | ErrorKind::RedirectBody
        )
    }

    /// Whether the response came, with a status that was to be an error.
    pub fn is_status(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::Status(_))
    }

    /// Whether the connection ended before the response did.
    pub fn is_closed_early(&self) -> bool {
        matches!(
            self.inner.kind,
            ErrorKind::Send
                | ErrorKind::EmptyReply
                | ErrorKind::Truncated { .. }
                | ErrorKind::Receive
        )
    }

    /// Whether what the peer sent is not valid: framing, coding, or more than allowed.
    pub fn is_response(&self) -> bool {
        matches!(
            self.inner.kind,
            ErrorKind::Protocol | ErrorKind::Decode | ErrorKind::BodyTooLarge { .. }
        )
    }

    /// Whether the fetch was given up: its handle was dropped, its client closed, or its reactor shut down.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::Cancelled | ErrorKind::Closed)
    }
}

/// Whether what a status says may have passed when the same is asked again.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502..=504)
}

/// Whether the peer has ended the connection too early.
fn is_end(error: ProtocolError) -> bool {
    use ErrorKind::{EmptyReply, Truncated};
    matches!(
        Error::protocol(error, 0).kind(),
        EmptyReply | Truncated { .. }
    )
}

/// Whether this is the error of a connection that was lost.
fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, HostUnreachable, NetworkDown,
        NetworkUnreachable, TimedOut, UnexpectedEof,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
            | UnexpectedEof
    )
}

/// The URL as it may be shown.
pub(super) fn without_userinfo(url: &Url) -> String {
    if url.cannot_be_a_base() {
        // `user:password@host` reads as a path after the scheme `user`.
        return hide_userinfo(url.as_str());
    }
    if url.username().is_empty() && url.password().is_none() {
        return url.as_str().into();
    }
    let mut url = url.clone();
    // Refused only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// A text that should have been a URL, as it may be shown: without what stands before an `@`, anywhere. Where one is
/// no URL, a `/` may be a part of the password.
fn hide_userinfo(text: &str) -> String {
    let Some(at) = text.rfind('@') else {
        return text.into();
    };
    let start = text[..at].find("//").map_or(0, |slashes| slashes + 2);
    format!("{}{}", &text[..start], &text[at + 1..])
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.inner.kind, self.inner.seen.stage, self.proxy()) {
            // Nothing of an answer had come that it could be in the middle of.
            (ErrorKind::Receive, Some(Stage::Send | Stage::Wait), proxy) => {
                f.write_str("the connection failed before an answer came")?;
                if let Some(proxy) = proxy {
                    write!(f, ", on the way through the proxy {proxy}")?;
                }
            }
            _ if self.is_proxy_unusable() => f.write_str("the proxy cannot be used")?,
            (ErrorKind::Resolve, _, Some(proxy)) => {
                write!(f, "the name of the proxy {proxy} does not resolve")?;
            }
            (ErrorKind::Connect, _, Some(proxy)) => {
                write!(f, "cannot connect to the proxy {proxy}")?;
            }
            (ErrorKind::Proxy, _, Some(proxy)) => {
                write!(f, "the proxy {proxy} does not open the way to the host")?;
            }
            // It was that one who did it, whatever made it do so.
            (
                kind @ (ErrorKind::EmptyReply
                | ErrorKind::Timeout {
                    phase: Phase::IdleRead | Phase::IdleWrite,
                    ..
                }),
                _,
                Some(proxy),
            ) => kind.write(f, format_args!("proxy {proxy}"))?,
            (kind, _, Some(proxy)) => write!(f, "{kind}, on the way through the proxy {proxy}")?,
            (kind, _, None) => kind.fmt(f)?,
        }
        if let (true, Some(stage)) = (self.is_timeout(), self.inner.seen.stage) {
            let (sent, received) = (self.bytes_sent(), self.bytes_received());
            write!(f, ", {stage}; {sent} bytes sent, {received} received")?;
        }
        if let (ErrorKind::NotUpgraded, Some(status)) = (self.inner.kind, self.inner.status) {
            write!(f, ": the answer is {status}")?;
        }
        match &self.inner.url {
            Some(url) => write!(f, " ({url})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("url", &self.inner.url)
            .field("source", &std::error::Error::source(self))
            .field("stage", &self.inner.seen.stage)
            .field("sent", &self.inner.seen.sent)
            .field("received", &self.inner.seen.received)
            .field("reused", &self.timings().is_some_and(|known| known.reused))
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.inner.source.as_ref()? {
            Source::Io(error) => Some(error),
            Source::Protocol(error) => Some(error),
            Source::Boxed(error) => Some(&**error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.inner.kind {
            ErrorKind::Timeout { .. } => io::ErrorKind::TimedOut,
            ErrorKind::Truncated { .. } | ErrorKind::EmptyReply => io::ErrorKind::UnexpectedEof,
            _ if error.is_request() => io::ErrorKind::InvalidInput,
            _ if error.is_response() => io::ErrorKind::InvalidData,
            _ => match &error.inner.source {
                Some(Source::Io(source)) => source.kind(),
                _ => io::ErrorKind::Other,
            },
        };
        io::Error::new(kind, error)
    }
}
