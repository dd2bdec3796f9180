//! The exchange of messages on a connection: a request goes out, its response comes in.
//!
//! The receive is armed before anything is sent, so that an answer is seen whenever it comes, also while the
//! peer takes no more of the request.
//!
//! A request whose bytes are all there, and are few, goes out in one operation, and the exchange polls that
//! beside the receive. Any other body, and every one that a user's sink has to be driven for, is sent in pieces by an
//! `Uploading`: it has the connection for as long as there is something to send, and hands on what it receives
//! meanwhile.
//!
//! A final response that comes before the body has been sent ends the sending, unless its status is below 300:
//! such a peer may answer while it still reads. Where its response has come to its end, nobody waits any more, and a
//! task of its own sends the [`Rest`]. Either way the connection carries no further exchange unless the whole request
//! has gone out by the end of the response, nor another protocol before it has (RFC 9110, 7.8).

mod incoming;
mod rest;
mod upload;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderMap, StatusCode};

use self::incoming::{Incoming, Part};
pub(super) use self::rest::Rest;
use self::upload::{Gate, Uploading};
use super::body::Body;
use super::codec::{Framing, Head, ResponseDecoder};
use super::connection::Connection;
use super::error::{Error, ErrorKind, Stage};
use super::pool::Slot;
use super::request::Request;
use super::timings::Timings;
use super::upgraded::Upgraded;
use super::watch::Watch;
use crate::buf::{Chunk, IoBuf};

/// A body of at most so many bytes goes out in one operation with its head. A larger one goes in pieces of this
/// size, so that it can be stopped between two of them.
pub(super) const PIECE: usize = 256 << 10;

/// As much is sent at a time where the server has a time to take something of it: nobody sees how much of an operation
/// it has taken until that is over.
const TIMED_PIECE: usize = 16 << 10;

/// How a request goes over the wire, but for its body.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) head: Vec<u8>,
    /// How long to wait for leave (100) before the body is sent all the same, zero for ever; `None` to ask for none.
    pub(super) expect: Option<Duration>,
}

/// An exchange: a request, and the response to it.
#[derive(Debug)]
pub(super) struct Exchange {
    link: Link,
    incoming: Incoming,
    sent: Sent,
    /// Of the final response; blank until it has come.
    head: Head,
    trailers: Option<Box<HeaderMap>>,
    watch: Rc<Watch>,
}

/// What carries the exchange.
#[derive(Debug)]
enum Link {
    Connection(Box<Connection>),
    Uploading(Uploading),
    /// It has ended or failed.
    Nothing,
}

/// How far the request has come.
#[derive(Debug)]
enum Sent {
    /// It is on its way.
    Going,
    Whole,
    /// Its rest will not be sent.
    Stopped,
    /// Its rest could not be sent; the error has still to be told.
    Failed(Error),
}

impl Exchange {
    #[inline(always)]
    pub(super) fn new(
        connection: Box<Connection>,
        decoder: ResponseDecoder,
        watch: Rc<Watch>,
    ) -> Exchange {
        Exchange {
            link: Link::Connection(connection),
            incoming: Incoming::new(decoder),
            sent: Sent::Going,
            head: Head::blank(),
            trailers: None,
            watch,
        }
    }

    /// Sends a request and receives until the head of the final response is there, a deadline is over, or the client
    /// of `slot` is closed.
    pub(super) async fn begin(
        &mut self,
        outgoing: &mut Outgoing,
        request: &Request,
        slot: &Slot,
        timings: &mut Timings,
    ) -> Result<(), Error> {
        self.watch.enter(Stage::Send);
        let goes = |body: &Body| body.at_once(self.piece()).is_some() && self.sends_by_itself(body);
        let at_once = outgoing.expect.is_none() && request.body.as_ref().is_none_or(goes);
        match at_once {
            true => self.send_at_once(outgoing, request, slot, timings).await,
            false => {
                let outgoing = std::mem::take(outgoing);
                let watch = Rc::clone(&self.watch);
                // In a box, since it is large, and seldom needed.
                let mut upload = Box::pin(self.upload(outgoing, request, timings));
                watch.over_in(slot, upload.as_mut()).await?;
                watch.pause();
                Ok(())
            }
        }
    }

    /// Whether what is left of `body` when its answer comes goes on being sent without anybody who sees to it.
    fn sends_by_itself(&self, body: &Body) -> bool {
        body.is_empty()
            || match &self.link {
                Link::Connection(connection) => connection.stream.sends_by_itself(),
                Link::Uploading(_) | Link::Nothing => false,
            }
    }

    /// How much is sent in one operation at most.
    fn piece(&self) -> usize {
        match self.watch.times_writing() {
            true => TIMED_PIECE,
            false => PIECE,
        }
    }

    /// Sends head and body in one operation. What is not yet sent when the head comes goes on being sent.
    async fn send_at_once(
        &mut self,
        outgoing: &mut Outgoing,
        request: &Request,
        slot: &Slot,
        timings: &mut Timings,
    ) -> Result<(), Error> {
        let Exchange {
            link: Link::Connection(connection),
            incoming,
            sent,
            head: answer,
            watch,
            ..
        } = self
        else {
            return Err(Error::new(ErrorKind::Send));
        };
        // A kept connection has been polled just now, when it was taken.
        let mut armed = connection.reused;
        let (recv, send) = connection.stream.split();
        let head = std::mem::take(&mut outgoing.head);
        let body = request.body.as_ref().and_then(|body| body.at_once(PIECE));
        let size = (head.len() + body.as_ref().map_or(0, Bytes::len)) as u64;
        let mut sending = match body.filter(|body| !body.is_empty()) {
            // Goes out in the enter that waits for the answer.
            None => Either::Left(send.post(head)),
            Some(body) => Either::Right(Box::pin(async move {
                send.send_vectored(vec![head.into(), body]).await.0
            })),
        };
        poll_fn(|cx| {
            loop {
                let received = match std::mem::replace(&mut armed, false) {
                    true => Poll::Pending,
                    false => recv.poll_recv_chunk(cx),
                };
                // A peer that takes no more may have answered: an error here does not end the receiving.
                if matches!(sent, Sent::Going)
                    && let Poll::Ready(result) = Pin::new(&mut sending).poll(cx)
                {
                    match &result {
                        Ok(()) => {
                            watch.sent(size);
                            watch.sent_all();
                        }
                        Err(error) => {
                            watch.send_failed(error);
                            watch.break_off_sending();
                        }
                    }
                    *sent = result.into();
                }
                let Poll::Ready(received) = received else {
                    return watch.poll_over(slot, cx).map(Err);
                };
                incoming.take_in(received, sent, watch, timings)?;
                if incoming.next_head(answer, watch, |interim| request.hooks.interim(interim))? {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await?;
        if matches!(sent, Sent::Going) {
            // By itself; the connection knows when it has been sent.
            *sent = Sent::Whole;
            watch.sent(size);
            watch.end_sending();
        }
        Ok(())
    }

    /// Sends a body in pieces; returns with the head, which may be before the last of them.
    async fn upload(
        &mut self,
        outgoing: Outgoing,
        request: &Request,
        timings: &mut Timings,
    ) -> Result<(), Error> {
        if let Link::Connection(connection) = std::mem::replace(&mut self.link, Link::Nothing) {
            let body = request.body.clone().unwrap_or_default();
            let uploading = Uploading::new(connection, outgoing, body, Rc::clone(&self.watch));
            self.link = Link::Uploading(uploading);
        }
        let mut leave = false;
        loop {
            if let (true, Link::Uploading(uploading)) = (leave, &self.link) {
                uploading.shared.gate.set(Gate::Open);
            }
            let received = poll_fn(|cx| self.poll_recv(cx)).await;
            if let Sent::Failed(error) = &self.sent
                && error.kind() == ErrorKind::Body
            {
                return Err(self.sent.take_error());
            }
            let (incoming, sent) = (&mut self.incoming, &mut self.sent);
            incoming.take_in(received, sent, &self.watch, timings)?;
            let come = self
                .incoming
                .next_head(&mut self.head, &self.watch, |interim| {
                    leave |= interim.status == StatusCode::CONTINUE;
                    request.hooks.interim(interim);
                })?;
            if come {
                break;
            }
        }
        if let Link::Uploading(uploading) = &self.link {
            let gate = &uploading.shared.gate;
            let tunnel = self.head.framing == Framing::Tunnel;
            // Who switches without a word on the body gets all of it, since it comes before what follows. And leave may
            // have come in one piece with the answer of somebody who still reads.
            if tunnel || leave {
                gate.set(Gate::Open);
            }
            if !tunnel && (self.head.status.as_u16() >= 300 || gate.get() == Gate::Waiting) {
                gate.set(Gate::Shut);
                poll_fn(|cx| self.poll_sent(cx)).await;
            }
        }
        Ok(())
    }

    /// Sends what is left of a request whose connection is to be [taken](Exchange::take_tunnel). What comes meanwhile is
    /// from who takes over: one piece of it is kept, and the others wait where they are.
    pub(super) async fn send_rest(&mut self) -> Result<(), Error> {
        poll_fn(|cx| {
            let sent = self.poll_sent(cx);
            if let (Poll::Pending, Link::Uploading(uploading)) = (sent, &self.link) {
                match uploading.shared.received.take() {
                    // Nobody is left to send to.
                    Some(Err(error)) => {
                        return Poll::Ready(Err(Error::io(ErrorKind::Receive, error)));
                    }
                    received => uploading.shared.received.set(received),
                }
            }
            sent.map(Ok)
        })
        .await?;
        match (&self.sent, &mut self.link) {
            // What was sent at once goes on by itself.
            (Sent::Whole, Link::Connection(connection)) => {
                let (_, send) = connection.stream.split();
                let sent = send.flush().await;
                sent.map_err(|error| Error::io(ErrorKind::Send, error))
            }
            _ => Err(self.sent.take_error()),
        }
    }

    /// What to say of an exchange that ended with `error`. If its request could not be sent to its end, the server may
    /// have kept silent for that: then a time that is over only says how long that was waited for.
    #[cold]
    pub(super) fn cause(&mut self, error: Error) -> Error {
        match &self.sent {
            Sent::Failed(_) if error.is_timeout() => self.sent.take_error(),
            Sent::Whole if error.is_timeout() => self.failed_by_itself().unwrap_or(error),
            _ => error,
        }
    }

    /// The error of a request that was sent at once and went on by itself, if it has failed.
    fn failed_by_itself(&mut self) -> Option<Error> {
        let Link::Connection(connection) = &mut self.link else {
            return None;
        };
        let (_, send) = connection.stream.split();
        match pin!(send.flush()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => Some(Error::io(ErrorKind::Send, error)),
            _ => None,
        }
    }

    /// The head of the final response.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    /// What watches over it.
    pub(super) fn watch(&self) -> &Rc<Watch> {
        &self.watch
    }

    /// Receives, and sends meanwhile what is left to be sent.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        match &mut self.link {
            Link::Connection(connection) => connection.stream.split().0.poll_recv_chunk(cx),
            Link::Uploading(_) => self.poll_recv_uploading(cx),
            Link::Nothing => Poll::Ready(Ok(None)),
        }
    }

    fn poll_recv_uploading(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        let Link::Uploading(uploading) = &mut self.link else {
            return self.poll_recv(cx);
        };
        let ended = uploading.driver.as_mut().poll(cx);
        let received = uploading.shared.received.take();
        if let Poll::Ready((connection, sent)) = ended {
            // Without its body the request is void: nothing that is received is for it.
            let void = matches!(&sent, Sent::Failed(error) if error.kind() == ErrorKind::Body);
            self.sent = sent;
            self.link = match void {
                true => Link::Nothing,
                false => Link::Connection(connection),
            };
            return match received {
                Some(received) => Poll::Ready(received),
                None => self.poll_recv(cx),
            };
        }
        match received {
            Some(received) => Poll::Ready(received),
            None => Poll::Pending,
        }
    }

    /// Takes the connection back from an upload that has ended, or whose gate has been shut.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Link::Uploading(uploading) = &mut self.link else {
            return Poll::Ready(());
        };
        let (connection, sent) = std::task::ready!(uploading.driver.as_mut().poll(cx));
        self.incoming.early = uploading.shared.received.take();
        self.sent = sent;
        self.link = Link::Connection(connection);
        Poll::Ready(())
    }

    /// The next part of the content that has been received already; `None` behind that.
    pub(super) fn next_at_hand(&mut self) -> Result<Option<Chunk>, Error> {
        if matches!(self.link, Link::Nothing) {
            return Ok(None);
        }
        loop {
            match self.incoming.next_part()? {
                Part::Data(chunk) => return Ok(Some(chunk)),
                Part::Trailers(fields) => self.trailers = Some(fields),
                Part::End | Part::NeedMore => return Ok(None),
            }
        }
    }

    /// The next part of the content; `None` at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        loop {
            if matches!(self.link, Link::Nothing) {
                return Ok(None);
            }
            match self.incoming.next_part()? {
                Part::Data(chunk) => return Ok(Some(chunk)),
                Part::Trailers(fields) => self.trailers = Some(fields),
                Part::End => return Ok(None),
                Part::NeedMore => {
                    let received = match self.incoming.early.take() {
                        Some(received) => received,
                        None => poll_fn(|cx| self.poll_recv(cx)).await,
                    };
                    if !self.take_in_body(received)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Takes in what has been received of the content; `false` at its end.
    fn take_in_body(&mut self, received: io::Result<Option<Chunk>>) -> Result<bool, Error> {
        if let Sent::Failed(error) = &self.sent
            && error.kind() == ErrorKind::Body
        {
            return Err(self.sent.take_error());
        }
        let received = received.map_err(|error| self.incoming.receive_error(error))?;
        let more = received.is_some();
        match received {
            Some(chunk) => {
                self.watch.received(chunk.len() as u64);
                self.incoming.pending = Some(chunk);
            }
            // An end here is one of the response, and never of a kept connection.
            None => {
                self.watch.received(0);
                self.incoming.finish(true)?;
            }
        }
        Ok(more)
    }

    /// How much is left of a body of known length.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.incoming.decoder.body_remaining()
    }

    /// Whether all that is left of the content lies here, and it is known to be less than `most` bytes.
    pub(super) fn has_rest_at_hand(&self, most: usize) -> bool {
        !matches!(self.link, Link::Nothing) && self.incoming.has_rest(most)
    }

    /// How many bytes of content have come, in the coding that they were sent in.
    pub(super) fn content_received(&self) -> u64 {
        self.incoming.content
    }

    /// How many bytes of the response have come.
    pub(super) fn bytes_received(&self) -> u64 {
        self.incoming.decoder.bytes_received()
    }

    /// Whether the last byte of the response has come.
    pub(super) fn is_complete(&self) -> bool {
        self.incoming.decoder.is_complete()
    }

    /// The fields after a chunked body.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// Receives some of the rest of a body of known length straight to `at..end` of `whole`; says how much. Zero
    /// if it has to come by [`next`](Exchange::next), or there is no rest.
    ///
    /// Not cancel safe: the buffer goes with the future.
    pub(super) async fn receive_into(
        &mut self,
        whole: Vec<u8>,
        end: usize,
    ) -> Result<(usize, Vec<u8>), Error> {
        let incoming = &mut self.incoming;
        let (Link::Connection(connection), None, None) =
            (&mut self.link, &incoming.pending, &incoming.early)
        else {
            return Ok((0, whole));
        };
        let at = whole.len();
        let (result, slice) = connection.stream.split().0.recv(whole.slice(at..end)).await;
        let count = result.map_err(|error| incoming.receive_error(error))?;
        match count {
            0 => {
                self.watch.received(0);
                incoming.finish(true)?;
            }
            count => {
                self.watch.received(count as u64);
                incoming.advance(count);
            }
        }
        Ok((count, slice.into_inner()))
    }

    /// Ends the exchange, and gives the connection if another one can follow: the request has been sent whole,
    /// the response has come to its end, and nothing beyond it, which would belong to nobody.
    pub(super) fn end(&mut self) -> Option<Box<Connection>> {
        if self.head.framing == Framing::Tunnel {
            // It may still be taken over.
            return None;
        }
        let link = std::mem::replace(&mut self.link, Link::Nothing);
        let Link::Connection(mut connection) = link else {
            return None;
        };
        let clean = matches!(self.sent, Sent::Whole)
            && self.incoming.is_empty()
            && self.is_complete()
            && connection.is_settled();
        clean.then_some(connection)
    }

    /// What is left to be sent, behind the end of the response, to a peer that may still read.
    pub(super) fn rest(&mut self) -> Option<Rest> {
        let left = match &mut self.link {
            Link::Connection(connection) => !connection.is_settled(),
            Link::Uploading(_) => true,
            Link::Nothing => false,
        };
        match left {
            true => self.take_rest(),
            false => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn take_rest(&mut self) -> Option<Rest> {
        let reads = self.head.status.as_u16() < 300
            && self.is_complete()
            && !matches!(self.head.framing, Framing::UntilClose | Framing::Tunnel);
        let uploading = match (std::mem::replace(&mut self.link, Link::Nothing), &self.sent) {
            (Link::Uploading(uploading), _) if reads && uploading.is_current() => uploading,
            (Link::Connection(connection), Sent::Whole)
                if reads && connection.stream.sends_by_itself() && connection.is_current() =>
            {
                self.watch.still_sending();
                Uploading::under_way(connection)
            }
            // It may still be taken over, or closed.
            (link, _) => {
                self.link = link;
                return None;
            }
        };
        Some(Rest {
            uploading,
            watch: Rc::clone(&self.watch),
        })
    }

    /// Takes the connection, and what came on it behind the head, out of an exchange that has become a tunnel, and whose
    /// request has been [sent](Exchange::send_rest).
    pub(super) fn take_tunnel(&mut self) -> Option<Upgraded> {
        let Link::Connection(connection) = std::mem::replace(&mut self.link, Link::Nothing) else {
            return None;
        };
        let Incoming { pending, early, .. } = &mut self.incoming;
        Some(Upgraded::new(*connection, pending.take(), early.take()))
    }
}

impl Sent {
    /// The error of sending, which is told once.
    fn take_error(&mut self) -> Error {
        match std::mem::replace(self, Sent::Stopped) {
            Sent::Failed(error) => error,
            _ => Error::new(ErrorKind::Send),
        }
    }
}

impl From<io::Result<()>> for Sent {
    fn from(result: io::Result<()>) -> Sent {
        match result {
            Ok(()) => Sent::Whole,
            Err(error) => Sent::Failed(Error::io(ErrorKind::Send, error)),
        }
    }
}
