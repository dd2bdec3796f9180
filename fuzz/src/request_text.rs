//! The head of a request as lines of text, read with an eye for what may have slipped in.

/// What a head says.
pub(crate) struct RequestText {
    pub(crate) line: String,
    /// The names as they are, the values without the white space around them.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
}

impl RequestText {
    /// Reads one head, and panics if `bytes` are anything else.
    pub(crate) fn read(bytes: &[u8]) -> RequestText {
        let shown = bytes.escape_ascii();
        let text = bytes
            .strip_suffix(b"\r\n\r\n")
            .expect("a head ends in an empty line");
        let mut lines: Vec<&[u8]> = Vec::new();
        let mut rest = text;
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            lines.push(&rest[..end]);
            rest = &rest[end + 2..];
        }
        lines.push(rest);
        let breaks = bytes
            .iter()
            .filter(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        assert_eq!(breaks, 2 * lines.len() + 2, "a stray line end in {shown}");
        assert!(
            lines.iter().all(|line| !line.is_empty()),
            "an empty line in {shown}"
        );
        assert!(!bytes.contains(&0), "a NUL in {shown}");
        let line = std::str::from_utf8(lines[0]).expect("a request line is text");
        assert!(
            line.bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic()),
            "{shown}"
        );
        assert_eq!(line.matches(' ').count(), 2, "a space too many in {shown}");
        let fields: Vec<_> = lines[1..].iter().map(|line| field(line)).collect();
        let count = |names: &[&str]| {
            fields
                .iter()
                .filter(|(name, _)| names.contains(&name.as_str()))
                .count()
        };
        assert_eq!(count(&["host"]), 1, "not one Host field in {shown}");
        assert!(
            count(&["content-length", "transfer-encoding"]) <= 1,
            "two lengths in {shown}"
        );
        assert!(
            count(&["connection"]) <= 1,
            "two Connection fields in {shown}"
        );
        RequestText {
            line: line.to_owned(),
            fields,
        }
    }

    /// The values of the fields of a name.
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        let fields = self.fields.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| &value[..]).collect()
    }
}

fn field(line: &[u8]) -> (String, Vec<u8>) {
    let colon = line.iter().position(|byte| *byte == b':').expect("a colon");
    let name = std::str::from_utf8(&line[..colon]).expect("a name is text");
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    assert!(
        !name.is_empty() && name.bytes().all(token),
        "a name: {name:?}"
    );
    (name.to_owned(), trim(&line[colon + 1..]).to_vec())
}

/// `value` without spaces and tabs at its ends.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let white = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !white(byte))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !white(byte))
        .map_or(start, |at| at + 1);
    &value[start..end]
}
