//! Who waits for a full table is served in order, and nobody waits for ever.

mod setups;

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use eyewall::{Reactor, spawn};
use setups::{finish, half_std_pair, poll_once, run, run_on, turns};

/// A task that takes the slot again the moment it has freed it does not keep the others out.
#[test]
fn a_busy_task_does_not_keep_the_table_for_itself() {
    for pooled in [false, true] {
        let reactor = Reactor::builder().max_operations(1).build().unwrap();
        run_on(&reactor, async {
            let stop = Rc::new(Cell::new(false));
            let mut hogs = Vec::new();
            for _ in 0..3 {
                let stop = Rc::clone(&stop);
                let (mut ours, mut theirs) = half_std_pair();
                hogs.push(spawn(async move {
                    while !stop.get() {
                        theirs.write_all(b"x").unwrap();
                        let received = match pooled {
                            true => ours.recv_chunk().await.unwrap().unwrap().len(),
                            false => ours.recv(vec![0; 8]).await.0.unwrap(),
                        };
                        assert_eq!(received, 1);
                    }
                }));
            }
            turns(5).await;
            let others: Vec<_> = (0..10)
                .map(|_| {
                    let (mut ours, mut theirs) = half_std_pair();
                    spawn(async move {
                        theirs.write_all(b"y").unwrap();
                        ours.recv(vec![0; 8]).await.0.unwrap();
                    })
                })
                .collect();
            for other in others {
                other.await.unwrap();
            }
            stop.set(true);
            for hog in hogs {
                hog.await.unwrap();
            }
        });
        finish(reactor);
    }
}

#[test]
fn chunks_outlive_their_reactor() {
    let reactor = Reactor::new().unwrap();
    let chunk = run_on(&reactor, async {
        let (mut ours, mut theirs) = half_std_pair();
        theirs.write_all(b"kept for long").unwrap();
        ours.recv_chunk().await.unwrap().unwrap()
    });
    drop(reactor);
    assert_eq!(&chunk.slice_ref(5..)[..], b"for long");
}

/// Every operation that waits for a slot still ends when its reactor does.
#[test]
fn waiters_end_with_the_reactor() {
    let reactor = Reactor::builder().max_operations(1).build().unwrap();
    let mut left = Vec::new();
    run_on(&reactor, async {
        for _ in 0..3 {
            let (mut ours, theirs) = half_std_pair();
            let mut future = Box::pin(async move {
                let result = ours.recv(vec![0; 4]).await.0;
                drop(theirs);
                result
            });
            assert!(poll_once(&mut future).await.is_none());
            left.push(future);
        }
        turns(2).await;
    });
    let report = reactor.shutdown(Duration::from_secs(5));
    assert_eq!((report.cancelled, report.leaked), (1, 0));
    run(Reactor::builder(), async {
        for future in left {
            future.await.unwrap_err();
        }
    });
}
