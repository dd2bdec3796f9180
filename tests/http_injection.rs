//! What a caller gives stays in its place in the request, and what is secret is not shown.
#![cfg(feature = "http")]

mod http_support;

use std::cell::RefCell;
use std::rc::Rc;

use eyewall::http::{
    Action, Client, ClientBuilder, Error, ErrorKind, HeaderMap, HeaderValue, Method, Proxy,
    RequestBuilder, Url,
};
use http_support::{Reply, Request, Server, run};

/// Every way to smuggle a line.
const BREAKS: [&str; 4] = ["a\r\nEvil: 1", "a\rEvil: 1", "a\nEvil: 1", "a\0Evil: 1"];

fn is_whole(request: &Request) {
    let evil = request.head.lines().any(|line| line.starts_with("Evil"));
    assert!(!evil && !request.head.contains('\0'), "{:?}", request.head);
    let lines = request.head.matches('\n').count();
    let ends = request.head.matches("\r\n").count();
    assert_eq!((lines, ends), (ends, request.head.matches('\r').count()));
}

#[test]
fn r10_a_line_end_or_a_nul_in_a_field_a_method_or_a_token_is_an_error() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder().allow_nonstandard_methods(true).build();
        let get = || client.get(server.url("/"));
        for bad in BREAKS {
            assert!(Method::from_bytes(bad.as_bytes()).is_err(), "{bad:?}");
            assert!(HeaderValue::from_bytes(bad.as_bytes()).is_err(), "{bad:?}");
            for request in [
                get().header(bad, "x"),
                get().header("x", bad),
                get().header("cookie", bad),
                get().header("host", bad),
                get().bearer_auth(bad),
                get().without_header(bad),
            ] {
                let error = request.send().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Request, "{bad:?}: {error:?}");
            }
        }
        // What `http` lets through, the encoder does not.
        for host in ["a b", "a/b", "user@a", "a#b"] {
            let error = get().header("host", host).send().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Request, "{host:?}");
        }
    });
    assert_eq!(server.accepted(), 0);
}

#[test]
fn r10_what_is_encoded_on_its_way_holds_no_line_end() {
    let server = Server::new(|_| Reply::ok("ok"));
    let address = server.address;
    run(async {
        let client = Client::new();
        for bad in BREAKS {
            let url = server.url("/");
            let mut typed: Url = url.parse().unwrap();
            typed.set_path(bad);
            typed.set_query(Some(bad));
            let mut user: Url = url.parse().unwrap();
            user.set_username(bad).unwrap();
            user.set_password(Some(bad)).unwrap();
            let requests = [
                client.get(format!("{url}{bad}")),
                client.get(format!("{url}?{bad}")),
                client.get(format!("{url}#{bad}")),
                client.get(typed),
                client.get(user),
                client.get(format!("http://{bad}@{address}/")),
                client.get(&url).basic_auth("user", bad),
                client.post(&url).form([(bad, bad)]),
            ];
            for request in requests {
                let mut response = request.send().await.unwrap();
                response.text().await.unwrap();
            }
        }
        // In the place of a host there is nothing to encode.
        for bad in ["a\0b", "a b", "a\u{7f}b", "a<b"] {
            let error = client.get(format!("http://{bad}/")).send().await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Url, "{bad:?}");
        }
    });
    let requests = server.requests();
    assert_eq!(requests.len(), 8 * BREAKS.len());
    requests.iter().for_each(is_whole);
    assert_eq!(server.accepted(), 1, "every head ends where it should");
}

#[test]
fn r10_the_credentials_of_a_proxy_hold_no_line_end() {
    let proxy = Server::new(|_| Reply::ok("ok"));
    run(async {
        for bad in BREAKS {
            let with = Proxy::all(proxy.url("")).unwrap().basic_auth("user", bad);
            let of_url = proxy.url("").replace("//", &format!("//{bad}:x@"));
            let of_url = Proxy::all(of_url).unwrap();
            for proxy in [with, of_url] {
                let client = Client::builder().proxy(proxy).build();
                let response = client.get("http://a.test/").send().await.unwrap();
                assert_eq!(response.status(), 200);
            }
        }
    });
    let requests = proxy.requests();
    assert_eq!(requests.len(), 2 * BREAKS.len());
    for request in &requests {
        is_whole(request);
        assert!(request.field("proxy-authorization").is_some());
    }
}

#[test]
fn r10_a_location_with_a_break_in_it_stays_one_url() {
    // A bare CR or a NUL does not come through the head of the response at all.
    let server = Server::new(|request| match request.target() {
        "/" => Reply::redirect(302, "/a%0d%0aEvil:%201\t?b%00"),
        _ => Reply::ok("ok"),
    });
    run(async {
        let response = Client::new().get(server.url("/")).send().await.unwrap();
        assert_eq!(response.status(), 200);
    });
    assert_eq!(server.targets(), ["/", "/a%0d%0aEvil:%201%09?b%00"]);
    server.requests().iter().for_each(is_whole);
}

/// Checks that a text does not hold the secret, in none of its forms.
fn hides(text: &str) {
    // `user:hidden` in base64.
    for secret in ["hidden", "dXNlcjpoaWRkZW4"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn r12_nothing_that_is_made_of_a_request_shows_its_credentials() {
    let server = Server::new(|request| match request.target() {
        "/" => {
            let host = request.field("host").unwrap();
            Reply::redirect(302, &format!("http://user:hidden@{host}/end"))
        }
        _ => Reply::ok("ok"),
    });
    let secret = server.url("/").replace("//", "//user:hidden@");
    let names = ["authorization", "proxy-authorization", "cookie", "cookie2"];
    let mut fields = HeaderMap::new();
    for name in names {
        fields.insert(name, HeaderValue::from_static("hidden"));
    }
    run(async {
        let shown: Rc<RefCell<Vec<String>>> = Rc::default();
        let (events, attempts) = (Rc::clone(&shown), Rc::clone(&shown));
        let builder = Client::builder().default_headers(fields.clone());
        let builder = builder.redirect_policy(move |attempt| {
            attempts.borrow_mut().push(format!("{attempt:?}"));
            Action::Follow
        });
        hides(&format!("{builder:?}"));
        let client = builder.build();
        hides(&format!("{client:?}"));
        let _registration = client.on(move |event| events.borrow_mut().push(format!("{event:?}")));

        let with = |request: RequestBuilder| {
            let names = names.iter();
            names.fold(request, |request, name| request.header(*name, "hidden"))
        };
        hides(&format!("{:?}", with(client.get(&secret))));
        hides(&format!("{:?}", client.get(&secret).headers(fields)));
        let response = with(client.get(&secret)).send().await.unwrap();
        hides(&format!("{response:?} {:?}", response.history()));
        hides(&format!("{:?}", response.request_headers()));
        hides(response.request_url().as_str());
        hides(response.url().as_str());
        let fetched = response.whole().await.unwrap();
        hides(&format!("{fetched:?} {}", fetched.request_url));

        let start = with(client.get(&secret)).start();
        hides(&format!("{start:?}"));
        hides(&format!("{:?}", start.await));
        let nowhere = "http://user:hidden@127.0.0.1:1/";
        let error = with(client.get(nowhere)).send().await.unwrap_err();
        hides(&format!("{error:?} {error} {:?}", error.url()));
        // What cannot be parsed, and why: a port, a password with a slash, no host.
        for url in [
            "http://user:hidden@[/",
            "http://user:hidden/word@site.test/",
            "http://user:hidden#word@site.test/?a=b",
            "http:/user:hidden@site.test:99999/",
            "http:///user:hidden@site.test:99999/",
            "/user:hidden@site.test/",
            "///user:hidden@site.test/",
            "user:hidden@site.test//",
        ] {
            let error = client.get(url).send().await.unwrap_err();
            hides(&format!("{error:?} {error} {:?}", error.url()));
        }
        let shown = shown.borrow();
        assert!(shown.len() > 6, "{shown:?}");
        shown.iter().for_each(|text| hides(text));
    });
    // It was there all the same.
    assert!(server.requests()[0].head.contains("hidden"));
}

/// The heads of requests that have nothing of their own to say are made in a shorter way, once there has been one.
#[test]
fn a_request_is_the_same_whatever_went_before() {
    type Make = fn(&Client, &str) -> RequestBuilder;
    let makes: [Make; 13] = [
        |client, url| client.get(url),
        |client, url| client.head(url),
        |client, url| client.delete(url),
        |client, url| client.post(url),
        |client, url| client.put(url),
        |client, url| client.patch(url),
        |client, url| client.request(Method::OPTIONS, url),
        |client, url| client.get(url).body("body"),
        |client, url| client.delete(url).body("body"),
        |client, url| client.get(url).header("x-own", "1"),
        |client, url| client.get(url).header("range", "bytes=0-1"),
        |client, url| client.get(url).decompress(false),
        |client, url| client.get(format!("{url}?a=b%20c")).bearer_auth("token"),
    ];
    let builders: [fn() -> ClientBuilder; 4] = [
        Client::builder,
        || Client::builder().allow_nonstandard_methods(true),
        || Client::builder().decompress(false),
        || {
            let mut fields = HeaderMap::new();
            fields.insert("connection", HeaderValue::from_static("close"));
            Client::builder().default_headers(fields)
        },
    ];
    let server = Server::new(|_| Reply::ok("ok"));
    let sent = async |client: &Client, make: Make| {
        let mut response = make(client, &server.url("/")).send().await?;
        response.bytes().await
    };
    run(async {
        for builder in builders {
            let used = builder().build();
            for make in makes {
                let fresh = sent(&builder().build(), make).await;
                let again = sent(&used, make).await;
                let kind = |sent: Result<_, Error>| sent.err().map(|error| error.kind());
                assert_eq!(kind(fresh), kind(again));
            }
        }
    });
    let requests = server.requests();
    for pair in requests.chunks(2) {
        assert_eq!(pair[0].head, pair[1].head);
    }
    // Five have a body, or none, against their method, which is an error save where any is allowed.
    assert_eq!(requests.len(), 2 * (4 * makes.len() - 3 * 5));
}
