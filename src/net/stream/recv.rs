//! The receiving half of a stream.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
#[cfg(feature = "http")]
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use futures_util::stream::FusedStream;
#[cfg(feature = "http")]
use socket2::SockRef;

use super::receiving::Receiving;
use crate::buf::{BufResult, Chunk, IoBufMut};
use crate::op::{self, Arrived, Received, Recv, RecvPooled, SharedFd};
use crate::reactor::{Core, Handed, OpId};

/// The receiving half of a connection; from `split` or `into_split`.
///
/// # Nothing received is lost
///
/// Every method here is cancel safe. What arrives belongs to the half, not to the future: bytes that a dropped,
/// timed out or forgotten receive had already taken off the socket go to the next receive, in order.
pub struct RecvHalf {
    state: State,
}

pub(super) struct State {
    pub(super) core: Rc<Core>,
    pub(super) fd: SharedFd,
    armed: Armed,
    /// The receive into a user's buffer whose future has not returned, unless it was dropped.
    pub(super) owned: Option<OpId>,
}

/// What the half itself has in the kernel. What is rare is in a box, since an idle connection has one of these.
enum Armed {
    /// A receive from the pool; nothing, if that has ended.
    Pooled(Handed<RecvPooled>),
    /// The pool was empty; in its queue.
    Parked,
    /// The pool was still empty: waiting until there is something to receive, which holds no memory.
    Readable(Box<Handed<op::Poll>>),
    /// There is something, and the pool is empty: receiving into memory of its own.
    Private(Box<Handed<Recv<Vec<u8>>>>),
}

impl Armed {
    const NOTHING: Armed = Armed::Pooled(Handed::Ended(None));
}

impl RecvHalf {
    pub(super) fn new(core: &Rc<Core>, fd: &SharedFd) -> RecvHalf {
        RecvHalf {
            state: State {
                core: Rc::clone(core),
                fd: fd.clone(),
                armed: Armed::NOTHING,
                owned: None,
            },
        }
    }

    /// The receiving half of a socket whose other half nobody here uses.
    pub(crate) fn of_socket(core: &Rc<Core>, socket: OwnedFd) -> RecvHalf {
        RecvHalf::new(core, &core.share(socket))
    }

    /// Whether it belongs to the reactor that runs on this thread, or to one that has been shut down.
    #[cfg(feature = "http")]
    pub(crate) fn is_current(&self) -> bool {
        self.state.core.is_current() || self.state.core.is_shut()
    }

    /// Whether the last receive has left something behind: bytes, or the end. The next one would not wait.
    #[cfg(feature = "http")]
    pub(crate) fn has_more(&self) -> bool {
        self.state.fd.has_more()
    }

    /// Whether the pool had no buffer for the receive that is pending, so that it goes on in steps.
    #[cfg(feature = "http")]
    pub(crate) fn lacks_buffers(&self) -> bool {
        !matches!(self.state.armed, Armed::Pooled(_))
    }

    /// As [`has_more`](RecvHalf::has_more), of a pending receive that did [lack buffers](RecvHalf::lacks_buffers) when it was
    /// polled, or does now. What lies in the socket is then received some turns later.
    #[cfg(feature = "http")]
    #[cold]
    pub(crate) fn has_more_unreceived(&self) -> bool {
        // One into memory of its own begins only where there is something.
        matches!(self.state.armed, Armed::Private(_)) || self.looks_for_more()
    }

    /// As [`has_more`](RecvHalf::has_more), by a look into the socket: what receives leave behind in a Unix socket they
    /// tell from Linux 6.17 on.
    #[cfg(feature = "http")]
    pub(crate) fn looks_for_more(&self) -> bool {
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let looked =
            SockRef::from(&self.state.fd).recv_with_flags(&mut [MaybeUninit::uninit()], flags);
        !looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The reactor and the descriptor, to close it.
    pub(super) fn parts(&self) -> (Rc<Core>, SharedFd) {
        (Rc::clone(&self.state.core), self.state.fd.clone())
    }

    /// Receives into `buffer`, from its start, as much as is there and fits; gives it back with the count.
    ///
    /// 0 means that the peer has finished sending.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a buffer without capacity; otherwise as recv(2). A TCP connection that has failed before the peer
    /// had finished sending is an error (`ConnectionReset`, or what the kernel says) in every call, also where a send has
    /// been told of it: recv(2) itself would say so once, to one of the two, and then give 0.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no bytes; it does lose the buffer, unless bytes had arrived, which the next
    /// call then copies out of it.
    #[doc(alias = "IORING_OP_RECV")]
    #[doc(alias = "read")]
    pub fn recv<B: IoBufMut>(&mut self, buffer: B) -> impl Future<Output = BufResult<usize, B>> {
        Receiving::new(&mut self.state, buffer)
    }

    /// Receives until `buffer` is full up to its capacity.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the peer finishes sending before; the buffer then holds what came.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: what was received before goes with the buffer. Bytes that are still on their way are
    /// not lost.
    #[doc(alias = "read_exact")]
    pub async fn recv_exact<B: IoBufMut>(&mut self, mut buffer: B) -> BufResult<(), B> {
        let wanted = buffer.bytes_capacity();
        let mut filled = 0;
        while filled < wanted {
            // Bytes before `filled` are initialised by the receives before; say so to the slice.
            let (result, slice) = self.recv(buffer.slice(filled..wanted)).await;
            buffer = slice.into_inner();
            match result {
                Ok(0) => return (Err(io::ErrorKind::UnexpectedEof.into()), buffer),
                Ok(count) => filled += count,
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(()), buffer)
    }

    /// Receives into a buffer of the reactor's pool; `None` when the peer has finished sending.
    ///
    /// The kernel picks the buffer when data arrives, so that waiting here holds no memory.
    ///
    /// # Errors
    ///
    /// As for [`recv`](RecvHalf::recv). An empty pool is not an error: the call waits for a buffer, or uses memory of its own.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the receive stays armed, and the next call gets what it brings.
    #[doc(alias = "IOSQE_BUFFER_SELECT")]
    pub async fn recv_chunk(&mut self) -> io::Result<Option<Chunk>> {
        poll_fn(|cx| self.state.poll_chunk(cx, false)).await
    }

    /// As [`recv_chunk`](RecvHalf::recv_chunk), for who polls by hand. Dropping nothing loses nothing.
    pub(crate) fn poll_recv_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Chunk>>> {
        self.state.poll_chunk(cx, false)
    }

    /// The received bytes as a stream of chunks, which ends when the peer has finished sending or after an
    /// error.
    ///
    /// One multishot receive serves them all. If the chunks are not fetched, it is paused; see
    /// [`Builder::multishot_backlog`](crate::reactor::Builder::multishot_backlog). Dropping the stream loses
    /// nothing: chunks that had arrived go to the next receive of this half.
    #[doc(alias = "IORING_RECV_MULTISHOT")]
    pub fn chunks(&mut self) -> Chunks<'_> {
        Chunks { half: Some(self) }
    }
}

impl State {
    /// What a dropped or forgotten receive left, or the armed receive brings.
    pub(super) fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Early>> {
        self.core.check_open()?;
        if let Some(late) = ready!(self.poll_late(cx)) {
            return Poll::Ready(late.map(Early::Data));
        }
        if matches!(&self.armed, Armed::Pooled(receive) if receive.is_ended()) {
            return Poll::Ready(Ok(Early::Nothing));
        }
        let chunk = ready!(self.poll_any(cx, false))?;
        Poll::Ready(Ok(chunk.map_or(Early::End, Early::Data)))
    }

    /// The next bytes. Inlined, with what a stream of chunks mostly finds.
    #[inline(always)]
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        multishot: bool,
    ) -> Poll<io::Result<Option<Chunk>>> {
        if self.core.is_open()
            && self.is_settled()
            && let Armed::Pooled(receive) = &mut self.armed
        {
            if receive.is_ended() {
                if self.arm(cx, multishot) {
                    return Poll::Pending;
                }
            } else if let Some(cqe) = ready!(receive.poll_bytes(&self.core, cx)) {
                self.fd.answered();
                self.fd.set_more(cqe.has_socket_more());
                return Poll::Ready(Ok(self.core.pool().claim(cqe)));
            }
        }
        self.poll_any(cx, multishot)
    }

    #[inline(never)]
    fn poll_any(
        &mut self,
        cx: &mut Context<'_>,
        multishot: bool,
    ) -> Poll<io::Result<Option<Chunk>>> {
        self.core.check_open()?;
        if let Some(late) = ready!(self.poll_late(cx)) {
            return Poll::Ready(late.map(Some));
        }
        self.poll_armed(cx, multishot)
    }

    /// Whether no receive into a user's buffer is in flight, and none has left anything.
    #[inline]
    fn is_settled(&self) -> bool {
        self.owned.is_none() && self.fd.incoming().is_settled()
    }

    /// What a receive into a user's buffer has left, once none is in flight any more.
    #[inline]
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        if self.is_settled() {
            return Poll::Ready(None);
        }
        self.settle(cx)
    }

    #[cold]
    #[inline(never)]
    fn settle(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        if let Some(id) = self.owned.take() {
            self.core.abandon(id, false);
        }
        ready!(self.fd.incoming().poll_idle(cx));
        let late = self.fd.incoming().take();
        Poll::Ready(late.map(|late| late.map(Arrived::into_bytes)))
    }

    #[inline]
    fn poll_armed(
        &mut self,
        cx: &mut Context<'_>,
        multishot: bool,
    ) -> Poll<io::Result<Option<Chunk>>> {
        loop {
            let Armed::Pooled(receive) = &mut self.armed else {
                if let Some(received) = ready!(self.poll_without_pool(cx)) {
                    return Poll::Ready(received);
                }
                continue;
            };
            if receive.is_ended() {
                if self.arm(cx, multishot) {
                    return Poll::Pending;
                }
                continue;
            }
            let (cqe, _more) = ready!(receive.poll_next(&self.core, cx));
            self.fd.answered();
            self.fd.set_more(cqe.has_socket_more());
            match Received::of(cqe, self.core.pool())? {
                Received::Data(chunk) => return Poll::Ready(Ok(Some(chunk))),
                Received::End => {
                    return Poll::Ready(op::check_end(&self.fd, cqe).map(|()| None));
                }
                Received::NoBuffer => {
                    receive.give_up(&self.core);
                    self.core.pool().park(cx.waker());
                    self.armed = Armed::Parked;
                    return Poll::Pending;
                }
                // A multishot that was paused.
                Received::Cancelled => self.core.check_open()?,
            }
        }
    }

    /// Hands a receive from the pool over; `true` if it is on its way, and this is woken by what it brings.
    #[inline(never)]
    fn arm(&mut self, cx: &mut Context<'_>, multishot: bool) -> bool {
        let Armed::Pooled(receive) = &mut self.armed else {
            return false;
        };
        receive.again(&self.core, cx, |used| match used {
            Some(mut op) => {
                op.multishot = multishot;
                op
            }
            None => Box::new(RecvPooled {
                fd: self.fd.clone(),
                pool: Rc::clone(self.core.pool()),
                multishot,
            }),
        });
        receive.id().is_some()
    }

    /// The ways on where the pool is empty; the last of them brings what was received.
    #[inline(never)]
    fn poll_without_pool(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Option<Chunk>>>> {
        let core = &*self.core;
        match &mut self.armed {
            Armed::Pooled(_) => {}
            Armed::Parked if core.pool().available() > 0 => self.armed = Armed::NOTHING,
            Armed::Parked => {
                let poll = op::Poll {
                    fd: self.fd.clone(),
                    events: libc::POLLIN,
                };
                self.armed = Armed::Readable(Box::new(core.hand_over(poll)));
            }
            Armed::Readable(poll) => {
                let (result, _) = ready!(poll.poll(core, cx));
                self.armed = Armed::NOTHING;
                if let Err(error) = result {
                    return Poll::Ready(Some(Err(error)));
                }
                if core.pool().available() == 0 {
                    let buffer = Vec::with_capacity(core.pool().buffer_size() as usize);
                    let receive = Recv::of_socket(self.fd.clone(), buffer);
                    self.armed = Armed::Private(Box::new(core.hand_over(receive)));
                }
            }
            Armed::Private(receive) => {
                let (result, op) = ready!(receive.poll(core, cx));
                self.armed = Armed::NOTHING;
                let chunk = result.map(|count| (count > 0).then(|| Chunk::owned(op.into_buffer())));
                return Poll::Ready(Some(chunk));
            }
        }
        Poll::Ready(None)
    }
}

/// What came before a receive was even asked for.
pub(super) enum Early {
    Data(Chunk),
    End,
    Nothing,
}

impl Drop for RecvHalf {
    fn drop(&mut self) {
        // A receive whose future was forgotten would keep the descriptor open.
        let state = &mut self.state;
        if let Some(id) = state.owned.take() {
            state.core.abandon(id, true);
        }
        match &mut state.armed {
            Armed::Parked => {}
            Armed::Pooled(receive) => receive.give_up(&state.core),
            Armed::Readable(poll) => poll.give_up(&state.core),
            Armed::Private(receive) => receive.give_up(&state.core),
        }
        state.fd.incoming().desert();
    }
}

impl RecvHalf {
    /// Whether the close of the socket may wait for what it has still to send.
    pub(in crate::net) fn set_lingering(&self, lingers: bool) {
        self.state.fd.set_lingering(lingers);
    }
}

impl AsFd for RecvHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}

impl AsRawFd for RecvHalf {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for RecvHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvHalf")
            .field("fd", &self.state.fd.as_fd())
            .finish_non_exhaustive()
    }
}

/// A stream of received chunks; from [`RecvHalf::chunks`].
#[derive(Debug)]
#[must_use = "a stream receives nothing until it is polled"]
pub struct Chunks<'a> {
    /// `None` once the stream has ended.
    half: Option<&'a mut RecvHalf>,
}

impl Stream for Chunks<'_> {
    type Item = io::Result<Chunk>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(half) = &mut self.half else {
            return Poll::Ready(None);
        };
        let item = ready!(half.state.poll_chunk(cx, true)).transpose();
        if !matches!(item, Some(Ok(_))) {
            self.half = None;
        }
        Poll::Ready(item)
    }
}

impl FusedStream for Chunks<'_> {
    fn is_terminated(&self) -> bool {
        self.half.is_none()
    }
}
