//! Fetch: the client is measured, nginx has the other core.

use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use peers::meter::Values;
use peers::process::Usage;

use crate::args::{Args, Part};
use crate::child::{self, MEASURED};
use crate::contenders::{self, Contender, FETCH};
use crate::nginx::Nginx;
use crate::sample::{Sample, Samples};
use crate::strace;

pub const COLD: &str = "1 KiB with connect and close";
pub const CONCURRENCY: [usize; 2] = [1, 64];
const TRACED: Duration = Duration::from_millis(300);

pub fn load(body: &str, concurrency: usize) -> String {
    format!("GET of {body}, at a time: {concurrency}")
}

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    let nginx = Nginx::start(&[1 << 10, 1 << 20])?;
    let plain = |length| Fetch {
        part: Part::Fetch,
        origin: nginx.pid(),
        url: nginx.url(length),
        length,
        options: Vec::new(),
    };
    let cold = Fetch {
        options: vec!["--cold".into()],
        ..plain(1 << 10)
    };
    for (body, fetch) in [
        ("1 KiB", plain(1 << 10)),
        ("1 MiB", plain(1 << 20)),
        (COLD, cold),
    ] {
        for concurrency in CONCURRENCY {
            let mut chosen = contenders::chosen(FETCH, args);
            chosen.retain(|contender| concurrency == 1 || contender.name != "ureq");
            fetch.run(
                args,
                &load(body, concurrency),
                concurrency,
                &chosen,
                samples,
            )?;
        }
    }
    Ok(())
}

/// What is fetched, and how.
pub struct Fetch {
    pub part: Part,
    /// The process that serves it.
    pub origin: u32,
    pub url: String,
    pub length: usize,
    /// For every client.
    pub options: Vec<OsString>,
}

impl Fetch {
    pub fn run(
        &self,
        args: &Args,
        load: &str,
        concurrency: usize,
        contenders: &[&Contender],
        samples: &mut Samples,
    ) -> io::Result<()> {
        let mut add = |contender: &Contender, round, values| {
            samples.add(Sample {
                part: self.part,
                load: load.to_owned(),
                contender: contender.name.to_owned(),
                round,
                values,
            })
        };
        for round in 0..args.rounds {
            for contender in contenders {
                eprintln!("{load}, round {round}: {}", contender.name);
                let client = child::pinned(MEASURED, child::program(contender.program)?);
                let (before, start) = (Usage::of(self.origin)?, Instant::now());
                let mut values = self.report(client, concurrency, args.window, contender)?;
                let lasted = start.elapsed().as_secs_f64();
                let served = Usage::of(self.origin)?.since(before).cpu.as_secs_f64();
                let megabytes = values["rate"] * self.length as f64 / 1e6;
                values.insert("mb_s".to_owned(), megabytes);
                values.insert("origin_busy".to_owned(), served / lasted);
                add(contender, round, values)?;
            }
        }
        for contender in contenders.iter().filter(|_| strace::is_there()) {
            let table = tempfile::NamedTempFile::new()?;
            let mut client = child::pinned(MEASURED, "strace");
            client.args(["-f", "-c", "-o"]).arg(table.path());
            client.arg(child::program(contender.program)?);
            let values = self.report(client, concurrency, TRACED, contender)?;
            let calls = strace::read(table.path())?;
            add(contender, args.rounds, calls.per(values["all_requests"]))?;
        }
        Ok(())
    }

    /// Runs a client whose arguments are still to come.
    fn report(
        &self,
        mut client: Command,
        concurrency: usize,
        window: Duration,
        contender: &Contender,
    ) -> io::Result<Values> {
        client.arg(&self.url).arg(concurrency.to_string());
        client.arg(window.as_secs_f64().to_string());
        child::report(client.args(&self.options).args(contender.args))
    }
}
