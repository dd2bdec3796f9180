//! A response as it comes: what it has in one box from before its request is sent.

use std::future::Future;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};

use crate::buf::Chunk;
use crate::http::codec::{Framing, Head};
use crate::http::coding::{Decoded, Decoding};
use crate::http::error::{Error, ErrorKind};
use crate::http::exchange::{Exchange, Outgoing};
use crate::http::faces::Unfinished;
use crate::http::pool::Slot;
use crate::http::redirect::Redirect;
use crate::http::request::Request;
use crate::http::timings::Timings;
use crate::reactor::nop;

/// What came before the last request of a fetch.
#[derive(Debug, Default)]
pub(in crate::http) struct Chain {
    pub(in crate::http) history: Vec<Redirect>,
    /// The first request, if that is not the last.
    pub(in crate::http) original: Option<Box<Request>>,
}

/// A response as it comes: its exchange, and what has still to be read of it.
///
/// It lies in one box from before its request is sent, since it is large, and is handed through many hands.
pub(in crate::http) struct Reply {
    pub(super) exchange: Exchange,
    pub(super) chain: Chain,
    pub(super) timings: Timings,
    pub(super) request_size: u64,
    pub(super) head_size: u64,
    /// Goes with the connection: `None` before the head has come, and once the body has ended or failed.
    pub(super) slot: Option<Slot>,
    /// The connection can be used again after this.
    pub(super) keep: bool,
    /// How long the peer keeps it, if it has said so.
    pub(super) keep_for: Option<Duration>,
    pub(super) reading: Reading,
    pub(super) decoding: Option<Box<Decoding>>,
    /// What a decoded body was coded in, and its length then.
    pub(super) coded: Option<Box<(HeaderValue, Option<u64>)>>,
    /// Bytes that the decoding has given.
    pub(super) decoded: u64,
    /// Bytes that it has taken since it gave the last.
    pub(super) fruitless: u64,
    /// Something of the body is lost to whoever would read on.
    pub(super) broken: Option<Broken>,
    /// How much of that since others could run.
    pub(super) unrested: usize,
    /// Its end has to be told; behind the slot, which has gone then.
    pub(super) unfinished: Option<Box<Unfinished>>,
}

/// Why a body cannot be read any further.
#[derive(Clone, Copy, Debug)]
pub(super) enum Broken {
    /// It has failed in this way.
    Failed(ErrorKind),
    /// Whoever was reading it to its end has gone before that, or is at it.
    Torn,
}

/// What the user says about reading a body.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Reading {
    /// Bytes that the body may have, decoded.
    pub(in crate::http) limit: u64,
    /// How many times larger it may become when it is decoded; zero for no limit.
    pub(in crate::http) expansion: u32,
    /// The body is to be decoded, if it is coded.
    pub(in crate::http) decode: bool,
}

impl Reply {
    /// One whose request has not been sent yet, which will have a head of `request_size` bytes.
    #[inline(always)]
    pub(in crate::http) fn new(
        exchange: Exchange,
        timings: Timings,
        request_size: u64,
        reading: Reading,
    ) -> Reply {
        Reply {
            exchange,
            chain: Chain::default(),
            timings,
            request_size,
            head_size: 0,
            slot: None,
            keep: false,
            keep_for: None,
            reading,
            decoding: None,
            coded: None,
            decoded: 0,
            fruitless: 0,
            broken: None,
            unrested: 0,
            unfinished: None,
        }
    }

    /// It is the response to `request`: tells that, and later how it ends.
    #[cold]
    #[inline(never)]
    pub(in crate::http) fn respond(&mut self, request: &Request, mut unfinished: Box<Unfinished>) {
        let status = self.head().status;
        unfinished.respond(&request.method, &request.url, status, &self.timings);
        self.unfinished = Some(unfinished);
    }

    /// Sends the request; see [`Exchange::begin`].
    pub(in crate::http) fn begin(
        &mut self,
        outgoing: &mut Outgoing,
        request: &Request,
        slot: &Slot,
    ) -> impl Future<Output = Result<(), Error>> {
        self.exchange
            .begin(outgoing, request, slot, &mut self.timings)
    }

    /// The head has come: the fetch keeps its place until the body has. Whether the connection can be `kept` after
    /// that, and how long the peer does.
    pub(in crate::http) fn keep(&mut self, slot: Slot, kept: bool, by_peer: Option<Duration>) {
        self.slot = Some(slot);
        self.keep = kept;
        self.keep_for = by_peer;
    }

    /// See [`Exchange::cause`].
    pub(in crate::http) fn cause(&mut self, error: Error) -> Error {
        self.exchange.cause(error)
    }

    pub(in crate::http) fn head(&self) -> &Head {
        self.exchange.head()
    }

    pub(in crate::http) fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Looks whether the body has to be decoded. What the head says of the coded body goes away then.
    pub(super) fn begin_decoding(&mut self) -> Result<(), Error> {
        let head = self.exchange.head_mut();
        let content = !matches!(head.framing, Framing::None | Framing::Tunnel);
        let whole = head.status != StatusCode::PARTIAL_CONTENT;
        let headers = &mut head.headers;
        // Looked for among the lines, so that a response without one needs no map.
        let coded = headers.first(&header::CONTENT_ENCODING).is_some();
        if !(self.reading.decode && content && whole && coded) {
            return Ok(());
        }
        self.decoding = Decoding::of(headers)?;
        if self.decoding.is_some() {
            let coding = headers.remove(header::CONTENT_ENCODING);
            headers.remove(header::CONTENT_LENGTH);
            let length = self.exchange.remaining();
            self.coded = coding.map(|coding| Box::new((coding, length)));
        }
        Ok(())
    }

    /// The body has ended.
    pub(super) fn end(&mut self) {
        self.let_go();
        if let Some(unfinished) = self.unfinished.take() {
            unfinished.end(&self.timings);
        }
    }

    /// A part of the body is given away: if it is known to be the last, its connection does not wait until somebody asks
    /// for the end.
    pub(super) fn let_go_with_last_part(&mut self) {
        if self.decoding.is_none() && self.exchange.is_complete() {
            self.let_go();
        }
    }

    /// The last byte has come: the connection goes back to the pool, if it may, or carries what is left of the request.
    pub(super) fn let_go(&mut self) {
        if self.slot.is_some() {
            let watch = self.exchange.watch();
            self.timings.total = match watch.came_at_once() {
                true => self.timings.first_byte,
                false => self.timings.at(watch.arrived()),
            };
        }
        if let Some(rest) = self.exchange.rest() {
            if let Some(slot) = self.slot.take() {
                rest.send_on(slot);
            }
        } else {
            self.put();
        }
    }

    /// The next part of the body, as it came, if it has been received already.
    pub(super) fn at_hand(&mut self) -> Result<Option<Chunk>, Error> {
        let chunk = self.exchange.next_at_hand()?;
        self.check(self.exchange.content_received())?;
        Ok(chunk)
    }

    /// The connection goes back to the pool, if it may.
    #[inline(always)]
    fn put(&mut self) {
        if let (Some(connection), Some(slot)) = (self.exchange.end(), self.slot.take())
            && self.keep
        {
            slot.put(connection, self.exchange.watch().arrived(), self.keep_for);
        }
    }

    /// Nobody wants the rest: if it is there already, that is the end of the response, and otherwise the connection is
    /// closed. That waits for nothing. What is left is its head.
    pub(in crate::http) fn dismiss(mut self: Box<Reply>) -> Head {
        std::mem::replace(self.exchange.head_mut(), Head::blank())
    }

    fn pass_over_the_rest(&mut self) {
        let mut left = DISMISSED;
        while let Ok(Some(chunk)) = self.exchange.next_at_hand() {
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
        if self.exchange.is_complete() {
            self.let_go();
        }
    }

    pub(super) fn check_announced(&self) -> Result<(), Error> {
        if self.decoding.is_some() {
            return Ok(());
        }
        self.check(self.exchange.remaining().unwrap_or(0))
    }

    pub(super) fn check(&self, size: u64) -> Result<(), Error> {
        if size > self.reading.limit {
            return Err(Error::new(ErrorKind::BodyTooLarge {
                limit: self.reading.limit,
            }));
        }
        Ok(())
    }

    fn check_expansion(&self) -> Result<(), Error> {
        let times = u64::from(self.reading.expansion);
        let came = self.exchange.content_received();
        if times > 0 && self.decoded > UNSUSPECTED && self.decoded > came.saturating_mul(times) {
            let reason = format!("{came} bytes stand for more than {times} times as many");
            return Err(Error::boxed(ErrorKind::Decode, reason));
        }
        Ok(())
    }

    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        if self.decoding.is_some() {
            return self.next_decoded().await;
        }
        let chunk = self.exchange.next().await?;
        self.check(self.exchange.content_received())?;
        Ok(chunk)
    }

    /// As [`next`](Reply::next), decoded.
    async fn next_decoded(&mut self) -> Result<Option<Chunk>, Error> {
        while let Some(decoding) = &mut self.decoding {
            if self.unrested > UNRESTED {
                self.unrested = 0;
                // Timers and other connections have their turn, too.
                let _ = nop().await;
            }
            match decoding.step()? {
                Decoded::Data(data) => {
                    self.unrested += data.len();
                    self.decoded += data.len() as u64;
                    self.fruitless = 0;
                    self.check(self.decoded)?;
                    self.check_expansion()?;
                    return Ok(Some(Chunk::owned(data)));
                }
                // A slice of coded bytes that stood for nothing.
                Decoded::Nothing => self.unrested += UNRESTED,
                Decoded::NeedMore => match self.exchange.next().await? {
                    Some(chunk) => {
                        self.unrested += chunk.len();
                        let fruitless = self.fruitless;
                        self.fruitless += chunk.len() as u64;
                        decoding.feed(chunk);
                        self.check(fruitless.saturating_sub(UNSUSPECTED))?;
                    }
                    None => {
                        decoding.finish()?;
                        break;
                    }
                },
            }
        }
        Ok(None)
    }

    pub(super) async fn receive_known(&mut self, mut whole: Vec<u8>) -> Result<Vec<u8>, Error> {
        while let Some(rest) = self.exchange.remaining().filter(|rest| *rest > 0) {
            let at = whole.len();
            let end = at + at_once(rest, at);
            whole.reserve_exact(end - at);
            let (count, received) = self.exchange.receive_into(whole, end).await?;
            whole = received;
            if count == 0 {
                break;
            }
        }
        Ok(whole)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.pass_over_the_rest();
        }
    }
}

/// How much is decoded before others have a turn.
const UNRESTED: usize = 256 << 10;

/// So many decoded bytes are no bomb, of however few they were made; nor are so many coded ones that stand for nothing.
const UNSUSPECTED: u64 = 1 << 20;

/// How many bytes of a body that nobody wants are skipped to keep its connection.
const DISMISSED: usize = 64 << 10;

/// How much memory to make ready for the `rest` of a body of which `so_far` is there: all of it, but no more
/// than a peer that lies about the length may cost us.
pub(super) fn at_once(rest: u64, so_far: usize) -> usize {
    const UNPROVEN: usize = 16 << 20;
    usize::try_from(rest)
        .unwrap_or(usize::MAX)
        .min(so_far.max(UNPROVEN))
}
