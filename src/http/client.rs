//! The client: settings, connections, and the fetch itself.

use std::fmt;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, header};

use super::codec::{BodyFraming, Head, Limits, RequestHead, RequestKind, ResponseDecoder};
use super::connection::{Connection, Wire};
use super::error::{Error, ErrorKind, Phase};
use super::origin::{self, Origin};
use super::pool::{Pool, PoolLimits};
use super::request::{Request, RequestBuilder};
use super::response::{Response, ResponseBody};
use super::timings::Timings;
use crate::dns;
use crate::net::TcpStream;
use crate::reactor::Core;
use crate::time::timeout_at;

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
    settings: ClientBuilder,
    pool: Rc<Pool>,
}

/// The settings of a [`Client`]; made by [`Client::builder`].
///
/// | setting | default |
/// | --- | --- |
/// | [`timeout`](ClientBuilder::timeout) | 20 s |
/// | [`connect_timeout`](ClientBuilder::connect_timeout) | 20 s |
/// | [`max_body_size`](ClientBuilder::max_body_size) | 100 MiB |
/// | [`pool_idle_timeout`](ClientBuilder::pool_idle_timeout) | 20 s |
/// | [`pool_max_idle_per_host`](ClientBuilder::pool_max_idle_per_host) | 64 |
/// | [`pool_max_idle`](ClientBuilder::pool_max_idle) | 256 |
/// | [`user_agent`](ClientBuilder::user_agent) | `eyewall/` and the version |
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct ClientBuilder {
    timeout: Duration,
    connect_timeout: Duration,
    max_body_size: u64,
    pool: PoolLimits,
    headers: HeaderMap,
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        let mut headers = HeaderMap::with_capacity(4);
        let agent = concat!("eyewall/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        ClientBuilder {
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(20),
            max_body_size: 100 << 20,
            pool: PoolLimits {
                per_origin: 64,
                total: 256,
                idle_timeout: Duration::from_secs(20),
            },
            headers,
        }
    }
}

impl ClientBuilder {
    /// How long a fetch may take, from the call to the last byte of the body; zero for no limit.
    pub fn timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeout = timeout;
        self
    }

    /// How long resolving the name and connecting may take together; zero for no limit of its own.
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// How many bytes the body of a response may have.
    pub fn max_body_size(mut self, bytes: u64) -> ClientBuilder {
        self.max_body_size = bytes;
        self
    }

    /// How long a connection is kept without use.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.pool.idle_timeout = timeout;
        self
    }

    /// How many connections to one host are kept without use; zero keeps none.
    pub fn pool_max_idle_per_host(mut self, connections: usize) -> ClientBuilder {
        self.pool.per_origin = connections;
        self
    }

    /// How many connections are kept without use in all; the one idle for longest goes first.
    pub fn pool_max_idle(mut self, connections: usize) -> ClientBuilder {
        self.pool.total = connections;
        self
    }

    /// What the `User-Agent` field says, unless a request says otherwise; `None` sends none.
    pub fn user_agent(mut self, agent: Option<HeaderValue>) -> ClientBuilder {
        match agent {
            Some(agent) => self.headers.insert(header::USER_AGENT, agent),
            None => self.headers.remove(header::USER_AGENT),
        };
        self
    }

    /// Fields that every request has, unless it sets the same name itself.
    pub fn default_headers(mut self, headers: HeaderMap) -> ClientBuilder {
        self.headers.extend(headers);
        self
    }

    /// Makes the client.
    pub fn build(self) -> Client {
        Client {
            inner: Rc::new(Inner {
                pool: Pool::new(self.pool),
                settings: self,
            }),
        }
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

    /// The settings, to be changed before the client is made.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A GET request.
    pub fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A HEAD request.
    pub fn head(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// A POST request.
    pub fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A request of any method. A URL without a scheme is taken as `http://`; one that cannot be read is
    /// reported by [`send`](RequestBuilder::send).
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        let url = origin::parse(url.as_ref());
        RequestBuilder::new(self.clone(), method, url)
    }

    /// How many connections are kept and not in use.
    pub fn idle_connections(&self) -> usize {
        self.inner.pool.len()
    }

    /// Sends a request and gives the response as soon as its head is there.
    pub(super) async fn fetch(&self, request: Request) -> Result<Response, Error> {
        let url = request.url.clone();
        self.fetch_url(request)
            .await
            .map_err(|error| error.at(&url))
    }

    async fn fetch_url(&self, request: Request) -> Result<Response, Error> {
        let core = Core::current().map_err(|error| Error::io(ErrorKind::Reactor, error))?;
        core.check_open()
            .map_err(|error| Error::io(ErrorKind::Reactor, error))?;
        let settings = &self.inner.settings;
        let mut timings = Timings::new();
        let limit = request.timeout.unwrap_or(settings.timeout);
        let deadline = Deadline::after(timings.start, limit);
        let origin = Origin::of(&request.url)?;
        let wire = self.encode(&request)?;
        let request_size = wire.head.len() as u64;

        let head = deadline.bound(
            Phase::Total,
            self.answer(&request, origin, wire, &mut timings),
        );
        let (connection, decoder, head) = head.await?;
        let body = ResponseBody {
            keep: head.keep_alive && !request.closes(),
            connection: Some(connection),
            decoder,
            pool: Rc::clone(&self.inner.pool),
            deadline,
            limit: request.max_body_size.unwrap_or(settings.max_body_size),
            received: 0,
            trailers: None,
        };
        Response::new(request.url, head, body, timings, request_size)
    }

    /// Gets a connection and exchanges the heads on it. A kept connection that turns out to be dead, before a
    /// byte of response, is tried again once on a fresh one where the method allows it (RFC 9110 section
    /// 9.2.2).
    async fn answer(
        &self,
        request: &Request,
        origin: Origin,
        wire: Wire,
        timings: &mut Timings,
    ) -> Result<(Connection, ResponseDecoder, Head), Error> {
        let kept = poll_fn(|cx| Poll::Ready(self.inner.pool.take(&origin, cx))).await;
        if let Some(mut connection) = kept {
            timings.resolved = timings.now();
            timings.connected = timings.resolved;
            let mut decoder = decoder(request);
            match connection
                .exchange(wire.clone(), &mut decoder, timings)
                .await
            {
                Ok(head) => return Ok((connection, decoder, head)),
                Err(error) if decoder.bytes_received() > 0 || !request.may_repeat() => {
                    return Err(error);
                }
                Err(_) => timings.first_byte = None,
            }
        }
        let mut connection = self.connect(request, origin, timings).await?;
        let mut decoder = decoder(request);
        let head = connection.exchange(wire, &mut decoder, timings).await?;
        Ok((connection, decoder, head))
    }

    async fn connect(
        &self,
        request: &Request,
        origin: Origin,
        timings: &mut Timings,
    ) -> Result<Connection, Error> {
        let limit = request
            .connect_timeout
            .unwrap_or(self.inner.settings.connect_timeout);
        let connecting = async {
            let addresses = dns::resolve(&origin.host, origin.port)
                .await
                .map_err(|error| Error::io(ErrorKind::Resolve, error))?;
            timings.resolved = timings.now();
            TcpStream::connect(&addresses[..])
                .await
                .map_err(|error| Error::io(ErrorKind::Connect, error))
        };
        let stream = Deadline::after(Instant::now(), limit)
            .bound(Phase::Connect, connecting)
            .await?;
        timings.connected = timings.now();
        Ok(Connection::new(stream, origin))
    }

    fn encode(&self, request: &Request) -> Result<Wire, Error> {
        let mut headers = request.headers.clone();
        for (name, value) in &self.inner.settings.headers {
            if !request.headers.contains_key(name) && !request.without.contains(name) {
                headers.append(name, value.clone());
            }
        }
        if let (Some(credentials), false) = (
            super::basic::of(&request.url),
            headers.contains_key(header::AUTHORIZATION),
        ) {
            headers.insert(header::AUTHORIZATION, credentials);
        }
        let mut head = Vec::with_capacity(512);
        RequestHead {
            method: &request.method,
            target: origin::target(&request.url),
            host: origin::host_field(&request.url),
            headers: &headers,
            body: match &request.body.bytes {
                Some(bytes) => BodyFraming::Length(bytes.len() as u64),
                None => BodyFraming::None,
            },
            close: false,
            expect_continue: false,
        }
        .encode(&mut head)
        .map_err(Error::request)?;
        Ok(Wire {
            head: head.into(),
            body: request.body.bytes.clone(),
        })
    }
}

fn decoder(request: &Request) -> ResponseDecoder {
    ResponseDecoder::new(Limits::default(), RequestKind::of(&request.method))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.inner.settings)
            .field("idle", &self.idle_connections())
            .finish()
    }
}

/// A point in time by which something must be done, and how long that was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Option<Instant>,
    limit: Duration,
}

impl Deadline {
    /// `limit` after `start`; none for a limit of zero.
    fn after(start: Instant, limit: Duration) -> Deadline {
        Deadline {
            at: match limit.is_zero() {
                true => None,
                false => start.checked_add(limit),
            },
            limit,
        }
    }

    /// Awaits `future` until the deadline.
    pub(super) async fn bound<T>(
        self,
        phase: Phase,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match self.at {
            None => future.await,
            Some(at) => match timeout_at(at, future).await {
                Ok(result) => result,
                Err(_) => Err(Error::timeout(phase, self.limit)),
            },
        }
    }
}

/// Fetches `url` with GET, on the connections that all such calls of one reactor share.
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
pub async fn fetch(url: impl AsRef<str>) -> Result<Response, Error> {
    let core = Core::current().map_err(|error| Error::io(ErrorKind::Reactor, error))?;
    let client: Client = core.local();
    client.get(url).send().await
}
