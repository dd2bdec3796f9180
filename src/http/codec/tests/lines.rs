//! Every byte at every place of a line.

use super::super::lines::{not_letters, value_ends, value_may_end};
use super::{ProtocolError, Seen, assert_same, plain};

type Field = (Vec<u8>, Vec<u8>);

/// The fields of a head with these lines, read whole and from single bytes.
fn read(lines: &[u8]) -> Result<Vec<Field>, ProtocolError> {
    let wire = [b"HTTP/1.1 204 No Content\r\n", lines, b"\r\n"].concat();
    let whole = plain().feed(&[&wire]);
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_same(&whole, &plain().feed(&bytes), "a byte at a time");
    match whole.into_iter().next().expect("something is seen") {
        Seen::Head(head) => Ok((head.headers.lines())
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect()),
        Seen::Error(error) => Err(error),
        other => panic!("{other:?} of {}", wire.escape_ascii()),
    }
}

/// `text` with another byte at `at`.
fn change(text: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut changed = text.to_vec();
    changed[at] = byte;
    changed
}

/// What is at the front and in the middle of a word, at its end, and beyond the last one.
const PLACES: [usize; 8] = [0, 1, 6, 7, 8, 12, 15, 19];

#[test]
fn f25_names_are_tokens() {
    for byte in (0..=255).filter(|byte| !b":\r\n".contains(byte)) {
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        for at in PLACES {
            if at == 0 && b" \t".contains(&byte) {
                continue; // A folded line.
            }
            for text in [b"Accept-CH-Lifetime-Z", b"x_0123456789.abcdefg"] {
                let name = change(text, at, byte);
                let read = read(&[b"A: b\r\n", &*name, b": c\r\n"].concat());
                let right = vec![(b"A".to_vec(), b"b".to_vec()), (name, b"c".to_vec())];
                assert_eq!(read.is_ok(), token, "{byte:#x} at {at}");
                assert!(read.is_err() || read == Ok(right), "{byte:#x} at {at}");
            }
        }
    }
}

#[test]
fn f24_values_have_no_control_bytes() {
    for byte in (0..=255).filter(|byte| *byte != b'\n') {
        let allowed = byte == b'\t' || !byte.is_ascii_control();
        for at in PLACES {
            // A tilde is the byte below DEL: what comes before it must not change what it is taken for.
            for text in [
                b"~~~~~~~~~~~~~~~~~~~~",
                b"W/\"abc\", \xff\xff \x80 \t \t.. ",
            ] {
                let value = change(text, at, byte);
                let read = read(&[b"A:", &*value, b"\r\nB: \t\r\n"].concat());
                let right = vec![
                    (b"A".to_vec(), value.trim_ascii().to_vec()),
                    (b"B".to_vec(), Vec::new()),
                ];
                assert_eq!(read.is_ok(), allowed, "{byte:#x} at {at}");
                assert!(read.is_err() || read == Ok(right), "{byte:#x} at {at}");
            }
        }
    }
}

#[test]
fn values_of_all_lengths_are_trimmed() {
    for len in 0..40 {
        let value = b"v \xff~".repeat(10)[..len].trim_ascii().to_vec();
        for (before, after) in [
            ("", ""),
            (" ", ""),
            ("  ", " "),
            ("\t ", " \t\t"),
            ("", "\t"),
        ] {
            let lines = [b"A:", before.as_bytes(), &*value, after.as_bytes(), b"\r\n"].concat();
            let right = vec![(b"A".to_vec(), value.clone())];
            assert_eq!(read(&lines), Ok(right), "{len}, {before:?}, {after:?}");
        }
    }
}

/// Where the first mark is in every word that has any two bytes side by side among `others`.
fn first_marks(marks: fn(u64) -> u64, other: u8) -> impl Iterator<Item = ([u8; 8], Option<usize>)> {
    let places = (0..7).flat_map(|at| (0..=u16::MAX).map(move |two| (at, two.to_be_bytes())));
    places.map(move |(at, two)| {
        let mut word = [other; 8];
        word[at..at + 2].copy_from_slice(&two);
        let marked = marks(u64::from_le_bytes(word)).to_le_bytes();
        (word, marked.iter().position(|byte| *byte >= 0x80))
    })
}

#[test]
fn the_first_mark_is_the_first_byte_to_look_at() {
    let check = |marks, other, wanted: fn(&u8) -> bool| {
        for (word, mark) in first_marks(marks, other) {
            assert_eq!(mark, word.iter().position(wanted), "{word:x?}");
        }
    };
    for other in *b"AZaz" {
        check(not_letters, other, |byte| !byte.is_ascii_alphabetic());
    }
    for other in *b" A~" {
        check(value_may_end, other, |byte| {
            byte.is_ascii_control() || !byte.is_ascii()
        });
    }
}

#[test]
fn no_control_byte_of_a_value_is_passed() {
    for other in [b' ', b'~', 0x80, 0xff] {
        for (word, mark) in first_marks(value_ends, other) {
            let right = word.iter().position(u8::is_ascii_control);
            let carried = mark.is_some_and(|at| at > 0 && !word[at - 1].is_ascii());
            let early = carried && right.is_none_or(|at| Some(at) > mark);
            assert!(mark == right || early, "{mark:?} in {word:x?}");
        }
    }
}
