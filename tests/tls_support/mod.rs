//! Peers that speak TLS, on threads with std sockets, with certificates made on the spot.

#![allow(dead_code, unreachable_pub)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use eyewall::net::RecvHalf;
use futures_util::{Stream, stream};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// No test takes longer.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Who vouches for the peers.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    pub key: KeyPair,
    pub pem: String,
}

impl Identity {
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        Authority {
            issuer: CertifiedIssuer::self_signed(Authority::params(), key).unwrap(),
        }
    }

    fn params() -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of the same name would be mistaken for each other.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::SeqCst));
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// One that this one vouches for, and may itself vouch for others.
    pub fn intermediate(&self) -> Authority {
        let params = Authority::params();
        let key = KeyPair::generate().unwrap();
        Authority {
            issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap(),
        }
    }

    /// A certificate for these names.
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.sign(names, |_| {})
    }

    pub fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = params(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            key,
        }
    }

    /// One that was good last century.
    pub fn expired(&self, names: &[&str]) -> Identity {
        self.sign(names, |params| {
            params.not_before = date_time_ymd(1998, 1, 1);
            params.not_after = date_time_ymd(1999, 1, 1);
        })
    }

    /// One for clients only.
    pub fn client(&self) -> Identity {
        self.sign(&["client.test"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// A server that wants a certificate of this authority from its clients.
    pub fn asking(&self, identity: &Identity) -> ServerConfig {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider());
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![identity.certificate.clone()], identity.key())
            .unwrap()
    }
}

/// One that nobody vouches for.
pub fn self_signed(names: &[&str]) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = params(names).self_signed(&key).unwrap();
    Identity {
        certificate: certificate.der().clone(),
        pem: certificate.pem(),
        key,
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The usual configuration of a server.
pub fn server(identity: &Identity) -> ServerConfig {
    server_of(identity, rustls::ALL_VERSIONS)
}

pub fn server_of(
    identity: &Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.clone()], identity.key())
        .unwrap()
}

/// A server that runs `script` on a thread of its own.
pub struct Peer {
    pub address: SocketAddr,
    thread: JoinHandle<()>,
}

pub type Tls = StreamOwned<ServerConnection, Pieces>;

impl Peer {
    pub fn new(script: impl FnOnce(TcpListener) + Send + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Peer {
            address: listener.local_addr().unwrap(),
            thread: std::thread::spawn(move || script(listener)),
        }
    }

    /// One connection, one request, one answer, an orderly end.
    pub fn answering(config: ServerConfig, answer: &'static str) -> Peer {
        Peer::new(move |listener| {
            let mut tls = accept(&listener, &Arc::new(config));
            read_head(&mut tls);
            tls.write_all(answer.as_bytes()).unwrap();
            goodbye(tls);
        })
    }

    /// Takes connections as they come, whose handshakes may fail, and answers every request on them with `answer`.
    pub fn patient(config: ServerConfig, connections: usize, answer: &'static str) -> Peer {
        Peer::new(move |listener| {
            let config = Arc::new(config);
            for _ in 0..connections {
                let mut tls = accept(&listener, &config);
                while let Some(_head) = try_read_head(&mut tls) {
                    tls.write_all(answer.as_bytes()).unwrap();
                }
            }
        })
    }

    /// At the host `site.test`, which is in no DNS.
    pub fn url(&self) -> String {
        format!("https://site.test:{}/", self.address.port())
    }

    pub fn join(self) {
        self.thread.join().unwrap();
    }
}

/// A socket that is written to in pieces.
pub struct Pieces {
    pub stream: TcpStream,
    pub size: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = bytes.len().min(self.size);
        self.stream.write(&bytes[..size])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn accept_tcp(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The next connection, with TLS on it; the handshake comes with the first read.
pub fn accept(listener: &TcpListener, config: &Arc<ServerConfig>) -> Tls {
    over(accept_tcp(listener), config)
}

pub fn over(stream: TcpStream, config: &Arc<ServerConfig>) -> Tls {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let size = usize::MAX;
    StreamOwned::new(connection, Pieces { stream, size })
}

/// Reads a head, up to its empty line.
pub fn read_head(stream: &mut impl Read) -> String {
    try_read_head(stream).expect("the client closed")
}

pub fn try_read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Takes what nobody has encrypted for what the client sends next, and ends with the alert that follows.
pub fn fail(mut tls: Tls) {
    let mut record: &[u8] = &[&[23, 3, 3, 0, 32][..], &[0; 32]].concat();
    tls.conn.read_tls(&mut record).unwrap();
    tls.conn.process_new_packets().unwrap_err();
    tls.conn.write_tls(&mut tls.sock).unwrap();
}

/// An orderly end. A client that has all it wants may be gone before.
pub fn goodbye(mut tls: Tls) {
    tls.conn.send_close_notify();
    while tls.conn.wants_write() && tls.conn.write_tls(&mut tls.sock).is_ok() {}
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    let bounded = eyewall::time::timeout(LIMIT, future);
    eyewall::block_on(bounded)
        .unwrap()
        .expect("the test takes too long")
}

/// What is received, for a connector of the user's own.
pub fn pieces(recv: RecvHalf) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(recv, |mut recv| async {
        let chunk = recv.recv_chunk().await.transpose()?;
        Some((chunk.map(|chunk| Bytes::copy_from_slice(&chunk)), recv))
    })
}
