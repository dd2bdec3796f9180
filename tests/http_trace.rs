//! Every step of a fetch, as it is told to who wants to see it.
#![cfg(feature = "http")]

mod http_support;
#[cfg(feature = "tls-ring")]
mod tls_support;

use std::cell::RefCell;
use std::rc::Rc;

use eyewall::http::{Client, HeaderMap, HeaderValue, RequestBuilder, Trace};
use eyewall::reactor::metrics;
use futures_util::FutureExt;
use http_support::{Reply, Server, run};

/// The steps of a fetch, one line each: heads by their first line.
#[derive(Clone, Default)]
struct Steps(Rc<RefCell<Vec<String>>>);

impl Steps {
    fn of(&self, request: RequestBuilder) -> RequestBuilder {
        let steps = self.clone();
        request.on_trace(move |step| steps.0.borrow_mut().push(line(step)))
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

fn line(step: &Trace<'_>) -> String {
    let first = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.ends_with("\r\n\r\n"), "{text:?}");
        text.lines().next().unwrap().to_string()
    };
    match step {
        Trace::Connecting { host, proxy, .. } => format!("to {host}, {proxy}"),
        Trace::Connected { local, remote, .. } => {
            assert!(local.unwrap().ip().is_loopback() && remote.unwrap().ip().is_loopback());
            "connected".into()
        }
        Trace::Reused { remote, .. } => {
            assert!(remote.unwrap().ip().is_loopback());
            "reused".into()
        }
        Trace::Secured {
            version,
            cipher,
            alpn,
            resumed,
            certificates,
            ..
        } => {
            assert!(cipher.starts_with("TLS_"), "{cipher}");
            let count = certificates.len();
            format!("{version}, {alpn:?}, {count} shown, resumed: {resumed}")
        }
        Trace::Request(head) => {
            assert!(!head.to_string().contains("Basic"), "{head}");
            first(head.as_bytes())
        }
        Trace::Response(head) => first(head.headers.text()),
        Trace::Redirected { to, .. } => format!("on to {}", to.path()),
        step => panic!("{step:?}"),
    }
}

#[test]
fn redirects_interim_responses_and_kept_connections() {
    let server = Server::new(|request| match request.target() {
        "/a" => Reply::redirect(302, "/b"),
        _ => Reply::text(
            "HTTP/1.1 103 Early Hints\r\nLink: </c>\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok",
        ),
    });
    let steps = Steps::default();
    run(async {
        let client = Client::new();
        let request = steps.of(client.get(server.url("/a")));
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
        assert_eq!(
            steps.take(),
            [
                "to 127.0.0.1, false",
                "connected",
                "GET /a HTTP/1.1",
                "HTTP/1.1 302 Elsewhere",
                "on to /b",
                "reused",
                "GET /b HTTP/1.1",
                "HTTP/1.1 103 Early Hints",
                "HTTP/1.1 200 Fine",
            ]
        );
    });
}

#[test]
fn a_dead_connection_and_its_replacement() {
    let server = Server::new(|request| match request.connection {
        0 if request.target() == "/second" => Reply::Reset(Vec::new()),
        _ => Reply::ok("ok"),
    });
    let steps = Steps::default();
    run(async {
        let client = Client::new();
        client.get(server.url("/first")).send().await.unwrap();
        let request = steps.of(client.get(server.url("/second")));
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
        assert_eq!(
            steps.take(),
            [
                "reused",
                "GET /second HTTP/1.1",
                "to 127.0.0.1, false",
                "connected",
                "GET /second HTTP/1.1",
                "HTTP/1.1 200 OK",
            ]
        );
    });
}

#[test]
fn heads_are_shown_without_credentials() {
    let server = Server::new(|_| Reply::ok("ok"));
    let shown = Rc::new(RefCell::new(String::new()));
    run(async {
        let mut key = HeaderValue::from_static("secret");
        key.set_sensitive(true);
        let defaults = HeaderMap::from_iter([("x-default-key".parse().unwrap(), key.clone())]);
        let client = Client::builder().default_headers(defaults).build();
        let to = Rc::clone(&shown);
        let request = client
            .get(server.url("/"))
            .basic_auth("user", "secret")
            .header("x-key", key)
            .header("x-open", "open")
            .header("cookie", "secret")
            .on_trace(move |step| {
                if let Trace::Request(head) = step {
                    to.borrow_mut().push_str(&format!("{head}{step:?}"));
                }
            });
        request.send().await.unwrap();
    });
    let shown = shown.take();
    for secret in ["secret", "dXNlcjpzZWNyZXQ="] {
        assert!(!shown.contains(secret), "{shown}");
    }
    for field in [
        "authorization: [hidden]\r\n",
        "x-default-key: [hidden]\r\n",
        "x-key: [hidden]\r\n",
        "cookie: [hidden]\r\n",
        "x-open: open\r\n",
    ] {
        assert!(shown.contains(field), "{shown}");
    }
    let head = &server.requests()[0].head;
    assert_eq!(head.matches("secret").count(), 3, "{head}");
    assert!(head.contains("Basic dXNlcjpzZWNyZXQ="), "{head}");
}

#[test]
fn a_panic_of_the_callback_stops_nothing() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let request = Client::new().get(server.url("/"));
        let request = request.on_trace(|_| panic!("as wanted by the test"));
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
    });
}

#[test]
fn a_callback_is_not_called_while_it_runs() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let again: Rc<RefCell<Option<RequestBuilder>>> = Rc::default();
        let steps = Steps::default();
        let (begun, sending) = (Rc::clone(&again), steps.clone());
        let other = Rc::new(RefCell::new(None));
        let keeping = Rc::clone(&other);
        let request = Client::new().get(server.url("/")).on_trace(move |step| {
            sending.0.borrow_mut().push(line(step));
            if let Some(again) = begun.take() {
                // Its first steps are made in here.
                let mut sent = Box::pin(again.send());
                assert!((&mut sent).now_or_never().is_none());
                keeping.replace(Some(sent));
            }
        });
        again.replace(request.try_clone());
        let panics = || metrics().unwrap().panics;
        let before = panics();
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
        let other = other.take().unwrap();
        assert_eq!(other.await.unwrap().text().await.unwrap(), "ok");
        assert_eq!(panics(), before);
        let heads = |steps: &[String]| steps.iter().filter(|line| line.starts_with("GET")).count();
        assert!((1..=2).contains(&heads(&steps.take())));
    });
}

#[cfg(feature = "tls-ring")]
mod tls {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use crate::tls_support::{Authority, Peer, accept, accept_tcp, goodbye, over, read_head};
    use eyewall::http::{Pem, Proxy};

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    #[test]
    fn a_tunnel_and_what_goes_through_it() {
        let authority = Authority::new();
        let mut config = tls_support::server(&authority.identity(&["site.test"]));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let proxy = Peer::new(move |listener| {
            let mut stream = accept_tcp(&listener);
            assert!(read_head(&mut stream).contains("dXNlcjpzZWNyZXQ="));
            stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Established\r\n\r\n")
                .unwrap();
            let mut tls = over(stream, &Arc::new(config));
            read_head(&mut tls);
            tls.write_all(OK).unwrap();
            goodbye(tls);
        });
        let steps = Steps::default();
        run(async {
            let client = Client::builder()
                .ca_certificates(Pem::text(authority.pem()))
                .proxy(Proxy::all(format!("http://user:secret@{}", proxy.address)).unwrap())
                .build();
            let request = steps.of(client.get("https://site.test/x"));
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
            assert_eq!(
                steps.take(),
                [
                    "to 127.0.0.1, true",
                    "connected",
                    "CONNECT site.test:443 HTTP/1.1",
                    "HTTP/1.1 100 Continue",
                    "HTTP/1.1 200 Established",
                    "TLSv1.3, Some(\"http/1.1\"), 1 shown, resumed: false",
                    "GET /x HTTP/1.1",
                    "HTTP/1.1 200 OK",
                ]
            );
        });
        proxy.join();
    }

    #[test]
    fn a_session_that_is_resumed() {
        let authority = Authority::new();
        let identity = authority.identity(&["site.test"]);
        let config = tls_support::server_of(&identity, &[&rustls::version::TLS12]);
        let config = Arc::new(config);
        let peer = Peer::new(move |listener| {
            for _ in 0..2 {
                let mut tls = accept(&listener, &config);
                read_head(&mut tls);
                tls.write_all(OK).unwrap();
                goodbye(tls);
            }
        });
        let steps = Steps::default();
        run(async {
            let client = Client::builder()
                .ca_certificates(Pem::text(authority.pem()))
                .resolve("site.test", 0, [peer.address])
                .pool_max_idle_per_host(0)
                .build();
            for resumed in [false, true] {
                let request = steps.of(client.get(peer.url()));
                assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
                let line = format!("TLSv1.2, None, 1 shown, resumed: {resumed}");
                let steps = steps.take();
                assert!(steps.contains(&line), "{steps:?}");
            }
        });
        peer.join();
    }
}
