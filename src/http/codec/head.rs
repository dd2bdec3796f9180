//! Parses one complete head: its lines, the types of `http` for them, and what they mean together.

use http::StatusCode;

use super::fields::{self, FramingFields};
use super::headers::Headers;
use super::lines::{Lines, Malformed, Status};
use super::names::{self, Names};
use super::{Head, Limits, ProtocolError, RequestKind, framing, scan};

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
                // The type of the record (RFC 8446, 5.1).
                0 if *byte == 21 => ProtocolError::TlsAlert,
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
    match read(&input[..input.len().min(room)], rules) {
        Ok(Err(ProtocolError::TooManyFields { .. })) | Err(Malformed) => None,
        Ok(result) => Some(result),
    }
}

/// Parses a complete head, from its version to its empty line, and says exactly what is wrong with it.
pub(super) fn parse(head: &[u8], rules: &Rules) -> Result<Head, ProtocolError> {
    if rules.strict && scan::has_bare_lf(head) {
        return Err(ProtocolError::BareLfInHead);
    }
    if let Ok(result) = read(head, rules) {
        return whole(result, head);
    }
    // Folded lines are rare enough to pay for a copy.
    let Some(flat) = fields::unfold(head)? else {
        return Err(explain(head));
    };
    match read(&flat, rules) {
        Ok(result) => whole(result, &flat),
        Err(Malformed) => Err(explain(&flat)),
    }
}

fn whole(read: Result<(Head, usize), ProtocolError>, head: &[u8]) -> Result<Head, ProtocolError> {
    let (parsed, len) = read?;
    debug_assert_eq!(len, head.len(), "the scan and the parser see the same end");
    Ok(parsed)
}

/// Reads the head at the front of `input`, and its length. An error from within is one of a head that is well-formed
/// as far as it has been read.
#[inline]
fn read(input: &[u8], rules: &Rules) -> Result<Result<(Head, usize), ProtocolError>, Malformed> {
    let mut lines = Lines::new(input, rules.strict);
    let status = lines.status()?;
    let (mut names, mut framers) = (Names::default(), FramingFields::default());
    while let Some(line) = lines.field()? {
        if names.count() == rules.limits.fields {
            let limit = rules.limits.fields;
            return Ok(Err(ProtocolError::TooManyFields { limit }));
        }
        let bit = names::bit(line.name);
        if bit & FramingFields::NAMES != 0 {
            framers.note(line.name, line.value());
        }
        names.add(bit);
    }
    let text = lines.done();
    let head = build(&status, names, &framers, text, rules);
    Ok(head.map(|head| (head, text.len())))
}

/// Keeps the head `text`, whose fields have these names, and decides what it means.
#[inline]
fn build(
    line: &Status<'_>,
    names: Names,
    framers: &FramingFields,
    text: &[u8],
    rules: &Rules,
) -> Result<Head, ProtocolError> {
    let status = StatusCode::from_u16(line.code).map_err(|_| ProtocolError::StatusCode)?;
    let version = line.version;
    let (framing, keep_alive) =
        framing::decide(status, version, framers, rules.request, rules.strict)?;
    Ok(Head {
        status,
        version,
        reason: reason(status, line.reason),
        headers: Headers::new(text, names),
        framing,
        keep_alive,
    })
}

/// The reason phrase, if it is worth keeping.
#[inline]
fn reason(status: StatusCode, phrase: &[u8]) -> Option<Box<str>> {
    let usual = status.canonical_reason().map(str::as_bytes);
    match usual == Some(phrase) {
        true => None,
        false => unusual(fields::trim(phrase), usual),
    }
}

/// A reason phrase that is not at once the usual one, read as Latin-1.
#[cold]
fn unusual(phrase: &[u8], usual: Option<&[u8]>) -> Option<Box<str>> {
    match phrase.is_empty() || usual == Some(phrase) {
        true => None,
        false => Some(phrase.iter().map(|byte| char::from(*byte)).collect()),
    }
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
