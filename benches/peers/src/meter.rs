//! Counts and times the requests of a closed loop.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::process::Usage;

/// Measured values by name, as in `rate` or `cpu_us`.
pub type Values = BTreeMap<String, f64>;

/// What comes before the window, and does not count.
pub const WARM_UP: Duration = Duration::from_millis(200);

/// Counts what ends between the end of a warm-up and the end of the window, and the CPU time that a process took
/// in that time.
pub struct Meter {
    process: u32,
    window: Duration,
    begin: Instant,
    before: Option<Usage>,
    latencies: Histogram<u64>,
    warm_up_requests: u64,
    values: Option<Values>,
}

impl Meter {
    /// Begins the warm-up now; the CPU time of `process` counts.
    pub fn start(window: Duration, process: u32) -> Meter {
        Meter {
            process,
            window,
            begin: Instant::now(),
            before: None,
            latencies: Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds"),
            warm_up_requests: 0,
            values: None,
        }
    }

    pub fn is_running(&self) -> bool {
        self.values.is_none()
    }

    /// A request that began at `start` has ended `now`.
    pub fn done(&mut self, start: Instant, now: Instant) {
        let elapsed = now.duration_since(self.begin);
        match self.before {
            None => {
                self.warm_up_requests += 1;
                if elapsed >= WARM_UP {
                    self.before = Some(self.usage());
                    self.begin = Instant::now();
                }
            }
            Some(before) if self.values.is_none() => {
                self.latencies
                    .saturating_record((now - start).as_nanos() as u64);
                if elapsed >= self.window {
                    let used = self.usage().since(before);
                    self.values = Some(self.evaluate(elapsed, used));
                }
            }
            Some(_) => {}
        }
    }

    /// Prints what was measured as a line of JSON.
    ///
    /// # Errors
    ///
    /// `TimedOut` if the loop has ended before the window has.
    pub fn report(self) -> io::Result<()> {
        let values = self.values.ok_or(io::ErrorKind::TimedOut)?;
        println!("{}", serde_json::to_string(&values)?);
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage::of(self.process).expect("the measured process is there")
    }

    fn evaluate(&self, elapsed: Duration, used: Usage) -> Values {
        let requests = self.latencies.len();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / requests as f64;
        let quantile = |q| self.latencies.value_at_quantile(q) as f64 / 1e3;
        [
            ("requests", requests as f64),
            ("all_requests", (requests + self.warm_up_requests) as f64),
            ("seconds", elapsed.as_secs_f64()),
            ("rate", requests as f64 / elapsed.as_secs_f64()),
            ("cpu_us", each(used.cpu)),
            ("user_us", each(used.user())),
            ("busy", used.cpu.as_secs_f64() / elapsed.as_secs_f64()),
            ("p50_us", quantile(0.5)),
            ("p99_us", quantile(0.99)),
            ("p999_us", quantile(0.999)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// Ends a loop at once when its peer hangs, so that no process outlives its round.
pub fn watchdog(window: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(window * 3 + Duration::from_secs(20));
        eprintln!("no end after three times the window");
        std::process::exit(3);
    });
}
