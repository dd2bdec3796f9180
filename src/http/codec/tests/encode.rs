//! Request heads and chunk lines: what is written, and what of the caller's fields goes into it.

use super::super::encode::is_one_head;
use super::super::{
    BodyFraming, CHUNK_END, CHUNKED_END, LAST_CHUNK, ProtocolError as E, RequestHead,
    encode_chunk_header, encode_trailers,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A request that a test changes one thing of.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) target: &'static str,
    pub(super) host: &'static str,
    pub(super) headers: HeaderMap,
    pub(super) body: BodyFraming,
    pub(super) close: bool,
    pub(super) expect_continue: bool,
}

pub(super) fn get() -> Request {
    Request {
        method: Method::GET,
        target: "/",
        host: "a.test",
        headers: HeaderMap::new(),
        body: BodyFraming::None,
        close: false,
        expect_continue: false,
    }
}

pub(super) fn post(body: BodyFraming) -> Request {
    Request {
        method: Method::POST,
        body,
        ..get()
    }
}

impl Request {
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a right value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            target: self.target,
            host: self.host,
            headers: &self.headers,
            body: self.body,
            close: self.close,
            expect_continue: self.expect_continue,
        }
    }

    pub(super) fn encode(&self) -> Result<String, E> {
        written(|out| self.head().encode(out))
    }

    pub(super) fn text(&self) -> String {
        self.encode().expect("a right request")
    }
}

/// What `encode` appends to a buffer.
fn written(encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<String, E> {
    let mut out = b"before".to_vec();
    let result = encode(&mut out);
    let text = String::from_utf8(out).expect("these tests are in UTF-8");
    let head = text.strip_prefix("before").expect("what was there stays");
    match result {
        Ok(()) => Ok(head.to_owned()),
        Err(error) => {
            assert_eq!(head, "", "nothing is written on an error");
            Err(error)
        }
    }
}

#[test]
fn a_plain_get() {
    assert_eq!(get().text(), "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
    let request = get()
        .with("accept", "*/*")
        .with("x-a", "1")
        .with("x-a", "2");
    assert_eq!(
        request.text(),
        "GET / HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\nx-a: 1\r\nx-a: 2\r\n\r\n"
    );
    assert!(!request.head().closes());
}

#[test]
fn httparse_reads_what_is_written() {
    let request = post(BodyFraming::Length(7))
        .with("x-empty", "")
        .with("x-a", "b\tc");
    let text = request.text();
    let mut slots = [httparse::EMPTY_HEADER; 8];
    let mut parsed = httparse::Request::new(&mut slots);
    let status = parsed.parse(text.as_bytes()).expect("a right head");
    assert_eq!(status, httparse::Status::Complete(text.len()));
    assert_eq!(
        (parsed.method, parsed.path, parsed.version),
        (Some("POST"), Some("/"), Some(1))
    );
    let names: Vec<_> = parsed.headers.iter().map(|field| field.name).collect();
    assert_eq!(names, ["host", "x-empty", "x-a", "content-length"]);
}

#[test]
fn the_body_decides_its_fields() {
    let ends = |request: Request, tail: &str| {
        let text = request.text();
        let expected = format!("host: a.test\r\n{tail}\r\n");
        assert!(
            text.ends_with(&expected),
            "{text:?} instead of {expected:?}"
        );
    };
    ends(post(BodyFraming::None), "content-length: 0\r\n");
    ends(
        Request {
            method: Method::PUT,
            ..get()
        },
        "content-length: 0\r\n",
    );
    ends(
        Request {
            method: Method::PATCH,
            ..get()
        },
        "content-length: 0\r\n",
    );
    ends(
        Request {
            method: Method::DELETE,
            ..get()
        },
        "",
    );
    ends(get().with("content-length", "0"), "content-length: 0\r\n");
    ends(post(BodyFraming::Length(0)), "content-length: 0\r\n");
    ends(
        post(BodyFraming::Length(u64::MAX)),
        "content-length: 18446744073709551615\r\n",
    );
    ends(post(BodyFraming::Chunked), "transfer-encoding: chunked\r\n");
    ends(
        Request {
            body: BodyFraming::Length(3),
            ..get()
        },
        "content-length: 3\r\n",
    );
    ends(
        post(BodyFraming::Length(3)).with("content-length", "3"),
        "content-length: 3\r\n",
    );
}

#[test]
fn one_host_of_the_callers_replaces_ours() {
    let text = get().with("host", "b.test:8080").text();
    assert_eq!(text, "GET / HTTP/1.1\r\nhost: b.test:8080\r\n\r\n");
    assert_eq!(
        get().with("host", "").text(),
        "GET / HTTP/1.1\r\nhost: \r\n\r\n"
    );
    let twice = get().with("host", "b.test").with("host", "b.test");
    assert_eq!(twice.encode(), Err(E::RequestHostRepeated));
}

#[test]
fn p08_close_by_us_or_by_the_caller() {
    let ours = Request {
        close: true,
        ..get()
    };
    let callers = get().with("connection", "Close");
    let both = Request {
        close: true,
        ..callers.clone()
    };
    for request in [ours, callers, both] {
        assert_eq!(
            request.text(),
            "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n"
        );
        assert!(request.head().closes());
    }
}

#[test]
fn the_connection_field_is_ours() {
    let kept = get().with("connection", "Keep-Alive");
    assert_eq!(
        kept.text(),
        "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: keep-alive\r\n\r\n"
    );
    assert!(!kept.head().closes());
    let upgrade = get().with("upgrade", "websocket");
    let expected =
        "GET / HTTP/1.1\r\nhost: a.test\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
    assert_eq!(upgrade.text(), expected);
    assert_eq!(
        upgrade.clone().with("connection", "Upgrade").text(),
        expected
    );
    let te = get().with("te", "trailers");
    for (request, options) in [
        (te.clone(), "te"),
        (te.clone().with("connection", "TE"), "te"),
        (te.clone().with("connection", "close"), "close, te"),
    ] {
        let end = format!("te: trailers\r\nconnection: {options}\r\n\r\n");
        assert!(request.text().ends_with(&end), "{options:?}");
    }
    for (request, value) in [
        (upgrade, "x-hop"),
        (te, "x-hop"),
        (get(), "upgrade"),
        (get(), "te"),
        (get(), "x-hop"),
        (get(), "host"),
        (get(), ""),
        (get(), "keep-alive, close"),
        (get(), "close, content-length"),
        (
            Request {
                close: true,
                ..get()
            },
            "keep-alive",
        ),
    ] {
        let request = request.with("connection", value);
        assert_eq!(request.encode(), Err(E::RequestConnection), "{value:?}");
    }
    for value in ["gzip", "trailers, deflate", ""] {
        assert_eq!(
            get().with("te", value).encode(),
            Err(E::RequestTe),
            "{value:?}"
        );
    }
}

#[test]
fn i05_expect() {
    let asked = Request {
        expect_continue: true,
        ..post(BodyFraming::Length(3))
    };
    assert!(
        asked
            .text()
            .ends_with("content-length: 3\r\nexpect: 100-continue\r\n\r\n")
    );
    assert_eq!(
        asked.clone().with("expect", "100-Continue").text(),
        asked.text()
    );
    assert_eq!(asked.with("expect", "else").encode(), Err(E::RequestExpect));
    let unasked = post(BodyFraming::Chunked).with("expect", "100-continue");
    assert_eq!(unasked.encode(), Err(E::RequestExpect));
    for body in [BodyFraming::None, BodyFraming::Length(0)] {
        let request = Request {
            expect_continue: true,
            ..post(body)
        };
        assert_eq!(request.encode(), Err(E::RequestExpectWithoutBody));
    }
    let chunked = Request {
        expect_continue: true,
        ..post(BodyFraming::Chunked)
    };
    assert!(chunked.text().contains("expect: 100-continue"));
}

#[test]
fn a_stray_line_end_in_a_head_is_seen() {
    for (head, right) in [
        ("GET / HTTP/1.1\r\n\r\n", true),
        ("GET / HTTP/1.1\r\na: b\r\n\r\n", true),
        ("", false),
        ("\r\n\r\n", false),
        ("GET / HTTP/1.1\r\n", false),
        ("GET / HTTP/1.1\r\n\r\na: b\r\n\r\n", false),
        ("GET / HTTP/1.1\na: b\r\n\r\n", false),
        ("GET / HTTP/1.1\r\na: b\rc: d\r\n\r\n", false),
        ("GET / HTTP/1.1\r\na: \0\r\n\r\n", false),
    ] {
        assert_eq!(is_one_head(head.as_bytes()), right, "{head:?}");
    }
}

#[test]
fn values_beyond_ascii_go_out_as_they_are() {
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-latin",
        HeaderValue::from_bytes(b"caf\xe9").expect("a right value"),
    );
    let request = Request { headers, ..get() };
    let mut out = Vec::new();
    request.head().encode(&mut out).expect("a right request");
    assert_eq!(
        out,
        b"GET / HTTP/1.1\r\nhost: a.test\r\nx-latin: caf\xe9\r\n\r\n"
    );
}

#[test]
fn chunk_lines() {
    for len in [
        1,
        9,
        10,
        15,
        16,
        255,
        256,
        4096,
        65535,
        65536,
        0xdead_beef,
        usize::MAX,
    ] {
        let mut out = b"..".to_vec();
        encode_chunk_header(len, &mut out);
        assert_eq!(out, format!("..{len:x}\r\n").as_bytes());
    }
    assert_eq!([LAST_CHUNK, CHUNK_END].concat(), CHUNKED_END);
}

#[test]
#[should_panic(expected = "would end the body")]
fn an_empty_chunk_panics() {
    encode_chunk_header(0, &mut Vec::new());
}

#[test]
fn trailers_follow_the_last_chunk() {
    let mut trailers = HeaderMap::new();
    let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let start = wire.len();
    encode_trailers(&trailers, &mut wire).expect("right trailers");
    assert_eq!(&wire[start..], CHUNKED_END);
    wire.truncate(start);
    trailers.append("digest", HeaderValue::from_static("abc"));
    trailers.append("x-a", HeaderValue::from_static("1"));
    trailers.append("x-a", HeaderValue::from_static("2"));
    encode_trailers(&trailers, &mut wire).expect("right trailers");
    assert_eq!(
        &wire[start..],
        b"0\r\ndigest: abc\r\nx-a: 1\r\nx-a: 2\r\n\r\n"
    );
    assert_eq!(super::plain().ok(&wire).trailers, Some(trailers));
}

#[test]
fn r10_no_trailer_changes_what_has_been_sent() {
    for name in [
        "content-length",
        "transfer-encoding",
        "host",
        "authorization",
        "cookie",
        "content-type",
        "trailer",
    ] {
        let mut trailers = HeaderMap::new();
        trailers.append("x-a", HeaderValue::from_static("1"));
        trailers.append(name, HeaderValue::from_static("1"));
        let mut out = b"before".to_vec();
        let result = encode_trailers(&trailers, &mut out);
        assert_eq!(result, Err(E::RequestTrailer), "{name}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn what_we_encode_in_chunks_we_decode() {
    let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut body = Vec::new();
    for len in [1, 15, 16, 300] {
        let data = vec![b'a' + (len % 26) as u8; len];
        encode_chunk_header(len, &mut wire);
        wire.extend_from_slice(&data);
        wire.extend_from_slice(CHUNK_END);
        body.extend_from_slice(&data);
    }
    wire.extend_from_slice(CHUNKED_END);
    assert_eq!(super::plain().ok(&wire).body, body);
}
