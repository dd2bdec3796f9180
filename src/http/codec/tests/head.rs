//! Status lines and field lines: F23-F26, F28, F29.

use super::{ProtocolError as E, limited, plain, strict, then_eof, value, with};
use http::{StatusCode, Version};

#[test]
fn f23_folded_lines_are_joined_by_a_space() {
    for (fields, joined) in [
        ("A: one\r\n two\r\n", "one two"),
        ("A: one  \r\n\t \ttwo\r\n", "one two"),
        ("A: one\n two\n", "one two"),
        ("A:\r\n two\r\n", "two"),
        ("A: one\r\n two\r\n\tthree\r\n", "one two three"),
        ("A: one\r\n \r\n", "one"),
    ] {
        let got = plain().ok(with(&format!("{fields}Content-Length: 0\r\n"), ""));
        assert_eq!(
            value(&got.head.headers, "a"),
            joined.as_bytes(),
            "{fields:?}"
        );
        assert_eq!(got.head.headers.len(), 2);
    }
    let got = plain().ok(with("Content-Length:\r\n 2\r\n", "hi"));
    assert_eq!(got.body, b"hi", "a folded field means the same");
    assert_eq!(
        plain().err(with("Content-Length: 1\r\n 2\r\n", "")),
        E::ContentLengthInvalid
    );
}

#[test]
fn f23_a_fold_before_the_first_field_is_an_error() {
    for fields in [" A: b\r\n", "\tA: b\r\n", " \r\nA: b\r\n"] {
        assert_eq!(plain().err(with(fields, "")), E::FoldBeforeFirstField);
    }
}

#[test]
fn f24_bare_lf_is_accepted_in_the_head_only() {
    for wire in [
        "HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nhi",
        "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\nhi",
        "HTTP/1.1 200\nA: b\nContent-Length: 2\n\r\nhi",
    ] {
        let got = plain().ok(wire);
        assert_eq!(value(&got.head.headers, "a"), b"b");
        assert_eq!(got.body, b"hi");
        assert_eq!(strict().err(wire), E::BareLfInHead);
    }
    assert_eq!(
        strict().ok(with("Content-Length: 2\r\n", "h\n")).body,
        b"h\n"
    );
}

#[test]
fn f24_bare_cr_nul_and_controls_are_errors() {
    for (text, byte) in [
        ("a\rb", b'\r'),
        ("a\0b", 0),
        ("\x01", 1),
        ("a\x0b", 0x0b),
        ("\x1b[2J", 0x1b),
        ("\x7f", 0x7f),
    ] {
        let in_value = with(&format!("A: b\r\nB: {text}\r\n"), "");
        assert_eq!(
            plain().err(in_value),
            E::ControlInHead { line: 3, byte },
            "{text:?}"
        );
        let in_name = with(&format!("B{text}B: c\r\n"), "");
        assert_eq!(
            plain().err(in_name),
            E::ControlInHead { line: 2, byte },
            "{text:?}"
        );
        let in_reason = format!("HTTP/1.1 200 {text} \r\n\r\n");
        assert_eq!(
            plain().err(in_reason),
            E::ControlInHead { line: 1, byte },
            "{text:?}"
        );
        let folded = with(&format!("A: b\r\n {text}\r\n"), "");
        assert_eq!(
            plain().err(folded),
            E::ControlInHead { line: 2, byte },
            "{text:?}"
        );
    }
    assert!(
        plain().waits("HTTP/1.1 200 OK\r\n\r\r\n"),
        "a line that holds a CR is not empty"
    );
    for wire in [with("A: b\r\r\n", ""), with("\rA: b\r\n", "")] {
        assert!(matches!(
            plain().err(wire),
            E::ControlInHead {
                line: 2,
                byte: b'\r'
            }
        ));
    }
    assert_eq!(
        value(
            &plain()
                .ok(with("A: b\tc\r\nContent-Length: 0\r\n", ""))
                .head
                .headers,
            "a"
        ),
        b"b\tc"
    );
}

#[test]
fn f25_malformed_field_lines() {
    for (line, error) in [
        ("Bad : x", E::SpaceBeforeColon { line: 3 }),
        ("Bad\t: x", E::SpaceBeforeColon { line: 3 }),
        ("Content-Length : 5", E::SpaceBeforeColon { line: 3 }),
        ("Bad", E::FieldWithoutColon { line: 3 }),
        (": x", E::EmptyFieldName { line: 3 }),
        (":", E::EmptyFieldName { line: 3 }),
        ("B d: x", E::FieldName { line: 3 }),
        ("B(d): x", E::FieldName { line: 3 }),
        ("B\u{e9}: x", E::FieldName { line: 3 }),
    ] {
        let wire = with(&format!("Good: x\r\n{line}\r\nMore: y\r\n"), "");
        assert_eq!(plain().err(wire), error, "{line:?}");
    }
    let many = "A: b\r\n".repeat(150);
    let wire = with(&format!("{many}Bad : x\r\n"), "");
    assert_eq!(
        limited(|limits| limits.fields = 200).err(wire),
        E::SpaceBeforeColon { line: 152 },
        "behind many fields"
    );
}

#[test]
fn f26_status_lines_that_are_accepted() {
    for (line, status, reason) in [
        ("HTTP/1.1 200 OK", 200, None),
        ("HTTP/1.1 200  OK ", 200, None),
        ("HTTP/1.1 200 OK\t", 200, None),
        ("HTTP/1.1 200 ", 200, None),
        ("HTTP/1.1 200", 200, None),
        ("HTTP/1.1 200 Fine", 200, Some("Fine")),
        ("HTTP/1.1 200 ok", 200, Some("ok")),
        ("HTTP/1.1 404 Not Found", 404, None),
        (
            "HTTP/1.1 200 Tr\u{e8}s bien",
            200,
            Some("Tr\u{c3}\u{a8}s bien"),
        ),
        ("HTTP/1.1 299 Odd", 299, Some("Odd")),
        ("HTTP/1.1 299", 299, None),
        ("HTTP/1.1 999 \tA  b ", 999, Some("A  b")),
    ] {
        let got = plain().ok(format!("{line}\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(got.head.status.as_u16(), status, "{line:?}");
        assert_eq!(got.head.reason.as_deref(), reason, "{line:?}");
        assert_eq!(got.head.version, Version::HTTP_11);
    }
    let latin = plain().ok(b"HTTP/1.1 200 Tr\xe8s bien\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(latin.head.reason.as_deref(), Some("Tr\u{e8}s bien"));
    let old = then_eof().ok("HTTP/1.0 503 Service Unavailable\r\n\r\n");
    assert_eq!(old.head.version, Version::HTTP_10);
    assert_eq!(old.head.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn f26_status_lines_that_are_refused() {
    for (line, error) in [
        ("HTTP/1.1 99", E::StatusCode),
        ("HTTP/1.1 99 x", E::StatusCode),
        ("HTTP/1.1 000 x", E::StatusCode),
        ("HTTP/1.1 099 x", E::StatusCode),
        ("HTTP/1.1 1000", E::StatusCode),
        ("HTTP/1.1 20x OK", E::StatusCode),
        ("HTTP/1.1 200OK", E::StatusCode),
        ("HTTP/1.1 200\tOK", E::StatusCode),
        ("HTTP/1.1 -20 OK", E::StatusCode),
        ("HTTP/1.1 ", E::StatusLine),
        ("HTTP/1.1", E::StatusLine),
        ("HTTP/1.1  200 OK", E::StatusLine),
        ("HTTP/1.1\t200 OK", E::StatusLine),
        ("HTTP/1.11 200 OK", E::StatusLine),
        ("HTTP/2.0 200 OK", E::UnsupportedVersion),
        ("HTTP/2 200", E::UnsupportedVersion),
        ("HTTP/0.9 200 OK", E::UnsupportedVersion),
        ("HTTP/1.2 200 OK", E::UnsupportedVersion),
        ("HTTP/1. 200 OK", E::UnsupportedVersion),
        ("HTTP/", E::UnsupportedVersion),
        ("ICY 200 OK", E::NotHttp),
        ("http/1.1 200 OK", E::NotHttp),
        ("HTTPS/1.1 200 OK", E::NotHttp),
        ("H", E::NotHttp),
        ("<html>hello</html>", E::NotHttp),
        (" HTTP/1.1 200 OK", E::NotHttp),
    ] {
        let wire = format!("{line}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(plain().err(&wire), error, "{line:?}");
    }
}

#[test]
fn f26_another_protocol_is_refused_at_its_first_bytes() {
    assert_eq!(plain().err("SSH-2.0-OpenSSH_9"), E::NotHttp);
    assert_eq!(plain().err("\0\0\x12\x04\0\0\0\0\0"), E::NotHttp);
    assert_eq!(plain().err("\x15\x03\x01"), E::TlsAlert);
    assert_eq!(plain().err("\x16\x03\x01"), E::NotHttp);
    assert_eq!(plain().err("HTTP/2"), E::UnsupportedVersion);
    assert!(plain().waits("HTTP/1.1 2"));
}

#[test]
fn f28_blank_lines_before_the_status_line_are_skipped() {
    for blank in ["\r\n", "\r\n\r\n", "\n", "\n\r\n\n"] {
        let wire = format!("{blank}{}", with("Content-Length: 2\r\n", "hi"));
        assert_eq!(plain().ok(&wire).body, b"hi");
        let between = format!("{blank}HTTP/1.1 100 Continue\r\n\r\n{wire}");
        assert_eq!(plain().ok(between).body, b"hi");
    }
    let cr = format!("\r{}", with("", ""));
    assert_eq!(
        plain().err(cr),
        E::ControlInHead {
            line: 1,
            byte: b'\r'
        }
    );
    assert_eq!(strict().err("\nHTTP/1.1 200 OK\r\n\r\n"), E::BareLfInHead);
}

#[test]
fn f29_values_beyond_ascii_are_kept_as_they_are() {
    let mut wire =
        b"HTTP/1.1 200 OK\r\nX-Latin: caf\xe9 \x80\xff\r\nContent-Length: 0\r\n\r\n".to_vec();
    let got = plain().ok(&wire);
    assert_eq!(value(&got.head.headers, "x-latin"), b"caf\xe9 \x80\xff");
    wire.splice(
        17..17,
        b"Set-Cookie: a=1\r\nSET-COOKIE: b=\xc3\xa9; Path=/\r\nEmpty:\r\nEmpty2: \t\r\n"
            .iter()
            .copied(),
    );
    let got = plain().ok(&wire);
    let cookies: Vec<_> = got
        .head
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|v| v.as_bytes())
        .collect();
    assert_eq!(cookies, [&b"a=1"[..], b"b=\xc3\xa9; Path=/"]);
    assert_eq!(value(&got.head.headers, "empty"), b"");
    assert_eq!(value(&got.head.headers, "empty2"), b"");
}
