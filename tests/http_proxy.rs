//! Requests through a proxy.
#![cfg(feature = "http")]

mod http_support;
mod setups;

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;

use eyewall::http::{Client, Conduit, ErrorKind, NoProxy, Proxy, Target};
use futures_util::poll;
use http_support::{Reply, Server, run};

async fn get(client: &Client, url: &str) -> u16 {
    let mut response = client.get(url).send().await.unwrap();
    response.text().await.unwrap();
    response.status().as_u16()
}

#[test]
fn c09_an_http_proxy_is_asked_for_the_whole_url() {
    let proxy = Server::new(|_| Reply::ok("from the proxy"));
    run(async {
        let setting = Proxy::http(proxy.url("").replace("//", "//user:pass@")).unwrap();
        let client = Client::builder().proxy(setting).build();
        get(&client, "http://a.test/x?y#z").await;
        get(&client, "http://b.test:81/").await;
        get(&client, "http://c.test/").await;
        let requests = proxy.requests();
        assert_eq!(
            proxy.targets(),
            ["http://a.test/x?y", "http://b.test:81/", "http://c.test/"]
        );
        assert_eq!(requests[0].field("host"), Some("a.test"));
        assert_eq!(requests[1].field("host"), Some("b.test:81"));
        for request in &requests {
            assert_eq!(
                request.field("proxy-authorization"),
                Some("Basic dXNlcjpwYXNz")
            );
            assert_eq!(request.field("authorization"), None);
        }
        assert_eq!(
            proxy.accepted(),
            1,
            "one connection to the proxy serves all hosts"
        );
    });
}

/// In a process of its own, which has a proxy in its environment.
#[test]
fn c09_the_proxy_of_the_environment_is_asked_unless_the_client_says_otherwise() {
    if setups::is_own_process() {
        return with_a_proxy_in_the_environment();
    }
    let proxy = Server::new(|request| {
        let sent = request.field("proxy-authorization").unwrap_or("nobody");
        Reply::ok(&format!("the proxy for {sent}"))
    });
    let test = "c09_the_proxy_of_the_environment_is_asked_unless_the_client_says_otherwise";
    let mut process = setups::own_process(test);
    for name in ["http_proxy", "all_proxy", "no_proxy", "request_method"] {
        process.env_remove(name);
        process.env_remove(name.to_ascii_uppercase());
    }
    process
        .env("http_proxy", proxy.url("").replace("//", "//user:pass@"))
        .env("NO_PROXY", "near.test");
    setups::passes(process);
}

fn with_a_proxy_in_the_environment() {
    const DIRECT: &str = "nobody between";
    const USER: &str = "the proxy for Basic dXNlcjpwYXNz";
    let server = Server::new(|_| Reply::ok(DIRECT));
    let another = Server::new(|_| Reply::ok("another proxy"));
    let builder = Client::builder;
    let own = || Proxy::all(another.url("")).unwrap();
    let around = own().no_proxy(NoProxy::of_environment());
    let cases = [
        (builder(), USER, DIRECT),
        (
            builder().environment_proxy_auth("me", "key"),
            "the proxy for Basic bWU6a2V5",
            DIRECT,
        ),
        (builder().environment_no_proxy("far.test"), DIRECT, USER),
        (builder().no_proxy(), DIRECT, DIRECT),
        (builder().proxy(own()), "another proxy", "another proxy"),
        (builder().proxy(around), "another proxy", DIRECT),
    ];
    run(async {
        for (number, (builder, far, near)) in cases.into_iter().enumerate() {
            let builder = builder.resolve("far.test", 0, [server.address]);
            let client = builder.resolve("near.test", 0, [server.address]).build();
            for (url, expected) in [("http://far.test/", far), ("http://near.test/", near)] {
                let text = client.get(url).send().await.unwrap().text().await;
                assert_eq!(text.unwrap(), expected, "case {number}: {url}");
            }
        }
    });
}

#[test]
fn c09_a_refusal_of_the_proxy_is_a_response_and_a_dead_proxy_an_error() {
    let proxy = Server::new(|_| {
        Reply::text(
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
        )
    });
    run(async {
        let client = Client::builder()
            .proxy(Proxy::all(proxy.url("")).unwrap())
            .build();
        assert_eq!(get(&client, "http://a.test/").await, 407);
        let dead = Proxy::all("http://127.0.0.1:1").unwrap();
        let error = client
            .get("http://a.test/")
            .proxy(dead)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
    });
}

/// Who reads no more than the message of an error learns that it was the proxy, and which.
#[test]
fn c09_a_proxy_that_cannot_be_reached_is_named_and_its_password_is_not() {
    let limit = Duration::from_millis(50);
    // One that nobody gets to.
    let never = |_: Target| std::future::pending::<std::io::Result<Conduit>>();
    let client = Client::new();
    let slow = Client::builder()
        .connector(never)
        .connect_timeout(limit)
        .build();
    let cases = [
        (
            &client,
            "127.0.0.1:1",
            "cannot connect to the proxy 127.0.0.1:1 (",
        ),
        (
            &client,
            "no-such-proxy.invalid",
            "the name of the proxy no-such-proxy.invalid does not resolve (",
        ),
        (
            &slow,
            "proxy.test:3128",
            "connecting took longer than 50ms, on the way through the proxy proxy.test:3128, while connecting; ",
        ),
    ];
    let schemes = match cfg!(feature = "tls-ring") {
        true => &["http", "https"][..],
        false => &["http"],
    };
    run(async {
        for (client, authority, begins) in cases {
            for scheme in schemes {
                let url = format!("{scheme}://a.test/");
                let proxy = Proxy::all(format!("http://user:secret@{authority}")).unwrap();
                let error = client.get(&url).proxy(proxy).send().await.unwrap_err();
                let text = error.to_string();
                assert!(text.starts_with(begins), "{text}");
                assert!(text.contains(&url) && !text.contains("secret"), "{text}");
                assert_eq!(error.proxy(), Some(authority));
            }
        }
        // One that has no proxy names none.
        let error = Client::new().get("http://127.0.0.1:1/").send().await;
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "cannot connect (http://127.0.0.1:1/)");
        assert_eq!(error.proxy(), None);
    });
}

#[test]
fn c09_hosts_of_no_proxy_are_reached_directly() {
    let proxy = Server::new(|_| Reply::ok("proxy"));
    let direct = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("direct"));
    run(async {
        let setting = Proxy::all(proxy.url("")).unwrap().no_proxy("127.0.0.2");
        let client = Client::builder().proxy(setting).build();
        get(&client, &direct.url("/")).await;
        assert_eq!(
            (direct.targets(), proxy.requests().len()),
            (vec!["/".into()], 0)
        );
        let all = Proxy::all(proxy.url("")).unwrap();
        client.get(direct.url("/")).proxy(all).send().await.unwrap();
        assert_eq!(proxy.targets(), [direct.url("/")]);
        client.get(direct.url("/")).no_proxy().send().await.unwrap();
        assert_eq!(direct.requests().len(), 2);
    });
}

#[test]
fn p07_other_credentials_for_a_proxy_and_no_proxy_are_other_connections() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let with = |password: &str| {
            let proxy = Proxy::all(server.url("")).unwrap();
            Some(proxy.basic_auth("user", password))
        };
        let mut connections = Vec::new();
        for proxy in [
            None,
            with("one"),
            with("two"),
            with("one"),
            None,
            with("two"),
        ] {
            let request = client.get(server.url("/"));
            let request = match proxy {
                Some(proxy) => request.proxy(proxy),
                None => request,
            };
            request.send().await.unwrap().text().await.unwrap();
            connections.push(server.requests().last().unwrap().connection);
        }
        assert_eq!(connections, [0, 1, 2, 1, 0, 2]);
    });
}

#[test]
fn p08_a_proxy_ends_its_connection_in_words_of_its_own() {
    let server = Server::new(|request| match request.target().ends_with("/last") {
        true => Reply::text(
            "HTTP/1.1 200 OK\r\nProxy-Connection: x\r\nProxy-Connection: Close\r\nContent-Length: 2\r\n\r\nok",
        ),
        false => Reply::ok("ok"),
    });
    run(async {
        let setting = Proxy::all(server.url("")).unwrap();
        let client = Client::builder().proxy(setting).build();
        for path in ["one", "last", "new"] {
            get(&client, &format!("http://a.test/{path}")).await;
        }
        // They mean nothing where no proxy is asked.
        let client = Client::builder().no_proxy().build();
        for path in ["/last", "/same"] {
            get(&client, &server.url(path)).await;
        }
    });
    let on: Vec<usize> = (server.requests().iter()).map(|at| at.connection).collect();
    assert_eq!(on, [0, 0, 1, 2, 2]);
}

#[test]
fn c09_credentials_for_the_proxy_go_to_no_one_else() {
    let direct = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("direct"));
    let away = direct.url("/");
    let proxy = Server::new(move |_| Reply::redirect(302, &away));
    run(async {
        let setting = Proxy::all(proxy.url("").replace("//", "//user:pass@")).unwrap();
        let client = Client::builder()
            .proxy(setting.no_proxy("127.0.0.2"))
            .build();
        get(&client, "http://a.test/").await;
        assert!(proxy.requests()[0].field("proxy-authorization").is_some());
        assert_eq!(direct.requests()[0].field("proxy-authorization"), None);
        let own = client
            .get(direct.url("/"))
            .header("proxy-authorization", "Basic eA==");
        own.send().await.unwrap();
        assert_eq!(direct.requests()[1].field("proxy-authorization"), None);
        let own = client
            .get("http://a.test/")
            .header("proxy-authorization", "Basic eA==");
        own.follow_redirects(false).send().await.unwrap();
        assert_eq!(
            proxy.requests()[1].field("proxy-authorization"),
            Some("Basic eA==")
        );
        assert_eq!(proxy.requests()[1].head.matches("roxy-").count(), 1);
    });
}

#[test]
fn c09_no_proxy_is_blamed_where_the_client_was_closed() {
    let never = |_: Target| std::future::pending::<std::io::Result<Conduit>>();
    run(async {
        let proxy = Proxy::all("http://127.0.0.1:1").unwrap();
        let client = Client::builder().connector(never).proxy(proxy).build();
        let mut fetch = pin!(client.get("http://site.test/").send());
        assert!(poll!(fetch.as_mut()).is_pending());
        client.close();
        let error = fetch.await.unwrap_err();
        assert_eq!((error.kind(), error.proxy()), (ErrorKind::Closed, None));
    });
}

/// Reads a request's head, and no more.
fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
}

/// The connection was the proxy's, whoever made it fail: an error that speaks of the server alone leads astray.
#[test]
fn c09_what_fails_behind_a_proxy_that_was_asked_names_it() {
    let limit = Duration::from_millis(50);
    let beginning = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab";
    type Answer = fn(&str) -> Reply;
    let cases: [(&str, Answer, &str); 7] = [
        (
            "",
            |_| Reply::Close(Vec::new()),
            "the PEER closed the connection without an answer (",
        ),
        (
            "",
            |_| Reply::text("SSH-2.0-x\r\n\r\n"),
            "the answer is not valid HTTP/1.1WAY (",
        ),
        (
            "",
            |_| Reply::Reset(Vec::new()),
            "the connection failed before an answer cameWAY (",
        ),
        (
            beginning,
            |text| Reply::Close(text.into()),
            "the answer was cut off after 2 bytes of body of 5WAY (",
        ),
        (
            beginning,
            |text| Reply::Reset(text.into()),
            "the connection failed in the middle of the answerWAY (",
        ),
        (
            "",
            |_| Reply::Stall(Vec::new()),
            "the first byte of the answer took longer than 50msWAY, while waiting for the answer; ",
        ),
        (
            beginning,
            |text| Reply::Stall(text.into()),
            "the PEER sent nothing for longer than 50ms, in the body of the answer; ",
        ),
    ];
    run(async {
        for (text, answer, says) in cases {
            let peer = Server::new(move |_| answer(text));
            let authority = peer.address.to_string();
            let proxy = Proxy::all(peer.url("").replace("//", "//user:secret@")).unwrap();
            let ways = [
                (Some(proxy), "http://a.test/".to_owned()),
                (None, peer.url("/")),
            ];
            for (proxy, url) in ways {
                let (named, way) = match proxy {
                    Some(_) => (
                        format!("proxy {authority}"),
                        format!(", on the way through the proxy {authority}"),
                    ),
                    None => ("server".to_owned(), String::new()),
                };
                let request = Client::new().get(&url);
                let mut request = match (says.contains("50ms"), text) {
                    (true, "") => request.first_byte_timeout(limit),
                    (true, _) => request.idle_read_timeout(limit),
                    (false, _) => request,
                };
                let expected = proxy.is_some().then_some(&*authority);
                if let Some(proxy) = proxy {
                    request = request.proxy(proxy);
                }
                let failed = async { request.send().await?.bytes().await };
                let error = failed.await.unwrap_err();
                assert_eq!(error.proxy(), expected);
                let shown = error.to_string();
                let says = says.replace("PEER", &named).replace("WAY", &way);
                assert!(shown.starts_with(&says), "{shown}");
                assert!(shown.contains(&url) && !shown.contains("secret"), "{shown}");
            }
        }
    });
}

#[test]
fn c09_a_proxy_that_takes_nothing_is_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let (done, wait) = mpsc::channel::<()>();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        // Its end is the end of the test.
        let _ = wait.recv();
    });
    run(async {
        let client = Client::builder()
            .proxy(Proxy::all(&authority).unwrap())
            .idle_write_timeout(Duration::from_millis(50))
            .build();
        // More than the sockets take in.
        let request = client.post("http://a.test/").body(vec![0; 64 << 20]);
        let error = request.send().await.unwrap_err();
        let shown = error.to_string();
        let says = format!("the proxy {authority} took nothing for longer than 50ms, ");
        assert!(shown.starts_with(&says), "{shown}");
    });
    drop(done);
    peer.join().unwrap();
}

/// What is wrong with a message itself, or with what is done with it here, is not the connection's fault.
#[test]
fn c09_a_proxy_is_not_named_for_what_is_none_of_its_connection() {
    let proxy = Server::new(|_| Reply::ok("a body"));
    run(async {
        let client = Client::builder()
            .proxy(Proxy::all(proxy.url("")).unwrap())
            .build();
        let request = client.get("http://a.test/").max_body_size(1);
        let failed = async { request.send().await?.bytes().await };
        let error = failed.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge { limit: 1 });
        assert_eq!(error.proxy(), None);
    });
}
