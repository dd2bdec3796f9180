//! The reactor alone: a round through the ring, and a wake from another thread.

#![forbid(unsafe_code)]

mod common;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Poll, Waker};

use common::{Meter, Plan, Round, Subject};
use eyewall::reactor::nop;
use futures_util::future::join_all;

fn main() {
    common::main(
        "The reactor: nop, and a waker that is called on another thread and wakes the reactor (there and back)",
        &[
            Subject::new("nop/1", 200_000, one_nop_at_a_time),
            Subject::new("nop/64", 1_000_000, many_nops_at_a_time).concurrency(64),
            Subject::new("wake", 10_000, wakes),
        ],
    );
}

async fn one_nop_at_a_time(plan: Plan) -> Round {
    for _ in 0..plan.warm_up {
        nop().await.unwrap();
    }
    let meter = Meter::start(plan);
    let mut watch = meter.watch();
    for _ in 0..plan.operations {
        nop().await.unwrap();
        watch.lap(1);
    }
    meter.stop()
}

async fn many_nops_at_a_time(plan: Plan) -> Round {
    async fn nops(count: u64, meter: &std::rc::Rc<Meter>) {
        let tasks = (0..64).map(|_| {
            let mut watch = meter.watch();
            eyewall::spawn(async move {
                for _ in 0..count / 64 {
                    nop().await.unwrap();
                    watch.lap(1);
                }
            })
        });
        join_all(tasks).await;
    }
    nops(plan.warm_up, &Meter::start(plan)).await;
    let meter = Meter::start(plan);
    nops(plan.operations, &meter).await;
    meter.stop()
}

/// Another thread that calls the wakers it is sent. The time is that of two wake-ups: of that thread by the
/// channel, and of the reactor by the waker.
async fn wakes(plan: Plan) -> Round {
    let (sender, receiver) = mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let thread = std::thread::spawn(move || {
        for (waker, called) in receiver {
            called.store(true, Ordering::Release);
            waker.wake();
        }
    });
    let there_and_back = async || {
        let called = Arc::new(AtomicBool::new(false));
        let mut sent = false;
        poll_fn(|cx| {
            if called.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut sent, true) {
                let item = (cx.waker().clone(), Arc::clone(&called));
                sender.send(item).expect("the thread runs");
            }
            Poll::Pending
        })
        .await;
    };
    for _ in 0..plan.warm_up {
        there_and_back().await;
    }
    let meter = Meter::start(plan);
    let mut watch = meter.watch();
    for _ in 0..plan.operations {
        there_and_back().await;
        watch.lap(1);
    }
    let round = meter.stop();
    drop(sender);
    thread.join().expect("the thread ends");
    round
}
