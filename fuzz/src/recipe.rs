//! Reads the parts of a request from the bytes of an input.
//!
//! A part is a byte that says what it is and, where it is free, a length and as many bytes: so that cutting, joining
//! and changing inputs, which is all that a fuzzer does, gives other requests, and few that are the same.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::header_encoder::NAMES;

/// The bytes that are left of an input. Where there are none, zeros come.
pub(crate) struct Recipe<'a>(&'a [u8]);

impl<'a> Recipe<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Recipe<'a> {
        Recipe(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// Free bytes, at most 255.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// One of these, or free text.
    pub(crate) fn text(&mut self, usual: &[&str]) -> String {
        match usual.get(usize::from(self.byte())) {
            Some(usual) => (*usual).to_owned(),
            None => String::from_utf8_lossy(self.bytes()).into_owned(),
        }
    }

    /// One of the usual methods, or a free one.
    pub(crate) fn method(&mut self) -> Method {
        let usual = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
            Method::CONNECT,
            Method::TRACE,
        ];
        match usual.get(usize::from(self.byte())) {
            Some(usual) => usual.clone(),
            None => Method::from_bytes(self.bytes()).unwrap_or_default(),
        }
    }

    /// A few fields; those that `http` does not take are left out.
    pub(crate) fn headers(&mut self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for _ in 0..self.byte() % 16 {
            if self.is_empty() {
                break;
            }
            let name = match NAMES.get(usize::from(self.byte())) {
                Some(usual) => Ok(usual.clone()),
                None => HeaderName::from_bytes(self.bytes()),
            };
            let usual: [&[u8]; 9] = [
                b"close",
                b"keep-alive",
                b"upgrade, te",
                b"trailers",
                b"100-continue",
                b"0",
                b"7",
                b"chunked",
                b"",
            ];
            let value = match usual.get(usize::from(self.byte())) {
                Some(usual) => *usual,
                None => self.bytes(),
            };
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        headers
    }
}
