//! Redirects: where they lead, with which method, and what does not go along.
#![cfg(feature = "http")]

mod http_support;

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;

use eyewall::http::{Action, Body, Client, ErrorKind, HeaderMap, HeaderValue, Method};
use http_support::{Reply, Request, Server, run};

/// One that redirects `/` to `location` with `status`, and answers everything else.
fn redirecting(status: u16, location: &str) -> Server {
    let location = location.to_owned();
    Server::new(move |request| match request.target() {
        "/" => Reply::redirect(status, &location),
        _ => Reply::ok("end"),
    })
}

#[test]
fn r01_the_method_after_each_status() {
    let table = [
        (301, "GET", "GET"),
        (301, "HEAD", "HEAD"),
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (301, "DELETE", "DELETE"),
        (302, "GET", "GET"),
        (302, "HEAD", "HEAD"),
        (302, "POST", "GET"),
        (302, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (303, "GET", "GET"),
        (303, "HEAD", "HEAD"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (307, "GET", "GET"),
        (307, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (307, "PUT", "PUT"),
        (307, "DELETE", "DELETE"),
        (308, "GET", "GET"),
        (308, "HEAD", "HEAD"),
        (308, "POST", "POST"),
        (308, "PUT", "PUT"),
        (308, "DELETE", "DELETE"),
    ];
    run(async {
        let client = Client::new();
        for (status, before, after) in table {
            let case = format!("{status} {before}");
            let server = Server::new(move |request| match (request.target(), request.method()) {
                ("/", _) => Reply::redirect(status, "/end"),
                (_, "HEAD") => Reply::text("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
                _ => Reply::ok("end"),
            });
            let method: Method = before.parse().unwrap();
            let mut request = client.request(method.clone(), server.url("/"));
            let with_body = matches!(before, "POST" | "PUT");
            if with_body {
                request = request
                    .header("content-type", "text/plain")
                    .body("the body");
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200, "{case}");
            assert_eq!(response.url().path(), "/end", "{case}");
            assert_eq!(response.request_method(), method, "{case}");
            assert_eq!(response.request_url().path(), "/", "{case}");
            assert_eq!(response.history().len(), 1, "{case}");
            assert_eq!(response.history()[0].status(), status, "{case}");
            assert_eq!(response.history()[0].url().path(), "/", "{case}");
            let last = &server.requests()[1];
            assert_eq!(last.method(), after, "{case}");
            let kept = with_body && after == before;
            assert_eq!(
                last.body,
                if kept {
                    b"the body".to_vec()
                } else {
                    Vec::new()
                },
                "{case}"
            );
            assert_eq!(last.field("content-type").is_some(), kept, "r07 {case}");
        }
    });
}

#[test]
fn r01_other_statuses_and_a_missing_location_are_the_result() {
    run(async {
        let client = Client::new();
        for head in [
            "300 x\r\nLocation: /end",
            "304 x\r\nLocation: /end",
            "305 x\r\nLocation: /end",
            "302 x",
        ] {
            let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
            let server = Server::new(move |_| Reply::text(answer.clone()));
            let response = client.get(server.url("/")).send().await.unwrap();
            assert!(response.status().is_redirection());
            assert!(response.history().is_empty());
            assert_eq!(server.requests().len(), 1);
        }
    });
}

#[test]
fn r01_a_redirect_instead_of_a_tunnel_is_the_result_and_leads_nowhere() {
    run(async {
        let client = Client::builder()
            .redirect_policy(|_| panic!("nobody is to be asked"))
            .build();
        for status in [301, 302, 303, 307, 308] {
            let elsewhere = Server::new(|_| Reply::ok("end"));
            let location = elsewhere.url("/end");
            // Where it is followed, the last two are errors.
            for location in [&location[..], "https://127.0.0.1:1/", "ftp://127.0.0.1/"] {
                let location = location.to_owned();
                let server = Server::new(move |_| Reply::redirect(status, &location));
                let asking = || {
                    let request = client.request(Method::CONNECT, server.url("/"));
                    request.allow_nonstandard_methods(true)
                };
                let response = asking().send().await.unwrap();
                assert_eq!(response.status(), status);
                assert!(response.history().is_empty());
                let not_upgraded = response.upgrade().await.unwrap_err();
                assert_eq!(not_upgraded.kind(), ErrorKind::NotUpgraded);
                assert_eq!(not_upgraded.status().unwrap(), status);
                assert_eq!(server.requests().len(), 1);
            }
            assert_eq!(elsewhere.accepted(), 0);
        }
    });
}

#[test]
fn r02_more_redirects_than_allowed_are_an_error_and_a_policy_can_stop_instead() {
    let server = Server::new(|request| {
        let number: u32 = request.target()[1..].parse().unwrap();
        Reply::redirect(302, &format!("/{}", number + 1))
    });
    run(async {
        let client = Client::builder().max_redirects(3).build();
        let error = client.get(server.url("/0")).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooManyRedirects { limit: 3 });
        assert!(error.is_redirect() && !error.is_retryable());
        assert_eq!(error.url(), Some(&*server.url("/3")));
        assert_eq!(server.targets(), ["/0", "/1", "/2", "/3"]);
        let error = client.get(server.url("/9")).max_redirects(0).send().await;
        assert_eq!(
            error.unwrap_err().kind(),
            ErrorKind::TooManyRedirects { limit: 0 }
        );

        let request = client
            .get(server.url("/0"))
            .redirect_policy(|at| match at.history.len() {
                0..2 => Action::Follow,
                _ => Action::Stop,
            });
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.url().path()),
            (302, "/2")
        );
        let request = client.get(server.url("/0")).follow_redirects(false);
        assert_eq!(request.send().await.unwrap().url().path(), "/0");
        let request = client
            .get(server.url("/0"))
            .redirect_policy(|_| Action::Refuse);
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectLocation);
    });
}

#[test]
fn a_policy_sees_where_a_redirect_leads() {
    let server = redirecting(303, "/end?x#there");
    run(async {
        let seen: Rc<RefCell<Vec<String>>> = Rc::default();
        let log = Rc::clone(&seen);
        let client = Client::builder()
            .redirect_policy(move |at| {
                log.borrow_mut().push(format!(
                    "{} {} {} {}",
                    at.status.as_u16(),
                    at.method,
                    at.from.path(),
                    at.next.path()
                ));
                Action::Follow
            })
            .build();
        client.post(server.url("/")).body("x").send().await.unwrap();
        assert_eq!(*seen.borrow(), ["303 GET / /end"]);
    });
}

#[test]
fn r03_locations_of_all_kinds() {
    run(async {
        let client = Client::new();
        for (location, target) in [
            ("end", "/end"),
            ("/a/../end", "/end"),
            ("?q=1", "/?q=1"),
            ("  /end ", "/end"),
            ("/a b", "/a%20b"),
            ("/\u{e4}", "/%C3%A4"),
            ("/end#fragment", "/end"),
        ] {
            let server = redirecting(302, location);
            let response = client.get(server.url("/#mine")).send().await.unwrap();
            assert_eq!(server.targets(), ["/", target], "{location:?}");
            let fragment = if location.contains('#') {
                "fragment"
            } else {
                "mine"
            };
            assert_eq!(response.url().fragment(), Some(fragment), "{location:?}");
        }
        let other = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("end"));
        let server = redirecting(302, &format!("//{}/end", other.address));
        client.get(server.url("/")).send().await.unwrap();
        assert_eq!(other.targets(), ["/end"]);
        // Latin-1, which is no UTF-8.
        let server = Server::new(|request| match request.target() {
            "/" => Reply::Send(
                b"HTTP/1.1 302 x\r\nLocation: /\xe4\r\nContent-Length: 0\r\n\r\n".into(),
            ),
            _ => Reply::ok("end"),
        });
        client.get(server.url("/")).send().await.unwrap();
        assert_eq!(server.targets(), ["/", "/%E4"]);
        // As long as the head may be: 64 KiB with all that is around it.
        let long = format!("/{}", "x".repeat(63 << 10));
        let server = redirecting(302, &long);
        client.get(server.url("/")).send().await.unwrap();
        assert_eq!(server.targets(), ["/", &*long]);
        // An empty one means the same URL.
        let server = redirecting(302, "");
        let error = client
            .get(server.url("/"))
            .max_redirects(2)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooManyRedirects { limit: 2 });
    });
}

#[test]
fn r03_locations_that_lead_nowhere() {
    run(async {
        let client = Client::new();
        for location in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "http://",
            "http://[::1",
            "http://a b/",
        ] {
            let server = redirecting(302, location);
            let error = client.get(server.url("/")).send().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RedirectLocation, "{location:?}");
            assert_eq!(server.requests().len(), 1);
        }
        let two = "HTTP/1.1 302 x\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
        let server = Server::new(move |_| Reply::text(two));
        let error = client.get(server.url("/")).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectLocation);
        let long = format!("/{}", "x".repeat(64 << 10));
        let server = redirecting(302, &long);
        let error = client.get(server.url("/")).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "a head beyond the limit");
    });
}

/// Every field that must stay with its origin, as the server got it.
fn secrets(request: &Request) -> Vec<String> {
    let names = [
        "authorization",
        "cookie",
        "cookie2",
        "proxy-authorization",
        "www-authenticate",
        "x-api-key",
    ];
    let present = names.iter().filter(|name| request.field(name).is_some());
    present.map(|name| name.to_string()).collect()
}

fn secret_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in ["cookie", "cookie2", "www-authenticate", "x-kept"] {
        headers.insert(name, HeaderValue::from_static("a=b"));
    }
    let mut key = HeaderValue::from_static("secret");
    key.set_sensitive(true);
    headers.insert("x-api-key", key);
    headers
}

#[test]
fn r04_r05_r09_credentials_stay_with_their_origin_and_do_not_come_back() {
    // 0 leads to itself, then to the other origin, which leads back.
    run(async {
        for (name, other_address) in [
            ("host", Ipv4Addr::new(127, 0, 0, 2)),
            ("port", Ipv4Addr::LOCALHOST),
        ] {
            for how in ["header", "userinfo", "basic", "bearer", "default"] {
                let back: std::sync::Arc<std::sync::Mutex<String>> = Default::default();
                let other = {
                    let back = std::sync::Arc::clone(&back);
                    Server::on(other_address, move |_| {
                        Reply::redirect(302, &back.lock().unwrap())
                    })
                };
                let away = other.url("/away");
                let server = Server::new(move |request| match request.target() {
                    "/" => Reply::redirect(302, "/same"),
                    "/same" => Reply::redirect(302, &away),
                    _ => Reply::ok("end"),
                });
                *back.lock().unwrap() = server.url("/back");

                let mut defaults = HeaderMap::new();
                if how == "default" {
                    defaults.insert("authorization", HeaderValue::from_static("Basic eDp5"));
                    defaults.insert("x-kept-too", HeaderValue::from_static("1"));
                }
                let client = Client::builder().default_headers(defaults).build();
                let url = match how {
                    "userinfo" => server.url("/").replace("//", "//user:pass@"),
                    _ => server.url("/"),
                };
                let request = client.get(url).headers(secret_headers());
                let request = match how {
                    "header" => request.header("authorization", "Basic eDp5"),
                    "basic" => request.basic_auth("x", "y"),
                    "bearer" => request.bearer_auth("token"),
                    _ => request,
                };
                let response = request.send().await.unwrap();
                assert_eq!(response.history().len(), 3);
                assert!(!format!("{response:?}").contains("pass"));

                let case = format!("{name} {how}");
                let at_home = server.requests();
                for request in &at_home[..2] {
                    assert_eq!(
                        secrets(request),
                        [
                            "authorization",
                            "cookie",
                            "cookie2",
                            "www-authenticate",
                            "x-api-key"
                        ],
                        "{case}"
                    );
                }
                assert_eq!(secrets(&other.requests()[0]), [""; 0], "{case}");
                assert_eq!(at_home[2].target(), "/back");
                assert_eq!(secrets(&at_home[2]), [""; 0], "{case}");
                assert_eq!(at_home[2].field("x-kept"), Some("a=b"), "{case}");
                assert_eq!(
                    at_home[2].field("x-kept-too").is_some(),
                    how == "default",
                    "{case}"
                );
            }
        }
    });
}

#[test]
fn r04_another_host_at_the_same_port_is_another_origin() {
    let server = Server::new(|request| match request.target() {
        "/" => {
            let port = request.field("host").unwrap().rsplit_once(':').unwrap().1;
            Reply::redirect(302, &format!("http://b.test:{port}/end"))
        }
        _ => Reply::ok("end"),
    });
    run(async {
        let builder = ["a.test", "b.test"]
            .iter()
            .fold(Client::builder(), |builder, host| {
                builder.resolve(host, 0, [server.address])
            });
        let url = format!("http://a.test:{}/", server.address.port());
        let request = builder.build().get(url).basic_auth("x", "y");
        let response = request.headers(secret_headers()).send().await.unwrap();
        assert!(response.url().as_str().starts_with("http://b.test:"));
        assert!(!secrets(&server.requests()[0]).is_empty());
        assert_eq!(secrets(&server.requests()[1]), [""; 0]);
    });
}

#[test]
fn r04_a_host_that_a_client_says_in_every_request_is_for_its_origin_alone() {
    let other = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("end"));
    let away = other.url("/");
    let server = Server::new(move |_| Reply::redirect(302, &away));
    run(async {
        let host = [("host", "virtual.test"), ("connection", "keep-alive")];
        let host = host.map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let client = Client::builder().default_headers(HeaderMap::from_iter(host));
        let response = client.build().get(server.url("/")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let (first, second) = (&server.requests()[0], &other.requests()[0]);
        let address = other.address.to_string();
        assert_eq!(first.field("host"), Some("virtual.test"));
        assert_eq!(second.field("host"), Some(&*address));
        for request in [first, second] {
            assert_eq!(request.field("connection"), Some("keep-alive"));
        }
    });
}

#[test]
fn a_client_may_follow_no_redirects_but_where_a_request_wants_it() {
    let server = Server::new(|request| match request.target() {
        "/" => Reply::redirect(302, "/end"),
        _ => Reply::ok("end"),
    });
    run(async {
        let client = Client::builder().follow_redirects(false).build();
        let response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.status(), 302);
        let request = client.get(server.url("/")).follow_redirects(true);
        assert_eq!(request.send().await.unwrap().status(), 200);
    });
}

#[test]
fn r04_userinfo_in_a_location_counts_for_the_same_origin_only() {
    run(async {
        let client = Client::new();
        let server = Server::new(|request| match request.target() {
            "/" => {
                let host = request.field("host").unwrap();
                Reply::redirect(302, &format!("http://new:pass@{host}/end"))
            }
            _ => Reply::ok("end"),
        });
        let request = client.get(server.url("/")).basic_auth("old", "pass");
        let response = request.send().await.unwrap();
        assert_eq!(response.url().as_str(), server.url("/end"));
        assert_eq!(
            server.requests()[1].field("authorization"),
            Some("Basic bmV3OnBhc3M=")
        );

        let other = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("end"));
        let server = redirecting(302, &other.url("/end").replace("//", "//new:pass@"));
        client.get(server.url("/")).send().await.unwrap();
        assert_eq!(other.requests()[0].field("authorization"), None);
    });
}

#[test]
fn r04_a_body_goes_to_another_origin_without_the_credentials() {
    let other = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("end"));
    let server = redirecting(307, &other.url("/end"));
    run(async {
        let request = Client::new().post(server.url("/")).basic_auth("x", "y");
        let request = request.header("content-type", "text/plain");
        let response = request.body("the body").send().await.unwrap();
        assert_eq!(response.status(), 200);
    });
    let last = &other.requests()[0];
    assert_eq!((last.method(), &last.body[..]), ("POST", &b"the body"[..]));
    assert_eq!(last.field("content-type"), Some("text/plain"));
    assert_eq!(last.field("authorization"), None);
}

#[test]
fn r04_a_host_field_of_the_callers_stays_with_its_origin() {
    let other = Server::on(Ipv4Addr::new(127, 0, 0, 2), |_| Reply::ok("end"));
    let server = redirecting(302, &other.url("/end"));
    run(async {
        let request = Client::new()
            .get(server.url("/"))
            .header("host", "name.test");
        request.send().await.unwrap();
        assert_eq!(server.requests()[0].field("host"), Some("name.test"));
        assert_eq!(
            other.requests()[0].field("host"),
            Some(&*other.address.to_string())
        );
    });
}

#[test]
fn r07_the_fields_of_a_dropped_body_go_with_it() {
    let server = redirecting(303, "/end");
    run(async {
        let names = [
            "content-type",
            "content-encoding",
            "content-language",
            "content-location",
            "content-range",
            "content-disposition",
            "content-digest",
            "content-md5",
            "digest",
            "last-modified",
            "repr-digest",
        ];
        let mut request = Client::new().put(server.url("/"));
        for name in names {
            request = request.header(name, "x");
        }
        request
            .header("x-kept", "1")
            .body("body")
            .send()
            .await
            .unwrap();
        let last = &server.requests()[1];
        assert!(
            names.iter().all(|name| last.field(name).is_none()),
            "{}",
            last.head
        );
        assert_eq!(last.field("content-length"), None);
        assert_eq!(last.field("x-kept"), Some("1"));
    });
}

#[test]
fn r12_neither_errors_nor_debug_output_show_credentials() {
    run(async {
        let client = Client::new();
        // What stands before its colon is a scheme, if no other is given.
        let schemeless = client.get("user:hidden@127.0.0.1:1/").send().await;
        let schemeless = schemeless.unwrap_err();
        assert_eq!(schemeless.kind(), ErrorKind::UnsupportedScheme);
        let texts = [
            format!("{schemeless}"),
            format!("{schemeless:?}"),
            format!("{:?}", client.get("user:hidden@127.0.0.1:1/")),
            format!("{:?}", client.get("http://user:hidden@127.0.0.1:1/")),
            format!(
                "{:?}",
                client
                    .get("http://127.0.0.1:1/")
                    .basic_auth("user", "hidden")
            ),
            format!(
                "{:?}",
                client.get("http://127.0.0.1:1/").bearer_auth("hidden")
            ),
            format!(
                "{:?}",
                client
                    .get("http://user:hidden@[:1/")
                    .send()
                    .await
                    .unwrap_err()
            ),
            format!(
                "{}",
                client
                    .get("http://user:hidden@[:1/")
                    .send()
                    .await
                    .unwrap_err()
            ),
            format!(
                "{:?}",
                client
                    .get("http://user:hidden@127.0.0.1:1/")
                    .send()
                    .await
                    .unwrap_err()
            ),
            format!(
                "{}",
                client
                    .get("http://user:hidden@127.0.0.1:1/")
                    .send()
                    .await
                    .unwrap_err()
            ),
        ];
        for text in texts {
            assert!(!text.contains("hidden"), "{text}");
            assert!(!text.contains("dXNlcjpoaWRkZW4"), "{text}");
        }
    });
}

#[test]
fn basic_and_bearer_credentials_and_those_of_a_url() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let url = server.url("/").replace("//", "//me:%C3%A4%3A@");
        let requests = [
            client
                .get(server.url("/"))
                .basic_auth("Aladdin", "open sesame"),
            client.get(server.url("/")).bearer_auth("a.b-c"),
            client.get(&url),
            client.get(&url).bearer_auth("wins"),
            client.get(&url).header("authorization", "Own wins"),
        ];
        for request in requests {
            request.send().await.unwrap();
        }
        let sent: Vec<String> = (server.requests().iter())
            .map(|request| request.field("authorization").unwrap().to_owned())
            .collect();
        let expected = [
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Bearer a.b-c",
            "Basic bWU6w6Q6",
            "Bearer wins",
            "Own wins",
        ];
        assert_eq!(sent, expected);
        for request in server.requests() {
            assert_eq!(request.head.matches("uthorization").count(), 1);
            assert!(!request.head.contains('@'), "{}", request.head);
        }
        for bad in [
            client.get(server.url("/")).basic_auth("a:b", "c"),
            client.get(server.url("/")).bearer_auth("a\r\nb"),
        ] {
            assert_eq!(bad.send().await.unwrap_err().kind(), ErrorKind::Request);
        }
    });
}

#[test]
fn b08_body_sanity() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let bad = [
            client.post(server.url("/")),
            client.put(server.url("/")),
            client.patch(server.url("/")),
            client.get(server.url("/")).body("x"),
            client.delete(server.url("/")).body(""),
            client.head(server.url("/")).body("x"),
            client.request("PURGE".parse().unwrap(), server.url("/")),
        ];
        for request in bad {
            let error = request.send().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Request, "{error}");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("allow_nonstandard_methods"), "{source}");
        }
        assert_eq!(server.requests().len(), 0);
        let good = [
            client.post(server.url("/")).body(Body::empty()),
            client.post(server.url("/")).allow_nonstandard_methods(true),
            client
                .get(server.url("/"))
                .body("x")
                .allow_nonstandard_methods(true),
            client
                .request("PURGE".parse().unwrap(), server.url("/"))
                .allow_nonstandard_methods(true),
        ];
        for request in good {
            request.send().await.unwrap();
        }
        let requests = server.requests();
        let lengths: Vec<_> = requests
            .iter()
            .map(|at| at.field("content-length"))
            .collect();
        assert_eq!(lengths, [Some("0"), Some("0"), Some("1"), None]);
    });
}

#[test]
fn a_status_can_be_an_error() {
    let server = Server::new(|request| {
        let status = &request.target()[1..];
        Reply::text(format!(
            "HTTP/1.1 {status} x\r\nX-Why: because\r\nContent-Length: 4\r\n\r\nbody"
        ))
    });
    run(async {
        let client = Client::builder().raise_for_status(true).build();
        let mut response = client.get(server.url("/299")).send().await.unwrap();
        response.text().await.unwrap();
        for status in [300, 302, 404, 503] {
            let url = server.url(&format!("/{status}"));
            let error = client.get(&url).send().await.unwrap_err();
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert!(error.is_status());
            assert_eq!(error.headers().unwrap()["x-why"], "because");
            assert_eq!(error.is_retryable(), status == 503);
            let mut response = client
                .get(&url)
                .raise_for_status(false)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.text().await.unwrap(), "body");
        }
        assert_eq!(client.active_fetches(), 0);
    });
    assert_eq!(server.accepted(), 1, "an error page costs no connection");
}

#[test]
fn r01_what_led_to_a_redirect_is_what_would_be_sent_again() {
    const CLOSED: &str = "http://127.0.0.1:1/";
    let server = Server::new(|request| match request.target() {
        "/away" => Reply::redirect(303, CLOSED),
        "/" => Reply::redirect(303, "/busy"),
        "/cut" => Reply::redirect(303, "/half"),
        "/half" => Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf".into()),
        _ => Reply::text("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
    });
    run(async {
        let client = Client::builder().raise_for_status(true).build();
        for path in ["/away", "/", "/cut"] {
            for (method, twice, again) in [
                (Method::GET, None, true),
                (Method::POST, None, false),
                (Method::POST, Some(true), true),
                (Method::PUT, Some(false), false),
            ] {
                let case = format!("{method} {path}");
                let mut request = client.request(method, server.url(path)).body("paid");
                if let Some(twice) = twice {
                    request = request.idempotent(twice);
                }
                let request = request.allow_nonstandard_methods(true);
                let sent = request.send().await;
                let error = match sent {
                    Ok(mut response) => response.bytes().await.unwrap_err(),
                    Err(error) => error,
                };
                assert_eq!(error.is_retryable(), again, "{case}: {error:?}");
            }
        }
    });
}

#[test]
fn https_only_means_redirects_too() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder().https_only(true).build();
        let error = client.get(server.url("/")).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HttpsOnly);
        assert!(error.is_request());
    });
    assert_eq!(server.accepted(), 0);
}
