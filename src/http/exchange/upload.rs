//! The sending of a body in pieces, beside the receiving of its response.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::{Outgoing, Sent, TIMED_PIECE};
use crate::buf::Chunk;
use crate::http::body::Body;
use crate::http::codec::{BodyFraming, CHUNK_END, CHUNKED_END, encode_chunk_header};
use crate::http::connection::Connection;
use crate::http::error::{Error, ErrorKind};
use crate::http::transport::{RecvSide, SendSide};
use crate::http::watch::Watch;
use crate::reactor::Core;
use crate::task::yield_now;
use crate::time::sleep;

/// A body that is being sent, mostly in pieces, on the connection on which its response is received.
pub(super) struct Uploading {
    pub(super) driver: Pin<Box<dyn Future<Output = (Box<Connection>, Sent)>>>,
    pub(super) shared: Rc<Shared>,
    /// The reactor that it runs on.
    core: Option<Rc<Core>>,
}

/// What an upload and its exchange have in common. Both run in one task, so that nobody has to be woken.
#[derive(Default)]
pub(super) struct Shared {
    /// One thing that was received.
    pub(super) received: Cell<Option<io::Result<Option<Chunk>>>>,
    pub(super) gate: Cell<Gate>,
    /// The response has come to its end: nobody is told any more that the source has too much.
    pub(super) answered: Cell<bool>,
}

/// Whether the body may be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gate {
    #[default]
    Open,
    /// Leave has been asked for.
    Waiting,
    /// What has not been sent will not be.
    Shut,
}

impl Uploading {
    pub(super) fn new(
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
        Uploading::of(driver, shared)
    }

    /// Of what has been handed over, and goes out by itself: nothing is left to be sent, and it is waited for.
    pub(super) fn under_way(mut connection: Box<Connection>) -> Uploading {
        let shared = Rc::new(Shared::default());
        let meanwhile = Rc::clone(&shared);
        let driver = async move {
            let sent = {
                let (recv, send) = connection.stream.split();
                let flushing = pin!(async { Sent::from(send.flush().await) });
                receive_beside(recv, &meanwhile, flushing).await
            };
            (connection, sent)
        };
        Uploading::of(driver, shared)
    }

    fn of(
        driver: impl Future<Output = (Box<Connection>, Sent)> + 'static,
        shared: Rc<Shared>,
    ) -> Uploading {
        Uploading {
            driver: Box::pin(driver),
            shared,
            core: Core::current().ok(),
        }
    }

    /// Whether the reactor that runs here is the one that it began on.
    pub(super) fn is_current(&self) -> bool {
        self.core.as_ref().is_some_and(|core| core.is_current())
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
        let sending = pin!(send_in_pieces(send, outgoing, &body, &shared, &watch));
        receive_beside(recv, &shared, sending).await
    };
    if !matches!(sent, Sent::Whole) {
        watch.break_off_sending();
    }
    (connection, sent)
}

/// Leaves what is received in `shared`, until `sending` has ended or is to be stopped.
async fn receive_beside(
    recv: &mut RecvSide,
    shared: &Shared,
    mut sending: Pin<&mut impl Future<Output = Sent>>,
) -> Sent {
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
    match send_body(send, body, shared, watch).await {
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

async fn send_body(
    send: &mut SendSide,
    body: &Body,
    shared: &Shared,
    watch: &Watch,
) -> Result<(), Error> {
    let framing = body.framing();
    let mut source = body.open()?;
    let mut sent = 0;
    loop {
        watch.pause_writing();
        let mut next = pin!(source.next());
        let enough = matches!(framing, BodyFraming::Length(length) if sent == length);
        let piece = poll_fn(|cx| match next.as_mut().poll(cx) {
            Poll::Pending if enough && shared.answered.get() => Poll::Ready(None),
            polled => polled,
        });
        let piece = match piece.await {
            Some(piece) => piece?,
            None => break,
        };
        if piece.is_empty() {
            // It may be one of many, and nothing of it waits.
            yield_now().await;
            continue;
        }
        sent += piece.len() as u64;
        if let BodyFraming::Length(length) = framing
            && sent > length
        {
            return Err(Error::boxed(
                ErrorKind::Body,
                format!("the body is longer than the {length} bytes that were announced"),
            ));
        }
        for part in parts(piece, watch) {
            watch.resume_writing();
            let size = part.len() as u64;
            let result = match framing {
                BodyFraming::Chunked => {
                    let mut line = Vec::with_capacity(20);
                    encode_chunk_header(part.len(), &mut line);
                    let end = Chunk::owned(CHUNK_END);
                    send.send_vectored(vec![Chunk::owned(line), part, end])
                        .await
                        .0
                }
                BodyFraming::Length(_) | BodyFraming::None => send.send_all(part).await.0,
            };
            result.map_err(|error| Error::io(ErrorKind::Send, error))?;
            watch.sent(size);
        }
    }
    watch.resume_writing();
    match framing {
        BodyFraming::Length(length) if sent < length => Err(Error::boxed(
            ErrorKind::Body,
            format!("the body ended after {sent} of the {length} bytes that were announced"),
        )),
        BodyFraming::Chunked => {
            let (result, _) = send.send_all(CHUNKED_END).await;
            result.map_err(|error| Error::io(ErrorKind::Send, error))
        }
        BodyFraming::Length(_) | BodyFraming::None => Ok(()),
    }
}

/// The parts of `piece` that go out in an operation each.
fn parts(mut piece: Chunk, watch: &Watch) -> impl Iterator<Item = Chunk> {
    let most = match watch.times_writing() {
        true => TIMED_PIECE,
        false => usize::MAX,
    };
    std::iter::from_fn(move || {
        let part = piece.slice_ref(..piece.len().min(most));
        piece.advance(part.len());
        (!part.is_empty()).then_some(part)
    })
}
