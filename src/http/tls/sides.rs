//! The two sides of a transport that goes through a TLS session.
//!
//! They share the session. What the receiving side makes the session answer (to a request for new keys) goes out
//! with what is sent next: it has to be there before that, and no earlier (RFC 8446, 4.6.3).

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::failed;
use super::session::Rustls;
use crate::buf::{BufResult, Chunk, IoBuf, IoBufMut, fill, fill_from};
use crate::http::transport::{RecvSide, SendSide, after_the_end, unclean_end};

/// What an idle connection has beside the session and what it goes through.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TlsRecv>() <= 80 && size_of::<TlsSend>() <= 80);

/// The session of both sides.
pub(super) type Shared = Rc<RefCell<Rustls>>;

/// Tells of a TLS connection when its peer was heard last.
pub(in crate::http) struct Heard(Shared);

impl Heard {
    /// When something came, also if it was a part of a record, of which nothing can be handed out before its end.
    pub(in crate::http) fn at(&self) -> Option<Instant> {
        self.0.borrow().heard()
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Heard").field(&self.at()).finish()
    }
}

/// The receiving side.
pub(in crate::http) struct TlsRecv {
    below: RecvSide,
    session: Shared,
    /// Decrypted, and not yet taken.
    rest: Option<Chunk>,
    /// The transport below has ended.
    ended: bool,
    /// The session has failed. What it had decrypted before that goes first: it is from the peer, whatever followed
    /// it in the same piece.
    failed: Option<Box<rustls::Error>>,
}

/// For a buffer of more than a record, so much is received at a time, so that most of it is decrypted where it was
/// received, and goes from there to the buffer.
const AT_A_TIME: usize = 64 << 10;

/// So many pieces from below may stand for nothing when somebody looks if something is there.
const LOOKS: usize = 64;

impl TlsRecv {
    pub(super) fn new(below: RecvSide, session: Shared) -> TlsRecv {
        TlsRecv {
            below,
            session,
            rest: None,
            ended: false,
            failed: None,
        }
    }

    pub(in crate::http) fn below(&self) -> &RecvSide {
        &self.below
    }

    pub(in crate::http) fn heard(&self) -> Heard {
        Heard(Rc::clone(&self.session))
    }

    pub(in crate::http) fn poll_recv_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Chunk>>> {
        loop {
            if let Some(at_hand) = self.at_hand() {
                return Poll::Ready(at_hand);
            }
            let received = ready!(self.below.poll_recv_chunk(cx))?;
            self.take_in(received);
        }
    }

    fn take_in(&mut self, received: Option<Chunk>) {
        match received {
            Some(chunk) => {
                let received = self.session.borrow_mut().receive(&chunk);
                self.failed = received.err().map(Box::new);
            }
            None => self.ended = true,
        }
    }

    /// As [`poll_recv_chunk`](TlsRecv::poll_recv_chunk), for who has to know if something is there: it is pending only
    /// if nothing is. Records that stand for nothing, again and again, are an error to them.
    pub(in crate::http) fn poll_look(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Chunk>>> {
        for _ in 0..LOOKS {
            if let Some(at_hand) = self.at_hand() {
                return Poll::Ready(at_hand);
            }
            let looked = self.below.poll_look(cx);
            self.take_in(ready!(looked)?);
        }
        Poll::Ready(Err(io::Error::other("records of nothing")))
    }

    /// What can be received without waiting.
    fn at_hand(&mut self) -> Option<io::Result<Option<Chunk>>> {
        if let Some(rest) = self.rest.take() {
            return Some(Ok(Some(rest)));
        }
        let mut session = self.session.borrow_mut();
        if let Some(plaintext) = session.take_plaintext() {
            Some(Ok(Some(Chunk::owned(plaintext))))
        } else if let Some(error) = &self.failed {
            Some(Err(failed((**error).clone())))
        } else if session.has_ended() {
            Some(Ok(None))
        } else if self.ended {
            Some(Err(unclean_end()))
        } else {
            None
        }
    }

    /// Receives into `buffer`, from its start, as much as is there and fits; gives it back with the count, which
    /// is 0 at the end. Dropping the future loses no bytes.
    pub(in crate::http) async fn recv<B: IoBufMut>(
        &mut self,
        mut buffer: B,
    ) -> BufResult<usize, B> {
        loop {
            let received = match (self.at_hand(), &self.below) {
                (Some(at_hand), _) => at_hand,
                (None, RecvSide::Socket(_)) if buffer.bytes_capacity() > RECORD => {
                    match self.decrypt_into(&mut buffer).await {
                        Ok(0) => continue,
                        result => return (result, buffer),
                    }
                }
                (None, _) => poll_fn(|cx| self.poll_recv_chunk(cx)).await,
            };
            let result = received.map(|chunk| {
                let Some(mut chunk) = chunk else { return 0 };
                let count = fill(&mut buffer, &chunk);
                chunk.advance(count);
                self.rest = (!chunk.is_empty()).then_some(chunk);
                count
            });
            return (result, buffer);
        }
    }

    /// Receives once from the socket below, and decrypts it into `buffer`; what does not fit is there for later. Zero:
    /// it was nothing whole yet, or the end, or the session has failed.
    async fn decrypt_into<B: IoBufMut>(&mut self, buffer: &mut B) -> io::Result<usize> {
        let RecvSide::Socket(below) = &mut self.below else {
            return Ok(0);
        };
        let lent = self.session.borrow_mut().lend(AT_A_TIME);
        let start = lent.len();
        let (result, lent) = below.recv(lent.slice(start..start + AT_A_TIME)).await;
        if result? == 0 {
            self.ended = true;
            return Ok(0);
        }
        let (mut count, mut rest) = (0, Vec::new());
        let received =
            self.session
                .borrow_mut()
                .receive_lent(lent.into_inner(), &mut |plaintext| {
                    let fits = fill_from(buffer, count, plaintext);
                    count += fits;
                    rest.extend_from_slice(&plaintext[fits..]);
                });
        if !rest.is_empty() {
            self.rest = Some(Chunk::owned(rest));
        }
        self.failed = received.err().map(Box::new);
        Ok(count)
    }

    /// Whether a part of a record has come, which nobody has asked for where the connection is not in use.
    pub(in crate::http) fn has_part(&self) -> bool {
        self.session.borrow().has_part()
    }

    /// See [`Rustls::rest`].
    pub(in crate::http) fn rest(&mut self) {
        self.session.borrow_mut().rest();
    }
}

/// The sending side.
pub(in crate::http) struct TlsSend {
    below: SendSide,
    session: Shared,
    /// Encrypted, and not yet handed over. It cannot be taken back, since the peer counts the records: if the future
    /// that sends it is dropped, it goes out with the next one.
    pending: Option<Chunk>,
    closed: bool,
}

/// What a send that may wait in another one's belly returns.
type Sending<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + 'a>>;

/// The content of a record has at most so many bytes.
const RECORD: usize = 16 << 10;

impl TlsSend {
    pub(super) fn new(below: SendSide, session: Shared) -> TlsSend {
        TlsSend {
            below,
            session,
            pending: None,
            closed: false,
        }
    }

    /// Hands `buffer` over to be sent.
    pub(in crate::http) fn post<B: IoBuf>(&mut self, buffer: B) -> Sending<'_> {
        let buffer = buffer.slice(..);
        Box::pin(async move { self.encrypt_and_post(&[buffer.as_ref()]).await })
    }

    /// Sends all of `buffers`.
    pub(in crate::http) fn send<'a>(&'a mut self, buffers: &'a [&'a [u8]]) -> Sending<'a> {
        Box::pin(async move {
            self.encrypt_and_post(buffers).await?;
            self.below.flush().await
        })
    }

    /// Waits until everything has been sent.
    pub(in crate::http) fn flush(&mut self) -> Sending<'_> {
        Box::pin(async move {
            self.hand_over().await?;
            self.below.flush().await
        })
    }

    /// Tells the peer that nothing more will come, here and below.
    pub(in crate::http) fn shutdown(&mut self) -> Sending<'_> {
        Box::pin(async move {
            self.settle().await?;
            self.close();
            self.hand_over().await?;
            self.below.shutdown().await
        })
    }

    pub(in crate::http) fn is_settled(&self) -> bool {
        self.pending.is_none() && self.below.is_settled()
    }

    /// See [`SendSide::finish`].
    pub(in crate::http) async fn finish(&mut self) {
        match &self.below {
            // As every TLS that is dropped does.
            SendSide::Socket(_) => self.say_goodbye(),
            _ => drop(self.shutdown().await),
        }
    }

    async fn encrypt_and_post(&mut self, buffers: &[&[u8]]) -> io::Result<()> {
        if self.closed {
            return Err(after_the_end());
        }
        self.settle().await?;
        if self.pending.is_some() {
            self.hand_over().await?;
        }
        self.encrypt(buffers).map_err(failed)?;
        self.hand_over().await
    }

    /// Waits for what the socket below has still to send, as the next post would, and fails where that would: what has
    /// been encrypted cannot be taken back, and goes out also if the call for it has failed.
    async fn settle(&mut self) -> io::Result<()> {
        match &mut self.below {
            SendSide::Socket(half) => half.flush().await,
            _ => Ok(()),
        }
    }

    fn encrypt(&mut self, buffers: &[&[u8]]) -> Result<(), rustls::Error> {
        let mut session = self.session.borrow_mut();
        let size: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if buffers.len() > 1 && size <= RECORD {
            return session.send(&buffers.concat());
        }
        buffers.iter().try_for_each(|buffer| session.send(buffer))
    }

    /// Hands over what has been encrypted.
    async fn hand_over(&mut self) -> io::Result<()> {
        loop {
            if self.pending.is_none() {
                let ciphertext = self.session.borrow_mut().take_ciphertext();
                self.pending = ciphertext.map(Chunk::whole).transpose()?;
            }
            let Some(pending) = &self.pending else {
                return Ok(());
            };
            let SendSide::Conduit(conduit) = &mut self.below else {
                self.below.post(pending.clone()).await?;
                self.pending = None;
                continue;
            };
            conduit.ready().await?;
            // From here on the conduit has it, also if its flush is not waited for.
            let started = conduit.start(pending);
            self.pending = None;
            started?;
            conduit.flush().await?;
        }
    }

    fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.session.borrow_mut().close();
        }
    }

    /// Sends the last words, if that can be done at once: close_notify (RFC 8446, 6.1), or the alert of what went
    /// wrong.
    fn say_goodbye(&mut self) {
        if self.pending.is_some() {
            return;
        }
        self.close();
        let last = self.session.borrow_mut().take_ciphertext();
        if let Some(last) = last {
            self.below.post_last(last);
        }
    }
}

impl Drop for TlsSend {
    fn drop(&mut self) {
        self.say_goodbye();
    }
}

impl fmt::Debug for TlsRecv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsRecv")
            .field("below", &self.below)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSend")
            .field("below", &self.below)
            .finish_non_exhaustive()
    }
}
