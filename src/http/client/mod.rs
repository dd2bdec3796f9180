//! The client: settings, connections, and the fetch itself.

mod builder;
mod connect;
mod fetch;
mod head;
mod recent;

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};

use http::Method;

pub use builder::ClientBuilder;
use builder::Settings;
use head::{Defaults, PlainEnd};
use recent::Recent;

use super::error::{Error, ErrorKind};
use super::faces::Watchers;
use super::origin::IntoUrl;
use super::pool::Pool;
use super::request::RequestBuilder;
use super::response::Response;
use crate::reactor::Core;
use crate::task::yield_now;

/// An HTTP/1.1 client: settings, and the connections that are kept for the next request.
///
/// Cloning it is cheap, and the clones share the connections. It belongs to the thread of its reactor.
///
/// ```no_run
/// use eyewall::http::Client;
///
/// eyewall::block_on(async {
///     let client = Client::new();
///     let mut response = client.get("http://example.org/").send().await?;
///     println!("{}", response.status());
///     println!("{}", response.text().await?);
///     Ok::<(), eyewall::http::Error>(())
/// })?.unwrap();
/// # Ok::<(), eyewall::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Rc<Inner>,
}

struct Inner {
    settings: Settings,
    defaults: Defaults,
    pool: Rc<Pool>,
    watchers: Rc<Watchers>,
    recent: Recent,
    /// Of the host that had the last plain request.
    plain_end: RefCell<Option<PlainEnd>>,
}

/// A client, if it is still there.
#[derive(Clone)]
pub(super) struct WeakClient(Weak<Inner>);

impl WeakClient {
    /// Whether it is `client`, or a clone of it.
    pub(super) fn is(&self, client: &Client) -> bool {
        std::ptr::eq(self.0.as_ptr(), Rc::as_ptr(&client.inner))
    }

    pub(super) fn upgrade(&self) -> Option<Client> {
        let inner = self.0.upgrade()?;
        Some(Client { inner })
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl Client {
    /// A client with the default settings.
    pub fn new() -> Client {
        Client::builder().build()
    }

    /// The client that all on this reactor share, with the default settings: that of [`fetch`]. It is made when it is
    /// first asked for, and goes with the reactor. Who [closes](Client::close) it does so for all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Reactor`] where no reactor runs.
    ///
    /// ```
    /// use eyewall::http::Client;
    ///
    /// eyewall::block_on(async {
    ///     let request = Client::shared()?.post("http://127.0.0.1:1/").body("hello");
    ///     request.send().await.unwrap_err();
    ///     Ok::<(), eyewall::http::Error>(())
    /// })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn shared() -> Result<Client, Error> {
        let core = Core::current().map_err(|error| Error::io(ErrorKind::Reactor, error))?;
        Ok(core.local())
    }

    /// The settings, to be changed before the client is made.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A GET request.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A HEAD request.
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// A POST request. It wants a [body](RequestBuilder::body), as PUT and PATCH do.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A PUT request.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// A PATCH request.
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// A DELETE request.
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// A request of any method. A URL without a scheme is taken as `http://`; one that cannot be read is
    /// reported by [`send`](RequestBuilder::send).
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        RequestBuilder::new(self.clone(), method, self.inner.recent.read(url))
    }

    /// How many connections are kept and not in use.
    pub fn idle_connections(&self) -> usize {
        self.inner.pool.idle()
    }

    /// How many fetches have a connection, or are making one: those whose response has not been read to its end, or
    /// whose [body](super::Body) is still being sent behind that.
    pub fn active_fetches(&self) -> usize {
        self.inner.pool.active()
    }

    /// How many fetches wait for their turn.
    pub fn queued_fetches(&self) -> usize {
        self.inner.pool.queued()
    }

    /// Waits until no fetch of this client is [active](Client::active_fetches), and none waits for its turn. A program
    /// that ends with its [`block_on`](crate::block_on) can let them end first, with what is still being sent behind an
    /// early answer.
    ///
    /// Fetches that begin meanwhile are waited for, too, and so are responses that somebody keeps without reading them:
    /// those for ever, if their fetch has no limit of time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only waits.
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// let client = eyewall::http::Client::new();
    /// for line in ["one", "two"] {
    ///     client.post("http://example.org/log").body(line).call(|_| ())?;
    /// }
    /// client.until_idle().await;
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub async fn until_idle(&self) {
        // What has been started shows in its first turn.
        yield_now().await;
        self.inner.pool.calm().await;
    }

    /// How many bytes of memory are kept for the next large bodies; see
    /// [`spare_memory`](ClientBuilder::spare_memory).
    pub fn spare_memory(&self) -> usize {
        self.inner.pool.spare_memory()
    }

    /// Closes the client and its clones: kept connections are closed, and fetches that have not ended, and every
    /// later one, fail with [`ErrorKind::Closed`]. What is still being sent behind a response is cut off. Calling it
    /// again does nothing.
    ///
    /// Dropping the last clone closes the kept connections, too, but lets fetches go on that have begun.
    pub fn close(&self) {
        self.inner.pool.close();
    }

    pub(super) fn downgrade(&self) -> WeakClient {
        WeakClient(Rc::downgrade(&self.inner))
    }

    pub(super) fn watchers(&self) -> &Rc<Watchers> {
        &self.inner.watchers
    }

    /// Whether [`close`](Client::close) has been called.
    pub fn is_closed(&self) -> bool {
        self.inner.pool.is_closed()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.inner.settings)
            .field("idle", &self.idle_connections())
            .finish()
    }
}

/// Fetches `url` with GET, on the connections that all such calls of one reactor share: those of [`Client::shared`].
///
/// The response is there as soon as its head is; its body is received as it is read. A status such as 404 is
/// a response, not an error; see [`Response::error_for_status`].
///
/// # Errors
///
/// An [`Error`] that says what went wrong, and where: see [`ErrorKind`].
///
/// # Cancel safety
///
/// Dropping the future, or the response before its end, closes the connection.
///
/// ```no_run
/// eyewall::block_on(async {
///     let mut response = eyewall::fetch("http://example.org/").await?;
///     println!("{}", response.text().await?);
///     Ok::<(), eyewall::http::Error>(())
/// })?.unwrap();
/// # Ok::<(), eyewall::Error>(())
/// ```
pub async fn fetch(url: impl IntoUrl) -> Result<Response, Error> {
    match Client::shared() {
        Ok(client) => client.get(url).send().await,
        Err(error) => Err(error.at(&url.into_url()?)),
    }
}
