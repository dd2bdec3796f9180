//! Python's http.server: how it is started, and what is fetched from it.

use std::process::Command;
use std::time::Duration;

use eyewall::http::{ErrorKind, Pem, Version};

use crate::process::{Dir, Server, addresses, host};
use crate::support::{Watched, answer, at_once, builder, expect_body, field, large, produced, run};
use crate::tls_support::{Authority, Identity};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real_servers/server.py");

/// Starts one that speaks this version, and serves `hello`, `folder/` and what `prepare` adds.
fn python(version: &'static str, prepare: impl FnOnce(&Dir)) -> Server {
    start(version, None, prepare)
}

/// As [`python`], over TLS if there is a certificate.
fn start(version: &'static str, identity: Option<&Identity>, prepare: impl FnOnce(&Dir)) -> Server {
    let dir = Dir::new();
    let certificate = identity.map(|identity| {
        let key = identity.key.serialize_pem();
        [dir.write("pem", &identity.pem), dir.write("key", key)]
    });
    dir.make("www", false);
    dir.make("www/folder", false);
    dir.write("www/hello", "hello\n");
    prepare(&dir);
    let addresses = addresses(1);
    let address = addresses[0];
    let www = dir.path("www");
    Server::start(dir, addresses, move || {
        let mut command = Command::new("python3");
        (command.arg(SCRIPT))
            .arg(address.ip().to_string())
            .arg(address.port().to_string())
            .arg(&www)
            .arg(version)
            .args(certificate.iter().flatten());
        command
    })
}

#[test]
#[ignore = "needs Python: scripts/servers.sh installs and runs it"]
fn http_1_0_has_a_connection_for_each_fetch() {
    let python = python("HTTP/1.0", |_| {});
    run(async {
        let watched = Watched::new();
        for _ in 0..10 {
            let mut response = watched.response(python.url("/hello")).await;
            assert_eq!(response.version(), Version::HTTP_10);
            assert!(field(&response, "server").starts_with("SimpleHTTP/"));
            assert_eq!(response.text().await.unwrap(), "hello\n");
            assert_eq!(watched.client.idle_connections(), 0);
        }
        assert_eq!(watched.connected(), 10);
    });
}

#[test]
#[ignore = "needs Python: scripts/servers.sh installs and runs it"]
fn bodies_that_end_with_the_connection() {
    for version in ["HTTP/1.0", "HTTP/1.1"] {
        let python = python(version, |_| {});
        run(async {
            let client = builder().build();
            for lines in [0, 1, 100_000] {
                let url = python.url(&format!("/until-the-end?{lines}"));
                let mut response = client.get(url).send().await.unwrap();
                assert_eq!(response.content_length(), None);
                let expected = "a line of the body\n".repeat(lines);
                expect_body(&mut response, expected.as_bytes()).await;
                assert_eq!(client.idle_connections(), 0);
            }
        });
    }
}

#[test]
#[ignore = "needs Python: scripts/servers.sh installs and runs it"]
fn sixty_four_mebibytes_come_whole() {
    let python = python("HTTP/1.0", |dir| {
        dir.write("www/large", large());
    });
    run(async {
        let client = builder().build();
        let mut response = client.get(python.url("/large")).send().await.unwrap();
        assert_eq!(response.content_length(), Some(64 << 20));
        expect_body(&mut response, large()).await;
    });
}

#[test]
#[ignore = "needs Python: scripts/servers.sh installs and runs it"]
fn http_1_1_keeps_the_connection() {
    let python = python("HTTP/1.1", |_| {});
    run(async {
        let watched = Watched::new();
        for _ in 0..100 {
            assert_eq!(
                watched.get(python.url("/hello")).await,
                (200, "hello\n".into())
            );
        }
        let head = watched
            .client
            .head(python.url("/hello"))
            .send()
            .await
            .unwrap();
        assert_eq!(field(&head, "content-length"), "6");
        let since = field(&head, "last-modified");
        let unchanged = watched
            .client
            .get(python.url("/hello"))
            .header("if-modified-since", since);
        assert_eq!(answer(unchanged).await, (304, String::new()));

        // A folder without its slash, by a relative URL.
        let mut response = watched.response(python.url("/folder")).await;
        assert_eq!(response.history()[0].status(), 301);
        assert_eq!(response.url().as_str(), python.url("/folder/"));
        assert!(response.text().await.unwrap().contains("Directory listing"));
        assert_eq!(watched.connected(), 1);

        // An error ends the connection here, and the server says so.
        let mut missing = watched.response(python.url("/nothing")).await;
        assert_eq!(
            (missing.status().as_u16(), field(&missing, "connection")),
            (404, "close")
        );
        assert!(missing.text().await.unwrap().contains("File not found"));
        assert_eq!(watched.client.idle_connections(), 0);
    });
}

#[test]
#[ignore = "needs Python: scripts/servers.sh installs and runs it"]
fn an_upload_to_a_server_that_takes_none_is_answered() {
    let python = python("HTTP/1.0", |_| {});
    let bytes = &large()[..32 << 20];
    run(async {
        let client = builder().build();
        // It answers, reads nothing of the body, and closes: that resets the connection.
        for _ in 0..10 {
            let (body, asked) = produced(bytes);
            let post = client.post(python.url("/hello")).body(body);
            let (status, page) = answer(post).await;
            assert!(
                status == 501 && page.contains("Unsupported method"),
                "{page}"
            );
            assert!(asked.get() < bytes.len());
        }
        let (body, asked) = produced(bytes);
        let post = client.post(python.url("/hello")).body(body);
        let post = post.expect_continue(true).expect_timeout(Duration::ZERO);
        assert_eq!((answer(post).await.0, asked.get()), (501, 0));
    });
}

#[test]
#[ignore = "needs Python: scripts/servers.sh installs and runs it"]
fn over_tls_it_does_not_say_goodbye() {
    let authority = Authority::new();
    let identity = authority.identity(&[&host().to_string()]);
    let python = start("HTTP/1.0", Some(&identity), |dir| {
        dir.write("www/large", &large()[..4 << 20]);
    });
    let url = |path: &str| format!("https://{}{path}", python.address());
    run(async {
        let client = builder()
            .ca_certificates(Pem::text(authority.pem()))
            .build();
        // Python closes without the close_notify of TLS. That is no harm to a body whose length is known.
        let mut response = client.get(url("/large")).send().await.unwrap();
        expect_body(&mut response, &large()[..4 << 20]).await;
        // One that ends with the connection may have been cut off by anybody, and is not taken for whole.
        let mut response = client.get(url("/until-the-end?10")).send().await.unwrap();
        let error = response.bytes().await.unwrap_err();
        let (received, expected) = (190, None);
        assert_eq!(error.kind(), ErrorKind::Truncated { received, expected });
    });
}

#[test]
#[ignore = "needs Python: scripts/servers.sh installs and runs it"]
fn a_server_that_has_gone() {
    let mut python = python("HTTP/1.1", |_| {});
    run(async {
        let watched = Watched::new();
        assert_eq!(watched.get(python.url("/hello")).await.0, 200);
        python.down();
        let error = watched
            .client
            .get(python.url("/hello"))
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        python.up();
        assert_eq!(watched.get(python.url("/hello")).await.0, 200);
    });
}

#[test]
#[ignore = "needs Python: scripts/servers.sh installs and runs it"]
fn sixty_four_at_once() {
    let python = python("HTTP/1.0", |_| {});
    run(async {
        // It listens with a backlog of five, so that more at a time would wait for the kernel to try again.
        let watched = Watched::of(builder().max_clients(5));
        let urls = (0..64).map(|lines| python.url(&format!("/until-the-end?{lines}")));
        for (lines, body) in at_once(&watched.client, urls).await.iter().enumerate() {
            assert_eq!(*body, "a line of the body\n".repeat(lines));
        }
        assert_eq!(watched.connected(), 64);
    });
}
