//! Tasks and timers of compio.

use std::io;
use std::pin::pin;

use futures_util::poll;
use peers::micro::{self, TIMER};

fn main() -> io::Result<()> {
    let runtime = compio::runtime::Runtime::new()?;
    runtime.block_on(micro::measure(spawns, timers))
}

async fn spawns(count: u64) {
    for number in 0..count {
        let joined = compio::runtime::spawn(async move { number }).await;
        assert_eq!(joined.expect("no panic"), number);
    }
}

async fn timers(count: u64) {
    for _ in 0..count {
        let mut timer = pin!(compio::time::sleep(TIMER));
        assert!(poll!(&mut timer).is_pending());
    }
}
