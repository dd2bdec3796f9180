//! Fetches on connections of their own: what they cost, and what becomes of them where the peer refuses, is late, or
//! never answers. The host is an address, so that the connect begins before anything is waited for.
#![cfg(feature = "http")]

mod http_peer;
mod net_support;

use std::future::poll_fn;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use eyewall::Reactor;
use eyewall::http::{Client, Error, ErrorKind, Phase, Response, Stage};
use eyewall::net::ConnectError;
use eyewall::reactor::{Metrics, metrics};
use http_peer::{Peer, accept, ok, read_head, read_rest};
use net_support::{Alone, Blackhole, Open, alone, open, poll_once, refusing, settles_to, turns};

async fn get(client: &Client, address: SocketAddr) -> Result<Response, Error> {
    let request = client.get(format!("http://{address}/"));
    request.header("connection", "close").send().await
}

async fn text(client: &Client, address: SocketAddr) -> String {
    let mut response = get(client, address).await.unwrap();
    response.text().await.unwrap()
}

/// A peer that answers so many requests, each on a connection of its own.
fn answering(requests: usize) -> Peer {
    Peer::new(move |listener| {
        for _ in 0..requests {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            ok(&mut stream);
        }
    })
}

/// What is open once a peer has closed its listener.
fn without_peer(before: Open) -> Open {
    Open {
        fds: before.fds - 1,
        ..before
    }
}

#[test]
fn a_fetch_takes_one_enter_and_three_submissions() {
    const FETCHES: usize = 100;
    let _alone = alone();
    let peer = answering(FETCHES);
    let reactor = Reactor::builder().spin(Duration::ZERO).build().unwrap();
    reactor
        .block_on(async {
            let client = Client::new();
            let mut costs = Vec::new();
            for _ in 0..FETCHES {
                let before = metrics().unwrap();
                assert_eq!(text(&client, peer.address).await, "ok");
                let after = metrics().unwrap();
                let count = |of: fn(&Metrics) -> u64| of(&after) - of(&before);
                costs.push((
                    count(|now| now.enters),
                    count(|now| now.sqes),
                    count(|now| now.cqes),
                ));
            }
            // The request, the receive, and the close of the connection before. A signal, or a head in two segments, would
            // take an enter more.
            let usual = costs.iter().filter(|cost| **cost == (1, 3, 1)).count();
            assert!(usual > FETCHES / 2, "{costs:?}");
        })
        .unwrap();
    peer.join();
}

#[test]
fn a_refusal_is_an_error_of_the_connect_and_nothing_was_sent() {
    let alone = alone();
    let (_refusing, refusing) = refusing("127.0.0.1");
    alone.run(async {
        let client = Client::new();
        let before = open();
        let error = get(&client, refusing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_eq!(error.stage(), Some(Stage::Connect));
        assert_eq!((error.bytes_sent(), error.bytes_received()), (0, 0));
        assert!(error.is_retryable());
        let timings = error.timings().unwrap();
        assert!(timings.resolved.is_some() && timings.connected.is_none());
        let source = std::error::Error::source(&error).unwrap();
        let io = source.downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(io.kind(), std::io::ErrorKind::ConnectionRefused);
        let attempts = io.get_ref().unwrap().downcast_ref::<ConnectError>();
        let attempts = attempts.unwrap().attempts();
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].0, refusing);
        settles_to(before).await;
    });
}

/// The error of a bind is there at once, as is that of a network that cannot be reached.
#[test]
fn whoever_tries_again_and_again_lets_others_run() {
    let alone = alone();
    let (_refusing, refusing) = refusing("127.0.0.1");
    let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
    alone.run(async {
        let client = Client::builder().local_address(elsewhere).build();
        let other = eyewall::spawn(eyewall::time::sleep(Duration::from_millis(1)));
        // Nothing is left that would go out with the connect.
        turns(2).await;
        let end = Instant::now() + Duration::from_secs(5);
        while !other.is_finished() {
            get(&client, refusing).await.unwrap_err();
            assert!(Instant::now() < end, "nobody else has run");
        }
    });
}

#[test]
fn a_connection_that_is_late_is_waited_for_and_the_request_goes_out_once() {
    let alone = alone();
    let mut late = Blackhole::new("127.0.0.1");
    alone.run(async {
        let client = Client::new();
        let mut fetch = Box::pin(get(&client, late.address));
        assert!(poll_once(fetch.as_mut()).await.is_pending());
        late.drain();
        let listener = late.listener.try_clone().unwrap();
        let peer = std::thread::spawn(move || {
            let mut stream = accept(&listener);
            let head = read_head(&mut stream);
            ok(&mut stream);
            (head, read_rest(&mut stream))
        });
        let mut response = fetch.await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        let timings = *response.timings();
        assert!(timings.resolved < timings.connected && timings.connected <= timings.sending);
        assert_eq!(response.remote_addr(), Some(late.address));
        drop(response);
        // The close goes out.
        turns(2).await;
        let (head, rest) = peer.join().unwrap();
        assert!(head.starts_with("get / http/1.1\r\n"));
        assert!(rest.is_empty());
    });
}

#[test]
fn the_times_of_a_connection_that_is_there_at_once_are_in_order() {
    let alone = alone();
    let peer = answering(1);
    alone.run(async {
        let response = get(&Client::new(), peer.address).await.unwrap();
        let timings = response.timings();
        assert!(!timings.reused);
        assert!(timings.resolved.is_some() && timings.tls.is_none());
        assert!(timings.queued <= timings.resolved && timings.resolved <= timings.connected);
        assert!(timings.connected <= timings.sending && timings.sending <= timings.first_byte);
    });
    peer.join();
}

/// The first fetch of a client has a timer of its own; the caretaker sees to the others.
#[test]
fn a_connect_that_nobody_answers_is_given_up_in_time() {
    let alone = alone();
    let silent = Blackhole::new("127.0.0.1");
    alone.run(async {
        let limit = Duration::from_millis(50);
        let client = Client::builder().connect_timeout(limit).build();
        let before = open();
        for _ in 0..3 {
            let error = get(&client, silent.address).await.unwrap_err();
            let phase = Phase::Connect;
            assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
            assert_eq!(error.stage(), Some(Stage::Connect));
            assert_eq!(error.bytes_sent(), 0);
            settles_to(before).await;
        }
    });
}

#[test]
fn an_answer_that_never_comes_is_given_up_in_time() {
    let alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    alone.run(async {
        let limit = Duration::from_millis(50);
        let client = Client::builder().first_byte_timeout(limit).build();
        for _ in 0..3 {
            let error = get(&client, address).await.unwrap_err();
            let phase = Phase::FirstByte;
            assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
            assert!(error.bytes_sent() > 0);
            turns(2).await;
            let mut stream = accept(&listener);
            assert!(read_head(&mut stream).starts_with("get /"));
            assert!(read_rest(&mut stream).is_empty());
        }
    });
}

#[test]
fn a_client_that_is_closed_ends_a_connect() {
    let alone = alone();
    let silent = Blackhole::new("127.0.0.1");
    alone.run(async {
        let client = Client::new();
        let before = open();
        let mut fetch = Box::pin(get(&client, silent.address));
        assert!(poll_once(fetch.as_mut()).await.is_pending());
        client.close();
        assert_eq!(fetch.await.unwrap_err().kind(), ErrorKind::Closed);
        settles_to(before).await;
    });
}

#[test]
fn a_reset_right_behind_the_connect_is_an_error_and_not_tried_again() {
    let alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let its = listener.try_clone().unwrap();
    let peer = std::thread::spawn(move || {
        let stream = accept(&its);
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    });
    alone.run(async {
        let error = get(&Client::new(), address).await.unwrap_err();
        let kinds = [ErrorKind::Send, ErrorKind::Receive, ErrorKind::EmptyReply];
        // The connect may have been the one to hear of it.
        let heard = kinds.contains(&error.kind()) || error.kind() == ErrorKind::Connect;
        assert!(heard, "{error:?}");
    });
    peer.join().unwrap();
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "one connection is enough");
}

/// Drops a fetch after so many polls, with turns between them.
async fn dropped_after(mut fetch: Pin<&mut impl Future>, polls: usize, between: usize) {
    for _ in 0..polls {
        if poll_once(fetch.as_mut()).await.is_ready() {
            break;
        }
        turns(between).await;
    }
}

#[test]
fn a_fetch_that_is_dropped_at_any_point_leaves_nothing() {
    let alone: Alone = alone();
    let silent = Blackhole::new("127.0.0.1");
    let (_refusing, refused) = refusing("127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    alone.run(async {
        let client = Client::new();
        let before: Open = open();
        for target in [silent.address, refused, address] {
            for polls in 0..4 {
                for between in 0..3 {
                    {
                        let fetch = pin!(get(&client, target));
                        dropped_after(fetch, polls, between).await;
                    }
                    settles_to(before).await;
                    // Whoever got through sees a request or nothing, and the end.
                    while let Ok((mut stream, _)) = listener.accept() {
                        stream.set_nonblocking(false).unwrap();
                        let said = read_rest(&mut stream);
                        assert!(said.is_empty() || said.ends_with(b"\r\n\r\n"));
                    }
                }
            }
        }
    });
}

#[test]
fn a_response_that_is_dropped_closes_its_connection() {
    let alone = alone();
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart")
            .unwrap();
        assert!(read_rest(&mut stream).is_empty());
    });
    alone.run(async {
        let before = open();
        let client = Client::new();
        let response = get(&client, peer.address).await.unwrap();
        drop(response);
        settles_to(without_peer(before)).await;
    });
    peer.join();
}

#[test]
fn many_fetches_at_once_have_a_connection_each() {
    const FETCHES: usize = 50;
    let alone = alone();
    let peer = answering(FETCHES);
    alone.run(async {
        let client = Client::new();
        let before = open();
        let mut fetches: Vec<_> = (0..FETCHES)
            .map(|_| Box::pin(text(&client, peer.address)))
            .collect();
        poll_fn(|cx| {
            fetches.retain_mut(|fetch| match fetch.as_mut().poll(cx) {
                Poll::Ready(text) => {
                    assert_eq!(text, "ok");
                    false
                }
                Poll::Pending => true,
            });
            match fetches.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        settles_to(without_peer(before)).await;
    });
    peer.join();
}

#[test]
fn a_second_try_that_is_refused_says_nothing_of_the_connection_of_the_first() {
    let alone = alone();
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        ok(&mut stream);
        read_head(&mut stream);
        // Before the connection ends, so that there is none after it.
        drop(listener);
    });
    alone.run(async {
        let client = Client::new();
        let url = peer.url();
        let mut response = client.get(&url).send().await.unwrap();
        assert!(response.remote_addr().is_some());
        response.text().await.unwrap();
        let error = client.get(&url).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert_eq!((error.local_addr(), error.remote_addr()), (None, None));
    });
    peer.join();
}
