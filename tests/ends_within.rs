//! Ends at awkward places: a reactor that goes inside a task of another, a future that its own waker drops, a process
//! that ends in the middle, a thread that does.

#![forbid(unsafe_code)]

mod setups;

use std::cell::RefCell;
use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use eyewall::fs::File;
use eyewall::net::{TcpListener, TcpStream};
use eyewall::time::sleep;
use eyewall::{Reactor, spawn, yield_now};
use futures_util::StreamExt;
use setups::{finish, half_std_pair, metrics, run_on, turns, turns_until};

/// Spawns when it is dropped, as a guard that cleans up might.
struct SpawnsWhenDropped(Arc<std::sync::atomic::AtomicBool>);

impl Drop for SpawnsWhenDropped {
    fn drop(&mut self) {
        let ran = Arc::clone(&self.0);
        spawn(async move { ran.store(true, std::sync::atomic::Ordering::Relaxed) }).detach();
    }
}

#[test]
fn a_reactor_is_dropped_inside_a_task_of_another() {
    setups::for_each_setup(|builder| {
        let outer = builder.build().unwrap();
        let inner = Reactor::new().unwrap();
        let (mut stream, mut peer) = run_on(&inner, async { half_std_pair() });
        let (mut listener, port) = run_on(&inner, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap();
            (listener, port)
        });
        let ran = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let guard = SpawnsWhenDropped(Arc::clone(&ran));
        let task = inner.spawn(async move {
            let _guard = guard;
            let _both = futures_util::future::join(
                async { listener.incoming().next().await.map(drop) },
                stream.recv(vec![0; 100]),
            )
            .await;
        });
        run_on(&inner, turns(2));
        run_on(&outer, async move {
            let report = spawn(async move { inner.shutdown(Duration::from_secs(5)) });
            let report = report.await.unwrap();
            assert_eq!((report.cancelled, report.leaked), (2, 0), "{report:?}");
            assert!(task.await.unwrap_err().is_shut_down());
            // The reactor that runs is the outer one, also for what the drops of the inner one's tasks spawn.
            turns_until(|| ran.load(std::sync::atomic::Ordering::Relaxed)).await;
            assert_eq!(peer.read(&mut [0]).unwrap(), 0, "closed");
            std::net::TcpStream::connect(port).expect_err("closed");
        });
        finish(outer);
    });
}

type Kept = Option<Pin<Box<dyn Future<Output = ()>>>>;

thread_local! {
    /// The future that the waker below drops; a waker has to be `Send`, and these futures are not.
    static KEPT: RefCell<Kept> = const { RefCell::new(None) };
}

struct DropsTheFuture;

impl Wake for DropsTheFuture {
    fn wake(self: Arc<DropsTheFuture>) {
        let kept = KEPT.take();
        drop(kept);
    }
}

/// Polls `future` with a waker that drops it, and waits until that has happened.
async fn dropped_by_its_waker(future: impl Future<Output = ()> + 'static, provoke: impl FnOnce()) {
    let mut future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    let waker = Waker::from(Arc::new(DropsTheFuture));
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    KEPT.set(Some(future));
    turns(3).await;
    provoke();
    turns_until(|| KEPT.with_borrow(Option::is_none)).await;
}

#[test]
fn a_waker_drops_the_future_that_it_is_for() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        run_on(&reactor, async {
            for kind in 0..6 {
                let (mut stream, mut peer) = half_std_pair();
                let write = || peer.write_all(&[7; 3000]).unwrap();
                match kind {
                    0 => {
                        let receive = async move { drop(stream.recv(vec![0; 8]).await) };
                        dropped_by_its_waker(receive, write).await;
                    }
                    1 => {
                        let receive = async move { drop(stream.recv_chunk().await) };
                        dropped_by_its_waker(receive, write).await;
                    }
                    2 => {
                        let receive = async move { drop(stream.chunks().next().await) };
                        dropped_by_its_waker(receive, write).await;
                    }
                    3 => {
                        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                        let address = listener.local_addr().unwrap();
                        let accept = async move { drop(listener.incoming().next().await) };
                        let connect = || drop(std::net::TcpStream::connect(address).unwrap());
                        dropped_by_its_waker(accept, connect).await;
                    }
                    4 => dropped_by_its_waker(sleep(Duration::from_millis(1)), || {}).await,
                    _ => {
                        let close = async move { drop(stream.close().await) };
                        dropped_by_its_waker(close, || {}).await;
                    }
                }
            }
        });
        assert_eq!(reactor.metrics().panics, 0);
        finish(reactor);
    });
}

#[test]
fn a_process_ends_in_the_middle() {
    const MARK: &str = "EYEWALL_TEST_EXIT";
    if std::env::var_os(MARK).is_some() {
        let reactor = Reactor::new().unwrap();
        run_on(&reactor, async {
            let (mut stream, _peer) = half_std_pair();
            spawn(async move { drop(stream.recv(vec![0; 100]).await) }).detach();
            spawn(async { drop(eyewall::spawn_blocking(std::thread::park).await) }).detach();
            turns(3).await;
            std::process::exit(7)
        })
    }
    let _watchdog = setups::Watchdog::new("the process that ends");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_ends_in_the_middle", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

#[test]
fn a_read_that_waits_can_be_dropped_and_shut_down() {
    setups::for_each_setup(|builder| {
        let reactor = builder.build().unwrap();
        // A pipe is a file whose reads wait.
        let (reading, mut writing) = std::io::pipe().unwrap();
        run_on(&reactor, async {
            let file = File::from_std(OwnedFd::from(reading).into()).unwrap();
            let mut read = Box::pin(file.read_at(vec![0; 8], 0));
            assert!(setups::poll_once(&mut read).await.is_none());
            turns(3).await;
            assert_eq!(metrics().operations, 1);
            drop(read);
            turns_until(|| metrics().operations == 0).await;
            writing.write_all(b"bytes").unwrap();
            let (count, _) = file.read_at(vec![0; 8], 0).await;
            assert_eq!(count.unwrap(), 5, "nothing was read for nobody");
            spawn(async move { drop(file.read_at(vec![0; 8], 0).await) }).detach();
            turns(3).await;
        });
        let report = reactor.shutdown(Duration::from_secs(5));
        assert_eq!((report.cancelled, report.leaked), (1, 0), "{report:?}");
        writing.write_all(b"x").unwrap_err();
    });
}

#[test]
fn children_are_started_while_operations_are_in_flight() {
    let reactor = Reactor::new().unwrap();
    run_on(&reactor, async {
        let (mut stream, mut peer) = half_std_pair();
        let receiving = spawn(async move { stream.recv_chunk().await.unwrap().unwrap().to_vec() });
        yield_now().await;
        for _ in 0..5 {
            let child = eyewall::spawn_blocking(|| std::process::Command::new("true").status());
            assert!(child.await.unwrap().unwrap().success());
        }
        peer.write_all(b"still here").unwrap();
        assert_eq!(receiving.await.unwrap(), b"still here");
    });
    finish(reactor);
}

#[test]
fn a_stream_connected_in_a_thread_that_ends_closes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        thread_local! {
            static STREAM: RefCell<Option<TcpStream>> = const { RefCell::new(None) };
        }
        let stream = eyewall::block_on(TcpStream::connect(address))
            .unwrap()
            .unwrap();
        // Outlives its reactor, until thread-local storage goes.
        STREAM.set(Some(stream));
    })
    .join()
    .unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}
