//! A client on a thread of its own.
#![cfg(feature = "http")]

mod http_peer;

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use eyewall::Reactor;
use eyewall::http::{Action, Client, ClientBuilder, ClientThread, ErrorKind};
use http_peer::{Peer, accept, ok, read_head, read_rest};

/// Answers on one connection, as often as it is asked, and sees it closed.
fn keeping_peer(requests: usize) -> Peer {
    Peer::new(move |listener| {
        let mut stream = accept(&listener);
        for _ in 0..requests {
            read_head(&mut stream);
            ok(&mut stream);
        }
        assert_eq!(read_rest(&mut stream), b"");
    })
}

#[test]
fn fetches_of_many_threads_share_its_connections() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    let peer = keeping_peer(8);
    let client = ClientThread::start(|| Client::builder().max_clients(1)).unwrap();
    is_send_and_sync(&client);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (handle, url) = (client.handle().clone(), peer.url());
            scope.spawn(move || {
                let page = handle.fetch(move |client| client.get(url)).wait();
                assert_eq!(page.unwrap().text(), "ok");
            });
        }
    });
    client.close().unwrap();
    peer.join();
}

#[test]
fn to_drop_it_closes_its_client() {
    let peer = keeping_peer(1);
    let client = ClientThread::start(Client::builder).unwrap();
    let url = peer.url();
    let page = client.fetch(move |client| client.get(url)).wait();
    assert_eq!(page.unwrap().text(), "ok");
    let handle = client.handle().clone();
    drop(client);
    peer.join();
    let late = handle.fetch(|client| client.get("http://127.0.0.1:1/"));
    let kind = late.wait().unwrap_err().kind();
    assert!(
        matches!(kind, ErrorKind::Closed | ErrorKind::Cancelled),
        "{kind:?}"
    );
}

#[test]
fn a_fetch_under_way_is_told_that_it_was_closed() {
    let (asked, has_asked) = mpsc::channel();
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        asked.send(()).unwrap();
        assert_eq!(read_rest(&mut stream), b"");
    });
    let client = ClientThread::start(Client::builder).unwrap();
    let url = peer.url();
    let fetch = client.fetch(move |client| client.get(url));
    has_asked.recv().unwrap();
    client.close().unwrap();
    assert_eq!(fetch.wait().unwrap_err().kind(), ErrorKind::Closed);
    peer.join();
}

#[test]
fn its_settings_are_made_over_there_and_may_panic() {
    fn broken() -> ClientBuilder {
        panic!("no settings");
    }
    let started = catch_unwind(|| ClientThread::start(broken));
    let panic = started.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"no settings"));
}

#[test]
fn it_may_be_closed_by_who_runs_there() {
    let (give, given) = mpsc::channel::<ClientThread>();
    let (closed, has_closed) = mpsc::channel();
    let client = ClientThread::start(Client::builder).unwrap();
    let handle = client.handle().clone();
    let fetch = handle.fetch(move |client| {
        given.recv().unwrap().close().unwrap();
        closed.send(()).unwrap();
        client.get("http://127.0.0.1:1/")
    });
    give.send(client).unwrap();
    let kind = fetch.wait().unwrap_err().kind();
    assert!(kind != ErrorKind::Nested, "{kind:?}");
    has_closed.recv().expect("it has waited for itself");
}

#[test]
fn to_close_it_waits_for_the_end_of_its_thread() {
    struct Slow(Arc<AtomicBool>);

    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(30));
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let gone = Arc::new(AtomicBool::new(false));
    let slow = Slow(Arc::clone(&gone));
    let settings = move || {
        Client::builder().redirect_policy(move |_| {
            let _ = &slow;
            Action::Stop
        })
    };
    ClientThread::start(settings).unwrap().close().unwrap();
    assert!(gone.load(Ordering::SeqCst));
}

#[test]
fn each_client_of_a_thread_is_reached_by_its_own_handle() {
    let reactor = Reactor::new().unwrap();
    let kinds = reactor.block_on(async {
        let (one, other) = (Client::new(), Client::new());
        let handles = [one.handle().unwrap(), other.handle().unwrap()];
        other.close();
        let mut kinds = Vec::new();
        for handle in handles {
            let fetch = handle.fetch(|client| client.get("http://127.0.0.1:1/"));
            kinds.push(fetch.await.unwrap_err().kind());
        }
        kinds
    });
    assert_eq!(kinds.unwrap(), [ErrorKind::Connect, ErrorKind::Closed]);
}

#[test]
fn a_reactor_of_the_asking_thread_goes_on_meanwhile() {
    let peer = keeping_peer(1);
    let client = ClientThread::start(Client::builder).unwrap();
    let url = peer.url();
    let fetch = client.fetch(move |client| client.get(url));
    let page = Reactor::new().unwrap().block_on(fetch).unwrap().unwrap();
    assert_eq!(page.text(), "ok");
    client.close().unwrap();
    peer.join();
}
