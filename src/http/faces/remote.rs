//! Fetching from other threads.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_channel::oneshot::{self, Canceled};
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::Fetched;
use super::callback::elsewhere;
use super::cancel::Cancel;
use crate::http::client::WeakClient;
use crate::http::error::{Error, ErrorKind};
use crate::http::{Client, RequestBuilder};
use crate::reactor::Core;
use crate::task::{Handle, JoinError, NotEnded, wait};

/// The clients of a reactor that have handles.
#[derive(Clone, Default)]
struct Remotes {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    clients: RefCell<HashMap<u64, WeakClient>>,
    next: Cell<u64>,
}

impl Remotes {
    /// The number of `client`, the same for all of its handles.
    fn id(&self, client: &Client) -> u64 {
        let mut clients = self.inner.clients.borrow_mut();
        if let Some((id, _)) = clients.iter().find(|(_, known)| known.is(client)) {
            return *id;
        }
        clients.retain(|_, known| known.upgrade().is_some());
        let id = self.inner.next.get();
        self.inner.next.set(id + 1);
        clients.insert(id, client.downgrade());
        id
    }
}

/// A way to a [`Client`] from other threads; from [`Client::handle`]. It keeps neither the client nor its reactor
/// alive; a [`ClientThread`](super::ClientThread) does.
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
///     let client = Client::new();
///     let handle = client.handle()?;
///     let other = std::thread::spawn(move || handle.fetch(|client| client.get(url)).wait());
///     let page = eyewall::spawn_blocking(|| other.join().unwrap()).await.unwrap()?;
///     assert_eq!(page.text(), "ok");
///     Ok::<(), eyewall::http::Error>(())
/// })?.unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientHandle {
    reactor: Handle,
    id: u64,
}

/// The result of a fetch that another thread has asked for. Await it in any executor, or block a thread on it with
/// [`wait`](RemoteFetch::wait) or [`wait_timeout`](RemoteFetch::wait_timeout). Dropping it gives the fetch up;
/// [`detach`](RemoteFetch::detach) lets it run.
///
/// Awaited inside another reactor of the same thread, it gives [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor) at
/// once if the fetch has not ended, as a [`Fetch`](crate::http::Fetch) does. Asked again after it has given its result, it
/// gives [`ErrorKind::Cancelled`](crate::http::ErrorKind::Cancelled).
#[must_use = "dropping it gives the fetch up; `detach` lets it run"]
pub struct RemoteFetch {
    receiver: oneshot::Receiver<Result<Fetched, Error>>,
    /// Nobody waits, and the fetch is wanted all the same.
    detached: Arc<AtomicBool>,
    reactor: Handle,
}

impl Client {
    /// A way to this client from other threads.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor) where no reactor runs: the client's fetches run on the
    /// one that runs here.
    pub fn handle(&self) -> Result<ClientHandle, Error> {
        let no_reactor = |error| Error::io(ErrorKind::Reactor, error);
        let core = Core::current().map_err(no_reactor)?;
        core.check_open().map_err(no_reactor)?;
        let reactor = Handle::current().map_err(no_reactor)?;
        let remotes: Remotes = core.local();
        let id = remotes.id(self);
        Ok(ClientHandle { reactor, id })
    }
}

impl ClientHandle {
    /// Makes a request on the reactor's thread, and sends it there.
    ///
    /// If the client has been dropped, the result is [`ErrorKind::Closed`](crate::http::ErrorKind::Closed); if the
    /// reactor has been shut down, or `make` panics, it is [`ErrorKind::Cancelled`](crate::http::ErrorKind::Cancelled).
    pub fn fetch(
        &self,
        make: impl FnOnce(&Client) -> RequestBuilder + Send + 'static,
    ) -> RemoteFetch {
        let (sender, receiver) = oneshot::channel();
        let detached = Arc::new(AtomicBool::new(false));
        let wanted = Arc::clone(&detached);
        let id = self.id;
        // Nobody waits for the task: a sender that is dropped tells the receiver.
        drop(self.reactor.spawn(move || async move {
            let request = match find(id) {
                Some(client) => make(&client),
                None => {
                    let reason = "the client that the handle is of has been dropped";
                    // An error here and below: nobody waits for the result.
                    let _ = sender.send(Err(Error::boxed(ErrorKind::Closed, reason)));
                    return;
                }
            };
            let (cancel, request) = Cancel::of(request);
            let mut outcome = Outcome {
                cancel,
                sender: Some(sender),
            };
            let fetch = pin!(request.whole());
            let ended = match select(fetch, outcome.given_up()).await {
                Either::Left((result, _)) => Some(result),
                Either::Right((_, fetch)) if wanted.load(Ordering::Acquire) => Some(fetch.await),
                Either::Right(_) => None,
            };
            if let Some(result) = ended {
                outcome.tell(result);
            }
        }));
        RemoteFetch {
            receiver,
            detached,
            reactor: self.reactor.clone(),
        }
    }
}

/// Where the result of a fetch goes, also when its task is dropped.
struct Outcome {
    cancel: Cancel,
    /// `None` once it has been told.
    sender: Option<oneshot::Sender<Result<Fetched, Error>>>,
}

impl Outcome {
    /// Ready when nobody waits for the result any more.
    fn given_up(&mut self) -> impl Future<Output = ()> + '_ {
        poll_fn(|cx| match &mut self.sender {
            Some(sender) => sender.poll_canceled(cx),
            None => Poll::Pending,
        })
    }

    fn tell(&mut self, result: Result<Fetched, Error>) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(result.map_err(|error| self.cancel.at(error)));
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.tell(Err(self.cancel.error()));
    }
}

/// The client with this number, of the reactor that runs here.
fn find(id: u64) -> Option<Client> {
    let remotes: Remotes = Core::current().ok()?.local();
    let clients = remotes.inner.clients.borrow();
    clients.get(&id)?.upgrade()
}

impl RemoteFetch {
    /// Blocks this thread until the fetch has ended.
    ///
    /// # Errors
    ///
    /// That of the fetch. On the reactor's own thread, which would wait for itself, it is
    /// [`ErrorKind::Nested`](crate::http::ErrorKind::Nested) if the fetch has not ended, and the fetch is given up.
    pub fn wait(mut self) -> Result<Fetched, Error> {
        loop {
            if let Some(result) = self.wait_until(None) {
                return result;
            }
        }
    }

    /// As [`wait`](RemoteFetch::wait), but for at most `timeout`; then it gives this handle back, and with it the choice:
    /// wait again, drop it, which gives the fetch up, or [`detach`](RemoteFetch::detach) it. Without time it only looks.
    /// A time that no [`Instant`] can express has no end.
    ///
    /// A limit of the fetch itself is [`RequestBuilder::timeout`]: that ends it with an error which says what it had come
    /// to.
    ///
    /// # Errors
    ///
    /// This handle, if the fetch has not ended by then. The result inside is that of `wait`.
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
    /// use eyewall::http::Client;
    ///
    /// eyewall::block_on(async {
    ///     let client = Client::new();
    ///     let handle = client.handle()?;
    ///     let other = std::thread::spawn(move || {
    ///         let mut fetch = handle.fetch(|client| client.get(url));
    ///         loop {
    ///             match fetch.wait_timeout(Duration::from_millis(10)) {
    ///                 Ok(result) => return result,
    ///                 // There is time to look after something else.
    ///                 Err(not_ended) => fetch = not_ended,
    ///             }
    ///         }
    ///     });
    ///     let page = eyewall::spawn_blocking(|| other.join().unwrap()).await.unwrap()?;
    ///     assert_eq!(page.text(), "ok");
    ///     Ok::<(), eyewall::http::Error>(())
    /// })?.unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(
        mut self,
        timeout: Duration,
    ) -> Result<Result<Fetched, Error>, RemoteFetch> {
        let deadline = Instant::now().checked_add(timeout);
        self.wait_until(deadline).ok_or(self)
    }

    /// `None` if the deadline came before the end.
    fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Result<Fetched, Error>> {
        match wait(&self.reactor, &mut self.receiver, deadline) {
            Ok(received) => Some(ended(received)),
            Err(NotEnded::OfThisThread) => {
                let reason = JoinError::deadlock();
                Some(Err(Error::boxed(ErrorKind::Nested, reason)))
            }
            Err(NotEnded::TimeOver) => None,
        }
    }

    /// Lets the fetch run without anybody waiting for it. Its result is dropped.
    pub fn detach(self) {
        // Seen by whoever sees that the receiver has gone.
        self.detached.store(true, Ordering::Release);
    }
}

impl Future for RemoteFetch {
    type Output = Result<Fetched, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.reactor.is_kept_from_running() {
            // Whoever asked before, elsewhere, still waits.
            let received = self.receiver.try_recv().transpose();
            return Poll::Ready(received.map_or(Err(elsewhere()), ended));
        }
        self.receiver.poll_unpin(cx).map(ended)
    }
}

/// A sender that has gone says that the task has.
fn ended(received: Result<Result<Fetched, Error>, Canceled>) -> Result<Fetched, Error> {
    let reason = "the client's reactor has been shut down, the closure that makes the request panicked, or the \
                  result has been given before";
    received.unwrap_or_else(|Canceled| Err(Error::boxed(ErrorKind::Cancelled, reason)))
}

impl fmt::Debug for RemoteFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFetch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_handles_of_a_client_have_one_number() {
        crate::block_on(async {
            let (one, other) = (Client::new(), Client::new());
            let ids = [&one, &other, &one.clone(), &one].map(|client| client.handle().unwrap().id);
            assert_eq!(ids, [0, 1, 0, 0]);
            let remotes: Remotes = Core::current().unwrap().local();
            assert_eq!(remotes.inner.clients.borrow().len(), 2);
            drop(one);
            assert_eq!(Client::new().handle().unwrap().id, 2);
            assert_eq!(remotes.inner.clients.borrow().len(), 2);
        })
        .unwrap();
    }
}
