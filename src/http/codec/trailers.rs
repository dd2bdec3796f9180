//! Parses the trailer section of a chunked body.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::lines::{Lines, Malformed};
use super::{Limits, ProtocolError, fields, names, scan};

/// Fields that a trailer section may not bring, lower case and sorted: those that frame, route,
/// authenticate, or say how the content is to be handled. By the time a trailer comes they have been acted
/// on, or were checked for their absence.
const FORBIDDEN: [&str; 37] = [
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "cookie2",
    "date",
    "expect",
    "expires",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "warning",
    "www-authenticate",
];

/// Whether a field does not belong in a trailer section.
pub(super) fn is_forbidden(name: &HeaderName) -> bool {
    FORBIDDEN.binary_search(&name.as_str()).is_ok()
}

/// Parses a complete trailer section with its closing empty line. Fields that do not belong there are
/// dropped.
///
/// Unlike a head, every line has to end in CRLF and none may be folded: this is part of the chunked coding,
/// where a loose reading shifts the border between two responses.
pub(super) fn parse(section: &[u8], limits: &Limits) -> Result<HeaderMap, ProtocolError> {
    if scan::has_bare_lf(section) {
        return Err(ProtocolError::BareLfInTrailers);
    }
    read(section, limits).unwrap_or_else(|Malformed| Err(explain(section)))
}

fn read(section: &[u8], limits: &Limits) -> Result<Result<HeaderMap, ProtocolError>, Malformed> {
    let mut lines = Lines::new(section, true);
    let mut trailers = HeaderMap::new();
    let mut count = 0;
    while let Some(line) = lines.field()? {
        if count == limits.trailer_fields {
            let limit = limits.trailer_fields;
            return Ok(Err(ProtocolError::TooManyTrailers { limit }));
        }
        count += 1;
        let name = names::parse(line.name).map_err(|_| Malformed)?;
        let value = HeaderValue::from_bytes(line.value()).map_err(|_| Malformed)?;
        if !is_forbidden(&name) {
            trailers.append(name, value);
        }
    }
    Ok(Ok(trailers))
}

/// Which rule a refused section breaks.
#[cold]
fn explain(section: &[u8]) -> ProtocolError {
    let folded = |line: &[u8]| matches!(line, [b' ' | b'\t', ..]);
    if section.split(|byte| *byte == b'\n').any(folded) {
        return ProtocolError::FoldInTrailers;
    }
    match fields::explain(section, 1) {
        ProtocolError::ControlInHead { line, .. }
        | ProtocolError::FieldWithoutColon { line }
        | ProtocolError::SpaceBeforeColon { line }
        | ProtocolError::EmptyFieldName { line }
        | ProtocolError::FieldName { line } => ProtocolError::TrailerField { line },
        other => other,
    }
}
