//! Encodes the head of a request, and the lines of the chunked coding around its body.
//!
//! The encoder owns the fields that frame a message: Host, Content-Length, Transfer-Encoding, Connection,
//! Expect. What the caller's own headers say about them is taken where it agrees with the request, and is an
//! error where it does not; it is never passed on unseen. Everything else goes out as it is: the types of
//! `http` cannot hold a line end.

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::ProtocolError;
use super::fields::{decimal, elements, trim};

/// What stands after the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The last chunk, after which trailer fields and an empty line may follow.
pub const LAST_CHUNK: &[u8] = b"0\r\n";

/// The last chunk and the end of a body without trailer fields.
pub const CHUNKED_END: &[u8] = b"0\r\n\r\n";

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

/// What the caller's fields say about the connection.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    close: bool,
    upgrade: bool,
    te: bool,
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
        let host = self.host()?;
        self.check_body_fields()?;
        self.check_expect()?;
        let options = self.options()?;

        let start = out.len();
        out.reserve(self.size_hint());
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.target.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        field(out, &header::HOST, host);
        let mut fields = 1;
        for (name, value) in self.headers {
            if !is_owned(name) {
                field(out, name, value.as_bytes());
                fields += 1;
            }
        }
        fields += self.write_framing(out);
        fields += options.write(out);
        if self.expect_continue {
            out.extend_from_slice(b"expect: 100-continue\r\n");
            fields += 1;
        }
        out.extend_from_slice(b"\r\n");
        debug_assert!(
            has_lines(&out[start..], fields + 2),
            "the head of a request holds a stray line end or a NUL: {:?}",
            out[start..].escape_ascii().to_string()
        );
        Ok(())
    }

    /// A guess at the length of the head, on the large side.
    fn size_hint(&self) -> usize {
        let fields: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        fields + self.target.len() + self.host.len() + 128
    }

    /// The value of the Host field.
    fn host(&self) -> Result<&[u8], ProtocolError> {
        let mut own = self.headers.get_all(header::HOST).iter();
        match (own.next(), own.next()) {
            (None, _) if self.host.is_empty() => Err(ProtocolError::RequestHost),
            (None, _) => check_host(self.host.as_bytes()),
            // Whoever sets an empty Host field means it.
            (Some(host), None) => check_host(host.as_bytes()),
            (Some(_), Some(_)) => Err(ProtocolError::RequestHostRepeated),
        }
    }

    /// Refuses a Transfer-Encoding of the caller's, and a Content-Length that is not that of the body.
    fn check_body_fields(&self) -> Result<(), ProtocolError> {
        if self.headers.contains_key(header::TRANSFER_ENCODING) {
            return Err(ProtocolError::RequestTransferEncoding);
        }
        let length = match self.body {
            BodyFraming::None => Some(0),
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked => None,
        };
        for value in self.headers.get_all(header::CONTENT_LENGTH) {
            if decimal(value.as_bytes()).ok() != length || length.is_none() {
                return Err(ProtocolError::RequestContentLength);
            }
        }
        Ok(())
    }

    /// Refuses an Expect field that was not asked for, and the wait for a leave to send nothing.
    fn check_expect(&self) -> Result<(), ProtocolError> {
        for value in self.headers.get_all(header::EXPECT) {
            if !self.expect_continue || !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
                return Err(ProtocolError::RequestExpect);
            }
        }
        let no_content = matches!(self.body, BodyFraming::None | BodyFraming::Length(0));
        if self.expect_continue && no_content {
            return Err(ProtocolError::RequestExpectWithoutBody);
        }
        Ok(())
    }

    /// What the Connection field has to say.
    fn options(&self) -> Result<Options, ProtocolError> {
        let mut te = false;
        for value in self.headers.get_all(header::TE) {
            if !trim(value.as_bytes()).eq_ignore_ascii_case(b"trailers") {
                return Err(ProtocolError::RequestTe);
            }
            te = true;
        }
        let options = Options {
            close: self.closes(),
            upgrade: self.headers.contains_key(header::UPGRADE),
            te,
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
        let values = self.headers.get_all(header::CONNECTION).into_iter();
        values.flat_map(|value: &HeaderValue| elements(value.as_bytes()))
    }

    fn has_option(&self, name: &str) -> bool {
        self.caller_options()
            .any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Writes the field that frames the body, if it needs one. Gives how many were written.
    fn write_framing(&self, out: &mut Vec<u8>) -> usize {
        let expects_content = [Method::POST, Method::PUT, Method::PATCH].contains(self.method);
        let caller_set = self.headers.contains_key(header::CONTENT_LENGTH);
        match self.body {
            BodyFraming::None if !expects_content && !caller_set => return 0,
            BodyFraming::None => write_length(out, 0),
            BodyFraming::Length(length) => write_length(out, length),
            BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        1
    }
}

impl Options {
    /// Writes the Connection field, if there is something to say. Gives how many fields were written.
    fn write(self, out: &mut Vec<u8>) -> usize {
        let options = [
            (self.close, "close"),
            (self.upgrade, "upgrade"),
            (self.te, "te"),
        ];
        let mut separator = "connection: ";
        for (_, name) in options.into_iter().filter(|(set, _)| *set) {
            out.extend_from_slice(separator.as_bytes());
            out.extend_from_slice(name.as_bytes());
            separator = ", ";
        }
        if separator != ", " {
            return 0;
        }
        out.extend_from_slice(b"\r\n");
        1
    }
}

/// Appends the line before the data of a chunk of `len` bytes. The data follows, then [`CHUNK_END`].
///
/// # Panics
///
/// If `len` is zero: an empty chunk is the end of the body.
pub fn encode_chunk_header(len: usize, out: &mut Vec<u8>) {
    assert!(len > 0, "a chunk of no bytes would end the body");
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    for index in (0..digits).rev() {
        out.push(b"0123456789abcdef"[len >> (4 * index) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

fn field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, length: u64) {
    field(
        out,
        &header::CONTENT_LENGTH,
        HeaderValue::from(length).as_bytes(),
    );
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
fn check_target(target: &str) -> Result<(), ProtocolError> {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    match !target.is_empty() && target.bytes().all(fits) {
        true => Ok(()),
        false => Err(ProtocolError::RequestTarget),
    }
}

/// Refuses a host that is more than a host and a port.
fn check_host(host: &[u8]) -> Result<&[u8], ProtocolError> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
    match host.iter().all(fits) {
        true => Ok(host),
        false => Err(ProtocolError::RequestHost),
    }
}

/// Whether `head` has exactly so many lines, all ended by CRLF, and neither CR, LF nor NUL beside them.
fn has_lines(head: &[u8], lines: usize) -> bool {
    let count = |wanted: u8| head.iter().filter(|byte| **byte == wanted).count();
    let ends = head.windows(2).filter(|pair| pair == b"\r\n").count();
    ends == lines && count(b'\r') == lines && count(b'\n') == lines && count(0) == 0
}
