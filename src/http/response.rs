//! A response, and reading its body part by part.

mod chunks;
mod push;
mod reply;
mod save;
mod whole;

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use url::Url;

use super::codec::{Framing, Head};
use super::error::{Error, ErrorKind, Seen};
use super::pool::Slot;
use super::redirect::Redirect;
use super::request::Request;
use super::timings::Timings;
use super::upgraded::Upgraded;
use crate::buf::Chunk;
use crate::fs::File;

pub use chunks::Chunks;
pub use push::{Flow, Push, Pusher};
use reply::Broken;
pub(super) use reply::{Chain, Reading, Reply};
pub(super) use whole::BYTE_ORDER_MARK;

/// The answer to a request: its head, and its body as it comes.
///
/// The connection is used again when the body has been read to its end. Dropped before, it is closed, unless the rest
/// (64 KiB at most) has come already. Until then, and until its request has been sent, it counts among the client's
/// active fetches ([`max_clients`](super::ClientBuilder::max_clients)).
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
/// # eyewall::block_on(async move {
/// let mut response = eyewall::fetch(url).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.content_length(), Some(2));
/// assert_eq!(response.text().await?, "ok");
/// # Ok::<(), eyewall::http::Error>(()) })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Response {
    /// The last one that was sent.
    request: Box<Request>,
    reply: Box<Reply>,
}

impl Response {
    pub(super) fn new(
        request: Box<Request>,
        chain: Chain,
        reply: Box<Reply>,
    ) -> Result<Response, Error> {
        let mut response = Response { request, reply };
        let reply = &mut *response.reply;
        reply.chain = chain;
        reply.head_size = reply.exchange.bytes_received();
        let begun = reply.begin_decoding();
        if let Err(error) = begun.and_then(|()| reply.check_announced()) {
            return Err(response.fail(error));
        }
        let tunnel = reply.head().framing == Framing::Tunnel;
        if reply.exchange.is_complete() && !tunnel {
            response.reply.end();
        }
        Ok(response)
    }

    fn head(&self) -> &Head {
        self.reply.exchange.head()
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.head().status
    }

    /// The reason phrase as the server sent it; the usual one of the status where it sent none.
    pub fn reason(&self) -> &str {
        self.head()
            .reason
            .as_deref()
            .or_else(|| self.head().status.canonical_reason())
            .unwrap_or_default()
    }

    /// HTTP/1.0 or HTTP/1.1.
    pub fn version(&self) -> Version {
        self.head().version
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.head().headers
    }

    /// The fields after a chunked body, once it has been read, if there were any.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.reply.exchange.trailers()
    }

    /// The URL that answered.
    ///
    /// After redirects that is the last one. A user name and password that the URL had are not in it.
    pub fn url(&self) -> &Url {
        &self.request.url
    }

    /// The redirects that led here, oldest first.
    pub fn history(&self) -> &[Redirect] {
        &self.reply.chain.history
    }

    /// The method of the request as it was made, before any redirect.
    pub fn request_method(&self) -> &Method {
        &self.original().method
    }

    /// The URL of the request as it was made, before any redirect; without user name and password.
    pub fn request_url(&self) -> &Url {
        &self.original().url
    }

    /// The fields of the request as it was made, before any redirect, without those that the client adds.
    pub fn request_headers(&self) -> &HeaderMap {
        self.original().headers()
    }

    fn original(&self) -> &Request {
        self.reply.chain.original.as_ref().unwrap_or(&self.request)
    }

    /// What the body was coded in, if it is being [decoded](super::ClientBuilder::decompress): the (first)
    /// `Content-Encoding` field, which is then not among the [headers](Response::headers).
    pub fn content_coding(&self) -> Option<&HeaderValue> {
        self.reply.coded.as_deref().map(|(coding, _)| coding)
    }

    /// How many bytes the coded body announces, of a body that is being decoded.
    pub fn coded_length(&self) -> Option<u64> {
        self.reply.coded.as_deref().and_then(|(_, length)| *length)
    }

    /// How many bytes of the body have come, as they came over the wire (without chunk lines).
    pub fn body_received(&self) -> u64 {
        self.reply.exchange.content_received()
    }

    /// How many bytes the body announces; `None` where the server does not say, where it is being decoded, or where the
    /// connection has ended before it. The answer to HEAD has no body: what a GET would bring, if the server tells, is in
    /// its field `content-length` alone.
    pub fn content_length(&self) -> Option<u64> {
        let exchange = &self.reply.exchange;
        if self.reply.coded.is_some() {
            return None;
        }
        let rest = exchange.remaining()?;
        Some(rest + exchange.content_received())
    }

    /// How many bytes the head had, with those of interim responses (1xx) before it.
    pub fn head_size(&self) -> u64 {
        self.reply.head_size
    }

    /// How many bytes the head of the request had.
    pub fn request_size(&self) -> u64 {
        self.reply.request_size
    }

    /// How many bytes of the request the kernel has taken, with its head and without chunk lines: fewer than it has
    /// where the server has answered before it had all of it, and more while the rest is [sent](super::Body) behind the
    /// response. A body that goes out together with its head counts as a whole.
    pub fn bytes_sent(&self) -> u64 {
        self.reply.exchange.watch().bytes_sent()
    }

    /// How long the parts of the fetch took.
    pub fn timings(&self) -> &Timings {
        &self.reply.timings
    }

    /// The address of this end of the connection.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.reply.exchange.watch().local_addr()
    }

    /// The address of the server.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.reply.exchange.watch().peer_addr()
    }

    /// Whether the connection had carried a fetch before.
    pub fn is_reused(&self) -> bool {
        self.reply.timings.reused
    }

    /// This response, unless its status says that something went wrong. A request can ask for the same beforehand, and
    /// then of all that is not 200 to 299: [`raise_for_status`](super::RequestBuilder::raise_for_status).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Status`] for a status from 400 to 599. The error has the head of the response, but not its body: who
    /// wants to read an error page looks at [`status`](Response::status) instead.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", listener.local_addr()?);
    /// # std::thread::spawn(move || {
    /// #     let mut stream = listener.accept().unwrap().0;
    /// #     stream.read(&mut [0; 1000]).unwrap();
    /// #     stream.write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n").unwrap();
    /// # });
    /// use eyewall::http::{Error, StatusCode};
    ///
    /// async fn page(url: String) -> Result<String, Error> {
    ///     eyewall::fetch(url).await?.error_for_status()?.text().await
    /// }
    ///
    /// let error = eyewall::block_on(page(url))?.unwrap_err();
    /// assert_eq!(error.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    /// assert_eq!(error.headers().unwrap()["retry-after"], "5");
    /// assert!(error.is_retryable());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn error_for_status(self) -> Result<Response, Error> {
        let status = self.status();
        if !(status.is_client_error() || status.is_server_error()) {
            return Ok(self);
        }
        let error = Error::new(ErrorKind::Status(status));
        Err(self.blame(error.with_head(status, self.headers().clone())))
    }

    /// Takes the connection over, which speaks another protocol from here on: after 101 to a request that asked for
    /// it with an `Upgrade` field (`Connection: upgrade` goes along by itself), or after a 2xx to CONNECT, which asks
    /// for the host and port of its URL. (A 101 that nobody asked for is an error of the protocol before there is a
    /// response.)
    ///
    /// A server may switch while the body of the request is still being sent. The rest of it has to be sent before
    /// anything else is (RFC 9110, 7.8), and is waited for here; the times of the fetch go on until then. Meanwhile what
    /// the server says waits in the kernel: one that says more than fits there before it has read the request holds up
    /// both sides, which only such a time ends.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotUpgraded`] for every other response, with its status and header fields. Who wants to read its body
    /// looks at the [status](Response::status) first. What goes wrong with the rest of the request; the connection is then
    /// closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the fetch is given up, and the connection closed.
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use eyewall::http::Client;
    ///
    /// let request = Client::new().get("http://example.org/chat").header("upgrade", "chat/1");
    /// let mut chat = request.send().await?.upgrade().await?;
    /// chat.send_all("hello").await.0.unwrap();
    /// let answer = chat.recv_chunk().await.unwrap();
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub async fn upgrade(mut self) -> Result<Upgraded, Error> {
        if self.head().framing != Framing::Tunnel {
            let error = Error::new(ErrorKind::NotUpgraded);
            // The fetch has not failed.
            return Err(self.blame(error.with_head(self.status(), self.headers().clone())));
        }
        let watch = Rc::clone(self.reply.exchange.watch());
        watch.resume();
        let closing = self.reply.slot.as_ref().map(Slot::closing);
        let sent = watch
            .over(closing, pin!(self.reply.exchange.send_rest()))
            .await;
        if let Err(error) = sent {
            return Err(self.fail(error));
        }
        let Some(upgraded) = self.reply.exchange.take_tunnel() else {
            return Err(self.fail(Error::new(ErrorKind::Send)));
        };
        self.reply.end();
        Ok(upgraded)
    }

    /// The next part of the body, as it came; `None` at its end.
    ///
    /// The chunk is a view into a buffer of the reactor's pool: copy what you keep.
    ///
    /// The connection is free for others when the end has been asked for; with a body of known length that is not
    /// decoded, when its last part is given.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]; `BodyTooLarge` beyond the client's limit. The connection is then closed, and whatever reads the
    /// body after that fails in the same way: what there is of it is not taken for the whole.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing of the body is lost.
    pub async fn chunk(&mut self) -> Result<Option<Chunk>, Error> {
        self.check_readable()?;
        self.next_chunk().await
    }

    async fn next_chunk(&mut self) -> Result<Option<Chunk>, Error> {
        let reply = &mut *self.reply;
        // Nothing to wait for, and so nothing to watch over.
        if reply.decoding.is_none() {
            if reply.slot.is_none() {
                reply.end();
                return Ok(None);
            }
            match reply.at_hand() {
                Ok(None) => {}
                Ok(chunk) => {
                    reply.let_go_with_last_part();
                    return Ok(chunk);
                }
                Err(error) => return Err(self.fail(error)),
            }
        } else if !reply.exchange.is_complete()
            // What has been received may expand to many parts, none of which waits for anything. Where the server has said
            // all, nobody keeps anything waiting but the reader.
            && let Err(error) = reply.exchange.watch().check_total()
        {
            return Err(self.fail(error));
        }
        let watch = Rc::clone(reply.exchange.watch());
        watch.resume();
        let closing = self.reply.slot.as_ref().map(Slot::closing);
        let next = watch.over(closing, pin!(self.reply.next())).await;
        match next {
            Ok(Some(chunk)) => {
                watch.pause();
                self.reply.let_go_with_last_part();
                Ok(Some(chunk))
            }
            Ok(None) => {
                self.reply.end();
                Ok(None)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Reads and sends nothing until `open` is ready. The time of the whole fetch goes on, if the server has not said
    /// all by then, and the client may be closed.
    async fn rest_until(
        &mut self,
        mut open: impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Result<(), Error> {
        if open(&mut Context::from_waker(Waker::noop())).is_ready() {
            return Ok(());
        }
        let opened = poll_fn(|cx| open(cx).map(Ok));
        if self.reply.exchange.is_complete() {
            // What may be left of its request waits for nobody here.
            self.reply.let_go();
            return opened.await;
        }
        let watch = Rc::clone(self.reply.exchange.watch());
        watch.pause();
        let closing = self.reply.slot.as_ref().map(Slot::closing);
        let rested = watch.over(closing, pin!(opened)).await;
        rested.map_err(|error| self.fail(error))
    }

    /// What could still be read must not be taken for the whole if something before it is lost.
    fn check_readable(&mut self) -> Result<(), Error> {
        match self.reply.broken {
            None => Ok(()),
            Some(broken) => Err(self.again(broken)),
        }
    }

    /// The error of a body that is read once more.
    #[cold]
    fn again(&mut self, broken: Broken) -> Error {
        match broken {
            Broken::Failed(kind) => {
                self.blame(Error::boxed(kind, "an earlier read of the body has failed"))
            }
            Broken::Torn => self.fail(Error::boxed(
                ErrorKind::Cancelled,
                "an earlier read of the body was dropped, and what it had read with it",
            )),
        }
    }

    /// The rest of the body cannot be had.
    fn fail(&mut self, error: Error) -> Error {
        let error = self.reply.exchange.cause(error);
        self.reply.broken = Some(Broken::Failed(error.kind()));
        drop(self.reply.exchange.end());
        let slot = self.reply.slot.take();
        let error = error.by_way_of(slot.as_ref().and_then(Slot::forwarder));
        drop(slot);
        let error = self.blame(error);
        if let Some(unfinished) = self.reply.unfinished.take() {
            unfinished.fail(&error);
        }
        error
    }

    /// Says in an error what is known about this fetch.
    fn blame(&self, error: Error) -> Error {
        let watch = self.reply.exchange.watch();
        error
            .seen(|| Seen {
                idempotent: self.original().may_repeat(),
                timings: Some(self.reply.timings),
                ..watch.seen()
            })
            .at(&self.request.url)
    }

    /// The parts of the body as a stream; see [`chunk`](Response::chunk).
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use futures_util::StreamExt;
    ///
    /// let mut response = eyewall::fetch("http://example.org/").await?;
    /// let mut chunks = response.chunks();
    /// while let Some(chunk) = chunks.next().await {
    ///     println!("{} bytes", chunk?.len());
    /// }
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    #[doc(alias = "bytes_stream")]
    pub fn chunks(&mut self) -> Chunks<'_> {
        Chunks::of(self)
    }

    /// As [`chunks`](Response::chunks), and takes the response along.
    ///
    /// It can be sent as the body of another request:
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use eyewall::http::{Body, Client};
    ///
    /// let response = eyewall::fetch("http://example.org/").await?;
    /// let body = Body::stream(response.into_chunks());
    /// Client::new().post("http://example.net/copy").body(body).send().await?;
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn into_chunks(self) -> Chunks<'static> {
        Chunks::of(self)
    }

    /// Calls `callback` with every part of the body as it comes, in a task of its own, never inside this call. It
    /// says whether to go on, to [pause](Flow::Pause) or to [cancel](Flow::Cancel); a panic in it cancels.
    ///
    /// # Errors
    ///
    /// Awaiting it gives the error of [`chunk`](Response::chunk); `Cancelled` after a cancel.
    ///
    /// # Panics
    ///
    /// If no reactor runs on this thread.
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use eyewall::http::Flow;
    ///
    /// let response = eyewall::fetch("http://example.org/").await?;
    /// let response = response
    ///     .push(|bytes| {
    ///         println!("{} bytes", bytes.len());
    ///         Flow::Continue
    ///     })
    ///     .await?;
    /// println!("after {:?}", response.timings().total);
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    #[track_caller]
    pub fn push(self, callback: impl FnMut(&[u8]) -> Flow + 'static) -> Push {
        Push::new(self, callback)
    }

    /// Writes the body to `file`, from its start, through the ring; gives its length. The file is neither emptied
    /// before nor synced after. What has been read of the body before is not written.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Response::chunk); `Save` if writing fails. The file then holds a part. By default, bodies beyond
    /// 100 MiB and fetches beyond 20 s are errors, too: a download that may be larger or longer has to say so.
    ///
    /// An error comes only once the write that is under way has ended. One to a full pipe lasts until somebody reads
    /// from that or its last reader has gone, even where the time of the fetch is over before.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: how much is written is then unknown, and whatever reads the body after that gives `Cancelled`.
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use std::time::Duration;
    ///
    /// let client = eyewall::http::Client::new();
    /// let request = client.get("http://example.org/image.iso");
    /// let request = request.max_body_size(8 << 30).timeout(Duration::from_secs(3600));
    /// let mut response = request.send().await?;
    /// let file = eyewall::fs::File::create("image.iso").await.unwrap();
    /// let length = response.save(&file).await?;
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    #[doc(alias = "copy_to")]
    pub async fn save(&mut self, file: &File) -> Result<u64, Error> {
        save::save(self, file, 0).await
    }

    /// Writes the body to `file`, from `offset` on; otherwise as [`save`](Response::save). For a part of a file (206),
    /// so that a download goes on where it was broken off, or several of one file run side by side.
    ///
    /// The status says what came (RFC 9110, 14): a server that knows no ranges answers 200, with everything from the
    /// start, which leaves what a longer file had behind that; and one that has nothing behind `offset`, as of a file that
    /// is all there, 416, with an error page. Where a part (206) begins says its `Content-Range`, and some servers begin
    /// elsewhere than they were asked to. Without an `If-Range` field, a file that the server has replaced meanwhile leaves
    /// parts of both.
    ///
    /// # Errors, cancel safety
    ///
    /// As for [`save`](Response::save).
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use eyewall::fs::OpenOptions;
    /// use eyewall::http::Client;
    ///
    /// let file = OpenOptions::new().write(true).create(true).open("image.iso").await.unwrap();
    /// let have = file.metadata().await.unwrap().len();
    /// let request = Client::new().get("http://example.org/image.iso");
    /// // No error page gets into the file.
    /// let request = request.raise_for_status(true);
    /// let mut response = request.header("range", format!("bytes={have}-")).send().await?;
    /// let wanted = format!("bytes {have}-");
    /// let range = response.headers().get("content-range");
    /// let length = if response.status() == 206 {
    ///     let fits = range.is_some_and(|range| range.as_bytes().starts_with(wanted.as_bytes()));
    ///     assert!(fits, "another part was sent: {range:?}");
    ///     response.save_at(&file, have).await?
    /// } else {
    ///     // Everything, in place of what is there.
    ///     response.save(&eyewall::fs::File::create("image.iso").await.unwrap()).await?
    /// };
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub async fn save_at(&mut self, file: &File, offset: u64) -> Result<u64, Error> {
        save::save(self, file, offset).await
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("url", &self.request.url.as_str())
            .field("status", &self.status())
            .field("headers", &self.headers())
            .finish_non_exhaustive()
    }
}
