//! The chunked coding: F10-F16.

use super::{Limits, ProtocolError as E, Seen, chunked, limited, plain, then_eof, value};

#[test]
fn f10_sizes_are_one_to_sixteen_hex_digits() {
    let ten = "0123456789";
    for size in [
        "a",
        "A",
        "0a",
        "0A",
        "00000000A",
        "000000000000000a",
        "0000000000000A",
    ] {
        let got = plain().ok(chunked(&format!("{size}\r\n{ten}\r\n0\r\n\r\n")));
        assert_eq!(got.body, ten.as_bytes(), "{size}");
    }
    for last in ["0", "00", "0000000000000000"] {
        assert_eq!(plain().ok(chunked(&format!("{last}\r\n\r\n"))).body, b"");
    }
    let hundred = "x".repeat(0xfe);
    assert_eq!(
        plain()
            .ok(chunked(&format!("fE\r\n{hundred}\r\n0\r\n\r\n")))
            .body
            .len(),
        0xfe
    );
    for size in [
        "0000000000000000a",
        "00000000000000000",
        "10000000000000000",
        "fffffffffffffffff",
    ] {
        assert_eq!(
            plain().err(chunked(&format!("{size}\r\n"))),
            E::ChunkSizeTooLong
        );
    }
    // The largest size there is: taken as it is, and never added to anything.
    assert!(plain().waits(chunked("ffffffffffffffff\r\nabc")));
    assert_eq!(
        then_eof().err(chunked("ffffffffffffffff\r\nabc")),
        E::EofInChunkedBody { received: 3 }
    );
}

#[test]
fn f11_malformed_size_lines() {
    for (line, error) in [
        ("\r\n", E::ChunkSizeMissing),
        (";a\r\n", E::ChunkSizeMissing),
        ("\n", E::BareLfInChunk),
        ("+5\r\n", E::ChunkSizeInvalid),
        ("-5\r\n", E::ChunkSizeInvalid),
        (" 5\r\n", E::ChunkSizeInvalid),
        ("0x5\r\n", E::ChunkSizeInvalid),
        ("5x\r\n", E::ChunkSizeInvalid),
        ("5 x\r\n", E::ChunkSizeInvalid),
        ("g\r\n", E::ChunkSizeInvalid),
        ("5 \n", E::BareLfInChunk),
        ("5\n", E::BareLfInChunk),
        ("5;a\nb\r\n", E::BareLfInChunk),
        ("5\rx", E::BareCrInChunk),
        ("5;a\rb\r\n", E::BareCrInChunk),
        ("5 \r\r\n", E::BareCrInChunk),
        ("5;a\0b\r\n", E::ControlInChunkExtension { byte: 0 }),
        ("5;\x7f\r\n", E::ControlInChunkExtension { byte: 0x7f }),
        ("5\0\r\n", E::ChunkSizeInvalid),
    ] {
        assert_eq!(
            plain().err(chunked(&format!("{line}hello\r\n0\r\n\r\n"))),
            error,
            "{line:?}"
        );
        let later = format!("1\r\n.\r\n{line}hello\r\n0\r\n\r\n");
        assert_eq!(
            plain().err(chunked(&later)),
            error,
            "{line:?} as the second"
        );
    }
}

#[test]
fn framing_table_extensions_and_padding_are_ignored() {
    for line in [
        "5;a",
        "5;a=b;c=\"d e\"",
        "5 ;a",
        "5\t; \ta",
        "5 ",
        "5  \t",
        "5;",
        "05;\u{e9}",
    ] {
        let wire = chunked(&format!("{line}\r\nhello\r\n0;last=1\r\n\r\n"));
        assert_eq!(plain().ok(wire).body, b"hello", "{line:?}");
    }
}

#[test]
fn f12_extension_flood_is_an_error() {
    let Limits {
        chunk_line,
        chunk_extensions,
        ..
    } = Limits::default();
    // One line: the bound counts the digit, too.
    let fits = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(chunk_line - 2));
    assert_eq!(plain().ok(chunked(&fits)).body, b"x");
    let over = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(chunk_line - 1));
    let too_long = E::ChunkLineTooLong { limit: chunk_line };
    assert_eq!(plain().err(chunked(&over)), too_long);
    // Also when the line never ends.
    assert_eq!(
        plain().err(chunked(&format!("1;{}", "e".repeat(chunk_line)))),
        too_long
    );
    let padded = format!("1{}\r\n", " ".repeat(chunk_line));
    assert_eq!(plain().err(chunked(&padded)), too_long);

    // Many lines: 32 times 512 bytes are the bound exactly.
    let line = format!("1;{}\r\nx\r\n", "e".repeat(511));
    let fits = line.repeat(chunk_extensions / 512);
    assert_eq!(
        plain().ok(chunked(&format!("{fits}0\r\n\r\n"))).body.len(),
        32
    );
    let error = plain().err(chunked(&format!("{fits}0;\r\n\r\n")));
    assert_eq!(
        error,
        E::ChunkExtensionsTooLong {
            limit: chunk_extensions
        }
    );
    let spaces = plain().err(chunked(&format!("{fits}0 \r\n\r\n")));
    assert_eq!(
        spaces,
        E::ChunkExtensionsTooLong {
            limit: chunk_extensions
        }
    );
}

#[test]
fn f12_what_comes_first_is_reported() {
    let bounds = |line: usize, extensions: usize| {
        limited(|limits| (limits.chunk_line, limits.chunk_extensions) = (line, extensions))
    };
    let too_long = |limit: usize| E::ChunkExtensionsTooLong { limit };
    let line_too_long = |limit: usize| E::ChunkLineTooLong { limit };
    let control = E::ControlInChunkExtension { byte: 0 };
    for (case, line, error) in [
        (bounds(8, 6), "1;abcd\0\r\n", control),
        (bounds(8, 6), "1;abcde\0\r\n", too_long(6)),
        (bounds(8, 6), "1;abcdef\0\r\n", too_long(6)),
        (bounds(8, 6), "001;abcde\r\n", line_too_long(8)),
        (bounds(8, 6), "1;abcde\n", E::BareLfInChunk),
        (bounds(8, 6), "000000001\r\n", line_too_long(8)),
        (bounds(8, 7), "1;abcdefg\r\n", line_too_long(8)),
        (bounds(4, 6), "00001\r\n", line_too_long(4)),
        (bounds(4, 6), "0001\n", E::BareLfInChunk),
        (bounds(8, 3), "1 \t;a\r\n", too_long(3)),
        (bounds(8, 3), "1 \t ;\r\n", too_long(3)),
    ] {
        assert_eq!(case.err(chunked(line)), error, "{line:?}");
    }
    let fits = "1 \t;\r\nx\r\n0\r\n\r\n";
    assert_eq!(bounds(4, 3).ok(chunked(fits)).body, b"x");
}

#[test]
fn f13_data_has_to_be_followed_by_crlf() {
    for (after, error) in [
        ("0\r\n\r\n", E::ChunkDataUnterminated),
        ("xx0\r\n\r\n", E::ChunkDataUnterminated),
        ("\rx", E::ChunkDataUnterminated),
        ("\r\r\n", E::ChunkDataUnterminated),
        ("\n0\r\n\r\n", E::BareLfInChunk),
    ] {
        assert_eq!(
            plain().err(chunked(&format!("5\r\nhello{after}"))),
            error,
            "{after:?}"
        );
    }
}

#[test]
fn f14_any_cut_and_any_chunk_size() {
    let one_byte: String = "abcdefgh"
        .chars()
        .map(|c| format!("1\r\n{c}\r\n"))
        .collect();
    let got = then_eof().ok(chunked(&format!("{one_byte}0\r\n\r\n")));
    assert_eq!(got.body, b"abcdefgh", "chunks and FIN in one segment");
    let line_ends = chunked("4\r\n\r\n\r\n\r\n2\r\n0\n\r\n0\r\n\r\n");
    assert_eq!(
        plain().ok(line_ends).body,
        b"\r\n\r\n0\n",
        "line ends inside data are data"
    );
}

#[test]
fn f14_data_is_handed_out_before_its_chunk_is_whole() {
    let seen = plain().feed(&[chunked("64\r\nhello").as_bytes()]);
    assert_eq!(seen[1..], [Seen::Body(b"hello".to_vec()), Seen::Waiting]);
}

#[test]
fn f15_trailers_are_delivered_and_not_merged() {
    let wire = chunked("2\r\nhi\r\n0\r\nDigest: abc\r\nX-A: 1\r\nX-A:2\r\n\r\nREST");
    let got = plain().ok(wire);
    let trailers = got.trailers.expect("trailers");
    assert_eq!(value(&trailers, "digest"), b"abc");
    assert_eq!(trailers.get_all("x-a").iter().count(), 2);
    assert_eq!(got.head.headers.get("digest"), None);
    assert_eq!((got.body, got.left), (b"hi".to_vec(), b"REST".to_vec()));
}

#[test]
fn f15_forbidden_trailers_are_dropped() {
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "HOST",
        "Set-Cookie",
        "Authorization",
        "Content-Encoding",
        "Trailer",
        "age",
        "www-authenticate",
    ] {
        let got = plain().ok(chunked(&format!("0\r\n{name}: 1\r\n\r\n")));
        assert_eq!(got.trailers, None, "{name}: nothing left is no event");
        let got = plain().ok(chunked(&format!("0\r\n{name}: 1\r\nX-B: 2\r\n\r\n")));
        let trailers = got.trailers.expect("trailers");
        assert_eq!(
            (trailers.len(), value(&trailers, "x-b")),
            (1, &b"2"[..]),
            "{name}"
        );
    }
}

#[test]
fn f15_trailers_have_limits() {
    let Limits {
        trailer_bytes,
        trailer_fields,
        ..
    } = Limits::default();
    let bytes = |extra: usize| {
        let value = "v".repeat(trailer_bytes - "X: \r\n\r\n".len() + extra);
        chunked(&format!("0\r\nX: {value}\r\n\r\n"))
    };
    assert!(plain().ok(bytes(0)).trailers.is_some());
    assert_eq!(
        plain().err(bytes(1)),
        E::TrailersTooLarge {
            limit: trailer_bytes
        }
    );
    let endless = chunked(&format!("0\r\nX: {}", "v".repeat(trailer_bytes)));
    assert_eq!(
        plain().err(endless),
        E::TrailersTooLarge {
            limit: trailer_bytes
        }
    );
    let fields = |count: usize| chunked(&format!("0\r\n{}\r\n", "Host: x\r\n".repeat(count)));
    assert_eq!(plain().ok(fields(trailer_fields)).trailers, None);
    let error = plain().err(fields(trailer_fields + 1));
    assert_eq!(
        error,
        E::TooManyTrailers {
            limit: trailer_fields
        },
        "dropped ones count"
    );
}

#[test]
fn f15_no_limit_on_trailers_refuses_a_body_without_them() {
    for limit in 0..3 {
        let case = limited(|limits| limits.trailer_bytes = limit);
        assert_eq!(case.ok(chunked("1\r\na\r\n0\r\n\r\n")).body, b"a");
        assert_eq!(
            case.err(chunked("0\r\nA: b\r\n\r\n")),
            E::TrailersTooLarge {
                limit: limit.max(2)
            }
        );
    }
}

#[test]
fn f15_no_limit_on_trailers_goes_beyond_what_a_map_holds() {
    let most = usize::MAX;
    let case = limited(|limits| (limits.trailer_fields, limits.trailer_bytes) = (most, most));
    let last = |count: usize| {
        let fields: String = (0..count).map(|n| format!("N{n}:\r\n")).collect();
        let mut seen = case.feed(&[chunked(&format!("0\r\n{fields}\r\n")).as_bytes()]);
        seen.remove(1)
    };
    let limit = 16_384;
    assert!(matches!(last(limit), Seen::Trailers(trailers) if trailers.len() == limit));
    for count in [limit + 1, 2 * limit] {
        assert_eq!(last(count), Seen::Error(E::TooManyTrailers { limit }));
    }
}

#[test]
fn f15_malformed_trailers() {
    for (section, error) in [
        ("A: b\n\r\n", E::BareLfInTrailers),
        ("A: b\r\n\n", E::BareLfInTrailers),
        ("\n", E::BareLfInTrailers),
        ("A: b\r\n c\r\n\r\n", E::FoldInTrailers),
        (" A: b\r\n\r\n", E::FoldInTrailers),
        ("A: b\r\nC\r\n\r\n", E::TrailerField { line: 2 }),
        ("A : b\r\n\r\n", E::TrailerField { line: 1 }),
        (": b\r\n\r\n", E::TrailerField { line: 1 }),
        ("A: \0\r\n\r\n", E::TrailerField { line: 1 }),
        ("A: b\rc: d\r\n\r\n", E::TrailerField { line: 1 }),
        ("\rx\r\n\r\n", E::TrailerField { line: 1 }),
    ] {
        assert_eq!(
            plain().err(chunked(&format!("0\r\n{section}"))),
            error,
            "{section:?}"
        );
    }
}

#[test]
fn f16_eof_after_the_last_chunk_is_an_error() {
    for cut in [
        "2\r\nhi\r\n0\r\n",
        "2\r\nhi\r\n0\r\n\r",
        "2\r\nhi\r\n0\r\nX: y\r\n",
    ] {
        assert_eq!(
            then_eof().err(chunked(cut)),
            E::EofInTrailers { received: 2 },
            "{cut:?}"
        );
    }
    for cut in ["2\r\nhi\r\n0", "2\r\nhi\r\n0\r"] {
        assert_eq!(
            then_eof().err(chunked(cut)),
            E::EofInChunkedBody { received: 2 },
            "{cut:?}"
        );
    }
}
