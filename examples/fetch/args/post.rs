//! Data to be posted: `-d` and its like.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::code::Failure;
use crate::standard;

/// Adds a part to the data; parts are joined with `&`.
pub(super) fn append(data: &mut Option<Vec<u8>>, part: Vec<u8>) {
    match data {
        Some(data) => {
            data.push(b'&');
            data.extend(part);
        }
        None => *data = Some(part),
    }
}

/// `-d`: `@FILE` is a file without its line ends.
pub(super) fn data(given: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut bytes = binary(given)?;
    if given.starts_with(b"@") {
        bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    }
    Ok(bytes)
}

/// `--data-binary`: `@FILE` is a file as it is.
pub(super) fn binary(given: &[u8]) -> Result<Vec<u8>, Failure> {
    match given.strip_prefix(b"@") {
        Some(file) => read(OsStr::from_bytes(file)),
        None => Ok(given.into()),
    }
}

/// `--data-urlencode`: `CONTENT`, `=CONTENT`, `NAME=CONTENT`, `@FILE` or `NAME@FILE`. The name is taken as it is; a space
/// becomes a plus, as in a form.
pub(super) fn encoded(given: &[u8]) -> Result<Vec<u8>, Failure> {
    let separator = given.iter().position(|byte| matches!(byte, b'=' | b'@'));
    let (name, content) = match separator {
        Some(at) if given[at] == b'=' => (&given[..at], given[at + 1..].into()),
        Some(at) => (&given[..at], read(OsStr::from_bytes(&given[at + 1..]))?),
        None => (&given[..0], given.into()),
    };
    let separator = if name.is_empty() { "" } else { "=" };
    let content = percent_encode(&content, UNSAFE).to_string();
    let content = content.replace("%20", "+");
    Ok([name, separator.as_bytes(), content.as_bytes()].concat())
}

/// Everything but what RFC 3986 calls unreserved.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A file, or, as `-`, the standard input.
pub(super) fn read(file: &OsStr) -> Result<Vec<u8>, Failure> {
    let read = match file == "-" {
        true => standard::input(),
        false => std::fs::read(file),
    };
    read.map_err(|error| Failure::read(&file.to_string_lossy(), &error))
}
