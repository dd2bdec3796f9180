//! Whom to trust where the user does not say.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;

/// The certificates that this system trusts, or else those of Mozilla's list; read once in the life of the process.
pub(super) fn of_system() -> io::Result<Arc<RootCertStore>> {
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| read().map(Arc::new));
    roots.clone().map_err(io::Error::other)
}

fn read() -> Result<RootCertStore, String> {
    let (roots, reason) = native();
    if !roots.is_empty() {
        return Ok(roots);
    }
    match webpki() {
        Some(roots) => Ok(roots),
        None => Err(reason),
    }
}

/// The certificates that the system trusts; or why there are none.
#[cfg(feature = "tls-native-roots")]
fn native() -> (RootCertStore, String) {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // A few that cannot be read do not keep the others from being used.
    roots.add_parsable_certificates(found.certs);
    let mut reason = String::from(
        "this system trusts nobody: install its package of certificates (ca-certificates), set SSL_CERT_FILE, \
         enable the feature tls-webpki-roots, or say which certificates to trust",
    );
    for error in found.errors {
        reason.push_str(&format!("; {error}"));
    }
    (roots, reason)
}

#[cfg(not(feature = "tls-native-roots"))]
fn native() -> (RootCertStore, String) {
    let reason = "there is nobody to trust: enable the feature tls-native-roots or tls-webpki-roots, or say which \
                  certificates to trust";
    (RootCertStore::empty(), reason.into())
}

/// Mozilla's list, as it was when this was built.
#[cfg(feature = "tls-webpki-roots")]
fn webpki() -> Option<RootCertStore> {
    let anchors = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
    Some(RootCertStore::from_iter(anchors))
}

#[cfg(not(feature = "tls-webpki-roots"))]
fn webpki() -> Option<RootCertStore> {
    None
}
