//! How content ends: the framing table, F01-F09 and F17-F22.

use super::super::{Framing, RequestKind};
use super::{
    ProtocolError as E, answer_to, plain, strict, then_eof, then_unclean_eof, value, with,
};
use http::Method;

fn length(value: &str, body: &str) -> String {
    with(&format!("Content-Length: {value}\r\n"), body)
}

#[test]
fn f01_equal_lengths_in_one_line_collapse() {
    for value in ["2", "2,2", "2, 2,2", "2 ,\t2", "002, 2"] {
        let got = plain().ok(length(value, "hi"));
        assert_eq!(got.head.framing, Framing::Length(2), "{value}");
        assert_eq!(got.body, b"hi");
        assert!(got.head.keep_alive);
    }
}

#[test]
fn f02_differing_lengths_are_an_error() {
    for value in ["2,3", "2, 2, 3", "3,2,2"] {
        assert_eq!(plain().err(length(value, "hi")), E::ContentLengthsDiffer);
    }
}

#[test]
fn f03_two_length_lines() {
    let equal = with("Content-Length: 2\r\ncontent-length: 2\r\n", "hi");
    assert_eq!(plain().ok(equal).body, b"hi");
    let differ = with("Content-Length: 2\r\nX: y\r\nContent-Length: 3\r\n", "hi");
    assert_eq!(plain().err(differ), E::ContentLengthsDiffer);
    let list = with("Content-Length: 2\r\nContent-Length: 2, 4\r\n", "hi");
    assert_eq!(plain().err(list), E::ContentLengthsDiffer);
}

#[test]
fn f04_a_length_is_digits_only() {
    for value in [
        "+5", "-1", "-0", "0x5", "5 5", "", " ", "5x", "5,", ",5", "5,,5", "5;", "\"5\"", "5.0",
        "1_0", "٣",
    ] {
        let error = plain().err(length(value, "hello"));
        assert_eq!(error, E::ContentLengthInvalid, "{value:?}");
    }
}

#[test]
fn f05_a_length_beyond_64_bits_is_an_error() {
    let largest = plain().see(length("18446744073709551615", "x").as_bytes());
    assert_eq!(largest.last(), Some(&super::Seen::Waiting));
    for value in [
        "18446744073709551616",
        "99999999999999999999999",
        "1, 18446744073709551616",
    ] {
        assert_eq!(plain().err(length(value, "")), E::ContentLengthTooLarge);
    }
}

#[test]
fn f06_length_and_transfer_encoding_are_an_error() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: bad\r\n",
        "Transfer-Encoding: gzip\r\nContent-Length: 0\r\n",
    ] {
        let error = plain().err(with(fields, "0\r\n\r\n"));
        assert_eq!(error, E::LengthAndTransferEncoding);
    }
    // Also where there is no content: such a peer frames its next response no better.
    let head = answer_to(RequestKind::of(&Method::HEAD));
    let both = with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "");
    assert_eq!(head.err(both), E::LengthAndTransferEncoding);
}

#[test]
fn f07_transfer_encoding_has_to_be_chunked() {
    for value in [
        "gzip",
        "xchunked",
        "chunked, gzip",
        "identity",
        "",
        "chunked;q=1",
        "chunked,",
        "chunkedx",
    ] {
        let error = plain().err(with(&format!("Transfer-Encoding: {value}\r\n"), ""));
        assert_eq!(error, E::TransferEncodingNotChunked, "{value:?}");
    }
    for value in ["gzip, chunked", ",chunked", "identity,chunked"] {
        let error = plain().err(with(&format!("Transfer-Encoding: {value}\r\n"), ""));
        assert_eq!(error, E::TransferCodingUnsupported, "{value:?}");
    }
    for value in ["chunked", "Chunked", "CHUNKED", "\t chunked  "] {
        let got = plain().ok(with(
            &format!("Transfer-Encoding: {value}\r\n"),
            "0\r\n\r\n",
        ));
        assert_eq!(got.head.framing, Framing::Chunked, "{value:?}");
        assert!(got.head.keep_alive);
    }
}

#[test]
fn f08_transfer_encoding_twice_is_an_error() {
    for fields in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
    ] {
        let error = plain().err(with(fields, "0\r\n\r\n"));
        assert_eq!(error, E::TransferEncodingRepeated);
    }
}

#[test]
fn f09_transfer_encoding_in_http10_is_an_error() {
    let wire = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(plain().err(wire), E::TransferEncodingInHttp10);
}

#[test]
fn f17_204_has_no_content_and_an_announced_one_closes() {
    let wire = "HTTP/1.1 204 No Content\r\n\r\n";
    let got = plain().ok(wire);
    assert_eq!(
        (got.head.framing, got.head.keep_alive),
        (Framing::None, true)
    );
    let got = strict().ok("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        (got.head.framing, got.head.keep_alive),
        (Framing::None, true)
    );

    for field in ["Content-Length: 7", "Transfer-Encoding: chunked"] {
        let wire = format!("HTTP/1.1 204 No Content\r\n{field}\r\n\r\n2\r\nhi\r\n");
        let got = plain().ok(&wire);
        assert_eq!(
            (got.head.framing, got.head.keep_alive),
            (Framing::None, false)
        );
        assert_eq!(got.left, b"2\r\nhi\r\n");
        assert_eq!(strict().err(&wire), E::ContentOn204);
    }
}

#[test]
fn f18_304_with_a_length_has_no_content() {
    for field in [
        "Content-Length: 42",
        "Transfer-Encoding: chunked",
        "ETag: x",
    ] {
        let got = plain().ok(format!("HTTP/1.1 304 Not Modified\r\n{field}\r\n\r\n"));
        assert_eq!(
            (got.head.framing, got.head.keep_alive),
            (Framing::None, true)
        );
    }
    let got = plain().ok("HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\nHTTP/1.1");
    assert_eq!(value(&got.head.headers, "content-length"), b"42");
    assert_eq!(got.left, b"HTTP/1.1");
}

#[test]
fn f19_the_answer_to_head_has_no_content() {
    let head = answer_to(RequestKind::of(&Method::HEAD));
    for field in [
        "Content-Length: 42\r\n",
        "Transfer-Encoding: chunked\r\n",
        "",
    ] {
        let got = head.ok(with(field, ""));
        assert_eq!(
            (got.head.framing, got.head.keep_alive),
            (Framing::None, true)
        );
        assert_eq!(got.left, b"");
    }
}

#[test]
fn f19_content_after_the_answer_to_head_is_left_over() {
    let head = answer_to(RequestKind::of(&Method::HEAD));
    let got = head.ok(length("5", "hello"));
    assert_eq!((got.body, got.left), (Vec::new(), b"hello".to_vec()));
}

#[test]
fn f20_content_until_the_peer_closes() {
    for (wire, body) in [
        ("HTTP/1.0 200 OK\r\n\r\n", ""),
        ("HTTP/1.0 200 OK\r\n\r\nhello", "hello"),
        (
            "HTTP/1.1 200 OK\r\n\r\nhello\r\n0\r\n\r\n",
            "hello\r\n0\r\n\r\n",
        ),
        ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nx", "x"),
    ] {
        let got = then_eof().ok(wire);
        assert_eq!(got.head.framing, Framing::UntilClose);
        assert_eq!(got.body, body.as_bytes());
        assert!(!got.head.keep_alive, "never reused");
        assert!(plain().waits(wire), "only the close ends it");
    }
    let large = "z".repeat(300_000);
    let got = then_eof().ok(format!("HTTP/1.0 200 OK\r\n\r\n{large}"));
    assert_eq!(got.body.len(), large.len());
}

#[test]
fn f21_eof_in_four_places_is_four_errors() {
    assert_eq!(then_eof().err(""), E::EofBeforeResponse);
    assert_eq!(then_eof().err("H"), E::EofInHead { received: 1 });
    assert_eq!(
        then_eof().err("HTTP/1.1 200 OK\r\nA: b\r\n"),
        E::EofInHead { received: 23 }
    );
    assert_eq!(then_eof().err("\r\n"), E::EofInHead { received: 2 });
    let expected = 5;
    assert_eq!(
        then_eof().err(length("5", "")),
        E::EofInBody {
            received: 0,
            expected
        }
    );
    assert_eq!(
        then_eof().err(length("5", "hell")),
        E::EofInBody {
            received: 4,
            expected
        }
    );
    for (cut, received) in [
        ("", 0),
        ("5", 0),
        ("5\r\n", 0),
        ("5\r\nhel", 3),
        ("5\r\nhello", 5),
        ("5\r\nhello\r\n", 5),
    ] {
        assert_eq!(
            then_eof().err(super::chunked(cut)),
            E::EofInChunkedBody { received },
            "{cut:?}"
        );
    }
    // An interim response is not a response.
    assert_eq!(
        then_eof().err("HTTP/1.1 100 Continue\r\n\r\n"),
        E::EofInHead { received: 25 }
    );
}

#[test]
fn c06_an_unclean_end_is_judged_by_the_framing() {
    let whole = [
        length("2", "hi"),
        length("0", ""),
        super::chunked("2\r\nhi\r\n0\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ];
    for wire in whole {
        then_unclean_eof().ok(wire);
    }
    for (wire, error) in [
        (with("", ""), E::EofUnclean { received: 0 }),
        (with("A: b\r\n", "hello"), E::EofUnclean { received: 5 }),
        (
            format!("\r\nHTTP/1.1 103 Early Hints\r\n\r\n{}", with("", "x")),
            E::EofUnclean { received: 1 },
        ),
        (
            length("5", "hell"),
            E::EofInBody {
                received: 4,
                expected: 5,
            },
        ),
        (
            super::chunked("5\r\nhel"),
            E::EofInChunkedBody { received: 3 },
        ),
        (
            super::chunked("2\r\nhi\r\n0\r\n"),
            E::EofInTrailers { received: 2 },
        ),
        ("H".to_owned(), E::EofInHead { received: 1 }),
        (String::new(), E::EofBeforeResponse),
    ] {
        assert_eq!(then_unclean_eof().err(&wire), error, "{wire:?}");
    }
}

#[test]
fn f22_bytes_after_the_response_are_left_over() {
    for (wire, body) in [
        (length("2", "hiEXTRA"), "hi"),
        (length("0", "EXTRA"), ""),
        (super::chunked("2\r\nhi\r\n0\r\n\r\nEXTRA"), "hi"),
        ("HTTP/1.1 304 Not Modified\r\n\r\nEXTRA".to_owned(), ""),
    ] {
        let got = plain().ok(wire);
        assert_eq!(got.body, body.as_bytes());
        assert_eq!(got.left, b"EXTRA");
    }
}

#[test]
fn framing_table_early_responses_are_like_any_other() {
    // The decoder is not told how much of the request has been sent: an answer to half of it is an answer.
    let early =
        "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig";
    let got = plain().ok(early);
    assert_eq!((got.body, got.head.keep_alive), (b"big".to_vec(), false));
}

#[test]
fn framing_table_2xx_to_connect_is_a_tunnel() {
    let connect = answer_to(RequestKind::of(&Method::CONNECT));
    // Framing fields are to be ignored here, even wrong ones.
    for field in [
        "",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: gzip\r\nContent-Length: x\r\n",
    ] {
        let got = connect.ok(with(field, "\x16\x03\x01"));
        assert_eq!(
            (got.head.framing, got.head.keep_alive),
            (Framing::Tunnel, false)
        );
        assert_eq!(got.left, b"\x16\x03\x01");
    }
    let refused = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno";
    assert_eq!(connect.ok(refused).body, b"no");
}

#[test]
fn framing_table_keep_alive() {
    for (version, connection, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Close\r\n", false),
        ("1.1", "Connection: close, x\r\n", false),
        ("1.1", "Connection: close\r\nConnection: x\r\n", false),
        ("1.1", "Connection: upgrade, close\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: x ,close\r\n",
            false,
        ),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        (
            "1.0",
            "Connection: x\r\nConnection: y, keep-alive\r\n",
            true,
        ),
        ("1.0", "Connection: x, Keep-Alive\r\n", true),
        (
            "1.0",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
    ] {
        let fields = format!("{connection}Content-Length: 0\r\n\r\n");
        for status in ["200 OK", "204 No Content", "304 Not Modified"] {
            let got = plain().ok(format!("HTTP/{version} {status}\r\n{fields}"));
            let how = format!("{version} {status} {connection:?}");
            assert_eq!(got.head.keep_alive, keep_alive, "{how}");
        }
    }
}

#[test]
fn framing_table_names_in_any_case_and_no_others() {
    let chunks = "2\r\nhi\r\n0\r\n\r\n";
    for (fields, body, keep_alive) in [
        ("content-length: 2\r\nconnection: close", "hi", false),
        ("CONTENT-LENGTH: 2\r\nCONNECTION: CLOSE", "hi", false),
        ("transfer-encoding: chunked", chunks, true),
        ("TRANSFER-ENCODING: CHUNKED", chunks, true),
        // As long as one that frames, and with its first letter.
        ("Content-Digest: x\r\nContent-Length: 2", "hi", true),
        ("Connected-: close\r\nContent-Length: 2", "hi", true),
        ("Transfer-Encoded-: x\r\nContent-Length: 2", "hi", true),
    ] {
        let got = plain().ok(with(&format!("{fields}\r\n"), body));
        assert_eq!(got.body, b"hi", "{fields:?}");
        assert_eq!(got.head.keep_alive, keep_alive, "{fields:?}");
    }
}
