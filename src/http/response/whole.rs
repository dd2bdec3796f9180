//! The body of a response, read to its end.

use std::pin::{Pin, pin};
use std::rc::Rc;

use bytes::Bytes;

use super::Response;
use super::reply::{Broken, at_once};
use crate::http::error::Error;
use crate::http::faces::Fetched;
use crate::http::pool::Slot;
use crate::http::spare::{SMALLEST, Spare};

/// What some put before UTF-8, and what is no part of the text (Encoding Standard, "UTF-8 decode").
pub(in crate::http) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Response {
    /// The body to its end. JSON is read from it by `serde_json::from_slice(&bytes)`. What has been read before is not in
    /// it: called again, it is empty.
    ///
    /// One of known length is received straight into its memory. That of a large one goes back to the client when the
    /// last view of it is dropped; see [`spare_memory`](crate::http::ClientBuilder::spare_memory).
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::http::ErrorKind); `BodyTooLarge` beyond the client's limit.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: what was read before goes with the future, and whatever reads the body after that gives
    /// `Cancelled`.
    #[doc(alias = "json")]
    pub async fn bytes(&mut self) -> Result<Bytes, Error> {
        match self.whole_at_hand()? {
            Some(whole) => Ok(whole),
            None => self.receive_boxed().await,
        }
    }

    /// The whole of a small body, if it came with the head.
    fn whole_at_hand(&mut self) -> Result<Option<Bytes>, Error> {
        let reply = &mut *self.reply;
        let is_plain = reply.decoding.is_none() && reply.broken.is_none();
        if !is_plain || !reply.exchange.has_rest_at_hand(SMALLEST) {
            return Ok(None);
        }
        match reply.at_hand() {
            Ok(chunk) => {
                let whole = chunk.as_deref().map(Bytes::copy_from_slice);
                drop(chunk);
                reply.end();
                Ok(Some(whole.unwrap_or_default()))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// In a box, since it is large and would lie in the future of every task that fetches; out of line, so that `bytes`
    /// is small enough to be compiled into its caller.
    #[inline(never)]
    fn receive_boxed(&mut self) -> Pin<Box<dyn Future<Output = Result<Bytes, Error>> + '_>> {
        Box::pin(self.receive_bytes())
    }

    async fn receive_bytes(&mut self) -> Result<Bytes, Error> {
        self.check_readable()?;
        // There is no slot where the body has ended.
        let spare = self.reply.slot.as_ref().map(|slot| slot.spare().clone());
        let (memory, start) = self.collect(spare.as_deref()).await?;
        Ok(match spare {
            Some(spare) => spare.lend(memory, start),
            None => memory.into(),
        })
    }

    /// The body to its end, and where it begins in what is returned: at zero without `spare`.
    async fn collect(&mut self, spare: Option<&Spare>) -> Result<(Vec<u8>, usize), Error> {
        let mut whole = Vec::new();
        let mut start = 0;
        while let Some(chunk) = self.next_chunk().await? {
            self.reply.broken = Some(Broken::Torn);
            if self.reply.decoding.is_some() {
                whole.extend_from_slice(&chunk);
                continue;
            }
            if whole.is_empty() {
                let rest = self.reply.exchange.remaining().unwrap_or(0);
                let size = chunk.len() + at_once(rest, 0);
                whole = match spare {
                    Some(spare) => spare.take(size),
                    None => Vec::with_capacity(size),
                };
                start = whole.len();
            }
            whole.extend_from_slice(&chunk);
            drop(chunk);
            if self.reply.exchange.is_complete() {
                self.reply.end();
                break;
            }
            whole = self.receive_known(whole).await?;
        }
        self.reply.broken = None;
        Ok((whole, start))
    }

    /// The body to its end, as text; what is not UTF-8 becomes U+FFFD, and a byte order mark before it is left out. Called
    /// again, there is nothing left: an empty text.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Response::bytes).
    pub async fn text(&mut self) -> Result<String, Error> {
        self.check_readable()?;
        let (mut bytes, _) = self.collect(None).await?;
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// This response with its body to the end, in a form that can go to another thread. What has been read of the body
    /// before is not in it.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Response::bytes).
    pub async fn whole(mut self) -> Result<Fetched, Error> {
        let body = self.bytes().await?;
        let (local_addr, remote_addr) = (self.local_addr(), self.remote_addr());
        Ok(Fetched {
            body,
            status: self.status(),
            version: self.version(),
            reason: self.reason().into(),
            may_repeat: self.original().may_repeat(),
            received: self.reply.exchange.watch().bytes_received(),
            request_method: self.request_method().clone(),
            request_url: self.request_url().clone(),
            request_headers: self.request_headers().clone(),
            content_coding: self.content_coding().cloned(),
            coded_length: self.coded_length(),
            body_received: self.body_received(),
            head_size: self.head_size(),
            request_size: self.request_size(),
            bytes_sent: self.bytes_sent(),
            trailers: self.trailers().cloned(),
            headers: std::mem::take(&mut self.reply.exchange.head_mut().headers).into_map(),
            url: self.request.url.into_url(),
            history: std::mem::take(&mut self.reply.chain.history),
            timings: self.reply.timings,
            local_addr,
            remote_addr,
        })
    }

    /// Receives the rest of a body of known length to the end of `whole`.
    async fn receive_known(&mut self, whole: Vec<u8>) -> Result<Vec<u8>, Error> {
        let watch = Rc::clone(self.reply.exchange.watch());
        // What came before may have been at hand for long.
        watch.resume();
        let closing = self.reply.slot.as_ref().map(Slot::closing);
        let received = watch
            .over(closing, pin!(self.reply.receive_known(whole)))
            .await;
        match received {
            Ok(whole) => Ok(whole),
            Err(error) => Err(self.fail(error)),
        }
    }
}
