//! The callback style, and what the other styles have in common with it.

use std::fmt;

use url::Url;

use super::Fetched;
use super::cancel::Cancel;
use crate::error::shut_down;
use crate::http::RequestBuilder;
use crate::http::error::{Error, ErrorKind};
use crate::reactor::Core;
use crate::task::{JoinError, can_spawn, contain_panic, in_background};

/// A fetch that runs by itself; from [`RequestBuilder::call`] and [`RequestBuilder::deliver`]. Dropping it changes
/// nothing, unlike dropping a [`Fetch`](crate::http::Fetch): the result goes to somebody else.
#[derive(Clone)]
pub struct FetchHandle {
    cancel: Cancel,
}

impl FetchHandle {
    pub(super) fn new(cancel: Cancel) -> FetchHandle {
        FetchHandle { cancel }
    }

    /// Gives the fetch up: its result is then [`ErrorKind::Cancelled`](crate::http::ErrorKind::Cancelled), told in a
    /// later turn of the reactor, and says how far it had come. One that has ended is left alone.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl fmt::Debug for FetchHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchHandle").finish_non_exhaustive()
    }
}

impl RequestBuilder {
    /// Sends the request, and calls `callback` with the response and its whole body, or with the error.
    ///
    /// The callback is called exactly once, in a later turn of the reactor, never inside this call: also when the
    /// fetch is [cancelled](FetchHandle::cancel), the client closed, or the reactor shut down
    /// ([`ErrorKind::Cancelled`](crate::http::ErrorKind::Cancelled); that call comes from inside the shutdown). It
    /// may make other fetches, and close the client. One that panics stops nobody else.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor) where no reactor runs, or it is being shut down. Only
    /// then the callback is not called.
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
    /// use eyewall::promise::promise;
    ///
    /// eyewall::block_on(async {
    ///     let (promise, text) = promise();
    ///     Client::new().get(url).call(|result| promise.set(result.map(|page| page.text())))?;
    ///     assert_eq!(text.await.unwrap()?, "ok");
    ///     Ok::<(), eyewall::http::Error>(())
    /// })?.unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call(
        self,
        callback: impl FnOnce(Result<Fetched, Error>) + 'static,
    ) -> Result<FetchHandle, Error> {
        check_reactor(&self)?;
        Ok(FetchHandle::new(start(self, callback)))
    }

    /// Sends the request and receives the whole body of its response.
    pub(super) async fn whole(self) -> Result<Fetched, Error> {
        self.send().await?.whole().await
    }
}

/// Refuses a request where no task would run.
pub(super) fn check_reactor(request: &RequestBuilder) -> Result<(), Error> {
    if can_spawn() {
        return Ok(());
    }
    let reason = Core::current().err().unwrap_or_else(shut_down);
    Err(at(Error::io(ErrorKind::Reactor, reason), request.url()))
}

/// The error of who waits for a fetch inside another reactor than its own.
pub(super) fn elsewhere() -> Error {
    Error::boxed(ErrorKind::Reactor, JoinError::elsewhere())
}

/// Runs a request in a task of its own and tells `done` its result, exactly once.
pub(super) fn start(
    request: RequestBuilder,
    done: impl FnOnce(Result<Fetched, Error>) + 'static,
) -> Cancel {
    let (cancel, request) = Cancel::of(request);
    let mut once = Once {
        done: Some(done),
        cancel: cancel.clone(),
    };
    in_background(async move {
        let result = once.cancel.or(request.whole()).await;
        once.tell(result);
    });
    cancel
}

pub(super) fn at(error: Error, url: Option<&Url>) -> Error {
    match url {
        Some(url) => error.at(url),
        None => error,
    }
}

/// Tells what becomes of a fetch, also when its task is dropped.
struct Once<F: FnOnce(Result<Fetched, Error>)> {
    done: Option<F>,
    cancel: Cancel,
}

impl<F: FnOnce(Result<Fetched, Error>)> Once<F> {
    fn tell(&mut self, result: Result<Fetched, Error>) {
        if let Some(done) = self.done.take() {
            let result = result.map_err(|error| self.cancel.at(error));
            contain_panic(|| done(result));
        }
    }
}

impl<F: FnOnce(Result<Fetched, Error>)> Drop for Once<F> {
    fn drop(&mut self) {
        self.tell(Err(self.cancel.error()));
    }
}
