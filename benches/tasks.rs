//! Tasks and timers, without the kernel.

#![forbid(unsafe_code)]

mod common;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use common::{Meter, Plan, Round, Subject, Watch};
use eyewall::time::sleep;

/// An operation takes about as long as reading the clock, so that the clock is read once for so many.
const BATCH: u64 = 1000;

fn main() {
    common::main(
        "Tasks: spawn and join, create and cancel a timer (latencies are means of batches of 1,000)",
        &[
            Subject::new("spawn", 1_000_000, spawn_and_join),
            Subject::new("spawn/in-task", 1_000_000, spawn_and_join_in_a_task),
            Subject::new("timer", 1_000_000, create_and_cancel),
        ],
    );
}

/// From the future of `block_on`.
async fn spawn_and_join(plan: Plan) -> Round {
    spawns(plan.warm_up, Meter::start(plan).watch()).await;
    let meter = Meter::start(plan);
    spawns(plan.operations, meter.watch()).await;
    meter.stop()
}

/// From a task.
async fn spawn_and_join_in_a_task(plan: Plan) -> Round {
    eyewall::spawn(spawn_and_join(plan)).await.unwrap()
}

async fn spawns(count: u64, mut watch: Watch) {
    for number in 1..=count {
        let task = eyewall::spawn(async move { number });
        assert_eq!(task.await.unwrap(), number);
        if number.is_multiple_of(BATCH) {
            watch.lap(BATCH);
        }
    }
}

async fn create_and_cancel(plan: Plan) -> Round {
    timers(plan.warm_up, Meter::start(plan).watch()).await;
    let meter = Meter::start(plan);
    timers(plan.operations, meter.watch()).await;
    meter.stop()
}

async fn timers(count: u64, mut watch: Watch) {
    for number in 1..=count {
        let mut timer = sleep(Duration::from_secs(5));
        let started = poll_fn(|cx| Poll::Ready(Pin::new(&mut timer).poll(cx).is_pending())).await;
        assert!(started);
        drop(timer);
        if number.is_multiple_of(BATCH) {
            watch.lap(BATCH);
        }
    }
}
