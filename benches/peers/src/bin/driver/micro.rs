//! Tasks and timers, without the kernel.

use std::io;

use crate::args::{Args, Part};
use crate::child::{self, MEASURED};
use crate::contenders::{self, MICRO};
use crate::sample::{Sample, Samples};

/// What is measured: its name in the report of a program, and as a load.
pub const LOADS: [(&str, &str); 2] = [
    ("spawn", "spawn and join a task"),
    ("timer", "create, poll and drop a timer"),
];

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    for round in 0..args.rounds {
        for contender in contenders::chosen(MICRO, args) {
            eprintln!("tasks and timers, round {round}: {}", contender.name);
            let program = child::program(contender.program)?;
            let values = child::report(&mut child::pinned(MEASURED, program))?;
            for (name, load) in LOADS {
                samples.add(Sample {
                    part: Part::Micro,
                    load: load.to_owned(),
                    contender: contender.name.to_owned(),
                    round,
                    values: [("ns".to_owned(), values[name])].into(),
                })?;
            }
        }
    }
    Ok(())
}
