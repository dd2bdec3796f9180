//! Sleeping, deadlines and intervals.
//!
//! Timers live in user space, in a wheel of the reactor; a million of them are cheap, and none costs an SQE. The
//! wheel's tick is 65.5 µs: a timer fires at its deadline or up to one tick later, never before. A duration too
//! long to be counted (such as [`Duration::MAX`](std::time::Duration::MAX)) never ends.
//!
//! ```
//! use std::time::Duration;
//! use eyewall::time::{interval, sleep, timeout};
//!
//! eyewall::block_on(async {
//!     sleep(Duration::from_millis(1)).await;
//!     let mut every = interval(Duration::from_millis(1));
//!     let three = async { for _ in 0..3 { every.tick().await; } };
//!     timeout(Duration::from_secs(60), three).await.expect("a minute is enough");
//! })?;
//! # Ok::<(), eyewall::Error>(())
//! ```

#![forbid(unsafe_code)]

mod interval;
mod sleep;
mod timeout;

pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, timeout, timeout_at};
