//! Exit codes, as curl numbers them, and why a transfer failed.

use std::error::Error as _;
use std::io;

use eyewall::http::{CertificateFault, Error, ErrorKind, ProtocolError, Stage};

pub(crate) const UNSUPPORTED_PROTOCOL: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const BAD_URL: u8 = 3;
pub(crate) const NOT_BUILT_IN: u8 = 4;
pub(crate) const PROXY_NOT_RESOLVED: u8 = 5;
pub(crate) const NOT_RESOLVED: u8 = 6;
pub(crate) const CONNECT_FAILED: u8 = 7;
pub(crate) const BAD_RESPONSE: u8 = 8;
pub(crate) const PARTIAL_BODY: u8 = 18;
pub(crate) const STATUS: u8 = 22;
pub(crate) const WRITE_ERROR: u8 = 23;
pub(crate) const READ_ERROR: u8 = 26;
pub(crate) const TIMEOUT: u8 = 28;
pub(crate) const TLS_FAILED: u8 = 35;
pub(crate) const GIVEN_UP: u8 = 42;
pub(crate) const BAD_REQUEST: u8 = 43;
pub(crate) const NO_SUCH_INTERFACE: u8 = 45;
pub(crate) const TOO_MANY_REDIRECTS: u8 = 47;
pub(crate) const BAD_OPTION: u8 = 49;
pub(crate) const EMPTY_REPLY: u8 = 52;
pub(crate) const SEND_FAILED: u8 = 55;
pub(crate) const RECEIVE_FAILED: u8 = 56;
pub(crate) const BAD_CLIENT_CERTIFICATE: u8 = 58;
pub(crate) const CERTIFICATE_REFUSED: u8 = 60;
pub(crate) const BAD_CODING: u8 = 61;
pub(crate) const TOO_LARGE: u8 = 63;
pub(crate) const CANNOT_SEND_AGAIN: u8 = 65;
pub(crate) const BAD_CA_FILE: u8 = 77;

/// Why a transfer failed: what to say, and curl's number for it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
        }
    }

    /// What is said about it.
    pub(crate) fn line(&self) -> String {
        format!("fetch: ({}) {}\n", self.code, self.message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(USAGE, message)
    }

    pub(crate) fn write(error: &io::Error) -> Failure {
        Failure::new(WRITE_ERROR, format!("cannot write the body: {error}"))
    }

    pub(crate) fn read(what: &str, error: &io::Error) -> Failure {
        Failure::new(READ_ERROR, format!("cannot read {what}: {error}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure {
            code: code_of(&error),
            message: with_causes(&error),
        }
    }
}

fn code_of(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::UnsupportedScheme => UNSUPPORTED_PROTOCOL,
        ErrorKind::Url => BAD_URL,
        ErrorKind::Resolve => NOT_RESOLVED,
        ErrorKind::Connect => CONNECT_FAILED,
        ErrorKind::Tls => match error.certificate_fault() {
            Some(CertificateFault::Server) => CERTIFICATE_REFUSED,
            Some(CertificateFault::Trust) => BAD_CA_FILE,
            Some(CertificateFault::Client) => BAD_CLIENT_CERTIFICATE,
            // A server that finds out late, after the handshake, that it wants a certificate.
            _ if error.stage() > Some(Stage::Tls) => RECEIVE_FAILED,
            _ => TLS_FAILED,
        },
        ErrorKind::Truncated { .. } => PARTIAL_BODY,
        ErrorKind::Timeout { .. } => TIMEOUT,
        ErrorKind::EmptyReply => EMPTY_REPLY,
        ErrorKind::Send => SEND_FAILED,
        // What the environment says about a proxy cannot be understood.
        ErrorKind::Proxy if error.stage() < Some(Stage::Connect) => PROXY_NOT_RESOLVED,
        // A proxy that refuses a tunnel has answered, but not as it should.
        ErrorKind::Receive | ErrorKind::Proxy => RECEIVE_FAILED,
        ErrorKind::BodyTooLarge { .. } => TOO_LARGE,
        ErrorKind::Protocol => code_of_response(error),
        ErrorKind::Decode => BAD_CODING,
        ErrorKind::Body => READ_ERROR,
        ErrorKind::Save => WRITE_ERROR,
        ErrorKind::TooManyRedirects { .. } => TOO_MANY_REDIRECTS,
        ErrorKind::RedirectLocation => match error.source() {
            Some(source) if source.is::<url::ParseError>() => BAD_URL,
            // A URL, of a scheme that is not fetched.
            _ => UNSUPPORTED_PROTOCOL,
        },
        ErrorKind::RedirectBody => CANNOT_SEND_AGAIN,
        ErrorKind::Status(_) => STATUS,
        ErrorKind::Closed | ErrorKind::Cancelled => GIVEN_UP,
        ErrorKind::Request => BAD_REQUEST,
        _ => USAGE,
    }
}

/// What curl says about a response that cannot be read.
fn code_of_response(error: &Error) -> u8 {
    use ProtocolError as E;

    let below = error.source().and_then(|source| source.downcast_ref());
    match below {
        Some(
            E::HeadTooLarge { .. }
            | E::TooManyFields { .. }
            | E::ChunkSizeMissing
            | E::ChunkSizeInvalid
            | E::ChunkSizeTooLong
            | E::ChunkLineTooLong { .. }
            | E::ChunkExtensionsTooLong { .. }
            | E::ControlInChunkExtension { .. }
            | E::BareLfInChunk
            | E::BareCrInChunk
            | E::ChunkDataUnterminated
            | E::TrailersTooLarge { .. }
            | E::TooManyTrailers { .. }
            | E::TrailerField { .. }
            | E::BareLfInTrailers
            | E::FoldInTrailers,
        ) => RECEIVE_FAILED,
        Some(E::TransferCodingUnsupported | E::TransferEncodingNotChunked) => BAD_CODING,
        _ => BAD_RESPONSE,
    }
}

/// Whether no connection could be made because the address to make it from is none of this machine's.
pub(crate) fn is_unbindable(error: &Error) -> bool {
    let below = error.source().and_then(|source| source.downcast_ref());
    below.is_some_and(|below: &io::Error| below.kind() == io::ErrorKind::AddrNotAvailable)
}

/// The message of an error and of those below it. Some tell their cause themselves.
fn with_causes(error: &Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.ends_with(&text) {
            message.push_str(&format!(": {text}"));
        }
        source = cause.source();
    }
    message
}

/// The number that OpenSSL has for what is wrong with the server's certificate, which curl prints; 0 if nothing is.
#[cfg(feature = "__tls")]
pub(crate) fn verify_result(error: &Error) -> u32 {
    use eyewall::http::rustls::{CertificateError, Error as TlsError};

    let below = error.source().and_then(|source| source.downcast_ref());
    let below: Option<&TlsError> = below
        .and_then(io::Error::get_ref)
        .and_then(|inner| inner.downcast_ref());
    let Some(TlsError::InvalidCertificate(problem)) = below else {
        return 0;
    };
    match problem {
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => 9,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => 10,
        CertificateError::UnknownIssuer => 20,
        CertificateError::Revoked => 23,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => 26,
        _ => 1,
    }
}

#[cfg(not(feature = "__tls"))]
pub(crate) fn verify_result(_error: &Error) -> u32 {
    0
}
