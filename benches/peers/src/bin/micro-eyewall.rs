//! Tasks and timers of eyewall.

use std::io;
use std::pin::pin;

use futures_util::poll;
use peers::micro::{self, TIMER};

fn main() -> io::Result<()> {
    eyewall::block_on(micro::measure(spawns, timers)).map_err(io::Error::other)?
}

async fn spawns(count: u64) {
    for number in 0..count {
        let joined = eyewall::spawn(async move { number }).await;
        assert_eq!(joined.unwrap(), number);
    }
}

async fn timers(count: u64) {
    for _ in 0..count {
        let mut timer = pin!(eyewall::time::sleep(TIMER));
        assert!(poll!(&mut timer).is_pending());
    }
}
