//! Measures the contenders beside each other, in interleaved rounds, and prints and draws the comparison.

mod args;
mod chart;
mod child;
mod contenders;
mod echo;
mod fetch;
mod goals;
mod idle;
mod idle_client;
mod micro;
mod neighbour;
mod nginx;
mod sample;
mod strace;
mod table;
mod tls;

use std::io;
use std::process::ExitCode;

use args::{Args, Part};
use sample::Samples;

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("driver: {error}; see --help");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("driver: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    let mut samples = Samples::create(&args.out)?;
    for part in &args.parts {
        match part {
            Part::Echo => echo::run(args, &mut samples)?,
            Part::Fetch => fetch::run(args, &mut samples)?,
            Part::Tls => tls::run(args, &mut samples)?,
            Part::Micro => micro::run(args, &mut samples)?,
            Part::Idle => idle::run(args, &mut samples)?,
            Part::IdleClient => idle_client::run(args, &mut samples)?,
            Part::Neighbour => neighbour::run(args, &mut samples)?,
        }
        table::print(&samples, *part);
    }
    chart::draw_all(&samples, &args.charts)?;
    goals::print(&samples);
    Ok(())
}
