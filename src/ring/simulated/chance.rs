//! What happens is drawn from a seed, so that it happens again.

/// A liberty that io_uring takes. A seed chooses which of them a ring takes at all, so that each is also seen without
/// the others.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Liberty {
    /// What could be done when it is submitted is done later.
    Punt,
    /// Of several that could go on, one is left for later.
    PassOver,
    /// A receive or a send moves a part of what it could.
    Short,
    /// A multishot operation ends, as it does when the completion queue is full.
    EndMultishot,
    /// There is no buffer to pick: another receive had the last one a moment ago.
    NoBuffer,
    /// The target of a cancel completes before the cancel comes to it.
    LateCancel,
    /// The target of a cancel goes on for a while, as one does that a worker of the kernel is at (EALREADY).
    SlowCancel,
    /// Not all that is staged is submitted.
    ShortSubmit,
    /// Nothing is submitted (EBUSY).
    Busy,
    /// A wait ends without a completion (EINTR).
    Interrupt,
    /// An operation ends with EINTR, as one does that a worker is at when the process is stopped.
    InterruptOperation,
    /// A socket that has more does not say so.
    Silent,
    /// The end of a stream comes with a buffer.
    EndInBuffer,
}

/// The smallest part, in bytes.
const LEAST: usize = 128;

/// A generator of pseudo-random numbers (SplitMix64, by Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(super) struct Chance {
    state: u64,
    liberties: u64,
}

impl Chance {
    /// All that `seed` brings. With 0 the ring takes no liberty.
    pub(super) fn of(seed: u64) -> Chance {
        let mut chance = Chance {
            state: seed,
            liberties: 0,
        };
        if seed > 0 {
            // Each with one in two. (The first number of seed 6 would take none.)
            chance.liberties = chance.next() ^ chance.next();
        }
        chance
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is above zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Whether the liberty is taken now; one in `often` times, if at all.
    pub(super) fn takes(&mut self, liberty: Liberty, often: usize) -> bool {
        self.liberties >> liberty as u8 & 1 == 1 && self.below(often) == 0
    }

    /// `len`, or less where a part is enough. What is as small as most tests' messages, which come whole over loopback, is
    /// not taken apart.
    pub(super) fn part_of(&mut self, len: usize) -> usize {
        match len > LEAST && self.takes(Liberty::Short, 4) {
            true => LEAST + self.below(len - LEAST),
            false => len,
        }
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
