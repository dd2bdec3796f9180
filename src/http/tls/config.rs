//! The user's settings for TLS, and what rustls makes of them.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::handshake::HTTP_1_1;
use super::roots;
use super::verifier::TrustEverybody;
use crate::http::error::CertificateFault;
use crate::http::response::BYTE_ORDER_MARK;
use crate::task::spawn_blocking;

/// What a user wants of TLS.
#[derive(Default)]
pub(in crate::http) struct TlsSettings {
    wanted: Wanted,
    /// What came of it, once it was needed.
    made: OnceCell<Arc<ClientConfig>>,
}

#[derive(Clone, Default)]
pub(in crate::http) struct Wanted {
    /// All of it, in rustls' own words.
    pub(in crate::http) config: Option<Arc<ClientConfig>>,
    /// Trust these, and not those that the system trusts.
    pub(in crate::http) roots: Vec<Pem>,
    /// Trust these, too.
    pub(in crate::http) more_roots: Vec<Pem>,
    /// Certificates and key.
    pub(in crate::http) identity: Option<(Pem, Pem)>,
    pub(in crate::http) accept_invalid: bool,
}

/// Certificates, or a key, in PEM format: a file, or its content.
///
/// ```
/// use eyewall::http::{ConnectOptions, Pem};
///
/// let options = ConnectOptions::new().ca_certificates(Pem::file("/etc/ssl/company.pem"));
/// ```
#[derive(Clone)]
pub struct Pem(Source);

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Text(Vec<u8>),
}

impl Pem {
    /// The content of a file, which is read when it is first needed.
    pub fn file(path: impl Into<PathBuf>) -> Pem {
        Pem(Source::File(path.into()))
    }

    /// The content itself.
    pub fn text(text: impl Into<Vec<u8>>) -> Pem {
        Pem(Source::Text(text.into()))
    }

    /// Reads it. `what` it is says the error.
    fn read(&self, what: &str) -> io::Result<Vec<u8>> {
        match &self.0 {
            Source::Text(text) => Ok(with_lines(text)),
            Source::File(path) => match std::fs::read(path) {
                Ok(text) => Ok(with_lines(&text)),
                Err(error) => {
                    let message = format!("cannot read {what} in {}: {error}", path.display());
                    Err(io::Error::new(error.kind(), message))
                }
            },
        }
    }

    fn certificates(&self) -> io::Result<Vec<CertificateDer<'static>>> {
        const WHAT: &str = "the certificates";
        let text = self.read(WHAT)?;
        let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
        match found {
            Ok(found) if found.is_empty() => Err(self.bad(WHAT, "there are none")),
            Ok(found) => Ok(found),
            Err(error) => Err(self.bad(WHAT, error)),
        }
    }

    fn key(&self) -> io::Result<PrivateKeyDer<'static>> {
        const WHAT: &str = "the private key";
        let text = self.read(WHAT)?;
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            _ if is_encrypted(&text) => {
                self.bad(WHAT, "it has a password, which `openssl pkey` takes off it")
            }
            pem::Error::NoItemsFound => self.bad(WHAT, "there is none"),
            error => self.bad(WHAT, error),
        })
    }

    fn bad(&self, what: &str, error: impl fmt::Display) -> io::Error {
        let place = match &self.0 {
            Source::File(path) => path.display().to_string(),
            Source::Text(_) => "the given text".into(),
        };
        let message = format!("{what} in {place} cannot be used: {error}");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    }
}

/// `pem`, in which every item begins on a line of its own. Where files were put together, one may begin behind the last line
/// of another, or behind a byte order mark: it would be passed over, and nobody would know.
fn with_lines(pem: &[u8]) -> Vec<u8> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let mut text = Vec::with_capacity(pem.len());
    for byte in pem {
        text.push(*byte);
        let Some(before) = text.strip_suffix(BEGIN) else {
            continue;
        };
        let start = before.len();
        if before.trim_ascii_end().ends_with(b"-----") || before.ends_with(BYTE_ORDER_MARK) {
            text.insert(start, b'\n');
        }
    }
    text
}

/// Whether this is a key that only a password opens: one of PKCS #8 (RFC 7468, 11), or as OpenSSL had them before.
fn is_encrypted(pem: &[u8]) -> bool {
    let mut lines = pem.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.any(|line| {
        line == b"-----BEGIN ENCRYPTED PRIVATE KEY-----" || line == b"Proc-Type: 4,ENCRYPTED"
    })
}

/// Keeps keys out of logs.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(path) => f.debug_tuple("File").field(path).finish(),
            Source::Text(_) => f.write_str("Text"),
        }
    }
}

/// What is made of settings belongs to them, and not to changed ones.
impl Clone for TlsSettings {
    fn clone(&self) -> TlsSettings {
        TlsSettings {
            wanted: self.wanted.clone(),
            made: OnceCell::new(),
        }
    }
}

impl TlsSettings {
    pub(in crate::http) fn change(&mut self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.wanted);
        self.made = OnceCell::new();
    }

    /// The configuration for rustls. The first time, it is made where files may be read.
    pub(in crate::http) async fn config(&self) -> Result<Arc<ClientConfig>, BadSettings> {
        let known = self.wanted.config.as_ref().or(self.made.get());
        if let Some(known) = known {
            return Ok(Arc::clone(known));
        }
        let wanted = self.wanted.clone();
        let made = spawn_blocking(move || wanted.make()).await;
        let made = made.map_err(|error| BadSettings::other(io::Error::other(error)))??;
        // Another fetch may have been faster; the sessions to be resumed are kept in one place.
        Ok(Arc::clone(self.made.get_or_init(|| made)))
    }
}

impl Wanted {
    fn make(&self) -> Result<Arc<ClientConfig>, BadSettings> {
        let provider = provider().map_err(BadSettings::other)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| BadSettings::other(super::failed(error)))?;
        let builder = match self.accept_invalid {
            true => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(TrustEverybody(provider))),
            false => builder.with_root_certificates(self.roots().map_err(BadSettings::trust)?),
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => {
                let chain = certificates.certificates().map_err(BadSettings::client)?;
                let key = key.key().map_err(BadSettings::client)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| BadSettings::client(super::failed(error)))?
            }
        };
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Arc::new(config))
    }

    fn roots(&self) -> io::Result<Arc<RootCertStore>> {
        let base = match self.roots.is_empty() {
            true => roots::of_system(),
            false => Ok(Arc::new(RootCertStore::empty())),
        };
        let own = || self.roots.iter().chain(&self.more_roots);
        if own().next().is_none() {
            return base;
        }
        // Where the system trusts nobody, those that are given will do.
        let mut store = base.map_or_else(|_| RootCertStore::empty(), |base| (*base).clone());
        for pem in own() {
            for certificate in pem.certificates()? {
                store.add(certificate).map_err(super::failed)?;
            }
        }
        Ok(Arc::new(store))
    }
}

/// Settings of which no configuration can be made.
pub(in crate::http) struct BadSettings {
    pub(in crate::http) fault: Option<CertificateFault>,
    pub(in crate::http) error: io::Error,
}

impl BadSettings {
    fn trust(error: io::Error) -> BadSettings {
        BadSettings {
            fault: Some(CertificateFault::Trust),
            error,
        }
    }

    fn client(error: io::Error) -> BadSettings {
        BadSettings {
            fault: Some(CertificateFault::Client),
            error,
        }
    }

    fn other(error: io::Error) -> BadSettings {
        BadSettings { fault: None, error }
    }
}

/// The cryptography: what the process has installed, or else by the features.
fn provider() -> io::Result<Arc<CryptoProvider>> {
    static PROVIDER: OnceLock<Option<Arc<CryptoProvider>>> = OnceLock::new();
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(Arc::clone(installed));
    }
    let provider = PROVIDER.get_or_init(|| {
        #[cfg(feature = "tls-aws-lc")]
        let provider = Some(rustls::crypto::aws_lc_rs::default_provider());
        #[cfg(all(feature = "tls-ring", not(feature = "tls-aws-lc")))]
        let provider = Some(rustls::crypto::ring::default_provider());
        #[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc")))]
        let provider: Option<CryptoProvider> = None;
        provider.map(Arc::new)
    });
    provider.clone().ok_or_else(|| {
        let message = "there is no cryptography: enable the feature tls-ring or tls-aws-lc, or install a \
                       provider of rustls";
        io::Error::new(io::ErrorKind::Unsupported, message)
    })
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = &self.wanted;
        f.debug_struct("TlsSettings")
            .field("config", &wanted.config.is_some())
            .field("roots", &wanted.roots)
            .field("more_roots", &wanted.more_roots)
            .field("identity", &wanted.identity)
            .field("accept_invalid", &wanted.accept_invalid)
            .finish()
    }
}
