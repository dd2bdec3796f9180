//! What the first bytes of an input say about the rest.
//!
//! Five bytes, so that a fuzzer can change each of them alone, and so that a seed is text that can be read: `00000` is
//! the answer to a GET, with the default limits, on a connection that stays open.

use eyewall::http::codec::{Limits, RequestKind};

use crate::cut::Random;

/// How a response is to be decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) request: RequestKind,
    pub(crate) strict: bool,
    pub(crate) ending: Ending,
    /// A bit that the target may use.
    pub(crate) other: bool,
    /// Where the input is cut, and the like.
    pub(crate) seed: u64,
}

/// What the peer does after the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing yet.
    Open,
    /// It closes.
    Orderly,
    /// The connection ends in a way that anyone may have brought about.
    Unclean,
}

impl Settings {
    /// The settings, and the bytes that they are for. `None` if there are too few.
    pub(crate) fn read(data: &[u8]) -> Option<(Settings, &[u8])> {
        let ([request, ending, limits, seed @ ..], wire) = data.split_first_chunk::<5>()?;
        let bit = |bit: u8| request >> bit & 1 == 1;
        let seed = u64::from(u16::from_le_bytes(*seed));
        let settings = Settings {
            limits: bounds(*limits, seed),
            request: RequestKind {
                head: bit(0),
                connect: bit(1),
                upgrade: bit(2),
            },
            strict: bit(3),
            ending: match ending % 3 {
                0 => Ending::Open,
                1 => Ending::Orderly,
                _ => Ending::Unclean,
            },
            other: bit(6),
            seed,
        };
        Some((settings, wire))
    }
}

/// The default limits, small ones, or some of each.
fn bounds(selector: u8, seed: u64) -> Limits {
    let mut random = Random::new(seed ^ u64::from(selector) << 32);
    let usual = Limits::default();
    let mut bound = |usual: usize, small: usize| match selector % 4 {
        0 => usual,
        1 => random.below(small),
        2 => random.below(small * 8),
        _ if random.below(2) == 0 => random.below(small),
        _ => usual,
    };
    Limits {
        head_bytes: bound(usual.head_bytes, 80),
        fields: bound(usual.fields, 5),
        informational: bound(usual.informational, 3),
        chunk_line: bound(usual.chunk_line, 9),
        chunk_extensions: bound(usual.chunk_extensions, 9),
        trailer_bytes: bound(usual.trailer_bytes, 24),
        trailer_fields: bound(usual.trailer_fields, 4),
    }
}
