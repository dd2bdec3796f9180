//! Gzip (RFC 1952) and deflate (RFC 1950, and RFC 1951 as browsers take it).

use flate2::{Decompress, FlushDecompress, Status};

use super::super::error::BoxError;

/// The largest window that there is.
const WINDOW_BITS: u8 = 15;

/// Members of gzip, one after the other.
#[derive(Debug)]
pub(super) struct Gzip {
    inflate: Decompress,
    /// At the end of a member.
    ended: bool,
}

impl Gzip {
    pub(super) fn new() -> Gzip {
        Gzip {
            inflate: Decompress::new_gzip(WINDOW_BITS),
            ended: false,
        }
    }

    pub(super) fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BoxError> {
        if self.ended {
            if input.is_empty() {
                return Ok(0);
            }
            *self = Gzip::new();
        }
        let (consumed, ended) = inflate(&mut self.inflate, input, output)?;
        self.ended = ended;
        Ok(consumed)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.ended
    }
}

/// A stream of zlib, or one of deflate without that: old servers send what the name says.
#[derive(Debug)]
pub(super) struct Deflate {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first byte, if it has come: two tell which of the two it is.
    Unknown(Option<u8>),
    Inflating(Decompress),
    Ended,
}

impl Deflate {
    pub(super) fn new() -> Deflate {
        Deflate {
            state: State::Unknown(None),
        }
    }

    pub(super) fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BoxError> {
        let State::Inflating(inflating) = &mut self.state else {
            return self.begin(input, output);
        };
        let (consumed, ended) = inflate(inflating, input, output)?;
        if ended {
            self.state = State::Ended;
        }
        Ok(consumed)
    }

    /// The first two bytes, and anything behind the last.
    fn begin(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BoxError> {
        match (&self.state, input) {
            (_, []) => Ok(0),
            (State::Unknown(None), [first, ..]) => {
                self.state = State::Unknown(Some(*first));
                Ok(1)
            }
            (State::Unknown(Some(first)), [second, ..]) => {
                let first = *first;
                let mut inflating = Decompress::new(is_zlib(first, *second));
                // One byte gives nothing.
                inflate(&mut inflating, &[first], output)?;
                self.state = State::Inflating(inflating);
                self.decode(input, output)
            }
            _ => Err("bytes follow the end of the deflate stream".into()),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

/// Whether these can be the first two bytes of a stream of zlib (RFC 1950, 2.2). No stream of deflate that an
/// encoder would make begins like that.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8
        && first >> 4 <= 7
        && (u16::from(first) << 8 | u16::from(second)).is_multiple_of(31)
}

/// Says how much was consumed, and whether the stream has ended.
fn inflate(
    inflate: &mut Decompress,
    input: &[u8],
    output: &mut Vec<u8>,
) -> Result<(usize, bool), BoxError> {
    let before = inflate.total_in();
    let status = inflate.decompress_vec(input, output, FlushDecompress::None)?;
    let consumed = (inflate.total_in() - before) as usize;
    Ok((consumed, status == Status::StreamEnd))
}
