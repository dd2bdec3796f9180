//! How connections are made: Unix sockets, names, addresses, proxies, the user's own ways.
#![cfg(feature = "http")]

mod http_support;
mod net_support;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyewall::Reactor;
use eyewall::http::{Client, Conduit, ConnectOptions, Error, ErrorKind, Proxy, Target};
use eyewall::net::{ConnectError, Keepalive, TcpStream};
use eyewall::reactor::metrics;
use futures_util::{SinkExt, StreamExt, poll, sink, stream};
use http_support::{Reply, Server, run, until};
use net_support::Blackhole;

async fn get(client: &Client, url: &str) -> Result<String, Error> {
    client.get(url).send().await?.text().await
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

/// A path for a socket, in a directory that goes with it.
struct SocketPath(std::path::PathBuf);

impl SocketPath {
    fn new(name: &str) -> SocketPath {
        let directory = format!("eyewall-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        SocketPath(directory.join("socket"))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let directory = self.0.parent().unwrap();
        std::fs::remove_dir_all(directory).unwrap();
    }
}

fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the client closed");
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_unix_socket_carries_several_fetches() {
    let path = SocketPath::new("carries");
    let listener = UnixListener::bind(&path.0).unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for _ in 0..2 {
            let head = read_head(&mut stream);
            assert!(head.starts_with("GET /x ") && head.contains("host: docker\r\n"));
            stream.write_all(OK).unwrap();
        }
    });
    run(async {
        // The proxy is not asked: nobody is there.
        let client = Client::builder()
            .unix_socket(&path.0)
            .proxy(Proxy::all("http://127.0.0.1:1").unwrap())
            .build();
        for _ in 0..2 {
            let mut response = client.get("http://docker/x").send().await.unwrap();
            assert_eq!(response.remote_addr(), None);
            assert_eq!(response.text().await.unwrap(), "ok");
        }
    });
    peer.join().unwrap();
}

/// From Linux 6.17 on the receive itself tells of the rest; before that only a look into the socket does.
#[test]
fn p05_what_lies_behind_a_body_in_a_unix_socket_is_no_answer_to_the_next_request() {
    const LENGTH: usize = 40_000;
    let path = SocketPath::new("behind");
    let listener = UnixListener::bind(&path.0).unwrap();
    let (go, wait) = std::sync::mpsc::channel();
    let (written, sent) = std::sync::mpsc::channel();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n.");
        stream.write_all(head.as_bytes()).unwrap();
        wait.recv().unwrap();
        let mut rest = vec![b'.'; LENGTH - 1];
        rest.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        stream.write_all(&rest).unwrap();
        written.send(()).unwrap();
        let (mut next, _) = listener.accept().unwrap();
        read_head(&mut next);
        next.write_all(OK).unwrap();
    });
    run(async {
        let client = Client::builder().unix_socket(&path.0).build();
        let mut first = client.get("http://docker/").send().await.unwrap();
        go.send(()).unwrap();
        // All of it lies in the socket before any more is received.
        sent.recv().unwrap();
        assert_eq!(first.bytes().await.unwrap().len(), LENGTH);
        assert_eq!(client.idle_connections(), 0);
        let mut second = client.get("http://docker/").send().await.unwrap();
        assert_eq!(second.text().await.unwrap(), "ok");
    });
    peer.join().unwrap();
}

/// No turn of the ring tells of it.
#[test]
fn p05_what_comes_on_a_unix_socket_just_before_a_request_is_no_answer_to_it() {
    let path = SocketPath::new("before");
    let listener = UnixListener::bind(&path.0).unwrap();
    let (go, wait) = std::sync::mpsc::channel();
    let (written, sent) = std::sync::mpsc::channel();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.write_all(OK).unwrap();
        wait.recv().unwrap();
        let surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        stream.write_all(surplus).unwrap();
        written.send(()).unwrap();
        let (mut next, _) = listener.accept().unwrap();
        read_head(&mut next);
        next.write_all(OK).unwrap();
    });
    run(async {
        let client = Client::builder().unix_socket(&path.0).build();
        assert_eq!(get(&client, "http://docker/").await.unwrap(), "ok");
        assert_eq!(client.idle_connections(), 1);
        go.send(()).unwrap();
        sent.recv().unwrap();
        assert_eq!(get(&client, "http://docker/").await.unwrap(), "ok");
    });
    peer.join().unwrap();
}

/// A small body goes out by itself behind the head; what takes the connection over still waits for it.
#[test]
fn i09_a_body_that_goes_on_by_itself_is_sent_before_the_connection_is_taken_over() {
    // More than such a socket holds, and not so much that it is sent in pieces.
    const BODY: usize = 256 << 10;
    let path = SocketPath::new("takes");
    let listener = UnixListener::bind(&path.0).unwrap();
    let (go, wait) = std::sync::mpsc::channel();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 101 Now\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n")
            .unwrap();
        wait.recv().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), BODY + 2);
        assert!(all.ends_with(b"xhi"));
    });
    run(async {
        let client = Client::builder().unix_socket(&path.0).build();
        let request = client.post("http://here/").header("upgrade", "raw");
        let response = request.body(vec![b'x'; BODY]).send().await.unwrap();
        let mut upgrading = pin!(response.upgrade());
        assert!(poll!(upgrading.as_mut()).is_pending());
        go.send(()).unwrap();
        let mut raw = upgrading.await.unwrap();
        raw.send_all("hi").await.0.unwrap();
        raw.close().await.unwrap();
    });
    peer.join().unwrap();
}

/// A Unix socket does not tell its reader that its writer has failed.
#[test]
fn what_a_silent_peer_would_not_take_is_said_when_the_time_is_over() {
    let path = SocketPath::new("silent");
    let listener = UnixListener::bind(&path.0).unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.shutdown(Shutdown::Read).unwrap();
        stream.write_all(OK).unwrap();
        stream
    });
    run(async {
        let client = Client::builder().unix_socket(&path.0).build();
        assert_eq!(get(&client, "http://here/").await.unwrap(), "ok");
        let request = client
            .get("http://here/")
            .timeout(Duration::from_millis(50));
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Send, "{error:?}");
        assert!(cause(&error).contains("Broken pipe"), "{error:?}");
    });
    drop(peer.join().unwrap());
}

/// A connection of the user's that answers each request, whether it is flushed or not.
fn answering(flushes: bool) -> std::io::Result<Conduit> {
    let (answer, answers) = futures_channel::mpsc::unbounded();
    let sink = sink::unfold((), move |(), _: Bytes| {
        answer.unbounded_send(Ok(Bytes::from_static(OK))).unwrap();
        async move {
            match flushes {
                true => Ok(()),
                false => std::future::pending().await,
            }
        }
    });
    Conduit::new(answers, sink)
}

#[test]
fn a_conduit_is_used_again_only_once_it_has_sent_all() {
    for (flushes, connections) in [(true, 1), (false, 2)] {
        run(async {
            let made = Rc::new(Cell::new(0));
            let count = Rc::clone(&made);
            let client = Client::builder()
                .connector(move |_: Target| {
                    count.set(count.get() + 1);
                    std::future::ready(answering(flushes))
                })
                .build();
            for _ in 0..2 {
                assert_eq!(get(&client, "http://memory.test/").await.unwrap(), "ok");
            }
            assert_eq!(made.get(), connections);
        });
    }
}

#[test]
fn a_conduit_is_used_again_only_in_the_reactor_that_it_was_made_in() {
    let made = Rc::new(Cell::new(0));
    let count = Rc::clone(&made);
    let client = Client::builder()
        .connector(move |_: Target| {
            count.set(count.get() + 1);
            std::future::ready(answering(true))
        })
        .build();
    let (one, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    for (reactor, connections) in [(&one, 1), (&other, 2), (&one, 2)] {
        let text = reactor.block_on(get(&client, "http://memory.test/"));
        assert_eq!(text.unwrap().unwrap(), "ok");
        assert_eq!(made.get(), connections);
    }
}

#[test]
fn a_conduit_that_closes_its_client_is_not_kept() {
    run(async {
        let owner: Rc<RefCell<Option<Client>>> = Rc::default();
        let known = Rc::clone(&owner);
        let client = Client::builder()
            .connector(move |_: Target| {
                let known = Rc::clone(&known);
                let closing = stream::poll_fn(move |_| {
                    // Nobody looks for more until the connection is to be kept.
                    if let Some(client) = known.take() {
                        client.close();
                    }
                    Poll::Pending
                });
                let answers = stream::iter([Ok(Bytes::from_static(OK))]).chain(closing);
                let sink = sink::unfold((), |(), _: Bytes| std::future::ready(Ok(())));
                std::future::ready(Conduit::new(answers, sink))
            })
            .build();
        let response = client.get("http://memory.test/").send().await;
        owner.replace(Some(client.clone()));
        assert_eq!(response.unwrap().text().await.unwrap(), "ok");
        assert!(client.is_closed());
        assert_eq!(client.idle_connections(), 0);
    });
}

#[test]
fn a_name_with_a_port_needs_no_scheme() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder()
            .resolve("near.test", 0, [server.address])
            .build();
        let text = format!("near.test:{}/x", server.address.port());
        assert_eq!(get(&client, &text).await.unwrap(), "ok");
        assert_eq!(server.targets(), ["/x"]);
    });
}

#[test]
fn a_connection_is_used_again_only_in_the_reactor_that_it_was_made_in() {
    let server = Server::new(|_| Reply::ok("ok"));
    let client = Client::new();
    let (one, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    for (reactor, connections) in [(&one, 1), (&other, 2), (&one, 2)] {
        let text = reactor.block_on(get(&client, &server.url("/")));
        assert_eq!(text.unwrap().unwrap(), "ok");
        assert_eq!(server.accepted(), connections);
    }
}

#[test]
fn a_connection_that_cannot_be_made_is_not_asked_for_again() {
    run(async {
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        let client = Client::builder()
            .connector(move |_: Target| {
                count.set(count.get() + 1);
                let refused = std::io::Error::from_raw_os_error(libc::ECONNREFUSED);
                std::future::ready(Err::<Conduit, _>(refused))
            })
            .build();
        let error = get(&client, "http://memory.test/").await.unwrap_err();
        assert_eq!((error.kind(), asked.get()), (ErrorKind::Connect, 1));
    });
}

#[test]
fn a_sink_that_fails_says_why_unless_an_answer_had_begun() {
    let reset = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let truncated = ErrorKind::Truncated {
        received: 0,
        expected: None,
    };
    run(async {
        for (begun, end, expected) in [
            ("", None, ErrorKind::Send),
            ("", Some(reset()), ErrorKind::Send),
            ("HTTP/1.1 200 OK\r\n", None, truncated),
        ] {
            let answer = (!begun.is_empty()).then(|| Ok(Bytes::from_static(begun.as_bytes())));
            let answers = stream::iter(answer.into_iter().chain(end.map(Err)));
            let sink = sink::unfold((), |(), _: Bytes| async {
                Err(std::io::Error::other("the tape is full"))
            });
            let conduit = Cell::new(Some(Conduit::new(answers, sink)));
            let client = Client::builder()
                .connector(move |_: Target| std::future::ready(conduit.take().unwrap()))
                .build();
            let error = get(&client, "http://tape.test/").await.unwrap_err();
            assert_eq!(error.kind(), expected, "{begun:?}");
            assert_eq!(cause(&error).contains("the tape is full"), begun.is_empty());
        }
    });
}

#[test]
fn a_unix_socket_that_is_not_there_is_named() {
    run(async {
        let client = Client::builder().unix_socket("/nowhere/at all").build();
        let error = get(&client, "http://x/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(cause(&error).contains("/nowhere/at all"), "{error:?}");
    });
}

#[test]
fn p07_two_unix_sockets_are_two_keys() {
    let paths = [SocketPath::new("one"), SocketPath::new("two")];
    let peers = paths.each_ref().map(|path| {
        let listener = UnixListener::bind(&path.0).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_head(&mut stream);
            stream.write_all(OK).unwrap();
        })
    });
    run(async {
        let client = Client::new();
        for path in &paths {
            let options = ConnectOptions::new().unix_socket(&path.0);
            let request = client.get("http://same/").connect_options(&options);
            let mut response = request.send().await.unwrap();
            assert!(!response.is_reused());
            assert_eq!(response.text().await.unwrap(), "ok");
        }
    });
    for peer in peers {
        peer.join().unwrap();
    }
}

#[test]
fn c12_names_are_overridden_by_port_or_for_all_ports_also_with_a_dot() {
    let one = Server::new(|_| Reply::ok("one"));
    let other = Server::new(|_| Reply::ok("other"));
    run(async {
        let client = Client::builder()
            .resolve("Name.test", 0, [one.address])
            .resolve("name.test", 81, [other.address])
            .build();
        assert_eq!(get(&client, "http://name.test/").await.unwrap(), "one");
        assert_eq!(get(&client, "http://name.test:81/").await.unwrap(), "other");
        // C12: the dot at the end of a name says no more than that it is whole.
        assert_eq!(
            get(&client, "http://NAME.test.:81/").await.unwrap(),
            "other"
        );
        let error = get(&client, "http://else.invalid/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resolve);
    });
    assert_eq!(one.requests()[0].field("host"), Some("name.test"));
}

#[test]
fn an_override_without_a_port_means_that_of_the_url() {
    let server = Server::new(|_| Reply::ok("ok"));
    let port = server.address.port();
    run(async {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let client = Client::builder().resolve("a.test", 0, [anywhere]).build();
        let url = format!("http://a.test:{port}/");
        assert_eq!(get(&client, &url).await.unwrap(), "ok");
    });
}

#[test]
fn c12_an_international_name_is_looked_up_in_ascii() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder()
            .resolve("xn--bcher-kva.test", 0, [server.address])
            .build();
        assert_eq!(get(&client, "http://Bücher.test/").await.unwrap(), "ok");
    });
    assert_eq!(
        server.requests()[0].field("host"),
        Some("xn--bcher-kva.test")
    );
}

#[test]
fn c12_an_override_knows_its_host_however_that_is_written() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        for (host, url) in [
            ("Bücher.test", "http://bücher.test/"),
            ("bücher.test.", "http://XN--BCHER-KVA.test/"),
            ("127.1", "http://127.0.0.1:1/"),
            ("127.0.0.1", "http://0x7f.1:1/"),
            ("under_score.test", "http://Under_Score.test/"),
        ] {
            let client = Client::builder().resolve(host, 0, [server.address]).build();
            assert_eq!(get(&client, url).await.unwrap(), "ok", "{host} {url}");
        }
    });
}

#[test]
fn c12_a_zone_in_a_url_is_an_error_and_has_a_way_round() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        // The URL standard knows no zones.
        let client = Client::new();
        let error = get(&client, "http://[fe80::1%25lo]/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Url);
        let client = Client::builder().resolve("[fe80::1]", 0, [server.address]);
        assert_eq!(
            get(&client.build(), "http://[fe80::1]/").await.unwrap(),
            "ok"
        );
    });
}

#[test]
fn an_override_is_found_however_its_ipv6_address_is_spelt() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        for spelling in [
            "::ffff:127.0.0.2",
            "[::FFFF:7f00:2]",
            "0:0:0:0:0:ffff:7f00:0002",
        ] {
            let client = Client::builder().resolve(spelling, 0, [server.address]);
            // Nobody listens there.
            let answer = get(&client.build(), "http://[::ffff:127.0.0.2]:1/").await;
            assert_eq!(answer.unwrap(), "ok", "{spelling}");
        }
    });
}

#[test]
fn a_resolver_of_the_user_is_asked_about_names_only() {
    let server = Server::new(|_| Reply::ok("ok"));
    let (address, url) = (server.address, server.url("/"));
    let asked = Rc::new(AtomicUsize::new(0));
    let count = Rc::clone(&asked);
    run(async {
        let builder = Client::builder()
            .pool_max_idle(0)
            .resolver(move |host: String, port| {
                count.fetch_add(1, Ordering::SeqCst);
                async move {
                    assert_eq!(port, 80);
                    match host.as_str() {
                        "known.test" => Ok(vec![address]),
                        "empty.test" => Ok(Vec::new()),
                        _ => Err(std::io::Error::other("never heard of it")),
                    }
                }
            });
        let client = builder.clone().build();
        assert_eq!(get(&client, "http://known.test/").await.unwrap(), "ok");
        assert_eq!(get(&client, &url).await.unwrap(), "ok");
        // Such a connection is made with less haste.
        let other = builder.user_timeout(Duration::from_secs(30)).build();
        assert_eq!(get(&other, &url).await.unwrap(), "ok");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        for (host, reason) in [("empty", "knows no address"), ("else", "never heard of it")] {
            let url = format!("http://{host}.test/");
            let error = get(&client, &url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Resolve);
            assert!(cause(&error).contains(reason), "{error:?}");
        }
    });
}

#[test]
fn t01_a_resolver_that_hangs_is_a_timeout() {
    run(async {
        let limit = Duration::from_millis(50);
        let client = Client::builder()
            .connect_timeout(limit)
            .resolver(|_: String, _| std::future::pending())
            .build();
        let error = get(&client, "http://slow.test/").await.unwrap_err();
        let phase = eyewall::http::Phase::Connect;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
    });
}

#[test]
fn c02_without_ipv6_its_addresses_are_not_tried() {
    run(async {
        let client = Client::builder().ipv6(false).build();
        let error = get(&client, "http://[::1]:1/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(cause(&error).contains("settings allow none"), "{error:?}");
        let server = Server::new(|_| Reply::ok("ok"));
        let v6 = SocketAddr::new("::1".parse().unwrap(), server.address.port());
        let client = Client::builder()
            .ipv6(false)
            .resolve("both.test", 0, [v6, server.address])
            .build();
        assert_eq!(get(&client, "http://both.test/").await.unwrap(), "ok");
        let client = Client::builder().ipv4(false).build();
        let error = get(&client, &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
    });
}

#[test]
fn c01_c03_a_refusal_is_told_for_each_address() {
    run(async {
        let nobody = ["127.0.0.1:1", "[::1]:1"].map(|text| text.parse().unwrap());
        let client = Client::builder().resolve("both.test", 0, nobody).build();
        let error = get(&client, "http://both.test/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        let source = std::error::Error::source(&error).unwrap();
        let io: &std::io::Error = source.downcast_ref().unwrap();
        let inner = io
            .get_ref()
            .unwrap()
            .downcast_ref::<ConnectError>()
            .unwrap();
        assert_eq!(inner.attempts().len(), 2);
        assert!(cause(&error).contains("Connection refused"), "{error:?}");
    });
}

#[test]
fn c01_a_first_address_that_says_nothing_costs_a_quarter_of_a_second() {
    let server = Server::new(|_| Reply::ok("ok"));
    let silent = Blackhole::new("::1");
    run(async {
        let before = metrics().unwrap().operations;
        let client = Client::builder()
            .pool_max_idle(0)
            .resolve("both.test", 0, [silent.address, server.address])
            .build();
        let start = Instant::now();
        let mut response = client.get("http://both.test/").send().await.unwrap();
        let took = start.elapsed();
        let delay = Duration::from_millis(250);
        assert!(took >= delay && took < 40 * delay, "{took:?}");
        assert_eq!(response.remote_addr(), Some(server.address));
        assert_eq!(response.text().await.unwrap(), "ok");
        drop(response);
        // Neither the loser's connect nor its socket is left.
        until("all is closed", || metrics().unwrap().operations == before).await;
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn p07_another_local_address_or_interface_is_another_connection() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::new();
        let new = ConnectOptions::new;
        let here: IpAddr = Ipv4Addr::new(127, 0, 0, 8).into();
        let there: IpAddr = Ipv4Addr::new(127, 0, 0, 9).into();
        let options = [
            new(),
            new().local_address(here),
            new().local_address(there),
            new().interface("lo"),
        ];
        for reused in [false, true] {
            for options in &options {
                let request = client.get(server.url("/")).connect_options(options);
                let mut response = request.send().await.unwrap();
                assert_eq!(response.is_reused(), reused, "{options:?}");
                assert_eq!(response.text().await.unwrap(), "ok");
            }
        }
    });
    let on: Vec<usize> = (server.requests().iter()).map(|at| at.connection).collect();
    assert_eq!(on, [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn c04_the_local_address_is_the_one_that_was_asked_for() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let own: IpAddr = Ipv4Addr::new(127, 0, 0, 9).into();
        let client = Client::builder().local_address(own).build();
        let response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.local_addr().unwrap().ip(), own);
        let foreign: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
        let client = Client::builder().local_address(foreign).build();
        let error = get(&client, &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(cause(&error).contains("192.0.2.1"), "{error:?}");
    });
}

#[test]
fn c04_the_interface_is_the_one_that_was_asked_for() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder().interface("lo").build();
        assert_eq!(get(&client, &server.url("/")).await.unwrap(), "ok");
        let client = Client::builder().interface("none0").build();
        let error = get(&client, &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(cause(&error).contains("none0"), "{error:?}");
    });
}

#[test]
fn keepalive_nodelay_and_user_timeout_are_settings() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let keepalive = Keepalive {
            idle: Duration::from_secs(15),
            interval: Duration::from_secs(15),
            retries: 3,
        };
        for user_timeout in [None, Some(Duration::from_secs(30))] {
            let mut client = Client::builder().keepalive(keepalive).nodelay(false);
            if let Some(timeout) = user_timeout {
                client = client.user_timeout(timeout);
            }
            let client = client.build();
            let mut response = client.get(server.url("/")).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
            // The kernel shows a socket's timers, of which 02 is that of keep-alive probes.
            let port = |address: Option<SocketAddr>| format!(":{:04X}", address.unwrap().port());
            let (own, peer) = (port(response.local_addr()), port(response.remote_addr()));
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            // A port of this end may be that of several connections, to other ends.
            let line = table.lines().find(|line| {
                let mut words = line.split_whitespace().skip(1);
                words.next().is_some_and(|local| local.ends_with(&own))
                    && words.next().is_some_and(|remote| remote.ends_with(&peer))
            });
            let timer = line.unwrap().split_whitespace().nth(5).unwrap();
            assert!(timer.starts_with("02:"), "{timer}");
        }
    });
}

#[test]
fn a_connector_of_the_user_makes_the_connections() {
    let server = Server::new(|_| Reply::ok("ok"));
    let address = server.address;
    run(async {
        let client = Client::builder()
            .connector(move |target: Target| async move {
                match target.host() {
                    "there.test" => TcpStream::connect(address).await.map(Conduit::from),
                    host => Err(std::io::Error::other(format!("no way to {host}"))),
                }
            })
            .build();
        assert_eq!(get(&client, "http://there.test/").await.unwrap(), "ok");
        assert_eq!(get(&client, "http://there.test/").await.unwrap(), "ok");
        let error = get(&client, "http://nowhere.test/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(
            cause(&error).contains("no way to nowhere.test"),
            "{error:?}"
        );
    });
    assert_eq!(server.accepted(), 1);
}

/// The client remembers the host that was asked for last, but nothing that could hold the client.
#[test]
fn a_connector_of_one_request_that_holds_its_client_goes_with_it() {
    let server = Server::new(|_| {
        Reply::text("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    });
    let address = server.address;
    run(async {
        let client = Client::new();
        let there = Rc::new(());
        let gone = Rc::downgrade(&there);
        let held = client.clone();
        let options = ConnectOptions::new().connector(move |_: Target| {
            let _held = (&held, &there);
            async move { TcpStream::connect(address).await.map(Conduit::from) }
        });
        let request = client.get("http://there.test/").connect_options(&options);
        drop(options);
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
        drop(client);
        assert!(gone.upgrade().is_none());
    });
}

/// A peer in this process, behind two channels: it answers each request, and ends after `limit` of them.
fn in_memory(limit: usize) -> std::io::Result<Conduit> {
    let (to_peer, mut requests) = futures_util_channel();
    let (answers, from_peer) = futures_util_channel();
    eyewall::spawn(async move {
        let mut answers = answers;
        for _ in 0..limit {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Some(bytes) = requests.next().await else {
                    return;
                };
                let bytes: Bytes = bytes;
                head.extend_from_slice(&bytes);
            }
            for byte in OK {
                let sent = answers.send(Bytes::copy_from_slice(&[*byte])).await;
                if sent.is_err() {
                    return;
                }
            }
        }
    })
    .detach();
    Conduit::new(
        from_peer.map(Ok),
        to_peer.sink_map_err(std::io::Error::other),
    )
}

fn futures_util_channel() -> (
    futures_channel::mpsc::Sender<Bytes>,
    futures_channel::mpsc::Receiver<Bytes>,
) {
    futures_channel::mpsc::channel(1)
}

#[test]
fn a_connection_can_be_anything_that_bytes_go_through() {
    run(async {
        let made = Rc::new(AtomicUsize::new(0));
        let count = Rc::clone(&made);
        let client = Client::builder()
            .connector(move |_: Target| {
                count.fetch_add(1, Ordering::SeqCst);
                async { in_memory(2) }
            })
            .build();
        for _ in 0..2 {
            assert_eq!(get(&client, "http://memory.test/").await.unwrap(), "ok");
        }
        assert_eq!(made.load(Ordering::SeqCst), 1);
        // The peer ends, and the pool sees that.
        while client.idle_connections() > 0 {
            eyewall::yield_now().await;
        }
        assert_eq!(get(&client, "http://memory.test/").await.unwrap(), "ok");
        assert_eq!(made.load(Ordering::SeqCst), 2);
    });
}
