//! The fields of a head, as lines and as a map.

use super::super::{Event, Headers};
use super::{Decoded, ProtocolError as E, Seen, limited, plain, value, with};
use http::{HeaderMap, HeaderValue, header};

fn some() -> Decoded {
    let fields = "Server: a\r\nX-A: 1\r\nx-a: 2\r\nX-Empty:\r\nContent-Length: 0\r\n";
    plain().ok(with(fields, ""))
}

#[test]
fn lines_are_as_they_came() {
    let got = some();
    let lines: Vec<_> = got.head.headers.lines().collect();
    assert_eq!(
        lines,
        [
            (&b"Server"[..], &b"a"[..]),
            (b"X-A", b"1"),
            (b"x-a", b"2"),
            (b"X-Empty", b""),
            (b"Content-Length", b"0"),
        ]
    );
}

#[test]
fn the_text_is_the_head_as_it_came() {
    let text = "HTTP/1.1 200 Fine\r\nX-A:  1 \r\nContent-Length: 0\r\n\r\n";
    let headers = plain().ok(text).head.headers;
    assert_eq!(headers.text(), text.as_bytes());
    assert_eq!(Headers::default().text(), b"");
}

#[test]
fn a_field_is_found_without_a_map() {
    let headers = some().head.headers;
    assert_eq!(headers.first(&header::SERVER), Some(&b"a"[..]));
    assert_eq!(headers.first(&header::CONTENT_LENGTH), Some(&b"0"[..]));
    let own = |name| header::HeaderName::from_static(name);
    assert_eq!(headers.first(&own("x-a")), Some(&b"1"[..]));
    assert_eq!(headers.first(&own("x-empty")), Some(&b""[..]));
    assert_eq!(headers.first(&own("x-b")), None);
}

#[test]
fn a_field_is_not_taken_for_another_one() {
    // By length and first letter, these two are the same.
    let headers = plain()
        .ok(with("B: 1\r\nContent-Length: 0\r\n", ""))
        .head
        .headers;
    let own = |name| header::HeaderName::from_static(name);
    assert_eq!(headers.first(&own("ab")), None);
    assert_eq!(headers.first(&own("b")), Some(&b"1"[..]));
    assert_eq!(Headers::default().first(&own("b")), None);
}

#[test]
fn a_field_has_all_of_the_name_that_is_asked_for() {
    let fields = "Dat: 1\r\nDated: 2\r\nX: date: 3\r\nDATE:\t 4:5 \r\ndate: 6\r\n";
    let headers = plain()
        .ok(with(&format!("{fields}Content-Length: 0\r\n"), ""))
        .head
        .headers;
    assert_eq!(headers.first(&header::DATE), Some(&b"4:5"[..]));
    assert_eq!(headers.lines().nth(2), Some((&b"X"[..], &b"date: 3"[..])));
}

#[test]
fn only_field_lines_are_fields_however_they_end() {
    let got = plain().ok("HTTP/1.1 204 No: Content\nA: b\n \tc\nB:\r\nC: d\r\n\n");
    let lines: Vec<_> = got.head.headers.lines().collect();
    let right: [(&[u8], &[u8]); 3] = [(b"A", b"b c"), (b"B", b""), (b"C", b"d")];
    assert_eq!(lines, right);
    assert_eq!(got.head.headers.len(), 3);
    let own = |name| header::HeaderName::from_static(name);
    assert_eq!(got.head.headers.first(&own("a")), Some(&b"b c"[..]));
    assert_eq!(got.head.headers.first(&own("c")), Some(&b"d"[..]));
}

#[test]
fn many_lines_stay_in_their_order() {
    let fields: Vec<(String, String)> = (0..70)
        .map(|n| (format!("N-{n}"), format!("value {n}")))
        .collect();
    for count in [31, 32, 33, 34, 70] {
        let lines: String = (fields[..count].iter())
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let got = plain().ok(format!("HTTP/1.1 204 No Content\r\n{lines}\r\n"));
        let right =
            (fields[..count].iter()).map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert!(got.head.headers.lines().eq(right), "{count}");
    }
}

#[test]
fn the_map_can_be_changed_and_taken() {
    let mut headers = some().head.headers;
    let before = headers.clone();
    assert_eq!(headers, before);
    headers.insert("x-a", HeaderValue::from_static("3"));
    headers.remove(header::SERVER);
    assert_ne!(headers, before);
    assert_eq!(value(&headers, "x-a"), b"3");
    assert_eq!(headers.clone().into_map().len(), 3);
    assert_eq!(HeaderMap::from(headers.clone()).len(), 3);
    assert_eq!(
        headers.first(&header::SERVER),
        Some(&b"a"[..]),
        "the lines stay as they came"
    );
    assert_eq!(before.into_map().len(), 5);
}

#[test]
fn the_map_is_there_for_who_has_not_looked() {
    let unseen = || {
        let wire = b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n";
        match plain().decoder().decode(wire).expect("a head").event {
            Event::Head(head) => head.headers,
            other => panic!("{other:?} instead of a head"),
        }
    };
    let mut changed = unseen();
    changed.insert("x-b", HeaderValue::from_static("2"));
    assert_eq!(changed.len(), 2);
    assert_eq!(unseen().into_map().len(), 1);
    assert_eq!(unseen(), unseen());
}

#[test]
fn no_fields_are_an_empty_map() {
    let got = plain().ok("HTTP/1.1 204 No Content\r\n\r\n");
    assert!(got.head.headers.is_empty());
    assert_eq!(got.head.headers.lines().count(), 0);
    assert_eq!(got.head.headers.first(&header::DATE), None);
    assert_eq!(format!("{:?}", got.head.headers), "{}");
}

#[test]
fn f27_a_name_may_have_65535_bytes() {
    let case = limited(|limits| limits.head_bytes = 1 << 20);
    let wire = |len: usize| {
        let name = "n".repeat(len);
        with(&format!("Content-Length: 0\r\n{name}: v\r\n"), "")
    };
    for cut in [0, 20, 60_000] {
        let feed = |wire: String| {
            let (front, back) = wire.as_bytes().split_at(cut);
            case.feed(&[front, back])
        };
        let fits = feed(wire(65_535));
        assert!(matches!(&fits[0], Seen::Head(head) if head.headers.len() == 2));
        let error = E::FieldName { line: 3 };
        assert_eq!(feed(wire(65_536)), [Seen::Error(error)]);
    }
}

#[test]
fn f27_no_limit_goes_beyond_what_a_map_holds() {
    let case = limited(|limits| (limits.fields, limits.head_bytes) = (usize::MAX, usize::MAX));
    let names = |count: usize| -> String { (1..count).map(|n| format!("N{n}:\r\n")).collect() };
    let wire = |count: usize| with(&format!("Content-Length: 0\r\n{}", names(count)), "");
    let got = case.feed(&[wire(16_384).as_bytes()]);
    assert!(matches!(&got[0], Seen::Head(head) if head.headers.len() == 16_384));
    let limit = 16_384;
    assert_eq!(
        case.feed(&[wire(16_385).as_bytes()]),
        [Seen::Error(E::TooManyFields { limit })]
    );
}
