//! Node: how it is started, and what is fetched from it.

use std::cell::{Cell, RefCell};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use eyewall::http::{Body, ErrorKind, HeaderValue, Phase};

use crate::process::{Dir, Server, addresses};
use crate::support::{Watched, answer, at_once, builder, expect_body, field, large, produced, run};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real_servers/server.mjs");

fn node() -> Server {
    let addresses = addresses(1);
    let address = addresses[0];
    Server::start(Dir::new(), addresses, move || {
        let mut command = Command::new("node");
        command
            .arg(SCRIPT)
            .arg(address.ip().to_string())
            .arg(address.port().to_string());
        command
    })
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn a_hundred_fetches_use_one_connection() {
    let node = node();
    run(async {
        let watched = Watched::new();
        let (_, number) = watched.get(node.url("/connection")).await;
        for _ in 1..100 {
            assert_eq!(
                watched.get(node.url("/connection")).await,
                (200, number.clone())
            );
        }
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn requests_are_understood_as_they_were_meant() {
    let node = node();
    run(async {
        let watched = Watched::new();
        let get = watched.client.get(node.url("/seen?a=b%20c#not-sent"));
        let (_, seen) = answer(get.header("x-a", "1").header("x-a", "2, 3")).await;
        assert!(seen.starts_with("GET\n/seen?a=b%20c\nlength 0\n"), "{seen}");
        assert!(seen.contains("\nx-a: 1\nx-a: 2, 3"), "{seen}");
        assert!(
            seen.contains(&format!("\nhost: {}", node.address())),
            "{seen}"
        );
        assert!(
            !seen.contains("content-length") && !seen.contains("transfer-encoding"),
            "{seen}"
        );

        // The example of the standard (FIPS 180-2, appendix B.1).
        let (_, seen) = answer(watched.client.post(node.url("/seen")).body("abc")).await;
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(
            seen.starts_with(&format!("POST\n/seen\nlength 3\nsha256 {sum}\n")),
            "{seen}"
        );
        assert!(seen.contains("\ncontent-length: 3"), "{seen}");

        let stream = watched
            .client
            .put(node.url("/seen"))
            .body(produced(b"abc").0);
        let (_, seen) = answer(stream).await;
        assert!(
            seen.contains(sum) && seen.contains("\ntransfer-encoding: chunked"),
            "{seen}"
        );

        let form = watched.client.post(node.url("/seen")).form([("q", "ä b")]);
        let (_, seen) = answer(form).await;
        assert!(
            seen.contains("\ncontent-type: application/x-www-form-urlencoded"),
            "{seen}"
        );
        assert!(seen.contains("\nlength 10\n"), "{seen}");

        let empty = watched.client.post(node.url("/seen")).body(Body::empty());
        let (_, seen) = answer(empty).await;
        assert!(
            seen.contains("\nlength 0\n") && seen.contains("\ncontent-length: 0"),
            "{seen}"
        );
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn chunks_of_every_size_and_trailers() {
    let node = node();
    run(async {
        let watched = Watched::new();
        let mut response = watched.response(node.url("/chunked?chunks=1500")).await;
        assert_eq!(field(&response, "transfer-encoding"), "chunked");
        let whole = response.text().await.unwrap();
        assert_eq!(whole, "x".repeat(1500 * 1501 / 2));
        assert_eq!(response.trailers(), None);

        let mut response = watched.response(node.url("/trailers")).await;
        assert_eq!(field(&response, "trailer"), "X-Sum, X-More");
        assert_eq!(response.text().await.unwrap(), "counted");
        let trailers = response.trailers().unwrap();
        assert_eq!(
            (&trailers["x-sum"], &trailers["x-more"]),
            (&"7".parse().unwrap(), &"yes".parse().unwrap())
        );

        // The head of a chunked answer, and nothing more.
        let mut head = watched
            .client
            .head(node.url("/chunked?chunks=9"))
            .send()
            .await
            .unwrap();
        assert_eq!(head.text().await.unwrap(), "");
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn interim_answers_are_told_of() {
    let node = node();
    run(async {
        let watched = Watched::new();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let told = Rc::clone(&seen);
        let request = watched
            .client
            .get(node.url("/hints"))
            .on_informational(move |head| {
                let link = head
                    .headers
                    .get("link")
                    .map(|link| link.to_str().unwrap().to_owned());
                told.borrow_mut().push((head.status.as_u16(), link));
            });
        assert_eq!(answer(request).await, (200, "hinted".into()));
        let links = "</a.css>; rel=preload, </b.js>; rel=preload".to_owned();
        assert_eq!(*seen.borrow(), [(102, None), (103, Some(links))]);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn fields_that_are_there_twice_or_not_ascii() {
    let node = node();
    run(async {
        let watched = Watched::new();
        let request = watched
            .client
            .get(node.url("/cookies"))
            .header("cookie", "c=3");
        let mut response = request.send().await.unwrap();
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2; HttpOnly"]);
        assert_eq!(response.text().await.unwrap(), "c=3");

        let name = HeaderValue::from_bytes(b"na\xefve").unwrap();
        let mut response = watched
            .client
            .get(node.url("/latin"))
            .header("x-name", &name)
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["x-name"], name);
        assert_eq!(response.bytes().await.unwrap(), b"na\xefve"[..]);

        for (code, reason) in [
            (200, "Fine"),
            (204, "No Content"),
            (304, "Not Modified"),
            (299, "New"),
            (500, "Oh"),
        ] {
            let url = node.url(&format!("/status?code={code}&reason={reason}"));
            let mut response = watched.response(url).await;
            assert_eq!(
                (response.status().as_u16(), response.reason()),
                (code, reason)
            );
            assert_eq!(response.bytes().await.unwrap(), b""[..]);
        }
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn a_body_comes_back_while_it_is_still_sent() {
    let node = node();
    let bytes = &large()[..32 << 20];
    run(async {
        let watched = Watched::new();
        let (body, asked) = produced(bytes);
        let mut response = watched
            .client
            .post(node.url("/echo"))
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(
            asked.get() < bytes.len(),
            "the answer came after all was sent"
        );
        expect_body(&mut response, bytes).await;
        drop(response);
        let (body, _) = produced(bytes);
        let post = watched
            .client
            .post(node.url("/echo"))
            .body(body.with_length(32 << 20));
        expect_body(&mut post.send().await.unwrap(), bytes).await;
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn an_upload_that_nobody_reads_is_answered_early() {
    let node = node();
    let bytes = &large()[..32 << 20];
    run(async {
        let watched = Watched::new();
        let (body, asked) = produced(bytes);
        let post = watched.client.post(node.url("/early")).body(body);
        assert_eq!(answer(post).await, (413, "too much".into()));
        assert!(asked.get() < bytes.len());
        assert_eq!(watched.client.idle_connections(), 0);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn leave_is_given_refused_or_not_understood() {
    let node = node();
    run(async {
        let watched = Watched::new();
        let ask = |path: &str| {
            let (body, asked) = produced(b"the body");
            let interim = Rc::new(Cell::new(0));
            let count = Rc::clone(&interim);
            let request = (watched.client.post(node.url(path)).body(body))
                .expect_continue(true)
                .expect_timeout(Duration::ZERO)
                .on_informational(move |_| count.set(count.get() + 1));
            (request, asked, interim)
        };
        let (request, asked, interim) = ask("/echo");
        assert_eq!(answer(request).await, (200, "the body".into()));
        assert_eq!((asked.get(), interim.get()), (8, 1));

        let (request, asked, interim) = ask("/refuse");
        assert_eq!(answer(request).await, (403, "no".into()));
        assert_eq!((asked.get(), interim.get()), (0, 0));

        // 417: the same again, without asking.
        let (request, asked, _) = ask("/cannot");
        let (status, seen) = answer(request).await;
        assert!(
            status == 200 && seen.contains("\nlength 8\n") && !seen.contains("expect"),
            "{seen}"
        );
        assert_eq!(asked.get(), 8);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn another_protocol_on_the_same_connection() {
    let node = node();
    run(async {
        let watched = Watched::new();
        let request = (watched.client.get(node.url("/seen")))
            .header("connection", "upgrade")
            .header("upgrade", "echo/1");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(field(&response, "upgrade"), "echo/1");
        let mut echo = response.upgrade().await.unwrap();
        let mut came = Vec::new();
        let sent = &large()[..1 << 20];
        echo.send_all(sent).await.0.unwrap();
        echo.shutdown().await.unwrap();
        while let Some(chunk) = echo.recv_chunk().await.unwrap() {
            came.extend_from_slice(&chunk);
        }
        assert!(
            came.strip_prefix(b"welcome ") == Some(sent),
            "{} bytes came",
            came.len()
        );
        // That connection has gone its own way.
        assert_eq!(watched.get(node.url("/connection")).await.1, "2");
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn a_server_that_breaks_off() {
    let node = node();
    run(async {
        let watched = Watched::new();
        let fails = async |path: &str| {
            let sent = watched.client.get(node.url(path)).send().await;
            match sent {
                Ok(mut response) => {
                    assert_eq!(&*response.chunk().await.unwrap().unwrap(), b"the beginning");
                    response.bytes().await.unwrap_err().kind()
                }
                Err(error) => error.kind(),
            }
        };
        assert_eq!(fails("/gone").await, ErrorKind::EmptyReply);
        assert_eq!(fails("/reset").await, ErrorKind::Receive);
        let cut = |expected| ErrorKind::Truncated {
            received: 13,
            expected,
        };
        assert_eq!(fails("/cut").await, cut(Some(100)));
        assert_eq!(fails("/cut-chunk").await, cut(None));
        // A kept one that is closed in answer to the request: that may have come too late, so GET is tried again,
        // once, and POST is not.
        assert_eq!(watched.get(node.url("/echo")).await.0, 200);
        let before = watched.connected();
        assert_eq!(fails("/gone").await, ErrorKind::EmptyReply);
        assert_eq!(watched.connected(), before + 1);
        assert_eq!(watched.get(node.url("/echo")).await.0, 200);
        let before = watched.connected();
        let post = watched.client.post(node.url("/gone")).body("x");
        assert_eq!(post.send().await.unwrap_err().kind(), ErrorKind::EmptyReply);
        assert_eq!(watched.connected(), before);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn a_server_that_says_nothing_meets_the_timeout_that_is_named() {
    let node = node();
    run(async {
        let limit = Duration::from_millis(200);
        let client = builder().first_byte_timeout(limit).build();
        let error = client.get(node.url("/silent")).send().await.unwrap_err();
        let phase = Phase::FirstByte;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });

        // The beginning must have come in time.
        let limit = Duration::from_secs(1);
        let client = builder().idle_read_timeout(limit).build();
        let mut response = client.get(node.url("/stuck")).send().await.unwrap();
        let error = response.bytes().await.unwrap_err();
        let phase = Phase::IdleRead;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        let mut response = client.get(node.url("/echo")).send().await.unwrap();
        assert_eq!(response.bytes().await.unwrap(), b""[..]);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn kept_connections_that_the_server_closes() {
    let node = node();
    run(async {
        let mut watched = Watched::new();
        at_once(&watched.client, (0..8).map(|_| node.url("/connection"))).await;
        assert_eq!(
            (watched.connected(), watched.client.idle_connections()),
            (8, 8)
        );
        assert_eq!(
            watched.get(node.url("/close-others")).await,
            (200, "closed".into())
        );
        for _ in 0..7 {
            watched.idle_closed().await;
        }
        assert_eq!(watched.client.idle_connections(), 1);
        assert_eq!(watched.get(node.url("/connection")).await.0, 200);
        assert_eq!(watched.connected(), 8);
    });
}

#[test]
#[ignore = "needs Node: scripts/servers.sh installs and runs it"]
fn sixty_four_at_once() {
    let node = node();
    run(async {
        let client = builder().build();
        for _ in 0..4 {
            let urls = (1..=64).map(|chunks| node.url(&format!("/chunked?chunks={chunks}")));
            for (chunks, body) in (1..).zip(at_once(&client, urls).await) {
                assert_eq!(body.len(), chunks * (chunks + 1) / 2);
            }
        }
    });
}
