//! The bounds that a response must keep, whatever its peer sends.

/// How much of a response is read before it is refused.
///
/// Every bound is on bytes or counts as they come over the wire. The size of the content itself is not
/// bounded here: the caller counts it, because it is the decoded size that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all heads of one exchange together: interim responses (1xx), the final head, and blank
    /// lines before them. Default: 64 KiB; never more than 4 GiB.
    pub head_bytes: usize,
    /// Field lines in one head. Default: 128; never more than 16,384.
    pub fields: usize,
    /// Interim responses (1xx) before the final one. Default: 16.
    pub informational: usize,
    /// Bytes of one chunk-size line without its CRLF: digits, padding and extensions. Default: 1 KiB.
    pub chunk_line: usize,
    /// Bytes of chunk extensions (and padding) in one whole body. Default: 16 KiB.
    pub chunk_extensions: usize,
    /// Bytes of the trailer section with its closing empty line. Default: 16 KiB; never less than the 2 of that line,
    /// and never more than 4 GiB.
    pub trailer_bytes: usize,
    /// Field lines in the trailer section, those that are dropped included. Default: 100; never more than 16,384.
    pub trailer_fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes: 64 * 1024,
            fields: 128,
            informational: 16,
            chunk_line: 1024,
            chunk_extensions: 16 * 1024,
            trailer_bytes: 16 * 1024,
            trailer_fields: 100,
        }
    }
}
