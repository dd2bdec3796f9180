//! Tasks, timers and a ping-pong, within one process.

use std::io;

use crate::args::{Args, Part};
use crate::child::{self, MEASURED};
use crate::contenders::{self, MICRO};
use crate::sample::{Sample, Samples};

/// What is measured: its name in the report of a program, and as a load.
pub const LOADS: [(&str, &str); 3] = [
    ("spawn", "spawn and join a task"),
    ("timer", "create, poll and drop a timer"),
    ("ping-pong", PING_PONG),
];
pub const PING_PONG: &str = "64 B to and fro between two tasks";

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    for round in 0..args.rounds {
        for contender in contenders::chosen(MICRO, args) {
            eprintln!(
                "tasks, timers and ping-pong, round {round}: {}",
                contender.name
            );
            let program = child::program(contender.program)?;
            let values = child::report(&mut child::pinned(MEASURED, program))?;
            for (name, load) in LOADS {
                // The floor has neither tasks nor timers.
                let Some(cpu_ns) = values.get(name) else {
                    continue;
                };
                samples.add(Sample {
                    part: Part::Micro,
                    load: load.to_owned(),
                    contender: contender.name.to_owned(),
                    round,
                    values: [
                        ("ns".to_owned(), *cpu_ns),
                        ("wall_ns".to_owned(), values[&format!("{name} wall")]),
                    ]
                    .into(),
                })?;
            }
        }
    }
    Ok(())
}
