//! The sending half of a stream.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::SockRef;

use super::post::Posting;
use super::sending::Sending;
use crate::buf::{BufResult, IoBuf};
use crate::op::{Send, SendMsg, SendZc, SharedFd, Shutdown};
use crate::reactor::{Core, OpId};

/// The sending half of a connection; from `split` or `into_split`.
///
/// # The stream is never torn
///
/// A send whose future is dropped has either not begun, or goes on to its last byte before any later send
/// begins. If it fails then, the next send (or [`shutdown`](SendHalf::shutdown)) reports the error. If the half
/// itself is dropped meanwhile, a TCP connection is reset, so that the peer cannot take the part for the whole. A
/// Unix socket has no reset to send: its peer then sees an end like any other.
pub struct SendHalf {
    state: State,
}

pub(super) struct State {
    pub(super) core: Rc<Core>,
    pub(super) fd: SharedFd,
    /// The send whose future has not returned.
    pub(super) current: Option<OpId>,
}

impl State {
    /// Waits for the end of a send whose future was dropped or forgotten, and reports its error.
    #[inline]
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.core.check_open()?;
        if self.current.is_none() && self.fd.outgoing().is_settled() {
            return Poll::Ready(Ok(()));
        }
        self.settle(cx)
    }

    #[cold]
    #[inline(never)]
    fn settle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(id) = self.current {
            self.core.abandon(id, false);
        }
        let late = self.fd.outgoing();
        if late.poll_idle(cx).is_pending() {
            self.core.hurry();
            return Poll::Pending;
        }
        self.current = None;
        Poll::Ready(late.take().unwrap_or(Ok(())))
    }
}

impl SendHalf {
    pub(super) fn new(core: &Rc<Core>, fd: SharedFd) -> SendHalf {
        SendHalf {
            state: State {
                core: Rc::clone(core),
                fd,
                current: None,
            },
        }
    }

    /// Sends as much of `buffer` as the kernel takes at once; gives it back with the count.
    ///
    /// # Errors
    ///
    /// As send(2); `BrokenPipe` where the peer has closed (never a SIGPIPE).
    ///
    /// # Cancel safety
    ///
    /// See [the type](SendHalf): a dropped send has not begun, or sends the whole buffer.
    #[doc(alias = "IORING_OP_SEND")]
    #[doc(alias = "write")]
    pub fn send<B: IoBuf>(&mut self, buffer: B) -> impl Future<Output = BufResult<usize, B>> {
        let part = |fd, buffer| Send::new(fd, buffer, false);
        Sending::new(&mut self.state, buffer, part, |sent, op| {
            (sent, op.into_buffer())
        })
    }

    /// Sends all of `buffer`; gives it back.
    ///
    /// # Errors, cancel safety
    ///
    /// As for [`send`](SendHalf::send).
    #[doc(alias = "write_all")]
    pub fn send_all<B: IoBuf>(&mut self, buffer: B) -> impl Future<Output = BufResult<(), B>> {
        let all = |fd, buffer| Send::new(fd, buffer, true);
        Sending::new(&mut self.state, buffer, all, |sent, op| {
            (sent.map(drop), op.into_buffer())
        })
    }

    /// Sends all of `buffers`, one behind the other, in one operation; gives them back.
    ///
    /// # Errors, cancel safety
    ///
    /// As for [`send`](SendHalf::send); more than 1 024 buffers (`IOV_MAX`) are an error of the kernel.
    #[doc(alias = "IORING_OP_SENDMSG")]
    #[doc(alias = "write_vectored")]
    pub fn send_vectored<B: IoBuf>(
        &mut self,
        buffers: Vec<B>,
    ) -> impl Future<Output = BufResult<(), Vec<B>>> {
        Sending::new(&mut self.state, buffers, SendMsg::all, |sent, op| {
            (sent.map(drop), op.into_buffers())
        })
    }

    /// Sends all of `buffer` without copying it into the kernel; gives it back when the kernel has let go of
    /// it, which over TCP is when the peer has acknowledged the bytes.
    ///
    /// Worth it for large buffers over a real network (some 10 KiB and more). On loopback and over Unix sockets the kernel
    /// copies anyway, and so it does where this user may not lock so much memory (`RLIMIT_MEMLOCK` in getrlimit(2), often
    /// 8 MiB for all that is on its way).
    ///
    /// # Errors, cancel safety
    ///
    /// As for [`send`](SendHalf::send).
    #[doc(alias = "IORING_OP_SEND_ZC")]
    pub fn send_zc<B: IoBuf>(&mut self, buffer: B) -> impl Future<Output = BufResult<(), B>> {
        Sending::new(&mut self.state, buffer, SendZc::new, |sent, op| {
            (sent.map(drop), op.into_buffer())
        })
    }

    /// Hands `buffer` over to be sent behind what was handed over before, and does not wait for it. For whoever
    /// waits for an answer next: the send and the wait for the answer then take one system call.
    ///
    /// One post is on its way at a time: where the one before has not ended, this waits for it, and so does every
    /// other send. [`flush`](SendHalf::flush) waits for the last. The buffer is dropped behind that, or when the reactor next
    /// has something to do.
    ///
    /// A half that is dropped behind a post still sends what the kernel takes at once; if that is not all, a TCP
    /// connection is reset.
    ///
    /// # Errors
    ///
    /// The error of an earlier post, or of a send whose future was dropped. Its own goes to the next call.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, nothing is sent.
    ///
    /// ```
    /// # use eyewall::net::{TcpListener, TcpStream};
    /// # eyewall::block_on(async {
    /// # let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let address = listener.local_addr()?;
    /// # let echo = eyewall::spawn(async move {
    /// #     let (mut stream, _) = listener.accept().await?;
    /// #     while let Some(chunk) = stream.recv_chunk().await? { stream.post(chunk).await?; }
    /// #     std::io::Result::Ok(())
    /// # });
    /// let mut stream = TcpStream::connect(address).await?;
    /// stream.post("ping").await?;
    /// assert_eq!(stream.recv_chunk().await?.as_deref(), Some(&b"ping"[..]));
    /// # std::io::Result::Ok(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "IOSQE_CQE_SKIP_SUCCESS")]
    pub fn post<B: IoBuf>(&mut self, buffer: B) -> impl Future<Output = io::Result<()>> {
        Posting::new(&mut self.state, buffer)
    }

    /// Hands over what is to be said before the socket is closed, wherever its half is dropped: also where the reactor
    /// does not run now. Nobody waits for it; where an earlier send is on its way, nothing is said. Where the kernel has
    /// no room for it, the connection ends without: a reset would take with it what was sent before.
    #[cfg(feature = "__tls")]
    pub(crate) fn post_last<B: IoBuf>(&mut self, buffer: B) {
        let state = &mut self.state;
        if state.core.is_shut() || state.current.is_some() || state.fd.outgoing().is_busy() {
            return;
        }
        state.fd.outgoing().say_farewell();
        let post = crate::op::Post::new(state.fd.clone(), buffer);
        if let Err(post) = state.core.post(post) {
            let postponed = Box::new(crate::op::Postponed::from(post));
            let cx = &mut Context::from_waker(std::task::Waker::noop());
            let mut handed = crate::reactor::Handed::new(&state.core, postponed);
            if let Poll::Ready(Ok(id)) = handed.poll_detach(&state.core, cx) {
                state.fd.set_postponed(id);
            }
            // Where the table is full it waits for no room.
            handed.give_up(&state.core);
        }
    }

    /// Waits until the kernel has taken everything that was [posted](SendHalf::post).
    ///
    /// # Errors
    ///
    /// The error of the post.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only waits.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.settle().await
    }

    /// Tells the peer that nothing more will be sent (FIN), after earlier sends have ended.
    ///
    /// # Errors
    ///
    /// The error of an earlier send whose future was dropped; otherwise as shutdown(2): `NotConnected` once both sides
    /// have told their end, or the connection has failed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has happened or not; another one does no harm.
    #[doc(alias = "IORING_OP_SHUTDOWN")]
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.settle().await?;
        let shutdown = Shutdown {
            fd: self.state.fd.clone().into(),
            how: net::Shutdown::Write,
        };
        let core = &self.state.core;
        let shut = core.submit(shutdown).await.0;
        match core.has_given_up(&shut) {
            // The kernel has a thread do it, although it waits for nothing.
            true => SockRef::from(&self.state.fd).shutdown(net::Shutdown::Write),
            false => shut,
        }
    }

    /// Whether no send is in flight, and none has failed unseen.
    #[cfg(feature = "http")]
    pub(crate) fn is_settled(&self) -> bool {
        self.state.fd.outgoing().is_settled()
    }

    async fn settle(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.state.poll_settled(cx)).await
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if let Some(id) = self.state.current {
            // A forgotten send that has ended, or has not begun, ends here.
            self.state.core.abandon(id, false);
        }
        let late = self.state.fd.outgoing();
        let unfinished = late.is_cut_off();
        if unfinished || matches!(late.take(), Some(Err(_))) {
            self.state.fd.reset_at_close();
        }
        if late.is_busy() {
            // The close waits for the end of a post, of which nothing else tells.
            self.state.core.hurry();
        }
        late.desert();
        if let Some(id) = self.state.current {
            self.state.core.abandon(id, true);
        }
        if let (true, Some(id)) = (unfinished, self.state.fd.postponed()) {
            self.state.core.abandon(id, true);
        }
    }
}

impl AsFd for SendHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}

impl AsRawFd for SendHalf {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for SendHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf")
            .field("fd", &self.state.fd.as_fd())
            .finish_non_exhaustive()
    }
}
