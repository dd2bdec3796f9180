//! Where the fields of a head stand in its text.

/// How many lines are gathered on the stack. Few heads have more.
const FEW: usize = 32;

/// The lines of a head while it is read, as the bytes that they are kept as.
#[derive(Debug)]
pub(super) struct Index {
    few: [[u8; Line::SIZE]; FEW],
    many: Vec<[u8; Line::SIZE]>,
    count: usize,
    names: Names,
}

/// Where in the text a field stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) name: u32,
    pub(super) name_end: u32,
    pub(super) value: u32,
    pub(super) value_end: u32,
}

/// Names, each as one of 64 bits: what has no bit is not there. Most of the fields that are asked for are not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names(u64);

impl Index {
    #[inline]
    pub(super) fn new() -> Index {
        Index {
            few: [[0; Line::SIZE]; FEW],
            many: Vec::new(),
            count: 0,
            names: Names::default(),
        }
    }

    /// Adds a line of `text`.
    #[inline]
    pub(super) fn push(&mut self, line: Line, text: &[u8]) {
        let first = text[line.name as usize];
        self.names.0 |= Names::bit(first, line.name_len());
        let line = line.to_bytes();
        match self.few.get_mut(self.count) {
            Some(slot) => *slot = line,
            None => self.many.push(line),
        }
        self.count += 1;
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn names(&self) -> Names {
        self.names
    }

    /// The lines and then `text`, in one block.
    #[inline]
    pub(super) fn with(&self, text: &[u8]) -> Box<[u8]> {
        let few = self.few[..self.count.min(FEW)].as_flattened();
        let mut bytes = Vec::with_capacity(self.count * Line::SIZE + text.len());
        bytes.extend_from_slice(few);
        bytes.extend_from_slice(self.many.as_flattened());
        bytes.extend_from_slice(text);
        bytes.into_boxed_slice()
    }
}

impl Line {
    pub(super) const SIZE: usize = size_of::<Line>();

    pub(super) fn name_len(self) -> usize {
        (self.name_end - self.name) as usize
    }

    #[inline]
    pub(super) fn name(self, text: &[u8]) -> &[u8] {
        &text[self.name as usize..self.name_end as usize]
    }

    #[inline]
    pub(super) fn value(self, text: &[u8]) -> &[u8] {
        &text[self.value as usize..self.value_end as usize]
    }

    #[inline]
    fn to_bytes(self) -> [u8; Line::SIZE] {
        let parts = [self.name, self.name_end, self.value, self.value_end];
        let mut bytes = [0; Line::SIZE];
        for (to, part) in bytes.chunks_exact_mut(4).zip(parts) {
            to.copy_from_slice(&part.to_ne_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; Line::SIZE]) -> Line {
        let part = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Line {
            name: part(0),
            name_end: part(4),
            value: part(8),
            value_end: part(12),
        }
    }
}

impl Names {
    /// Whether there may be a field of this name, in any case.
    #[inline]
    pub(super) fn may_have(self, name: &[u8]) -> bool {
        let first = name.first().copied().unwrap_or(0);
        self.0 & Names::bit(first, name.len()) != 0
    }

    /// The bit of a name of this length that begins with `first`, in any case.
    #[inline]
    fn bit(first: u8, len: usize) -> u64 {
        1 << ((usize::from(first | 0x20) + len) % 64)
    }
}
