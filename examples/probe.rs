//! Prints what of io_uring this machine's kernel offers.

use std::io::Write;
use std::process::ExitCode;

const HELP: &str = "\
Prints what of io_uring this kernel offers to this process, and whether eyewall can run here.

Usage: probe

Exit code: 0 if it can, 1 if not.
";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("-h" | "--help") => return say(HELP),
        Some(other) => {
            eprintln!("probe: unexpected argument {other:?}; see --help");
            return ExitCode::from(2);
        }
    }
    let probe = eyewall::probe();
    let said = say(&probe.to_string());
    match probe.ring {
        Ok(()) => said,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Prints; a reader that has gone is no error of ours.
fn say(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
