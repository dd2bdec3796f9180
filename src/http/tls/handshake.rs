//! From a transport to one with TLS.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::failed;
use super::session::Rustls;
use super::sides::{TlsRecv, TlsSend};
use crate::buf::Chunk;
use crate::http::hooks::Hooks;
use crate::http::transport::Transport;

/// The one protocol that is spoken here.
pub(super) const HTTP_1_1: &[u8] = b"http/1.1";

/// Makes TLS with `host` on `transport`, of which `received` has come already.
///
/// The last message of the handshake goes out with the first request.
pub(in crate::http) async fn handshake(
    mut transport: Transport,
    config: &Arc<ClientConfig>,
    host: &str,
    received: Option<Chunk>,
    hooks: &Hooks,
) -> io::Result<Transport> {
    let mut session = Rustls::new(config, server_name(host)?).map_err(failed)?;
    let mut received = received;
    while session.is_handshaking() {
        if let Some(ciphertext) = session.take_ciphertext() {
            transport.split().1.post(ciphertext).await?;
        }
        let chunk = match received.take() {
            Some(chunk) => Some(chunk),
            None => transport.split().0.recv_chunk().await?,
        };
        let Some(chunk) = chunk else {
            let message = "the peer closed the connection in the TLS handshake";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        };
        if let Err(error) = session.receive(&chunk) {
            if let Some(alert) = session.take_ciphertext() {
                // What went wrong here is what counts.
                let _ = transport.split().1.post(alert).await;
            }
            return Err(match chunk.starts_with(b"HTTP/") {
                true => plain(),
                false => failed(error),
            });
        }
    }
    if let Some(protocol) = session.alpn()
        && protocol != HTTP_1_1
    {
        let name = String::from_utf8_lossy(protocol);
        let message = format!("the peer has chosen the protocol {name:?}; http/1.1 is spoken here");
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    session.trace(hooks);
    let session = Rc::new(RefCell::new(session));
    Ok(transport.through(|recv, send| {
        (
            TlsRecv::new(recv, Rc::clone(&session)),
            TlsSend::new(send, session),
        )
    }))
}

/// What the server said to the first message was an answer in HTTP: it takes that for a bad request.
fn plain() -> io::Error {
    let message = "the server speaks HTTP without TLS at this port: is its URL one of http?";
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// The name that the certificate must be for, and that SNI asks for: without the dot that may end a name (RFC
/// 6066, 3).
fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let host = host.strip_suffix('.').unwrap_or(host);
    match ServerName::try_from(host) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("no certificate can be for the host {host:?}"),
        )),
    }
}
