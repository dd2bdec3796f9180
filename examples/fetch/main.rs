//! Fetches URLs as curl does; without a URL, a page from a server that it starts itself.
//!
//! ```text
//! cargo run --release --example fetch
//! cargo run --release --example fetch -- -i http://127.0.0.1:8080/
//! ```
//!
//! | file | job |
//! | --- | --- |
//! | `args/` | the command line |
//! | `client.rs` | the client that all transfers share |
//! | `run.rs` | all transfers: one after the other, or many at once |
//! | `transfer.rs` | one transfer |
//! | `upload.rs`, `output.rs`, `stdout.rs` | what it sends, and where its body goes |
//! | `record.rs` | what is known of it |
//! | `standard.rs` | the standard input and error |
//! | `progress.rs`, `verbose.rs`, `write_out/` | what is said about it |
//! | `code.rs` | exit codes |
//! | `demo.rs` | without a URL |

mod args;
mod client;
mod code;
mod demo;
mod output;
mod progress;
mod record;
mod run;
mod standard;
mod stdout;
mod transfer;
mod upload;
mod verbose;
mod write_out;

use std::io::{self, Write};
use std::process::ExitCode;

use code::Failure;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(args) => args,
        Err(failure) => {
            complain(&failure);
            if failure.code == code::USAGE {
                standard::say("fetch: try --help\n");
            }
            return ExitCode::from(failure.code);
        }
    };
    if args.help {
        say(args::HELP);
        return ExitCode::SUCCESS;
    }
    if args.version {
        say(&args::version());
        return ExitCode::SUCCESS;
    }
    let ran = eyewall::block_on(async {
        match args.is_empty {
            true => demo::run().await,
            false => run::all(args).await,
        }
    });
    match ran {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(failure)) => {
            complain(&failure);
            ExitCode::from(failure.code)
        }
        Err(error) => {
            standard::say(&format!("fetch: {error}\n"));
            ExitCode::from(code::USAGE)
        }
    }
}

fn complain(failure: &Failure) {
    standard::say(&failure.line());
}

/// Prints to the standard output; a reader that has gone is no error of ours.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stdout().flush();
}
