//! Tasks and timers of a runtime, without the kernel.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const COUNT: u64 = 1_000_000;
const WARM_UP: u64 = 100_000;

/// How long the timers would run: none of them ends.
pub const TIMER: Duration = Duration::from_secs(5);

/// Prints as JSON how many nanoseconds of CPU time each took, out of a million. Both get how many to do, one after
/// the other.
pub async fn measure<S: Future, T: Future>(
    spawn_and_join: impl Fn(u64) -> S,
    create_and_drop_timer: impl Fn(u64) -> T,
) -> io::Result<()> {
    spawn_and_join(WARM_UP).await;
    let start = cpu_time();
    spawn_and_join(COUNT).await;
    let spawn = cpu_time() - start;
    create_and_drop_timer(WARM_UP).await;
    let start = cpu_time();
    create_and_drop_timer(COUNT).await;
    let timer = cpu_time() - start;
    let each = |time: Duration| time.as_nanos() as f64 / COUNT as f64;
    let values = BTreeMap::from([("spawn", each(spawn)), ("timer", each(timer))]);
    println!("{}", serde_json::to_string(&values)?);
    Ok(())
}

/// Of this thread: what else runs on the core does not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
