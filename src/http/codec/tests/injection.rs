//! R10: nothing a caller gives can break out of its place in the request's head.

use http::{HeaderName, HeaderValue, Method};

use super::super::{BodyFraming, ProtocolError as E};
use super::encode::{Request, get, post};

#[test]
fn r10_a_length_that_is_not_the_bodys_is_an_error() {
    for (body, value) in [
        (BodyFraming::Length(3), "4"),
        (BodyFraming::Length(3), "+3"),
        (BodyFraming::Length(3), "3, 3"),
        (BodyFraming::Length(3), ""),
        (BodyFraming::None, "3"),
        (BodyFraming::None, "x"),
        (BodyFraming::Chunked, "3"),
        (BodyFraming::Chunked, "x"),
    ] {
        let request = post(body).with("content-length", value);
        assert_eq!(
            request.encode(),
            Err(E::RequestContentLength),
            "{body:?} {value:?}"
        );
    }
    let twice = post(BodyFraming::Length(3))
        .with("content-length", "3")
        .with("content-length", "5");
    assert_eq!(twice.encode(), Err(E::RequestContentLength));
}

#[test]
fn r10_transfer_encoding_is_never_the_callers() {
    for body in [
        BodyFraming::None,
        BodyFraming::Length(3),
        BodyFraming::Chunked,
    ] {
        for value in ["chunked", "gzip", ""] {
            let request = post(body).with("transfer-encoding", value);
            assert_eq!(request.encode(), Err(E::RequestTransferEncoding));
        }
    }
}

#[test]
fn r10_hosts() {
    for host in [
        "a.test",
        "a.test:80",
        "[::1]:80",
        "[fe80::1%25eth0]",
        "xn--bcher-kva.test",
        "a_b.test.",
    ] {
        assert!(
            Request { host, ..get() }
                .text()
                .contains(&format!("\r\nhost: {host}\r\n"))
        );
    }
    for host in [
        "",
        "a b",
        "a\r\nX: y",
        "a\0",
        "user@a",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "b\u{fc}cher.test",
        "\t",
        "a\"",
        "<a>",
    ] {
        assert_eq!(
            Request { host, ..get() }.encode(),
            Err(E::RequestHost),
            "{host:?}"
        );
    }
    for host in ["a b", "user@a", "a/b", "\u{fc}"] {
        assert_eq!(
            get().with("host", host).encode(),
            Err(E::RequestHost),
            "{host:?}"
        );
    }
}

#[test]
fn r10_targets() {
    for target in [
        "/",
        "/a%20b?c=d&e",
        "*",
        "http://a.test/b",
        "a.test:443",
        "/{x}|^`\\\"<>",
    ] {
        let text = Request { target, ..get() }.text();
        assert!(text.starts_with(&format!("GET {target} HTTP/1.1\r\n")));
    }
    for target in [
        "",
        "/a b",
        "/a\tb",
        "/a\r\nX: y",
        "/a\rb",
        "/a\nb",
        "/a\0b",
        "/\x7f",
        "/\u{e9}",
        "/a#b",
        " /",
    ] {
        assert_eq!(
            Request { target, ..get() }.encode(),
            Err(E::RequestTarget),
            "{target:?}"
        );
    }
}

#[test]
fn r10_the_types_of_http_hold_no_line_end() {
    for bad in ["a\r\nX: y", "a\rb", "a\nb", "a\0b"] {
        assert!(HeaderValue::from_bytes(bad.as_bytes()).is_err());
        assert!(HeaderName::from_bytes(bad.as_bytes()).is_err());
        assert!(Method::from_bytes(bad.as_bytes()).is_err());
    }
}
