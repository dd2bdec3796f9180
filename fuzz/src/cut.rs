//! The same bytes in other pieces.

/// xorshift64*: what is chosen depends on the input alone, so that a finding stays one.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        // Zero would stay zero.
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        bits as usize % bound
    }
}

/// A name for a way to cut `bytes`, and the pieces: single bytes, two parts, and pieces of random lengths, some of
/// them empty.
pub(crate) fn ways(bytes: &[u8], seed: u64) -> [(&'static str, Vec<&[u8]>); 3] {
    let mut random = Random::new(seed);
    let (front, back) = bytes.split_at(random.below(bytes.len() + 1));
    [
        ("single bytes", bytes.chunks(1).collect()),
        ("two parts", vec![front, back]),
        ("pieces", pieces(bytes, &mut random)),
    ]
}

fn pieces<'a>(mut bytes: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let longest = 1 + random.below(32);
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(random.below(longest + 1).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        for seed in 0..100 {
            for (way, pieces) in ways(&bytes, seed) {
                assert_eq!(pieces.concat(), bytes, "{way} of seed {seed}");
            }
        }
    }
}
