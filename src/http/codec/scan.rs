//! Finds the empty line that ends a head or a trailer section, in pieces, each byte looked at once.

use memchr::memchr;

/// Where in a line the scan stands.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Nothing of the line has come.
    Start,
    /// The line has begun with CR.
    StartCr,
    /// The line is not empty.
    Inside,
}

/// The state of a scan that goes on from input to input.
///
/// A line ends in LF; the empty line is LF or CRLF. Whether a bare LF is allowed is not decided here.
#[derive(Debug)]
pub(super) struct EmptyLine {
    at: At,
}

impl EmptyLine {
    /// A scan from the start of a line on.
    pub(super) fn new() -> Self {
        EmptyLine { at: At::Start }
    }

    /// The offset just after the empty line, if it ends in `input`. The scan stands at the start of a line then.
    pub(super) fn find(&mut self, input: &[u8]) -> Option<usize> {
        let mut pos = 0;
        loop {
            match self.at {
                At::Inside => {
                    pos += memchr(b'\n', &input[pos..])? + 1;
                    self.at = At::Start;
                }
                At::Start => {
                    let byte = *input.get(pos)?;
                    pos += 1;
                    self.at = match byte {
                        b'\n' => return Some(pos),
                        b'\r' => At::StartCr,
                        _ => At::Inside,
                    };
                }
                At::StartCr => {
                    if *input.get(pos)? == b'\n' {
                        self.at = At::Start;
                        return Some(pos + 1);
                    }
                    self.at = At::Inside;
                }
            }
        }
    }
}

/// Whether a line of `bytes` ends in LF without CR.
pub(super) fn has_bare_lf(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes).any(|at| at == 0 || bytes[at - 1] != b'\r')
}
