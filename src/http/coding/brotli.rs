//! Brotli (RFC 7932).

use std::fmt;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::super::error::BoxError;

/// A stream of brotli; its window has at most 16 MiB.
pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    ended: bool,
}

impl Brotli {
    pub(super) fn new() -> Brotli {
        let alloc = StandardAlloc::default();
        Brotli {
            state: Box::new(BrotliState::new_strict(alloc, alloc, alloc)),
            ended: false,
        }
    }

    pub(super) fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BoxError> {
        if self.ended {
            return match input {
                [] => Ok(0),
                _ => Err("bytes follow the end of the brotli stream".into()),
            };
        }
        let start = output.len();
        // It wants initialised memory.
        output.resize(output.capacity(), 0);
        let (mut left, mut consumed) = (input.len(), 0);
        let (mut room, mut end, mut total) = (output.len() - start, start, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut consumed,
            input,
            &mut room,
            &mut end,
            output,
            &mut total,
            &mut self.state,
        );
        output.truncate(end);
        match result {
            BrotliResult::ResultFailure => return Err("not a brotli stream".into()),
            BrotliResult::ResultSuccess => self.ended = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(consumed)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.ended
    }
}

impl fmt::Debug for Brotli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brotli")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
