//! What a URL means for a connection and for a request's head.

use url::Url;

use super::error::{Error, ErrorKind};

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Origin {
    /// Lower case, an IPv6 address without its brackets.
    pub(super) host: Box<str>,
    pub(super) port: u16,
}

impl Origin {
    /// The origin of an `http` or `https` URL.
    pub(super) fn of(url: &Url) -> Result<Origin, Error> {
        is_secure(url)?;
        let Some(host) = url.host_str() else {
            return Err(Error::new(ErrorKind::Url).at(url));
        };
        // Only an IPv6 address has brackets (RFC 3986, 3.2.2).
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        Ok(Origin {
            host: bare.unwrap_or(host).into(),
            port: url.port_or_known_default().unwrap_or(80),
        })
    }

    /// Host and port, as a proxy is asked for a tunnel to them.
    pub(super) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Whether a URL wants TLS. Refuses one of a scheme that is not fetched here.
pub(super) fn is_secure(url: &Url) -> Result<bool, Error> {
    match url.scheme() {
        "http" => Ok(false),
        "https" if cfg!(feature = "__tls") => Ok(true),
        "https" => Err(without_tls().at(url)),
        scheme => Err(unsupported(scheme).at(url)),
    }
}

/// The error of a URL whose scheme is none that is fetched here.
fn unsupported(scheme: &str) -> Error {
    let reason = match scheme {
        "ws" | "wss" => {
            "a WebSocket begins with a request for http:// or https://, and `Response::upgrade`"
        }
        _ => "a URL has to begin with http:// or https://",
    };
    Error::boxed(ErrorKind::UnsupportedScheme, reason)
}

/// The error of an `https` URL where this crate was built without TLS.
pub(super) fn without_tls() -> Error {
    let reason = "https needs the feature \"tls\" of this crate";
    Error::boxed(ErrorKind::UnsupportedScheme, reason)
}

/// What a request can be made for: a URL, or the text of one.
///
/// Text without a scheme, such as `example.org/x`, is taken as `http`; a path alone is no URL, and an error of the kind
/// [`Url`](ErrorKind::Url). It is implemented for `Url`, `&Url`, `&str`, `String` and `&String`, and for nothing else.
///
/// Reading text takes time, most of it for the host: a client is quick with text that begins with the same origin as
/// the URL before, quicker with a `Url`, which [has been read](Url::parse), and quickest with the same URL as before.
///
/// ```
/// use eyewall::http::{Client, Url};
///
/// # eyewall::block_on(async {
/// let client = Client::new();
/// let url = Url::parse("http://127.0.0.1:1/")?;
/// let (one, two) = (client.get(&url).send().await, client.get("127.0.0.1:1").send().await);
/// // The same URL, where nobody listens.
/// assert_eq!(one.unwrap_err().url(), two.unwrap_err().url());
/// # Ok::<(), Box<dyn std::error::Error>>(()) })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoUrl: sealed::Sealed {
    #[doc(hidden)]
    fn into_url(self) -> Result<Url, Error>;

    #[doc(hidden)]
    fn text(&self) -> &str;

    #[doc(hidden)]
    fn is_read(&self) -> bool {
        false
    }
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Url {}
impl IntoUrl for Url {
    fn into_url(self) -> Result<Url, Error> {
        with_host(self)
    }

    fn text(&self) -> &str {
        self.as_str()
    }

    fn is_read(&self) -> bool {
        true
    }
}

impl sealed::Sealed for &Url {}
impl IntoUrl for &Url {
    fn into_url(self) -> Result<Url, Error> {
        with_host(self.clone())
    }

    fn text(&self) -> &str {
        self.as_str()
    }

    fn is_read(&self) -> bool {
        true
    }
}

impl sealed::Sealed for &str {}
impl IntoUrl for &str {
    fn into_url(self) -> Result<Url, Error> {
        parse(self)
    }

    fn text(&self) -> &str {
        self
    }
}

impl sealed::Sealed for String {}
impl IntoUrl for String {
    fn into_url(self) -> Result<Url, Error> {
        parse(&self)
    }

    fn text(&self) -> &str {
        self
    }
}

impl sealed::Sealed for &String {}
impl IntoUrl for &String {
    fn into_url(self) -> Result<Url, Error> {
        parse(self)
    }

    fn text(&self) -> &str {
        self
    }
}

/// The URL in `text`; one without a scheme is taken as `http`.
pub(super) fn parse(text: &str) -> Result<Url, Error> {
    if text.trim_start().starts_with(['/', '\\']) {
        // Behind a scheme, the first part of the path would become the host.
        let reason = "it starts with /: give the whole URL, with http:// and a host";
        return Err(Error::bad_url(text, reason));
    }
    match Url::parse(text) {
        Ok(url)
            if url.cannot_be_a_base() && url.path().starts_with(|c: char| c.is_ascii_digit()) =>
        {
            with_scheme(text)
        }
        Ok(url) => with_host(url),
        Err(url::ParseError::RelativeUrlWithoutBase) => with_scheme(text),
        Err(error) => Err(Error::bad_url(text, error)),
    }
}

/// Refuses what can have no host. It goes no further, since it may be `user:password@host`, which reads as a path after
/// the scheme `user`: nobody would know the password there, and keep it to himself.
fn with_host(url: Url) -> Result<Url, Error> {
    match url.cannot_be_a_base() {
        true => Err(unsupported(url.scheme()).at(&url)),
        false => Ok(url),
    }
}

/// `example.org:8080/x` reads as a URL of the scheme `example.org`, and `localhost/x` as a relative one.
fn with_scheme(text: &str) -> Result<Url, Error> {
    Url::parse(&format!("http://{text}")).map_err(|error| Error::bad_url(text, error))
}
