//! A client on a thread of its own.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;

use super::blocking::no_reactor;
use super::{ClientHandle, RemoteFetch};
use crate::http::error::{Error, ErrorKind};
use crate::http::{Client, ClientBuilder, RequestBuilder};
use crate::reactor::Reactor;
use crate::task::yield_now;

/// A [`Client`] and its reactor, on a thread that is there for them alone: for programs that are built on threads, or on
/// another executor.
///
/// Dropped, it closes the client: fetches that are still under way end with
/// [`ErrorKind::Closed`](crate::http::ErrorKind::Closed), and then the thread ends, which nobody waits for.
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
/// use std::time::Duration;
/// use eyewall::http::{Client, ClientThread};
///
/// let client = ClientThread::start(|| Client::builder().timeout(Duration::from_secs(5)))?;
/// // Blocks this thread; a task of any executor awaits it instead.
/// let page = client.fetch(move |client| client.get(url)).wait()?;
/// assert_eq!(page.text(), "ok");
/// client.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped, it closes the client"]
pub struct ClientThread {
    handle: ClientHandle,
    /// The thread ends when it is dropped.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), Error>>,
}

impl ClientThread {
    /// Starts the thread, and waits until its client, with these settings, is there. They are made over there, since
    /// they need not be `Send`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor) if no thread or no ring can be made; the source says why.
    ///
    /// # Panics
    ///
    /// If `settings` panics, with the same panic.
    pub fn start(
        settings: impl FnOnce() -> ClientBuilder + Send + 'static,
    ) -> Result<ClientThread, Error> {
        let (give, given) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("eyewall-client".to_owned())
            .spawn(move || run(settings, give, stopped))
            .map_err(|error| Error::io(ErrorKind::Reactor, error))?;
        match given.recv() {
            Ok(handle) => Ok(ClientThread {
                handle,
                stop,
                thread,
            }),
            // It has ended before.
            Err(mpsc::RecvError) => Err(match end_of(thread) {
                Err(error) => error,
                Ok(()) => Error::new(ErrorKind::Reactor),
            }),
        }
    }

    /// A way to the client, which can be cloned and given to others. It does not keep the client: once that is closed,
    /// fetches fail with [`ErrorKind::Closed`](crate::http::ErrorKind::Closed), and with
    /// [`ErrorKind::Cancelled`](crate::http::ErrorKind::Cancelled) once the thread has ended.
    pub fn handle(&self) -> &ClientHandle {
        &self.handle
    }

    /// As [`ClientHandle::fetch`].
    pub fn fetch(
        &self,
        make: impl FnOnce(&Client) -> RequestBuilder + Send + 'static,
    ) -> RemoteFetch {
        self.handle.fetch(make)
    }

    /// Closes the client, and blocks until the thread has ended; called on that thread, it does not wait. A task of
    /// another executor drops the `ClientThread` instead.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor) if the reactor had ended before, by an error.
    ///
    /// # Panics
    ///
    /// If the thread has panicked, with the same panic: what the settings hold may do so when it is dropped.
    pub fn close(self) -> Result<(), Error> {
        let ClientThread { stop, thread, .. } = self;
        drop(stop);
        match thread.thread().id() == thread::current().id() {
            // Called by code that runs over there.
            true => Ok(()),
            false => end_of(thread),
        }
    }
}

/// What the thread does.
fn run(
    settings: impl FnOnce() -> ClientBuilder,
    give: mpsc::Sender<ClientHandle>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), Error> {
    let reactor = Reactor::new().map_err(no_reactor)?;
    let ran = reactor.block_on(async {
        let client = settings().build();
        // An error here: nobody waits for the handle, nor will anybody stop this.
        let _ = give.send(client.handle()?);
        let _ = stopped.await;
        client.close();
        // Its fetches see that now.
        yield_now().await;
        Ok(())
    });
    ran.map_err(no_reactor)?
}

fn end_of(thread: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

impl fmt::Debug for ClientThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientThread").finish_non_exhaustive()
    }
}
