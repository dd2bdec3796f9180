//! A request, as it is put together.

mod fields;
mod url;

use std::rc::Rc;
use std::time::Duration;

use ::url::Url;
use http::header::MaxSizeReached;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

pub(super) use self::fields::Fields;
pub(super) use self::url::RequestUrl;
use super::auth;
use super::body::Body;
use super::client::Client;
use super::codec::Head;
use super::error::{Error, ErrorKind};
use super::hooks::Hooks;
use super::options::Options;
use super::proxy::Proxy;
use super::redirect::{self, Action, Attempt, Policy};
use super::response::Response;
use super::trace::Trace;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: RequestUrl,
    /// `None`: as the client says.
    pub(super) fields: Option<Box<Fields>>,
    /// `None`: the request has none, which is not the same as an empty one.
    pub(super) body: Option<Body>,
    /// `None`: as the client says.
    pub(super) options: Option<Box<Options>>,
    pub(super) hooks: Hooks,
}

impl Request {
    /// Whether it may be sent again where nobody knows if the server has acted on it (RFC 9110 section
    /// 9.2.2).
    pub(super) fn may_repeat(&self) -> bool {
        let said = self.options.as_ref().and_then(|options| options.idempotent);
        said.unwrap_or_else(|| self.method.is_idempotent() || self.has_field(&IDEMPOTENCY_KEY))
    }

    /// What its options say, or those of its `client`, or else `default`.
    #[inline]
    pub(super) fn option<T>(
        &self,
        client: &Options,
        field: impl Fn(&Options) -> Option<T>,
        default: T,
    ) -> T {
        let own = self.options.as_deref().and_then(&field);
        own.or_else(|| field(client)).unwrap_or(default)
    }

    /// The fields that it adds.
    pub(super) fn headers(&self) -> &HeaderMap {
        match &self.fields {
            Some(fields) => &fields.headers,
            None => &fields::NONE,
        }
    }

    /// What it says about its fields, to be changed.
    pub(super) fn fields_mut(&mut self) -> &mut Fields {
        self.fields.get_or_insert_default()
    }

    /// Whether it has a field of this name of its own.
    pub(super) fn has_field(&self, name: &HeaderName) -> bool {
        self.fields.as_ref().is_some_and(|fields| fields.has(name))
    }

    /// Whether its body can be sent a second time.
    pub(super) fn may_replay(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_there)
    }

    /// Whether its response is to be decoded; `client` says what its own options do not.
    pub(super) fn decompresses(&self, client: &Options) -> bool {
        self.option(client, |options| options.decompress, true)
    }

    /// Whether it asks the server to close the connection, by itself.
    #[inline]
    pub(super) fn closes(&self) -> bool {
        self.fields.as_ref().is_some_and(|fields| {
            let mut headers = fields.headers.iter();
            headers.any(|(name, value)| *name == header::CONNECTION && says_close(value.as_bytes()))
        })
    }
}

/// Whether the value of a Connection field has the option `close`.
pub(super) fn says_close(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"close")
        || value
            .split(|&byte| byte == b',')
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// The error of more fields than a [`HeaderMap`] holds.
#[cold]
pub(super) fn too_many(error: MaxSizeReached) -> Error {
    Error::boxed(ErrorKind::Request, error)
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is being put together; from [`Client::get`] and its like. It is sent by
/// [`send`](RequestBuilder::send), [`start`](RequestBuilder::start), [`call`](RequestBuilder::call) or
/// [`deliver`](RequestBuilder::deliver), and the first mistake in it is then the result.
///
/// What is set here holds for this request, instead of what its client says.
///
/// ```no_run
/// # use std::time::Duration;
/// # use eyewall::http::Client;
/// # eyewall::block_on(async {
/// let client = Client::new();
/// let response = client
///     .post("http://example.org/form")
///     .basic_auth("user", "secret")
///     .header("x-answer", "42")
///     .timeout(Duration::from_secs(5))
///     .body("to be sent")
///     .send()
///     .await?;
/// # Ok::<(), eyewall::http::Error>(()) })?.unwrap();
/// # Ok::<(), eyewall::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a request is not sent until `send`, `start`, `call` or `deliver` is called"]
pub struct RequestBuilder {
    client: Client,
    request: Result<Box<Request>, Error>,
}

impl RequestBuilder {
    /// A request for `url` with the credentials that were in it.
    pub(super) fn new(
        client: Client,
        method: Method,
        url: Result<(RequestUrl, Option<HeaderValue>), Error>,
    ) -> RequestBuilder {
        RequestBuilder {
            client,
            request: url.map(|(url, auth)| {
                Box::new(Request {
                    method,
                    url,
                    fields: Fields::with(auth),
                    body: None,
                    options: None,
                    hooks: Hooks::default(),
                })
            }),
        }
    }

    pub(super) fn change(
        mut self,
        change: impl FnOnce(&mut Request) -> Result<(), Error>,
    ) -> RequestBuilder {
        if let Ok(request) = &mut self.request
            && let Err(error) = change(request)
        {
            self.request = Err(error.at(&request.url));
        }
        self
    }

    #[cfg(fuzzing)]
    pub(super) fn into_parts(self) -> (Client, Result<Box<Request>, Error>) {
        (self.client, self.request)
    }

    /// The URL, if it could be read.
    pub(super) fn url(&self) -> Option<&Url> {
        self.request.as_ref().ok().map(|request| &*request.url)
    }

    pub(super) fn set(self, set: impl FnOnce(&mut Options)) -> RequestBuilder {
        self.change(|request| {
            set(request.options.get_or_insert_default());
            Ok(())
        })
    }

    /// Adds a field, beside others of the same name.
    ///
    /// A value that cannot be sent, such as one with a line end, is the result of the fetch:
    /// [`ErrorKind::Request`](super::ErrorKind::Request), whose source names the field, and never shows the value. So are
    /// more than 24,576 different names.
    pub fn header<N, V>(self, name: N, value: V) -> RequestBuilder
    where
        HeaderName: TryFrom<N>,
        <HeaderName as TryFrom<N>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.change(|request| {
            let name = HeaderName::try_from(name).map_err(Error::field_name)?;
            let value = HeaderValue::try_from(value);
            let mut value = value.map_err(|error| Error::field(&name, error))?;
            if redirect::is_secret(&name) {
                value.set_sensitive(true);
            }
            let appended = request.fields_mut().headers.try_append(name, value);
            appended.map_err(too_many).map(drop)
        })
    }

    /// Sets fields; those of the same names are replaced.
    pub fn headers(self, mut headers: HeaderMap) -> RequestBuilder {
        redirect::mark_secrets(&mut headers);
        self.change(|request| {
            let own = &mut request.fields_mut().headers;
            own.try_reserve(headers.keys_len()).map_err(too_many)?;
            own.extend(headers);
            Ok(())
        })
    }

    /// Leaves out a field that the client adds to every request, such as `accept` or `user-agent`. `host` is sent all
    /// the same (RFC 9112, 3.2).
    pub fn without_header<N>(self, name: N) -> RequestBuilder
    where
        HeaderName: TryFrom<N>,
        <HeaderName as TryFrom<N>>::Error: Into<http::Error>,
    {
        self.change(|request| {
            let name = HeaderName::try_from(name).map_err(Error::field_name)?;
            request.fields_mut().without.push(name);
            Ok(())
        })
    }

    /// What to send after the head; sets Content-Length, or Transfer-Encoding where the length is not known. What kind
    /// of content it is says a field, as here for JSON:
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// let client = eyewall::http::Client::new();
    /// let request = client.post("http://example.org/items");
    /// let request = request.header("content-type", "application/json");
    /// let mut response = request.body(r#"{"name":"eye"}"#).send().await?;
    /// println!("{}", response.text().await?);
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    #[doc(alias = "json")]
    pub fn body(self, body: impl Into<Body>) -> RequestBuilder {
        self.change(|request| {
            request.body = Some(body.into());
            Ok(())
        })
    }

    /// A user name and a password, by the `Basic` scheme (RFC 7617), as UTF-8. They replace those of the URL. A
    /// redirect to another origin does not take them along.
    pub fn basic_auth(self, user: impl AsRef<str>, password: impl AsRef<str>) -> RequestBuilder {
        self.change(|request| {
            let (user, password) = (user.as_ref(), password.as_ref());
            if user.contains(':') {
                let reason = "a user name in basic credentials has no colon";
                return Err(Error::boxed(ErrorKind::Request, reason));
            }
            let value = auth::basic(user.as_bytes(), password.as_bytes());
            request.fields_mut().auth = Some(value);
            Ok(())
        })
    }

    /// A token, by the `Bearer` scheme (RFC 6750). A redirect to another origin does not take it along.
    pub fn bearer_auth(self, token: impl AsRef<str>) -> RequestBuilder {
        self.change(|request| {
            let value = auth::bearer(token.as_ref());
            let value = value.map_err(|error| Error::field(&header::AUTHORIZATION, error));
            request.fields_mut().auth = Some(value?);
            Ok(())
        })
    }

    /// How long this fetch may take, instead of the client's [`timeout`](super::ClientBuilder::timeout); zero
    /// for no limit.
    pub fn timeout(self, limit: Duration) -> RequestBuilder {
        self.set(|options| options.times.total = Some(limit))
    }

    /// How long this fetch may wait for its turn, instead of the client's
    /// [`queue_timeout`](super::ClientBuilder::queue_timeout); zero for no limit of its own.
    pub fn queue_timeout(self, limit: Duration) -> RequestBuilder {
        self.set(|options| options.times.queue = Some(limit))
    }

    /// How long connecting may take, instead of the client's
    /// [`connect_timeout`](super::ClientBuilder::connect_timeout); zero for no limit of its own.
    pub fn connect_timeout(self, limit: Duration) -> RequestBuilder {
        self.set(|options| options.times.connect = Some(limit))
    }

    /// How long the TLS handshake may take, instead of the client's
    /// [`tls_timeout`](super::ClientBuilder::tls_timeout); zero for no limit of its own.
    pub fn tls_timeout(self, limit: Duration) -> RequestBuilder {
        self.set(|options| options.times.tls = Some(limit))
    }

    /// How long the first byte of the response may take, instead of the client's
    /// [`first_byte_timeout`](super::ClientBuilder::first_byte_timeout); zero for no limit of its own.
    pub fn first_byte_timeout(self, limit: Duration) -> RequestBuilder {
        self.set(|options| options.times.first_byte = Some(limit))
    }

    /// How long the server may send nothing, instead of the client's
    /// [`idle_read_timeout`](super::ClientBuilder::idle_read_timeout); zero for no limit of its own.
    pub fn idle_read_timeout(self, limit: Duration) -> RequestBuilder {
        self.set(|options| options.times.idle_read = Some(limit))
    }

    /// How long the server may take nothing of the request, instead of the client's
    /// [`idle_write_timeout`](super::ClientBuilder::idle_write_timeout); zero for no limit of its own.
    pub fn idle_write_timeout(self, limit: Duration) -> RequestBuilder {
        self.set(|options| options.times.idle_write = Some(limit))
    }

    /// Adds pairs of names and values to the query of the URL, encoded as those of a form are (a space becomes `+`).
    /// What the URL has already stays as it is. All are text: a number is `&number.to_string()`.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/search?lang=en", listener.local_addr()?);
    /// # std::thread::spawn(move || {
    /// #     let mut stream = listener.accept().unwrap().0;
    /// #     stream.read(&mut [0; 1000]).unwrap();
    /// #     stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    /// # });
    /// # eyewall::block_on(async {
    /// use eyewall::http::Client;
    ///
    /// let request = Client::new().get(url).query([("q", "a & b"), ("page", "2")]);
    /// let response = request.send().await?;
    /// assert_eq!(response.url().query(), Some("lang=en&q=a+%26+b&page=2"));
    /// # Ok::<(), eyewall::http::Error>(()) })?.unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn query<N: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item: std::borrow::Borrow<(N, V)>>,
    ) -> RequestBuilder {
        self.change(|request| {
            let mut pairs = pairs.into_iter().peekable();
            // Without any it would leave a `?` behind.
            if pairs.peek().is_some() {
                let mut url = request.url.clone().into_url();
                url.query_pairs_mut().extend_pairs(pairs);
                request.url = url.into();
            }
            Ok(())
        })
    }

    /// The same request once more, to be sent again later; `None` where that cannot be: its body is there once (a
    /// [stream](Body::stream), [`producer_once`](Body::producer_once)), or there is a mistake in it, which is the result
    /// of sending it. The callbacks are those of both.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # eyewall::block_on(async {
    /// use eyewall::http::Client;
    ///
    /// let request = Client::new().get("http://example.org/");
    /// let again = request.try_clone();
    /// let response = match (request.send().await, again) {
    ///     (Err(error), Some(again)) if error.is_retryable() => {
    ///         eyewall::time::sleep(Duration::from_millis(100)).await;
    ///         again.send().await?
    ///     }
    ///     (result, _) => result?,
    /// };
    /// # Ok::<(), eyewall::http::Error>(()) })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn try_clone(&self) -> Option<RequestBuilder> {
        let request = self.request.as_ref().ok()?;
        let body = request.body.as_ref();
        body.is_none_or(Body::is_replayable)
            .then(|| RequestBuilder {
                client: self.client.clone(),
                request: Ok(request.clone()),
            })
    }

    /// Sends pairs of names and values as a browser sends a form: sets the body ([`Body::form`]), and
    /// Content-Type unless that is there.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item: std::borrow::Borrow<(N, V)>>,
    ) -> RequestBuilder {
        let body = Body::form(pairs);
        self.change(|request| {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            let headers = &mut request.fields_mut().headers;
            if !headers.contains_key(header::CONTENT_TYPE) {
                let appended = headers.try_append(header::CONTENT_TYPE, kind);
                appended.map_err(too_many)?;
            }
            request.body = Some(body);
            Ok(())
        })
    }

    /// Asks the server for leave to send the body (`Expect: 100-continue`), so that one that refuses the request
    /// need not be sent all of it. Without an answer the body is sent after a second, or the
    /// [time](RequestBuilder::expect_timeout) that is set. Where the final response comes first, the body is never
    /// sent. A request without a body asks for nothing.
    pub fn expect_continue(self, ask: bool) -> RequestBuilder {
        self.set(|options| options.expect_continue = Some(ask))
    }

    /// How long to wait for the leave of [`expect_continue`](RequestBuilder::expect_continue), instead of the
    /// client's [`expect_timeout`](super::ClientBuilder::expect_timeout); zero waits without a limit of its own.
    /// When it is over the body is sent: the server may never have heard of the field.
    pub fn expect_timeout(self, limit: Duration) -> RequestBuilder {
        self.set(|options| options.expect_timeout = Some(limit))
    }

    /// Whether the body of the response is decoded from gzip, deflate, brotli and zstd, instead of what the client's
    /// [`decompress`](super::ClientBuilder::decompress) says.
    pub fn decompress(self, decode: bool) -> RequestBuilder {
        self.set(|options| options.decompress = Some(decode))
    }

    /// Calls `callback` with every interim response (1xx), such as 103 (early hints); at most 16 may come.
    ///
    /// It runs while the fetch does. A panic in it is reported by the panic hook, and the fetch goes on. It is not called
    /// while it runs: clones of a request share it.
    pub fn on_informational(self, callback: impl FnMut(&Head) + 'static) -> RequestBuilder {
        self.change(|request| {
            request.hooks.on_interim(callback);
            Ok(())
        })
    }

    /// Calls `callback` with the head of the response that [`send`](RequestBuilder::send) gives, before it does.
    /// Not with those of redirects that are followed, and not while it runs.
    pub fn on_head(self, callback: impl FnMut(&Head) + 'static) -> RequestBuilder {
        self.change(|request| {
            request.hooks.on_head(callback);
            Ok(())
        })
    }

    /// Calls `callback` with every step of the fetch, over all its redirects: connections, handshakes, and the heads
    /// as they are sent and received.
    ///
    /// It runs while the fetch does. A panic in it is reported by the panic hook, and the fetch goes on. It is not called
    /// while it runs: clones of a request share it.
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use eyewall::http::{Client, Trace};
    ///
    /// let client = Client::new();
    /// let request = client.get("http://example.org/").on_trace(|step| match step {
    ///     Trace::Connected { remote, .. } => eprintln!("connected to {remote:?}"),
    ///     // Shown without credentials.
    ///     Trace::Request(head) => eprint!("{head}"),
    ///     Trace::Response(head) => eprint!("{}", String::from_utf8_lossy(head.headers.text())),
    ///     _ => {}
    /// });
    /// request.send().await?;
    /// # Ok::<(), eyewall::http::Error>(()) })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn on_trace(self, callback: impl FnMut(&Trace<'_>) + 'static) -> RequestBuilder {
        self.change(|request| {
            request.hooks.on_trace(callback);
            Ok(())
        })
    }

    /// How many bytes the body of the response may have, instead of the client's
    /// [`max_body_size`](super::ClientBuilder::max_body_size).
    pub fn max_body_size(self, bytes: u64) -> RequestBuilder {
        self.set(|options| options.max_body_size = Some(bytes))
    }

    /// How many bytes the head of the response may have, instead of the client's
    /// [`max_head_size`](super::ClientBuilder::max_head_size).
    pub fn max_head_size(self, bytes: usize) -> RequestBuilder {
        self.set(|options| options.max_head_size = Some(bytes))
    }

    /// How many fields the head of the response may have, instead of the client's
    /// [`max_head_fields`](super::ClientBuilder::max_head_fields).
    pub fn max_head_fields(self, fields: usize) -> RequestBuilder {
        self.set(|options| options.max_head_fields = Some(fields))
    }

    /// How many times larger than it came the decoded body may be, instead of the client's
    /// [`max_expansion`](super::ClientBuilder::max_expansion); zero for no limit.
    pub fn max_expansion(self, times: u32) -> RequestBuilder {
        self.set(|options| options.max_expansion = Some(times))
    }

    /// Sends this request through a proxy, instead of what the client says; see
    /// [`ClientBuilder::proxy`](super::ClientBuilder::proxy).
    pub fn proxy(self, proxy: Proxy) -> RequestBuilder {
        self.set(|options| options.add_proxy(proxy))
    }

    /// Sends this request without a proxy.
    pub fn no_proxy(self) -> RequestBuilder {
        self.set(|options| options.proxies = Some(Rc::default()))
    }

    /// Whether redirects are followed, instead of the client's
    /// [`follow_redirects`](super::ClientBuilder::follow_redirects).
    pub fn follow_redirects(self, follow: bool) -> RequestBuilder {
        self.set(|options| options.follow_redirects = Some(follow))
    }

    /// How many redirects are followed, instead of the client's
    /// [`max_redirects`](super::ClientBuilder::max_redirects).
    pub fn max_redirects(self, limit: u32) -> RequestBuilder {
        self.set(|options| options.max_redirects = Some(limit))
    }

    /// What to do about each redirect, instead of the client's
    /// [`redirect_policy`](super::ClientBuilder::redirect_policy).
    pub fn redirect_policy(
        self,
        policy: impl Fn(&Attempt<'_>) -> Action + 'static,
    ) -> RequestBuilder {
        self.set(|options| options.redirect_policy = Some(Policy(Rc::new(policy))))
    }

    /// Whether a redirect from `https` to `http` is followed, instead of the client's
    /// [`allow_downgrade`](super::ClientBuilder::allow_downgrade).
    pub fn allow_downgrade(self, allow: bool) -> RequestBuilder {
        self.set(|options| options.allow_downgrade = Some(allow))
    }

    /// Whether a status beyond 200 to 299 is an error, instead of the client's
    /// [`raise_for_status`](super::ClientBuilder::raise_for_status).
    pub fn raise_for_status(self, raise: bool) -> RequestBuilder {
        self.set(|options| options.raise_for_status = Some(raise))
    }

    /// Whether any method may be used, and with or without a body, instead of the client's
    /// [`allow_nonstandard_methods`](super::ClientBuilder::allow_nonstandard_methods).
    pub fn allow_nonstandard_methods(self, allow: bool) -> RequestBuilder {
        self.set(|options| options.allow_nonstandard = Some(allow))
    }

    /// Whether the server may get this request twice without harm, so that it is sent again when a kept
    /// connection turns out to be dead. By default that is so for the methods that are idempotent (RFC 9110,
    /// 9.2.2), and where there is an `Idempotency-Key` field.
    pub fn idempotent(self, idempotent: bool) -> RequestBuilder {
        self.set(|options| options.idempotent = Some(idempotent))
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
    #[doc(alias = "execute")]
    pub async fn send(self) -> Result<Response, Error> {
        match self.request {
            Ok(request) => self.client.fetch(request).await,
            Err(error) => {
                self.client.watchers().tell_refused(&error);
                Err(error)
            }
        }
    }
}
