//! The chunked transfer coding, decoded in place.
//!
//! ```text
//! size line:  1-16 hex digits  [padding]  [";" extension]  CRLF
//! data:       exactly `size` bytes  CRLF          -> back to the size line
//! size 0:     trailer section, closed by an empty line
//! ```
//!
//! Every line ends in CRLF and in nothing else. Extensions are counted and forgotten. What a piece of input
//! holds of a chunk's data is handed out at once, also if the chunk goes on in the next piece.

use std::mem;
use std::ops::Range;

use http::HeaderMap;
use memchr::memchr2;

use super::scan::EmptyLine;
use super::{Event, Limits, ProtocolError, Step, trailers};

/// How many digits a chunk size may have: as many as fit 64 bits.
const MAX_DIGITS: u8 = 16;

/// What the next byte of the input is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    Padding,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    End,
}

/// What a piece of input holds.
#[derive(Debug)]
enum Found {
    /// Nothing more: it is used up.
    NeedMore,
    /// Data of a chunk, in this range.
    Data(Range<usize>),
    /// The end of the body, with trailer fields.
    Trailers,
    /// The end of the body.
    End,
}

/// Where in a chunked body the decoding stands.
#[derive(Debug)]
pub(super) struct Chunked {
    at: At,
    /// The size read so far, then what is left of the chunk's data.
    left: u64,
    digits: u8,
    /// Bytes of the size line so far.
    line: usize,
    /// Bytes of padding and extensions so far, in all lines.
    extensions: usize,
    /// Bytes of content so far.
    received: u64,
    trailer_end: EmptyLine,
    /// The part of the trailer section that came in earlier inputs.
    gathered: Vec<u8>,
    trailers: Option<Box<HeaderMap>>,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Chunked {
            at: At::Size,
            left: 0,
            digits: 0,
            line: 0,
            extensions: 0,
            received: 0,
            trailer_end: EmptyLine::new(),
            gathered: Vec::new(),
            trailers: None,
        }
    }

    /// Whether the last byte of the body has been consumed.
    pub(super) fn is_complete(&self) -> bool {
        self.at == At::End
    }

    /// The error for a peer that closes here.
    pub(super) fn eof(&self) -> ProtocolError {
        let received = self.received;
        match self.at {
            At::Trailers => ProtocolError::EofInTrailers { received },
            _ => ProtocolError::EofInChunkedBody { received },
        }
    }

    /// The next step of decoding `input`.
    ///
    /// Apart from the decoder's other steps, which need less.
    #[inline(never)]
    pub(super) fn step(&mut self, input: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        let (consumed, found) = self.find(input, limits)?;
        let event = match found {
            Found::NeedMore => Event::NeedMore,
            Found::Data(range) => Event::Body(range),
            Found::Trailers => {
                Event::Trailers(self.trailers.take().map(|map| *map).unwrap_or_default())
            }
            Found::End => Event::End,
        };
        Ok(Step { consumed, event })
    }

    /// The next find in `input`, and how much of `input` it uses up.
    #[inline]
    fn find(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Found), ProtocolError> {
        let mut pos = 0;
        loop {
            if self.at == At::End {
                return Ok((pos, Found::End));
            }
            let rest = &input[pos..];
            let Some(&byte) = rest.first() else {
                return Ok((pos, Found::NeedMore));
            };
            match self.at {
                At::Size => pos += self.size(rest, limits)?,
                At::Padding => {
                    self.padding(byte, limits)?;
                    pos += 1;
                }
                At::Extension => pos += self.extension(rest, limits)?,
                At::SizeLf => {
                    self.size_lf(byte)?;
                    pos += 1;
                }
                At::Data => {
                    let len = usize::try_from(self.left).map_or(rest.len(), |n| n.min(rest.len()));
                    self.left -= len as u64;
                    self.received += len as u64;
                    if self.left == 0 {
                        self.at = At::DataCr;
                    }
                    return Ok((pos + len, Found::Data(pos..pos + len)));
                }
                At::DataCr => pos += self.data_cr(rest)?,
                At::DataLf => {
                    if byte != b'\n' {
                        return Err(ProtocolError::ChunkDataUnterminated);
                    }
                    self.begin_size();
                    pos += 1;
                }
                At::Trailers => {
                    let (len, any) = self.trailers(rest, limits)?;
                    pos += len;
                    if any {
                        return Ok((pos, Found::Trailers));
                    }
                }
                At::End => {}
            }
        }
    }

    fn begin_size(&mut self) {
        (self.at, self.left, self.digits, self.line) = (At::Size, 0, 0, 0);
    }

    /// Reads the line end after a chunk's data, or its CR. Gives how many bytes it took.
    #[inline]
    fn data_cr(&mut self, rest: &[u8]) -> Result<usize, ProtocolError> {
        if rest.starts_with(b"\r\n") {
            self.begin_size();
            return Ok(2);
        }
        match rest.first() {
            Some(b'\r') => self.at = At::DataLf,
            Some(b'\n') => return Err(ProtocolError::BareLfInChunk),
            _ => return Err(ProtocolError::ChunkDataUnterminated),
        }
        Ok(1)
    }

    /// Reads a size line, or as much of it as is there up to an extension. Gives how many bytes it took.
    #[inline]
    fn size(&mut self, rest: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
        match plain_size(rest) {
            Some((size, digits)) if self.digits == 0 && digits <= limits.chunk_line => {
                self.left = size;
                self.end_of_line();
                Ok(digits + 2)
            }
            _ => self.size_in_pieces(rest, limits),
        }
    }

    /// Reads on in a size line that is cut, or that has more than a few digits.
    fn size_in_pieces(&mut self, rest: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
        for (index, &byte) in rest.iter().enumerate() {
            let Some(digit) = char::from(byte).to_digit(16) else {
                if byte != b'\n' && self.digits == 0 {
                    return Err(match byte {
                        b'\r' | b';' => ProtocolError::ChunkSizeMissing,
                        _ => ProtocolError::ChunkSizeInvalid,
                    });
                }
                match byte {
                    b'\r' => self.at = At::SizeLf,
                    b'\n' => return Err(ProtocolError::BareLfInChunk),
                    b';' | b' ' | b'\t' => {
                        self.count_extension(1, limits)?;
                        self.at = match byte {
                            b';' => At::Extension,
                            _ => At::Padding,
                        };
                    }
                    _ => return Err(ProtocolError::ChunkSizeInvalid),
                }
                return Ok(index + 1);
            };
            if self.digits == MAX_DIGITS {
                return Err(ProtocolError::ChunkSizeTooLong);
            }
            self.digits += 1;
            self.count_line(1, limits)?;
            // Sixteen digits fill 64 bits exactly; `left` is zero before the first.
            self.left = self.left << 4 | u64::from(digit);
        }
        Ok(rest.len())
    }

    /// White space between the size and the end of the line or an extension. Some servers pad sizes.
    fn padding(&mut self, byte: u8, limits: &Limits) -> Result<(), ProtocolError> {
        match byte {
            b'\r' => self.at = At::SizeLf,
            b'\n' => return Err(ProtocolError::BareLfInChunk),
            b' ' | b'\t' => self.count_extension(1, limits)?,
            b';' => {
                self.count_extension(1, limits)?;
                self.at = At::Extension;
            }
            _ => return Err(ProtocolError::ChunkSizeInvalid),
        }
        Ok(())
    }

    /// Skips extension bytes up to the CR. Gives how many bytes it took.
    fn extension(&mut self, rest: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
        let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        // What comes first in the stream is reported, a control byte or the bound, so that the answer does
        // not depend on how the stream was cut.
        let allowed = (limits.chunk_line.saturating_sub(self.line))
            .min(limits.chunk_extensions.saturating_sub(self.extensions));
        let text = &rest[..end.min(allowed)];
        let control = |byte: &&u8| byte.is_ascii_control() && **byte != b'\t';
        if let Some(&byte) = text.iter().find(control) {
            return Err(ProtocolError::ControlInChunkExtension { byte });
        }
        self.count_extension(end, limits)?;
        match rest.get(end) {
            None => Ok(end),
            Some(b'\r') => {
                self.at = At::SizeLf;
                Ok(end + 1)
            }
            Some(_) => Err(ProtocolError::BareLfInChunk),
        }
    }

    fn size_lf(&mut self, byte: u8) -> Result<(), ProtocolError> {
        if byte != b'\n' {
            return Err(ProtocolError::BareCrInChunk);
        }
        self.end_of_line();
        Ok(())
    }

    /// Goes on to what follows a size line.
    fn end_of_line(&mut self) {
        self.at = match self.left {
            0 => At::Trailers,
            _ => At::Data,
        };
    }

    fn count_line(&mut self, bytes: usize, limits: &Limits) -> Result<(), ProtocolError> {
        self.line += bytes;
        if self.line > limits.chunk_line {
            return Err(ProtocolError::ChunkLineTooLong {
                limit: limits.chunk_line,
            });
        }
        Ok(())
    }

    /// Counts bytes of padding and extensions. If both bounds are crossed, the one that is crossed first is
    /// reported.
    fn count_extension(&mut self, bytes: usize, limits: &Limits) -> Result<(), ProtocolError> {
        let line_room = limits.chunk_line.saturating_sub(self.line);
        let room = limits.chunk_extensions.saturating_sub(self.extensions);
        if bytes > room && room < line_room {
            return Err(ProtocolError::ChunkExtensionsTooLong {
                limit: limits.chunk_extensions,
            });
        }
        self.extensions += bytes;
        self.count_line(bytes, limits)
    }

    /// Reads on in the trailer section. Gives how many bytes it took, and whether there are trailers.
    fn trailers(&mut self, rest: &[u8], limits: &Limits) -> Result<(usize, bool), ProtocolError> {
        if self.gathered.is_empty() && rest.starts_with(b"\r\n") {
            self.at = At::End;
            return Ok((2, false));
        }
        let end = self.trailer_end.find(rest);
        let len = end.unwrap_or(rest.len());
        if self.gathered.len() + len > limits.trailer_bytes {
            return Err(ProtocolError::TrailersTooLarge {
                limit: limits.trailer_bytes,
            });
        }
        let trailers = if end.is_some() && self.gathered.is_empty() {
            trailers::parse(&rest[..len], limits)?
        } else {
            self.gathered.extend_from_slice(&rest[..len]);
            if end.is_none() {
                return Ok((len, false));
            }
            trailers::parse(&mem::take(&mut self.gathered), limits)?
        };
        self.at = At::End;
        self.trailers = (!trailers.is_empty()).then(|| Box::new(trailers));
        Ok((len, self.trailers.is_some()))
    }
}

/// The size, and how many digits it has, of a whole line of one to eight digits: nearly every size line.
#[inline]
fn plain_size(rest: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    for (index, &byte) in rest.iter().take(9).enumerate() {
        match char::from(byte).to_digit(16) {
            Some(digit) => size = size << 4 | u64::from(digit),
            None if index > 0 && rest[index..].starts_with(b"\r\n") => return Some((size, index)),
            _ => return None,
        }
    }
    None
}
