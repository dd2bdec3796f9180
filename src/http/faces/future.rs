//! The placeholder style: a future that is already running.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;

use super::Fetched;
use super::callback::{check_reactor, elsewhere, start};
use super::cancel::Cancel;
use crate::http::RequestBuilder;
use crate::http::error::{Error, ErrorKind};
use crate::promise::{Promised, promise};
use crate::task::Handle;

/// A fetch that is already running, and its result once that is there: a future, and a place for done-callbacks. From
/// [`RequestBuilder::start`].
///
/// Dropping it gives the fetch up; [`detach`](Fetch::detach) lets it run.
///
/// It runs on the reactor that it was made in. Awaited inside another one, it gives
/// [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor) at once if it has not ended: it does not go on as long as it is
/// waited for there. As `&mut fetch` it can be awaited again at home.
///
/// ```
/// use eyewall::{Reactor, http::{Client, ErrorKind}};
///
/// let (home, other) = (Reactor::new()?, Reactor::new()?);
/// let mut fetch = home.block_on(async { Client::new().get("http://127.0.0.1:1/").start() })?;
/// assert_eq!(other.block_on(&mut fetch)?.unwrap_err().kind(), ErrorKind::Reactor);
/// assert_eq!(home.block_on(fetch)?.unwrap_err().kind(), ErrorKind::Connect);
/// # Ok::<(), eyewall::Error>(())
/// ```
#[must_use = "dropping it gives the fetch up; `detach` lets it run"]
pub struct Fetch {
    promised: Promised<Result<Fetched, Error>>,
    /// `None` once it is detached, or where nothing runs.
    cancel: Option<Cancel>,
    /// What it runs on.
    reactor: Option<Handle>,
}

impl RequestBuilder {
    /// Sends the request now, and gives a future for the response with its whole body. The fetch goes on whether or
    /// not the future is polled; dropping it gives the fetch up.
    ///
    /// Where no reactor runs, the result is [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor).
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
    /// use eyewall::http::Client;
    ///
    /// eyewall::block_on(async {
    ///     let fetch = Client::new().get(url).start();
    ///     fetch.on_done(|result| println!("{:?}", result.as_ref().map(|page| page.status)));
    ///     assert_eq!(fetch.await?.text(), "ok");
    ///     Ok::<(), eyewall::http::Error>(())
    /// })?.unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start(self) -> Fetch {
        let (promise, promised) = promise();
        let cancel = match check_reactor(&self) {
            Ok(()) => Some(start(self, |result| promise.set(result))),
            Err(error) => {
                promise.set(Err(error));
                None
            }
        };
        Fetch {
            promised,
            cancel,
            reactor: Handle::current().ok(),
        }
    }
}

impl Fetch {
    /// Calls `callback` once with the result: in a later turn of the reactor, never inside this call, in the order
    /// of these calls. One that panics does not stop the others. They are called, with
    /// [`ErrorKind::Cancelled`](crate::http::ErrorKind::Cancelled), also if this future is dropped or the reactor shut
    /// down. One that is added after the result has been taken is not called.
    pub fn on_done(&self, callback: impl FnOnce(&Result<Fetched, Error>) + 'static) {
        self.promised.on_done(move |result| match result {
            Ok(result) => callback(result),
            Err(_) => callback(&Err(Error::new(ErrorKind::Cancelled))),
        });
    }

    /// Whether the result is there, and not yet taken.
    pub fn is_done(&self) -> bool {
        self.promised.is_done()
    }

    /// Takes the result if it is there and the done-callbacks have seen it.
    pub fn try_take(&mut self) -> Option<Result<Fetched, Error>> {
        match self.is_done() {
            true => self.now_or_never(),
            false => None,
        }
    }

    /// Gives the fetch up; the result is then [`ErrorKind::Cancelled`](crate::http::ErrorKind::Cancelled), unless it
    /// is already there.
    pub fn cancel(&self) {
        if let Some(cancel) = &self.cancel {
            cancel.cancel();
        }
    }

    /// Lets the fetch run without anybody waiting for it. Its done-callbacks are called.
    pub fn detach(mut self) {
        self.cancel = None;
    }
}

impl Future for Fetch {
    type Output = Result<Fetched, Error>;

    /// # Panics
    ///
    /// If polled again after it was ready, save with `ErrorKind::Reactor`.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let kept = self
            .reactor
            .as_ref()
            .is_some_and(Handle::is_kept_from_running);
        if kept && !self.is_done() {
            // Whoever asked before, at home, still waits.
            return Poll::Ready(Err(elsewhere()));
        }
        let polled = self.promised.poll_unpin(cx);
        polled.map(|result| result.unwrap_or_else(|_| Err(Error::new(ErrorKind::Cancelled))))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("done", &self.is_done())
            .finish_non_exhaustive()
    }
}
