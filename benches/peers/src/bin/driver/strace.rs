//! Counts system calls with strace(1), in a run of its own: it slows the program down.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use peers::meter::Values;

/// How often a program made any system call, and `io_uring_enter`.
pub struct Calls {
    all: f64,
    enters: f64,
}

impl Calls {
    /// As values for each of so many requests.
    pub fn per(&self, requests: f64) -> Values {
        [
            ("syscalls", self.all / requests),
            ("enters", self.enters / requests),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

pub fn is_there() -> bool {
    let version = Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Counts the calls of a process while `work` runs.
pub fn of_process<T>(pid: u32, work: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Calls)> {
    let file = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("strace");
    command
        .args(["-f", "-c", "-p", &pid.to_string(), "-o"])
        .arg(file.path());
    let mut strace = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    wait_until_traced(pid);
    let worked = work();
    // strace detaches and writes its table on SIGINT.
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&strace),
        rustix::process::Signal::INT,
    )?;
    strace.wait()?;
    Ok((worked?, read(file.path())?))
}

/// Reads the table of `strace -c`.
pub fn read(path: &Path) -> io::Result<Calls> {
    let table = std::fs::read_to_string(path)?;
    let mut calls = Calls {
        all: 0.0,
        enters: 0.0,
    };
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, count, .., name] = fields.as_slice() else {
            continue;
        };
        let Ok(count) = count.parse::<f64>() else {
            continue;
        };
        match *name {
            "total" => calls.all = count,
            "io_uring_enter" => calls.enters = count,
            _ => {}
        }
    }
    match calls.all > 0.0 {
        true => Ok(calls),
        false => Err(io::Error::other(
            "strace counted nothing; may it trace here?",
        )),
    }
}

fn wait_until_traced(pid: u32) {
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let traced = status.lines().any(|line| {
            line.strip_prefix("TracerPid:")
                .is_some_and(|tracer| tracer.trim() != "0")
        });
        if traced {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
