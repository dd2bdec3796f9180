//! The server of TLS, with a thread for each connection: the client alone is measured.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use eyewall::http::Client;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::server::answer;
use super::{KIB, MIB};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Stands for the end of a line in what is printed as one.
const END_OF_LINE: &str = "|";

/// A client that trusts the server that has printed `certificate`. Its configuration is made here, and not in another
/// thread, for which valgrind would not wait.
pub(super) fn client(certificate: &str) -> Client {
    let pem = certificate.replace(END_OF_LINE, "\n");
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
    roots
        .add(certificate.expect("a certificate"))
        .expect("one to trust");
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("a version that is there")
            .with_root_certificates(roots)
            .with_no_client_auth();
    Client::builder().tls_config(Arc::new(config)).build()
}

/// Prints its address and its certificate, and serves until standard input ends.
pub(super) fn serve() -> io::Result<()> {
    let (config, certificate) = config().map_err(io::Error::other)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    println!("{}", certificate.replace('\n', END_OF_LINE));
    std::thread::spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || answer_all(socket, config));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// With a certificate made on the spot, which comes with it, in PEM format.
fn config() -> Result<(Arc<ServerConfig>, String), Failed> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".into()])?.self_signed(&key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der())?,
        )?;
    Ok((Arc::new(config), certificate.pem()))
}

fn answer_all(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, socket);
    let (small, large) = (answer(KIB), answer(MIB));
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..count]);
        if request.ends_with(b"\r\n\r\n") {
            let answer = match request.starts_with(b"GET /1024 ") {
                true => &small,
                false => &large,
            };
            stream.write_all(answer)?;
            request.clear();
        }
    }
}
