//! The TLS of every client that uses rustls: the same for all.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::client::Load;

/// rustls with ring, where the load is one of TLS. Which cipher of TLS 1.3 is used the server decides.
pub fn config(load: &Load) -> Option<ClientConfig> {
    let file = load.trusted.as_ref()?;
    let certificate = CertificateDer::from_pem_file(file).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate to trust");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version that is there")
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !load.resume {
        config.resumption = Resumption::disabled();
    }
    Some(config)
}
