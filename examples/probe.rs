//! Prints what of io_uring this machine's kernel offers.

use std::process::ExitCode;

const HELP: &str = "\
Prints what of io_uring this kernel offers to this process, and whether eyewall can run here.

Usage: probe

Exit code: 0 if it can, 1 if not.
";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("-h" | "--help") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!("probe: unexpected argument {other:?}; see --help");
            return ExitCode::from(2);
        }
    }
    let probe = eyewall::probe();
    print!("{probe}");
    match probe.ring {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
