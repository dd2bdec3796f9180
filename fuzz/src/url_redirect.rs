//! Any URL as text, a request for it, and any answers that lead elsewhere: what goes over the wire at each hop.
//!
//! Planted in the request are secrets of every kind; none of them may be in anything that goes to another origin than
//! the one that it was for, nor in any error.

use eyewall::http::codec::{Event, Head, Limits, ProtocolError, RequestKind, ResponseDecoder};
use eyewall::http::fuzzing::Hops;
use eyewall::http::{Client, Error, HeaderName, HeaderValue, Method, Proxy, RequestBuilder, Url};
use http::{HeaderMap, header};
use url::Position;

use crate::recipe::Recipe;
use crate::request_text::RequestText;

/// What every secret holds, as it is and in base64.
const SECRET: &[u8] = b"PLANTED";
const SECRET_PAIR: &[u8] = b"UExBTlRFRDpQTEFOVEVE";

/// How many redirects a client follows by default.
const MOST: usize = 10;

/// Fields that are for one origin.
const PRIVATE: [&str; 4] = ["cookie", "cookie2", "www-authenticate", "x-key"];

/// What may be done, and how the first request comes about.
struct Settings {
    allow_downgrade: bool,
    forwarder: Option<Proxy>,
    /// The client adds private fields to its requests.
    private_defaults: bool,
    /// The request has basic credentials of its own.
    basic: bool,
    body: bool,
    /// The caller has fields of any kind.
    fields: HeaderMap,
}

/// Makes a request of `data`, and answers.
///
/// # Panics
///
/// If a rule for redirects is broken.
pub fn run(data: &[u8]) {
    // What is said in public anyway is no secret: also as a URL is read, in which tabs and line ends go, and a scheme
    // gets lower case.
    let read: Vec<u8> = data
        .iter()
        .filter(|byte| !b"\t\r\n".contains(byte))
        .map(u8::to_ascii_lowercase)
        .collect();
    let said = [SECRET, SECRET_PAIR, b"lu:lp"];
    if said.iter().any(|part| holds(data, part)) || holds(&read, b"lu:lp") {
        return;
    }
    let mut recipe = Recipe::new(data);
    let flags = recipe.byte();
    let on = |bit: u8| flags >> bit & 1 == 1;
    let mut settings = Settings {
        allow_downgrade: on(0),
        forwarder: on(1).then(proxy),
        private_defaults: on(2),
        basic: on(3),
        body: on(4),
        fields: match on(5) {
            true => recipe.headers(),
            false => HeaderMap::new(),
        },
    };
    settings.fields.remove("x-key");
    let method = recipe.method();
    let url = recipe.text(&[
        "http://example.org/a/b?c#d",
        "https://PLANTED:PLANTED@example.org:8443/",
        "example.org",
        "http://[::1]:81",
    ]);
    check_recent(&url);
    let hops = match Hops::new(request(&settings, method, &url)) {
        Ok(hops) => hops,
        Err(error) => return check_error(&error),
    };
    if matches!(hops.url().scheme(), "http" | "https") {
        Walk::new(hops, settings).go(&mut recipe);
    }
}

/// Reads `text` with a client that has read something of the same origin before, and with one that has not.
fn check_recent(text: &str) {
    let read = |client: &Client, text: &str| {
        let hops = Hops::new(client.get(text));
        let url = hops.map(|hops| hops.url().clone());
        url.map_err(|error| error.to_string())
    };
    let client = Client::new();
    let Ok(first) = read(&client, text) else {
        return;
    };
    let origin = &first[..Position::BeforePath];
    for text in [
        text.into(),
        format!("{origin}{text}"),
        format!("{origin}/{text}"),
    ] {
        let client = client.clone();
        assert_eq!(
            read(&client, &text),
            read(&Client::new(), &text),
            "{text:?} after {first}"
        );
    }
}

fn proxy() -> Proxy {
    Proxy::all("http://pu:pp@proxy.example:3128").expect("a proxy")
}

fn request(settings: &Settings, method: Method, url: &str) -> RequestBuilder {
    let mut client = Client::builder().allow_downgrade(settings.allow_downgrade);
    if settings.private_defaults {
        let mut key = HeaderValue::from_static("PLANTED default key");
        key.set_sensitive(true);
        client = client.default_headers(HeaderMap::from_iter([
            (
                header::AUTHORIZATION,
                HeaderValue::from_static("PLANTED default"),
            ),
            (header::COOKIE, HeaderValue::from_static("default=PLANTED")),
            (header::HOST, HeaderValue::from_static("planted.example")),
            (HeaderName::from_static("x-key"), key),
        ]));
    }
    let mut request = client
        .build()
        .request(method, url)
        .headers(settings.fields.clone());
    if settings.basic {
        let mut key = HeaderValue::from_static("PLANTED key");
        key.set_sensitive(true);
        request = request
            .basic_auth("PLANTED", "PLANTED")
            .header("cookie", "a=PLANTED")
            .header("cookie2", "PLANTED")
            .header("proxy-authorization", "PLANTED")
            .header("x-key", key);
    }
    match settings.body {
        true => request.body("content").header("content-type", "text/plain"),
        false => request,
    }
}

/// A request on its way.
struct Walk {
    hops: Hops,
    settings: Settings,
    followed: usize,
    /// It has come to another origin.
    stripped: bool,
    /// A redirect within the present origin has brought credentials.
    own_credentials: bool,
    /// A redirect has dropped the body.
    dropped: bool,
}

/// What a redirect must lead to.
#[derive(Debug, PartialEq)]
enum Expected {
    /// It is the result.
    Stay,
    Refused,
    Next {
        url: Url,
        method: Method,
        drop: bool,
    },
}

impl Walk {
    fn new(hops: Hops, settings: Settings) -> Walk {
        Walk {
            hops,
            settings,
            followed: 0,
            stripped: false,
            own_credentials: false,
            dropped: false,
        }
    }

    fn go(mut self, recipe: &mut Recipe<'_>) {
        for first in [true, false]
            .into_iter()
            .chain(std::iter::repeat_n(false, MOST + 1))
        {
            if !self.check_head(first) || recipe.is_empty() {
                return;
            }
            let Some(head) = self.answer(recipe) else {
                return;
            };
            let from = self.hops.url().clone();
            let expected = self.expected(&head);
            match (self.hops.follow(&head), expected) {
                (Ok(false), Expected::Stay) => return,
                (Err(error), Expected::Refused) => return check_error(&error),
                (Ok(true), Expected::Next { url, method, drop }) => {
                    self.followed += 1;
                    self.dropped |= drop;
                    self.arrive(&from, url, &method);
                }
                (seen, expected) => panic!("{seen:?} instead of {expected:?} after {head:?}"),
            }
        }
        panic!("more than {MOST} redirects are followed");
    }

    /// The head of an answer that the decoder takes.
    fn answer(&mut self, recipe: &mut Recipe<'_>) -> Option<Head> {
        let status = match recipe.byte() {
            choice @ 0..5 => ["301", "302", "303", "307", "308"][usize::from(choice)].to_owned(),
            other => (100 + u16::from(other) * 3).to_string(),
        };
        let location = recipe.text(&[
            "/",
            "http://example.org/",
            "https://example.org/#x",
            "//other.example/",
            "http://lu:lp@example.org/",
            "https://lu:lp@other.example:8443/a",
            "http://example.org:80/\r\nLocation: http://example.org/",
        ]);
        let wire = format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\n\r\n");
        let mut decoder =
            ResponseDecoder::new(Limits::default(), RequestKind::of(self.hops.method()));
        match decoder.decode(wire.as_bytes()).ok()?.event {
            Event::Head(head) => Some(head),
            _ => None,
        }
    }

    /// What must come of an answer: the table of RFC 9110 section 15.4, as browsers read it.
    fn expected(&self, head: &Head) -> Expected {
        // No tunnel is made to another place than the one that was asked for.
        if *self.hops.method() == Method::CONNECT {
            return Expected::Stay;
        }
        let from = self.hops.url();
        let code = head.status.as_u16();
        let values: Vec<_> = head.headers.get_all(header::LOCATION).iter().collect();
        let (true, Some(first)) = ([301, 302, 303, 307, 308].contains(&code), values.first())
        else {
            return Expected::Stay;
        };
        if values.iter().any(|value| value != first) {
            return Expected::Refused;
        }
        let mut text = String::new();
        for byte in first.as_bytes() {
            match byte {
                b' '..=0x7f => text.push(char::from(*byte)),
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
        let Ok(mut url) = from.join(&text) else {
            return Expected::Refused;
        };
        let downgrade = from.scheme() == "https" && url.scheme() == "http";
        let allowed = matches!(url.scheme(), "http" | "https")
            && (!downgrade || self.settings.allow_downgrade)
            && self.followed < MOST;
        if !allowed {
            return Expected::Refused;
        }
        if url.fragment().is_none() {
            url.set_fragment(from.fragment());
        }
        let post = *self.hops.method() == Method::POST;
        let drop = code == 303 || (post && code < 303);
        let method = match self.hops.method() {
            method if drop && *method != Method::HEAD => Method::GET,
            method => method.clone(),
        };
        Expected::Next { url, method, drop }
    }

    fn arrive(&mut self, from: &Url, mut url: Url, method: &Method) {
        let brought = !url.username().is_empty() || url.password().is_some();
        url.set_username("")
            .and_then(|()| url.set_password(None))
            .expect("an http URL has room for userinfo");
        let now = self.hops.url();
        assert_eq!(now.as_str(), url.as_str());
        assert_eq!(self.hops.method(), method);
        assert_eq!(self.hops.has_body(), self.settings.body && !self.dropped);
        match from.origin() == now.origin() {
            true => self.own_credentials |= brought,
            false => (self.stripped, self.own_credentials) = (true, false),
        }
    }

    /// Looks at what this hop sends. `false`: it cannot be sent.
    fn check_head(&self, first: bool) -> bool {
        let url = self.hops.url();
        let forwarder = self
            .settings
            .forwarder
            .as_ref()
            .filter(|_| url.scheme() == "http");
        let bytes = match self.hops.head(forwarder) {
            Ok(bytes) => bytes,
            Err(error) => {
                check_error(&error);
                let source = std::error::Error::source(&error);
                let source = source.and_then(|source| source.downcast_ref::<ProtocolError>());
                assert_ne!(
                    source,
                    Some(&ProtocolError::RequestTarget),
                    "no target of {url}"
                );
                return false;
            }
        };
        let shown = bytes.escape_ascii();
        let head = RequestText::read(&bytes);
        let plain = url.as_str().split('#').next().unwrap_or_default();
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let path = plain.strip_prefix(&format!("{}://{authority}", url.scheme()));
        let path = path.expect("a URL without userinfo");
        assert!(path.starts_with('/'), "{shown}");
        // Of a tunnel, host and port alone (RFC 9112 section 3.2.3).
        let tunnel = (*self.hops.method() == Method::CONNECT).then(|| {
            let port = url.port_or_known_default().unwrap_or_default();
            format!("{}:{port}", url.host_str().unwrap_or_default())
        });
        let authority = tunnel.as_deref().unwrap_or(authority);
        let target = match (&tunnel, forwarder) {
            (Some(tunnel), _) => tunnel,
            (None, Some(_)) => plain,
            (None, None) => path,
        };
        assert_eq!(
            head.line,
            format!("{} {target} HTTP/1.1", self.hops.method())
        );
        let proxy = head.values("proxy-authorization");
        match forwarder {
            Some(_) if self.stripped => assert_eq!(proxy, [b"Basic cHU6cHA="], "{shown}"),
            Some(_) => assert!(!proxy.is_empty(), "{shown}"),
            None => assert!(
                proxy.is_empty(),
                "credentials of a proxy for a server: {shown}"
            ),
        }
        if self.dropped {
            assert!(head.values("content-type").is_empty(), "{shown}");
            assert!(head.values("transfer-encoding").is_empty(), "{shown}");
        }
        match self.stripped {
            true => self.check_stripped(&head, authority, &bytes),
            false => self.check_kept(&head, first),
        }
        true
    }

    /// At another origin: nothing private, and nothing of what was said about another host.
    fn check_stripped(&self, head: &RequestText, authority: &str, bytes: &[u8]) {
        let shown = bytes.escape_ascii();
        assert_eq!(head.values("host"), [authority.as_bytes()], "{shown}");
        for name in PRIVATE {
            assert!(
                head.values(name).is_empty(),
                "{name} at another origin: {shown}"
            );
        }
        let credentials = head.values("authorization");
        assert!(self.own_credentials || credentials.is_empty(), "{shown}");
        for secret in [SECRET, SECRET_PAIR] {
            assert!(!holds(bytes, secret), "a secret at another origin: {shown}");
        }
    }

    /// At the origin that they are for, credentials are not lost.
    fn check_kept(&self, head: &RequestText, first: bool) {
        if self.settings.basic {
            assert!(head.values("cookie").contains(&&b"a=PLANTED"[..]));
            assert!(head.values("x-key").contains(&&b"PLANTED key"[..]));
        }
        let some = self.settings.basic || self.settings.private_defaults;
        assert!(
            !some || !head.values("authorization").is_empty(),
            "no Authorization, first: {first}"
        );
        if self.settings.basic
            && !self.own_credentials
            && !self.settings.fields.contains_key("authorization")
        {
            assert_eq!(
                head.values("authorization"),
                [[b"Basic ", SECRET_PAIR].concat()]
            );
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// No error shows a secret, however it is printed.
fn check_error(error: &Error) {
    let mut text = format!("{error} {error:?} {}", error.url().unwrap_or_default());
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    assert!(
        !text.contains("PLANTED:"),
        "an error shows a password: {text}"
    );
    assert!(!text.contains("lu:lp"), "an error shows a password: {text}");
}
