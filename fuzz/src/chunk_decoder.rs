//! Any bytes as a chunked body, beside a model that reads the same; and bodies that the encoder has made.

use eyewall::http::codec::{CHUNK_END, RequestKind, encode_chunk_header, encode_trailers};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cut;
use crate::model_chunked::{self, Model};
use crate::settings::{Ending, Settings};
use crate::sight::{Outcome, Sight, Taking, observe};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Decodes what follows the settings as a body in every way, and compares.
///
/// # Panics
///
/// If the decoder breaks a promise, reads the same bytes in two ways, or in another way than the model.
pub fn run(data: &[u8]) {
    let Some((mut settings, rest)) = Settings::read(data) else {
        return;
    };
    settings.request = RequestKind::default();
    // The head is no part of this.
    settings.limits.head_bytes = HEAD.len();
    settings.limits.fields = 1;
    match settings.other {
        false => check(&decode(&settings, rest), &settings, rest),
        true => encode_and_decode(&settings, rest),
    }
}

/// Decodes a body in every way, which must show the same.
fn decode(settings: &Settings, wire: &[u8]) -> Sight {
    let whole = observe(settings, &[HEAD, wire], Taking::Decoded);
    for (way, pieces) in cut::ways(wire, settings.seed) {
        let pieces: Vec<&[u8]> = [HEAD].into_iter().chain(pieces).collect();
        let other = observe(settings, &pieces, Taking::Decoded);
        assert!(
            whole == other,
            "{way} of {}:\n  whole {whole:?}\n  cut   {other:?}",
            wire.escape_ascii()
        );
    }
    whole
}

fn check(seen: &Sight, settings: &Settings, wire: &[u8]) {
    let model = model_chunked::read(wire, &settings.limits);
    let shown = wire.escape_ascii();
    match (seen.outcome, model) {
        (Outcome::Complete(end), Model::Whole(body)) => {
            assert_eq!(end, HEAD.len() + body.len, "the end of {shown}");
            assert_eq!(seen.content, body.content, "the content of {shown}");
            check_trailers(seen.trailers.as_ref(), body.trailers);
        }
        (Outcome::Waiting, Model::Partial { content }) => {
            assert_eq!(settings.ending, Ending::Open);
            assert_eq!(seen.content, content, "the content of {shown}");
        }
        // The decoder may find sooner what is wrong, or the connection has ended.
        (Outcome::Failed(_), Model::Partial { .. } | Model::Wrong { .. }) => {}
        (Outcome::Waiting, Model::Wrong { in_trailers: true }) => {}
        (outcome, model) => panic!("{outcome:?} and {model:?} for {shown}"),
    }
}

/// The trailers that were shown are those that came, in their order, without those that do not belong there.
fn check_trailers(seen: Option<&HeaderMap>, came: Vec<(String, Vec<u8>)>) {
    let mut map = HeaderMap::new();
    for (name, value) in came {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        if matter_of_trust(&name) {
            continue;
        }
        map.append(name, HeaderValue::from_bytes(&value).expect("a value"));
    }
    let shown = seen.cloned().unwrap_or_default();
    for name in shown.keys() {
        assert!(!matter_of_trust(name), "{name} among the trailers");
    }
    assert_eq!(shown, map);
}

/// Whether the field frames, routes, authenticates, or says how content is to be handled: the encoder refuses those.
fn matter_of_trust(name: &HeaderName) -> bool {
    let map = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("x"))]);
    let refused = encode_trailers(&map, &mut Vec::new()).is_err();
    // Whatever the list says, these are on it.
    let must = matches!(
        name.as_str(),
        "authorization"
            | "content-encoding"
            | "content-length"
            | "content-type"
            | "cookie"
            | "host"
            | "proxy-authorization"
            | "set-cookie"
            | "trailer"
            | "transfer-encoding"
    );
    assert!(refused || !must, "{name} passes as a trailer");
    refused
}

/// Takes `recipe` as the lengths of chunks and their data, then trailers; what is encoded must be decoded again.
fn encode_and_decode(settings: &Settings, recipe: &[u8]) {
    let mut settings = *settings;
    settings.limits = eyewall::http::codec::Limits::default();
    let (mut wire, mut content) = (Vec::new(), Vec::new());
    let mut rest = recipe;
    while let Some((len, after)) = rest.split_first() {
        let len = usize::from(*len).min(after.len());
        if len == 0 {
            rest = after;
            break;
        }
        encode_chunk_header(len, &mut wire);
        wire.extend_from_slice(&after[..len]);
        wire.extend_from_slice(CHUNK_END);
        content.extend_from_slice(&after[..len]);
        rest = &after[len..];
    }
    let mut trailers = HeaderMap::new();
    for line in rest.split(|byte| *byte == b'\n').take(50) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            trailers.append(name, value);
        }
    }
    let before = wire.clone();
    if encode_trailers(&trailers, &mut wire).is_err() {
        assert_eq!(wire, before, "an error leaves something behind");
        return;
    }
    let end = HEAD.len() + wire.len();
    wire.extend_from_slice(b"left");
    let seen = decode(&settings, &wire);
    assert_eq!(
        seen.outcome,
        Outcome::Complete(end),
        "{}",
        wire.escape_ascii()
    );
    assert_eq!(seen.content, content);
    assert_eq!(seen.trailers.unwrap_or_default(), trailers);
}
