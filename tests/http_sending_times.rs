//! Times that a request has while it is being sent, and right behind that.
//!
//! Most peers here are in the test's own thread, and answer in the very call in which they are sent something: no time
//! passes but what a test lets pass, all clocks are the reactor's, and a machine that is held up changes nothing.
#![cfg(feature = "http")]

mod http_peer;

use std::cell::Cell;
use std::future::pending;
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use eyewall::http::{
    Body, Client, Conduit, Error, ErrorKind, Flow, Phase, RequestBuilder, Stage, Target,
};
use eyewall::time::sleep;
use futures_channel::{mpsc, oneshot};
use futures_util::{StreamExt, sink, stream};
use http_peer::{Peer, accept, ok, read_head, run};

const SHORT: Duration = Duration::from_millis(10);
/// What runs for `SHORT` has ended then.
const LONGER: Duration = Duration::from_millis(20);
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const EARLY: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What a peer of ours says.
#[derive(Clone)]
struct Mouth(mpsc::UnboundedSender<io::Result<Bytes>>);

impl Mouth {
    fn say(&self, bytes: &'static [u8]) {
        self.0.unbounded_send(Ok(bytes.into())).unwrap();
    }
}

/// A client whose connections are these.
fn client(connect: impl Fn() -> io::Result<Conduit> + 'static) -> Client {
    let connect = move |_: Target| std::future::ready(connect());
    Client::builder().connector(connect).build()
}

/// A peer that is asked for its say with each piece that it has taken, and knows all that it was sent so far.
fn peer(mut takes: impl FnMut(&[u8], &Mouth) + 'static) -> io::Result<Conduit> {
    let (mouth, said) = mpsc::unbounded();
    let (mouth, mut received) = (Mouth(mouth), Vec::new());
    let sink = sink::unfold((), move |(), bytes: Bytes| {
        received.extend(bytes);
        takes(&received, &mouth);
        async { Ok(()) }
    });
    Conduit::new(said, sink)
}

/// One that has begun its answer, `EARLY`, before it has seen the request, and ends it after the request. When the first
/// piece of the body has come, it says so, and takes that some turns after it is let go: not when it is first asked again,
/// and so not before somebody has looked at the time.
fn holding_up(held: &Rc<Cell<Hold>>, go: oneshot::Receiver<()>) -> io::Result<Conduit> {
    let (mouth, said) = mpsc::unbounded();
    let mouth = Mouth(mouth);
    mouth.say(EARLY);
    let start = (mouth, Some(go), Rc::clone(held));
    let sink = sink::unfold(start, |(mouth, mut go, held), bytes: Bytes| async move {
        if !bytes.starts_with(b"POST ")
            && let Some(go) = go.take()
        {
            held.set(Hold::Held);
            go.await.unwrap();
            for _ in 0..10 {
                eyewall::yield_now().await;
            }
            held.set(Hold::Over);
        }
        if bytes.ends_with(LAST_CHUNK) {
            mouth.say(LAST_CHUNK);
        }
        Ok((mouth, go, held))
    });
    Conduit::new(said, sink)
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Hold {
    #[default]
    NotYet,
    Held,
    Over,
}

/// A client with `holding_up` behind it, for one connection.
fn held_up_client(held: &Rc<Cell<Hold>>) -> (Client, oneshot::Sender<()>) {
    let (let_go, go) = oneshot::channel();
    let (held, go) = (Rc::clone(held), Cell::new(Some(go)));
    let client = client(move || holding_up(&held, go.take().unwrap()));
    (client, let_go)
}

/// Two parts with a pause between them, longer than `SHORT`.
fn leisurely() -> Body {
    Body::producer(|mut writer| async move {
        writer.write("part").await?;
        sleep(LONGER).await;
        writer.write("part").await?;
        Ok::<(), io::Error>(())
    })
}

/// A request that has a short time in this phase alone.
fn limited(request: RequestBuilder, phase: Phase) -> RequestBuilder {
    match phase {
        Phase::Total => request.timeout(3 * SHORT),
        Phase::FirstByte => request.first_byte_timeout(SHORT),
        Phase::IdleRead => request.idle_read_timeout(SHORT),
        Phase::IdleWrite => request.idle_write_timeout(SHORT),
        _ => panic!("{phase:?} is none of sending"),
    }
}

/// Sends a request that has a short time in this phase alone, and fails by it.
async fn runs_out(request: RequestBuilder, phase: Phase) -> Error {
    let error = limited(request, phase).send().await.unwrap_err();
    let limit = SHORT;
    assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
    error
}

#[test]
fn t05_a_server_has_nothing_to_say_before_the_request_is_whole() {
    // What comes before that: nothing, leave, an interim response that nobody asked for, and the head of the response.
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let cases: [(bool, &'static [u8], &'static [u8]); 4] = [
        (false, b"", whole),
        (true, CONTINUE, whole),
        (false, b"HTTP/1.1 102 Processing\r\n\r\n", whole),
        (false, EARLY, LAST_CHUNK),
    ];
    for (asks, first, second) in cases {
        run(async {
            let client = client(move || {
                let mut said = false;
                peer(move |received, mouth| {
                    if !std::mem::replace(&mut said, true) && !first.is_empty() {
                        mouth.say(first);
                    }
                    if received.ends_with(LAST_CHUNK) {
                        assert!(received.ends_with(b"part\r\n4\r\npart\r\n0\r\n\r\n"));
                        mouth.say(second);
                    }
                })
            });
            let request = client.post("http://site.test/").body(leisurely());
            let request = request.expect_continue(asks).idle_read_timeout(SHORT);
            let mut response = request.first_byte_timeout(SHORT).send().await.unwrap();
            assert_eq!(response.text().await.unwrap(), "ok");
        });
    }
}

#[test]
fn t04_an_interim_response_is_no_answer() {
    let interim: &[u8] = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    for (asks, first) in [(true, CONTINUE), (false, interim)] {
        for phase in [Phase::FirstByte, Phase::IdleRead] {
            run(async {
                let client = client(move || {
                    let mut said = false;
                    peer(move |_, mouth| {
                        if !std::mem::replace(&mut said, true) {
                            mouth.say(first);
                        }
                    })
                });
                let request = client.post("http://site.test/").body("body");
                let error = runs_out(request.expect_continue(asks), phase).await;
                assert_eq!(error.stage(), Some(Stage::Wait));
                // It was seen before.
                assert_eq!(error.bytes_received(), first.len() as u64);
            });
        }
    }
}

#[test]
fn t05_the_head_that_begins_behind_an_interim_response_is_the_answer() {
    run(async {
        let client = client(|| {
            let mut asked = 0;
            peer(move |_, mouth| {
                asked += 1;
                if asked > 1 {
                    return mouth.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
                mouth.say(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n");
                let mouth = mouth.clone();
                eyewall::spawn(async move {
                    sleep(LONGER).await;
                    mouth.say(b"Content-Length: 0\r\n\r\n");
                })
                .detach();
            })
        });
        let asking = || client.get("http://site.test/").first_byte_timeout(SHORT);
        assert_eq!(asking().send().await.unwrap().status(), 200);
        assert!(asking().send().await.unwrap().is_reused());
    });
}

/// On a socket, since it is about how much of a piece the kernel has taken, and by the clock of its peer. The limit is
/// long, so that only a machine that stands still for all of it comes in between.
#[test]
fn a_slow_server_takes_something_of_a_large_piece() {
    const SIZE: usize = 16 << 20;
    let limit = Duration::from_millis(600);
    let peer = Peer::new(|listener| {
        let socket = socket2::SockRef::from(&listener);
        socket.set_recv_buffer_size(256 << 10).unwrap();
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let (mut part, mut left) = (vec![0; 64 << 10], SIZE);
        while left > 0 {
            left -= stream.read(&mut part).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        ok(&mut stream);
    });
    run(async {
        let piece = stream::iter([Ok::<_, io::Error>(vec![7; SIZE])]);
        let body = Body::stream(piece).with_length(SIZE as u64);
        let request = Client::new().post(peer.url()).body(body);
        let sent = request.idle_write_timeout(limit).send().await;
        assert_eq!(sent.unwrap().status(), 200);
    });
    peer.join();
}

#[test]
fn the_last_chunk_has_the_time_of_the_others() {
    run(async {
        // Whoever is at the other end takes all but that.
        let client = client(|| {
            let sink = sink::unfold((), |(), bytes: Bytes| async move {
                match &bytes[..] {
                    LAST_CHUNK => pending().await,
                    _ => Ok(()),
                }
            });
            Conduit::new(stream::pending(), sink)
        });
        let body = Body::stream(stream::iter([Ok::<_, io::Error>("part")]));
        let request = client.post("http://site.test/").body(body);
        runs_out(request, Phase::IdleWrite).await;
    });
}

/// One that breaks when something is sent, and says `answer` before, and nothing after.
fn broken(answer: &'static [u8]) -> io::Result<Conduit> {
    let failing = |(), _: Bytes| async { Err::<(), _>(io::Error::other("on purpose")) };
    let said = Some(Ok(Bytes::from_static(answer))).filter(|_| !answer.is_empty());
    let silent = stream::iter(said).chain(stream::pending());
    Conduit::new(silent, sink::unfold((), failing))
}

#[test]
fn a_request_that_could_not_be_sent_waits_no_longer_for_its_answer_and_says_why() {
    run(async {
        let client = client(|| broken(b""));
        for body in [Body::from("body"), leisurely()] {
            for phase in [Phase::FirstByte, Phase::IdleRead, Phase::Total] {
                let request = client.post("http://site.test/").body(body.clone());
                let error = limited(request, phase).send().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Send, "{phase:?}");
                assert_eq!(error.stage(), Some(Stage::Send));
                assert_eq!((error.bytes_sent(), error.bytes_received()), (0, 0));
                assert!(error.timings().is_some());
                let source = std::error::Error::source(&error).unwrap();
                assert_eq!(source.to_string(), "on purpose");
            }
        }
        // Who gives it up wants to hear that.
        let fetch = client.get("http://site.test/").start();
        eyewall::yield_now().await;
        client.close();
        assert_eq!(fetch.await.unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn an_answer_that_stops_after_a_failed_send_says_why_it_may_have() {
    const PART: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal";
    run(async {
        let client = client(|| broken(PART));
        for phase in [Phase::IdleRead, Phase::Total] {
            let request = client.post("http://site.test/").body(leisurely());
            let mut response = limited(request, phase).send().await.unwrap();
            let error = response.text().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Send, "{phase:?}");
            assert_eq!(error.stage(), Some(Stage::Body));
            assert_eq!(error.bytes_received(), PART.len() as u64);
        }
    });
}

#[test]
fn a_whole_answer_is_the_result_though_the_send_failed() {
    run(async {
        let client = client(|| broken(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        for body in [Body::from("body"), leisurely()] {
            let request = client.post("http://site.test/").body(body);
            assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
        }
    });
}

#[test]
fn a_pause_of_the_reader_is_not_one_of_the_peer_that_takes_the_body() {
    run(async {
        let held = Rc::default();
        let (client, let_go) = held_up_client(&held);
        let request = client.post("http://site.test/").body(leisurely());
        // Some of this time goes by before the pause, and there has to be some left behind it.
        let limit = 10 * SHORT;
        let mut response = request.idle_write_timeout(limit).send().await.unwrap();
        let chunk = response.chunk().await.unwrap().unwrap();
        assert_eq!(&chunk[..], b"ok");
        // A piece is on its way, for which the peer has its time.
        assert_eq!(held.get(), Hold::Held);
        sleep(limit + SHORT).await;
        let_go.send(()).unwrap();
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(held.get(), Hold::Over);
    });
}

#[test]
fn a_push_that_is_held_up_sends_nothing_and_blames_nobody() {
    run(async {
        let held = Rc::default();
        let (client, let_go) = held_up_client(&held);
        let request = client.post("http://site.test/").body(leisurely());
        let limit = 10 * SHORT;
        let response = request.idle_write_timeout(limit).send().await.unwrap();
        let push = response.push(|_| Flow::Pause);
        let pusher = push.pusher();
        eyewall::spawn(async move {
            while !pusher.is_paused() {
                eyewall::yield_now().await;
            }
            // A piece is on its way, and nobody hands it over though it would be taken.
            assert_eq!(held.get(), Hold::Held);
            let_go.send(()).unwrap();
            sleep(limit + SHORT).await;
            assert_eq!(held.get(), Hold::Held);
            pusher.resume();
        })
        .detach();
        assert_eq!(push.await.unwrap().status(), 200);
    });
}
