//! Memory of a client for each idle connection that it keeps: slopes from 1,000 to 10,000, plain and with TLS.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::process::{ChildStdout, Stdio};

use peers::meter::Values;

use crate::args::{Args, Part};
use crate::child::{self, MEASURED};
use crate::contenders::{self, Contender, IDLE_CLIENT, SESSIONS};
use crate::idle::{FEW, MANY, ROUNDS, allow_files};
use crate::nginx::Nginx;
use crate::sample::{Sample, Samples};

pub const PLAIN: &str = "memory of an idle connection of a client";
pub const TLS: &str = "memory of an idle connection of a client, with TLS";
const LENGTH: usize = 1 << 10;

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    allow_files(MANY as u64)?;
    let nginx = Nginx::start(&[LENGTH])?;
    let clients = contenders::chosen(IDLE_CLIENT, args);
    let sessions = contenders::chosen(SESSIONS, args);
    let trust: Vec<OsString> = vec!["--trust".into(), nginx.authority().into()];
    for (load, url, trust, contenders) in [
        (PLAIN, nginx.url(LENGTH), vec![], clients.clone()),
        (
            TLS,
            nginx.secure_url(LENGTH),
            trust,
            [clients, sessions].concat(),
        ),
    ] {
        for round in 0..ROUNDS.min(args.rounds) {
            for contender in &contenders {
                eprintln!("{load}, round {round}: {}", contender.name);
                samples.add(Sample {
                    part: Part::IdleClient,
                    load: load.to_owned(),
                    contender: contender.name.to_owned(),
                    round,
                    values: slope(contender, &url, &trust)?,
                })?;
            }
        }
    }
    Ok(())
}

fn slope(contender: &Contender, url: &str, trust: &[OsString]) -> io::Result<Values> {
    // Ends it in any case after some minutes.
    const SECONDS: &str = "60";
    let mut command = child::pinned(MEASURED, child::program(contender.program)?);
    command
        .args([url, "1", SECONDS, "--hold"])
        .args(trust)
        .args(contender.args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = command.spawn()?;
    let mut ask = client.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(client.stdout.take().expect("a pipe")).lines();
    let mut with = |count: usize| -> io::Result<Values> {
        writeln!(ask, "{count}")?;
        answer(&mut answers)
    };
    let measured = with(FEW).and_then(|few| Ok((few, with(MANY)?)));
    drop(ask);
    client.wait()?;
    let (few, many) = measured?;
    let each = |name: &str| (many[name] - few[name]) / (MANY - FEW) as f64;
    Ok([
        ("bytes", each("rss")),
        ("heap", each("heap")),
        ("rss", many["rss"]),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into())
}

fn answer(answers: &mut Lines<BufReader<ChildStdout>>) -> io::Result<Values> {
    let line = answers.next().transpose()?;
    let line = line.ok_or_else(|| io::Error::other("the client has ended"))?;
    Ok(serde_json::from_str(&line)?)
}
