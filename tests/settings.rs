//! The settings of a reactor at their ends, and beyond.

mod setups;

use std::time::Duration;

use eyewall::{Reactor, spawn};
use futures_util::StreamExt;
use setups::{finish, run, run_on, stretch, turns};

#[test]
fn the_smallest_of_everything_works() {
    let _watchdog = setups::Watchdog::new("the smallest");
    for defer_taskrun in [true, false] {
        let builder = Reactor::builder()
            .defer_taskrun(defer_taskrun)
            .sq_entries(1)
            .cq_entries(1)
            .max_operations(4)
            .multishot_backlog(1)
            .pool(1, 64)
            .task_budget(1)
            .spin(Duration::ZERO)
            .gather(Duration::ZERO);
        run(builder, async {
            let (mut client, mut server) = setups::pair().await;
            let echo = spawn(async move {
                while let Some(chunk) = server.chunks().next().await {
                    server.send_all(chunk.unwrap()).await.0.unwrap();
                }
            });
            let mut position = 0;
            for start in (0..20_000).step_by(1000) {
                let data = stretch(start..start + 1000);
                client.send_all(data).await.0.unwrap();
                let (result, data) = client.recv_exact(Vec::with_capacity(1000)).await;
                result.unwrap();
                setups::check_stretch(&mut position, &data);
            }
            client.close().await.unwrap();
            echo.await.unwrap();
        });
    }
}

#[test]
fn settings_out_of_range_are_errors_that_say_so() {
    let invalid = [
        (Reactor::builder().sq_entries(0), "sq_entries"),
        (Reactor::builder().sq_entries(40_000), "sq_entries"),
        (Reactor::builder().cq_entries(1), "cq_entries"),
        (Reactor::builder().cq_entries(70_000), "cq_entries"),
        (Reactor::builder().pool(0, 4096), "pool"),
        (Reactor::builder().pool(3, 4096), "pool"),
        (Reactor::builder().pool(4, 63), "pool buffer"),
        (Reactor::builder().pool(4, u32::MAX), "pool buffer"),
        (Reactor::builder().max_operations(0), "max_operations"),
        (
            Reactor::builder().max_operations(usize::MAX),
            "max_operations",
        ),
        (Reactor::builder().multishot_backlog(0), "multishot_backlog"),
        (Reactor::builder().task_budget(0), "task_budget"),
    ];
    for (builder, name) in invalid {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), eyewall::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn reactors_that_have_gone_keep_no_memory() {
    setups::in_own_process("reactors_that_have_gone_keep_no_memory", || {
        const POOL: usize = 1024 * 65_536;
        let size = || {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages = statm.split(' ').next().unwrap();
            // Or larger ones.
            pages.parse::<usize>().unwrap() * 4096
        };
        let before = size();
        for _ in 0..16 {
            drop(Reactor::builder().pool(1024, 65_536).build().unwrap());
        }
        // Some is the allocator's, for another thread: it takes twice what it keeps, and may just have done so before.
        let more = size().saturating_sub(before);
        assert!(more < 4 * POOL, "{more} bytes of 16 pools");
    });
}

#[test]
fn the_largest_queues_can_be_had() {
    let reactor = Reactor::builder().sq_entries(1 << 15).build().unwrap();
    run_on(&reactor, turns(3));
    finish(reactor);
}
