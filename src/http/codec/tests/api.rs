//! What a caller relies on beside the events: counts, `advance_body`, no copies of content, messages.

use super::super::{Event, Limits, RequestKind, ResponseDecoder};
use super::{ProtocolError, Seen, plain, then_eof, with};

#[test]
fn content_is_a_range_of_the_input() {
    let wire = with("Content-Length: 5\r\n", "hello");
    let mut decoder = plain().decoder();
    let step = decoder.decode(wire.as_bytes()).expect("a head");
    let rest = &wire[step.consumed..];
    let step = decoder.decode(rest.as_bytes()).expect("content");
    assert_eq!((step.consumed, step.event), (5, Event::Body(0..5)));
    let wire = super::chunked("5;x=y\r\nhello\r\n0\r\n\r\n");
    let mut decoder = plain().decoder();
    let head = decoder.decode(wire.as_bytes()).expect("a head").consumed;
    let step = decoder.decode(&wire.as_bytes()[head..]).expect("content");
    assert_eq!((step.consumed, step.event), (12, Event::Body(7..12)));
}

#[test]
fn a_body_of_known_length_may_bypass_the_decoder() {
    let wire = with("Content-Length: 10\r\n", "abc");
    let mut decoder = plain().decoder();
    assert_eq!(decoder.body_remaining(), None);
    let head = decoder.decode(wire.as_bytes()).expect("a head").consumed;
    assert_eq!(decoder.body_remaining(), Some(10));
    decoder.decode(&wire.as_bytes()[head..]).expect("content");
    assert_eq!(decoder.body_remaining(), Some(7));
    decoder.advance_body(4);
    assert_eq!(
        (decoder.body_remaining(), decoder.is_complete()),
        (Some(3), false)
    );
    decoder.advance_body(3);
    assert_eq!(
        (decoder.body_remaining(), decoder.is_complete()),
        (Some(0), true)
    );
    assert_eq!(decoder.bytes_received(), head as u64 + 10);
    assert_eq!(decoder.decode(b"left").expect("the end").event, Event::End);

    let mut cut = plain().decoder();
    cut.decode(&wire.as_bytes()[..head]).expect("a head");
    cut.advance_body(9);
    let error = ProtocolError::EofInBody {
        received: 9,
        expected: 10,
    };
    assert_eq!(cut.finish(), Err(error));
}

#[test]
#[should_panic(expected = "advance_body(3)")]
fn advance_body_beyond_the_end_panics() {
    let mut decoder = plain().decoder();
    decoder
        .decode(with("Content-Length: 2\r\n", "").as_bytes())
        .expect("a head");
    decoder.advance_body(3);
}

#[test]
#[should_panic(expected = "advance_body(1)")]
fn advance_body_without_a_length_panics() {
    plain().decoder().advance_body(1);
}

#[test]
fn the_end_is_known_with_the_last_byte() {
    for wire in [
        with("Content-Length: 2\r\n", "hi"),
        super::chunked("2\r\nhi\r\n0\r\n\r\n"),
        super::chunked("0\r\nA: b\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ] {
        let mut decoder = plain().decoder();
        for (index, byte) in wire.bytes().enumerate() {
            assert!(!decoder.is_complete(), "at {index} of {wire:?}");
            let mut rest = &[byte][..];
            while !rest.is_empty() {
                rest = &rest[decoder.decode(rest).expect("a right response").consumed..];
            }
        }
        assert!(decoder.is_complete(), "{wire:?}");
    }
}

#[test]
fn an_empty_input_needs_more_in_every_state() {
    let mut empty = Vec::new();
    let wire = super::chunked("2;x\r\nhi\r\n0\r\nA: b\r\n\r\n");
    for byte in wire.as_bytes().chunks(1) {
        empty.extend([byte, &[][..]]);
    }
    assert_eq!(plain().feed(&empty), plain().feed(&[wire.as_bytes()]));
    let until_close = [&b"HTTP/1.0 200 OK\r\n\r\n"[..], b"", b"x", b""];
    assert!(matches!(
        then_eof().feed(&until_close)[..],
        [Seen::Head(_), Seen::Body(_), Seen::End(_)]
    ));
}

#[test]
fn errors_say_what_the_limit_was() {
    for (error, text) in [
        (ProtocolError::HeadTooLarge { limit: 65536 }, "65536"),
        (
            ProtocolError::EofInBody {
                received: 4,
                expected: 5,
            },
            "4 of 5",
        ),
        (
            ProtocolError::ControlInHead { line: 3, byte: 0 },
            "0x00 in line 3",
        ),
        (ProtocolError::ChunkSizeMissing, "without a size"),
    ] {
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_waiting_decoder_is_small() {
    // One lives for each exchange in flight.
    assert!(
        size_of::<ResponseDecoder>() <= 400,
        "{}",
        size_of::<ResponseDecoder>()
    );
    let decoder = ResponseDecoder::new(Limits::default(), RequestKind::default());
    assert_eq!(decoder.bytes_received(), 0);
    assert!(!decoder.is_complete());
}
