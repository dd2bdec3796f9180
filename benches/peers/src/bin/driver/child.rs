//! Programs started for a measurement. They end with this process, whatever ends it.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use peers::meter::Values;

/// What is measured has a core of its own, and so has what it talks to.
pub const MEASURED: &str = "0";
pub const OTHER: &str = "1";

/// A program of this package, which lies beside this one.
pub fn program(name: &str) -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    match path.exists() {
        true => Ok(path),
        false => Err(io::Error::other(format!("{} is not built", path.display()))),
    }
}

/// A command that runs `program` on the given core; the process keeps its id.
pub fn pinned(core: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program).stdin(Stdio::null());
    // SAFETY: prctl(2) is async-signal-safe and touches no memory.
    unsafe {
        command.pre_exec(
            || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            },
        );
    }
    command
}

/// Runs a command that prints one line of JSON and ends.
pub fn report(command: &mut Command) -> io::Result<Values> {
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), serde_json::from_str(text.trim())) {
        (true, Ok(values)) => Ok(values),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io::Error::other(format!(
                "{command:?} failed ({}): {said}",
                output.status
            )))
        }
    }
}

/// A server that runs until this is dropped.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    /// Starts a program that prints its address.
    pub fn start(name: &str, args: &[&str]) -> io::Result<Server> {
        let mut command = pinned(MEASURED, program(name)?);
        let child = command.args(args).stdout(Stdio::piped()).spawn()?;
        let mut server = Server {
            child,
            address: String::new(),
        };
        let stdout = server.child.stdout.take().expect("a pipe");
        BufReader::new(stdout.take(100)).read_line(&mut server.address)?;
        server.address.truncate(server.address.trim_end().len());
        match server.address.is_empty() {
            true => Err(io::Error::other(format!("{name} did not start"))),
            false => Ok(server),
        }
    }

    /// Takes over a server that says nothing of itself.
    pub fn of(child: Child, address: String) -> Server {
        Server { child, address }
    }

    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
