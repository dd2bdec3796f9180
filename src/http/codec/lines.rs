//! Reads a status line and field lines, in one pass over their bytes.
//!
//! The grammar is that of RFC 9112 sections 4 and 5, with what its section 2.2 lets a recipient tolerate: a line may
//! end in LF alone. White space before a colon and folded lines are refused here; what is wrong with a line is looked
//! for by others, once it is known that one is.
//!
//! Most of the bytes are looked at eight at a time: arithmetic on a word marks those that may end a name or a value,
//! and only they are judged one by one. Words of sixteen would need `unsafe` or another crate, and save 2 % of a fetch.

use http::Version;

use super::fields::trim;
use super::headers::MAX_NAME;

/// Lines that are not right, or not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a status line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status<'t> {
    pub(super) version: Version,
    /// Three digits: 0 to 999.
    pub(super) code: u16,
    /// The reason phrase, with any white space around it.
    pub(super) reason: &'t [u8],
}

/// A field line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'t> {
    /// A token.
    pub(super) name: &'t [u8],
    /// What is between the colon and the line end, where the only control bytes are tabs.
    rest: &'t [u8],
}

/// Lines that are read one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<'t> {
    text: &'t [u8],
    rest: &'t [u8],
    strict: bool,
}

impl<'t> Line<'t> {
    /// The value, without the white space around it.
    pub(super) fn value(self) -> &'t [u8] {
        trim(self.rest)
    }
}

impl<'t> Lines<'t> {
    /// The lines at the front of `text`. In `strict` ones, no line may end in LF without CR.
    #[inline]
    pub(super) fn new(text: &'t [u8], strict: bool) -> Self {
        Lines {
            text,
            rest: text,
            strict,
        }
    }

    /// What has been read.
    #[inline]
    pub(super) fn done(&self) -> &'t [u8] {
        before(self.text, self.rest)
    }

    /// Reads a status line.
    #[inline]
    pub(super) fn status(&mut self) -> Result<Status<'t>, Malformed> {
        let (line, rest) = self.rest.split_first_chunk::<12>().ok_or(Malformed)?;
        let [
            version @ ..,
            b' ',
            a @ b'0'..=b'9',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
        ] = line
        else {
            return Err(Malformed);
        };
        let version = match u64::from_ne_bytes(*version) {
            HTTP_11 => Version::HTTP_11,
            HTTP_10 => Version::HTTP_10,
            _ => return Err(Malformed),
        };
        let digit = |byte: &u8| u16::from(byte - b'0');
        let reason = match rest {
            [b' ', rest @ ..] => self.value(rest)?,
            _ => {
                self.end_line(rest)?;
                &[]
            }
        };
        Ok(Status {
            version,
            code: digit(a) * 100 + digit(b) * 10 + digit(c),
            reason,
        })
    }

    /// Reads a field line, or the empty line, which gives `None`.
    #[inline(always)]
    pub(super) fn field(&mut self) -> Result<Option<Line<'t>>, Malformed> {
        let line = self.rest;
        let mut end = line;
        let value = loop {
            end = find(end, not_letters);
            match end {
                [b':', value @ ..] => break value,
                [b'-', after @ ..] => end = after,
                _ => {
                    end = after_token(end);
                    match end {
                        [b':', value @ ..] => break value,
                        _ => return self.end_line(line).map(|()| None),
                    }
                }
            }
        };
        let name = before(line, end);
        if !(1..=MAX_NAME).contains(&name.len()) {
            return Err(Malformed);
        }
        let rest = self.value(value)?;
        Ok(Some(Line { name, rest }))
    }

    /// Reads what the line has from `line` on, which may be anything but control bytes.
    #[inline(always)]
    fn value(&mut self, line: &'t [u8]) -> Result<&'t [u8], Malformed> {
        let mut end = find(line, value_may_end);
        if let Some(next) = strip(end, *b"\r\n") {
            self.rest = next;
        } else {
            end = after_text(end);
            self.end_line(end)?;
        }
        Ok(before(line, end))
    }

    /// Goes on behind the line end that `rest` begins with.
    #[inline(always)]
    fn end_line(&mut self, rest: &'t [u8]) -> Result<(), Malformed> {
        self.rest = match rest {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\n', rest @ ..] if !self.strict => rest,
            _ => return Err(Malformed),
        };
        Ok(())
    }
}

/// What `text` has before its end `rest`.
#[inline(always)]
fn before<'t>(text: &'t [u8], rest: &[u8]) -> &'t [u8] {
    &text[..text.len() - rest.len()]
}

/// What follows `two` at the front of `rest`. The two are compared as one.
#[inline(always)]
fn strip(rest: &[u8], two: [u8; 2]) -> Option<&[u8]> {
    match rest.split_first_chunk() {
        Some((front, rest)) if *front == two => Some(rest),
        _ => None,
    }
}

/// What follows after the bytes at the front of `rest` that a name may have.
#[inline(never)]
fn after_token(mut rest: &[u8]) -> &[u8] {
    while let [byte, after @ ..] = rest
        && TOKEN[usize::from(*byte)]
    {
        rest = after;
    }
    rest
}

/// What follows after the bytes at the front of `rest` that a value or a reason phrase may have.
#[inline(never)]
fn after_text(mut rest: &[u8]) -> &[u8] {
    while let [b'\t' | b' '..=b'~' | 0x80.., after @ ..] = rest {
        rest = find(after, value_ends);
    }
    rest
}

/// The part of `rest` from the first byte on whose highest bit `marks` sets in a word of eight bytes, or from the
/// bytes on that make no word.
#[inline(always)]
fn find(mut rest: &[u8], marks: impl Fn(u64) -> u64) -> &[u8] {
    while let Some(word) = rest.first_chunk() {
        let marks = marks(u64::from_le_bytes(*word)) & each(0x80);
        if marks != 0 {
            return &rest[(marks.trailing_zeros() / 8) as usize..];
        }
        rest = &rest[8..];
    }
    rest
}

const HTTP_11: u64 = u64::from_ne_bytes(*b"HTTP/1.1");
const HTTP_10: u64 = u64::from_ne_bytes(*b"HTTP/1.0");

/// A word of eight such bytes.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks what is not a letter. A carry goes only to bytes behind one that is marked.
#[inline]
pub(super) fn not_letters(word: u64) -> u64 {
    let lower = word | each(0x20);
    let below_a = lower.wrapping_sub(each(b'a'));
    let beyond_z = lower.wrapping_add(each(0x80 - b'z' - 1));
    below_a | beyond_z
}

/// Marks control bytes and what is not ASCII, which takes less than to tell them apart. A carry goes only to bytes
/// behind one that is marked.
#[inline]
pub(super) fn value_may_end(word: u64) -> u64 {
    let below_space = word.wrapping_sub(each(b' '));
    let delete = word.wrapping_add(each(1));
    below_space | delete
}

/// Marks control bytes, and sometimes the byte behind one or behind what is not ASCII, to which a carry goes.
#[inline]
pub(super) fn value_ends(word: u64) -> u64 {
    let below_space = word.wrapping_sub(each(b' '));
    let delete = word.wrapping_add(each(1));
    (below_space | delete) & !word
}

/// The `tchar` of RFC 9110 section 5.6.2.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};
