//! Clients of a reactor that has few operations: idle connections, which have one each, give way to who waits for one.
#![cfg(feature = "http")]

mod common;
mod http_support;

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use common::poll_once;
use eyewall::fs::{self, File};
use eyewall::http::{Client, ClientBuilder, Conduit, Target};
use eyewall::net::{TcpListener, TcpStream};
use eyewall::time::{sleep, timeout};
use eyewall::{Reactor, reactor, spawn, yield_now};
use futures_channel::mpsc::{self, UnboundedReceiver};
use futures_util::future::join;
use futures_util::{Stream, StreamExt, sink, stream};
use http_support::{Reply, Server, until};

/// It keeps its connections for ever.
fn client() -> ClientBuilder {
    Client::builder()
        .pool_idle_timeout(Duration::ZERO)
        .timeout(Duration::from_secs(20))
}

/// Runs with so many operations.
fn run_with(operations: usize, client: ClientBuilder, test: impl AsyncFnOnce(Client)) {
    let builder = Reactor::builder().max_operations(operations);
    let reactor = builder.build().unwrap();
    // The deadlines of the fetches, and the patience of the server, are longer.
    let done = reactor.block_on(timeout(Duration::from_secs(10), test(client.build())));
    done.unwrap().expect("it ends");
    assert_eq!(reactor.shutdown(Duration::from_secs(5)).leaked, 0);
}

/// Takes an operation for good.
async fn take_one() {
    let before = reactor::metrics().unwrap().operations;
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    spawn(async move { listener.accept().await.map(drop) }).detach();
    until("it is in flight", || {
        reactor::metrics().unwrap().operations > before
    })
    .await;
}

#[test]
fn idle_connections_make_way_for_other_fetches() {
    let servers: Vec<_> = (0..5).map(|_| Server::new(|_| Reply::ok("ok"))).collect();
    run_with(3, client(), async |client| {
        for server in &servers {
            let mut response = client.get(server.url("/")).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        }
        assert!(client.idle_connections() > 0, "some are kept");
    });
}

#[test]
fn idle_connections_make_way_for_whatever_else_the_reactor_does() {
    let servers: Vec<_> = (0..2).map(|_| Server::new(|_| Reply::ok("ok"))).collect();
    run_with(3, client(), async |client| {
        for server in &servers {
            let mut response = client.get(server.url("/")).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        }
        assert_eq!(client.idle_connections(), 2);
        take_one().await;
        fs::metadata("/").await.unwrap();
        assert_eq!(client.idle_connections(), 1, "no more than it takes");
    });
}

/// It would be asked again and again, and the next never.
#[test]
fn who_has_gone_is_not_asked() {
    let servers: Vec<_> = (0..2).map(|_| Server::new(|_| Reply::ok("ok"))).collect();
    run_with(3, client(), async |first| {
        let second = client().build();
        let mut response = first.get(servers[0].url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        assert_eq!(first.idle_connections(), 1);
        drop((first, response));
        until("nothing is left of it", || {
            let left = reactor::metrics().unwrap();
            (left.operations, left.tasks) == (0, 0)
        })
        .await;
        for server in &servers {
            let mut response = second.get(server.url("/")).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        }
        assert_eq!(second.idle_connections(), 2);
        take_one().await;
        fs::metadata("/").await.unwrap();
        assert_eq!(second.idle_connections(), 1);
    });
}

#[test]
fn who_waits_takes_none_beside_those_that_are_over() {
    let keeps = |text| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{text}\r\nok");
        Server::new(move |_| Reply::text(head.clone()))
    };
    // That one is of use for half a second.
    let servers = [keeps("Keep-Alive: timeout=1\r\n"), keeps("")];
    run_with(3, client(), async |client| {
        for server in &servers {
            let mut response = client.get(server.url("/")).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        }
        take_one().await;
        std::thread::sleep(Duration::from_millis(600));
        fs::metadata("/").await.unwrap();
        assert_eq!(client.idle_connections(), 1);
    });
}

/// Their slots are in a table of their own.
#[test]
fn idle_connections_of_another_reactor_are_left_alone() {
    let server = Server::new(|request| match request.target() {
        "/last" => Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()),
        _ => Reply::ok("ok"),
    });
    let client = client().build();
    let get = async |path: &str| {
        let mut response = client.get(server.url(path)).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
    };
    let builder = Reactor::builder().max_operations(2);
    let (reactor, other) = (builder.build().unwrap(), Reactor::new().unwrap());
    let done = reactor.block_on(timeout(Duration::from_secs(10), async {
        get("/last").await;
        until("it has ended", || client.idle_connections() == 0).await;
    }));
    done.unwrap().expect("it ends");
    other.block_on(get("/")).unwrap();
    assert_eq!(client.idle_connections(), 1);
    let done = reactor.block_on(timeout(Duration::from_secs(10), async {
        get("/").await;
        assert_eq!(client.idle_connections(), 2);
        take_one().await;
        fs::metadata("/").await.unwrap();
        assert_eq!(client.idle_connections(), 1);
    }));
    done.unwrap().expect("it ends");
}

/// However often who waits asks again, before what has been closed has left its slot.
#[test]
fn who_waits_takes_no_more_than_it_needs() {
    let servers: Vec<_> = (0..4).map(|_| Server::new(|_| Reply::ok("ok"))).collect();
    run_with(6, client(), async |first| {
        let second = client().build();
        for (number, server) in servers.iter().enumerate() {
            let client = [&first, &second][number % 2];
            let mut response = client.get(server.url("/")).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        }
        let kept = || first.idle_connections() + second.idle_connections();
        assert_eq!(kept(), 4);
        for _ in 0..2 {
            take_one().await;
        }
        let task = spawn(async {
            let polls = async {
                for _ in 0..20 {
                    yield_now().await;
                }
            };
            join(fs::metadata("/"), polls).await.0
        });
        task.await.unwrap().unwrap();
        assert_eq!(kept(), 3);
    });
}

/// An idle connection that has no operation is of no help, and the next one's turn comes.
#[test]
fn connections_without_operations_give_way_in_vain() {
    let server = Server::new(|_| Reply::ok("ok"));
    let address = server.address;
    let connect = move |target: Target| async move {
        match target.host() {
            "socket.test" => Ok(TcpStream::connect(address).await?.into()),
            _ => answering(stream::repeat(()), stream::pending()),
        }
    };
    run_with(2, client().connector(connect), async |client| {
        for host in ["memory.test", "socket.test"] {
            let url = format!("http://{host}/");
            let mut response = client.get(url).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        }
        assert_eq!(client.idle_connections(), 2);
        take_one().await;
        fs::metadata("/").await.unwrap();
    });
}

/// A connection with an operation of its own, which answers each request that `go` allows.
async fn holding_one(go: UnboundedReceiver<()>) -> io::Result<Conduit> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    let holds = stream::once(async move {
        listener.accept().await?;
        Ok(Bytes::new())
    });
    answering(go, holds)
}

/// A connection that answers each request that `go` allows.
fn answering(
    go: impl Stream<Item = ()> + 'static,
    more: impl Stream<Item = io::Result<Bytes>> + 'static,
) -> io::Result<Conduit> {
    let (asked, requests) = mpsc::unbounded();
    let answers = requests.zip(go).map(|((), ())| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        Ok(Bytes::from_static(answer))
    });
    let sink = sink::unfold(asked, |asked, _| async {
        asked.unbounded_send(()).unwrap();
        Ok(asked)
    });
    Conduit::new(stream::select(answers, more), sink)
}

/// Who waits has called when no connection was idle.
#[test]
fn a_connection_that_becomes_idle_makes_way_for_who_waits_already() {
    let (let_go, go) = mpsc::unbounded();
    let go = Cell::new(Some(go));
    let client = client().connector(move |_| holding_one(go.take().expect("one connection")));
    run_with(2, client, async |client| {
        let fetch = || {
            let request = client.get("http://peer.test/");
            spawn(async { request.send().await?.text().await })
        };
        let_go.unbounded_send(()).unwrap();
        assert_eq!(fetch().await.unwrap().unwrap(), "ok");
        let fetch = fetch();
        until("it has begun", || client.idle_connections() == 0).await;
        take_one().await;
        let mut metadata = pin!(fs::metadata("/"));
        assert!(poll_once(metadata.as_mut()).await.is_pending());
        let waits = || reactor::metrics().unwrap().waits;
        let before = waits();
        sleep(Duration::from_millis(50)).await;
        assert!(
            waits() > before,
            "who has nothing is not asked again and again"
        );
        let_go.unbounded_send(()).unwrap();
        metadata.await.unwrap();
        assert_eq!(fetch.await.unwrap().unwrap(), "ok");
        assert_eq!(client.idle_connections(), 0);
    });
}

/// Its own connection, which is idle before the last part has been written, does not hold up a body that is saved.
#[test]
fn a_body_is_saved_where_its_connection_takes_the_last_operation() {
    let server = Server::new(|_| {
        let first = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec();
        Reply::Drip(Duration::from_millis(20), vec![first, b"world".to_vec()])
    });
    let path = std::env::temp_dir().join(format!("eyewall-crowded-{}", std::process::id()));
    run_with(3, client(), async |client| {
        let file = File::create(&path).await.unwrap();
        let mut response = client.get(server.url("/")).send().await.unwrap();
        for _ in 0..2 {
            take_one().await;
        }
        assert_eq!(response.save(&file).await.unwrap(), 10);
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"helloworld");
    std::fs::remove_file(path).unwrap();
}
