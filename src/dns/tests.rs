use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Context;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join, join_all};

use super::cache::Cache;
use super::*;
use crate::task::tests::panicking_waker;
use crate::time::{sleep, timeout};
use crate::{Reactor, spawn};

const LIMIT: Duration = Duration::from_secs(10);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A system that answers each question only when the test says so.
struct Oracle {
    asked: Arc<AtomicUsize>,
    answers: mpsc::Sender<io::Result<Vec<SocketAddr>>>,
}

impl Oracle {
    /// Takes the place of getaddrinfo in the reactor that runs.
    fn install() -> Oracle {
        let asked = Arc::new(AtomicUsize::new(0));
        let (answers, receiver) = mpsc::channel::<io::Result<Vec<SocketAddr>>>();
        let receiver = Mutex::new(receiver);
        let counter = Arc::clone(&asked);
        let system = move |_name: &str| {
            counter.fetch_add(1, Ordering::SeqCst);
            let receiver = receiver.lock().unwrap();
            receiver
                .recv_timeout(LIMIT)
                .unwrap_or_else(|_| Err(io::Error::other("the test did not answer")))
        };
        Core::current()
            .unwrap()
            .names()
            .set_system(Arc::new(system));
        Oracle { asked, answers }
    }

    fn answer(&self, text: &str) {
        self.answers.send(Ok(vec![address(text)])).unwrap();
    }

    fn fail(&self, reason: &'static str) {
        self.answers.send(Err(io::Error::other(reason))).unwrap();
    }

    /// Waits until the system has been asked so many times.
    async fn asked(&self, times: usize) {
        let reached = async {
            while self.asked.load(Ordering::SeqCst) < times {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(LIMIT, reached).await.expect("the system is asked");
        assert_eq!(self.asked.load(Ordering::SeqCst), times);
    }
}

fn run<F: Future>(future: F) -> F::Output {
    run_with(5, future)
}

fn run_with<F: Future>(keep_seconds: u64, future: F) -> F::Output {
    let reactor = Reactor::builder()
        .name_cache(2, Duration::from_secs(keep_seconds))
        .build()
        .unwrap();
    reactor
        .block_on(timeout(LIMIT, future))
        .unwrap()
        .expect("in time")
}

#[test]
fn one_question_serves_all_who_wait_and_then_the_cache() {
    run(async {
        let oracle = Oracle::install();
        let waiting: Vec<_> = (0..10)
            .map(|port| spawn(async move { resolve("Name.Test", port).await }))
            .collect();
        oracle.asked(1).await;
        oracle.answer("192.0.2.1:0");
        for (port, answer) in join_all(waiting).await.into_iter().enumerate() {
            let expected = SocketAddr::new(address("192.0.2.1:0").ip(), port as u16);
            assert_eq!(answer.unwrap().unwrap(), [expected]);
        }
        let again = resolve("name.test", 80).await.unwrap();
        assert_eq!(again, [address("192.0.2.1:80")]);
        oracle.asked(1).await;
    });
}

#[test]
fn a_dropped_look_up_leaves_the_others_waiting() {
    run(async {
        let oracle = Oracle::install();
        let mut dropped = Box::pin(resolve("a.test", 1));
        let mut kept = Box::pin(resolve("a.test", 2));
        assert!(dropped.as_mut().now_or_never().is_none());
        assert!(kept.as_mut().now_or_never().is_none());
        oracle.asked(1).await;
        drop(dropped);
        oracle.answer("192.0.2.1:0");
        assert_eq!(kept.await.unwrap(), [address("192.0.2.1:2")]);
    });
}

#[test]
fn a_waker_that_panics_leaves_the_others_their_answer() {
    run(async {
        let oracle = Oracle::install();
        let waker = panicking_waker();
        let mut first = Box::pin(resolve("a.test", 1));
        let polled = first.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        let second = spawn(resolve("a.test", 2));
        oracle.asked(1).await;
        oracle.answer("192.0.2.1:0");
        assert_eq!(second.await.unwrap().unwrap(), [address("192.0.2.1:2")]);
        assert_eq!(first.await.unwrap(), [address("192.0.2.1:1")]);
        assert_eq!(crate::reactor::metrics().unwrap().panics, 1);
    });
}

#[test]
fn a_look_up_that_nobody_waits_for_fills_the_cache() {
    run(async {
        let oracle = Oracle::install();
        let mut abandoned = Box::pin(resolve("a.test", 1));
        assert!(abandoned.as_mut().now_or_never().is_none());
        oracle.asked(1).await;
        drop(abandoned);
        oracle.answer("192.0.2.1:0");
        assert_eq!(
            resolve("a.test", 2).await.unwrap(),
            [address("192.0.2.1:2")]
        );
        oracle.asked(1).await;
        assert_eq!(crate::reactor::metrics().unwrap().look_ups, 1);
    });
}

#[test]
fn a_failure_reaches_all_who_wait_and_is_not_kept() {
    run(async {
        let oracle = Oracle::install();
        let (first, second) = (resolve("a.test", 1), resolve("a.test", 1));
        oracle.fail("the sky is falling");
        let (first, second) = join(first, second).await;
        for error in [first.unwrap_err(), second.unwrap_err()] {
            assert!(is_resolve_error(&error));
            let text = error.to_string();
            assert_eq!(text, r#"cannot resolve "a.test": the sky is falling"#);
        }
        oracle.answer("192.0.2.1:0");
        resolve("a.test", 1).await.unwrap();
        oracle.asked(2).await;
    });
}

#[test]
fn an_empty_answer_and_a_panic_are_errors() {
    run(async {
        let names = Core::current().unwrap();
        names.names().set_system(Arc::new(|_| Ok(Vec::new())));
        let error = resolve("a.test", 1).await.unwrap_err();
        assert!(is_resolve_error(&error), "{error}");
        names.names().set_system(Arc::new(|_| panic!("on purpose")));
        let error = resolve("a.test", 1).await.unwrap_err();
        assert!(error.to_string().contains("on purpose"), "{error}");
    });
}

#[test]
fn with_the_cache_off_every_call_asks() {
    run_with(0, async {
        let oracle = Oracle::install();
        for _ in 0..3 {
            oracle.answer("192.0.2.1:0");
            resolve("a.test", 1).await.unwrap();
        }
        oracle.asked(3).await;
    });
}

#[test]
fn shutting_down_ends_a_running_look_up() {
    let reactor = Reactor::new().unwrap();
    let answers = reactor
        .block_on(async {
            let oracle = Oracle::install();
            let mut waiting = Box::pin(resolve("a.test", 1));
            assert!(waiting.as_mut().now_or_never().is_none());
            oracle.asked(1).await;
            oracle.answers
        })
        .unwrap();
    let start = Instant::now();
    reactor.shutdown(LIMIT);
    assert!(start.elapsed() < LIMIT / 2, "it waits for no getaddrinfo");
    drop(answers);
}

#[test]
fn the_cache_is_bounded_by_number_and_age() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let found = |text: &str| Rc::from([address(text)]);
    let mut cache = Cache::new(2, 5 * second);
    cache.insert("a".into(), found("192.0.2.1:0"), now);
    cache.insert("b".into(), found("192.0.2.2:0"), now + second);
    assert!(cache.get("a", now + 4 * second).is_some());
    assert!(cache.get("a", now + 5 * second).is_none(), "too old");
    assert!(cache.get("b", now + 5 * second).is_some());

    cache.insert("c".into(), found("192.0.2.3:0"), now + second);
    assert!(cache.get("a", now + second).is_none(), "the oldest went");
    assert!(cache.get("b", now + second).is_some());
    assert!(cache.get("c", now + second).is_some());

    cache.insert("b".into(), found("192.0.2.4:0"), now + 2 * second);
    cache.insert("d".into(), found("192.0.2.5:0"), now + 2 * second);
    assert!(cache.get("c", now + 2 * second).is_none(), "b was renewed");
    assert_eq!(
        cache.get("b", now + 6 * second).unwrap()[..],
        [address("192.0.2.4:0")]
    );
}

#[test]
fn a_cache_for_ever_and_a_cache_for_nothing() {
    let now = Instant::now();
    let mut cache = Cache::new(1, Duration::MAX);
    cache.insert("a".into(), Rc::from([]), now);
    assert!(cache.get("a", now + LIMIT * 1000).is_some());
    let mut cache = Cache::new(0, LIMIT);
    cache.insert("a".into(), Rc::from([]), now);
    assert!(cache.get("a", now).is_none());
}

#[test]
fn addresses_as_text_ask_nobody() {
    run(async {
        let oracle = Oracle::install();
        for (host, expected) in [
            ("127.0.0.1", "127.0.0.1:7"),
            ("127.0.0.1.", "127.0.0.1:7"),
            ("::1", "[::1]:7"),
            ("[::1]", "[::1]:7"),
            ("::ffff:192.0.2.1", "[::ffff:192.0.2.1]:7"),
            ("fe80::1%3", "[fe80::1%3]:7"),
            ("[fe80::1%3]", "[fe80::1%3]:7"),
            ("fe80::1%lo", "[fe80::1%1]:7"),
        ] {
            assert_eq!(
                resolve(host, 7).await.unwrap(),
                [address(expected)],
                "{host}"
            );
        }
        for bad in ["[127.0.0.1]", "[::1", "[]", "[name]", "fe80::1%no-such", ""] {
            let error = resolve(bad, 7).await.unwrap_err();
            assert!(is_resolve_error(&error), "{bad}: {error}");
        }
        let long = "a".repeat(256);
        assert!(is_resolve_error(&resolve(&long, 7).await.unwrap_err()));
        oracle.asked(0).await;
    });
}
