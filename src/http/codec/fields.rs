//! The rules for fields beyond the form of their lines: what Content-Length, Transfer-Encoding and
//! Connection mean, how folded lines are joined, and which rule a refused line has broken.

use http::header::HeaderName;
use memchr::memchr;

use super::{ProtocolError, names};

/// The elements of a comma-separated list, without the white space around them. An empty value has one
/// empty element.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim)
}

/// `value` without spaces and tabs at its ends.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    trim_end(value)
}

/// `value` without spaces and tabs at its end.
fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What the fields that frame a message say, gathered line by line. They are judged later, because some
/// responses have to ignore them.
#[derive(Debug, Default)]
pub(super) struct FramingFields {
    /// Content-Length: its one value, or what is wrong with it.
    pub(super) length: Option<Result<u64, ProtocolError>>,
    /// Transfer-Encoding: chunked and nothing else, or what is wrong with it.
    pub(super) transfer: Option<Result<(), ProtocolError>>,
    /// Connection has the option `close`.
    pub(super) close: bool,
    /// Connection has the option `keep-alive`.
    pub(super) keep_alive: bool,
}

impl FramingFields {
    /// The bits of their [`names`]. Nearly all other lines are told apart by them.
    pub(super) const NAMES: u64 = names::bit(b"connection")
        | names::bit(b"content-length")
        | names::bit(b"transfer-encoding");

    /// Looks at a line whose name has one of these bits.
    #[inline(never)]
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            10 if is(name, b"Connection") => self.note_connection(value),
            14 if is(name, b"Content-Length") => self.note_length(value),
            17 if is(name, b"Transfer-Encoding") => self.note_transfer(value),
            _ => {}
        }
    }

    fn note_connection(&mut self, value: &[u8]) {
        match is(value, b"keep-alive") {
            true => self.keep_alive = true,
            false => self.note_options(value),
        }
    }

    #[cold]
    fn note_options(&mut self, value: &[u8]) {
        for option in elements(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn note_length(&mut self, value: &[u8]) {
        match decimal(value) {
            Ok(length) if self.length.is_none() => self.length = Some(Ok(length)),
            _ => self.note_lengths(value),
        }
    }

    #[cold]
    fn note_lengths(&mut self, value: &[u8]) {
        for element in elements(value) {
            let this = decimal(element);
            self.length = Some(match (self.length, this) {
                (Some(Err(error)), _) | (_, Err(error)) => Err(error),
                (Some(Ok(earlier)), Ok(this)) if earlier != this => {
                    Err(ProtocolError::ContentLengthsDiffer)
                }
                (_, Ok(this)) => Ok(this),
            });
        }
    }

    #[inline(never)]
    fn note_transfer(&mut self, value: &[u8]) {
        self.transfer = Some(match self.transfer {
            Some(_) => Err(ProtocolError::TransferEncodingRepeated),
            None => only_chunked(value),
        });
    }
}

/// Whether `text` is `usual` in any case. Most servers spell it just so.
#[inline]
fn is(text: &[u8], usual: &[u8]) -> bool {
    text == usual || text.eq_ignore_ascii_case(usual)
}

/// The value of a Content-Length element: digits and nothing else.
pub(super) fn decimal(digits: &[u8]) -> Result<u64, ProtocolError> {
    let mut value = Some(0u64);
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(ProtocolError::ContentLengthInvalid);
        }
        value = value
            .and_then(|value| value.checked_mul(10))
            .and_then(|value| value.checked_add(u64::from(digit - b'0')));
    }
    match digits {
        [] => Err(ProtocolError::ContentLengthInvalid),
        _ => value.ok_or(ProtocolError::ContentLengthTooLarge),
    }
}

/// Whether a Transfer-Encoding value is `chunked` alone. No other coding is ever asked for, and one that
/// comes unasked would hand encoded bytes to the user as content.
fn only_chunked(value: &[u8]) -> Result<(), ProtocolError> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(());
    }
    let (mut chunked, mut last) = (0, false);
    for coding in elements(value) {
        last = is_chunked(coding);
        chunked += usize::from(last);
    }
    Err(match (last, chunked) {
        (false, _) => ProtocolError::TransferEncodingNotChunked,
        (true, 1) => ProtocolError::TransferCodingUnsupported,
        (true, _) => ProtocolError::TransferEncodingRepeated,
    })
}

/// A complete head with each folded line joined to the one before by one space, or `None` if no line is
/// folded.
pub(super) fn unfold(head: &[u8]) -> Result<Option<Vec<u8>>, ProtocolError> {
    let mut flat = Vec::new();
    let (mut copied, mut lines) = (0, 0);
    for end in memchr::memchr_iter(b'\n', head) {
        lines += 1;
        if !matches!(head.get(end + 1), Some(b' ' | b'\t')) {
            continue;
        }
        if lines == 1 {
            return Err(ProtocolError::FoldBeforeFirstField);
        }
        let line = &head[copied..end];
        flat.extend_from_slice(trim_end(line.strip_suffix(b"\r").unwrap_or(line)));
        flat.push(b' ');
        copied = end + 1;
        while matches!(head.get(copied), Some(b' ' | b'\t')) {
            copied += 1;
        }
    }
    if copied == 0 {
        return Ok(None);
    }
    flat.extend_from_slice(&head[copied..]);
    Ok(Some(flat))
}

/// Which rule the refused field lines break. `first` is the number of the first of them.
#[cold]
pub(super) fn explain(lines: &[u8], first: usize) -> ProtocolError {
    for (line, text) in (first..).zip(lines.split(|byte| *byte == b'\n')) {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if let Some(error) = control(text, line) {
            return error;
        }
        if text.is_empty() {
            continue;
        }
        let Some(colon) = memchr(b':', text) else {
            return ProtocolError::FieldWithoutColon { line };
        };
        match &text[..colon] {
            [] => return ProtocolError::EmptyFieldName { line },
            [.., b' ' | b'\t'] => return ProtocolError::SpaceBeforeColon { line },
            name if HeaderName::from_bytes(name).is_err() => {
                return ProtocolError::FieldName { line };
            }
            _ => {}
        }
    }
    ProtocolError::FieldName { line: first }
}

/// The error for the first control byte of a line, if it has one.
pub(super) fn control(text: &[u8], line: usize) -> Option<ProtocolError> {
    let byte = text
        .iter()
        .copied()
        .find(|byte| byte.is_ascii_control() && *byte != b'\t')?;
    Some(ProtocolError::ControlInHead { line, byte })
}
