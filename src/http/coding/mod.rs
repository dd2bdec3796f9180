//! Content codings: gzip, deflate, brotli and zstd, decoded a slice at a time.
//!
//! A few bytes may stand for gigabytes. So no step decodes more than a slice, the caller counts what comes out
//! before it hands it on, and it lets others run now and then. At most two codings may be stacked: nobody sends
//! more, and every further one multiplies.
//!
//! | file | job |
//! | --- | --- |
//! | `zlib` | gzip and deflate, by flate2 |
//! | `brotli` | by brotli-decompressor |
//! | `zstd` | by zstd |

mod brotli;
#[cfg(test)]
mod tests;
mod zlib;
mod zstd;

use http::{HeaderMap, header};

use self::brotli::Brotli;
use self::zlib::{Deflate, Gzip};
use self::zstd::Zstd;
use super::error::{BoxError, Error, ErrorKind};
use crate::buf::Chunk;

/// What a request says that it can have.
pub(super) const ACCEPTED: Option<&str> = Some("gzip, deflate, br, zstd");

/// How much comes out of a step at most.
const SLICE: usize = 32 << 10;

/// How much is looked at in a step at most.
const INPUT: usize = 64 << 10;

/// How many codings may be stacked.
const STACKED: usize = 2;

/// The decoding of one body.
#[derive(Debug)]
pub(super) struct Decoding {
    /// In the order in which they are undone.
    decoders: Vec<Decoder>,
    /// What has come and is not yet decoded.
    input: Option<Chunk>,
    /// What is between the two decoders.
    middle: Vec<u8>,
    /// How much of that the second has taken.
    taken: usize,
    /// Whether any byte has come.
    begun: bool,
}

/// What a step has brought.
pub(super) enum Decoded {
    /// Bytes of the body.
    Data(Vec<u8>),
    /// Nothing, and there is input left.
    Nothing,
    /// It wants to be [fed](Decoding::feed).
    NeedMore,
}

#[derive(Debug)]
enum Decoder {
    Gzip(Gzip),
    Deflate(Deflate),
    Brotli(Brotli),
    Zstd(Zstd),
}

impl Decoding {
    /// How to decode a body with these fields; `None` where nothing is to be done, or a coding is not known.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] for more codings than two.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Box<Decoding>>, Error> {
        let mut decoders = Vec::new();
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        for token in tokens.map(<[u8]>::trim_ascii) {
            if token.is_empty() || token.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            let Some(decoder) = Decoder::of(token)? else {
                return Ok(None);
            };
            decoders.push(decoder);
            if decoders.len() > STACKED {
                let reason = "more than two content codings are stacked";
                return Err(Error::boxed(ErrorKind::Decode, reason));
            }
        }
        decoders.reverse();
        Ok((!decoders.is_empty()).then(|| {
            Box::new(Decoding {
                decoders,
                input: None,
                middle: Vec::new(),
                taken: 0,
                begun: false,
            })
        }))
    }

    /// Takes the next part of the coded body.
    pub(super) fn feed(&mut self, chunk: Chunk) {
        self.begun = true;
        self.input = Some(chunk);
    }

    /// Decodes a slice of what it has been fed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] for what is not of the coding.
    pub(super) fn step(&mut self) -> Result<Decoded, Error> {
        if !self.begun {
            return Ok(Decoded::NeedMore);
        }
        let mut output = Vec::with_capacity(SLICE);
        let result = match &mut self.decoders[..] {
            [only] => take_from_input(&mut self.input, only, &mut output),
            [first, second] => {
                let middle = (&mut self.middle, &mut self.taken);
                two_steps(&mut self.input, first, middle, second, &mut output)
            }
            _ => Ok(()),
        };
        result.map_err(|error| Error::boxed(ErrorKind::Decode, error))?;
        // A middle that was filled may have left something in the first decoder, which has taken all of its input.
        let filled = self.decoders.len() > 1 && self.middle.len() == self.middle.capacity();
        let left = self.input.is_some() || filled;
        Ok(match (output.is_empty(), left) {
            (false, _) => Decoded::Data(output),
            (true, true) => Decoded::Nothing,
            (true, false) => Decoded::NeedMore,
        })
    }

    /// The coded body has ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if something is missing. A body without a byte is whole: there was nothing to code.
    pub(super) fn finish(&self) -> Result<(), Error> {
        if self.begun && !self.decoders.iter().all(Decoder::is_complete) {
            let reason = "the coded body ends in the middle";
            return Err(Error::boxed(ErrorKind::Decode, reason));
        }
        Ok(())
    }
}

/// Feeds `decoder` from what has been received.
fn take_from_input(
    input: &mut Option<Chunk>,
    decoder: &mut Decoder,
    output: &mut Vec<u8>,
) -> Result<(), BoxError> {
    let Some(chunk) = input else {
        // Something may be left inside.
        return decoder.decode(&[], output).map(drop);
    };
    let part = &chunk[..chunk.len().min(INPUT)];
    let consumed = decoder.decode(part, output)?;
    chunk.advance(consumed);
    if chunk.is_empty() {
        *input = None;
    }
    Ok(())
}

/// Undoes two codings, one behind the other.
fn two_steps(
    input: &mut Option<Chunk>,
    first: &mut Decoder,
    (middle, taken): (&mut Vec<u8>, &mut usize),
    second: &mut Decoder,
    output: &mut Vec<u8>,
) -> Result<(), BoxError> {
    if *taken == middle.len() {
        middle.clear();
        *taken = 0;
        middle.reserve(SLICE);
        take_from_input(input, first, middle)?;
    }
    *taken += second.decode(&middle[*taken..], output)?;
    Ok(())
}

impl Decoder {
    /// The decoder for a coding, if it is known.
    fn of(token: &[u8]) -> Result<Option<Decoder>, Error> {
        let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
        Ok(Some(if is("gzip") || is("x-gzip") {
            Decoder::Gzip(Gzip::new())
        } else if is("deflate") {
            Decoder::Deflate(Deflate::new())
        } else if is("br") {
            Decoder::Brotli(Brotli::new())
        } else if is("zstd") {
            Decoder::Zstd(Zstd::new().map_err(|error| Error::io(ErrorKind::Decode, error))?)
        } else {
            return Ok(None);
        }))
    }

    /// Decodes some of `input` to the spare capacity of `output`; says how much of it was consumed. Less than all of
    /// it only where `output` is full.
    fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BoxError> {
        let mut consumed = 0;
        loop {
            let (before, rest) = (output.len(), &input[consumed..]);
            let count = match self {
                Decoder::Gzip(gzip) => gzip.decode(rest, output)?,
                Decoder::Deflate(deflate) => deflate.decode(rest, output)?,
                Decoder::Brotli(brotli) => brotli.decode(rest, output)?,
                Decoder::Zstd(zstd) => zstd.decode(rest, output)?,
            };
            consumed += count;
            if consumed == input.len() || output.len() == output.capacity() {
                return Ok(consumed);
            }
            if count == 0 && output.len() == before {
                return Err("the decoder is stuck".into());
            }
        }
    }

    /// Whether it stands at an end of the coding.
    fn is_complete(&self) -> bool {
        match self {
            Decoder::Gzip(gzip) => gzip.is_complete(),
            Decoder::Deflate(deflate) => deflate.is_complete(),
            Decoder::Brotli(brotli) => brotli.is_complete(),
            Decoder::Zstd(zstd) => zstd.is_complete(),
        }
    }
}
