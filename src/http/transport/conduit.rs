//! A connection that a user has made.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream};

use super::{RecvSide, SendSide, Transport, after_the_end};
use crate::buf::{Chunk, IoBuf};
use crate::net::{TcpStream, UnixStream};
use crate::reactor::Core;

/// A connection that a [`Connector`](super::Connector) has made: a socket of this crate, or anything that bytes go
/// through in both directions.
#[derive(Debug)]
pub struct Conduit(Transport);

impl From<TcpStream> for Conduit {
    fn from(stream: TcpStream) -> Conduit {
        Conduit(stream.into())
    }
}

impl From<UnixStream> for Conduit {
    fn from(stream: UnixStream) -> Conduit {
        Conduit(stream.into())
    }
}

impl Conduit {
    /// A connection by its two directions: what comes from the peer, and what goes to it.
    ///
    /// The stream is polled while the connection is idle, too, and ends when the peer has finished sending: that is
    /// how the pool learns that the connection is of no use any more. The sink is flushed after each request or
    /// piece of one, and closed before the connection is dropped on purpose; a connection that is not wanted any more
    /// is just dropped.
    ///
    /// Both may be ready whenever they are asked: after 256 KiB, or 64 pieces, the fetch lets other tasks have their turn,
    /// and looks at its deadlines.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use eyewall::http::Conduit;
    /// use futures_util::{sink, stream};
    ///
    /// // A peer that says the same to everybody, and does not listen.
    /// let answer = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    /// # eyewall::block_on(async move {
    /// let conduit = Conduit::new(
    ///     stream::iter([Ok(answer)]),
    ///     sink::unfold((), |(), _: Bytes| async { Ok(()) }),
    /// )?;
    /// # std::io::Result::Ok(()) })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where no reactor runs on this thread.
    pub fn new(
        stream: impl Stream<Item = io::Result<Bytes>> + 'static,
        sink: impl Sink<Bytes, Error = io::Error> + 'static,
    ) -> io::Result<Conduit> {
        let recv = ConduitRecv {
            core: Core::current()?,
            stream: Box::pin(stream),
            rest: None,
            ended: false,
            budget: Budget::default(),
        };
        let send = ConduitSend {
            sink: Box::pin(sink),
            settled: true,
            stage: SinkStage::Open,
            budget: Budget::default(),
        };
        Ok(Conduit(Transport {
            recv: RecvSide::Conduit(Box::new(recv)),
            send: SendSide::Conduit(Box::new(send)),
        }))
    }

    pub(super) fn into_transport(self) -> Transport {
        self.0
    }
}

/// How much goes through something of the user's that never waits, since others had their turn.
#[derive(Default)]
struct Budget(usize);

impl Budget {
    /// So many bytes, and then others have their turn.
    const WHOLE: usize = 256 << 10;

    /// So many pieces, however small they are: each is work.
    const PIECES: usize = 64;

    fn spend(&mut self, bytes: usize) {
        self.0 = self
            .0
            .saturating_add(bytes.max(Budget::WHOLE / Budget::PIECES));
    }

    /// It has waited, or others have had their turn.
    fn renew(&mut self) {
        self.0 = 0;
    }

    /// Ready unless others are to have their turn first, and the task is woken for its next.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 < Budget::WHOLE {
            return Poll::Ready(());
        }
        self.renew();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(in crate::http) struct ConduitRecv {
    core: Rc<Core>,
    stream: Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>,
    rest: Option<Chunk>,
    /// The stream has ended, and must not be asked again.
    ended: bool,
    budget: Budget,
}

impl ConduitRecv {
    pub(super) fn poll_recv_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Chunk>>> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(Ok(Some(rest)));
        }
        loop {
            ready!(self.budget.poll_left(cx));
            if let Some(received) = ready!(self.poll_piece(cx)) {
                return Poll::Ready(received);
            }
        }
    }

    /// As [`poll_recv_chunk`](ConduitRecv::poll_recv_chunk), for who has to know if something is there: it is pending
    /// only if nothing is. A stream that says nothing again and again is an error to them.
    pub(super) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(Ok(Some(rest)));
        }
        for _ in 0..Budget::PIECES {
            if let Some(received) = ready!(self.poll_piece(cx)) {
                return Poll::Ready(received);
            }
        }
        Poll::Ready(Err(io::Error::other("a stream of nothing")))
    }

    /// The next piece; `None` for one without a byte, which to others would be the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Option<Chunk>>>> {
        if self.ended {
            return Poll::Ready(Some(Ok(None)));
        }
        let Poll::Ready(next) = self.stream.as_mut().poll_next(cx) else {
            self.budget.renew();
            return Poll::Pending;
        };
        Poll::Ready(match next {
            Some(Ok(bytes)) => {
                self.budget.spend(bytes.len());
                (!bytes.is_empty()).then(|| Chunk::whole(bytes).map(Some))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.ended = true;
                Some(Ok(None))
            }
        })
    }

    pub(super) fn put_back(&mut self, chunk: Chunk) {
        self.rest = Some(chunk);
    }

    pub(super) fn is_current(&self) -> bool {
        self.core.is_current() || self.core.is_shut()
    }
}

/// What a sink may still be asked for: one that is closed or has failed may panic when it is given more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SinkStage {
    Open,
    Closing,
    Closed,
    Failed,
}

pub(in crate::http) struct ConduitSend {
    sink: Pin<Box<dyn Sink<Bytes, Error = io::Error>>>,
    /// Everything has been flushed.
    settled: bool,
    stage: SinkStage,
    budget: Budget,
}

impl ConduitSend {
    pub(super) fn post<B: IoBuf>(
        &mut self,
        buffer: B,
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + '_>> {
        let buffer = buffer.slice(..);
        Box::pin(async move { self.send(&[buffer.as_ref()]).await })
    }

    pub(super) async fn send(&mut self, slices: &[&[u8]]) -> io::Result<()> {
        // One without a byte would be the end to others, too.
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            self.ready().await?;
            self.start(slice)?;
        }
        self.flush().await
    }

    /// Waits until there is room.
    pub(in crate::http) async fn ready(&mut self) -> io::Result<()> {
        self.check_open()?;
        let ready = poll_fn(|cx| self.sink.as_mut().poll_ready(cx)).await;
        self.checked(ready)
    }

    /// Hands `bytes` over, for which there is room; they are sent by [`flush`](ConduitSend::flush).
    pub(in crate::http) fn start(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.settled = false;
        self.budget.spend(bytes.len());
        let started = self.sink.as_mut().start_send(Bytes::copy_from_slice(bytes));
        self.checked(started)
    }

    pub(in crate::http) async fn flush(&mut self) -> io::Result<()> {
        if self.stage == SinkStage::Closed {
            return Ok(());
        }
        self.check_open()?;
        let flushed = poll_fn(|cx| {
            let flushed = self.sink.as_mut().poll_flush(cx);
            if flushed.is_pending() {
                self.budget.renew();
            }
            flushed
        })
        .await;
        self.checked(flushed)?;
        self.settled = true;
        // Behind what has been sent, so that it is not held up.
        poll_fn(|cx| self.budget.poll_left(cx)).await;
        Ok(())
    }

    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        match self.stage {
            SinkStage::Open | SinkStage::Closing => {}
            SinkStage::Closed => return Ok(()),
            SinkStage::Failed => return Err(after_the_end()),
        }
        self.stage = SinkStage::Closing;
        let closed = poll_fn(|cx| self.sink.as_mut().poll_close(cx)).await;
        self.checked(closed)?;
        self.stage = SinkStage::Closed;
        Ok(())
    }

    fn check_open(&self) -> io::Result<()> {
        match self.stage {
            SinkStage::Open => Ok(()),
            _ => Err(after_the_end()),
        }
    }

    /// Notes a failure: it is the sink's last word.
    fn checked(&mut self, result: io::Result<()>) -> io::Result<()> {
        if result.is_err() {
            self.stage = SinkStage::Failed;
            self.settled = false;
        }
        result
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }
}

impl fmt::Debug for ConduitRecv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConduitRecv").finish_non_exhaustive()
    }
}

impl fmt::Debug for ConduitSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConduitSend").finish_non_exhaustive()
    }
}
