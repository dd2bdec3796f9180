//! A whole fetch from a peer in memory, which says any bytes and closes: through the client, its exchange, the codings
//! and both ways to read a body.

use bytes::Bytes;
use eyewall::Reactor;
use eyewall::http::{Client, Conduit, ErrorKind, HeaderMap, Method, Response, StatusCode, Target};
use futures_util::{SinkExt, sink, stream};

use crate::cut;

thread_local! {
    static REACTOR: Reactor = Reactor::new().expect("a ring");
}

/// The bound on a body, where it is to be met.
const SMALL: u64 = 64;

/// Fetches what follows the first three bytes, which say how.
///
/// # Panics
///
/// If the same bytes make two responses, or a body breaks its bound.
pub fn run(data: &[u8]) {
    let Some(([flags, seed @ ..], answer)) = data.split_first_chunk::<3>() else {
        return;
    };
    let seed = u64::from(u16::from_le_bytes(*seed));
    let whole = fetch(*flags, &[answer], Reading::AtOnce, false);
    for (index, (way, pieces)) in cut::ways(answer, seed).into_iter().enumerate() {
        let rests = (seed >> index) & 1 == 1;
        for reading in [Reading::AtOnce, Reading::InChunks] {
            let other = fetch(*flags, &pieces, reading, rests);
            assert_eq!(
                whole,
                other,
                "{way} ({reading:?}) of {}",
                answer.escape_ascii()
            );
        }
    }
}

/// How the body is read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    AtOnce,
    InChunks,
}

/// What a caller gets.
#[derive(Debug, PartialEq)]
struct Got {
    status: StatusCode,
    reason: String,
    headers: HeaderMap,
    body: Result<Vec<u8>, ErrorKind>,
    trailers: Option<HeaderMap>,
}

/// Fetches from a peer that says these pieces, and lets others run between them if it `rests`.
fn fetch(flags: u8, pieces: &[&[u8]], reading: Reading, rests: bool) -> Result<Got, ErrorKind> {
    let on = |bit: u8| flags >> bit & 1 == 1;
    let method = if on(0) { Method::HEAD } else { Method::GET };
    let limit = if on(2) { SMALL } else { 1 << 16 };
    let pieces: Vec<Bytes> = pieces
        .iter()
        .map(|piece| Bytes::copy_from_slice(piece))
        .collect();
    let client = Client::builder()
        .connector(move |_: Target| peer(pieces.clone(), rests))
        .decompress(!on(1))
        .max_body_size(limit)
        .follow_redirects(false)
        .build();
    let request = client.request(method, "http://example.org/").no_proxy();
    let fetch = async {
        let mut response = request.send().await.map_err(|error| error.kind())?;
        let mut body = read(&mut response, reading).await;
        // A step decodes on until its slice is full or something is wrong: whether it meets that, or the bound before
        // it, depends on where its input begins.
        if response.content_coding().is_some() {
            body = body.map_err(|_| ErrorKind::Decode);
        }
        assert!(body.as_ref().map_or(0, Vec::len) as u64 <= limit);
        Ok(Got {
            status: response.status(),
            reason: response.reason().to_owned(),
            headers: response.headers().clone(),
            trailers: response.trailers().cloned(),
            body,
        })
    };
    REACTOR
        .with(|reactor| reactor.block_on(fetch))
        .expect("a reactor")
}

async fn read(response: &mut Response, reading: Reading) -> Result<Vec<u8>, ErrorKind> {
    let body = match reading {
        Reading::AtOnce => response.bytes().await.map(Vec::from),
        Reading::InChunks => {
            let mut body = Vec::new();
            loop {
                match response.chunk().await {
                    Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                    Ok(None) => break Ok(body),
                    Err(error) => break Err(error),
                }
            }
        }
    };
    body.map_err(|error| error.kind())
}

async fn peer(pieces: Vec<Bytes>, rests: bool) -> std::io::Result<Conduit> {
    let says = stream::unfold(pieces.into_iter(), move |mut pieces| async move {
        if rests {
            eyewall::yield_now().await;
        }
        Some((Ok(pieces.next()?), pieces))
    });
    Conduit::new(says, sink::drain().sink_map_err(|never| match never {}))
}
