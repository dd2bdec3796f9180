//! Tasks and timers of monoio.

use std::io;
use std::pin::pin;

use futures_util::poll;
use peers::micro::{self, TIMER};

fn main() -> io::Result<()> {
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
        .enable_timer()
        .build()?;
    runtime.block_on(micro::measure(spawns, timers))
}

async fn spawns(count: u64) {
    for number in 0..count {
        let joined = monoio::spawn(async move { number }).await;
        assert_eq!(joined, number);
    }
}

async fn timers(count: u64) {
    for _ in 0..count {
        let mut timer = pin!(monoio::time::sleep(TIMER));
        assert!(poll!(&mut timer).is_pending());
    }
}
