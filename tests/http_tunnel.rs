//! Tunnels through a proxy (CONNECT), and TLS in them.
#![cfg(all(feature = "http", feature = "tls-ring"))]

mod tls_support;

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use eyewall::http::{
    Client, ClientBuilder, Error, ErrorKind, HeaderValue, Pem, Phase, Proxy, Stage,
};
use rustls::ServerConfig;
use tls_support::{
    Authority, Peer, accept_tcp, goodbye, over, read_head, run, server, try_read_head,
};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

async fn get(client: &Client, url: &str) -> Result<String, Error> {
    client.get(url).send().await?.text().await
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

fn client(authority: &Authority, proxy: &Peer) -> ClientBuilder {
    let url = format!("http://user:pass@{}", proxy.address);
    Client::builder()
        .ca_certificates(Pem::text(authority.pem()))
        .proxy(Proxy::all(url).unwrap())
}

/// A proxy that says `answer` to CONNECT, and then is the server at the other end itself.
fn tunnelling(config: ServerConfig, answer: &'static [u8], fetches: usize) -> Peer {
    Peer::new(move |listener: TcpListener| {
        let mut stream = accept_tcp(&listener);
        let head = read_head(&mut stream);
        assert!(
            head.starts_with("CONNECT site.test:443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(head.contains("host: site.test:443\r\n"), "{head}");
        // user:pass
        let field = "proxy-authorization: Basic dXNlcjpwYXNz\r\n";
        assert!(head.contains(field), "{head}");
        stream.write_all(answer).unwrap();
        let mut tls = over(stream, &Arc::new(config));
        for _ in 0..fetches {
            let head = read_head(&mut tls);
            assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
            assert!(!head.contains("proxy-authorization"), "{head}");
            tls.write_all(HELLO).unwrap();
        }
        goodbye(tls);
    })
}

#[test]
fn c09_tls_goes_through_the_tunnel_and_the_tunnel_is_kept() {
    let authority = Authority::new();
    let config = server(&authority.identity(&["site.test"]));
    let proxy = tunnelling(config, b"HTTP/1.1 200 Established\r\n\r\n", 2);
    run(async {
        let client = client(&authority, &proxy).build();
        for reused in [false, true] {
            let mut response = client.get("https://site.test/x").send().await.unwrap();
            assert_eq!(response.is_reused(), reused);
            assert_eq!(response.text().await.unwrap(), "hello");
        }
    });
    proxy.join();
}

#[test]
fn p07_c09_two_hosts_behind_one_proxy_share_no_tunnel() {
    let authority = Authority::new();
    let hosts = ["one.test", "two.test"];
    let config = Arc::new(server(&authority.identity(&hosts)));
    let proxy = Peer::new(move |listener| {
        // One that is closed could not be taken for another's.
        let mut open = Vec::new();
        for host in hosts {
            let mut stream = accept_tcp(&listener);
            let head = read_head(&mut stream);
            assert!(head.starts_with(&format!("CONNECT {host}:443 ")), "{head}");
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let mut tls = over(stream, &config);
            let head = read_head(&mut tls);
            assert!(head.contains(&format!("host: {host}\r\n")), "{head}");
            tls.write_all(HELLO).unwrap();
            open.push(tls);
        }
    });
    run(async {
        let client = client(&authority, &proxy).build();
        for host in hosts {
            let text = get(&client, &format!("https://{host}/")).await;
            assert_eq!(text.unwrap(), "hello");
        }
    });
    proxy.join();
}

#[test]
fn c09_interim_answers_and_fields_about_a_body_do_not_matter() {
    let answers: [&'static [u8]; 2] = [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    for answer in answers {
        let authority = Authority::new();
        let config = server(&authority.identity(&["site.test"]));
        let proxy = tunnelling(config, answer, 1);
        run(async {
            let client = client(&authority, &proxy).build();
            assert_eq!(get(&client, "https://site.test/x").await.unwrap(), "hello");
        });
        proxy.join();
    }
}

#[test]
fn c09_a_refusal_is_an_error_of_the_proxy_that_says_why() {
    // With the status, if it has one, and whether it may pass.
    let cases: [(&[u8], &str, u16, bool); 6] = [
        (
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 4\r\n\r\nsorry",
            "407 Proxy Authentication Required: it wants other credentials, or any (Basic realm=\"x\")",
            407,
            false,
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            "403 Forbidden",
            403,
            false,
        ),
        (
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            "503 Service Unavailable",
            503,
            true,
        ),
        (b"HTTP/1.1 200", "12", 0, true),
        (b"", "before it sent a response", 0, true),
        (b"SOCKS?\r\n\r\n", "", 0, false),
    ];
    let authority = Authority::new();
    for (answer, reason, status, passes) in cases {
        let proxy = Peer::new(move |listener| {
            let mut stream = accept_tcp(&listener);
            read_head(&mut stream);
            stream.write_all(answer).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            assert!(try_read_head(&mut stream).is_none());
        });
        run(async {
            let client = client(&authority, &proxy).build();
            let error = get(&client, "https://site.test/x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Proxy, "{error:?}");
            assert_eq!(error.stage(), Some(Stage::Tunnel));
            assert!(error.is_connect());
            assert_eq!(error.is_retryable(), passes, "{error:?}");
            assert_eq!(error.remote_addr(), Some(proxy.address));
            assert_eq!(error.status().map_or(0, |status| status.as_u16()), status);
            let fields = error
                .headers()
                .map(|fields| fields.contains_key("proxy-authenticate"));
            assert_eq!(fields.unwrap_or(false), status == 407);
            let said = format!(
                "the proxy {} does not open the way to the host (",
                proxy.address
            );
            assert!(error.to_string().starts_with(&said), "{error}");
            assert!(cause(&error).contains(reason), "{error:?}");
            assert!(!format!("{error:?} {error}").contains("pass"));
        });
        proxy.join();
    }
}

#[test]
fn c09_a_storm_of_interim_answers_ends() {
    let authority = Authority::new();
    let proxy = Peer::new(move |listener| {
        let mut stream = accept_tcp(&listener);
        read_head(&mut stream);
        while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {}
    });
    run(async {
        let client = client(&authority, &proxy).build();
        let error = get(&client, "https://site.test/x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy, "{error:?}");
    });
    proxy.join();
}

#[test]
fn c09_a_proxy_that_says_nothing_is_a_timeout() {
    let authority = Authority::new();
    let (done, wait) = channel::<()>();
    let proxy = Peer::new(move |listener| {
        let stream = accept_tcp(&listener);
        wait.recv().unwrap();
        drop(stream);
    });
    run(async {
        let limit = Duration::from_millis(50);
        let client = client(&authority, &proxy).connect_timeout(limit).build();
        let error = get(&client, "https://site.test/x").await.unwrap_err();
        let phase = Phase::Connect;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        assert_eq!(error.stage(), Some(Stage::Tunnel));
    });
    done.send(()).unwrap();
    proxy.join();
}

#[test]
fn c05_the_certificate_is_that_of_the_host_and_not_of_the_proxy() {
    let authority = Authority::new();
    let config = server(&authority.identity(&["proxy.test"]));
    let proxy = Peer::new(move |listener| {
        let mut stream = accept_tcp(&listener);
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert!(try_read_head(&mut over(stream, &Arc::new(config))).is_none());
    });
    run(async {
        let client = client(&authority, &proxy).build();
        let error = get(&client, "https://site.test/x").await.unwrap_err();
        assert!(error.is_tls() && error.proxy().is_none(), "{error:?}");
        assert!(cause(&error).contains("not valid for name"), "{error:?}");
    });
    proxy.join();
}

/// A server that speaks first cannot be TLS; but what comes in one piece with the proxy's answer must go to TLS, and
/// not be lost.
#[test]
fn c09_bytes_behind_the_answer_of_the_proxy_are_the_servers() {
    let authority = Authority::new();
    let proxy = Peer::new(move |listener| {
        let mut stream = accept_tcp(&listener);
        read_head(&mut stream);
        // A fatal alert: access denied.
        stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\n\x15\x03\x03\x00\x02\x02\x31")
            .unwrap();
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    run(async {
        let client = client(&authority, &proxy).build();
        let error = get(&client, "https://site.test/x").await.unwrap_err();
        assert!(error.is_tls(), "{error:?}");
        assert!(cause(&error).contains("AccessDenied"), "{error:?}");
    });
    proxy.join();
}

#[test]
fn c09_a_proxy_is_told_who_asks_for_a_tunnel() {
    let authority = Authority::new();
    let (seen, heads) = channel();
    let proxy = Peer::new(move |listener| {
        for _ in 0..4 {
            let mut stream = accept_tcp(&listener);
            seen.send(read_head(&mut stream)).unwrap();
            let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(refusal).unwrap();
        }
    });
    let own = concat!("user-agent: eyewall/", env!("CARGO_PKG_VERSION"), "\r\n");
    run(async {
        let client = client(&authority, &proxy).build();
        let mut secret = HeaderValue::from_static("nobody");
        secret.set_sensitive(true);
        let request = || client.get("https://site.test/x").header("x-own", "1");
        for (request, agent) in [
            (request(), Some(own)),
            (
                request().header("user-agent", "me"),
                Some("user-agent: me\r\n"),
            ),
            (request().without_header("user-agent"), None),
            (request().header("user-agent", secret), None),
        ] {
            let error = request.send().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Proxy);
            let head = heads.recv().unwrap();
            match agent {
                Some(line) => assert!(head.ends_with(&format!("{line}\r\n")), "{head}"),
                None => assert!(!head.contains("user-agent"), "{head}"),
            }
            // Everything else is for the server.
            assert!(
                !head.contains("accept") && !head.contains("x-own"),
                "{head}"
            );
        }
    });
    proxy.join();
}
