//! TLS without a socket: ciphertext and plaintext, in and out.

use std::sync::Arc;
use std::time::Instant;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{ClientConfig, Error, HandshakeKind, InvalidMessage, ProtocolVersion};

use crate::http::hooks::Hooks;
use crate::http::trace::Trace;

/// What decrypted bytes are given to.
type Give<'a> = &'a mut dyn FnMut(&[u8]);

/// A TLS session of a client: rustls, through the interface that keeps no buffers of its own. It knows no socket, and
/// keeps what it has made until it is fetched.
pub(super) struct Rustls {
    connection: UnbufferedClientConnection,
    /// `None` while it [rests](Rustls::rest): most sessions do, most of the time.
    buffers: Option<Box<Buffers>>,
    heard: Option<Instant>,
    handshaking: bool,
    ended: bool,
    /// It is over, and must not be asked again. In a box, since most have none and all would keep room for one.
    failed: Option<Box<Error>>,
}

/// What a session has at hand while something is sent or received.
#[derive(Default)]
struct Buffers {
    /// Received and not yet decrypted: a part of a record, or of a message of the handshake.
    received: Vec<u8>,
    /// To be lent.
    spare: Vec<u8>,
    /// How much was received and not decrypted when it was.
    lent: usize,
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// A session keeps no more than so much that it cannot use yet. The largest message of a handshake has 64 KiB;
/// records are smaller, and come with some bytes of their own.
const MAX_UNUSED: usize = 80 << 10;

impl Rustls {
    /// Begins a handshake with `name`. The first message is there to be sent.
    pub(super) fn new(
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Rustls, Error> {
        let mut session = Rustls {
            connection: UnbufferedClientConnection::new(Arc::clone(config), name)?,
            buffers: None,
            heard: None,
            handshaking: true,
            ended: false,
            failed: None,
        };
        session.run(Then::Nothing, None)?;
        Ok(session)
    }

    /// Says what the handshake has settled on.
    pub(super) fn trace(&self, hooks: &Hooks) {
        if !hooks.is_traced() {
            return;
        }
        let connection = &self.connection;
        let cipher = connection.negotiated_cipher_suite();
        let cipher = cipher.and_then(|suite| suite.suite().as_str());
        let shown = connection.peer_certificates().unwrap_or_default();
        let certificates: Vec<&[u8]> = shown.iter().map(|certificate| &**certificate).collect();
        hooks.trace(&Trace::Secured {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                // The oldest that rustls speaks.
                _ => "TLSv1.2",
            },
            // rustls writes TLS13_AES_128_GCM_SHA256 for what is registered without the 13.
            cipher: &cipher.unwrap_or_default().replacen("TLS13_", "TLS_", 1),
            alpn: (self.alpn()).and_then(|protocol| str::from_utf8(protocol).ok()),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            certificates: &certificates,
        });
    }

    /// Takes in what has come from the peer, in whatever pieces it comes. An error is final; there may be an alert
    /// to be sent after it.
    pub(super) fn receive(&mut self, ciphertext: &[u8]) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err((**error).clone());
        }
        self.heard = Some(Instant::now());
        let buffers = self.buffers.get_or_insert_default();
        buffers.received.extend_from_slice(ciphertext);
        if !self.handshaking {
            buffers.plaintext.reserve(buffers.received.len());
        }
        self.decrypt(None)
    }

    /// Memory to receive into, for who expects a lot: what has come and is of no use yet, and room for `room` bytes
    /// behind it. Who does not bring it back has lost nothing.
    pub(super) fn lend(&mut self, room: usize) -> Vec<u8> {
        let buffers = self.buffers.get_or_insert_default();
        let mut lent = std::mem::take(&mut buffers.spare);
        lent.clear();
        lent.reserve(buffers.received.len() + room);
        lent.extend_from_slice(&buffers.received);
        buffers.lent = buffers.received.len();
        lent
    }

    /// As [`receive`](Rustls::receive), of memory that was lent, with what has come behind what was in it.
    /// `give` gets what that was, decrypted, piece by piece, behind what there is to take.
    pub(super) fn receive_lent(&mut self, mut lent: Vec<u8>, give: Give<'_>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err((**error).clone());
        }
        self.heard = Some(Instant::now());
        // Nobody receives in two ways at once. If somebody did, what he received would lie before this.
        let buffers = self.buffers.get_or_insert_default();
        if buffers.received.len() == buffers.lent {
            std::mem::swap(&mut buffers.received, &mut lent);
        } else {
            buffers.received.extend_from_slice(&lent[buffers.lent..]);
        }
        buffers.spare = lent;
        self.decrypt(Some(give))
    }

    /// What the peer has sent, decrypted, if there is anything.
    pub(super) fn take_plaintext(&mut self) -> Option<Vec<u8>> {
        let plaintext = &mut self.buffers.as_mut()?.plaintext;
        (!plaintext.is_empty()).then(|| std::mem::take(plaintext))
    }

    /// Encrypts what is to be sent to the peer, behind everything before.
    pub(super) fn send(&mut self, plaintext: &[u8]) -> Result<(), Error> {
        self.run(Then::Send(plaintext), None)
    }

    /// Says to the peer that nothing more will be sent.
    pub(super) fn close(&mut self) {
        // One that has failed has nothing to say.
        let _ = self.run(Then::Close, None);
    }

    /// What has to go to the peer, if there is anything.
    pub(super) fn take_ciphertext(&mut self) -> Option<Vec<u8>> {
        let ciphertext = &mut self.buffers.as_mut()?.ciphertext;
        (!ciphertext.is_empty()).then(|| std::mem::take(ciphertext))
    }

    /// Whether a part of something has come, whose rest has not.
    pub(super) fn has_part(&self) -> bool {
        self.received() > 0
    }

    /// When something came from the peer last, be it of use yet or not.
    pub(super) fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Whether the handshake goes on.
    pub(super) fn is_handshaking(&self) -> bool {
        self.handshaking
    }

    /// Whether the peer has said that nothing more will come (close_notify).
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The protocol that the handshake has settled on, if it was a subject.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Gives memory back that is of no use while nothing is sent or received.
    pub(super) fn rest(&mut self) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        buffers.spare = Vec::new();
        let Buffers {
            received,
            plaintext,
            ciphertext,
            ..
        } = &mut **buffers;
        let kept = [received, plaintext, ciphertext];
        match kept.iter().all(|buffer| buffer.is_empty()) {
            true => self.buffers = None,
            false => kept.map(Vec::shrink_to_fit).into_iter().collect(),
        }
    }

    /// How many bytes its buffers have.
    #[cfg(all(test, feature = "tls-ring"))]
    pub(super) fn buffered(&self) -> usize {
        let Some(buffers) = &self.buffers else {
            return 0;
        };
        let buffers = [
            &buffers.received,
            &buffers.spare,
            &buffers.plaintext,
            &buffers.ciphertext,
        ];
        buffers.map(Vec::capacity).iter().sum()
    }

    /// Goes on until the session wants more from the peer, and then does `then`, if the session can. What it decrypts
    /// is given to `give`, or else kept.
    fn run(&mut self, then: Then<'_>, mut give: Option<Give<'_>>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err((**error).clone());
        }
        let Buffers {
            received,
            plaintext,
            ciphertext,
            ..
        } = &mut **self.buffers.get_or_insert_default();
        let mut used = 0;
        let result = loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut received[used..]);
            let done = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                    match traffic.next_record() {
                        Some(Ok(record)) => {
                            discard += record.discard;
                            match &mut give {
                                Some(give) => give(record.payload),
                                None => plaintext.extend_from_slice(record.payload),
                            }
                        }
                        Some(Err(error)) => break Some(Err(error)),
                        None => break None,
                    }
                },
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let encoded =
                        append(ciphertext, 0, |out| data.encode(out).map_err(Failed::from));
                    encoded.err().map(Err)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    // It is kept in order, and will be sent in order.
                    data.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(match then {
                    Then::Send(_) => Err(Error::HandshakeNotComplete),
                    Then::Nothing | Then::Close => Ok(()),
                }),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    self.handshaking = false;
                    Some(match then {
                        Then::Nothing => Ok(()),
                        Then::Send(content) => {
                            let guess = content.len() + 64 * (content.len() / 16384 + 1);
                            append(ciphertext, guess, |out| {
                                traffic.encrypt(content, out).map_err(Failed::from)
                            })
                        }
                        Then::Close => append(ciphertext, 64, |out| {
                            traffic.queue_close_notify(out).map_err(Failed::from)
                        }),
                    })
                }
                Ok(ConnectionState::Closed) => Some(match then {
                    Then::Send(_) => Err(Error::General("the TLS session has been closed".into())),
                    Then::Nothing | Then::Close => Ok(()),
                }),
                // There is no early data for a client, and nothing else that is known.
                Ok(_) => Some(Err(Error::General("an unknown state of TLS".into()))),
                Err(error) => {
                    self.failed = Some(Box::new(error.clone()));
                    Some(Err(error))
                }
            };
            used += discard;
            if let Some(result) = done {
                break result;
            }
        };
        received.drain(..used);
        result
    }

    /// How much has been received and is not decrypted.
    fn received(&self) -> usize {
        self.buffers
            .as_ref()
            .map_or(0, |buffers| buffers.received.len())
    }

    /// Decrypts what has been received.
    fn decrypt(&mut self, give: Option<Give<'_>>) -> Result<(), Error> {
        let result = self.run(Then::Nothing, give);
        if self.failed.is_some() {
            self.encode_alert();
        } else if self.received() > MAX_UNUSED {
            let error = Error::from(InvalidMessage::HandshakePayloadTooLarge);
            self.failed = Some(Box::new(error.clone()));
            return Err(error);
        }
        result
    }

    /// The alert that follows an error, if there is one.
    fn encode_alert(&mut self) {
        // Without one, the session would look at its input again, which it must not after an error.
        if !self.connection.wants_write() {
            return;
        }
        let buffers = &mut **self.buffers.get_or_insert_default();
        let status = self.connection.process_tls_records(&mut buffers.received);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
            // Without the alert, the peer sees the end of the connection.
            let _ = append(&mut buffers.ciphertext, 64, |out| {
                data.encode(out).map_err(Failed::from)
            });
        }
    }
}

/// What to do once the session can.
#[derive(Clone, Copy)]
enum Then<'a> {
    Nothing,
    Send(&'a [u8]),
    Close,
}

/// Why something could not be written.
enum Failed {
    TooSmall(InsufficientSizeError),
    For(Error),
}

impl From<EncryptError> for Failed {
    fn from(error: EncryptError) -> Failed {
        match error {
            EncryptError::InsufficientSize(size) => Failed::TooSmall(size),
            EncryptError::EncryptExhausted => Failed::For(Error::EncryptError),
        }
    }
}

impl From<EncodeError> for Failed {
    fn from(error: EncodeError) -> Failed {
        match error {
            EncodeError::InsufficientSize(size) => Failed::TooSmall(size),
            error => Failed::For(Error::General(error.to_string())),
        }
    }
}

/// Appends to `out` what `write` writes, which has about `guess` bytes.
fn append(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Failed>,
) -> Result<(), Error> {
    let start = out.len();
    let mut size = guess;
    let result = loop {
        out.resize(start + size, 0);
        match write(&mut out[start..]) {
            Ok(written) => break Ok(written),
            Err(Failed::TooSmall(wanted)) if wanted.required_size > size => {
                size = wanted.required_size;
            }
            Err(Failed::TooSmall(_)) => break Err(Error::EncryptError),
            Err(Failed::For(error)) => break Err(error),
        }
    };
    out.truncate(start + *result.as_ref().unwrap_or(&0));
    result.map(drop)
}
