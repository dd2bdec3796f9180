//! Apache httpd: how it is started, and what is fetched from it.

use std::process::Command;

use eyewall::http::{Body, Method, Version};

use crate::process::{Dir, Server, addresses};
use crate::support::{
    Watched, answer, builder, expect_body, fetch_numbered, field, large, produced, run,
    write_numbered,
};
use crate::uploads;

/// `user:secret`, as htpasswd -s writes it.
const PASSWORDS: &str = "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

/// Where Debian has the modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Starts Apache with this configuration, in which `{0}`, `{1}`, ... stand for its addresses, `{dir}` for its
/// directory. In that are `www` with `hello`, `upload`, and `passwords` for user and secret.
pub fn apache(ports: usize, config: &str, prepare: impl FnOnce(&Dir)) -> Server {
    let dir = Dir::new();
    dir.make("www", false);
    dir.make("upload", true);
    dir.make("locks", true);
    dir.write("www/hello", "hello\n");
    dir.write("passwords", PASSWORDS);
    prepare(&dir);
    let addresses = addresses(ports);
    let mut config = config.replace("{dir}", &dir.text(""));
    let mut listen = String::new();
    for (number, address) in addresses.iter().enumerate() {
        config = config.replace(&format!("{{{number}}}"), &address.to_string());
        listen += &format!("Listen {address}\n");
    }
    let modules: String = [
        "mpm_event",
        "alias",
        "auth_basic",
        "authn_core",
        "authn_file",
        "authz_core",
        "authz_user",
        "brotli",
        "dav",
        "dav_fs",
        "deflate",
        "dir",
        "env",
        "filter",
        "headers",
        "mime",
        "proxy",
        "proxy_connect",
        "proxy_http",
        "setenvif",
    ]
    .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
    .concat();
    let config = format!(
        "ServerRoot {dir}\n\
         ServerName site.test\n\
         PidFile {dir}/pid\n\
         ErrorLog /dev/stderr\n\
         LogLevel error\n\
         {listen}{modules}\
         <IfModule unixd_module>\nUser www-data\nGroup www-data\n</IfModule>\n\
         Mutex posixsem default\n\
         StartServers 1\n\
         ServerLimit 2\n\
         ThreadsPerChild 75\n\
         MaxRequestWorkers 150\n\
         MaxKeepAliveRequests 0\n\
         TypesConfig /dev/null\n\
         DefaultRuntimeDir {dir}\n\
         DavLockDB {dir}/locks/dav\n\
         DocumentRoot {dir}/www\n\
         {config}\n",
        dir = dir.text(""),
    );
    let config = dir.write("apache.conf", config);
    Server::start(dir, addresses, move || {
        let mut command = Command::new("apache2");
        command.arg("-DFOREGROUND").arg("-f").arg(&config);
        command
    })
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn a_hundred_fetches_use_one_connection() {
    let apache = apache(1, "Header always set X-Port expr=%{REMOTE_PORT}", |_| {});
    run(async {
        let watched = Watched::new();
        for _ in 0..100 {
            let mut response = watched.response(apache.url("/hello")).await;
            assert_eq!(response.status(), 200);
            let port = response.local_addr().unwrap().port();
            assert_eq!(field(&response, "x-port"), port.to_string());
            assert_eq!(response.text().await.unwrap(), "hello\n");
        }
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn sixty_four_mebibytes_come_whole() {
    let apache = apache(1, "", |dir| {
        dir.write("www/large", large());
    });
    run(async {
        let watched = Watched::new();
        for _ in 0..2 {
            let mut response = watched.response(apache.url("/large")).await;
            assert_eq!(response.content_length(), Some(64 << 20));
            expect_body(&mut response, large()).await;
        }
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn answers_without_a_body_and_errors_keep_the_connection() {
    let apache = apache(
        1,
        "<Location /private>\n\
         AuthType Basic\nAuthName here\nAuthUserFile {dir}/passwords\nRequire valid-user\n\
         </Location>\n\
         Alias /private {dir}/www/hello",
        |_| {},
    );
    run(async {
        let watched = Watched::new();
        let client = &watched.client;
        let mut head = client.head(apache.url("/hello")).send().await.unwrap();
        assert_eq!(
            (head.status().as_u16(), field(&head, "content-length")),
            (200, "6")
        );
        assert_eq!(head.bytes().await.unwrap(), b""[..]);

        let (status, page) = watched.get(apache.url("/nothing")).await;
        assert!(
            status == 404 && page.contains("<h1>Not Found</h1>"),
            "{page}"
        );

        let since = field(&head, "last-modified");
        let unchanged = client
            .get(apache.url("/hello"))
            .header("if-modified-since", since);
        assert_eq!(answer(unchanged).await, (304, String::new()));

        let private = || client.get(apache.url("/private"));
        let mut refused = private().send().await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(field(&refused, "www-authenticate"), "Basic realm=\"here\"");
        refused.bytes().await.unwrap();
        assert_eq!(answer(private().basic_auth("user", "wrong")).await.0, 401);
        let let_in = (200, "hello\n".to_owned());
        assert_eq!(answer(private().basic_auth("user", "secret")).await, let_in);
        let in_the_url = apache.url("/private").replace("//", "//user:secret@");
        assert_eq!(watched.get(in_the_url).await, let_in);

        let options = client.request(Method::OPTIONS, apache.url("/hello"));
        let mut options = options.send().await.unwrap();
        assert!(field(&options, "allow").contains("GET"), "{options:?}");
        options.bytes().await.unwrap();
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn redirects_are_followed_with_a_body_where_they_say_so() {
    let apache = apache(
        1,
        "Redirect 302 /a /b\n\
         Redirect 301 /b /hello\n\
         Redirect 307 /old /upload\n\
         Alias /upload {dir}/upload\n\
         <Directory {dir}/upload>\nDav On\n</Directory>",
        |dir| dir.make("www/folder", false),
    );
    run(async {
        let watched = Watched::new();
        let mut response = watched.response(apache.url("/a?x=1")).await;
        // Apache keeps the query.
        assert_eq!(response.url().as_str(), apache.url("/hello?x=1"));
        assert_eq!(response.history().len(), 2);
        assert_eq!(response.text().await.unwrap(), "hello\n");

        // A folder without its slash.
        let response = watched.response(apache.url("/folder")).await;
        assert_eq!(response.url().as_str(), apache.url("/folder/"));
        drop(response);

        let (body, asked) = produced(b"sent a second time");
        let response = watched
            .client
            .put(apache.url("/old/file"))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(
            (response.status().as_u16(), response.history().len()),
            (201, 1)
        );
        assert!(asked.get() >= 18);
        let stored = watched.get(apache.url("/upload/file")).await;
        assert_eq!(stored, (200, "sent a second time".into()));
    });
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn parts_of_a_file() {
    let apache = apache(1, "", |dir| {
        dir.write("www/large", &large()[..1 << 20]);
    });
    run(async {
        let watched = Watched::new();
        let part = |range: &str| {
            watched
                .client
                .get(apache.url("/large"))
                .header("range", range)
        };
        let mut response = part("bytes=1000-600000").send().await.unwrap();
        assert_eq!(response.status(), 206);
        assert_eq!(
            field(&response, "content-range"),
            "bytes 1000-600000/1048576"
        );
        expect_body(&mut response, &large()[1000..=600_000]).await;

        let mut response = part("bytes=0-9,1000000-1000009").send().await.unwrap();
        assert_eq!(response.status(), 206);
        assert!(field(&response, "content-type").starts_with("multipart/byteranges"));
        let parts = response.bytes().await.unwrap();
        for wanted in [&large()[..10], &large()[1_000_000..1_000_010]] {
            assert!(parts.windows(10).any(|window| window == wanted));
        }
        assert_eq!(answer(part("bytes=1048576-")).await.0, 416);
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn gzip_brotli_and_an_end_that_is_that_of_the_connection() {
    let text = "a line that is there many times\n".repeat(10_000);
    let apache = apache(
        1,
        "Alias /gzip {dir}/www/text\n\
         Alias /brotli {dir}/www/text\n\
         Alias /old {dir}/www/large\n\
         <Location /gzip>\nSetOutputFilter DEFLATE\n</Location>\n\
         <Location /brotli>\nSetOutputFilter BROTLI_COMPRESS\n</Location>\n\
         <Location /old>\nSetOutputFilter DEFLATE\nSetEnv downgrade-1.0\nSetEnv force-response-1.0\n</Location>",
        |dir| {
            dir.write("www/text", &text);
            dir.write("www/large", &large()[..1 << 20]);
        },
    );
    run(async {
        let watched = Watched::new();
        for (path, coding) in [("/gzip", "gzip"), ("/brotli", "br")] {
            let mut response = watched.response(apache.url(path)).await;
            assert_eq!(response.content_coding().unwrap(), coding);
            assert_eq!(response.text().await.unwrap(), text);
            assert!(response.body_received() < text.len() as u64 / 10);
        }
        assert_eq!(watched.connected(), 1);
        // Apache plays a server of HTTP/1.0: no chunks, and how long a gzip becomes it does not know beforehand.
        let mut response = watched.response(apache.url("/old")).await;
        assert_eq!(response.version(), Version::HTTP_10);
        assert_eq!(response.content_coding().unwrap(), "gzip");
        assert!(!response.headers().contains_key("transfer-encoding"));
        assert_eq!(response.coded_length(), None);
        expect_body(&mut response, &large()[..1 << 20]).await;
        assert_eq!(watched.client.idle_connections(), 0);
    });
}

/// A WebDAV folder, which takes files up to 40 MiB; another that takes 1 MiB.
fn taking_uploads() -> Server {
    apache(
        1,
        "Alias /upload {dir}/upload\n\
         Alias /less {dir}/less\n\
         <Directory {dir}/upload>\nDav On\nLimitRequestBody 41943040\n</Directory>\n\
         <Directory {dir}/less>\nDav On\nLimitRequestBody 1048576\n</Directory>",
        |dir| dir.make("less", true),
    )
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn uploads_with_leave_and_without() {
    let uploads = [
        ("/upload/chunked", false, false),
        ("/upload/known", false, true),
        ("/upload/leave", true, true),
        ("/upload/leave-chunked", true, false),
    ];
    uploads::with_leave_and_without(&taking_uploads(), &uploads);
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn an_upload_that_is_too_large_is_answered_before_it_has_gone_out() {
    uploads::too_large(&taking_uploads(), "/less/file", "413");
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn how_long_a_connection_is_kept_is_announced_and_honoured() {
    let apache = apache(1, "KeepAliveTimeout 1\nMaxKeepAliveRequests 5", |_| {});
    run(async {
        let mut watched = Watched::new();
        // Apache says so only to those who ask for what is usual anyway.
        let request = watched.client.get(apache.url("/hello"));
        let request = request.header("connection", "keep-alive");
        let mut response = request.send().await.unwrap();
        assert_eq!(field(&response, "keep-alive"), "timeout=1, max=5");
        response.bytes().await.unwrap();
        watched.idle_closed().await;
        let post = watched
            .client
            .post(apache.url("/hello"))
            .body(Body::empty());
        assert_eq!(answer(post).await.0, 200);
        assert_eq!(watched.connected(), 2);
        // The sixth request of a connection needs another one.
        for _ in 0..8 {
            assert_eq!(watched.get(apache.url("/hello")).await.0, 200);
        }
        assert_eq!(watched.connected(), 3);
    });
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn a_restart_between_fetches() {
    let mut apache = apache(1, "", |_| {});
    run(async {
        let watched = Watched::new();
        let url = apache.url("/hello");
        for _ in 0..3 {
            assert_eq!(watched.get(&url).await, (200, "hello\n".into()));
            apache.down();
            apache.up();
        }
        assert_eq!(watched.connected(), 3);
    });
}

#[test]
#[ignore = "needs Apache httpd: scripts/servers.sh installs and runs it"]
fn sixty_four_at_once() {
    let apache = apache(1, "", write_numbered);
    run(async {
        let client = builder().build();
        fetch_numbered(&client, |path| apache.url(path)).await;
    });
}
