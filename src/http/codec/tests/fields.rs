//! Joining folded lines, and the short cut for field names.

use super::super::fields::{elements, unfold};
use super::super::names;
use http::HeaderName;

#[test]
fn lists_are_cut_at_commas_and_trimmed() {
    let cut = |value: &'static str| -> Vec<&[u8]> { elements(value.as_bytes()).collect() };
    assert_eq!(cut("a, b\t,c"), [&b"a"[..], b"b", b"c"]);
    assert_eq!(cut(""), [&b""[..]]);
    assert_eq!(cut(" ,"), [&b""[..], b""]);
}

#[test]
fn a_head_without_folds_is_not_copied() {
    assert_eq!(unfold(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), Ok(None));
    let flat = unfold(b"HTTP/1.1 200 OK\r\nA: b \r\n\t c\r\n\r\n").expect("a right head");
    assert_eq!(
        flat.as_deref(),
        Some(&b"HTTP/1.1 200 OK\r\nA: b c\r\n\r\n"[..])
    );
}

#[test]
fn the_short_cut_knows_the_same_names() {
    for title in [
        "Age",
        "ETag",
        "Etag",
        "Date",
        "Vary",
        "Server",
        "Expires",
        "Location",
        "Connection",
        "Set-Cookie",
        "Content-Type",
        "Accept-Ranges",
        "Cache-Control",
        "Last-Modified",
        "Content-Length",
        "Content-Encoding",
        "Transfer-Encoding",
        "Keep-Alive",
        "X-Own",
    ] {
        for spelled in [title.to_owned(), title.to_lowercase(), title.to_uppercase()] {
            let name = names::parse(spelled.as_bytes()).expect("a right name");
            assert_eq!(
                name,
                HeaderName::from_bytes(spelled.as_bytes()).expect("a right name")
            );
            assert_eq!(name.as_str(), title.to_lowercase());
        }
    }
    assert!(names::parse(b"Date ").is_err());
    assert!(names::parse(b"").is_err());
}
