//! Tasks, timers and a ping-pong, all within one runtime.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use futures_util::poll;
use rustix::time::{ClockId, clock_gettime};

const COUNT: u64 = 1_000_000;
const PING_PONGS: u64 = 20_000;
/// How many tasks or timers there are at a time. One at a time would measure how a runtime polls its driver, not
/// what a task costs: some go to the kernel each time that the outermost future waits.
const BATCH: u64 = 1000;

/// How long the timers would run: none of them ends.
pub const TIMER: Duration = Duration::from_secs(5);

/// The length of a message that goes to and fro.
pub const PING: usize = 64;

/// What was measured, by name.
pub type Report = BTreeMap<String, f64>;

/// Measures, in nanoseconds each: spawning and joining a task (`joined` gives what the task did); creating, polling
/// and dropping a timer; sending a message to and fro between two tasks, so often.
pub async fn measure<Task: Future, Timer: Future, Game: Future>(
    spawn: impl Fn(u64) -> Task,
    joined: impl Fn(Task::Output) -> u64,
    timer: impl Fn() -> Timer,
    ping_pong: impl Fn(u64) -> Game,
) -> Report {
    let mut report = Report::new();
    for (count, part) in [(COUNT / 10, ""), (COUNT, "spawn")] {
        let clock = Clock::start();
        spawns(count, &spawn, &joined).await;
        clock.report(part, count, &mut report);
    }
    for (count, part) in [(COUNT / 10, ""), (COUNT, "timer")] {
        let clock = Clock::start();
        timers(count, &timer).await;
        clock.report(part, count, &mut report);
    }
    for (count, part) in [(PING_PONGS / 10, ""), (PING_PONGS, "ping-pong")] {
        let clock = Clock::start();
        ping_pong(count).await;
        clock.report(part, count, &mut report);
    }
    report
}

/// Measures only the ping-pong, of what has no tasks and no timers.
pub fn measure_ping_pong(ping_pong: impl Fn(u64) -> io::Result<()>) -> io::Result<Report> {
    let mut report = Report::new();
    ping_pong(PING_PONGS / 10)?;
    let clock = Clock::start();
    ping_pong(PING_PONGS)?;
    clock.report("ping-pong", PING_PONGS, &mut report);
    Ok(report)
}

/// Prints a report as JSON.
pub fn print(report: &Report) -> io::Result<()> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}

async fn spawns<Task: Future>(
    count: u64,
    spawn: impl Fn(u64) -> Task,
    joined: impl Fn(Task::Output) -> u64,
) {
    for _ in 0..count / BATCH {
        let tasks: Vec<Task> = (0..BATCH).map(&spawn).collect();
        for (number, task) in (0..).zip(tasks) {
            assert_eq!(joined(task.await), number);
        }
    }
}

async fn timers<Timer: Future>(count: u64, timer: impl Fn() -> Timer) {
    for _ in 0..count / BATCH {
        let mut timers = Vec::with_capacity(BATCH as usize);
        for _ in 0..BATCH {
            let mut timer = Box::pin(timer());
            assert!(poll!(&mut timer).is_pending());
            timers.push(timer);
        }
    }
}

/// The time of this thread on the processor, where what else runs on the core does not count, and that of the wall.
struct Clock {
    cpu: Duration,
    wall: Instant,
}

impl Clock {
    fn start() -> Clock {
        Clock {
            cpu: cpu_time(),
            wall: Instant::now(),
        }
    }

    /// Adds what has passed since the start, unless `part` has no name.
    fn report(self, part: &str, count: u64, report: &mut Report) {
        let each = |time: Duration| time.as_nanos() as f64 / count as f64;
        if !part.is_empty() {
            report.insert(part.to_owned(), each(cpu_time() - self.cpu));
            report.insert(format!("{part} wall"), each(self.wall.elapsed()));
        }
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
