//! Echo: the server is measured, the generator has the other core.

use std::io;
use std::time::Duration;

use peers::meter::Values;

use crate::args::{Args, Part};
use crate::child::{self, OTHER, Server};
use crate::contenders::{self, Contender, ECHO};
use crate::sample::{Sample, Samples};
use crate::strace;

const CONNECTIONS: [usize; 3] = [1, 64, 1000];
const TRACED: Duration = Duration::from_millis(300);

pub fn load(connections: usize) -> String {
    format!("echo of 64 B, connections: {connections}")
}

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    let chosen = contenders::chosen(ECHO, args);
    for connections in CONNECTIONS {
        let mut add = |contender: &Contender, round, values| {
            samples.add(Sample {
                part: Part::Echo,
                load: load(connections),
                contender: contender.name.to_owned(),
                round,
                values,
            })
        };
        for round in 0..args.rounds {
            for contender in &chosen {
                eprintln!("{}, round {round}: {}", load(connections), contender.name);
                let server = Server::start(contender.program, contender.args)?;
                add(
                    contender,
                    round,
                    generate(&server, connections, args.window)?,
                )?;
            }
        }
        for contender in chosen.iter().filter(|_| strace::is_there()) {
            let server = Server::start(contender.program, contender.args)?;
            let work = || generate(&server, connections, TRACED);
            let (values, calls) = strace::of_process(server.pid(), work)?;
            add(contender, args.rounds, calls.per(values["all_requests"]))?;
        }
    }
    Ok(())
}

pub fn generate(server: &Server, connections: usize, window: Duration) -> io::Result<Values> {
    let mut generator = child::pinned(OTHER, child::program("gen")?);
    generator.arg(&server.address).arg(connections.to_string());
    generator.arg(window.as_secs_f64().to_string());
    child::report(generator.arg(server.pid().to_string()))
}
