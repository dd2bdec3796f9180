//! Memory of the server for each idle connection: the slope of its RSS from 1,000 to 10,000.

use std::io::{self, BufRead, BufReader, Write};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use peers::meter::Values;
use peers::process;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::{Args, Part};
use crate::child::{self, OTHER, Server};
use crate::contenders::{self, ECHO};
use crate::sample::{Sample, Samples};

pub const LOAD: &str = "memory of an idle connection";
pub const FEW: usize = 1000;
pub const MANY: usize = 10_000;
/// Descriptors for other things.
const OTHERS: u64 = 100;
/// It hardly varies.
pub const ROUNDS: usize = 2;

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    allow_files(MANY as u64)?;
    let mut chosen = contenders::chosen(ECHO, args);
    chosen.retain(|contender| !contender.name.ends_with("-spin"));
    for round in 0..ROUNDS.min(args.rounds) {
        for contender in &chosen {
            eprintln!("{LOAD}, round {round}: {}", contender.name);
            let server = Server::start(contender.program, contender.args)?;
            samples.add(Sample {
                part: Part::Idle,
                load: LOAD.to_owned(),
                contender: contender.name.to_owned(),
                round,
                values: slope(&server)?,
            })?;
        }
    }
    Ok(())
}

fn slope(server: &Server) -> io::Result<Values> {
    let mut command = child::pinned(OTHER, child::program("hold")?);
    command
        .arg(&server.address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut holder = command.spawn()?;
    let mut ask = holder.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(holder.stdout.take().expect("a pipe")).lines();
    let mut resident_with = |count: usize| -> io::Result<u64> {
        writeln!(ask, "{count}")?;
        let answer = answers.next().transpose()?;
        if answer != Some(count.to_string()) {
            return Err(io::Error::other("the connections could not be opened"));
        }
        // What the server still does after the last echo.
        sleep(Duration::from_millis(100));
        process::resident(server.pid())
    };
    let measured = resident_with(FEW).and_then(|few| Ok((few, resident_with(MANY)?)));
    drop(ask);
    holder.wait()?;
    let (few, many) = measured?;
    let each = (many as f64 - few as f64) / (MANY - FEW) as f64;
    Ok([("bytes", each), ("rss", many as f64)]
        .map(|(name, value)| (name.to_owned(), value))
        .into())
}

/// Raises the limit of open files for so many connections; the programs inherit it.
pub fn allow_files(connections: u64) -> io::Result<()> {
    let wanted = connections + OTHERS;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|current| current < wanted) {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: now.maximum,
            },
        )?;
    }
    Ok(())
}
