//! Zstandard (RFC 8878).

use std::fmt;
use std::io;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::super::error::BoxError;

/// The largest window, as a power of two: 8 MiB, which is what a decoder has to take (RFC 9659).
const WINDOW_LOG_MAX: u32 = 23;

/// Frames of zstd, one after the other.
pub(super) struct Zstd {
    decoder: Decoder<'static>,
    /// At the end of a frame.
    ended: bool,
}

impl Zstd {
    pub(super) fn new() -> io::Result<Zstd> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Zstd {
            decoder,
            ended: false,
        })
    }

    pub(super) fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BoxError> {
        if self.ended && input.is_empty() {
            return Ok(0);
        }
        let mut input = InBuffer::around(input);
        let start = output.len();
        let mut output = OutBuffer::around_pos(output, start);
        let hint = self.decoder.run(&mut input, &mut output)?;
        self.ended = hint == 0;
        Ok(input.pos())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.ended
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
