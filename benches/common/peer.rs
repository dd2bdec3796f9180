//! The other end in a process of its own, so that its time, memory and instructions are not counted.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// This program once more, as the other end; ends with the value, and by itself if this process ends.
pub struct Peer {
    child: Child,
}

impl Peer {
    /// Starts it. A bench calls [`role`] first thing, and does there what `role` asks for.
    pub fn start(role: &str) -> Peer {
        let program = std::env::current_exe().expect("the path of this program");
        let child = Command::new(program)
            .arg(format!("--as-{role}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        Peer { child }
    }

    /// Whether this process is the peer in this role.
    pub fn is(role: &str) -> bool {
        std::env::args().nth(1) == Some(format!("--as-{role}"))
    }

    /// The first line that it prints.
    pub fn first_line(&mut self) -> String {
        let stdout = self.child.stdout.take().expect("the first call");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Sends it a line.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{line}").expect("the peer reads");
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // An error: it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
