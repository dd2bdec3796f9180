//! What a busy process on the core of the echo server keeps of it: a reactor that spins must not take it away.

use std::io;
use std::thread;

use crate::args::{Args, Part};
use crate::child::{self, MEASURED, Server};
use crate::contenders::{self, NEIGHBOUR};
use crate::echo;
use crate::sample::{Sample, Samples};

pub const IDLE: &str = "busy neighbour of an idle echo server";
pub const ONE: &str = "busy neighbour of an echo of 64 B, connections: 1";

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    for load in [IDLE, ONE] {
        for round in 0..args.rounds {
            for contender in contenders::chosen(NEIGHBOUR, args) {
                eprintln!("{load}, round {round}: {}", contender.name);
                let server = Server::start(contender.program, contender.args)?;
                let mut burn = child::pinned(MEASURED, child::program("burn")?);
                burn.arg(args.window.as_secs_f64().to_string());
                let values = thread::scope(|scope| {
                    let neighbour = scope.spawn(|| child::report(&mut burn));
                    let mut values = match load {
                        ONE => echo::generate(&server, 1, args.window)?,
                        _ => Default::default(),
                    };
                    let neighbour = neighbour.join().expect("the thread does not panic");
                    values.extend(neighbour?);
                    io::Result::Ok(values)
                })?;
                samples.add(Sample {
                    part: Part::Neighbour,
                    load: load.to_owned(),
                    contender: contender.name.to_owned(),
                    round,
                    values,
                })?;
            }
        }
    }
    Ok(())
}
