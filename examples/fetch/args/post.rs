//! Data to be posted: `-d` and its like.

use std::io::Read;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::code::Failure;

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
pub(super) fn data(given: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = binary(given)?;
    if given.starts_with('@') {
        bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    }
    Ok(bytes)
}

/// `--data-binary`: `@FILE` is a file as it is.
pub(super) fn binary(given: &str) -> Result<Vec<u8>, Failure> {
    match given.strip_prefix('@') {
        Some(file) => read(file),
        None => Ok(given.into()),
    }
}

/// `--data-urlencode`: `CONTENT`, `=CONTENT`, `NAME=CONTENT`, `@FILE` or `NAME@FILE`. The name is taken as it is; a space
/// becomes a plus, as in a form.
pub(super) fn encoded(given: &str) -> Result<Vec<u8>, Failure> {
    let (name, content) = match given.find(['=', '@']) {
        Some(at) if given[at..].starts_with('=') => (&given[..at], given[at + 1..].into()),
        Some(at) => (&given[..at], read(&given[at + 1..])?),
        None => ("", given.into()),
    };
    let separator = if name.is_empty() { "" } else { "=" };
    let content = percent_encode(&content, UNSAFE).to_string();
    let content = content.replace("%20", "+");
    Ok(format!("{name}{separator}{content}").into())
}

/// Everything but what RFC 3986 calls unreserved.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A file, or, as `-`, the standard input.
pub(super) fn read(file: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let outcome = match file {
        "-" => std::io::stdin().read_to_end(&mut bytes).map(drop),
        file => std::fs::read(file).map(|read| bytes = read),
    };
    outcome
        .map(|()| bytes)
        .map_err(|error| Failure::read(file, &error))
}
