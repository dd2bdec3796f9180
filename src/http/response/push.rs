//! The body of a response, pushed to a callback.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Response;
use crate::http::error::{Error, ErrorKind};
use crate::task::{JoinHandle, spawn};

/// What a callback says about the rest of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// Go on.
    Continue,
    /// Nothing more until [`Pusher::resume`] is called. The connection holds no buffer meanwhile, and the server is
    /// slowed. The time of the whole fetch goes on, if the server has not said all by then.
    Pause,
    /// No more: the connection is closed.
    Cancel,
}

/// A body that is being pushed to a callback; from [`Response::push`].
///
/// Await it for the response, once its body has ended: its trailers and timings are known then. Dropping it, be that in the
/// callback, ends the delivery and closes the connection; [`detach`](Push::detach) lets it go on. Awaited inside another
/// reactor than its own, it gives [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor) if the body has not ended; as
/// `&mut push` it can be awaited again at home.
#[must_use = "dropping it ends the delivery; `detach` lets it go on"]
pub struct Push {
    /// `None` once it has been detached.
    task: Option<JoinHandle<Result<Response, Error>>>,
    pusher: Pusher,
}

/// Holds a delivery up, and lets it go on; from [`Push::pusher`]. Clones are for the same delivery.
///
/// ```
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let url = format!("http://{}/", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let mut stream = listener.accept().unwrap().0;
/// #     stream.read(&mut [0; 1000]).unwrap();
/// #     stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
/// # });
/// # eyewall::block_on(async move {
/// use std::{cell::Cell, rc::Rc};
/// use eyewall::http::Flow;
///
/// let response = eyewall::fetch(url).await?;
/// let received = Rc::new(Cell::new(0));
/// let count = Rc::clone(&received);
/// // Rests after each part, until it is told to go on.
/// let push = response.push(move |bytes| {
///     count.set(count.get() + bytes.len());
///     Flow::Pause
/// });
/// let pusher = push.pusher();
/// eyewall::spawn(async move {
///     loop {
///         eyewall::yield_now().await;
///         pusher.resume();
///     }
/// }).detach();
/// let response = push.await?;
/// assert_eq!(received.get(), 2);
/// # drop(response);
/// # Ok::<(), eyewall::http::Error>(()) })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Pusher {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    paused: Cell<bool>,
    /// The [`Push`] has gone; in the middle of a turn, as by the callback, that alone does not end its task.
    dropped: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Push {
    pub(super) fn new(
        mut response: Response,
        mut callback: impl FnMut(&[u8]) -> Flow + 'static,
    ) -> Push {
        let pusher = Pusher::default();
        let state = Rc::clone(&pusher.state);
        let task = spawn(async move {
            loop {
                response.rest_until(|cx| state.poll_open(cx)).await?;
                state.check()?;
                let Some(chunk) = response.chunk().await? else {
                    return Ok(response);
                };
                // It may have been held up while the chunk was on its way.
                response.rest_until(|cx| state.poll_open(cx)).await?;
                state.check()?;
                let reason = match catch_unwind(AssertUnwindSafe(|| callback(&chunk))) {
                    Ok(Flow::Continue) => continue,
                    Ok(Flow::Pause) => {
                        state.paused.set(true);
                        continue;
                    }
                    Ok(Flow::Cancel) => "the callback wants no more of the body",
                    Err(payload) => {
                        // Its drop could panic again.
                        std::mem::forget(payload);
                        "the callback panicked"
                    }
                };
                return Err(response.fail(Error::boxed(ErrorKind::Cancelled, reason)));
            }
        });
        Push {
            task: Some(task),
            pusher,
        }
    }

    /// Holds the delivery up and lets it go on, from wherever it is kept.
    pub fn pusher(&self) -> Pusher {
        self.pusher.clone()
    }

    /// Lets the delivery go on by itself.
    pub fn detach(mut self) {
        self.task = None;
    }
}

impl Future for Push {
    type Output = Result<Response, Error>;

    /// # Panics
    ///
    /// If polled again after it was ready, save with `ErrorKind::Reactor`.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(task) = &mut self.task else {
            panic!("a Push was polled after it was ready");
        };
        let result = match std::task::ready!(Pin::new(task).poll(cx)) {
            // It goes on, and so may the wait for it, elsewhere.
            Err(error) if error.is_elsewhere() => {
                return Poll::Ready(Err(Error::boxed(ErrorKind::Reactor, error)));
            }
            Err(error) => Err(Error::boxed(ErrorKind::Cancelled, error)),
            Ok(result) => result,
        };
        self.task = None;
        Poll::Ready(result)
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            self.pusher.state.dropped.set(true);
            task.abort();
        }
    }
}

impl Pusher {
    /// Calls the callback no more until [`resume`](Pusher::resume).
    pub fn pause(&self) {
        self.state.paused.set(true);
    }

    /// Goes on where it was held up.
    pub fn resume(&self) {
        self.state.paused.set(false);
        let waker = self.state.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether it is held up.
    pub fn is_paused(&self) -> bool {
        self.state.paused.get()
    }
}

impl State {
    /// An error where the [`Push`] has gone, of which nobody is left to be told.
    fn check(&self) -> Result<(), Error> {
        match self.dropped.get() {
            true => Err(Error::new(ErrorKind::Cancelled)),
            false => Ok(()),
        }
    }

    /// Ready unless the delivery is held up.
    fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.paused.get() {
            return Poll::Ready(());
        }
        let old = self.waker.replace(Some(cx.waker().clone()));
        // Dropped when the cell is no longer borrowed: that is user code.
        drop(old);
        Poll::Pending
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("paused", &self.pusher.is_paused())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher")
            .field("paused", &self.is_paused())
            .finish()
    }
}
