//! What a head says, read a second time: slowly, line by line, without a parser.

use eyewall::http::codec::{Framing, Head, RequestKind};
use http::Version;

use crate::request_text::trim;
use crate::sight::Message;

/// Checks a head that has been accepted against the bytes that it was read from.
pub(crate) fn check(message: &Message, bytes: &[u8], request: RequestKind) {
    let lines: Vec<&[u8]> = lines(bytes);
    let shown = bytes.escape_ascii();
    let (status, fields) = lines.split_first().expect("a head has a line");
    check_status(&message.head, status);
    let (fields, folded) = unfold(fields);
    let seen: Vec<_> = (message.lines.iter())
        .map(|(name, value)| (name.clone(), plain(value, folded)))
        .collect();
    let expected: Vec<_> = fields.iter().map(|line| field(line, folded)).collect();
    assert_eq!(seen, expected, "the fields of {shown}");
    for (name, value) in &message.lines {
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        assert!(
            !name.is_empty() && name.iter().all(token),
            "a name in {shown}"
        );
        let text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
        assert!(value.iter().all(text), "a value in {shown}");
    }
    let (framing, keep_alive) = framing(message, request);
    assert_eq!(message.head.framing, framing, "the framing of {shown}");
    assert_eq!(
        message.head.keep_alive, keep_alive,
        "whether the connection stays after {shown}"
    );
}

/// The lines of a head without their ends, without empty ones before the status line, and without the empty line.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let text = bytes.strip_suffix(b"\n").expect("a head ends in LF");
    let lines = text.split(|byte| *byte == b'\n');
    let mut lines: Vec<&[u8]> = lines
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty())
        .collect();
    assert_eq!(lines.pop(), Some(&b""[..]), "a head ends in an empty line");
    assert!(
        lines.iter().all(|line| !line.is_empty()),
        "an empty line in a head"
    );
    lines
}

fn check_status(head: &Head, line: &[u8]) {
    let text: String = line.iter().map(|byte| char::from(*byte)).collect();
    let (version, rest) = text.split_at(8);
    let expected = match head.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        other => panic!("version {other:?}"),
    };
    assert_eq!(version, expected);
    let code = format!(" {}", head.status.as_str());
    let reason = rest.strip_prefix(&*code).expect("the status code");
    let reason = reason.trim_matches([' ', '\t']);
    let usual = head.status.canonical_reason();
    let kept = (!reason.is_empty() && Some(reason) != usual).then_some(reason);
    assert_eq!(head.reason.as_deref(), kept, "the reason phrase");
}

/// The field lines with the folded ones joined to those before, and whether there were any.
fn unfold(lines: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let mut folded = false;
    for line in lines {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            folded = true;
            let before = fields.last_mut().expect("the first field is not folded");
            before.push(b' ');
            before.extend_from_slice(line);
        } else {
            fields.push(line.to_vec());
        }
    }
    (fields, folded)
}

fn field(line: &[u8], folded: bool) -> (Vec<u8>, Vec<u8>) {
    let colon = line.iter().position(|byte| *byte == b':').expect("a colon");
    (line[..colon].to_vec(), plain(&line[colon + 1..], folded))
}

/// A value without the white space around it; in a head with folds without any, since nobody says how much of it a
/// fold leaves.
fn plain(value: &[u8], folded: bool) -> Vec<u8> {
    if folded {
        let white = |byte: &u8| matches!(byte, b' ' | b'\t');
        return value.iter().copied().filter(|byte| !white(byte)).collect();
    }
    trim(value).to_vec()
}

/// How the content must be framed, by RFC 9112 section 6.3, and whether the connection can be used again. Panics if
/// the head should not have been accepted at all.
fn framing(message: &Message, request: RequestKind) -> (Framing, bool) {
    let head = &message.head;
    let list = |name: &str| {
        let mut elements = Vec::new();
        for (key, value) in &message.lines {
            if key.eq_ignore_ascii_case(name.as_bytes()) {
                let value = String::from_utf8_lossy(value).to_ascii_lowercase();
                elements.extend(
                    value
                        .split(',')
                        .map(|part| part.trim_matches([' ', '\t']).to_owned()),
                );
            }
        }
        elements
    };
    let options = list("connection");
    let has = |option: &str| options.iter().any(|known| known == option);
    let stays = !has("close") && (head.version == Version::HTTP_11 || has("keep-alive"));
    let code = head.status.as_u16();
    assert_eq!(
        message.informational,
        (100..200).contains(&code) && code != 101
    );
    if code == 101 {
        assert!(request.upgrade, "an upgrade that nobody asked for");
        return (Framing::Tunnel, false);
    }
    if message.informational {
        return (Framing::None, stays);
    }
    if request.connect && (200..300).contains(&code) {
        return (Framing::Tunnel, false);
    }
    let (lengths, codings) = (list("content-length"), list("transfer-encoding"));
    assert!(
        lengths.is_empty() || codings.is_empty(),
        "a length and a transfer coding"
    );
    let framing = if !codings.is_empty() {
        assert_eq!(codings, ["chunked"]);
        assert_eq!(head.version, Version::HTTP_11);
        Framing::Chunked
    } else if let Some(first) = lengths.first() {
        assert!(
            lengths
                .iter()
                .all(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        );
        let number = |text: &String| text.parse::<u64>().expect("a number of 64 bits");
        let length = number(first);
        assert!(
            lengths.iter().all(|text| number(text) == length),
            "lengths that differ"
        );
        Framing::Length(length)
    } else {
        Framing::UntilClose
    };
    match code {
        204 => {
            let announced = !matches!(framing, Framing::UntilClose | Framing::Length(0));
            (Framing::None, stays && !announced)
        }
        304 => (Framing::None, stays),
        _ if request.head => (Framing::None, stays),
        _ => (framing, stays && framing != Framing::UntilClose),
    }
}
