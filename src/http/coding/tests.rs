//! Every coding, in every cut.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue, header};

use super::{Decoded, Decoding};
use crate::buf::Chunk;
use crate::http::error::{Error, ErrorKind};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn brotli(data: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut coded, 4096, 5, 22);
    encoder.write_all(data).unwrap();
    drop(encoder);
    coded
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(data, 3).unwrap()
}

fn decoding(codings: &str) -> Result<Option<Box<Decoding>>, Error> {
    let mut headers = HeaderMap::new();
    for line in codings.split('\n') {
        headers.append(
            header::CONTENT_ENCODING,
            HeaderValue::from_str(line).unwrap(),
        );
    }
    Decoding::of(&headers)
}

/// Decodes a body that comes in these parts.
fn decode(codings: &str, parts: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let mut decoding = decoding(codings)?.expect("a coding that is known");
    let mut whole = Vec::new();
    let mut parts = parts.iter();
    loop {
        match decoding.step()? {
            Decoded::Data(data) => {
                assert!(!data.is_empty() && data.len() <= 64 << 10);
                whole.extend(data);
            }
            Decoded::Nothing => {}
            Decoded::NeedMore => match parts.next() {
                Some([]) => {}
                Some(part) => decoding.feed(Chunk::owned(part.to_vec())),
                None => {
                    decoding.finish()?;
                    return Ok(whole);
                }
            },
        }
    }
}

/// Some text that repeats itself, and some that does not.
fn sample(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..len)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match at / 500 % 2 {
                0 => b'a' + (at % 7) as u8,
                _ => (state >> 24) as u8,
            }
        })
        .collect()
}

type Encode = fn(&[u8]) -> Vec<u8>;

const CODINGS: [(&str, Encode); 6] = [
    ("gzip", gzip),
    ("X-GZip", gzip),
    ("deflate", zlib),
    ("deflate", deflate),
    ("br", brotli),
    ("zstd", zstd),
];

#[test]
fn d01_every_coding_in_every_cut() {
    let data = sample(1200);
    for (name, encode) in CODINGS {
        let coded = encode(&data);
        let bytes: Vec<&[u8]> = coded.chunks(1).collect();
        assert!(
            decode(name, &bytes).unwrap() == data,
            "{name} in single bytes"
        );
        for at in 0..=coded.len() {
            let (front, back) = coded.split_at(at);
            assert!(
                decode(name, &[front, back]).unwrap() == data,
                "{name} cut at {at}"
            );
        }
    }
}

#[test]
fn deflate_without_its_wrapper_is_known_whatever_it_begins_with() {
    for number in 0..500_u32 {
        let data = number.to_string().repeat(3);
        let coded = deflate(data.as_bytes());
        assert!(
            decode("deflate", &[&coded]).unwrap() == data.as_bytes(),
            "{data}"
        );
    }
    // Stored blocks with bits in their padding: no sum as zlib has it, and a larger window than there is.
    for (first, len) in [(0x78, 5), (0x88, 28)] {
        let data = vec![b'x'; usize::from(len)];
        let coded = [&[first, len, 0, !len, 0xff], &data[..], &[3, 0]].concat();
        assert_eq!(decode("deflate", &[&coded]).unwrap(), data, "{first:#x}");
    }
}

#[test]
fn d01_large_bodies_come_in_slices() {
    let data = sample(300_000);
    for (name, encode) in CODINGS {
        let coded = encode(&data);
        assert!(decode(name, &[&coded]).unwrap() == data, "{name}");
    }
}

#[test]
fn d01_nothing_is_a_body_without_bytes_and_one_with_coded_nothing() {
    for (name, encode) in CODINGS {
        assert_eq!(decode(name, &[]).unwrap(), b"", "{name}");
        assert_eq!(decode(name, &[&encode(b"")]).unwrap(), b"", "{name}");
    }
}

#[test]
fn d01_members_follow_each_other() {
    for (name, encode) in [("gzip", gzip as Encode), ("zstd", zstd)] {
        let mut coded = encode(b"one ");
        coded.extend(encode(b""));
        coded.extend(encode(b"two"));
        for at in 0..=coded.len() {
            let (front, back) = coded.split_at(at);
            assert_eq!(
                decode(name, &[front, back]).unwrap(),
                b"one two",
                "{name} cut at {at}"
            );
        }
    }
}

#[test]
fn d02_what_is_cut_off_is_an_error() {
    let data = sample(1200);
    for (name, encode) in CODINGS {
        let coded = encode(&data);
        for at in 1..coded.len() {
            let error = decode(name, &[&coded[..at]]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{name} cut off at {at}");
        }
        let stacked = gzip(&coded[..coded.len() - 1]);
        let error = decode(&format!("{name}, gzip"), &[&stacked]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{name} within another");
    }
}

#[test]
fn d02_what_is_not_coded_is_an_error() {
    for (name, _) in CODINGS {
        let error = decode(
            name,
            &[b"plain text, as it was before somebody added a field"],
        );
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Decode, "{name}");
    }
}

#[test]
fn d02_a_wrong_checksum_is_an_error() {
    let mut coded = gzip(b"checked");
    let crc = coded.len() - 8;
    coded[crc] ^= 1;
    assert_eq!(
        decode("gzip", &[&coded]).unwrap_err().kind(),
        ErrorKind::Decode
    );
    let mut coded = zlib(b"checked");
    *coded.last_mut().unwrap() ^= 1;
    assert_eq!(
        decode("deflate", &[&coded]).unwrap_err().kind(),
        ErrorKind::Decode
    );
}

#[test]
fn d02_bytes_behind_the_end_are_an_error() {
    for (name, encode) in CODINGS {
        let mut coded = encode(b"data");
        coded.extend_from_slice(b"and more");
        let error = decode(name, &[&coded]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{name}");
    }
}

#[test]
fn d02_no_byte_can_be_changed_into_a_panic() {
    let data = sample(60);
    for (name, encode) in CODINGS {
        let coded = encode(&data);
        for at in 0..coded.len() {
            for bit in 0..8 {
                let mut broken = coded.clone();
                broken[at] ^= 1 << bit;
                let _ = decode(name, &[&broken]);
            }
        }
    }
}

#[test]
fn d04_two_codings_can_be_stacked_and_three_cannot() {
    let data = sample(40_000);
    for (first, encode_first) in CODINGS {
        for (second, encode_second) in CODINGS {
            let coded = encode_second(&encode_first(&data));
            for lines in [format!("{first}, {second}"), format!("{first}\n{second}")] {
                let parts: Vec<&[u8]> = coded.chunks(1000).collect();
                assert!(decode(&lines, &parts).unwrap() == data, "{lines}");
            }
        }
    }
    let error = decoding("gzip, gzip, gzip").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

#[test]
fn d07_what_is_not_known_is_left_alone() {
    for codings in ["compress", "gzip, aes128gcm", "identity", "", ","] {
        assert!(decoding(codings).unwrap().is_none(), "{codings}");
    }
    assert_eq!(
        decode("Identity, gzip,", &[&gzip(b"data")]).unwrap(),
        b"data"
    );
}

#[test]
fn d03_a_step_is_bounded_whatever_the_input_stands_for() {
    let zeros = vec![0; 2 << 20];
    for (name, encode) in CODINGS {
        let coded = encode(&zeros);
        assert!(coded.len() < 64 << 10, "{name}");
        let mut decoding = decoding(name).unwrap().unwrap();
        decoding.feed(Chunk::owned(coded));
        let Decoded::Data(data) = decoding.step().unwrap() else {
            panic!("{name} gives nothing");
        };
        assert!(
            data.len() <= 64 << 10,
            "{name} gives {} at once",
            data.len()
        );
    }
}

#[test]
fn d03_a_step_is_bounded_where_the_input_stands_for_nothing() {
    let mut decoding = decoding("gzip").unwrap().unwrap();
    decoding.feed(Chunk::owned(gzip(b"").repeat(5000)));
    assert!(matches!(decoding.step().unwrap(), Decoded::Nothing));
}

#[test]
fn d01_what_has_been_flushed_comes_before_more_is_wanted() {
    let data = sample(100_000);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    let mut zstd = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    for encoder in [&mut gzip as &mut dyn Write, &mut brotli, &mut zstd] {
        encoder.write_all(&data).unwrap();
        encoder.flush().unwrap();
    }
    for (name, coded) in [
        ("gzip", gzip.get_ref()),
        ("br", brotli.get_ref()),
        ("zstd", zstd.get_ref()),
    ] {
        let mut decoding = decoding(name).unwrap().unwrap();
        decoding.feed(Chunk::owned(coded.clone()));
        let mut whole = Vec::new();
        loop {
            match decoding.step().unwrap() {
                Decoded::Data(part) => whole.extend(part),
                Decoded::Nothing => {}
                Decoded::NeedMore => break,
            }
        }
        assert!(whole == data, "{name}");
    }
}

#[test]
fn d03_a_window_of_zstd_beyond_8_mib_is_refused() {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(24).unwrap();
    encoder.write_all(&vec![0; 20 << 20]).unwrap();
    let coded = encoder.finish().unwrap();
    assert_eq!(
        decode("zstd", &[&coded]).unwrap_err().kind(),
        ErrorKind::Decode
    );
}

/// As many bytes as one step puts between two decoders may stand for nothing, while the first has taken all its input.
#[test]
fn d01_a_long_way_to_the_first_byte_of_a_stacked_coding() {
    // A name of a file in the head of gzip.
    let mut named = vec![0x1f, 0x8b, 8, 0x08, 0, 0, 0, 0, 0, 0xff];
    named.extend([b'n'; 100_000]);
    named.push(0);
    named.extend_from_slice(&gzip(b"hello")[10..]);
    let mut members = gzip(b"").repeat(5000);
    members.extend(gzip(b"hello"));
    for inner in [named, members] {
        for (coding, outer) in [
            ("gzip", gzip(&inner)),
            ("deflate", zlib(&inner)),
            ("br", brotli(&inner)),
            ("zstd", zstd(&inner)),
        ] {
            let codings = format!("gzip, {coding}");
            assert_eq!(decode(&codings, &[&outer]).unwrap(), b"hello", "{codings}");
        }
    }
}
