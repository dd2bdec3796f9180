//! Futures that are forgotten (`mem::forget`), so that their drop never runs: what they leave must not hold up the calls
//! after them. Those of receives and sends are beside their kind, in the other files.

#![forbid(unsafe_code)]

mod common;

use std::future::Future;
use std::io::Read;
use std::time::Duration;

use common::{connected, now, poll_once, run, turns, until};
use eyewall::Reactor;
use eyewall::fs::OpenOptions;
use eyewall::net::UdpSocket;
use eyewall::time::timeout;

/// Lets `future` begin, and be over in the kernel, and forgets it.
async fn forget(future: impl Future) {
    let mut future = Box::pin(future);
    assert!(poll_once(future.as_mut()).await.is_pending());
    let (enters, before) = (now().enters, now().cqes);
    turns(5).await;
    until(|| now().cqes > before || now().enters > enters + 20).await;
    std::mem::forget(future);
}

async fn in_time<F: Future>(future: F) -> F::Output {
    let bounded = timeout(Duration::from_secs(10), future).await;
    bounded.expect("it does not wait for what was forgotten")
}

#[test]
fn a_file_closes_although_calls_on_it_were_forgotten() {
    common::run_everywhere(|_| async {
        let path = std::env::temp_dir().join(format!("eyewall-forgotten-{}", std::process::id()));
        let options = OpenOptions::new().read(true).write(true).create(true);
        let file = options.open(&path).await.unwrap();
        std::fs::remove_file(path).unwrap();
        forget(file.write_at("content", 0)).await;
        forget(file.read_at(vec![0; 8], 0)).await;
        forget(file.sync_all()).await;
        forget(file.metadata()).await;
        in_time(file.close()).await.unwrap();
    });
}

#[test]
fn a_datagram_socket_closes_although_sends_were_forgotten() {
    common::run_everywhere(|_| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        forget(socket.send_to("one", address)).await;
        in_time(socket.close()).await.unwrap();
    });
}

#[test]
fn a_stream_closes_although_its_shutdown_was_forgotten() {
    common::run_everywhere(|_| async {
        let (mut stream, mut peer) = connected().await;
        forget(stream.shutdown()).await;
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        in_time(stream.close()).await.unwrap();
    });
}

#[test]
fn a_post_that_waits_for_room_and_is_forgotten_does_not_hold_up_the_next() {
    let reactor = Reactor::builder().max_operations(1).build().unwrap();
    run(&reactor, async {
        let (mut stream, mut peer) = connected().await;
        let (mut other, _other_peer) = connected().await;
        let mut holds = Box::pin(other.recv(vec![0; 8]));
        assert!(poll_once(holds.as_mut()).await.is_pending());
        turns(2).await;
        let mut post = Box::pin(stream.post("never"));
        assert!(poll_once(post.as_mut()).await.is_pending());
        std::mem::forget(post);
        drop(holds);
        in_time(stream.send_all("then")).await.0.unwrap();
        in_time(stream.post("last")).await.unwrap();
        in_time(stream.flush()).await.unwrap();
        in_time(stream.shutdown()).await.unwrap();
        let mut received = String::new();
        peer.read_to_string(&mut received).unwrap();
        assert_eq!(received, "thenlast");
    });
}
