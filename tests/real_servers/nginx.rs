//! nginx: how it is started, and what is fetched from it.

use std::process::Command;
use std::time::Duration;

use eyewall::fs::File;
use eyewall::http::{Body, ErrorKind, Phase};
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::Signal;

use crate::process::{Dir, Server, addresses};
use crate::support::{
    Watched, answer, builder, expect_body, fetch_numbered, field, large, run, write_numbered,
};
use crate::uploads;

/// Starts nginx with these `server` blocks, in which `{0}`, `{1}`, ... stand for its addresses, `{dir}` for its
/// directory. In that are `www`, with `hello` and `large`, and `upload`.
pub fn nginx(ports: usize, servers: &str, prepare: impl FnOnce(&Dir)) -> Server {
    let dir = Dir::new();
    dir.make("www", false);
    dir.make("upload", true);
    dir.write("www/hello", "hello\n");
    prepare(&dir);
    let addresses = addresses(ports);
    let mut servers = servers.replace("{dir}", &dir.text(""));
    for (number, address) in addresses.iter().enumerate() {
        servers = servers.replace(&format!("{{{number}}}"), &address.to_string());
    }
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};\n", dir.text(what)))
        .concat();
    let config = format!(
        "daemon off;\n\
         pid {pid};\n\
         error_log stderr crit;\n\
         worker_processes 1;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n\
         access_log off;\n\
         keepalive_requests 100000;\n\
         root {www};\n\
         {temporary}{servers}\n\
         }}\n",
        pid = dir.text("pid"),
        www = dir.text("www"),
    );
    let config = dir.write("nginx.conf", config);
    let prefix = dir.path("");
    Server::start(dir, addresses, move || {
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&prefix).arg("-c").arg(&config);
        command
    })
}

/// One that serves its files, and says which connection and which request on it this is.
fn plain() -> Server {
    nginx(
        1,
        "server { listen {0}; add_header X-Connection $connection; add_header X-Request $connection_requests; }",
        |_| {},
    )
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn a_hundred_fetches_use_one_connection() {
    let nginx = plain();
    run(async {
        let watched = Watched::new();
        let mut connection = None;
        for number in 1..=100 {
            let mut response = watched.response(nginx.url("/hello")).await;
            assert_eq!(response.status(), 200);
            let seen = field(&response, "x-connection").to_owned();
            assert_eq!(*connection.get_or_insert(seen.clone()), seen);
            assert_eq!(field(&response, "x-request"), number.to_string());
            assert_eq!(response.text().await.unwrap(), "hello\n");
        }
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn sixty_four_mebibytes_come_whole() {
    let nginx = nginx(1, "server { listen {0}; }", |dir| {
        dir.write("www/large", large());
    });
    run(async {
        let watched = Watched::new();
        let mut response = watched.response(nginx.url("/large")).await;
        assert_eq!(response.content_length(), Some(64 << 20));
        expect_body(&mut response, large()).await;
        let mut response = watched.response(nginx.url("/large")).await;
        assert!(
            response.bytes().await.unwrap() == large(),
            "it differs as a whole"
        );
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn answers_without_a_body_and_errors_keep_the_connection() {
    let nginx = plain();
    run(async {
        let watched = Watched::new();
        let client = &watched.client;
        let mut head = client.head(nginx.url("/hello")).send().await.unwrap();
        assert_eq!(
            (head.status().as_u16(), field(&head, "content-length")),
            (200, "6")
        );
        assert_eq!(head.bytes().await.unwrap(), b""[..]);

        let (status, page) = watched.get(nginx.url("/nothing")).await;
        assert!(
            status == 404 && page.contains("<h1>404 Not Found</h1>"),
            "{page}"
        );

        let tag = field(&head, "etag");
        let unchanged = client.get(nginx.url("/hello")).header("if-none-match", tag);
        assert_eq!(answer(unchanged).await, (304, String::new()));

        let post = client
            .post(nginx.url("/hello"))
            .body("what a file does not take");
        assert_eq!(answer(post).await.0, 405);
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn redirects_are_followed() {
    let nginx = nginx(
        2,
        "server { listen {0};
           location = /a { return 302 /b; }
           location = /b { return 307 http://{1}/c?d; }
         }
         server { listen {1};
           location = /c { return 200 \"$request_method $http_authorization|\"; }
         }",
        |dir| dir.make("www/folder", false),
    );
    run(async {
        let watched = Watched::new();
        let mut response = (watched
            .client
            .get(nginx.url("/a"))
            .basic_auth("user", "secret"))
        .send()
        .await
        .unwrap();
        assert_eq!(response.url().as_str(), nginx.url_at(1, "/c?d"));
        let statuses: Vec<_> = response
            .history()
            .iter()
            .map(|at| at.status().as_u16())
            .collect();
        assert_eq!(statuses, [302, 307]);
        // The other port is another origin: the credentials stay behind.
        assert_eq!(response.text().await.unwrap(), "GET |");

        // A folder without its slash: nginx says so with an absolute URL. What is there must not be listed.
        let response = watched.response(nginx.url("/folder")).await;
        assert_eq!(response.history()[0].status(), 301);
        assert_eq!(response.url().as_str(), nginx.url("/folder/"));
        assert_eq!(response.status(), 403);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn parts_of_a_file() {
    let nginx = plain();
    run(async {
        let watched = Watched::new();
        let part = |range: &str| {
            watched
                .client
                .get(nginx.url("/hello"))
                .header("range", range)
        };
        let mut response = part("bytes=1-3").send().await.unwrap();
        assert_eq!(response.status(), 206);
        assert_eq!(field(&response, "content-range"), "bytes 1-3/6");
        assert_eq!(response.text().await.unwrap(), "ell");
        assert_eq!(answer(part("bytes=-2")).await, (206, "o\n".into()));

        let mut response = part("bytes=0-0,4-4").send().await.unwrap();
        let kind = field(&response, "content-type").to_owned();
        let boundary = kind
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let parts = response.text().await.unwrap();
        assert_eq!(parts.matches(boundary).count(), 3, "{parts}");
        assert!(
            parts.contains("\r\n\r\nh\r\n") && parts.contains("\r\n\r\no\r\n"),
            "{parts}"
        );

        let mut response = part("bytes=6-").send().await.unwrap();
        assert_eq!(response.status(), 416);
        assert_eq!(field(&response, "content-range"), "bytes */6");
        response.bytes().await.unwrap();
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn gzip_on_the_fly_and_from_a_file() {
    let text = "a line that is there many times\n".repeat(10_000);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    let nginx = nginx(
        1,
        "server { listen {0};
           location /fly { alias {dir}/www/text; gzip on; gzip_types *; }
           location /file { alias {dir}/www/text; gzip_static on; }
         }",
        |dir| {
            dir.write("www/text", &text);
            dir.write("www/text.gz", &packed);
        },
    );
    run(async {
        let watched = Watched::new();
        let mut fly = watched.response(nginx.url("/fly")).await;
        assert_eq!(fly.content_coding().unwrap(), "gzip");
        assert_eq!(
            (fly.coded_length(), field(&fly, "transfer-encoding")),
            (None, "chunked")
        );
        assert_eq!(fly.text().await.unwrap(), text);
        assert!(fly.body_received() < text.len() as u64 / 10);

        let mut file = watched.response(nginx.url("/file")).await;
        assert_eq!(file.content_coding().unwrap(), "gzip");
        assert_eq!(file.coded_length(), Some(packed.len() as u64));
        assert_eq!(file.text().await.unwrap(), text);

        // Whoever asks for it packed gets it so.
        let raw = watched
            .client
            .get(nginx.url("/file"))
            .header("accept-encoding", "gzip");
        let mut raw = raw.decompress(false).send().await.unwrap();
        assert_eq!(field(&raw, "content-encoding"), "gzip");
        assert_eq!(raw.bytes().await.unwrap(), packed);
        assert_eq!(watched.connected(), 1);
    });
}

/// Takes files up to 40 MiB, elsewhere up to 1 MiB.
fn taking_uploads() -> Server {
    nginx(
        1,
        "server { listen {0};
           location /upload/ { root {dir}; dav_methods PUT DELETE; client_max_body_size 40m; }
           location /upload/less/ { root {dir}; dav_methods PUT; client_max_body_size 1m; }
         }",
        |dir| dir.make("upload/less", true),
    )
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn uploads_with_leave_and_without() {
    let uploads = [
        ("/upload/chunked", false, false),
        ("/upload/known", false, true),
        ("/upload/leave", true, false),
    ];
    uploads::with_leave_and_without(&taking_uploads(), &uploads);
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn from_file_to_file() {
    let nginx = taking_uploads();
    run(async {
        let watched = Watched::new();
        let url = nginx.url("/upload/file");
        let path = nginx.dir.write("source", &large()[..32 << 20]);
        let body = Body::file(File::open(path).await.unwrap()).await.unwrap();
        assert_eq!(answer(watched.client.put(&url).body(body)).await.0, 201);
        let path = nginx.dir.path("copy");
        let copy = File::create(&path).await.unwrap();
        let mut response = watched.response(&url).await;
        assert_eq!(response.save(&copy).await.unwrap(), 32 << 20);
        assert!(
            std::fs::read(path).unwrap() == large()[..32 << 20],
            "the copy differs"
        );
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn who_stops_in_the_middle_and_who_gets_nothing() {
    let nginx = nginx(
        1,
        "server { listen {0}; location /nothing { return 444; } }",
        |dir| {
            dir.write("www/large", large());
        },
    );
    run(async {
        let watched = Watched::new();
        let mut response = watched.response(nginx.url("/large")).await;
        assert!(response.chunk().await.unwrap().is_some());
        // The rest is too much to be received for nothing: the connection ends.
        drop(response);
        assert_eq!(
            (
                watched.client.idle_connections(),
                watched.client.active_fetches()
            ),
            (0, 0)
        );
        assert_eq!(watched.get(nginx.url("/hello")).await.0, 200);
        assert_eq!(watched.connected(), 2);
        // nginx closes without a word, on a kept connection and on the new one that is tried then.
        let error = watched
            .client
            .get(nginx.url("/nothing"))
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::EmptyReply);
        assert_eq!(watched.connected(), 3);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn an_upload_that_is_too_large_is_answered_before_it_has_gone_out() {
    uploads::too_large(
        &taking_uploads(),
        "/upload/less/file",
        "413 Request Entity Too Large",
    );
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn a_connection_that_nginx_closes_when_idle_is_replaced() {
    let nginx = nginx(1, "server { listen {0}; keepalive_timeout 1s; }", |_| {});
    run(async {
        let mut watched = Watched::new();
        assert_eq!(watched.get(nginx.url("/hello")).await.0, 200);
        assert_eq!(watched.client.idle_connections(), 1);
        // nginx does not announce this; its FIN is seen.
        watched.idle_closed().await;
        assert_eq!(watched.client.idle_connections(), 0);
        // No idempotent request, so that a second try would not be allowed.
        let post = watched.client.post(nginx.url("/hello")).body("x");
        assert_eq!(answer(post).await.0, 405);
        assert_eq!(watched.connected(), 2);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn a_connection_for_ten_requests_is_replaced_after_them() {
    let nginx = nginx(1, "server { listen {0}; keepalive_requests 10; }", |_| {});
    run(async {
        let watched = Watched::new();
        for number in 1..=100 {
            let mut response = watched.response(nginx.url("/hello")).await;
            let closes = field(&response, "connection") == "close";
            assert_eq!(closes, number % 10 == 0, "request {number}");
            assert_eq!(response.text().await.unwrap(), "hello\n");
        }
        assert_eq!(watched.connected(), 10);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn a_restart_and_a_reload_between_fetches() {
    let mut nginx = plain();
    run(async {
        let mut watched = Watched::new();
        let url = nginx.url("/hello");
        assert_eq!(watched.get(&url).await.0, 200);
        nginx.down();
        watched.idle_closed().await;
        let error = watched.client.get(&url).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        nginx.up();
        assert_eq!(watched.get(&url).await.0, 200);
        // The client has had no turn in which to see that its connection has ended: it looks first.
        nginx.down();
        nginx.up();
        assert_eq!(watched.get(&url).await.0, 200);
        watched.idle_closed().await;
        nginx.down();
        nginx.up();
        assert_eq!(answer(watched.client.post(&url).body("x")).await.0, 405);
        assert_eq!(watched.connected(), 4);
        watched.idle_closed().await;
        // A new worker takes over, and the old one lets its connections go.
        nginx.signal(Signal::HUP);
        watched.idle_closed().await;
        assert_eq!(watched.get(&url).await.0, 200);
        assert_eq!(watched.connected(), 5);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn sixty_four_at_once() {
    let nginx = nginx(1, "server { listen {0}; }", write_numbered);
    run(async {
        let watched = Watched::of(builder().max_per_host(16));
        for _ in 0..4 {
            fetch_numbered(&watched.client, |path| nginx.url(path)).await;
        }
        assert_eq!(watched.connected(), 16);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn a_slow_body_meets_the_deadline_and_not_the_idle_timeout() {
    let nginx = nginx(1, "server { listen {0}; limit_rate 100k; }", |dir| {
        dir.write("www/large", &large()[..8 << 20]);
    });
    run(async {
        let client = builder().idle_read_timeout(Duration::from_secs(20)).build();
        let limit = Duration::from_secs(1);
        let request = client.get(nginx.url("/large")).timeout(limit);
        let mut response = request.send().await.unwrap();
        let error = response.bytes().await.unwrap_err();
        let phase = Phase::Total;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        assert!(error.bytes_received() > 0, "{error:?}");
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn over_a_unix_socket() {
    let nginx = nginx(
        1,
        "server { listen {0}; listen unix:{dir}/socket; }",
        |_| {},
    );
    run(async {
        let watched = Watched::of(builder().unix_socket(nginx.dir.path("socket")));
        for _ in 0..3 {
            assert_eq!(
                watched.get("http://site.test/hello").await,
                (200, "hello\n".into())
            );
        }
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn requests_that_nginx_finds_too_large() {
    let nginx = plain();
    run(async {
        let watched = Watched::new();
        let large = "x".repeat(40_000);
        let request = watched
            .client
            .get(nginx.url("/hello"))
            .header("x-large", &large);
        let (status, page) = answer(request).await;
        assert!(
            status == 400 && page.contains("Request Header Or Cookie Too Large"),
            "{page}"
        );
        assert_eq!(watched.get(nginx.url(&format!("/{large}"))).await.0, 414);
        let empty = watched.client.put(nginx.url("/hello")).body(Body::empty());
        assert_eq!(answer(empty).await.0, 405);
    });
}
