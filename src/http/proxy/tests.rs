use std::io::{Read, Write};

use super::*;
use crate::http::{Client, Stage};

fn proxies(variables: &[(&str, &str)]) -> Proxies {
    changed(variables, Changes::default())
}

fn changed(variables: &[(&str, &str)], changes: Changes) -> Proxies {
    let variable = |name: &str| {
        let known = variables.iter().find(|(known, _)| *known == name);
        known.map(|(_, value)| (*value).to_owned())
    };
    environment::read(variable, changes)
}

/// The proxy's authority for a URL.
fn authority(proxies: &Proxies, url: &str) -> Option<String> {
    let proxy = proxies.of(&url.parse().unwrap()).unwrap();
    proxy.map(|proxy| proxy.authority().to_owned())
}

#[test]
fn c09_the_environment_by_scheme() {
    let none = proxies(&[("http_proxy", " "), ("unrelated", "x")]);
    assert_eq!(authority(&none, "http://example.org/"), None);
    let set = proxies(&[
        ("http_proxy", "http://small:8080"),
        ("HTTP_PROXY", "http://capital:8080"),
        ("HTTPS_PROXY", "secure:3128"),
    ]);
    assert_eq!(
        authority(&set, "http://example.org/").unwrap(),
        "small:8080"
    );
    assert_eq!(
        authority(&set, "https://example.org/").unwrap(),
        "secure:3128"
    );
    let all = proxies(&[
        ("ALL_PROXY", "http://all"),
        ("https_proxy", "http://[::1]:1"),
    ]);
    assert_eq!(authority(&all, "http://example.org/").unwrap(), "all");
    assert_eq!(authority(&all, "https://example.org/").unwrap(), "[::1]:1");
}

#[test]
fn c09_httpoxy() {
    let cgi = [("HTTP_PROXY", "http://evil"), ("REQUEST_METHOD", "GET")];
    assert_eq!(authority(&proxies(&cgi), "http://example.org/"), None);
    assert!(authority(&proxies(&cgi[..1]), "http://example.org/").is_some());
    let both = [("http_proxy", "http://good"), cgi[0], cgi[1]];
    assert_eq!(
        authority(&proxies(&both), "http://example.org/").unwrap(),
        "good"
    );
}

#[test]
fn c09_this_machine_needs_no_proxy_of_the_environment() {
    let set = proxies(&[("all_proxy", "http://proxy")]);
    for url in [
        "http://localhost/",
        "http://a.localhost./",
        "http://127.3.2.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
    ] {
        assert_eq!(authority(&set, url), None, "{url}");
    }
    let mut own = Proxies::default();
    own.add(Proxy::all("http://proxy").unwrap());
    assert!(authority(&own, "http://localhost/").is_some());
}

#[test]
fn c09_no_proxy() {
    let covered = [
        ("*", "http://example.org/"),
        ("example.org", "http://example.org/"),
        ("EXAMPLE.org", "http://www.Example.Org./"),
        (".example.org", "http://example.org/"),
        ("*.example.org", "http://a.b.example.org/"),
        ("x, example.org", "http://example.org/"),
        ("x  example.org", "http://example.org/"),
        ("x\r\nexample.org\r", "http://example.org/"),
        ("example.org:8080", "http://example.org:8080/"),
        ("example.org:80", "http://example.org/"),
        ("192.0.2.1", "http://192.0.2.1/"),
        ("192.0.2.0/24", "http://192.0.2.255/"),
        ("0.0.0.0/0", "http://192.0.2.255/"),
        ("192.0.2.0/24:81", "http://192.0.2.9:81/"),
        ("2001:db8::1", "http://[2001:db8::1]/"),
        ("[2001:db8::1]:81", "http://[2001:db8::1]:81/"),
        ("2001:db8::/32", "http://[2001:db8:ffff::1]/"),
        ("::ffff:192.0.2.1", "http://192.0.2.1/"),
        ("::ffff:192.0.2.0/120", "http://192.0.2.255/"),
        ("[::ffff:192.0.2.0]/120", "http://[::ffff:192.0.2.9]/"),
        ("Bücher.test", "http://www.bücher.test/"),
        ("xn--bcher-kva.test:81", "http://bücher.test:81/"),
    ];
    for (list, url) in covered {
        assert!(
            NoProxy::new(list).covers(&url.parse().unwrap()),
            "{list} {url}"
        );
    }
    let others = [
        ("", "http://example.org/"),
        ("example.org", "http://notexample.org/"),
        ("www.example.org", "http://example.org/"),
        ("org.", "http://organisation/"),
        ("example.org:8080", "http://example.org/"),
        ("example.org:x", "http://example.org/"),
        ("192.0.2.0/24", "http://192.0.3.1/"),
        ("192.0.2.0/33", "http://192.0.2.1/"),
        ("192.0.2.1", "http://[2001:db8::1]/"),
        ("::ffff:192.0.2.0/120", "http://192.0.3.1/"),
        ("::ffff:192.0.2.0/24", "http://192.0.2.1/"),
        ("::ffff:192.0.2.0/129", "http://192.0.2.0/"),
        ("0.2.1", "http://192.0.2.1/"),
        ("2001:db8::/32", "http://[2001:db9::1]/"),
        ("a*b", "http://axb/"),
        ("a*b", "http://a*b/"),
        (".", "http://example.org/"),
        (".", "http://./"),
        ("localhost", "http://127.0.0.1/"),
        ("ü\u{ffff}.test", "http://x.test/"),
    ];
    for (list, url) in others {
        assert!(
            !NoProxy::new(list).covers(&url.parse().unwrap()),
            "{list} {url}"
        );
    }
}

#[test]
fn c09_what_is_set_and_not_understood_is_an_error_and_not_a_way_around() {
    for bad in ["socks5://proxy", "https://proxy", "http://", "http://[::1"] {
        let set = proxies(&[("all_proxy", bad), ("no_proxy", "direct.test")]);
        let error = set.of(&"http://example.org/".parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy, "{bad}");
        assert!(format!("{error:?}").contains("all_proxy"), "{error:?}");
        assert_eq!(error.to_string(), "the proxy cannot be used");
        assert!(!error.is_retryable(), "{error:?}");
        assert_eq!(authority(&set, "http://direct.test/"), None);
    }
}

#[test]
fn c09_a_bad_proxy_behind_a_redirect_is_one_that_nothing_was_sent_to() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.read_exact(&mut [0]).unwrap();
        let answer =
            "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        // Until the client has gone.
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let fetched = crate::block_on(async {
        let bad = proxies(&[("http_proxy", "socks5://proxy")]);
        let request = Client::new().get(url);
        let request = request.set(|options| options.proxies = Some(Rc::new(bad)));
        request.send().await
    });
    let error = fetched.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert_eq!(error.url(), Some("http://elsewhere.test/"));
    assert_eq!(error.stage(), Some(Stage::Queue));
    assert_eq!((error.bytes_sent(), error.bytes_received()), (0, 0));
    assert_eq!(error.remote_addr(), None);
    let text = error.to_string();
    assert!(text.starts_with("the proxy cannot be used"), "{text}");
    assert!(!error.is_retryable(), "{error:?}");
    server.join().unwrap();
}

#[test]
fn r12_credentials_of_a_proxy_are_not_shown() {
    let proxy = Proxy::all("http://user:hidden@proxy").unwrap();
    assert_eq!(
        proxy.server.credentials.as_ref().unwrap(),
        "Basic dXNlcjpoaWRkZW4="
    );
    assert_eq!(proxy.server.authority(), "proxy");
    for text in [
        format!("{proxy:?}"),
        format!("{:?}", Proxy::all("http://user:hidden@[").unwrap_err()),
    ] {
        assert!(!text.contains("hidden"), "{text}");
    }
    let other = proxy.clone().basic_auth("user", "other");
    assert!(
        proxy.server != other.server,
        "p07: other credentials, other connections"
    );
}

#[test]
fn c09_the_environment_counts_though_a_part_is_said_otherwise() {
    let credentials = |proxies: &Proxies, url: &str| {
        let proxy = proxies.of(&url.parse().unwrap()).unwrap();
        proxy.and_then(|proxy| proxy.credentials.clone())
    };
    let variables = [
        ("http_proxy", "http://user:secret@plain"),
        ("https_proxy", "socks5://secure"),
        ("no_proxy", "inside.test"),
    ];
    let said = Changes {
        credentials: Some("Basic eA==".parse().unwrap()),
        ..Changes::default()
    };
    let set = changed(&variables, said);
    assert_eq!(credentials(&set, "http://a.test/").unwrap(), "Basic eA==");
    assert_eq!(authority(&set, "http://inside.test/"), None);

    let said = Changes {
        bypass: Some("b.test".into()),
        ..Changes::default()
    };
    let set = changed(&variables, said);
    assert_ne!(credentials(&set, "http://a.test/").unwrap(), "Basic eA==");
    assert_eq!(authority(&set, "http://b.test/"), None);
    assert_eq!(authority(&set, "https://b.test/"), None, "nor is it bad");
    assert_eq!(authority(&set, "http://inside.test/").unwrap(), "plain");
    assert_eq!(authority(&set, "http://localhost/"), None);
    // It is still an error where it would be asked, and nowhere else.
    let url = "https://a.test/".parse().unwrap();
    assert_eq!(set.of(&url).unwrap_err().kind(), ErrorKind::Proxy);
}

#[test]
fn c09_what_is_no_utf_8_is_not_taken_for_nothing() {
    let set = [
        (
            "http_proxy",
            environment::text(b"http://user:p\xe4ss@plain"),
        ),
        ("https_proxy", environment::text(b"http://pl\xe4in")),
        ("no_proxy", environment::text(b"\xff,inside.test")),
    ];
    let set = set.each_ref().map(|(name, value)| (*name, &**value));
    let proxies = proxies(&set);
    let plain = proxies.of(&"http://a.test/".parse().unwrap()).unwrap();
    let credentials = plain.and_then(|proxy| proxy.credentials.as_ref());
    assert_eq!(credentials.unwrap(), "Basic dXNlcjpw5HNz");
    let error = proxies.of(&"https://a.test/".parse().unwrap());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Proxy);
    assert_eq!(authority(&proxies, "http://inside.test/"), None);
}

#[test]
fn c09_the_hosts_of_the_environment_can_be_had_alone() {
    let read = |name: &'static str| {
        environment::no_proxy(move |asked| (asked == name).then(|| "inside.test".into()))
    };
    for name in ["no_proxy", "NO_PROXY"] {
        let hosts = read(name);
        assert!(hosts.covers(&"http://inside.test/".parse().unwrap()));
        assert!(!hosts.covers(&"http://localhost/".parse().unwrap()));
    }
    assert_eq!(read("other"), NoProxy::default());
}
