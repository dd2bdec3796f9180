//! The chunked coding (RFC 9112 section 7.1), read a second time: a line at a time from bytes that are all there.

use eyewall::http::codec::Limits;

use crate::request_text::trim;

/// What stands in a chunked body.
#[derive(Debug, PartialEq)]
pub(crate) enum Model {
    Whole(Body),
    /// It is right so far, or what is wrong with it stands in a line that has no end yet.
    Partial {
        /// The content of the chunks up to here.
        content: Vec<u8>,
    },
    /// No more bytes would make it right. What is wrong in the trailer section may show only at its end.
    Wrong {
        in_trailers: bool,
    },
}

/// A chunked body that is complete.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Body {
    pub(crate) content: Vec<u8>,
    /// The names are in lower case.
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// How many bytes it has with its framing.
    pub(crate) len: usize,
}

/// What `wire` begins with.
pub(crate) fn read(wire: &[u8], limits: &Limits) -> Model {
    let mut body = Body::default();
    let (mut rest, mut extensions) = (wire, 0);
    loop {
        let Some((line, after)) = line(rest) else {
            return Model::Partial {
                content: body.content,
            };
        };
        let Some((size, extra)) = size_line(line) else {
            return Model::Wrong { in_trailers: false };
        };
        extensions += extra;
        if line.len() > limits.chunk_line || extensions > limits.chunk_extensions {
            return Model::Wrong { in_trailers: false };
        }
        rest = after;
        if size == 0 {
            break;
        }
        let len = usize::try_from(size).map_or(rest.len(), |size| size.min(rest.len()));
        body.content.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        match rest {
            [] | [b'\r'] => {
                return Model::Partial {
                    content: body.content,
                };
            }
            [b'\r', b'\n', after @ ..] => rest = after,
            _ => return Model::Wrong { in_trailers: false },
        }
    }
    trailers(wire, rest, limits, body)
}

fn trailers(wire: &[u8], section: &[u8], limits: &Limits, mut body: Body) -> Model {
    let (mut rest, mut count) = (section, 0);
    loop {
        let Some((line, after)) = line(rest) else {
            return Model::Partial {
                content: body.content,
            };
        };
        rest = after;
        let bytes = section.len() - rest.len();
        if line.is_empty() {
            // An empty section is no section.
            if count > 0 && bytes > limits.trailer_bytes {
                return Model::Wrong { in_trailers: true };
            }
            body.len = wire.len() - rest.len();
            return Model::Whole(body);
        }
        count += 1;
        let Some(field) = field(line) else {
            return Model::Wrong { in_trailers: true };
        };
        if count > limits.trailer_fields || bytes > limits.trailer_bytes {
            return Model::Wrong { in_trailers: true };
        }
        body.trailers.push(field);
    }
}

/// The first line and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

/// The size, and how many bytes there are beside it.
fn size_line(line: &[u8]) -> Option<(u64, usize)> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (number, beside) = line.split_at(digits);
    if !(1..=16).contains(&digits) {
        return None;
    }
    let padding = beside
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let extension = &beside[padding..];
    let text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    if !(extension.is_empty() || extension[0] == b';') || !extension.iter().all(text) {
        return None;
    }
    let number = std::str::from_utf8(number).ok()?;
    Some((u64::from_str_radix(number, 16).ok()?, beside.len()))
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    if name.is_empty() || !name.iter().all(token) || !value.iter().all(text) {
        return None;
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Some((name, trim(value).to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(wire: &str) -> Body {
        match read(wire.as_bytes(), &Limits::default()) {
            Model::Whole(body) => body,
            other => panic!("{other:?} for {wire:?}"),
        }
    }

    #[test]
    fn what_is_right_is_read() {
        let body = whole("5;x=y\r\nhello\r\n0a \r\n0123456789\r\n0\r\nA:  b c \r\n\r\nleft");
        assert_eq!(body.content, b"hello0123456789");
        assert_eq!(body.trailers, [("a".to_owned(), b"b c".to_vec())]);
        assert_eq!(
            body.len,
            "5;x=y\r\nhello\r\n0a \r\n0123456789\r\n0\r\nA:  b c \r\n\r\n".len()
        );
        assert_eq!(whole("0000\r\n\r\n").content, b"");
    }

    #[test]
    fn what_is_cut_off_is_partial() {
        let wire = b"5\r\nhello\r\n0\r\nA: b\r\n\r\n";
        for len in 0..wire.len() {
            let model = read(&wire[..len], &Limits::default());
            assert!(
                matches!(model, Model::Partial { .. }),
                "{len} bytes: {model:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_wrong() {
        for wire in [
            "\r\n",
            "g\r\n",
            " 5\r\n",
            "5 x\r\n",
            "5\n0\r\n\r\n",
            "5;\n\r\n",
            "00000000000000005\r\n",
            "1\r\nabc",
            "0\r\n: b\r\n\r\n",
            "0\r\nA b\r\n\r\n",
            "0\r\nA: b\r\n c\r\n\r\n",
            "0\r\nA: b\nC: d\r\n\r\n",
        ] {
            let model = read(wire.as_bytes(), &Limits::default());
            assert!(matches!(model, Model::Wrong { .. }), "{wire:?}: {model:?}");
        }
    }
}
