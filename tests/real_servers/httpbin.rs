//! httpbin under gunicorn: how it is started, and what is fetched from it.

use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use eyewall::http::{ErrorKind, Method, Phase};
use rustix::process::Signal;

use crate::process::{Dir, Server, addresses};
use crate::support::{Watched, answer, at_once, builder, expect_body, field, large, produced, run};

/// Where scripts/servers.sh installs it.
const PYTHON: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../httpbin/bin/python");

/// Starts one, or gives the one that another test uses at this moment: it takes long to start.
fn httpbin() -> Arc<Server> {
    static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = running.upgrade() {
        return server;
    }
    let server = Arc::new(start());
    *running = Arc::downgrade(&server);
    server
}

fn start() -> Server {
    let addresses = addresses(1);
    let address = addresses[0];
    let dir = Dir::new();
    let home = dir.path("");
    let server = Server::start(dir, addresses, move || {
        let mut command = Command::new(PYTHON);
        command
            .args(["-m", "gunicorn", "--bind"])
            .arg(address.to_string())
            // Threads, since the other workers close every connection.
            .args([
                "--worker-class",
                "gthread",
                "--threads",
                "72",
                "--keep-alive",
                "30",
            ])
            // Those that sleep for a delay need not be waited for.
            .args(["--graceful-timeout", "1"])
            .args(["--no-control-socket", "--worker-tmp-dir"])
            .arg(&home)
            .arg("httpbin:app")
            .current_dir(&home);
        command
    });
    // At once; SIGTERM waits for the connections that clients keep.
    server.ends_on(Signal::QUIT)
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn a_hundred_fetches_use_one_connection() {
    let httpbin = httpbin();
    run(async {
        let watched = Watched::new();
        for number in 0..100 {
            let (status, body) = watched
                .get(httpbin.url(&format!("/get?number={number}")))
                .await;
            assert_eq!(status, 200);
            assert!(
                body.contains(&format!("\"number\": \"{number}\"")),
                "{body}"
            );
        }
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn bodies_of_every_kind_are_echoed() {
    let httpbin = httpbin();
    run(async {
        let watched = Watched::new();
        let client = &watched.client;
        for method in [Method::POST, Method::PUT, Method::PATCH] {
            let path = format!("/{}", method.as_str().to_lowercase());
            let request = client
                .request(method, httpbin.url(&path))
                .body("what was sent");
            let (status, body) = answer(request).await;
            assert!(
                status == 200 && body.contains("\"data\": \"what was sent\""),
                "{body}"
            );
        }
        let form = client
            .post(httpbin.url("/post"))
            .form([("name", "a b&c"), ("größe", "1")]);
        let (_, body) = answer(form).await;
        assert!(
            body.contains("\"name\": \"a b&c\"") && body.contains("\"gr\\u00f6\\u00dfe\": \"1\""),
            "{body}"
        );

        let stream = client
            .post(httpbin.url("/post"))
            .body(produced(b"in chunks").0);
        let (_, body) = answer(stream).await;
        assert!(body.contains("\"data\": \"in chunks\""), "{body}");
        assert!(
            body.contains("\"Transfer-Encoding\": \"chunked\""),
            "{body}"
        );

        let told = Rc::new(Cell::new(0));
        let count = Rc::clone(&told);
        let leave = client
            .post(httpbin.url("/post"))
            .body(produced(b"with leave").0)
            .expect_continue(true)
            .expect_timeout(Duration::ZERO)
            .on_informational(move |head| count.set(head.status.as_u16()));
        let (_, body) = answer(leave).await;
        assert!(body.contains("\"data\": \"with leave\""), "{body}");
        assert_eq!(told.get(), 100);

        let delete = client.request(Method::DELETE, httpbin.url("/delete"));
        assert_eq!(answer(delete).await.0, 200);
        // It gives back what was sent as base64, as that is no text: a third more.
        let large = client.post(httpbin.url("/post")).body(&large()[..4 << 20]);
        let (status, body) = answer(large).await;
        assert!(
            status == 200 && body.len() > (4 << 20) / 3 * 4,
            "{}",
            body.len()
        );
    });
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn codings_are_decoded() {
    let httpbin = httpbin();
    run(async {
        let watched = Watched::new();
        for (path, coding, said) in [
            ("/gzip", "gzip", "\"gzipped\": true"),
            ("/deflate", "deflate", "\"deflated\": true"),
            ("/brotli", "br", "\"brotli\": true"),
        ] {
            let mut response = watched.response(httpbin.url(path)).await;
            assert_eq!(response.content_coding().unwrap(), coding);
            let body = response.text().await.unwrap();
            assert!(body.contains(said), "{body}");
            let packed = watched.client.get(httpbin.url(path)).decompress(false);
            let mut packed = packed.send().await.unwrap();
            assert_eq!(field(&packed, "content-encoding"), coding);
            let length = field(&packed, "content-length").parse().unwrap();
            assert_eq!(packed.bytes().await.unwrap().len(), length);
        }
        let (_, body) = watched.get(httpbin.url("/encoding/utf8")).await;
        assert!(body.contains("∮ E⋅da = Q"), "{body}");
    });
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn bodies_that_come_in_pieces() {
    let httpbin = httpbin();
    run(async {
        let watched = Watched::new();
        let get = |path: &str| watched.client.get(httpbin.url(path));
        let url = "/stream-bytes/100000?seed=7&chunk_size=";
        let whole = get(&format!("{url}100000"))
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        assert_eq!(whole.len(), 100_000);
        let mut pieces = get(&format!("{url}61")).send().await.unwrap();
        assert_eq!(field(&pieces, "transfer-encoding"), "chunked");
        expect_body(&mut pieces, &whole).await;

        let (_, lines) = watched.get(httpbin.url("/stream/20")).await;
        assert_eq!(lines.lines().count(), 20);

        let mut drip = get("/drip?duration=0.3&numbytes=6").send().await.unwrap();
        assert_eq!(drip.content_length(), Some(6));
        assert_eq!(drip.text().await.unwrap(), "******");

        let mut part = get("/range/1024?chunk_size=100")
            .header("range", "bytes=100-299")
            .send()
            .await
            .unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(field(&part, "content-range"), "bytes 100-299/1024");
        assert_eq!(part.bytes().await.unwrap().len(), 200);
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn credentials() {
    let httpbin = httpbin();
    run(async {
        let watched = Watched::new();
        let basic = || watched.client.get(httpbin.url("/basic-auth/user/secret"));
        let mut refused = basic().send().await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(
            field(&refused, "www-authenticate"),
            "Basic realm=\"Fake Realm\""
        );
        refused.bytes().await.unwrap();
        assert_eq!(answer(basic().basic_auth("user", "wrong")).await.0, 401);
        let (status, body) = answer(basic().basic_auth("user", "secret")).await;
        assert!(
            status == 200 && body.contains("\"user\": \"user\""),
            "{body}"
        );
        // Percent-encoded in the URL, which is how a colon gets into a password there.
        let url = httpbin
            .url("/basic-auth/user/se:cret")
            .replace("//", "//user:se%3Acret@");
        assert_eq!(watched.get(url).await.0, 200);

        let bearer = || watched.client.get(httpbin.url("/bearer"));
        assert_eq!(answer(bearer()).await.0, 401);
        let (status, body) = answer(bearer().bearer_auth("a.b-c")).await;
        assert!(
            status == 200 && body.contains("\"token\": \"a.b-c\""),
            "{body}"
        );
    });
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn redirects() {
    let httpbin = httpbin();
    run(async {
        let watched = Watched::new();
        let client = &watched.client;
        for path in [
            "/redirect/4",
            "/absolute-redirect/4",
            "/relative-redirect/4",
        ] {
            let mut response = client.get(httpbin.url(path)).send().await.unwrap();
            assert_eq!(response.history().len(), 4, "{path}");
            assert_eq!(response.url().as_str(), httpbin.url("/get"));
            assert_eq!(response.status(), 200);
            response.bytes().await.unwrap();
        }
        let error = client
            .get(httpbin.url("/redirect/11"))
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooManyRedirects { limit: 10 });

        // 302 makes a GET of a POST, and 307 does not.
        for (status, method) in [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
            let url = httpbin.url(&format!("/redirect-to?url=/anything&status_code={status}"));
            let (_, body) = answer(client.post(url).body("the body")).await;
            assert!(
                body.contains(&format!("\"method\": \"{method}\"")),
                "{body}"
            );
            assert_eq!(body.contains("the body"), method == "POST", "{body}");
        }
        // Nobody keeps cookies here, but those that come can be seen.
        let set = client
            .get(httpbin.url("/cookies/set/a/b"))
            .follow_redirects(false);
        let mut set = set.send().await.unwrap();
        assert_eq!(
            (set.status().as_u16(), field(&set, "set-cookie")),
            (302, "a=b; Path=/")
        );
        set.bytes().await.unwrap();
        let (_, body) = answer(client.get(httpbin.url("/cookies")).header("cookie", "a=b")).await;
        assert!(body.contains("\"a\": \"b\""), "{body}");
    });
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn answers_of_many_a_status() {
    let httpbin = httpbin();
    run(async {
        let watched = Watched::new();
        for status in [200, 202, 204, 206, 304, 400, 404, 410, 418, 429, 500, 503] {
            let (came, _) = watched.get(httpbin.url(&format!("/status/{status}"))).await;
            assert_eq!(came, status);
        }
        let raising = watched
            .client
            .get(httpbin.url("/status/503"))
            .raise_for_status(true);
        let error = raising.send().await.unwrap_err();
        assert!(
            error.status().unwrap() == 503 && error.is_retryable(),
            "{error:?}"
        );

        let cached = watched
            .client
            .get(httpbin.url("/etag/tag"))
            .header("if-none-match", "tag");
        assert_eq!(answer(cached).await, (304, String::new()));
        let headers = watched
            .client
            .get(httpbin.url("/response-headers?x-a=1&x-a=2"));
        let headers = headers.send().await.unwrap();
        let values: Vec<_> = headers.headers().get_all("x-a").iter().collect();
        assert_eq!(values, ["1", "2"]);
        let mut image = watched.response(httpbin.url("/image/png")).await;
        assert_eq!(field(&image, "content-type"), "image/png");
        assert!(image.bytes().await.unwrap().starts_with(b"\x89PNG\r\n"));
    });
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn delays_and_timeouts() {
    let httpbin = httpbin();
    run(async {
        let limit = Duration::from_millis(250);
        let client = builder().build();
        let late = |path: &str| client.get(httpbin.url(path));
        let error = late("/delay/4").timeout(limit).send().await.unwrap_err();
        let phase = Phase::Total;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        let error = late("/delay/4")
            .first_byte_timeout(limit)
            .send()
            .await
            .unwrap_err();
        let phase = Phase::FirstByte;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });

        // Slow, and never idle for long: twenty bytes in more than two seconds. Then two, with four seconds between.
        let limit = Duration::from_secs(2);
        let drip = late("/drip?duration=2.1&numbytes=20").idle_read_timeout(limit);
        assert_eq!(answer(drip).await, (200, "*".repeat(20)));
        // httpbin sleeps behind the last byte, too, and this request would wait for that on the same connection.
        let client = builder().build();
        let late = client.get(httpbin.url("/drip?duration=8&numbytes=2"));
        let mut late = late.idle_read_timeout(limit).send().await.unwrap();
        assert_eq!(&*late.chunk().await.unwrap().unwrap(), b"*");
        let error = late.chunk().await.unwrap_err();
        let phase = Phase::IdleRead;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
    });
}

#[test]
#[ignore = "needs httpbin: scripts/servers.sh installs and runs it"]
fn sixty_four_at_once() {
    let httpbin = httpbin();
    run(async {
        let client = builder().build();
        let urls = (0..64).map(|number| httpbin.url(&format!("/get?number={number}")));
        for (number, body) in at_once(&client, urls).await.iter().enumerate() {
            assert!(
                body.contains(&format!("\"number\": \"{number}\"")),
                "{body}"
            );
        }
    });
}
