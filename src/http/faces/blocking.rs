//! The blocking style: the result is the return value, and nothing else happens on the thread meanwhile.

use std::fmt;

use super::Fetched;
use super::callback::at;
use crate::http::error::{Error, ErrorKind};
use crate::http::origin::IntoUrl;
use crate::http::{self, ClientBuilder, RequestBuilder};
use crate::reactor::Reactor;

/// A client with a reactor of its own, for programs that wait for each fetch.
///
/// Its connections are kept between fetches. While none runs, nobody turns the reactor; so each fetch begins with a
/// look at what the servers have closed meanwhile.
///
/// It stays on the thread that made it. Threads that fetch each have their own, or share the client of a reactor
/// through a [`ClientHandle`](crate::http::ClientHandle).
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
/// use eyewall::http::blocking::Client;
///
/// let client = Client::new()?;
/// let page = client.fetch(client.requests().get(url))?;
/// assert_eq!(page.text(), "ok");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    // Dropped before its reactor, which then closes its connections.
    client: http::Client,
    reactor: Reactor,
}

impl Client {
    /// A client with the default settings.
    ///
    /// # Errors
    ///
    /// As [`with`](Client::with).
    pub fn new() -> Result<Client, Error> {
        Client::with(ClientBuilder::default())
    }

    /// A client with these settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Reactor`] if no ring can be made; the source says why.
    pub fn with(settings: ClientBuilder) -> Result<Client, Error> {
        let reactor = Reactor::new().map_err(no_reactor)?;
        Ok(Client {
            client: settings.build(),
            reactor,
        })
    }

    /// Where requests are put together: `client.requests().get(url)`.
    pub fn requests(&self) -> &http::Client {
        &self.client
    }

    /// Sends a request and waits for its response with the whole body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Nested`] on a thread where a reactor runs, which this call would block: use
    /// [`send`](RequestBuilder::send) there. Otherwise that of the fetch.
    pub fn fetch(&self, request: RequestBuilder) -> Result<Fetched, Error> {
        let url = request.url().cloned();
        let fetch = async {
            crate::task::yield_now().await;
            request.whole().await
        };
        let done = self.reactor.block_on(fetch);
        done.map_err(|error| at(no_reactor(error), url.as_ref()))?
    }

    /// Closes all connections. Fetches fail from then on. On a thread where a reactor runs, which this call would block, the
    /// servers see that only when the client is dropped.
    pub fn close(&self) {
        self.client.close();
        // One turn, in which the closes go out; nothing of it can fail that matters here.
        let _ = self.reactor.block_on(crate::task::yield_now());
    }
}

/// Fetches `url` with GET, and waits for the response with its whole body.
///
/// It makes a reactor and a client for this one call. Who calls more than once keeps a [`Client`].
///
/// # Errors
///
/// As [`Client::new`] and [`Client::fetch`].
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
/// let page = eyewall::http::blocking::fetch(url)?;
/// assert_eq!((page.status.as_u16(), &page.body[..]), (200, &b"ok"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fetch(url: impl IntoUrl) -> Result<Fetched, Error> {
    let url = url.into_url()?;
    let client = Client::new().map_err(|error| error.at(&url))?;
    client.fetch(client.requests().get(url))
}

pub(super) fn no_reactor(error: crate::Error) -> Error {
    let kind = match error.kind() {
        crate::ErrorKind::Nested => ErrorKind::Nested,
        _ => ErrorKind::Reactor,
    };
    Error::boxed(kind, error)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("blocking::Client")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
