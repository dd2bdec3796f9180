//! Timeouts: which one fires, what its error says, and what else an error knows.
#![cfg(feature = "http")]

mod http_support;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyewall::http::{Body, BodyWriter, Client, Conduit, ErrorKind, Phase, Stage, Target};
use eyewall::net::TcpStream;
use eyewall::reactor::{Reactor, metrics};
use eyewall::time::sleep;
use futures_util::{StreamExt, sink, stream};
use http_support::{LIMIT, Reply, Server, run, until};

const SHORT: Duration = Duration::from_millis(60);
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

fn timeout(phase: Phase) -> ErrorKind {
    ErrorKind::Timeout {
        phase,
        limit: SHORT,
    }
}

/// One that takes connections into its backlog until that is full, and never accepts: a further connect hangs.
fn black_hole() -> (socket2::Socket, String, Vec<socket2::Socket>) {
    let new = || {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    let listener = new();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let filling = (0..4)
        .map(|_| {
            let socket = new();
            let _ = socket.connect(&address);
            socket
        })
        .collect();
    std::thread::sleep(Duration::from_millis(20));
    let url = format!("http://{}/", address.as_socket().unwrap());
    (listener, url, filling)
}

#[test]
fn t02_a_connect_that_nobody_answers() {
    let (_listener, url, _filling) = black_hole();
    run(async {
        let client = Client::new();
        let request = client.get(&url).connect_timeout(SHORT);
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), timeout(Phase::Connect));
        assert_eq!(error.stage(), Some(Stage::Connect));
        assert_eq!((error.bytes_sent(), error.bytes_received()), (0, 0));
        assert!(error.is_retryable() && error.is_timeout());
        let timings = error.timings().unwrap();
        assert!(timings.resolved.is_some() && timings.connected.is_none());

        let error = client.get(&url).timeout(SHORT).send().await.unwrap_err();
        assert_eq!(error.kind(), timeout(Phase::Total));
        assert_eq!(error.stage(), Some(Stage::Connect));
        assert_eq!(client.active_fetches(), 0);
    });
}

#[test]
fn t02_a_connector_of_the_user_has_the_time_of_a_connect() {
    run(async {
        let client = Client::builder()
            .connector(async |_: Target| std::future::pending().await)
            .build();
        let request = client.get("http://nowhere.test/").connect_timeout(SHORT);
        // That of the queue is over with the queue.
        let error = request.queue_timeout(SHORT / 2).send().await.unwrap_err();
        assert_eq!(error.kind(), timeout(Phase::Connect));
        assert_eq!(error.stage(), Some(Stage::Connect));
    });
}

#[test]
fn t04_no_head_and_the_first_byte_of_one() {
    for (answer, phase, stage) in [
        ("", Phase::FirstByte, Stage::Wait),
        ("HTTP/1.1 200", Phase::IdleRead, Stage::Head),
    ] {
        let server = Server::new(|_| Reply::Stall(answer.into()));
        run(async {
            let client = Client::builder().first_byte_timeout(SHORT).build();
            let request = client.get(server.url("/"));
            let request = match phase {
                Phase::IdleRead => request.idle_read_timeout(SHORT),
                _ => request,
            };
            let error = request.send().await.unwrap_err();
            assert_eq!(error.kind(), timeout(phase));
            assert_eq!(error.stage(), Some(stage));
            assert_eq!(error.bytes_received(), answer.len() as u64);
            assert_eq!(error.bytes_sent(), server.requests()[0].head.len() as u64);
            assert_eq!(error.remote_addr(), Some(server.address));
            assert!(error.local_addr().is_some());
            assert_eq!(
                error.timings().unwrap().first_byte.is_some(),
                !answer.is_empty()
            );
            let text = error.to_string();
            assert!(text.contains("longer than 60ms"), "{text}");
            assert!(text.contains("bytes sent"), "{text}");
            until("it is closed", || server.open() == 0).await;
        });
    }
}

/// On kept connections the pool's caretaker wakes those whose time is over.
#[test]
fn t04_a_kept_connection_has_the_same_deadlines() {
    let server = Server::new(|request| match request.target() {
        "/stall" => Reply::Stall("".into()),
        _ => Reply::ok("here"),
    });
    run(async {
        let client = Client::new();
        for phase in [Phase::Total, Phase::FirstByte, Phase::IdleRead] {
            let (one, other) = (client.get(server.url("/")), client.get(server.url("/")));
            let (one, other) = (one.send().await.unwrap(), other.send().await.unwrap());
            drop((one, other));
            assert_eq!(client.idle_connections(), 2);
            // One that has longer does not hold up the one that has not.
            let patient = client.get(server.url("/stall")).start();
            let hasty = client.get(server.url("/stall"));
            let hasty = match phase {
                Phase::Total => hasty.timeout(SHORT),
                Phase::FirstByte => hasty.first_byte_timeout(SHORT),
                _ => hasty.idle_read_timeout(SHORT),
            };
            let start = Instant::now();
            let error = hasty.send().await.unwrap_err();
            assert_eq!(error.kind(), timeout(phase));
            assert!(start.elapsed() >= SHORT);
            assert!(error.timings().unwrap().reused);
            drop(patient);
            until("they are closed", || server.open() == 0).await;
        }
    });
}

/// The caretaker runs on the reactor where a connection was first kept, and another one may be the one that is turned.
#[test]
fn t04_a_kept_connection_of_another_reactor_has_the_same_deadlines() {
    let server = Server::new(|request| match request.target() {
        "/stall" => Reply::Stall("".into()),
        _ => Reply::ok("here"),
    });
    let client = Client::new();
    let reactors = [Reactor::new().unwrap(), Reactor::new().unwrap()];
    for reactor in &reactors {
        let fetch = async {
            let mut kept = client.get(server.url("/")).send().await.unwrap();
            assert_eq!(kept.text().await.unwrap(), "here");
            let late = client.get(server.url("/stall")).timeout(SHORT);
            eyewall::time::timeout(LIMIT, late.send()).await
        };
        let error = reactor.block_on(fetch).unwrap().unwrap().unwrap_err();
        assert_eq!(error.kind(), timeout(Phase::Total));
        assert!(error.timings().unwrap().reused);
    }
}

/// A client whose connections answer one request, and say nothing to the next; one to `broken.test` panics once it has
/// been told to.
fn mute_client() -> (Client, futures_channel::mpsc::UnboundedSender<()>) {
    let (tell, told) = futures_channel::mpsc::unbounded();
    let told = Rc::new(Cell::new(Some(told)));
    let connector = move |target: Target| {
        let broken = target.host() == "broken.test";
        let told = told.take().filter(|_| broken);
        async move {
            let answer = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            let then = stream::once(async move {
                match told {
                    Some(mut told) => told.next().await,
                    None => std::future::pending().await,
                };
                panic!("a connection of the user's own");
            });
            let sink = sink::unfold((), |(), _: Bytes| async { Ok(()) });
            Conduit::new(stream::iter([Ok(answer)]).chain(then), sink)
        }
    };
    (Client::builder().connector(connector).build(), tell)
}

async fn keep(client: &Client, url: &str) {
    let idle = client.idle_connections();
    client.get(url).send().await.unwrap();
    assert_eq!(client.idle_connections(), idle + 1);
    // The caretaker has been there.
    sleep(SHORT).await;
}

#[test]
fn t04_a_deadline_outlives_the_caretaker() {
    run(async {
        let (client, tell) = mute_client();
        keep(&client, "http://broken.test/").await;
        keep(&client, "http://mute.test/").await;
        let late = client.get("http://mute.test/").timeout(5 * SHORT).start();
        until("it is under way", || client.idle_connections() == 1).await;
        tell.unbounded_send(()).unwrap();
        let error = late.await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(error.timings().unwrap().reused);
        assert_eq!(metrics().unwrap().panics, 1);
    });
}

#[test]
fn t04_a_deadline_goes_with_its_fetch_to_another_reactor() {
    let reactors = [Reactor::new().unwrap(), Reactor::new().unwrap()];
    let (client, _tell) = mute_client();
    let mut late = Box::pin(client.get("http://mute.test/").timeout(SHORT).send());
    let begun = reactors[0].block_on(async {
        keep(&client, "http://mute.test/").await;
        loop {
            let begun = futures_util::poll!(&mut late);
            if client.idle_connections() == 0 {
                break begun;
            }
            // It gives the ring a turn before it takes the connection.
            eyewall::yield_now().await;
        }
    });
    assert!(begun.unwrap().is_pending());
    let late = async { eyewall::time::timeout(LIMIT, late).await };
    let error = reactors[1].block_on(late).unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), timeout(Phase::Total));
    assert!(error.timings().unwrap().reused);
}

#[test]
fn t05_a_head_and_a_body_that_drip_pass_the_idle_time_and_fail_the_total_time() {
    let drip = || {
        let bytes = format!("{HEAD}hello").into_bytes();
        let pieces = bytes.chunks(6).map(<[u8]>::to_vec).collect();
        Reply::Drip(Duration::from_millis(15), pieces)
    };
    let server = Server::new(move |_| drip());
    run(async {
        let client = Client::builder()
            .idle_read_timeout(Duration::from_secs(5))
            .first_byte_timeout(Duration::from_secs(5))
            .build();
        let mut response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "hello");
        let request = client.get(server.url("/")).timeout(SHORT);
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), timeout(Phase::Total));
        assert_eq!(error.stage(), Some(Stage::Head));
    });
    // The same in the body: the head comes at once, and its bytes one by one.
    let server = Server::new(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", u64::MAX);
        let bytes = std::iter::repeat_n(b"x".to_vec(), 1000);
        let pieces = std::iter::once(head.into_bytes()).chain(bytes).collect();
        Reply::Drip(Duration::from_millis(10), pieces)
    });
    run(async {
        let client = Client::new();
        let request = client.get(server.url("/")).max_body_size(u64::MAX);
        let request = request.timeout(16 * SHORT);
        let request = request.idle_read_timeout(Duration::from_secs(5));
        let mut response = request.send().await.unwrap();
        let error = response.bytes().await.unwrap_err();
        let (phase, limit) = (Phase::Total, 16 * SHORT);
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        assert_eq!(error.stage(), Some(Stage::Body));
        assert!(error.bytes_received() > 50, "{error}");
    });
}

#[test]
fn t05_a_body_that_stops_fails_the_idle_time() {
    let server = Server::new(|_| Reply::Stall(format!("{HEAD}hel").into_bytes()));
    run(async {
        let client = Client::builder().idle_read_timeout(SHORT).build();
        for whole in [false, true] {
            let mut response = client.get(server.url("/")).send().await.unwrap();
            // A pause of the reader's is not one of the server's.
            sleep(2 * SHORT).await;
            let error = match whole {
                true => response.bytes().await.unwrap_err(),
                false => {
                    assert_eq!(&response.chunk().await.unwrap().unwrap()[..], b"hel");
                    sleep(2 * SHORT).await;
                    response.chunk().await.unwrap_err()
                }
            };
            assert_eq!(error.kind(), timeout(Phase::IdleRead));
            assert_eq!(error.stage(), Some(Stage::Body));
            assert_eq!(error.bytes_received(), HEAD.len() as u64 + 3);
            assert!(error.timings().unwrap().first_byte.is_some());
            assert_eq!(client.active_fetches(), 0);
        }
    });
}

#[test]
fn t05_a_pause_before_the_whole_body_is_read_is_not_the_servers() {
    // The server goes on only after the reader does: until then it is not its turn.
    let (go, wait) = std::sync::mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
        stream.write_all(format!("{HEAD}hel").as_bytes()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        std::thread::sleep(SHORT);
        stream.write_all(b"lo").unwrap();
    });
    run(async {
        let limit = 5 * SHORT;
        let client = Client::builder().idle_read_timeout(limit).build();
        let mut response = client.get(&url).send().await.unwrap();
        sleep(2 * limit).await;
        go.send(()).unwrap();
        assert_eq!(&response.bytes().await.unwrap()[..], b"hello");
    });
    peer.join().unwrap();
}

#[test]
fn t05_the_idle_time_of_a_first_try_is_not_that_of_the_second() {
    let server = Server::new(|request| match request.field("expect") {
        Some(_) => Reply::Close("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n".into()),
        None => Reply::ok("taken"),
    });
    let address = server.address;
    let slow = Rc::new(Cell::new(false));
    run(async {
        let client = Client::builder()
            .idle_read_timeout(SHORT)
            .connector(move |_: Target| {
                let again = slow.replace(true);
                async move {
                    if again {
                        sleep(2 * SHORT).await;
                    }
                    TcpStream::connect(address).await.map(Conduit::from)
                }
            })
            .build();
        let request = client.post("http://elsewhere.test/").body("content");
        let mut response = request.expect_continue(true).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "taken");
    });
    assert_eq!(server.accepted(), 2);
}

/// To an address the connection is there at once, and the second try begins with what it sends.
#[test]
fn t05_the_idle_time_of_a_first_try_does_not_end_the_body_of_the_second() {
    let server = Server::new(|request| match request.field("expect") {
        Some(_) => Reply::Close("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n".into()),
        None => Reply::ok("taken"),
    });
    run(async {
        let client = Client::builder().idle_read_timeout(SHORT).build();
        let body = Body::producer(|mut writer: BodyWriter| async move {
            sleep(2 * SHORT).await;
            writer.write("content").await.map(drop)
        });
        let request = client.post(server.url("/")).body(body.with_length(7));
        let mut response = request.expect_continue(true).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "taken");
    });
    assert_eq!(server.accepted(), 2);
}

#[test]
fn t05_the_total_time_runs_through_redirects_and_the_body() {
    let server = Server::new(|request| match request.target() {
        "/body" => Reply::Stall(HEAD.into()),
        _ => {
            std::thread::sleep(Duration::from_millis(25));
            Reply::redirect(302, "/again")
        }
    });
    run(async {
        let client = Client::builder().max_redirects(1000).timeout(SHORT).build();
        let start = Instant::now();
        let error = client.get(server.url("/")).send().await.unwrap_err();
        assert_eq!(error.kind(), timeout(Phase::Total));
        assert!(start.elapsed() >= SHORT);
        assert!(error.timings().unwrap().redirects >= 1);
        // The head has to come before the time is over, on a busy machine too.
        let request = client.get(server.url("/body")).timeout(5 * SHORT);
        let mut response = request.send().await.unwrap();
        let error = response.bytes().await.unwrap_err();
        let (phase, limit) = (Phase::Total, 5 * SHORT);
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
    });
}

#[test]
fn t05_the_total_time_runs_in_the_queue() {
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    run(async {
        let client = Client::builder().max_clients(1).build();
        let first = client.get(server.url("/")).start();
        until("it is asked", || server.requests().len() == 1).await;
        let request = client.get(server.url("/")).timeout(SHORT);
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), timeout(Phase::Total));
        assert_eq!(error.stage(), Some(Stage::Queue));
        assert_eq!((client.active_fetches(), client.queued_fetches()), (1, 0));
        drop(first);
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn t05_a_place_that_came_in_time_is_used_where_the_thread_was_held_up() {
    const LIMIT: Duration = Duration::from_millis(500);
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder().max_clients(1).build();
        let first = client.get(server.url("/"));
        // Its place goes on before this is called.
        first.call(|_| std::thread::sleep(2 * LIMIT)).unwrap();
        let second = client.get(server.url("/")).queue_timeout(LIMIT).start();
        assert_eq!(second.await.unwrap().text(), "ok");
    });
}

#[test]
fn t05_a_place_that_comes_when_the_time_is_over_is_not_used() {
    let server = Server::new(|_| Reply::Stall(Vec::new()));
    run(async {
        let client = Client::builder().max_clients(1).timeout(SHORT).build();
        let first = client.get(server.url("/")).start();
        until("it is asked", || server.requests().len() == 1).await;
        // Its place is free once its time is over, and so is by then that of the others.
        let others: Vec<_> = (0..4)
            .map(|_| client.get(server.url("/")).start())
            .collect();
        until("they wait", || client.queued_fetches() == 4).await;
        std::thread::sleep(2 * SHORT);
        assert!(first.await.unwrap_err().is_timeout());
        for other in others {
            let error = other.await.unwrap_err();
            assert_eq!(error.kind(), timeout(Phase::Total));
            assert_eq!(error.stage(), Some(Stage::Queue));
        }
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn t06_zero_is_no_limit_for_every_phase() {
    let server = Server::new(|_| {
        let answer = format!("{HEAD}hello");
        Reply::Drip(Duration::from_millis(30), vec![answer.into_bytes()])
    });
    run(async {
        let never = Duration::ZERO;
        let moment = Duration::from_nanos(1);
        let client = Client::builder()
            .timeout(moment)
            .queue_timeout(moment)
            .connect_timeout(moment)
            .tls_timeout(moment)
            .first_byte_timeout(moment)
            .idle_read_timeout(moment)
            .idle_write_timeout(moment)
            .build();
        let request = client.get(server.url("/"));
        assert!(request.send().await.unwrap_err().is_timeout());
        let request = client
            .get(server.url("/"))
            .timeout(never)
            .queue_timeout(never)
            .connect_timeout(never)
            .tls_timeout(never)
            .first_byte_timeout(never)
            .idle_read_timeout(never)
            .idle_write_timeout(never);
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "hello");
    });
}

#[test]
fn t07_the_longest_times_do_not_overflow() {
    let server = Server::new(|_| Reply::ok("ok"));
    run(async {
        let client = Client::builder()
            .timeout(Duration::MAX)
            .queue_timeout(Duration::MAX)
            .connect_timeout(Duration::MAX)
            .first_byte_timeout(Duration::MAX)
            .idle_read_timeout(Duration::MAX)
            .idle_write_timeout(Duration::MAX)
            .pool_idle_timeout(Duration::MAX)
            .build();
        for _ in 0..2 {
            let mut response = client.get(server.url("/")).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        }
    });
    assert_eq!(server.accepted(), 1);
}

/// Takes connections, and never reads from them.
fn deaf() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
fn t08_a_fetch_is_dropped_in_every_state() {
    let (_listener, hole, _filling) = black_hole();
    let (_deaf, deaf) = deaf();
    let server = Server::new(|request| match request.target() {
        "/wait" => Reply::Stall(Vec::new()),
        "/head" => Reply::Stall(b"HTTP/1.1 2".into()),
        _ => Reply::Stall(HEAD.into()),
    });
    let states = [
        (Stage::Resolve, "http://never.test/".to_owned()),
        (Stage::Connect, hole),
        (Stage::Send, deaf),
        (Stage::Wait, server.url("/wait")),
        (Stage::Head, server.url("/head")),
        (Stage::Body, server.url("/body")),
    ];
    run(async {
        let client = Client::builder()
            .max_clients(1)
            .resolver(|_: String, _| std::future::pending())
            .build();
        let before = metrics().unwrap();
        for (stage, url) in states {
            let fetch = |limit: Duration| {
                let request = client.request("PUT".parse().unwrap(), &url);
                // Most of it stays with the client where nobody reads.
                let size = if stage == Stage::Send { 64 << 20 } else { 4 };
                let request = request.body(vec![7; size]).timeout(limit);
                async move { request.send().await?.text().await }
            };
            // How long a fetch is left alone until it is where this test wants it.
            let mut time = SHORT;
            while fetch(time).await.unwrap_err().stage() != Some(stage) {
                time *= 2;
                assert!(time < LIMIT, "it never comes to {stage:?}");
            }
            let active = eyewall::spawn(fetch(Duration::ZERO));
            sleep(time).await;
            let queued = eyewall::spawn(fetch(Duration::ZERO));
            until("one waits", || client.queued_fetches() == 1).await;
            queued.abort();
            assert_eq!(client.queued_fetches(), 0, "{stage:?}");
            active.abort();
            assert_eq!(client.active_fetches(), 0, "{stage:?}");
            // The kernel gives back what it had, if not at once.
            until("nothing is in flight", || {
                metrics().unwrap().operations == before.operations
            })
            .await;
            let after = metrics().unwrap();
            assert_eq!(after.pool_available, after.pool_buffers, "{stage:?}");
            assert_eq!(after.stale, 0, "{stage:?}");
        }
        until("all is closed", || server.open() == 0).await;
    });
}

#[test]
fn t09_time_and_answer_in_one_moment_give_one_result() {
    let server = Server::new(|_| {
        Reply::Drip(
            Duration::from_millis(5),
            vec![format!("{HEAD}hello").into_bytes()],
        )
    });
    run(async {
        let client = Client::new();
        let mut won = 0;
        for at in 0..60 {
            let limit = Duration::from_micros(4000 + 50 * at);
            let request = client.get(server.url("/")).timeout(limit);
            match request.send().await {
                Ok(mut response) => match response.text().await {
                    Ok(text) => {
                        won += 1;
                        assert_eq!(text, "hello");
                    }
                    Err(error) => assert!(error.is_timeout(), "{error}"),
                },
                Err(error) => assert!(error.is_timeout(), "{error}"),
            }
            assert_eq!(client.active_fetches(), 0);
            // Who is called back is called once, by whichever of the two it was.
            let told = Rc::new(Cell::new(0));
            let count = Rc::clone(&told);
            let request = client.get(server.url("/")).timeout(limit);
            let callback = move |_| count.set(count.get() + 1);
            request.call(callback).unwrap();
            until("it is told", || told.get() > 0).await;
            sleep(Duration::from_millis(2)).await;
            assert_eq!((told.get(), client.active_fetches()), (1, 0));
        }
        println!("{won} of 60 were in time");
        let mut response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "hello");
    });
}

#[test]
fn t10_a_jump_of_the_clock_ends_what_is_over_once_and_nothing_else() {
    let server = Server::new(|request| match request.target() {
        "/stall" => Reply::Stall(Vec::new()),
        _ => Reply::ok("ok"),
    });
    run(async {
        let client = Client::builder().build();
        let fetch = |path: &str, limit: Duration| {
            let request = client.get(server.url(path)).timeout(limit);
            eyewall::spawn(async move { request.send().await?.text().await })
        };
        let limit = 10 * SHORT;
        let over = fetch("/stall", limit);
        let long = fetch("/stall", Duration::from_secs(60));
        let answered = fetch("/", limit);
        until("all are asked", || server.requests().len() == 3).await;
        // To the reactor, a thread that stands still is a clock that jumps: the process was stopped, or the machine
        // asleep. The answer has come meanwhile, and is looked at first.
        std::thread::sleep(limit + SHORT);
        assert_eq!(answered.await.unwrap().unwrap(), "ok");
        let error = over.await.unwrap().unwrap_err();
        let phase = Phase::Total;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        sleep(SHORT).await;
        assert_eq!(client.active_fetches(), 1, "the long one goes on");
        long.abort();
    });
}

#[test]
fn t10_no_deadline_is_one_of_the_wall_clock() {
    // Nobody can set that clock in a test; but where nobody asks for it, nobody minds when it jumps. Files have
    // times of it, and `Timings::started_at` tells one for logs.
    let mut asks = Vec::new();
    let mut rooms = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(room) = rooms.pop() {
        for entry in std::fs::read_dir(room).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rooms.push(path);
            } else if std::fs::read_to_string(&path)
                .unwrap()
                .contains("SystemTime::now")
            {
                asks.push(path);
            }
        }
    }
    assert!(
        asks.iter().all(|path| path.ends_with("http/timings.rs")),
        "{asks:?}"
    );
}

#[test]
fn a_server_that_takes_nothing_fails_the_idle_write_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut part = [0; 4096];
        let taken = stream.read(&mut part).unwrap();
        assert!(taken > 0);
        // Holds the connection until the client has given up.
        std::thread::sleep(Duration::from_millis(400));
    });
    run(async {
        let client = Client::new();
        let body = vec![7; 64 << 20];
        let request = client.post(&url).body(body).idle_write_timeout(SHORT);
        let error = request.send().await.unwrap_err();
        assert_eq!(error.kind(), timeout(Phase::IdleWrite));
        assert_eq!(error.stage(), Some(Stage::Send));
    });
    peer.join().unwrap();
}

#[test]
fn timings_are_in_order_and_say_what_was_used_again() {
    let server = Server::new(|request| match request.target() {
        "/" => Reply::redirect(307, "/end"),
        _ => Reply::ok("ok"),
    });
    run(async {
        let client = Client::new();
        for reused in [false, true] {
            let path = if reused { "/" } else { "/end" };
            let mut response = client.get(server.url(path)).send().await.unwrap();
            assert_eq!(response.timings().total, None);
            response.text().await.unwrap();
            let timings = response.timings();
            assert_eq!((timings.reused, response.is_reused()), (reused, reused));
            assert_eq!(timings.redirects, u32::from(reused));
            assert_eq!(timings.redirect.is_some(), reused);
            assert_eq!(timings.tls, None);
            let marks = [
                timings.redirect.or(Some(Duration::ZERO)),
                timings.queued,
                timings.resolved,
                timings.connected,
                timings.sending,
                timings.first_byte,
                timings.total,
            ];
            assert!(marks.iter().all(Option::is_some), "{timings:?}");
            assert!(marks.is_sorted(), "{timings:?}");
        }
    });
}
