//! Parses one complete head: httparse for the lines, `http` for the types, and our own rules around both.

use std::mem::MaybeUninit;

use http::{StatusCode, Version};
use httparse::{Header, ParserConfig, Response, Status};

use super::fields::{self, FramingFields};
use super::headers::{Headers, MAX_NAME};
use super::{Head, Limits, ProtocolError, RequestKind, framing, scan};

/// How many fields are parsed into an array on the stack; a head with more of them is parsed a second time,
/// into one on the heap. The array is not initialised, so that its size costs nothing.
const FEW: usize = 128;

/// How long the version at the front of a head is.
const VERSION_LEN: usize = 8;

/// What a head is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    pub(super) request: RequestKind,
    pub(super) strict: bool,
}

/// Refuses, as early as can be told, what does not begin with a version that is spoken here. `bytes` are
/// those of a head from its offset `at` on.
pub(super) fn check_version(at: usize, bytes: &[u8]) -> Result<(), ProtocolError> {
    for (index, byte) in (at..VERSION_LEN).zip(bytes) {
        let expected = match index {
            7 => matches!(byte, b'0' | b'1'),
            _ => *byte == b"HTTP/1."[index],
        };
        if !expected {
            return Err(match index {
                0..5 => ProtocolError::NotHttp,
                _ => ProtocolError::UnsupportedVersion,
            });
        }
    }
    Ok(())
}

/// Parses a head that lies whole at the front of `input`, with its length, if that is within `room`. `None`
/// is no error: the head is not complete, or it needs the closer look of [`parse`].
#[inline]
pub(super) fn parse_in_place(
    input: &[u8],
    room: usize,
    rules: &Rules,
) -> Option<Result<(Head, usize), ProtocolError>> {
    let mut slots = [const { MaybeUninit::uninit() }; FEW];
    let slots = &mut slots[..FEW.min(rules.limits.fields)];
    let mut response = Response::new(&mut []);
    let Ok(Status::Complete(len)) = httparse(&mut response, input, slots) else {
        return None;
    };
    let head = &input[..len];
    if len > room || (rules.strict && scan::has_bare_lf(head)) {
        return None;
    }
    Some(build(&response, head, rules).map(|head| (head, len)))
}

#[inline]
fn httparse<'h, 'b>(
    response: &mut Response<'h, 'b>,
    input: &'b [u8],
    slots: &'h mut [MaybeUninit<Header<'b>>],
) -> httparse::Result<usize> {
    ParserConfig::default().parse_response_with_uninit_headers(response, input, slots)
}

/// Parses a complete head, from its version to its empty line, and says exactly what is wrong with it.
pub(super) fn parse(head: &[u8], rules: &Rules) -> Result<Head, ProtocolError> {
    if rules.strict && scan::has_bare_lf(head) {
        return Err(ProtocolError::BareLfInHead);
    }
    if let Some(result) = attempt(head, rules) {
        return result;
    }
    // httparse does not join folded lines by a space. They are rare enough to pay for a copy.
    let Some(flat) = fields::unfold(head)? else {
        return Err(explain(head));
    };
    attempt(&flat, rules).unwrap_or_else(|| Err(explain(&flat)))
}

/// Parses a head with as much room for fields as it needs. `None`: a line is malformed.
fn attempt(head: &[u8], rules: &Rules) -> Option<Result<Head, ProtocolError>> {
    let limits = &rules.limits;
    let mut few = [const { MaybeUninit::uninit() }; FEW];
    let mut result = lines(head, &mut few[..FEW.min(limits.fields)], rules);
    if matches!(result, Err(httparse::Error::TooManyHeaders)) && limits.fields > FEW {
        // The shortest field line has three bytes.
        let mut many = vec![MaybeUninit::uninit(); limits.fields.min(head.len() / 3)];
        result = lines(head, &mut many, rules);
    }
    match result {
        Ok(head) => Some(head),
        Err(httparse::Error::TooManyHeaders) => Some(Err(ProtocolError::TooManyFields {
            limit: limits.fields,
        })),
        Err(_) => None,
    }
}

fn lines<'b>(
    head: &'b [u8],
    slots: &mut [MaybeUninit<Header<'b>>],
    rules: &Rules,
) -> Result<Result<Head, ProtocolError>, httparse::Error> {
    let mut response = Response::new(&mut []);
    match httparse(&mut response, head, slots)? {
        Status::Complete(len) => {
            debug_assert_eq!(len, head.len(), "the scan and httparse see the same end");
            Ok(build(&response, head, rules))
        }
        Status::Partial => Err(httparse::Error::Status),
    }
}

/// Keeps the parsed lines of `head`, and decides what they mean.
#[inline]
fn build(response: &Response<'_, '_>, head: &[u8], rules: &Rules) -> Result<Head, ProtocolError> {
    let status =
        StatusCode::from_u16(response.code.unwrap_or(0)).map_err(|_| ProtocolError::StatusCode)?;
    let version = match response.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    if head.len() > MAX_NAME {
        check_names(response.headers)?;
    }
    let mut framers = FramingFields::default();
    let note = |field: &Header<'_>| framers.note(field.name.as_bytes(), field.value);
    let headers = Headers::new(head, response.headers, note);
    let (framing, keep_alive) =
        framing::decide(status, version, &framers, rules.request, rules.strict)?;
    Ok(Head {
        status,
        version,
        reason: reason(status, response.reason.unwrap_or(""), head),
        headers,
        framing,
        keep_alive,
    })
}

/// Refuses a name that is too long for `http`.
#[cold]
fn check_names(fields: &[Header<'_>]) -> Result<(), ProtocolError> {
    match fields.iter().position(|field| field.name.len() > MAX_NAME) {
        // Line 1 is the status line.
        Some(index) => Err(ProtocolError::FieldName { line: index + 2 }),
        None => Ok(()),
    }
}

/// The reason phrase, if it is worth keeping.
#[inline]
fn reason(status: StatusCode, parsed: &str, head: &[u8]) -> Option<Box<str>> {
    match status.canonical_reason() {
        Some(usual) if usual == parsed => None,
        usual => unusual_reason(head).filter(|phrase| Some(&**phrase) != usual),
    }
}

/// The reason phrase of a status line, read as Latin-1. (httparse gives none if it is not ASCII.)
#[cold]
fn unusual_reason(head: &[u8]) -> Option<Box<str>> {
    // The version, a space, three digits, perhaps a space.
    let phrase = fields::trim(status_line(head).0.get(VERSION_LEN + 4..)?);
    (!phrase.is_empty()).then(|| phrase.iter().map(|byte| char::from(*byte)).collect())
}

/// The status line without its line end, and what follows it.
fn status_line(head: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let line = head[..end].strip_suffix(b"\r").unwrap_or(&head[..end]);
    (line, head.get(end + 1..).unwrap_or(&[]))
}

/// Which rule a refused head breaks.
#[cold]
fn explain(head: &[u8]) -> ProtocolError {
    let (line, rest) = status_line(head);
    if let Some(error) = fields::control(line, 1) {
        return error;
    }
    match line.get(VERSION_LEN..) {
        Some([b' ', a, b, c]) | Some([b' ', a, b, c, b' ', ..])
            if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) =>
        {
            fields::explain(rest, 2)
        }
        Some([b' ', first, ..]) if *first != b' ' => ProtocolError::StatusCode,
        _ => ProtocolError::StatusLine,
    }
}
