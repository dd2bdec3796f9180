//! The command line.

use std::path::PathBuf;
use std::time::Duration;

const HELP: &str = "\
Measures eyewall, hand-written loops and other runtimes beside each other.

Usage: scripts/bench.sh [OPTIONS]

  --short            three rounds of 0.3 s instead of five of 1 s
  --rounds N         so many rounds
  --seconds S        so long each, after a warm-up of 0.2 s
  --parts LIST       of echo,fetch,tls,micro,idle,idle-client,neighbour (all)
  --contenders LIST  of the names in the tables, as in floor,tokio,eyewall (all)
  --out DIR          where results.jsonl goes (target/peers)
  --charts DIR       where the charts go (docs/charts)
  -h, --help         this
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Echo,
    Fetch,
    Tls,
    Micro,
    Idle,
    IdleClient,
    Neighbour,
}

impl Part {
    pub const ALL: [Part; 7] = [
        Part::Echo,
        Part::Fetch,
        Part::Tls,
        Part::Micro,
        Part::Idle,
        Part::IdleClient,
        Part::Neighbour,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Part::Echo => "echo",
            Part::Fetch => "fetch",
            Part::Tls => "tls",
            Part::Micro => "micro",
            Part::Idle => "idle",
            Part::IdleClient => "idle-client",
            Part::Neighbour => "neighbour",
        }
    }
}

pub struct Args {
    pub rounds: usize,
    pub window: Duration,
    pub parts: Vec<Part>,
    contenders: Vec<String>,
    pub out: PathBuf,
    pub charts: PathBuf,
}

impl Args {
    /// `None` where only help was wanted, which is printed then.
    pub fn parse() -> Result<Option<Args>, lexopt::Error> {
        use lexopt::prelude::*;
        let (mut short, mut rounds, mut seconds, mut charts) = (false, None, None, None);
        let mut parts = Part::ALL.to_vec();
        let mut contenders = Vec::new();
        let mut out = PathBuf::from("target/peers");
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("short") => short = true,
                Long("rounds") => rounds = Some(parser.value()?.parse()?),
                Long("seconds") => seconds = Some(parser.value()?.parse()?),
                Long("parts") => {
                    let list = parser.value()?.string()?;
                    parts = list.split(',').map(part).collect::<Result<_, _>>()?;
                }
                Long("contenders") => {
                    let list = parser.value()?.string()?;
                    contenders = list.split(',').map(str::to_owned).collect();
                }
                Long("out") => out = parser.value()?.into(),
                Long("charts") => charts = Some(parser.value()?.into()),
                Short('h') | Long("help") => {
                    print!("{HELP}");
                    return Ok(None);
                }
                other => return Err(other.unexpected()),
            }
        }
        let seconds: f64 = seconds.unwrap_or(if short { 0.3 } else { 1.0 });
        if !(0.05..=60.0).contains(&seconds) {
            return Err("--seconds is from 0.05 to 60".into());
        }
        let rounds = rounds.unwrap_or(if short { 3 } else { 5 });
        if !(1..=1000).contains(&rounds) {
            return Err("--rounds is from 1 to 1000".into());
        }
        Ok(Some(Args {
            rounds,
            window: Duration::from_secs_f64(seconds),
            parts,
            contenders,
            charts: charts.unwrap_or_else(|| PathBuf::from("docs/charts")),
            out,
        }))
    }

    pub fn selects(&self, contender: &str) -> bool {
        self.contenders.is_empty() || self.contenders.iter().any(|name| name == contender)
    }
}

fn part(name: &str) -> Result<Part, lexopt::Error> {
    let known = Part::ALL.into_iter().find(|part| part.name() == name);
    known.ok_or_else(|| {
        let names = Part::ALL.map(Part::name).join(", ");
        format!("{name:?} is none of the parts {names}").into()
    })
}
