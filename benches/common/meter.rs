//! Measuring one round.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use eyewall::reactor::metrics;
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use super::Plan;

/// A running measurement; shared by the tasks that do the work.
pub struct Meter {
    plan: Plan,
    started: Instant,
    cpu: Duration,
    enters: u64,
    histogram: RefCell<Histogram<u32>>,
}

/// What a round took.
pub struct Round {
    pub operations: u64,
    pub elapsed: Duration,
    /// Of the reactor's thread alone.
    pub cpu: Duration,
    pub enters: u64,
    /// Nanoseconds.
    pub latencies: Histogram<u32>,
}

impl Meter {
    /// Starts now, inside of the reactor that is measured.
    pub fn start(plan: Plan) -> Rc<Meter> {
        Rc::new(Meter {
            plan,
            enters: enters(),
            histogram: RefCell::new(histogram()),
            cpu: cpu_time(),
            started: Instant::now(),
        })
    }

    /// Measures the latency of one operation after the other.
    pub fn watch(self: &Rc<Meter>) -> Watch {
        Watch {
            meter: Rc::clone(self),
            last: (!self.plan.counting).then(Instant::now),
        }
    }

    /// What has passed since the start.
    pub fn stop(&self) -> Round {
        Round {
            operations: self.plan.operations,
            elapsed: self.started.elapsed(),
            cpu: cpu_time() - self.cpu,
            enters: enters() - self.enters,
            latencies: self.histogram.borrow().clone(),
        }
    }
}

/// Sees the operations of one task end.
pub struct Watch {
    meter: Rc<Meter>,
    /// `None` if instructions are counted: reading the clock takes some.
    last: Option<Instant>,
}

impl Watch {
    /// As many operations have ended since the last call.
    pub fn lap(&mut self, operations: u64) {
        let Some(last) = self.last else { return };
        let now = Instant::now();
        let each = (now - last).as_nanos() as u64 / operations;
        self.meter.histogram.borrow_mut().saturating_record(each);
        self.last = Some(now);
    }
}

/// From a nanosecond to a minute, to three digits.
pub fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("these bounds are valid")
}

fn enters() -> u64 {
    metrics().expect("a reactor runs").enters
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
