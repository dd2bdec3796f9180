//! Connections and bodies of the user's that never wait: others have their turn all the same, and what lies on an idle
//! connection is still found.
#![cfg(feature = "http")]

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use eyewall::http::{Body, Client, Conduit, ErrorKind, Phase, RequestBuilder, Target};
use eyewall::time::timeout;
use eyewall::yield_now;
use futures_util::{StreamExt, sink, stream};

const LIMIT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

/// Runs `test` on a thread of its own: what fails here never comes back, and no timer of its reactor fires.
fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let ran = eyewall::block_on(timeout(LIMIT, test()));
        // Nobody may be listening any more.
        let _ = done.send(ran.unwrap().is_ok());
    });
    assert_eq!(ended.recv_timeout(2 * LIMIT), Ok(true), "it never ends");
}

/// What the peer says without end, after `first`.
#[derive(Clone, Copy)]
struct Endless {
    first: &'static [u8],
    piece: &'static [u8],
}

/// A client whose peers take everything at once, and say this.
fn client(says: Endless) -> Client {
    let connector = move |_: Target| async move {
        let pieces = stream::repeat_with(move || Ok(Bytes::from_static(says.piece)));
        let first = stream::iter([Ok(Bytes::from_static(says.first))]);
        Conduit::new(first.chain(pieces), takes_all())
    };
    Client::builder().connector(connector).build()
}

fn takes_all() -> impl futures_util::Sink<Bytes, Error = io::Error> {
    sink::unfold((), |(), _: Bytes| async { Ok(()) })
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
static LARGE: [u8; 40 << 10] = [b'x'; 40 << 10];

/// All that the peers say without end: content in small pieces and in large ones, and nothing, behind the head and
/// before it. (There may be only so many interim responses.)
static SAYINGS: [Endless; 4] = [
    Endless {
        first: HEAD,
        piece: b"1\r\nx\r\n",
    },
    Endless {
        first: b"HTTP/1.1 200 OK\r\n\r\n",
        piece: &LARGE,
    },
    Endless {
        first: HEAD,
        piece: b"",
    },
    Endless {
        first: b"",
        piece: b"",
    },
];

/// Fetches without end.
async fn read_all(request: RequestBuilder) -> ErrorKind {
    let read = async {
        let mut response = request.max_body_size(u64::MAX).send().await?;
        while response.chunk().await?.is_some() {}
        Ok::<_, eyewall::http::Error>(())
    };
    read.await.unwrap_err().kind()
}

#[test]
fn t04_a_peer_that_never_pauses_has_its_time() {
    run(|| async {
        for says in SAYINGS {
            let request = client(says).get("http://site.test/").timeout(SHORT);
            let total = ErrorKind::Timeout {
                phase: Phase::Total,
                limit: SHORT,
            };
            assert_eq!(read_all(request).await, total);
        }
    });
}

#[test]
fn others_have_their_turn_and_may_close_the_client() {
    run(|| async {
        for says in SAYINGS {
            let client = client(says);
            let request = client.get("http://site.test/").timeout(Duration::ZERO);
            let reading = eyewall::spawn(read_all(request));
            for _ in 0..10 {
                yield_now().await;
            }
            client.close();
            assert_eq!(reading.await.unwrap(), ErrorKind::Closed);
        }
    });
}

/// Bodies without end.
fn bodies() -> [Body; 3] {
    let endless = |piece: &'static [u8]| {
        let piece = move || Ok::<_, io::Error>(Bytes::from_static(piece));
        Body::stream(stream::repeat_with(piece))
    };
    [endless(b"x"), endless(&LARGE), endless(b"")]
}

#[test]
fn t04_a_body_without_end_or_pause_has_its_time() {
    run(|| async {
        for body in bodies() {
            let connector = |_: Target| async { Conduit::new(stream::pending(), takes_all()) };
            let client = Client::builder().connector(connector).build();
            let request = client.post("http://site.test/").body(body).timeout(SHORT);
            let error = request.send().await.unwrap_err();
            assert!(error.is_timeout(), "{error}");
        }
    });
}

#[test]
fn p05_what_lies_on_an_idle_connection_is_found_however_much_came_before() {
    // Bodies that end just where others would have their turn, and before, and behind.
    for pieces in 60..=70 {
        run(move || async move {
            let connector = move |_: Target| async move {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {pieces}\r\n\r\n");
                let content = std::iter::repeat_n("x", pieces).chain(["surplus"]);
                let all = std::iter::once(Bytes::from(head)).chain(content.map(Bytes::from));
                let all = all.map(Ok).collect::<Vec<_>>();
                Conduit::new(stream::iter(all).chain(stream::pending()), takes_all())
            };
            let client = Client::builder().connector(connector).build();
            let mut response = client.get("http://site.test/").send().await.unwrap();
            let mut length = 0;
            while let Some(chunk) = response.chunk().await.unwrap() {
                length += chunk.len();
            }
            assert_eq!(length, pieces);
            assert_eq!(client.idle_connections(), 0, "after {pieces}");
        });
    }
}

#[test]
fn p05_nothing_however_often_it_is_said_hides_what_lies_on_an_idle_connection() {
    // Fewer pieces of nothing than others would have their turn after, and more.
    for (nothings, surplus, kept) in [(20, "", 1), (20, "surplus", 0), (200, "surplus", 0)] {
        run(move || async move {
            let connector = move |_: Target| async move {
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                let nothing = std::iter::repeat_n("", nothings);
                let all = std::iter::once(answer).chain(nothing).chain([surplus]);
                let all = all.map(|piece| Ok(Bytes::from(piece)));
                let all = stream::iter(all.collect::<Vec<_>>());
                Conduit::new(all.chain(stream::pending()), takes_all())
            };
            let client = Client::builder().connector(connector).build();
            let mut response = client.get("http://site.test/").send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
            assert_eq!(client.idle_connections(), kept, "after {nothings}");
        });
    }
}
