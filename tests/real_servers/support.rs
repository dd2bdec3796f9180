//! What the tests do with a client.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;

use eyewall::http::{
    Body, Client, ClientBuilder, ClientEvent, ClientRegistration, Error, RequestBuilder, Response,
};
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::StreamExt;

use crate::process::Dir;
use crate::tls_support::LIMIT;
pub use crate::tls_support::run;

/// Settings of which none depends on the environment, and no time runs out on a busy machine.
pub fn builder() -> ClientBuilder {
    Client::builder().no_proxy().timeout(LIMIT)
}

/// A client, and what happens to its connections.
pub struct Watched {
    pub client: Client,
    connected: Rc<Cell<usize>>,
    closed: UnboundedReceiver<()>,
    _registration: ClientRegistration,
}

impl Watched {
    pub fn new() -> Watched {
        Watched::of(builder())
    }

    pub fn of(builder: ClientBuilder) -> Watched {
        let client = builder.build();
        let connected = Rc::new(Cell::new(0));
        let (tell, closed) = unbounded();
        let count = Rc::clone(&connected);
        let registration = client.on(move |event| match event {
            ClientEvent::Connected { .. } => count.set(count.get() + 1),
            // The test may have ended.
            ClientEvent::IdleClosed { .. } => drop(tell.unbounded_send(())),
            _ => {}
        });
        Watched {
            client,
            connected,
            closed,
            _registration: registration,
        }
    }

    /// How many connections it has made.
    pub fn connected(&self) -> usize {
        self.connected.get()
    }

    /// Waits until a kept connection has ended.
    pub async fn idle_closed(&mut self) {
        self.closed.next().await.expect("the client is there");
    }

    /// A response that has come, with its body on the way.
    pub async fn response(&self, url: impl AsRef<str>) -> Response {
        self.client.get(url.as_ref()).send().await.unwrap()
    }

    pub async fn get(&self, url: impl AsRef<str>) -> (u16, String) {
        answer(self.client.get(url.as_ref())).await
    }
}

/// Status and body of what comes of a request.
pub async fn answer(request: RequestBuilder) -> (u16, String) {
    let mut response = request.send().await.unwrap();
    let body = response.text().await.unwrap();
    (response.status().as_u16(), body)
}

/// The value of a field of the response, which must be there, once.
pub fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    let mut values = response.headers().get_all(name).iter();
    let value = values
        .next()
        .unwrap_or_else(|| panic!("there is no {name} in {response:?}"));
    assert_eq!(values.next(), None, "{name} is there twice");
    value.to_str().unwrap()
}

/// 64 MiB in which neighbours say nothing of each other.
pub fn large() -> &'static [u8] {
    static LARGE: OnceLock<Vec<u8>> = OnceLock::new();
    LARGE.get_or_init(|| {
        let words =
            (1..=8 << 20).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23));
        words.flat_map(u64::to_le_bytes).collect()
    })
}

/// Reads the body as it comes, and compares every byte of it.
pub async fn expect_body(response: &mut Response, expected: &[u8]) {
    let mut at = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        assert!(
            expected[at..].starts_with(&chunk),
            "other bytes among the {} from {at} on",
            chunk.len()
        );
        at += chunk.len();
    }
    assert_eq!(at, expected.len());
}

/// A body of these bytes that is written in pieces of 64 KiB, and how many of them the client has asked for.
pub fn produced(bytes: &'static [u8]) -> (Body, Rc<Cell<usize>>) {
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    let body = Body::producer(move |mut writer| {
        let count = Rc::clone(&count);
        async move {
            for piece in bytes.chunks(64 << 10) {
                count.set(count.get() + piece.len());
                writer.write(piece).await?;
            }
            Ok::<(), std::io::Error>(())
        }
    });
    (body, asked)
}

/// Fetches so many at once, each from its own URL, and gives the bodies in order.
pub async fn at_once(client: &Client, urls: impl Iterator<Item = String>) -> Vec<String> {
    let fetches: Vec<_> = urls
        .map(|url| {
            let client = client.clone();
            eyewall::spawn(async move { client.get(url).send().await?.text().await })
        })
        .collect();
    let mut bodies = Vec::new();
    for fetch in fetches {
        let body: Result<String, Error> = fetch.await.unwrap();
        bodies.push(body.unwrap());
    }
    bodies
}

fn numbered(number: usize) -> String {
    format!("file {number}\n").repeat(10_000)
}

/// Makes 64 files, with numbers as names, for [`fetch_numbered`].
pub fn write_numbered(dir: &Dir) {
    for number in 0..64 {
        dir.write(&format!("www/{number}"), numbered(number));
    }
}

/// Fetches these files at once.
pub async fn fetch_numbered(client: &Client, url: impl Fn(&str) -> String) {
    let urls = (0..64).map(|number| url(&format!("/{number}")));
    for (number, body) in at_once(client, urls).await.iter().enumerate() {
        assert_eq!(*body, numbered(number));
    }
}
