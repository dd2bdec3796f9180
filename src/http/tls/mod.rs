//! TLS over any transport.
//!
//! | file | job |
//! | --- | --- |
//! | `session.rs` | TLS without a socket: ciphertext and plaintext, in and out; and rustls behind that |
//! | `sides.rs` | the two sides of a transport that goes through a session |
//! | `handshake.rs` | from a transport to one with TLS |
//! | `config.rs` | the user's settings, and what rustls makes of them |
//! | `roots.rs` | whom to trust |
//! | `verifier.rs` | trusting everybody |
//!
//! rustls is seen here and nowhere else, but for the type of its configuration, which a user may bring.

mod config;
mod handshake;
mod roots;
mod session;
mod sides;
#[cfg(all(test, feature = "tls-ring"))]
mod tests;
mod verifier;

use std::io;

use rustls::AlertDescription;

pub use ::rustls;
pub use config::Pem;
pub(super) use config::TlsSettings;
pub(super) use handshake::handshake;
pub(super) use sides::{Heard, TlsRecv, TlsSend};

use super::error::CertificateFault;

/// As the error of a transport.
fn failed(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The error of TLS that an error of a transport is.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether an error of a transport is one of TLS.
pub(super) fn is_tls_error(error: &io::Error) -> bool {
    tls_error(error).is_some()
}

/// Whose certificate an error of a transport says that TLS failed for. Of an alert of the server's (RFC 8446, 6.2): that
/// this client's is refused, or missing.
pub(super) fn certificate_fault(error: &io::Error) -> Option<CertificateFault> {
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Some(CertificateFault::Server)
        }
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired,
        ) => Some(CertificateFault::Refused),
        _ => None,
    }
}
