//! A socket, a file or a task belongs to one reactor. A call where that does not run could only hang, and says so
//! instead; it takes nothing away from the next call at home.

#![forbid(unsafe_code)]

mod common;

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{connected, poll_once, run, write_sequence};
use eyewall::dns::resolve;
use eyewall::fs::File;
use eyewall::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use eyewall::promise::{Promise, promise};
use eyewall::{ErrorKind, JoinHandle, Reactor, spawn};
use futures_channel::oneshot;
use futures_util::{FutureExt, StreamExt};

fn says_so<T: Debug>(result: io::Result<T>) {
    let error = result.expect_err("its reactor does not run here");
    assert!(error.to_string().contains("does not run here"), "{error}");
}

struct Things {
    stream: TcpStream,
    peer: std::net::TcpStream,
    listener: TcpListener,
    udp: UdpSocket,
    unix: UnixStream,
    _unix_peer: UnixStream,
    datagrams: UnixDatagram,
    file: File,
}

async fn things() -> Things {
    let (stream, peer) = connected().await;
    let (unix, unix_peer) = UnixStream::pair().unwrap();
    Things {
        stream,
        peer,
        listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
        udp: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        unix,
        _unix_peer: unix_peer,
        datagrams: UnixDatagram::unbound().await.unwrap(),
        file: File::open("/proc/self/exe").await.unwrap(),
    }
}

async fn try_all(things: &mut Things) {
    let here = things.udp.local_addr().unwrap();
    says_so(things.stream.recv(vec![0; 8]).await.0);
    says_so(things.stream.recv_chunk().await);
    says_so(things.stream.chunks().next().await.unwrap());
    says_so(things.stream.send("x").await.0);
    says_so(things.stream.send_all("x").await.0);
    says_so(things.stream.send_vectored(vec!["x"]).await.0);
    says_so(things.stream.send_zc("x").await.0);
    says_so(things.stream.post("x").await);
    says_so(things.stream.flush().await);
    says_so(things.stream.shutdown().await);
    says_so(things.listener.accept().await);
    says_so(things.listener.incoming().next().await.unwrap());
    says_so(things.udp.recv(vec![0; 8]).await.0);
    says_so(things.udp.send_to("x", here).await.0);
    says_so(things.udp.connect(here).await);
    says_so(things.unix.recv_chunk().await);
    says_so(things.unix.send_all("x").await.0);
    says_so(things.datagrams.connect("/no/such/socket").await);
    says_so(things.file.read_at(vec![0; 8], 0).await.0);
    says_so(things.file.sync_all().await);
    says_so(things.file.metadata().await);
}

async fn close_all(things: Things) {
    says_so(things.stream.close().await);
    says_so(things.listener.close().await);
    says_so(things.udp.close().await);
    says_so(things.unix.close().await);
    says_so(things.datagrams.close().await);
    says_so(things.file.close().await);
}

#[test]
fn a_call_on_another_reactor_is_an_error_and_takes_nothing() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let mut things = run(&home, things());
    write_sequence(&mut things.peer, 0, 8);
    run(&other, try_all(&mut things));
    run(&home, async {
        let (count, bytes) = things.stream.recv(Vec::with_capacity(8)).await;
        let expected: Vec<u8> = (0..8).map(common::sequence).collect();
        assert_eq!((count.unwrap(), bytes), (8, expected));
        things.stream.send_all("home").await.0.unwrap();
        let mut received = [0; 4];
        things.peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"home", "nothing that was refused has been sent");
    });
    run(&other, close_all(things));
    run(&home, common::settles(0, || common::now().operations));
}

#[test]
fn and_so_it_is_where_no_reactor_runs() {
    let home = Reactor::new().unwrap();
    let mut things = run(&home, things());
    let tried = try_all(&mut things).now_or_never();
    tried.expect("nothing of it waits");
    close_all(things)
        .now_or_never()
        .expect("nothing of it waits");
}

#[test]
fn a_receive_that_began_at_home_goes_on_there() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (mut stream, mut peer) = run(&home, connected());
    let task = home.spawn(async move { stream.recv(Vec::with_capacity(8)).await.1 });
    run(&home, common::turns(2));
    write_sequence(&mut peer, 0, 1);
    run(&other, common::turns(2));
    let bytes = run(&home, task).unwrap();
    assert_eq!(bytes, [common::sequence(0)]);
    run(&home, common::settles(0, || common::now().operations));
}

/// A task that ends when it is told to.
fn told(home: &Reactor) -> (Promise<u32>, JoinHandle<u32>) {
    let (promise, promised) = promise();
    let task = home.spawn(async move { promised.await.expect("it is told") });
    run(home, common::turns(2));
    (promise, task)
}

#[test]
fn a_task_awaited_in_another_reactor_says_so_and_goes_on() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (promise, mut task) = told(&home);
    let (waited, task) = run(&other, async move {
        for _ in 0..2 {
            let error = (&mut task).await.unwrap_err();
            assert!(error.is_elsewhere() && !error.is_aborted() && !error.is_shut_down());
            let text = error.to_string();
            assert!(text.contains("does not run here"), "{text}");
            assert!(text.contains("block_on"), "what to do: {text}");
        }
        // The task of the other one that waits says so as well.
        let waits = spawn(async move { ((&mut task).await, task) });
        waits.await.unwrap()
    });
    assert!(waited.unwrap_err().is_elsewhere() && !task.is_finished());
    promise.set(7);
    assert_eq!(run(&home, task).unwrap(), 7);
    assert_eq!(home.metrics().panics + other.metrics().panics, 0);
}

#[test]
fn a_task_whose_handle_goes_in_another_reactor_goes_on() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (promise, task) = told(&home);
    assert!(run(&other, task).unwrap_err().is_elsewhere());
    assert_eq!(home.metrics().tasks, 1);
    promise.set(7);
    run(&home, common::settles(0, || common::now().tasks));
}

#[test]
fn who_waits_at_home_is_told_though_somebody_asked_in_another_reactor() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (promise, task) = told(&home);
    let task = Rc::new(RefCell::new(task));
    let waits = home.spawn({
        let task = Rc::clone(&task);
        poll_fn(move |cx| task.borrow_mut().poll_unpin(cx))
    });
    run(&home, common::turns(2));
    run(&other, async {
        let asked = poll_fn(|cx| task.borrow_mut().poll_unpin(cx)).await;
        assert!(asked.unwrap_err().is_elsewhere());
    });
    promise.set(7);
    assert_eq!(run(&home, waits).unwrap().unwrap(), 7);
}

#[test]
fn the_result_of_a_task_that_has_ended_is_given_in_any_reactor() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let task = home.spawn(async { 7 });
    run(&home, common::turns(2));
    assert_eq!(run(&other, task).unwrap(), 7);
    let ended = home.spawn(std::future::pending::<()>());
    home.shutdown(Duration::from_secs(1));
    assert!(run(&other, ended).unwrap_err().is_shut_down());
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Counter>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_can_be_awaited_where_no_reactor_runs() {
    let home = Reactor::new().unwrap();
    let (promise, mut task) = told(&home);
    let woken = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert!(task.poll_unpin(&mut cx).is_pending());
    promise.set(7);
    assert_eq!(woken.0.load(Ordering::Relaxed), 0, "it has not run");
    run(&home, common::turns(2));
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(matches!(task.poll_unpin(&mut cx), Poll::Ready(Ok(7))));
}

#[test]
fn a_remote_task_awaited_in_another_reactor_of_its_thread_says_so_and_goes_on() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let handle = home.handle();
    let (tell, told) = oneshot::channel();
    let task = Rc::new(RefCell::new(handle.spawn(|| told)));
    let waits = home.spawn({
        let task = Rc::clone(&task);
        poll_fn(move |cx| task.borrow_mut().poll_unpin(cx))
    });
    run(&home, common::turns(2));
    run(&other, async {
        for _ in 0..2 {
            let asked = poll_fn(|cx| task.borrow_mut().poll_unpin(cx)).await;
            assert!(asked.unwrap_err().is_elsewhere());
        }
    });
    tell.send(7).unwrap();
    assert_eq!(run(&home, waits).unwrap().unwrap(), Ok(7));

    let ended = handle.spawn(|| async { 8 });
    run(&home, common::turns(3));
    assert_eq!(run(&other, ended).unwrap(), 8);
    let refused = handle.spawn(|| async { 9 });
    home.shutdown(Duration::from_secs(1));
    assert!(run(&other, refused).unwrap_err().is_shut_down());
}

#[test]
fn to_block_the_thread_of_a_reactor_until_its_task_has_ended_is_an_error_whatever_runs_there() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let handle = home.handle();
    let runs = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&runs);
    let watched = home.spawn(async move { log.borrow_mut().push("home") });
    let error = handle.spawn(|| async { 1 }).wait().unwrap_err();
    assert!(error.is_deadlock() && !error.is_elsewhere(), "{error}");
    let text = error.to_string();
    assert!(text.contains("another thread"), "what to do: {text}");
    run(&other, async {
        let error = handle.spawn(|| async { 2 }).wait().unwrap_err();
        assert!(error.is_deadlock(), "{error}");
        let in_time = handle.spawn(|| async { 3 }).wait_timeout(common::LIMIT);
        assert!(in_time.unwrap().unwrap_err().is_deadlock());
    });
    assert!(runs.borrow().is_empty());
    run(&home, watched).unwrap();
    // Another thread may wait for one that nobody runs yet.
    let task = handle.spawn(|| async { 4 });
    let elsewhere = std::thread::spawn(move || task.wait());
    run(&home, common::until(|| elsewhere.is_finished()));
    assert_eq!(elsewhere.join().unwrap().unwrap(), 4);
}

#[test]
fn a_promise_whose_callbacks_were_left_to_another_reactor_is_kept() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (promise, promised) = promise();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&seen);
    promised.on_done(move |value| told.borrow_mut().push(*value));
    home.block_on(async { promise.set(7) }).unwrap();
    assert!(seen.borrow().is_empty(), "its turn is still to come");
    assert_eq!(run(&other, promised), Ok(7));
    assert_eq!(*seen.borrow(), [Ok(7)]);
    run(&home, common::turns(2));
    assert_eq!(*seen.borrow(), [Ok(7)], "called twice");
}

#[test]
fn a_look_up_that_began_at_home_says_so_and_goes_on_there() {
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let mut looking = [7, 8].map(|port| Box::pin(resolve("localhost", port)));
    home.block_on(async {
        for one in &mut looking {
            assert!(poll_once(one.as_mut()).await.is_pending());
        }
    })
    .unwrap();
    let [moved, stays] = looking;
    says_so(run(&other, moved));
    run(&home, async {
        assert!(!stays.await.unwrap().is_empty());
        let asked = common::now().look_ups;
        assert_eq!(asked, 1, "it was not given up");
    });
}

#[test]
fn such_an_error_can_be_told_from_others() {
    let kind = |error: io::Error| {
        let inner = error.into_inner().unwrap();
        inner.downcast::<eyewall::Error>().unwrap().kind()
    };
    let (home, other) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (mut stream, _peer) = run(&home, connected());
    let error = run(&other, stream.recv_chunk()).unwrap_err();
    assert_eq!(kind(error), ErrorKind::Elsewhere);
    let error = UdpSocket::bind("127.0.0.1:0").now_or_never().unwrap();
    assert_eq!(kind(error.unwrap_err()), ErrorKind::NoReactor);
    home.shutdown(Duration::from_secs(1));
    let error = run(&other, stream.recv_chunk()).unwrap_err();
    assert_eq!(kind(error), ErrorKind::ShutDown);
}
