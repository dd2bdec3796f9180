//! An idle reactor takes no CPU. The absence of work is what this measures, so that here, and only here, time
//! has to pass. It is the only test of its file, as it reads the time that its thread has run.

#![forbid(unsafe_code)]

mod common;

use std::time::Duration;

use common::{connected, now, turns};
use eyewall::net::TcpListener;
use eyewall::time::sleep;
use eyewall::{Reactor, spawn};
use futures_util::StreamExt;

/// For how long this thread has run on a processor.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = text.split_whitespace().next().unwrap();
    Duration::from_nanos(nanoseconds.parse().unwrap())
}

#[test]
fn an_idle_reactor_takes_no_processor_time() {
    let reactor = Reactor::new().unwrap();
    common::run(&reactor, async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        spawn(async move { listener.accept().await.map(drop) }).detach();
        let (mut owned, _peer) = connected().await;
        spawn(async move { owned.recv(vec![0; 100]).await.0.unwrap() }).detach();
        let (mut pooled, _peer_too) = connected().await;
        spawn(async move { pooled.chunks().next().await.is_none() }).detach();
        spawn(sleep(Duration::from_secs(3600))).detach();
        // Answers just before, so that the reactor has reason to spin.
        let (mut echo, mut peer) = connected().await;
        for _ in 0..1000 {
            common::write_sequence(&mut peer, 0, 10);
            let chunk = echo.recv_chunk().await.unwrap().unwrap();
            echo.send_all(chunk).await.0.unwrap();
        }
        turns(10).await;

        let before = now();
        let mut times = Vec::new();
        for _ in 0..5 {
            let start = cpu_time();
            sleep(Duration::from_secs(2)).await;
            times.push(cpu_time() - start);
        }
        let after = now();
        let enters = after.enters - before.enters;
        times.sort();
        println!("{times:?} in {enters} enters");
        assert_eq!((before.tasks, after.tasks), (4, 4), "all still wait");
        assert!(before.operations >= 3);
        assert!(enters <= 20, "{enters} enters");
        // A hypervisor that takes the processor away in the middle of a wake-up is counted as if the thread ran; what the
        // reactor does is in each of these times.
        assert!(times[0] < Duration::from_millis(2), "{times:?}");
    });
}
