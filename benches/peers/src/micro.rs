//! Tasks and timers of a runtime, without the kernel.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{future::Future, io};

const COUNT: u64 = 1_000_000;
const WARM_UP: u64 = 100_000;

/// How long the timers would run: none of them ends.
pub const TIMER: Duration = Duration::from_secs(5);

/// Prints as JSON how many nanoseconds each took, out of a million. Both get how many to do, one after the other.
pub async fn measure<S: Future, T: Future>(
    spawn_and_join: impl Fn(u64) -> S,
    create_and_drop_timer: impl Fn(u64) -> T,
) -> io::Result<()> {
    spawn_and_join(WARM_UP).await;
    let start = Instant::now();
    spawn_and_join(COUNT).await;
    let spawn = start.elapsed();
    create_and_drop_timer(WARM_UP).await;
    let start = Instant::now();
    create_and_drop_timer(COUNT).await;
    let timer = start.elapsed();
    let each = |time: Duration| time.as_nanos() as f64 / COUNT as f64;
    let values = BTreeMap::from([("spawn", each(spawn)), ("timer", each(timer))]);
    println!("{}", serde_json::to_string(&values)?);
    Ok(())
}
