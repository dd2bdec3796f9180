//! A busy neighbour: a process that would use its core for itself. Prints what share of it it got.

use std::io;
use std::time::{Duration, Instant};

use peers::meter::{Values, WARM_UP, watchdog};
use peers::process::Usage;

const USAGE: &str = "usage: burn SECONDS";

fn main() -> io::Result<()> {
    let seconds = std::env::args().nth(1).expect(USAGE);
    let window = Duration::from_secs_f64(seconds.parse().expect(USAGE));
    watchdog(window);
    burn(WARM_UP);
    let before = Usage::of(std::process::id())?;
    let wall = burn(window);
    let used = Usage::of(std::process::id())?.since(before).cpu;
    let share = used.as_secs_f64() / wall.as_secs_f64();
    let values = Values::from([("share".to_owned(), share)]);
    println!("{}", serde_json::to_string(&values)?);
    Ok(())
}

/// Computes for `window`; says how long it really was.
fn burn(window: Duration) -> Duration {
    let start = Instant::now();
    let mut state = 1_u64;
    while start.elapsed() < window {
        for _ in 0..10_000 {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005));
        }
    }
    start.elapsed()
}
