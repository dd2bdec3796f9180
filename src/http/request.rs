//! A request, as it is put together.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

use super::body::Body;
use super::client::Client;
use super::error::Error;
use super::response::Response;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Fields of the client that this request does not have.
    pub(super) without: Vec<HeaderName>,
    pub(super) body: Body,
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) max_body_size: Option<u64>,
}

impl Request {
    /// Whether it may be sent again where nobody knows if the server has acted on it (RFC 9110 section
    /// 9.2.2).
    pub(super) fn may_repeat(&self) -> bool {
        self.method.is_idempotent()
    }

    /// Whether it asks the server to close the connection.
    pub(super) fn closes(&self) -> bool {
        self.headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case("close"))
    }
}

/// A request that is being put together; from [`Client::get`] and its like. The first mistake in it is
/// reported by [`send`](RequestBuilder::send).
#[derive(Debug)]
#[must_use = "a request is not sent until `send` is called"]
pub struct RequestBuilder {
    client: Client,
    request: Result<Request, Error>,
}

impl RequestBuilder {
    pub(super) fn new(client: Client, method: Method, url: Result<Url, Error>) -> RequestBuilder {
        RequestBuilder {
            client,
            request: url.map(|url| Request {
                method,
                url,
                headers: HeaderMap::new(),
                without: Vec::new(),
                body: Body::empty(),
                timeout: None,
                connect_timeout: None,
                max_body_size: None,
            }),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Request) -> Result<(), Error>) -> RequestBuilder {
        if let Ok(request) = &mut self.request
            && let Err(error) = change(request)
        {
            self.request = Err(error.at(&request.url));
        }
        self
    }

    /// Adds a field, beside others of the same name.
    pub fn header<N, V>(self, name: N, value: V) -> RequestBuilder
    where
        HeaderName: TryFrom<N>,
        <HeaderName as TryFrom<N>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.change(|request| {
            let name = HeaderName::try_from(name).map_err(|error| Error::http(error.into()))?;
            let value = HeaderValue::try_from(value).map_err(|error| Error::http(error.into()))?;
            request.headers.append(name, value);
            Ok(())
        })
    }

    /// Sets fields; those of the same names are replaced.
    pub fn headers(self, headers: HeaderMap) -> RequestBuilder {
        self.change(|request| {
            request.headers.extend(headers);
            Ok(())
        })
    }

    /// Leaves out a field that the client adds to every request, such as `accept` or `user-agent`.
    pub fn without_header<N>(self, name: N) -> RequestBuilder
    where
        HeaderName: TryFrom<N>,
        <HeaderName as TryFrom<N>>::Error: Into<http::Error>,
    {
        self.change(|request| {
            let name = HeaderName::try_from(name).map_err(|error| Error::http(error.into()))?;
            request.without.push(name);
            Ok(())
        })
    }

    /// What to send after the head; sets Content-Length.
    pub fn body(self, body: impl Into<Body>) -> RequestBuilder {
        self.change(|request| {
            request.body = body.into();
            Ok(())
        })
    }

    /// How long this fetch may take, instead of the client's [`timeout`](super::ClientBuilder::timeout); zero
    /// for no limit.
    pub fn timeout(self, timeout: Duration) -> RequestBuilder {
        self.change(|request| {
            request.timeout = Some(timeout);
            Ok(())
        })
    }

    /// How long connecting may take, instead of the client's
    /// [`connect_timeout`](super::ClientBuilder::connect_timeout); zero for no limit of its own.
    pub fn connect_timeout(self, timeout: Duration) -> RequestBuilder {
        self.change(|request| {
            request.connect_timeout = Some(timeout);
            Ok(())
        })
    }

    /// How many bytes the body of the response may have, instead of the client's
    /// [`max_body_size`](super::ClientBuilder::max_body_size).
    pub fn max_body_size(self, bytes: u64) -> RequestBuilder {
        self.change(|request| {
            request.max_body_size = Some(bytes);
            Ok(())
        })
    }

    /// Sends the request; the response is there as soon as its head is.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](super::ErrorKind).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection. Whether the server has acted on the request is unknown then.
    pub async fn send(self) -> Result<Response, Error> {
        self.client.fetch(self.request?).await
    }
}
