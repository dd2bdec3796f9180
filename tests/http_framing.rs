//! The framing of responses over a socket. What the codec makes of each is tested in `src/http/codec/tests`, in every
//! cut; here each comes once in one piece and once a byte at a time, and what counts is what the user gets, and
//! whether the connection is used again.
#![cfg(feature = "http")]

mod http_peer;

use std::error::Error as _;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use eyewall::http::{
    Client, Error, ErrorKind, HeaderMap, Method, Phase, ProtocolError, RequestBuilder, codec,
};
use http_peer::{Peer, accept, read_head, read_rest, run};

/// What the peer does behind its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Closes.
    Close,
    /// Waits until the client does.
    Wait,
}
use Then::{Close, Wait};

/// What a user gets.
#[derive(Debug, PartialEq)]
struct Got {
    status: u16,
    reason: String,
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
    /// The connection is kept for the next fetch.
    kept: bool,
}

impl Got {
    /// The body as text, and whether the connection is kept.
    fn short(&self) -> (&str, bool) {
        (std::str::from_utf8(&self.body).unwrap(), self.kept)
    }
}

/// What a user gets instead: the kind of the error, and the codec's own error below it.
type Refused = (ErrorKind, Option<ProtocolError>);

/// Sends `answer` to one request in pieces of this size; checks that the connection ends.
fn answering(answer: &[u8], size: usize, then: Then) -> Peer {
    let answer = answer.to_vec();
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        for piece in answer.chunks(size) {
            // The client may have seen enough.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        if then == Wait {
            read_rest(&mut stream);
        }
    })
}

fn fetch_in_pieces(
    method: &Method,
    answer: &[u8],
    size: usize,
    then: Then,
) -> Result<Got, Refused> {
    let peer = answering(answer, size, then);
    let result = run(async {
        let client = Client::builder().allow_nonstandard_methods(true).build();
        let request = client.request(method.clone(), peer.url());
        let got = read(request).await;
        let kept = client.idle_connections() == 1;
        match got {
            Ok(got) => Ok(Got { kept, ..got }),
            Err(error) => {
                assert!(!kept, "a connection is kept after {error}");
                let below = error.source().and_then(|below| below.downcast_ref());
                Err((error.kind(), below.copied()))
            }
        }
    });
    peer.join();
    result
}

async fn read(request: RequestBuilder) -> Result<Got, Error> {
    let mut response = request.send().await?;
    let body = response.bytes().await?;
    Ok(Got {
        status: response.status().as_u16(),
        reason: response.reason().to_owned(),
        headers: response.headers().clone(),
        trailers: response.trailers().cloned(),
        body,
        kept: false,
    })
}

/// The outcome of a fetch that is answered so, which does not depend on the pieces.
fn outcome(method: Method, answer: impl AsRef<[u8]>, then: Then) -> Result<Got, Refused> {
    let answer = answer.as_ref();
    let whole = fetch_in_pieces(&method, answer, answer.len().max(1), then);
    // A large one is not cut so small.
    let small = 1 + answer.len() / 1000;
    let pieces = fetch_in_pieces(&method, answer, small, then);
    assert_eq!(whole, pieces, "{}", answer.escape_ascii());
    whole
}

fn good(answer: impl AsRef<[u8]>, then: Then) -> Got {
    let shown = answer.as_ref().escape_ascii().to_string();
    outcome(Method::GET, answer, then).unwrap_or_else(|refused| panic!("{refused:?}: {shown}"))
}

/// The codec's error of an answer that is refused.
fn refused(answer: impl AsRef<[u8]>) -> ProtocolError {
    let shown = answer.as_ref().escape_ascii().to_string();
    match outcome(Method::GET, answer, Wait) {
        Err((ErrorKind::Protocol, Some(error))) => error,
        other => panic!("{other:?}: {shown}"),
    }
}

/// The error of an answer that ends too early.
fn cut_off(answer: impl AsRef<[u8]>) -> Refused {
    outcome(Method::GET, answer, Close).unwrap_err()
}

/// A 200 response with these field lines and what follows the head.
fn with(fields: &str, rest: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{rest}")
}

fn length(value: &str, rest: &str) -> String {
    with(&format!("Content-Length: {value}\r\n"), rest)
}

fn chunked(rest: &str) -> String {
    with("Transfer-Encoding: chunked\r\n", rest)
}

#[test]
fn f01_f03_equal_lengths_are_one_length() {
    for answer in [
        length("2,2", "hi"),
        length("2, 2,2", "hi"),
        with("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"),
    ] {
        assert_eq!(good(answer, Wait).short(), ("hi", true));
    }
}

#[test]
fn f02_f03_differing_lengths_are_refused() {
    for answer in [
        length("2,3", "hi."),
        with("Content-Length: 2\r\nContent-Length: 3\r\n", "hi."),
    ] {
        assert_eq!(refused(answer), ProtocolError::ContentLengthsDiffer);
    }
}

#[test]
fn f04_f05_a_length_is_a_number_of_64_bits() {
    for value in ["+5", "-1", "-0", "0x5", "5x", "5 5", "", " "] {
        let error = refused(length(value, "hello"));
        assert_eq!(error, ProtocolError::ContentLengthInvalid, "{value:?}");
    }
    let error = refused(length("18446744073709551616", "x"));
    assert_eq!(error, ProtocolError::ContentLengthTooLarge);
}

#[test]
fn f06_length_and_transfer_encoding_are_refused() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let error = refused(with(fields, "0\r\n\r\n"));
        assert_eq!(error, ProtocolError::LengthAndTransferEncoding);
    }
}

#[test]
fn f07_f08_f09_transfer_encoding_is_chunked_once_and_in_http_1_1() {
    for value in ["gzip", "xchunked", "chunked, gzip", "identity"] {
        let error = refused(with(&format!("Transfer-Encoding: {value}\r\n"), ""));
        assert_eq!(error, ProtocolError::TransferEncodingNotChunked, "{value}");
    }
    for fields in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
    ] {
        let error = refused(with(fields, "0\r\n\r\n"));
        assert_eq!(error, ProtocolError::TransferEncodingRepeated);
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(refused(old), ProtocolError::TransferEncodingInHttp10);
}

#[test]
fn f10_f11_sizes_of_chunks() {
    for size in ["a", "A", "000000000000000a"] {
        let answer = chunked(&format!("{size}\r\n0123456789\r\n0\r\n\r\n"));
        assert_eq!(good(answer, Wait).short(), ("0123456789", true), "{size}");
    }
    for (line, error) in [
        ("0000000000000000a\r\n", ProtocolError::ChunkSizeTooLong),
        ("10000000000000000\r\n", ProtocolError::ChunkSizeTooLong),
        ("\r\n", ProtocolError::ChunkSizeMissing),
        ("+5\r\n", ProtocolError::ChunkSizeInvalid),
        ("0x5\r\n", ProtocolError::ChunkSizeInvalid),
        ("5 x\r\n", ProtocolError::ChunkSizeInvalid),
        ("5\n", ProtocolError::BareLfInChunk),
        ("5;a\nb\r\n", ProtocolError::BareLfInChunk),
    ] {
        assert_eq!(refused(chunked(&format!("{line}hello"))), error, "{line:?}");
    }
}

#[test]
fn f12_extensions_are_passed_over_and_a_flood_of_them_is_refused() {
    let answer = chunked("5;a=b;c=\"d e\"\r\nhello\r\n0;last\r\n\r\n");
    assert_eq!(good(answer, Wait).short(), ("hello", true));
    let limits = codec::Limits::default();
    let line = format!("1;{}\r\nx\r\n", "e".repeat(limits.chunk_line));
    let limit = limits.chunk_line;
    assert_eq!(
        refused(chunked(&line)),
        ProtocolError::ChunkLineTooLong { limit }
    );
    let flood = format!("1;{}\r\nx\r\n", "e".repeat(511)).repeat(33);
    let limit = limits.chunk_extensions;
    let error = ProtocolError::ChunkExtensionsTooLong { limit };
    assert_eq!(refused(chunked(&flood)), error);
}

#[test]
fn f13_data_without_its_line_end_is_refused() {
    let error = refused(chunked("5\r\nhello0\r\n\r\n"));
    assert_eq!(error, ProtocolError::ChunkDataUnterminated);
}

#[test]
fn f14_chunks_of_one_byte_and_an_end_in_the_same_segment() {
    let bytes: String = ('a'..='z').map(|byte| format!("1\r\n{byte}\r\n")).collect();
    let answer = chunked(&format!("{bytes}0\r\n\r\n"));
    let alphabet: String = ('a'..='z').collect();
    assert_eq!(good(&answer, Wait).short(), (&*alphabet, true));
    // The connection may have been kept for the moment until its end was seen.
    let got = good_but_for_keeping(&answer);
    assert_eq!(got, alphabet.as_bytes());
}

/// The body of an answer with which the connection ends at the same moment.
fn good_but_for_keeping(answer: &str) -> Bytes {
    let peer = answering(answer.as_bytes(), answer.len(), Close);
    let body = run(async { eyewall::fetch(peer.url()).await.unwrap().bytes().await });
    peer.join();
    body.unwrap()
}

#[test]
fn f14_data_is_there_before_its_chunk_is_whole() {
    let peer = answering(chunked("ffffffff\r\nhello").as_bytes(), usize::MAX, Wait);
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(&response.chunk().await.unwrap().unwrap()[..], b"hello");
    });
    peer.join();
}

#[test]
fn f15_trailers_are_apart_bounded_and_without_what_frames_a_message() {
    let fields = "Digest: x\r\nContent-Length: 7\r\nTransfer-Encoding: gzip\r\nHost: x\r\n";
    let got = good(chunked(&format!("2\r\nhi\r\n0\r\n{fields}\r\n")), Wait);
    assert_eq!(got.short(), ("hi", true));
    let trailers = got.trailers.unwrap();
    assert_eq!(
        (trailers.len(), trailers["digest"].as_bytes()),
        (1, &b"x"[..])
    );
    assert!(!got.headers.contains_key("digest"));
    let limits = codec::Limits::default();
    let limit = limits.trailer_bytes;
    let large = chunked(&format!("0\r\nX: {}\r\n\r\n", "x".repeat(limit)));
    assert_eq!(refused(large), ProtocolError::TrailersTooLarge { limit });
    let limit = limits.trailer_fields;
    let many = chunked(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(limit + 1)));
    assert_eq!(refused(many), ProtocolError::TooManyTrailers { limit });
}

#[test]
fn f16_f21_an_end_of_the_connection_in_the_middle_is_an_error() {
    let (received, expected) = (0, None);
    let truncated = |received, expected| ErrorKind::Truncated { received, expected };
    for (answer, error) in [
        (
            String::new(),
            (ErrorKind::EmptyReply, ProtocolError::EofBeforeResponse),
        ),
        (
            "HTTP/1.1 200 OK\r\nCont".into(),
            (
                truncated(received, expected),
                ProtocolError::EofInHead { received: 21 },
            ),
        ),
        (
            length("5", "hell"),
            (
                truncated(4, Some(5)),
                ProtocolError::EofInBody {
                    received: 4,
                    expected: 5,
                },
            ),
        ),
        (
            chunked("5\r\nhel"),
            (
                truncated(3, None),
                ProtocolError::EofInChunkedBody { received: 3 },
            ),
        ),
        (
            chunked("2\r\nhi\r\n0\r\n"),
            (
                truncated(2, None),
                ProtocolError::EofInTrailers { received: 2 },
            ),
        ),
    ] {
        let (kind, below) = error;
        assert_eq!(cut_off(&answer), (kind, Some(below)), "{answer:?}");
    }
}

#[test]
fn f17_204_has_no_body_and_one_that_is_announced_costs_the_connection() {
    let plain = good("HTTP/1.1 204 No Content\r\n\r\n", Wait);
    assert_eq!(plain.short(), ("", true));
    for (field, rest) in [
        ("Content-Length: 7", ""),
        ("Content-Length: 7", "desync!"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n"),
    ] {
        let answer = format!("HTTP/1.1 204 No Content\r\n{field}\r\n\r\n{rest}");
        assert_eq!(good(answer, Wait).short(), ("", false), "{field}");
    }
}

#[test]
fn f18_f19_304_and_the_answer_to_head_have_no_body() {
    for field in [
        "Content-Length: 42",
        "Transfer-Encoding: chunked",
        "ETag: 1",
    ] {
        let got = good(
            format!("HTTP/1.1 304 Not Modified\r\n{field}\r\n\r\n"),
            Wait,
        );
        assert_eq!((got.status, got.short()), (304, ("", true)), "{field}");
        let answer = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
        let got = outcome(Method::HEAD, answer, Wait).unwrap();
        assert_eq!((got.status, got.short()), (200, ("", true)), "{field}");
    }
}

#[test]
fn f20_a_body_until_the_connection_ends() {
    let large = "z".repeat(1 << 20);
    for body in ["", "all of it", &large] {
        for version in ["1.0", "1.1"] {
            let answer = format!("HTTP/{version} 200 OK\r\n\r\n{body}");
            let got = good(answer, Close);
            assert!(got.short() == (body, false), "{version}, {}", body.len());
        }
    }
}

#[test]
fn f22_bytes_behind_a_response_belong_to_nobody() {
    for answer in [
        length("2", "hiHTTP/1.1 200 OK\r\n"),
        length("0", "x"),
        chunked("2\r\nhi\r\n0\r\n\r\nx"),
        "HTTP/1.1 304 Not Modified\r\n\r\nx".into(),
    ] {
        // In pieces, the connection may be kept for the moment until the next comes, and is then thrown away.
        let whole = fetch_in_pieces(&Method::GET, answer.as_bytes(), answer.len(), Wait).unwrap();
        assert!(!whole.kept, "{answer:?}");
        assert!(whole.body == b"hi"[..] || whole.body.is_empty());
    }
}

#[test]
fn f23_folded_lines_become_one() {
    let got = good(with("A: one\r\n  two\r\nContent-Length: 0\r\n", ""), Wait);
    assert_eq!(got.headers["a"], "one two");
    let error = refused(with(" A: one\r\n", ""));
    assert_eq!(error, ProtocolError::FoldBeforeFirstField);
}

#[test]
fn f24_line_ends_and_controls_in_the_head() {
    let got = good("HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nhi", Wait);
    assert_eq!(
        (got.short(), &got.headers["a"]),
        (("hi", true), &"b".parse().unwrap())
    );
    for byte in [b'\r', 0, 1, 0x7f] {
        let answer = with(&format!("A: x{}y\r\n", char::from(byte)), "");
        let error = ProtocolError::ControlInHead { line: 2, byte };
        assert_eq!(refused(answer), error);
    }
}

#[test]
fn f25_malformed_names() {
    for (line, error) in [
        ("A : b", ProtocolError::SpaceBeforeColon { line: 2 }),
        ("A", ProtocolError::FieldWithoutColon { line: 2 }),
        (": b", ProtocolError::EmptyFieldName { line: 2 }),
    ] {
        assert_eq!(refused(with(&format!("{line}\r\n"), "")), error);
    }
}

#[test]
fn f26_status_lines() {
    for (line, status, reason) in [
        ("HTTP/1.1 200", 200, "OK"),
        ("HTTP/1.1 200 ", 200, "OK"),
        ("HTTP/1.1 299 Odd", 299, "Odd"),
        ("HTTP/1.1 999", 999, ""),
    ] {
        let got = good(format!("{line}\r\nContent-Length: 0\r\n\r\n"), Wait);
        assert_eq!((got.status, &*got.reason), (status, reason), "{line}");
    }
    let latin = b"HTTP/1.1 404 Tr\xe8s loin\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(good(latin, Wait).reason, "Tr\u{e8}s loin");
    for (line, error) in [
        ("HTTP/1.1 99 x", ProtocolError::StatusCode),
        ("HTTP/1.1 000 x", ProtocolError::StatusCode),
        ("HTTP/1.1 1000", ProtocolError::StatusCode),
        ("HTTP/2.0 200 OK", ProtocolError::UnsupportedVersion),
        ("HTTP/1.2 200 OK", ProtocolError::UnsupportedVersion),
        ("ICY 200 OK", ProtocolError::NotHttp),
        ("just text, as in HTTP/0.9", ProtocolError::NotHttp),
    ] {
        assert_eq!(refused(format!("{line}\r\n\r\n")), error, "{line}");
    }
}

#[test]
fn f27_the_bounds_of_a_head() {
    let limit = codec::Limits::default().head_bytes;
    let head = |size: usize| {
        let rest = length("0\r\nX: ", "").len();
        with(
            &format!("Content-Length: 0\r\nX: {}\r\n", "x".repeat(size - rest)),
            "",
        )
    };
    assert_eq!(head(limit - 1).len(), limit - 1);
    assert_eq!(
        good(head(limit - 1), Wait).headers["x"].len(),
        limit - 1 - length("0\r\nX: ", "").len()
    );
    assert_eq!(
        refused(head(limit + 1)),
        ProtocolError::HeadTooLarge { limit }
    );
    let limit = codec::Limits::default().fields;
    let fields = |count: usize| {
        with(
            &("A: b\r\n".repeat(count - 1) + "Content-Length: 0\r\n"),
            "",
        )
    };
    assert_eq!(good(fields(limit), Wait).headers.len(), limit);
    assert_eq!(
        refused(fields(limit + 1)),
        ProtocolError::TooManyFields { limit }
    );
}

#[test]
fn f27_a_client_has_other_bounds_if_it_wants() {
    let answer = with("A: b\r\nContent-Length: 0\r\n", "");
    for (client, error) in [
        (
            Client::builder().max_head_size(30),
            ProtocolError::HeadTooLarge { limit: 30 },
        ),
        (
            Client::builder().max_head_fields(1),
            ProtocolError::TooManyFields { limit: 1 },
        ),
    ] {
        let peer = answering(answer.as_bytes(), usize::MAX, Wait);
        run(async {
            let request = client.build().get(peer.url());
            let refused = request.send().await.unwrap_err();
            let below = refused.source().unwrap().downcast_ref::<ProtocolError>();
            assert_eq!(below, Some(&error));
        });
        peer.join();
    }
}

#[test]
fn f17_f24_a_strict_client_refuses_what_others_pass_over() {
    for (answer, error) in [
        (
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            ProtocolError::BareLfInHead,
        ),
        (
            "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",
            ProtocolError::ContentOn204,
        ),
    ] {
        let peer = answering(answer.as_bytes(), usize::MAX, Wait);
        run(async {
            let client = Client::builder().strict(true).build();
            let refused = client.get(peer.url()).send().await.unwrap_err();
            let below = refused.source().unwrap().downcast_ref::<ProtocolError>();
            assert_eq!(below, Some(&error));
        });
        peer.join();
    }
}

#[test]
fn f27_a_head_that_drips_ends_with_the_time_of_the_fetch() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let endless = "HTTP/1.1 200 OK\r\nX: "
            .bytes()
            .chain(std::iter::repeat(b'x'));
        for byte in endless {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let limit = Duration::from_millis(600);
    run(async {
        // Something comes all the time, so that the idle time is never over.
        let request = Client::new().get(peer.url()).timeout(limit);
        let request = request.idle_read_timeout(Duration::from_secs(20));
        let error = request.send().await.unwrap_err();
        let phase = Phase::Total;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        assert!(error.bytes_received() > 1);
    });
    peer.join();
}

#[test]
fn f28_blank_lines_before_a_response_are_passed_over() {
    let answer = format!("\r\n\r\n\n{}", length("2", "hi"));
    assert_eq!(good(answer, Wait).short(), ("hi", true));
}

#[test]
fn f29_bytes_beyond_ascii_are_kept() {
    let answer = b"HTTP/1.1 200 OK\r\nX: caf\xe9 \x80\xff\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        good(answer, Wait).headers["x"].as_bytes(),
        b"caf\xe9 \x80\xff"
    );
}

#[test]
fn framing_table_a_tunnel_has_no_body() {
    let answer = "HTTP/1.1 200 Established\r\nContent-Length: 5\r\n\r\n";
    let got = outcome(Method::CONNECT, answer, Wait).unwrap();
    assert_eq!(got.short(), ("", false));
    let refusal = "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno";
    let got = outcome(Method::CONNECT, refusal, Wait).unwrap();
    assert_eq!((got.status, got.short()), (407, ("no", true)));
}
