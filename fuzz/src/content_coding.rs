//! Any bytes as a coded body, whole and in pieces; and bodies that an encoder has made, one or two codings deep.
//!
//! The encoders here are as simple as the formats allow: what is stored, not compressed. What compresses is the
//! fuzzer's to find, from the seeds.

use eyewall::http::fuzzing;
use http::{HeaderMap, HeaderValue, header};

use crate::cut;

/// How much of a body is looked at: a bomb has more.
const MOST: usize = 1 << 16;

const CODINGS: [&str; 10] = [
    "gzip",
    "deflate",
    "br",
    "zstd",
    "identity",
    "gzip, br",
    "br, gzip",
    "deflate, zstd",
    "zstd, deflate",
    "gzip, gzip",
];

/// Decodes `data`, whose first three bytes say how.
///
/// # Panics
///
/// If the same bytes are decoded in two ways, or what was stored does not come back.
pub fn run(data: &[u8]) {
    let Some(([coding, seed @ ..], body)) = data.split_first_chunk::<3>() else {
        return;
    };
    let seed = u64::from(u16::from_le_bytes(*seed));
    if coding & 64 != 0 {
        return stored(*coding, body, seed);
    }
    // The result itself is nobody's to judge.
    let _ = compare(CODINGS[usize::from(*coding) % CODINGS.len()], body, seed);
}

/// What came out, or that nothing can.
type Decoded = Result<Option<Vec<u8>>, ()>;

fn decode(coding: &str, pieces: &[&[u8]]) -> Decoded {
    let value = HeaderValue::from_str(coding).expect("a value");
    let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, value)]);
    fuzzing::decode(&headers, pieces, MOST).map_err(|error| {
        assert_eq!(error.kind(), eyewall::http::ErrorKind::Decode);
    })
}

/// Decodes in every way, which must give the same. Of a body that is longer than is looked at, an error behind that may
/// be met or not.
fn compare(coding: &str, body: &[u8], seed: u64) -> Decoded {
    let whole = decode(coding, &[body]);
    for (way, pieces) in cut::ways(body, seed) {
        let other = decode(coding, &pieces);
        let either = (is_long(&whole) || is_long(&other)) && (whole.is_err() || other.is_err());
        assert!(
            either || whole == other,
            "{coding} in {way}: {}",
            body.escape_ascii()
        );
    }
    whole
}

fn is_long(decoded: &Decoded) -> bool {
    matches!(decoded, Ok(Some(body)) if body.len() == MOST)
}

/// Stores `body` in a coding, perhaps in another one on top, and decodes it.
fn stored(choice: u8, body: &[u8], seed: u64) {
    let encode = |choice: u8, body: &[u8]| match choice % 4 {
        0 => ("gzip", gzip(body)),
        1 => ("deflate", zlib(body)),
        2 => ("deflate", deflate(body)),
        _ => ("zstd", zstd(body)),
    };
    let (name, coded) = encode(choice, body);
    let (names, coded) = match choice >> 2 & 7 {
        outer @ 0..4 => {
            let (outer, coded) = encode(outer, &coded);
            (format!("{name}, {outer}"), coded)
        }
        _ => (name.to_owned(), coded),
    };
    assert_eq!(
        compare(&names, &coded, seed),
        Ok(Some(body.to_vec())),
        "{names}"
    );
    let cut = &coded[..coded.len() - 1];
    assert_eq!(
        compare(&names, cut, seed),
        Err(()),
        "{names} that is cut off"
    );
}

/// RFC 1951, 3.2.4: one last block, stored.
fn deflate(body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("inputs are short");
    let mut coded = vec![1];
    coded.extend(len.to_le_bytes());
    coded.extend((!len).to_le_bytes());
    coded.extend_from_slice(body);
    coded
}

/// RFC 1950.
fn zlib(body: &[u8]) -> Vec<u8> {
    let (mut one, mut two) = (1u32, 0u32);
    for byte in body {
        one = (one + u32::from(*byte)) % 65521;
        two = (two + one) % 65521;
    }
    let mut coded = vec![0x78, 0x01];
    coded.extend(deflate(body));
    coded.extend((two << 16 | one).to_be_bytes());
    coded
}

/// RFC 1952.
fn gzip(body: &[u8]) -> Vec<u8> {
    let mut crc = !0u32;
    for byte in body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ ((crc & 1) * 0xedb8_8320);
        }
    }
    let mut coded = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    coded.extend(deflate(body));
    coded.extend((!crc).to_le_bytes());
    coded.extend((body.len() as u32).to_le_bytes());
    coded
}

/// RFC 8878: one frame of one raw block, its content size told.
fn zstd(body: &[u8]) -> Vec<u8> {
    let len = body.len() as u32;
    let mut coded = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    coded.extend(len.to_le_bytes());
    coded.extend_from_slice(&(len << 3 | 1).to_le_bytes()[..3]);
    coded.extend_from_slice(body);
    coded
}
