//! Any bytes as a response, whole and in pieces, for every kind of request, with large limits and small ones.

use eyewall::http::codec::Framing;

use crate::cut;
use crate::judge_httparse;
use crate::model_head;
use crate::settings::Settings;
use crate::sight::{Outcome, Sight, Taking, observe};

/// Decodes what follows the settings in every way, and compares.
///
/// # Panics
///
/// If the decoder breaks a promise, or reads the same bytes in two ways.
pub fn run(data: &[u8]) {
    let Some((settings, wire)) = Settings::read(data) else {
        return;
    };
    let whole = observe(&settings, &[wire], Taking::Decoded);
    for (way, pieces) in cut::ways(wire, settings.seed) {
        for taking in [Taking::Decoded, Taking::PastDecoder] {
            let other = observe(&settings, &pieces, taking);
            assert!(
                whole == other,
                "{way} ({taking:?}) of {}:\n  whole {whole:?}\n  cut   {other:?}",
                wire.escape_ascii()
            );
        }
    }
    check(&whole, &settings, wire);
}

/// Compares what was seen with what the rules say about the same bytes.
fn check(seen: &Sight, settings: &Settings, wire: &[u8]) {
    let mut start = 0;
    for message in &seen.messages {
        let bytes = &wire[start..message.end];
        model_head::check(message, bytes, settings.request);
        judge_httparse::check(message);
        if settings.strict {
            let bare = |at: usize| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r');
            assert!(!(0..bytes.len()).any(bare), "a bare LF in strict mode");
        }
        start = message.end;
    }
    let Some(last) = seen.messages.last().filter(|last| !last.informational) else {
        assert!(seen.content.is_empty(), "content without a head");
        judge_httparse::check_other(seen.outcome, &wire[start..]);
        return;
    };
    let rest = &wire[start..];
    let there = match last.head.framing {
        Framing::None | Framing::Tunnel => 0,
        Framing::Length(length) => {
            usize::try_from(length).map_or(rest.len(), |n| n.min(rest.len()))
        }
        Framing::UntilClose => rest.len(),
        // The other target looks at these.
        Framing::Chunked => return,
    };
    assert_eq!(seen.content, &rest[..there], "the content");
    assert_eq!(seen.trailers, None, "trailers without chunks");
    let whole = match last.head.framing {
        Framing::Length(length) => length == there as u64,
        Framing::UntilClose => matches!(seen.outcome, Outcome::Complete(_)),
        _ => true,
    };
    match seen.outcome {
        Outcome::Complete(end) => assert!(whole && end == start + there, "an end at {end}"),
        Outcome::Waiting | Outcome::Failed(_) => assert!(!whole, "no end: {:?}", seen.outcome),
    }
}
