//! What a process has used, read from proc(5).

use std::time::Duration;
use std::{fs, io};

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// On the processor, all threads.
    pub cpu: Duration,
    /// Ticks in user space and in the kernel: samples, so that only their ratio over a long time means much.
    pub user_ticks: u64,
    pub system_ticks: u64,
}

impl Usage {
    pub fn of(pid: u32) -> io::Result<Usage> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may have spaces; the 14th and 15th field are the 12th and 13th after it.
        let mut fields = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .skip(11);
        Ok(Usage {
            cpu: cpu_time(pid)?,
            user_ticks: number(fields.next())?,
            system_ticks: number(fields.next())?,
        })
    }

    pub fn since(self, before: Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(before.cpu),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
        }
    }

    /// The part of `cpu` that was spent in user space, as far as the ticks tell.
    pub fn user(self) -> Duration {
        let ticks = self.user_ticks + self.system_ticks;
        if ticks == 0 {
            return Duration::ZERO;
        }
        self.cpu.mul_f64(self.user_ticks as f64 / ticks as f64)
    }
}

/// The bytes of memory that a process has in use.
pub fn resident(pid: u32) -> io::Result<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    Ok(number(statm.split(' ').nth(1))? * rustix::param::page_size() as u64)
}

/// As a clock, it is exact: proc(5) lags behind by up to a tick for what is running.
fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut clock = 0;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both calls write into the given place, and the second uses what the first has given.
    let failed = unsafe {
        match libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) {
            0 => libc::clock_gettime(clock, &mut time) != 0,
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

fn number(field: Option<&str>) -> io::Result<u64> {
    field
        .and_then(|field| field.trim().parse().ok())
        .ok_or_else(|| io::Error::other("/proc has another form than expected"))
}
