//! The body of a request.

mod file;
mod producer;
mod source;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::codec::BodyFraming;
use super::error::{BoxError, Error, ErrorKind};
use super::exchange::PIECE;
use crate::buf::{Chunk, IoBuf};
use crate::fs::File;
pub use producer::BodyWriter;
use source::Source;

/// What a request sends after its head.
///
/// Made from bytes or text that is all there (`into()`), from a [form](Body::form), a [file](Body::file), a
/// [stream](Body::stream) of buffers, or a [producer](Body::producer) that writes it. A buffer is asked for when
/// the one before it has been sent, so that a slow peer slows the source, and memory stays flat.
///
/// A body whose length is not known goes out in chunks (`Transfer-Encoding: chunked`);
/// [`with_length`](Body::with_length) tells it. More or fewer bytes than that fail the fetch with
/// [`ErrorKind::Body`](super::ErrorKind::Body) and close the connection, and so do an error and a panic of the
/// source: a body that ends too early never looks complete to the server. (Where there is more than was announced, what
/// was announced may have gone out before the source gives the rest.)
///
/// An answer that comes before the body has been sent ends the sending, unless its status is below 300: whoever says
/// that may still read, and is sent the rest, beside the answer and behind it. Nobody waits for that once the answer has
/// come to its end, nor is told what goes wrong with it. It keeps its fetch's place among the
/// [active](super::Client::active_fetches) ones, and ends with the fetch's times, with the server's end of the
/// connection, when the client is [closed](super::Client::close), and when its reactor goes, as behind a
/// [`block_on`](crate::block_on) or a [`blocking::fetch`](super::blocking::fetch) that returns:
/// [`until_idle`](super::Client::until_idle) waits for it. The connection is closed then, since a server that answers
/// what it does not read takes it for the next request. A response that is dropped before all of it has come ends the
/// sending at once; one that is dropped behind that does not, nor does the drop of the client: a body that may never end
/// needs a time.
///
/// Clones are cheap. A body from a stream, or from [`producer_once`](Body::producer_once), is there once for all
/// its clones: it cannot be sent again after a redirect or on another connection.
///
/// ```
/// use eyewall::http::Body;
///
/// let body = Body::from("a=1&b=2");
/// assert_eq!(body.length(), Some(7));
/// let body = Body::producer(|mut writer| async move {
///     for line in 1..=3 {
///         writer.write(format!("line {line}\n")).await?;
///     }
///     Ok::<(), std::io::Error>(())
/// });
/// assert_eq!(body.length(), None);
/// assert!(body.is_replayable());
/// ```
#[derive(Clone, Default)]
pub struct Body {
    kind: Kind,
    /// Of a body that is not all there.
    length: Option<u64>,
}

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Nothing,
    Bytes(Bytes),
    /// Taken by the first request that sends it.
    Once(Rc<RefCell<Option<Source>>>),
    /// Made anew for each request that sends it.
    Again(Rc<dyn Fn() -> Source>),
}

impl Body {
    /// No body.
    pub fn empty() -> Body {
        Body::default()
    }

    /// Pairs of names and values, as a browser sends a form (`application/x-www-form-urlencoded`). The header
    /// field that says so is set by [`RequestBuilder::form`](super::RequestBuilder::form).
    ///
    /// ```
    /// let pairs = [("q", "a b"), ("lang", "ö")];
    /// let body = eyewall::http::Body::form(&pairs);
    /// assert_eq!(body.as_bytes(), Some(&b"q=a+b&lang=%C3%B6"[..]));
    /// ```
    pub fn form<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item: std::borrow::Borrow<(N, V)>>,
    ) -> Body {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        form.finish().into()
    }

    /// Owned buffers of any kind, one after the other, in chunks unless [`with_length`](Body::with_length) says
    /// how many bytes they are. Empty ones are passed over.
    ///
    /// ```
    /// use eyewall::http::Body;
    /// use futures_util::stream;
    ///
    /// let lines = stream::iter([Ok::<_, std::io::Error>("one\n"), Ok("two\n")]);
    /// let body = Body::stream(lines).with_length(8);
    /// ```
    pub fn stream<B, E>(buffers: impl Stream<Item = Result<B, E>> + 'static) -> Body
    where
        B: IoBuf,
        E: Into<BoxError>,
    {
        let chunks = buffers.map(|buffer| {
            let buffer = Rc::new(buffer.map_err(Into::into)?);
            Ok(Chunk::shared(&buffer)?)
        });
        Body::once(Source::new(chunks))
    }

    /// What `produce` writes: it gets a [`BodyWriter`] and returns a future, which runs while the request is
    /// being sent, and is called again if the request has to be sent again.
    ///
    /// ```
    /// use eyewall::http::Body;
    ///
    /// let body = Body::producer(|mut writer| async move {
    ///     let mut buffer = Vec::with_capacity(64);
    ///     for line in 1..=3 {
    ///         buffer.extend_from_slice(format!("line {line}\n").as_bytes());
    ///         buffer = writer.write(buffer).await?;
    ///         buffer.clear();
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// ```
    pub fn producer<F, E>(produce: impl Fn(BodyWriter) -> F + 'static) -> Body
    where
        F: Future<Output = Result<(), E>> + 'static,
        E: Into<BoxError> + 'static,
    {
        Body::again(move || Source::new(producer::chunks(&produce)))
    }

    /// As [`producer`](Body::producer), for what can be written only once.
    pub fn producer_once<F, E>(produce: impl FnOnce(BodyWriter) -> F + 'static) -> Body
    where
        F: Future<Output = Result<(), E>> + 'static,
        E: Into<BoxError> + 'static,
    {
        // The closure runs when the body is sent, as that of `producer` does.
        let chunks = stream::once(async move { producer::chunks(produce) }).flatten();
        Body::once(Source::new(chunks))
    }

    /// A file from its start to where its end is now, read through the ring while it is sent. One that has content and
    /// says that it has none, as those of proc(5) do, goes out in chunks.
    ///
    /// # Errors
    ///
    /// As statx(2); `IsADirectory`, and `InvalidInput` for what else is no regular file: a pipe or a device has neither
    /// a length nor a start to be read from again. A file that has become shorter when it is sent fails the fetch, and
    /// so does one that was never as long as it says: most of sysfs(5).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the file, and nothing else.
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// use eyewall::fs::File;
    /// use eyewall::http::{Body, Client};
    ///
    /// let body = Body::file(File::open("backup.tar").await?).await?;
    /// let sent = Client::new().post("http://example.org/").body(body).send().await;
    /// # Ok::<(), std::io::Error>(()) })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn file(file: File) -> std::io::Result<Body> {
        let length = file::length(&file).await?;
        let file = Rc::new(file);
        let most = length.unwrap_or(u64::MAX);
        let body = Body::again(move || Source::new(file::chunks(Rc::clone(&file), most)));
        Ok(match length {
            Some(length) => body.with_length(length),
            None => body,
        })
    }

    /// Says how many bytes the body has; it is then not sent in chunks.
    pub fn with_length(mut self, bytes: u64) -> Body {
        self.length = Some(bytes);
        self
    }

    fn once(source: Source) -> Body {
        Body {
            kind: Kind::Once(Rc::new(RefCell::new(Some(source)))),
            length: None,
        }
    }

    fn again(make: impl Fn() -> Source + 'static) -> Body {
        Body {
            kind: Kind::Again(Rc::new(make)),
            length: None,
        }
    }

    /// Its length in bytes, if that is known.
    pub fn length(&self) -> Option<u64> {
        match &self.kind {
            Kind::Nothing => Some(self.length.unwrap_or(0)),
            Kind::Bytes(bytes) => Some(self.length.unwrap_or(bytes.len() as u64)),
            Kind::Once(_) | Kind::Again(_) => self.length,
        }
    }

    /// Whether it is known to have no bytes.
    pub fn is_empty(&self) -> bool {
        self.length() == Some(0)
    }

    /// The bytes of a body that is all there.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Nothing => Some(&[]),
            Kind::Bytes(bytes) => Some(bytes),
            Kind::Once(_) | Kind::Again(_) => None,
        }
    }

    /// Whether it can be sent (again): false for a stream that has been taken, or would be by this request.
    pub fn is_replayable(&self) -> bool {
        !matches!(self.kind, Kind::Once(_))
    }

    /// Whether it can be sent now.
    pub(super) fn is_there(&self) -> bool {
        match &self.kind {
            Kind::Once(source) => source.borrow().is_some(),
            Kind::Nothing | Kind::Bytes(_) | Kind::Again(_) => true,
        }
    }

    /// How it is framed.
    pub(super) fn framing(&self) -> BodyFraming {
        match (&self.kind, self.length()) {
            (Kind::Nothing, Some(0)) => BodyFraming::None,
            (_, Some(length)) => BodyFraming::Length(length),
            (_, None) => BodyFraming::Chunked,
        }
    }

    /// The whole of a body that is there and has at most `limit` bytes.
    pub(super) fn at_once(&self, limit: usize) -> Option<Bytes> {
        let bytes = match &self.kind {
            Kind::Nothing => Bytes::new(),
            Kind::Bytes(bytes) if bytes.len() <= limit => bytes.clone(),
            _ => return None,
        };
        // A length that does not agree is found out where the body is sent piece by piece.
        (self.length() == Some(bytes.len() as u64)).then_some(bytes)
    }

    /// The pieces to send.
    ///
    /// # Errors
    ///
    /// If they have been taken by an earlier request.
    pub(super) fn open(&self) -> Result<Source, Error> {
        match &self.kind {
            Kind::Nothing => Ok(Source::new(stream::empty())),
            Kind::Bytes(bytes) => Ok(Source::new(stream::iter(pieces(bytes.clone())))),
            Kind::Again(make) => source::guard(|| make()),
            Kind::Once(source) => source.take().ok_or_else(|| {
                Error::boxed(
                    ErrorKind::Body,
                    "the body is a stream that has been sent before",
                )
            }),
        }
    }
}

/// Bytes that are all there, in pieces that can be stopped between.
fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Result<Chunk, BoxError>> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        (!piece.is_empty()).then(|| Ok(Chunk::owned(piece)))
    })
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length())
            .field("replayable", &self.is_replayable())
            .finish_non_exhaustive()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body {
            kind: Kind::Bytes(bytes),
            length: None,
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl<const N: usize> From<&'static [u8; N]> for Body {
    fn from(bytes: &'static [u8; N]) -> Body {
        Bytes::from_static(bytes).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Body {
        Bytes::from_static(bytes).into()
    }
}
