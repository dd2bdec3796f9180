//! The other end in a process of its own, so that its time, memory and instructions are not counted.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// This program once more, as the other end. It ends with this value, and by itself if this process ends,
/// provided that it watches its standard input.
pub struct Peer {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it; `main` asks for the [`role`](Peer::role) first thing.
    pub fn start(role: &str) -> Peer {
        let program = std::env::current_exe().expect("the path of this program");
        let mut child = Command::new(program)
            .arg(format!("{PREFIX}{role}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let output = child.stdout.take().expect("a pipe");
        Peer {
            child,
            output: BufReader::new(output),
        }
    }

    /// What this process was started for, if it is the peer.
    pub fn role() -> Option<String> {
        let arg = std::env::args().nth(1)?;
        arg.strip_prefix(PREFIX).map(str::to_owned)
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "the peer has ended");
        line.trim_end().to_owned()
    }

    /// Sends it a line, and returns its answer.
    pub fn ask(&mut self, line: &str) -> String {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{line}").expect("the peer reads");
        self.line()
    }
}

const PREFIX: &str = "--as-peer=";

impl Drop for Peer {
    fn drop(&mut self) {
        // An error: it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
