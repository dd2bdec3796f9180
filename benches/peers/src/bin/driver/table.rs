//! The comparison as text.

use crate::args::Part;
use crate::sample::{Samples, Spread};

/// A value: name, heading, and how many digits after the point.
type Column = (&'static str, &'static str, usize);

/// The values of a fetch. The last is how much of its core the origin had while the client ran; an echo has none.
const OF_FETCH: [Column; 7] = [
    ("p50_us", "p50 us", 1),
    ("p99_us", "p99 us", 1),
    ("p999_us", "p99.9 us", 1),
    ("user_us", "user us", 2),
    ("syscalls", "syscalls", 2),
    ("enters", "enters", 2),
    ("origin_busy", "origin", 2),
];

/// The values of a part.
fn columns(part: Part) -> &'static [Column] {
    match part {
        Part::Echo => &OF_FETCH[..OF_FETCH.len() - 1],
        Part::Fetch | Part::Tls => &OF_FETCH,
        Part::Micro | Part::Idle | Part::IdleClient | Part::Neighbour => &[],
    }
}

/// What the rows are ranked by beside the first.
fn leading(part: Part) -> &'static [Column] {
    match part {
        Part::Echo | Part::Fetch | Part::Tls => {
            &[("rate", "requests/s", 0), ("cpu_us", "CPU us", 2)]
        }
        Part::Micro => &[("ns", "CPU ns each", 1), ("wall_ns", "wall ns", 1)],
        Part::Idle => &[("bytes", "bytes each", 0)],
        Part::IdleClient => &[("bytes", "bytes each", 0), ("heap", "heap each", 0)],
        Part::Neighbour => &[("share", "its share", 3), ("rate", "requests/s", 0)],
    }
}

pub fn print(samples: &Samples, part: Part) {
    for load in samples.loads(part) {
        let contenders = samples.contenders(part, load);
        let first = contenders[0];
        print!("\n{load}\n{:<16}", "");
        for (_, heading, _) in leading(part) {
            print!("{heading:>12}{:>20}{:>8}", "min-max", "ratio");
        }
        for (_, heading, _) in columns(part) {
            print!("{heading:>10}");
        }
        println!();
        for contender in contenders {
            print!("{contender:<16}");
            for (name, _, digits) in leading(part) {
                let spread = samples.spread(part, load, contender, name);
                let ratio = samples.ratio(part, load, [contender, first], name);
                print!(
                    "{:>12}{:>20}{:>8}",
                    number(spread.map(|s| s.median), *digits),
                    range(spread, *digits),
                    number(ratio, 2)
                );
            }
            for (name, _, digits) in columns(part) {
                print!(
                    "{:>10}",
                    number(samples.median(part, load, contender, name), *digits)
                );
            }
            println!();
        }
    }
}

fn range(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |s| format!("{:.digits$}-{:.digits$}", s.least, s.greatest),
    )
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}
