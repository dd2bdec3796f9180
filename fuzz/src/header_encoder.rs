//! Any request as a head: a typed error, or bytes that are one head and say what was meant.

use eyewall::http::codec::{BodyFraming, ProtocolError, RequestHead};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::recipe::Recipe;
use crate::request_text::{RequestText, trim};

/// What is in the output before the head is appended.
const BEFORE: &[u8] = b"before";

/// The fields that the encoder writes itself.
const OWNED: [&str; 5] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
];

/// Makes a request of `data` and encodes it.
///
/// # Panics
///
/// If what comes out is not one head, or not the one that was meant, or if a request is refused for no reason.
pub fn run(data: &[u8]) {
    let mut recipe = Recipe::new(data);
    let method = recipe.method();
    let target = recipe.text(&["/", "*", "/a?b=c", "http://example.org/", "example.org:443"]);
    let host = recipe.text(&[
        "example.org",
        "[::1]:8080",
        "",
        "xn--bcher-kva.example",
        "192.0.2.1:81",
    ]);
    let flags = recipe.byte();
    let length = u64::from(recipe.byte());
    let head = RequestHead {
        method: &method,
        target: &target,
        host: &host,
        headers: &recipe.headers(),
        body: match flags >> 2 & 3 {
            0 | 1 => BodyFraming::None,
            2 => BodyFraming::Length(length),
            _ => BodyFraming::Chunked,
        },
        close: flags & 1 != 0,
        expect_continue: flags & 2 != 0,
    };
    check(&head);
}

fn check(head: &RequestHead<'_>) {
    let mut out = BEFORE.to_vec();
    match head.encode(&mut out) {
        Ok(()) => {
            let bytes = out.strip_prefix(BEFORE).expect("what was there before");
            check_bytes(head, bytes);
            assert_eq!(objection(head), None, "{head:?} passes");
        }
        Err(error) => {
            assert_eq!(out, BEFORE, "an error leaves something behind");
            assert_eq!(Some(error), objection(head), "{head:?} is refused");
        }
    }
}

/// The first thing that is wrong with a request, by rules that are written down here a second time.
fn objection(head: &RequestHead<'_>) -> Option<ProtocolError> {
    let target = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if head.target.is_empty() || !head.target.bytes().all(target) {
        return Some(ProtocolError::RequestTarget);
    }
    let empty = matches!(head.body, BodyFraming::None | BodyFraming::Length(0));
    if head.expect_continue && empty {
        return Some(ProtocolError::RequestExpectWithoutBody);
    }
    let values = |name: &str| -> Vec<&[u8]> {
        head.headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect()
    };
    let proper = |host: &[u8]| {
        let mark = |byte: &u8| b"-._~%!$&'()*+,;=:[]".contains(byte);
        host.iter()
            .all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
    };
    match values("host")[..] {
        [] if head.host.is_empty() || !proper(head.host.as_bytes()) => {
            return Some(ProtocolError::RequestHost);
        }
        [own] if !proper(own) => return Some(ProtocolError::RequestHost),
        [_, _, ..] => return Some(ProtocolError::RequestHostRepeated),
        _ => {}
    }
    if !values("transfer-encoding").is_empty() {
        return Some(ProtocolError::RequestTransferEncoding);
    }
    let length = match head.body {
        BodyFraming::None => Some(0),
        BodyFraming::Length(length) => Some(length),
        BodyFraming::Chunked => None,
    };
    for value in values("content-length") {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<u64>().ok());
        if !digits || length.is_none() || number != length {
            return Some(ProtocolError::RequestContentLength);
        }
    }
    let asks = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    if !values("expect")
        .into_iter()
        .all(|value| head.expect_continue && asks(value))
    {
        return Some(ProtocolError::RequestExpect);
    }
    let trailers = |value: &[u8]| trim(value).eq_ignore_ascii_case(b"trailers");
    if !values("te").into_iter().all(trailers) {
        return Some(ProtocolError::RequestTe);
    }
    let options = options(head.headers);
    let closes = head.close || options.iter().any(|option| option == "close");
    let fits = |option: &String| match option.as_str() {
        "close" => true,
        "keep-alive" => !closes,
        "upgrade" => head.headers.contains_key("upgrade"),
        "te" => head.headers.contains_key("te"),
        _ => false,
    };
    match options.iter().all(fits) {
        true => None,
        false => Some(ProtocolError::RequestConnection),
    }
}

/// The options of the caller's Connection fields, in lower case.
fn options(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("connection").iter();
    let options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options
        .map(|option| String::from_utf8_lossy(trim(option)).to_ascii_lowercase())
        .collect()
}

/// Reads a head twice, by hand and by httparse, and compares it with what was meant.
fn check_bytes(head: &RequestHead<'_>, bytes: &[u8]) {
    let shown = bytes.escape_ascii();
    let RequestText { line, fields } = RequestText::read(bytes);
    assert_eq!(line, format!("{} {} HTTP/1.1", head.method, head.target));
    let mut slots = vec![httparse::EMPTY_HEADER; fields.len() + 1];
    let mut request = httparse::Request::new(&mut slots);
    let status = request.parse(bytes);
    assert_eq!(
        status,
        Ok(httparse::Status::Complete(bytes.len())),
        "httparse on {shown}"
    );
    assert_eq!(request.method, Some(head.method.as_str()));
    assert_eq!(request.path, Some(head.target));
    assert_eq!(request.version, Some(1));
    let parsed: Vec<_> = (request.headers.iter())
        .map(|field| (field.name.to_owned(), field.value.to_vec()))
        .collect();
    assert_eq!(parsed, fields, "httparse on {shown}");
    assert_eq!(fields, expected(head), "the fields of {shown}");
}

/// The fields that a head must have, in their order.
fn expected(head: &RequestHead<'_>) -> Vec<(String, Vec<u8>)> {
    let own = head.headers.get("host").map(HeaderValue::as_bytes);
    let field = |name: &str, value: &[u8]| (name.to_owned(), trim(value).to_vec());
    let mut fields = vec![field("host", own.unwrap_or(head.host.as_bytes()))];
    let others = head
        .headers
        .iter()
        .filter(|(name, _)| !OWNED.contains(&name.as_str()));
    fields.extend(others.map(|(name, value)| field(name.as_str(), value.as_bytes())));
    let wants_length = matches!(*head.method, Method::POST | Method::PUT | Method::PATCH)
        || head.headers.contains_key("content-length");
    match head.body {
        BodyFraming::None if !wants_length => {}
        BodyFraming::None => fields.push(field("content-length", b"0")),
        BodyFraming::Length(n) => fields.push(field("content-length", n.to_string().as_bytes())),
        BodyFraming::Chunked => fields.push(field("transfer-encoding", b"chunked")),
    }
    let own = options(head.headers);
    let has = |option: &str| own.iter().any(|known| known == option);
    let closes = head.close || has("close");
    assert_eq!(head.closes(), closes);
    let options = [
        ("close", closes),
        ("keep-alive", has("keep-alive")),
        ("upgrade", head.headers.contains_key("upgrade")),
        ("te", head.headers.contains_key("te")),
    ];
    let said: Vec<&str> = options
        .iter()
        .filter(|(_, said)| *said)
        .map(|(name, _)| *name)
        .collect();
    if !said.is_empty() {
        fields.push(field("connection", said.join(", ").as_bytes()));
    }
    if head.expect_continue {
        fields.push(field("expect", b"100-continue"));
    }
    fields
}

/// Names for [`Recipe::headers`] to choose from: those that say something about the message.
pub(crate) const NAMES: [HeaderName; 10] = [
    http::header::HOST,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::CONNECTION,
    http::header::EXPECT,
    http::header::TE,
    http::header::UPGRADE,
    http::header::AUTHORIZATION,
    http::header::COOKIE,
    http::header::CONTENT_TYPE,
];
