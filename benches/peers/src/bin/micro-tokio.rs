//! Tasks and timers of tokio.

use std::io;
use std::pin::pin;

use futures_util::poll;
use peers::micro::{self, TIMER};

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(micro::measure(spawns, timers))
}

async fn spawns(count: u64) {
    for number in 0..count {
        let joined = tokio::spawn(async move { number }).await;
        assert_eq!(joined.unwrap(), number);
    }
}

async fn timers(count: u64) {
    for _ in 0..count {
        let mut timer = pin!(tokio::time::sleep(TIMER));
        assert!(poll!(&mut timer).is_pending());
    }
}
