//! Interim responses and upgrades: I01-I04 and I09, and what I05, I06, I08 need of the codec.

use super::super::{Framing, RequestKind};
use super::{ProtocolError as E, answer_to, limited, plain, strict, value, with};
use http::{Method, StatusCode};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[test]
fn i01_100_unasked_then_200() {
    let got = plain().ok(format!("{CONTINUE}{}", with("Content-Length: 2\r\n", "hi")));
    assert_eq!(got.informational.len(), 1);
    assert_eq!(got.informational[0].status, StatusCode::CONTINUE);
    assert_eq!(got.informational[0].framing, Framing::None);
    assert_eq!(
        (got.head.status, got.body),
        (StatusCode::OK, b"hi".to_vec())
    );
}

#[test]
fn i01_what_100_says_of_the_connection_means_nothing() {
    let got = plain().ok(format!(
        "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n{}",
        with("Content-Length: 0\r\n", "")
    ));
    assert!(got.head.keep_alive);
}

#[test]
fn i02_102_and_103_are_shown_in_order() {
    let got = plain().ok(format!(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{}",
        with("Content-Length: 0\r\n", "")
    ));
    let codes: Vec<u16> = got
        .informational
        .iter()
        .map(|head| head.status.as_u16())
        .collect();
    assert_eq!(codes, [102, 103]);
    assert_eq!(value(&got.informational[1].headers, "link"), b"</a>");
    assert_eq!(got.head.headers.get("link"), None, "never merged");
}

#[test]
fn i03_a_storm_of_100_is_an_error() {
    let end = with("Content-Length: 0\r\n", "");
    let got = plain().ok(format!("{}{end}", CONTINUE.repeat(16)));
    assert_eq!(got.informational.len(), 16);
    let storm = format!("{}{end}", CONTINUE.repeat(17));
    assert_eq!(plain().err(storm), E::TooManyInformational { limit: 16 });
    let thousand = CONTINUE.repeat(1000);
    assert_eq!(plain().err(thousand), E::TooManyInformational { limit: 16 });
    let none = limited(|limits| limits.informational = 0);
    assert_eq!(none.err(CONTINUE), E::TooManyInformational { limit: 0 });
}

#[test]
fn i04_100_with_headers() {
    // Fields that frame content mean nothing here, not even wrong ones.
    let interim =
        "HTTP/1.1 100 Go on\r\nX: y\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n";
    for case in [plain(), strict()] {
        let got = case.ok(format!("{interim}{}", with("Content-Length: 2\r\n", "hi")));
        assert_eq!(value(&got.informational[0].headers, "x"), b"y");
        assert_eq!(got.informational[0].reason.as_deref(), Some("Go on"));
        assert_eq!(got.body, b"hi");
    }
    let chunks = format!("{CONTINUE}{}", super::chunked("2\r\nhi\r\n0\r\n\r\n"));
    assert_eq!(plain().ok(chunks).body, b"hi");
}

#[test]
fn i05_100_alone_leaves_the_response_open() {
    assert!(plain().waits(CONTINUE));
    let mut decoder = plain().decoder();
    let step = decoder
        .decode(CONTINUE.as_bytes())
        .expect("a right response");
    assert_eq!(step.consumed, CONTINUE.len());
    assert!(!decoder.is_complete());
    assert_eq!(decoder.bytes_received(), CONTINUE.len() as u64);
}

#[test]
fn i06_i08_a_final_status_first() {
    for status in ["403 Forbidden", "417 Expectation Failed"] {
        let got = plain().ok(format!(
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ));
        assert!(got.informational.is_empty());
        assert!(!got.head.keep_alive);
    }
}

#[test]
fn i09_101_unasked_is_an_error() {
    let wire =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    assert_eq!(plain().err(wire), E::UnaskedUpgrade);
    assert_eq!(
        answer_to(RequestKind::of(&Method::CONNECT)).err(wire),
        E::UnaskedUpgrade
    );
    assert_eq!(plain().err(format!("{CONTINUE}{wire}")), E::UnaskedUpgrade);
}

#[test]
fn i09_101_asked_hands_over_the_rest() {
    let case = answer_to(RequestKind::of(&Method::GET).with_upgrade(true));
    let wire = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 9\r\n\r\n\x01\x02hi";
    for before in ["", CONTINUE] {
        let got = case.ok(format!("{before}{wire}"));
        assert_eq!(
            (got.head.framing, got.head.keep_alive),
            (Framing::Tunnel, false)
        );
        assert_eq!(got.left, b"\x01\x02hi");
    }
    let mut decoder = case.decoder();
    let head = decoder.decode(wire.as_bytes()).expect("a right response");
    assert!(decoder.is_complete(), "the rest is not ours");
    assert_eq!(&wire.as_bytes()[head.consumed..], b"\x01\x02hi");
    assert_eq!(decoder.bytes_received(), head.consumed as u64);
    // The server may also decline.
    assert_eq!(case.ok(with("Content-Length: 2\r\n", "no")).body, b"no");
}
