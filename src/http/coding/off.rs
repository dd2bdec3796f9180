//! No content codings: the feature `compression` is off.

use http::HeaderMap;

use super::error::Error;
use crate::buf::Chunk;

/// What a request says that it can have.
pub(super) const ACCEPTED: Option<&str> = None;

/// There is none.
#[derive(Debug)]
pub(super) enum Decoding {}

/// What a step would bring.
#[allow(dead_code, reason = "nothing is ever decoded")]
pub(super) enum Decoded {
    Data(Vec<u8>),
    Nothing,
    NeedMore,
}

impl Decoding {
    pub(super) fn of(_: &HeaderMap) -> Result<Option<Box<Decoding>>, Error> {
        Ok(None)
    }

    pub(super) fn feed(&mut self, _: Chunk) {
        match *self {}
    }

    pub(super) fn step(&mut self) -> Result<Decoded, Error> {
        match *self {}
    }

    pub(super) fn finish(&self) -> Result<(), Error> {
        match *self {}
    }
}
