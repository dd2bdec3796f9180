//! Encodes the head of a request, and the lines of the chunked coding around its body.
//!
//! The encoder owns the fields that frame a message: Host, Content-Length, Transfer-Encoding, Connection,
//! Expect. What the caller's own headers say about them is taken where it agrees with the request, and is an
//! error where it does not; it is never passed on unseen. Everything else goes out as it is: the types of
//! `http` cannot hold a line end.

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::fields::{decimal, elements, trim};
use super::{ProtocolError, trailers};

/// What stands after the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The last chunk, after which trailer fields and an empty line may follow.
pub const LAST_CHUNK: &[u8] = b"0\r\n";

/// The last chunk and the end of a body without trailer fields.
pub const CHUNKED_END: &[u8] = b"0\r\n\r\n";

/// A guess at what the encoder writes beside target, host and the caller's fields, on the large side.
const FRAME_SIZE: usize = 160;

/// A guess at the size of a field.
const FIELD_GUESS: usize = 48;

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    None,
    /// It has this many bytes.
    Length(u64),
    /// Its length is not known: it goes out in chunks.
    Chunked,
}

/// The head of a request, as it is to be sent.
///
/// ```
/// use eyewall::http::codec::{BodyFraming, RequestHead};
/// use eyewall::http::{HeaderMap, Method};
///
/// let head = RequestHead {
///     method: &Method::PUT,
///     target: "/file",
///     host: "example.org",
///     headers: &HeaderMap::new(),
///     body: BodyFraming::Length(3),
///     close: false,
///     expect_continue: false,
/// };
/// let mut out = Vec::new();
/// head.encode(&mut out)?;
/// assert_eq!(out, b"PUT /file HTTP/1.1\r\nhost: example.org\r\ncontent-length: 3\r\n\r\n");
/// # Ok::<(), eyewall::http::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The request target in the form that the method and the route want (origin, absolute, authority or
    /// asterisk form), without a fragment.
    pub target: &'a str,
    /// The host, with its port unless that is the scheme's own. One Host field among `headers` goes before
    /// it.
    pub host: &'a str,
    /// The caller's fields.
    pub headers: &'a HeaderMap,
    /// How the body is framed.
    pub body: BodyFraming,
    /// Tell the server that this is the last request on the connection.
    pub close: bool,
    /// Ask the server for leave (100) before the body is sent.
    pub expect_continue: bool,
}

/// What the caller's fields say about the message.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    close: bool,
    /// HTTP/1.1 needs no such word, but Apache says only to those who say it how long it keeps a connection.
    keep_alive: bool,
    upgrade: bool,
    te: bool,
    /// There is a Content-Length of the caller's, so there has to be one.
    length: bool,
}

impl RequestHead<'_> {
    /// Whether the request says that its connection is to be closed, by `close` or by the caller's own
    /// Connection field. The connection is not used again then, whatever the response says.
    pub fn closes(&self) -> bool {
        self.close || self.has_option("close")
    }

    /// Appends the head to `out`, up to and with its empty line.
    ///
    /// # Errors
    ///
    /// What about the request cannot be sent. `out` is as it was then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        check_target(self.target)?;
        self.check_leave()?;
        let start = out.len();
        let guess = FIELD_GUESS * self.headers.len();
        out.reserve(guess + self.target.len() + self.host.len() + FRAME_SIZE);
        let plain = Options {
            close: self.close,
            ..Options::default()
        };
        // Nearly always no field says anything about the message itself. If one does, begin again.
        let host = check_host(self.host.as_bytes());
        let written = host.is_some_and(|host| self.write(host, plain, false, out));
        if !written {
            out.truncate(start);
            let (host, options) = self.examine()?;
            self.write(host, options, true, out);
        }
        debug_assert!(
            is_one_head(&out[start..]),
            "the head of a request holds a stray line end or a NUL: {:?}",
            out[start..].escape_ascii().to_string()
        );
        Ok(())
    }

    /// Writes the head. Gives up, with `false`, where a field says something about the message itself that
    /// has not been examined.
    #[inline]
    fn write(&self, host: &[u8], options: Options, examined: bool, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.target.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        out.extend_from_slice(host);
        out.extend_from_slice(b"\r\n");
        for (name, value) in self.headers {
            let special = concerns_message(name);
            if special && !examined {
                return false;
            }
            if !(special && is_owned(name)) {
                write_field(out, name, value.as_bytes());
            }
        }
        self.write_framing(options.length, out);
        options.write(out);
        if self.expect_continue {
            out.extend_from_slice(b"expect: 100-continue\r\n");
        }
        out.extend_from_slice(b"\r\n");
        true
    }

    /// Host and options of a request whose fields have a say in them, or in how the body is framed.
    #[cold]
    fn examine(&self) -> Result<(&[u8], Options), ProtocolError> {
        let host = self.host()?;
        self.check_body_fields()?;
        self.check_expect()?;
        Ok((host, self.options()?))
    }

    /// The values of the fields of this name. The fields of a request are few: to look at each of them takes less than
    /// to hash a name.
    fn values(&self, name: HeaderName) -> impl Iterator<Item = &HeaderValue> {
        let fields = self.headers.iter();
        fields
            .filter(move |(own, _)| **own == name)
            .map(|(_, value)| value)
    }

    /// The value of the Host field.
    fn host(&self) -> Result<&[u8], ProtocolError> {
        let mut own = self.values(header::HOST);
        match (own.next(), own.next()) {
            (None, _) => check_host(self.host.as_bytes()).ok_or(ProtocolError::RequestHost),
            // Whoever sets an empty Host field means it.
            (Some(host), None) if host.is_empty() => Ok(b""),
            (Some(host), None) => check_host(host.as_bytes()).ok_or(ProtocolError::RequestHost),
            (Some(_), Some(_)) => Err(ProtocolError::RequestHostRepeated),
        }
    }

    /// Refuses a Transfer-Encoding of the caller's, and a Content-Length that is not that of the body.
    fn check_body_fields(&self) -> Result<(), ProtocolError> {
        if self.values(header::TRANSFER_ENCODING).next().is_some() {
            return Err(ProtocolError::RequestTransferEncoding);
        }
        let length = match self.body {
            BodyFraming::None => Some(0),
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked => None,
        };
        for value in self.values(header::CONTENT_LENGTH) {
            if decimal(value.as_bytes()).ok() != length || length.is_none() {
                return Err(ProtocolError::RequestContentLength);
            }
        }
        Ok(())
    }

    /// Refuses an Expect field that was not asked for.
    fn check_expect(&self) -> Result<(), ProtocolError> {
        for value in self.values(header::EXPECT) {
            if !self.expect_continue || !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
                return Err(ProtocolError::RequestExpect);
            }
        }
        Ok(())
    }

    /// Refuses to wait for a leave to send nothing.
    fn check_leave(&self) -> Result<(), ProtocolError> {
        let no_content = matches!(self.body, BodyFraming::None | BodyFraming::Length(0));
        if self.expect_continue && no_content {
            return Err(ProtocolError::RequestExpectWithoutBody);
        }
        Ok(())
    }

    /// What the Connection field has to say.
    fn options(&self) -> Result<Options, ProtocolError> {
        let mut te = false;
        for value in self.values(header::TE) {
            if !trim(value.as_bytes()).eq_ignore_ascii_case(b"trailers") {
                return Err(ProtocolError::RequestTe);
            }
            te = true;
        }
        let options = Options {
            close: self.closes(),
            keep_alive: self.has_option("keep-alive"),
            upgrade: self.values(header::UPGRADE).next().is_some(),
            te,
            length: self.values(header::CONTENT_LENGTH).next().is_some(),
        };
        for option in self.caller_options() {
            let fits = (option.eq_ignore_ascii_case(b"close"))
                || (option.eq_ignore_ascii_case(b"keep-alive") && !options.close)
                || (option.eq_ignore_ascii_case(b"upgrade") && options.upgrade)
                || (option.eq_ignore_ascii_case(b"te") && options.te);
            if !fits {
                return Err(ProtocolError::RequestConnection);
            }
        }
        Ok(options)
    }

    /// The options of the caller's Connection fields.
    fn caller_options(&self) -> impl Iterator<Item = &[u8]> {
        self.values(header::CONNECTION)
            .flat_map(|value| elements(value.as_bytes()))
    }

    fn has_option(&self, name: &str) -> bool {
        self.caller_options()
            .any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Writes the field that frames the body, if it needs one.
    fn write_framing(&self, length_set: bool, out: &mut Vec<u8>) {
        let expects_content = matches!(*self.method, Method::POST | Method::PUT | Method::PATCH);
        match self.body {
            BodyFraming::None if !expects_content && !length_set => {}
            BodyFraming::None => write_length(out, 0),
            BodyFraming::Length(length) => write_length(out, length),
            BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
    }
}

impl Options {
    /// Writes the Connection field, if there is something to say.
    fn write(self, out: &mut Vec<u8>) {
        if !(self.close || self.keep_alive || self.upgrade || self.te) {
            return;
        }
        let mut separator = "connection: ";
        for (set, name) in [
            (self.close, "close"),
            (self.keep_alive, "keep-alive"),
            (self.upgrade, "upgrade"),
            (self.te, "te"),
        ] {
            if set {
                out.extend_from_slice(separator.as_bytes());
                out.extend_from_slice(name.as_bytes());
                separator = ", ";
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the line before the data of a chunk of `len` bytes. The data follows, then [`CHUNK_END`].
///
/// # Panics
///
/// If `len` is zero: an empty chunk is the end of the body.
///
/// ```
/// use eyewall::http::HeaderMap;
/// use eyewall::http::codec::{CHUNK_END, encode_chunk_header, encode_trailers};
///
/// let mut out = Vec::new();
/// encode_chunk_header(10, &mut out);
/// out.extend_from_slice(b"ten bytes!");
/// out.extend_from_slice(CHUNK_END);
/// encode_trailers(&HeaderMap::new(), &mut out)?;
/// assert_eq!(out, b"a\r\nten bytes!\r\n0\r\n\r\n");
/// # Ok::<(), eyewall::http::ProtocolError>(())
/// ```
pub fn encode_chunk_header(len: usize, out: &mut Vec<u8>) {
    assert!(len > 0, "a chunk of no bytes would end the body");
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    for index in (0..digits).rev() {
        out.push(b"0123456789abcdef"[len >> (4 * index) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk, these fields after it, and the end of the body. See [`encode_chunk_header`].
///
/// # Errors
///
/// [`ProtocolError::RequestTrailer`] for a field that frames, routes or authenticates the message, or says how
/// the content is to be handled. `out` is as it was then.
pub fn encode_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
    if trailers.keys().any(trailers::is_forbidden) {
        return Err(ProtocolError::RequestTrailer);
    }
    out.extend_from_slice(LAST_CHUNK);
    for (name, value) in trailers {
        write_field(out, name, value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends one field line.
#[inline]
pub(in crate::http) fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, length: u64) {
    write_field(
        out,
        &header::CONTENT_LENGTH,
        HeaderValue::from(length).as_bytes(),
    );
}

/// Whether this field says something about the message, so that the encoder has to know it.
pub(in crate::http) fn concerns_message(name: &HeaderName) -> bool {
    is_owned(name) || matches!(*name, header::TE | header::UPGRADE)
}

/// Whether the encoder writes this field itself, from what it knows.
fn is_owned(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::CONNECTION
            | header::EXPECT
    )
}

/// Refuses a target that would end early in the request line, or that holds a fragment.
pub(in crate::http) fn check_target(target: &str) -> Result<(), ProtocolError> {
    match !target.is_empty() && all_in(target.as_bytes(), &TARGET_BYTES) {
        true => Ok(()),
        false => Err(ProtocolError::RequestTarget),
    }
}

/// `host`, unless it is empty or more than a host and a port.
fn check_host(host: &[u8]) -> Option<&[u8]> {
    (!host.is_empty() && all_in(host, &HOST_BYTES)).then_some(host)
}

/// The bytes that a target may hold.
const TARGET_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = byte != b'#';
        byte += 1;
    }
    table
};

/// The bytes that a host with its port may hold.
const HOST_BYTES: [bool; 256] = {
    let marks = b"-._~%!$&'()*+,;=:[]";
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

fn all_in(bytes: &[u8], table: &[bool; 256]) -> bool {
    bytes.iter().all(|byte| table[usize::from(*byte)])
}

/// Whether `head` is lines that end in CRLF, only the last of them empty, and holds neither CR, LF nor NUL
/// beside those ends.
pub(super) fn is_one_head(head: &[u8]) -> bool {
    let Some(lines) = head.strip_suffix(b"\r\n\r\n") else {
        return false;
    };
    let mut lines = lines.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let line = match lines.peek() {
            Some(_) => line.strip_suffix(b"\r").unwrap_or(b""),
            None => line,
        };
        if line.is_empty() || line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return false;
        }
    }
    true
}
