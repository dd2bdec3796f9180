//! A response with its whole body.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use url::Url;

use crate::http::error::Seen;
use crate::http::response::BYTE_ORDER_MARK;
use crate::http::{Error, ErrorKind, Redirect, Stage, Timings};

/// A response with its whole body: what is left when a fetch has ended. It can go to another thread. From
/// [`Response::whole`](crate::http::Response::whole), and from every style of fetch but
/// [`send`](crate::http::RequestBuilder::send).
///
/// Unlike a [`Response`](crate::http::Response), which still has a connection, it is plain data: what are methods there
/// are fields here, but for [`is_reused`](crate::http::Response::is_reused), which is in the
/// [timings](Timings::reused), and [`content_length`](crate::http::Response::content_length), which is the length of the
/// body by now.
#[derive(Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// The status code.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The reason phrase; see [`Response::reason`](crate::http::Response::reason).
    pub reason: Box<str>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The fields after a chunked body, if there were any.
    pub trailers: Option<HeaderMap>,
    /// The URL that answered, without user name and password.
    pub url: Url,
    /// The redirects that led there, oldest first.
    pub history: Vec<Redirect>,
    /// The method of the request as it was made, before any redirect.
    pub request_method: Method,
    /// The URL of the request as it was made, before any redirect; without user name and password.
    pub request_url: Url,
    /// The fields of the request as it was made, before any redirect, without those that the client adds.
    pub request_headers: HeaderMap,
    /// What the body was coded in; see [`Response::content_coding`](crate::http::Response::content_coding).
    pub content_coding: Option<HeaderValue>,
    /// How many bytes a body that was decoded had announced; see
    /// [`Response::coded_length`](crate::http::Response::coded_length).
    pub coded_length: Option<u64>,
    /// How many bytes of the body came over the wire, without chunk lines: fewer than it has if it was coded.
    pub body_received: u64,
    /// How many bytes the head had, with those of interim responses (1xx) before it.
    pub head_size: u64,
    /// How many bytes the head of the request had.
    pub request_size: u64,
    /// How many bytes of the request the kernel took; see [`Response::bytes_sent`](crate::http::Response::bytes_sent).
    pub bytes_sent: u64,
    /// How long the parts of the fetch took.
    pub timings: Timings,
    /// The address of this end of the connection.
    pub local_addr: Option<SocketAddr>,
    /// The address of the other end.
    pub remote_addr: Option<SocketAddr>,
    /// Whether the request may be sent again.
    pub(in crate::http) may_repeat: bool,
    /// How many bytes of the response came, with its head and its chunk lines.
    pub(in crate::http) received: u64,
}

impl Fetched {
    /// This response, unless its status says that something went wrong; as
    /// [`Response::error_for_status`](crate::http::Response::error_for_status). Who wants to read an error page looks at
    /// `status` instead: the body goes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Status`] for a status from 400 to 599, with the head of the response.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", listener.local_addr()?);
    /// # std::thread::spawn(move || {
    /// #     let mut stream = listener.accept().unwrap().0;
    /// #     stream.read(&mut [0; 1000]).unwrap();
    /// #     stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    /// # });
    /// use eyewall::http::blocking;
    ///
    /// let error = blocking::fetch(url)?.error_for_status().unwrap_err();
    /// assert_eq!(error.status().unwrap(), 404);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn error_for_status(self) -> Result<Fetched, Error> {
        let status = self.status;
        if !(status.is_client_error() || status.is_server_error()) {
            return Ok(self);
        }
        let seen = Seen {
            stage: Some(Stage::Body),
            sent: self.bytes_sent,
            received: self.received,
            out: true,
            idempotent: self.may_repeat,
            timings: Some(self.timings),
            local: self.local_addr,
            peer: self.remote_addr,
        };
        let error = Error::new(ErrorKind::Status(status)).at(&self.url);
        Err(error.seen(|| seen).with_head(status, self.headers))
    }

    /// The body as text; what is not UTF-8 becomes U+FFFD, and a byte order mark before it is left out.
    pub fn text(&self) -> String {
        let body = self.body.strip_prefix(BYTE_ORDER_MARK);
        String::from_utf8_lossy(body.unwrap_or(&self.body)).into_owned()
    }
}

impl From<Fetched> for http::Response<Bytes> {
    fn from(fetched: Fetched) -> http::Response<Bytes> {
        let mut response = http::Response::new(fetched.body);
        *response.status_mut() = fetched.status;
        *response.version_mut() = fetched.version;
        *response.headers_mut() = fetched.headers;
        response
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("url", &self.url.as_str())
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
