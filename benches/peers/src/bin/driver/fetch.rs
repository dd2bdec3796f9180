//! Fetch: the client is measured, nginx has the other core.

use std::io;
use std::time::Duration;

use crate::args::{Args, Part};
use crate::child::{self, MEASURED};
use crate::contenders::{self, Contender, FETCH};
use crate::nginx::Nginx;
use crate::sample::{Sample, Samples};
use crate::strace;

/// What is fetched: its length, its name, and whether each GET has a connection of its own.
const FETCHES: [(usize, &str, bool); 3] = [
    (1 << 10, "1 KiB", false),
    (1 << 20, "1 MiB", false),
    (1 << 10, COLD, true),
];
pub const COLD: &str = "1 KiB with connect and close";
const CONCURRENCY: [usize; 2] = [1, 64];
const TRACED: Duration = Duration::from_millis(300);

pub fn load(body: &str, concurrency: usize) -> String {
    format!("GET of {body}, at a time: {concurrency}")
}

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    let nginx = Nginx::start(&[1 << 10, 1 << 20])?;
    for (length, body, cold) in FETCHES {
        for concurrency in CONCURRENCY {
            let mut chosen = contenders::chosen(FETCH, args);
            chosen.retain(|contender| concurrency == 1 || contender.name != "ureq");
            let load = load(body, concurrency);
            let url = nginx.url(length);
            let mut add = |contender: &Contender, round, values| {
                let (load, contender) = (load.clone(), contender.name.to_owned());
                samples.add(Sample {
                    part: Part::Fetch,
                    load,
                    contender,
                    round,
                    values,
                })
            };
            for round in 0..args.rounds {
                for contender in &chosen {
                    eprintln!("{load}, round {round}: {}", contender.name);
                    let mut client = child::pinned(MEASURED, child::program(contender.program)?);
                    client.arg(&url).arg(concurrency.to_string());
                    client.arg(args.window.as_secs_f64().to_string());
                    client.args(cold.then_some("--cold"));
                    let mut values = child::report(client.args(contender.args))?;
                    let megabytes = values["rate"] * length as f64 / 1e6;
                    values.insert("mb_s".to_owned(), megabytes);
                    add(contender, round, values)?;
                }
            }
            for contender in chosen.iter().filter(|_| strace::is_there()) {
                let table = tempfile::NamedTempFile::new()?;
                let mut client = child::pinned(MEASURED, "strace");
                client.args(["-f", "-c", "-o"]).arg(table.path());
                client
                    .arg(child::program(contender.program)?)
                    .arg(&url)
                    .arg(concurrency.to_string());
                client.arg(TRACED.as_secs_f64().to_string());
                client.args(cold.then_some("--cold"));
                let values = child::report(client.args(contender.args))?;
                let calls = strace::read(table.path())?;
                add(contender, args.rounds, calls.per(values["all_requests"]))?;
            }
        }
    }
    Ok(())
}
