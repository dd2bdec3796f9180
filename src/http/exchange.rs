//! The exchange of messages on a connection: a request goes out, its response comes in.
//!
//! The receive is armed before anything is sent, so that an answer is seen whenever it comes, also while the
//! peer takes no more of the request.
//!
//! A request whose bytes are all there, and are few, goes out in one operation, and the exchange polls that
//! beside the receive. Any other body is sent in pieces by an `Uploading`: it has the connection for as long as
//! there is something to send, and hands on what it receives meanwhile.
//!
//! A final response that comes before the body has been sent ends the sending, unless its status is below 300:
//! such a peer may answer while it still reads. Either way the connection carries no further exchange unless the
//! whole request has gone out.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderMap, StatusCode};

use super::body::Body;
use super::codec::{BodyFraming, Event, Head, ResponseDecoder, encode_chunk_header};
use super::connection::Connection;
use super::error::{Error, ErrorKind, Stage};
use super::pool::Slot;
use super::request::Request;
use super::timings::Timings;
use super::transport::{SendSide, is_unclean_end};
use super::watch::Watch;
use crate::buf::{Chunk, IoBuf};
use crate::time::sleep;

/// A body of at most so many bytes goes out in one operation with its head. A larger one goes in pieces of this
/// size, so that it can be stopped between two of them.
pub(super) const PIECE: usize = 256 << 10;

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
        let at_once = outgoing.expect.is_none()
            && (request.body.as_ref()).is_none_or(|body| body.at_once(PIECE).is_some());
        match at_once {
            true => self.send_at_once(outgoing, request, slot, timings).await,
            false => {
                let outgoing = std::mem::take(outgoing);
                let watch = Rc::clone(&self.watch);
                // In a box, since it is large, and seldom needed.
                let mut upload = Box::pin(self.upload(outgoing, request, timings));
                watch.over(Some(slot.closing()), upload.as_mut()).await
            }
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
                        Err(error) => watch.send_failed(error),
                    }
                    *sent = result.into();
                }
                let Poll::Ready(received) = received else {
                    return watch.poll_over(slot, cx).map(Err);
                };
                incoming.take_in(received, sent, watch, timings)?;
                if incoming.next_head(answer, |interim| request.hooks.interim(interim))? {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await?;
        if matches!(sent, Sent::Going) {
            // By itself; the connection knows when it has been sent.
            *sent = Sent::Whole;
            watch.pause_writing();
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
            let come = self.incoming.next_head(&mut self.head, |interim| {
                leave |= interim.status == StatusCode::CONTINUE;
                request.hooks.interim(interim);
            })?;
            if come {
                break;
            }
        }
        if let Link::Uploading(uploading) = &self.link
            && (self.head.status.as_u16() >= 300 || uploading.shared.gate.get() == Gate::Waiting)
        {
            uploading.shared.gate.set(Gate::Shut);
            self.watch.pause_writing();
            poll_fn(|cx| self.poll_stopped(cx)).await;
        }
        Ok(())
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

    /// Takes the connection back from an upload whose gate has been shut.
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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

    /// Takes the connection, and what came on it behind the head, out of an exchange that has become a tunnel.
    pub(super) fn take_tunnel(&mut self) -> Option<(Box<Connection>, Option<Chunk>)> {
        match std::mem::replace(&mut self.link, Link::Nothing) {
            Link::Connection(connection) => Some((connection, self.incoming.pending.take())),
            Link::Uploading(_) | Link::Nothing => None,
        }
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

/// What has been received, and what it means.
#[derive(Debug)]
struct Incoming {
    decoder: ResponseDecoder,
    /// Received and not yet decoded.
    pending: Option<Chunk>,
    /// Received by an upload that was stopped meanwhile.
    early: Option<io::Result<Option<Chunk>>>,
    /// Bytes of content so far.
    content: u64,
}

/// What comes next in the content of a response.
enum Part {
    /// Bytes of it: a view into what was received.
    Data(Chunk),
    /// The fields after a chunked body.
    Trailers(Box<HeaderMap>),
    /// The response is complete.
    End,
    /// More has to be received.
    NeedMore,
}

impl Incoming {
    fn new(decoder: ResponseDecoder) -> Incoming {
        Incoming {
            decoder,
            pending: None,
            early: None,
            content: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.pending.is_none() && self.early.is_none()
    }

    /// Takes in what has been received before the head; the end of the connection is the end of the exchange.
    fn take_in(
        &mut self,
        received: io::Result<Option<Chunk>>,
        sent: &mut Sent,
        watch: &Watch,
        timings: &mut Timings,
    ) -> Result<(), Error> {
        match received {
            Ok(Some(chunk)) => {
                watch.received(chunk.len() as u64);
                if timings.first_byte.is_none() {
                    timings.first_byte = timings.at(watch.arrived());
                }
                self.pending = Some(chunk);
                Ok(())
            }
            Ok(None) => {
                let answered = self.decoder.bytes_received() > 0;
                Err(match (self.finish(true), &sent) {
                    (_, Sent::Failed(_)) if !answered => sent.take_error(),
                    (Err(error), _) => error,
                    (Ok(_), _) => Error::new(ErrorKind::EmptyReply),
                })
            }
            Err(error) => {
                let error = self.receive_error(error);
                Err(match sent {
                    // TLS that is broken says more than a send that fails for that.
                    Sent::Failed(_) if !error.is_tls() => sent.take_error(),
                    _ => error,
                })
            }
        }
    }

    /// What an error of receiving means: it may be an end that the framing has to judge.
    fn receive_error(&mut self, error: io::Error) -> Error {
        let judged = match is_unclean_end(&error) {
            true => self.finish(false).err(),
            false => None,
        };
        judged.unwrap_or_else(|| Error::io(ErrorKind::Receive, error))
    }

    /// Whether the head of the final response has come, which goes to `answer` then; `interim` is called with each that
    /// comes before it.
    fn next_head(
        &mut self,
        answer: &mut Head,
        mut interim: impl FnMut(&Head),
    ) -> Result<bool, Error> {
        while let Some(chunk) = &self.pending {
            let step = self
                .decoder
                .decode(chunk)
                .map_err(|error| Error::protocol(error, 0))?;
            self.consume(step.consumed);
            match step.event {
                Event::Head(head) => {
                    *answer = head;
                    return Ok(true);
                }
                Event::Informational(head) => interim(&head),
                _ => {}
            }
        }
        Ok(false)
    }

    /// The next part of the content of what has been received.
    fn next_part(&mut self) -> Result<Part, Error> {
        if let Some(left) = self.decoder.body_remaining() {
            return Ok(self.next_of_known(left));
        }
        let input: &[u8] = self.pending.as_deref().unwrap_or_default();
        let content = self.content;
        let step = self
            .decoder
            .decode(input)
            .map_err(|error| Error::protocol(error, content))?;
        let part = match (step.event, &self.pending) {
            (Event::Body(range), Some(chunk)) => {
                self.content += range.len() as u64;
                Part::Data(chunk.slice_ref(range))
            }
            (Event::Trailers(fields), _) => Part::Trailers(Box::new(fields)),
            (Event::End, _) => Part::End,
            _ => Part::NeedMore,
        };
        self.consume(step.consumed);
        Ok(part)
    }

    /// The next part of a body of known length, of which so much is left: what is there of it, without a look.
    fn next_of_known(&mut self, left: u64) -> Part {
        if left == 0 {
            return Part::End;
        }
        let Some(mut chunk) = self.pending.take() else {
            return Part::NeedMore;
        };
        let count = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
        if count < chunk.len() {
            let content = chunk.slice_ref(..count);
            chunk.advance(count);
            self.pending = Some(std::mem::replace(&mut chunk, content));
        }
        self.advance(count);
        Part::Data(chunk)
    }

    /// Drops what has been decoded; a chunk without a rest goes back to the pool.
    fn consume(&mut self, count: usize) {
        if let Some(chunk) = &mut self.pending {
            chunk.advance(count);
            if chunk.is_empty() {
                self.pending = None;
            }
        }
    }

    /// Counts content that did not pass through here.
    fn advance(&mut self, count: usize) {
        self.decoder.advance_body(count as u64);
        self.content += count as u64;
    }

    /// The peer has closed; or, if that is not `orderly`, somebody has.
    fn finish(&mut self, orderly: bool) -> Result<(), Error> {
        let content = self.content;
        let ended = match orderly {
            true => self.decoder.finish(),
            false => self.decoder.finish_unclean(),
        };
        ended
            .map(drop)
            .map_err(|error| Error::protocol(error, content))
    }
}

/// A body that is being sent in pieces, on the connection on which its response is received.
struct Uploading {
    driver: Pin<Box<dyn Future<Output = (Box<Connection>, Sent)>>>,
    shared: Rc<Shared>,
}

/// What an upload and its exchange have in common. Both run in one task, so that nobody has to be woken.
#[derive(Default)]
struct Shared {
    /// One thing that was received.
    received: Cell<Option<io::Result<Option<Chunk>>>>,
    gate: Cell<Gate>,
}

/// Whether the body may be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Open,
    /// Leave has been asked for.
    Waiting,
    /// What has not been sent will not be.
    Shut,
}

impl Uploading {
    fn new(
        connection: Box<Connection>,
        outgoing: Outgoing,
        body: Body,
        watch: Rc<Watch>,
    ) -> Uploading {
        let shared = Rc::new(Shared::default());
        if outgoing.expect.is_some() {
            shared.gate.set(Gate::Waiting);
        }
        let driver = drive(connection, outgoing, body, Rc::clone(&shared), watch);
        Uploading {
            driver: Box::pin(driver),
            shared,
        }
    }
}

impl std::fmt::Debug for Uploading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploading")
            .field("gate", &self.shared.gate.get())
            .finish_non_exhaustive()
    }
}

/// Sends a request until it is sent, fails or is stopped, and leaves what it receives meanwhile in `shared`.
async fn drive(
    mut connection: Box<Connection>,
    outgoing: Outgoing,
    body: Body,
    shared: Rc<Shared>,
    watch: Rc<Watch>,
) -> (Box<Connection>, Sent) {
    let sent = {
        let (recv, send) = connection.stream.split();
        let mut sending = pin!(send_in_pieces(send, outgoing, &body, &shared, &watch));
        poll_fn(|cx| {
            let received = shared
                .received
                .take()
                .or_else(|| match recv.poll_recv_chunk(cx) {
                    Poll::Ready(received) => Some(received),
                    Poll::Pending => None,
                });
            shared.received.set(received);
            match shared.gate.get() {
                Gate::Shut => Poll::Ready(Sent::Stopped),
                Gate::Open | Gate::Waiting => sending.as_mut().poll(cx),
            }
        })
        .await
    };
    (connection, sent)
}

async fn send_in_pieces(
    send: &mut SendSide,
    outgoing: Outgoing,
    body: &Body,
    shared: &Shared,
    watch: &Watch,
) -> Sent {
    let size = outgoing.head.len() as u64;
    if let Err(error) = send.send_all(outgoing.head).await.0 {
        watch.send_failed(&error);
        return Err(error).into();
    }
    watch.sent(size);
    if let Some(patience) = outgoing.expect {
        watch.pause_writing();
        wait_for_leave(shared, patience).await;
    }
    match send_body(send, body, watch).await {
        Ok(()) => {
            watch.sent_all();
            Sent::Whole
        }
        Err(error) => Sent::Failed(error),
    }
}

/// Waits until the gate opens; opens it when the time is over: the peer may never have heard of the field.
async fn wait_for_leave(shared: &Shared, patience: Duration) {
    let mut timer = pin!(sleep(patience));
    poll_fn(|cx| match shared.gate.get() {
        Gate::Waiting if patience.is_zero() => Poll::Pending,
        Gate::Waiting => timer.as_mut().poll(cx),
        Gate::Open | Gate::Shut => Poll::Ready(()),
    })
    .await;
    shared.gate.set(Gate::Open);
}

async fn send_body(send: &mut SendSide, body: &Body, watch: &Watch) -> Result<(), Error> {
    let framing = body.framing();
    let mut source = body.open()?;
    let mut sent = 0;
    loop {
        watch.pause_writing();
        let piece = match source.next().await {
            Some(piece) => piece?,
            None => break,
        };
        if piece.is_empty() {
            continue;
        }
        watch.resume_writing();
        let size = piece.len() as u64;
        sent += size;
        let result = match framing {
            BodyFraming::Chunked => {
                let mut line = Vec::with_capacity(20);
                encode_chunk_header(piece.len(), &mut line);
                let end = Chunk::owned(super::codec::CHUNK_END);
                send.send_vectored(vec![Chunk::owned(line), piece, end])
                    .await
                    .0
            }
            BodyFraming::Length(length) if sent > length => {
                return Err(Error::boxed(
                    ErrorKind::Body,
                    format!("the body is longer than the {length} bytes that were announced"),
                ));
            }
            BodyFraming::Length(_) | BodyFraming::None => send.send_all(piece).await.0,
        };
        result.map_err(|error| Error::io(ErrorKind::Send, error))?;
        watch.sent(size);
    }
    match framing {
        BodyFraming::Length(length) if sent < length => Err(Error::boxed(
            ErrorKind::Body,
            format!("the body ended after {sent} of the {length} bytes that were announced"),
        )),
        BodyFraming::Chunked => {
            let (result, _) = send.send_all(super::codec::CHUNKED_END).await;
            result.map_err(|error| Error::io(ErrorKind::Send, error))
        }
        BodyFraming::Length(_) | BodyFraming::None => Ok(()),
    }
}
