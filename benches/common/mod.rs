//! What the benches share: their arguments, the meter, the table.
//!
//! `cargo bench` runs them all in less than a minute; `cargo bench --bench net -- pooled --quick` runs a part.

// Each bench is a program of its own and uses what it needs.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

mod args;
mod meter;
mod peer;
mod table;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use args::{Args, Mode};
pub use meter::{Meter, Round, Watch};
pub use peer::Peer;

use eyewall::Reactor;

type RunningRound = Pin<Box<dyn Future<Output = Round>>>;

/// Something to measure.
pub struct Subject {
    pub name: String,
    /// How many operations a round has. They should take about a quarter of a second.
    pub operations: u64,
    /// How many of them run at a time.
    pub concurrency: u64,
    pub run: Box<dyn Fn(Plan) -> RunningRound>,
}

impl Subject {
    /// One operation at a time.
    pub fn new<F>(
        name: impl Into<String>,
        operations: u64,
        run: impl Fn(Plan) -> F + 'static,
    ) -> Subject
    where
        F: Future<Output = Round> + 'static,
    {
        Subject {
            name: name.into(),
            operations,
            concurrency: 1,
            run: Box::new(move |plan| Box::pin(run(plan))),
        }
    }

    pub fn concurrency(mut self, concurrency: usize) -> Subject {
        self.concurrency = concurrency as u64;
        self
    }
}

/// What one round does.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Operations to measure, in all.
    pub operations: u64,
    /// Operations before those, in all.
    pub warm_up: u64,
    /// Whether instructions are counted from outside, so that nothing else should be measured.
    pub counting: bool,
}

impl Plan {
    fn new(mode: Mode, subject: &Subject) -> Plan {
        let operations = match mode {
            Mode::Full => subject.operations,
            Mode::Quick => subject.operations / 10,
            Mode::Smoke => 10,
            Mode::Count(count) => count,
        };
        let operations = operations.max(subject.concurrency);
        let counting = matches!(mode, Mode::Count(_));
        Plan {
            operations,
            warm_up: match counting {
                true => 0,
                false => (operations / 10).max(subject.concurrency),
            },
            counting,
        }
    }
}

/// The `main` of a bench: runs the subjects that the arguments ask for, and prints a table.
pub fn main(about: &str, subjects: &[Subject]) {
    let args = Args::parse(about);
    if args.list {
        subjects
            .iter()
            .for_each(|subject| println!("{}", subject.name));
        return;
    }
    // The benches hold both ends of up to 1,000 connections.
    let _ = rlimit::increase_nofile_limit(4096);
    let exact = subjects
        .iter()
        .any(|subject| args.is_exactly(&subject.name));
    let chosen = subjects.iter().filter(|subject| match exact {
        true => args.is_exactly(&subject.name),
        false => args.selects(&subject.name),
    });
    let mut table = table::Table::new(about);
    for subject in chosen {
        let rounds: Vec<Round> = (0..args.rounds()).map(|_| round(&args, subject)).collect();
        match args.mode {
            Mode::Count(count) => println!("{} {count}", subject.name),
            Mode::Smoke => println!("{} works", subject.name),
            Mode::Full | Mode::Quick => table.row(&subject.name, &rounds),
        }
    }
}

fn round(args: &Args, subject: &Subject) -> Round {
    let mut builder = Reactor::builder();
    if !args.spin {
        builder = builder.spin(Duration::ZERO);
    }
    let reactor = builder.build().expect("a reactor");
    let plan = Plan::new(args.mode, subject);
    reactor
        .block_on((subject.run)(plan))
        .expect("the ring works")
}
