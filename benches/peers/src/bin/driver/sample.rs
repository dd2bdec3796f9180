//! What was measured: one sample for each contender, load and round.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use peers::meter::Values;
use serde_json::json;

use crate::args::Part;

pub struct Sample {
    pub part: Part,
    /// As in `64 connections`.
    pub load: String,
    pub contender: String,
    pub round: usize,
    pub values: Values,
}

pub struct Samples {
    file: File,
    all: Vec<Sample>,
}

impl Samples {
    /// Begins an empty `results.jsonl` in a directory, which is made.
    pub fn create(directory: &Path) -> io::Result<Samples> {
        fs::create_dir_all(directory)?;
        let file = File::create(directory.join("results.jsonl"))?;
        Ok(Samples {
            file,
            all: Vec::new(),
        })
    }

    pub fn add(&mut self, sample: Sample) -> io::Result<()> {
        let line = json!({
            "part": sample.part.name(),
            "load": sample.load,
            "contender": sample.contender,
            "round": sample.round,
            "values": sample.values,
        });
        writeln!(self.file, "{line}")?;
        self.all.push(sample);
        Ok(())
    }

    /// The loads of a part, in the order in which they were run.
    pub fn loads(&self, part: Part) -> Vec<&str> {
        distinct(
            self.all
                .iter()
                .filter(|sample| sample.part == part)
                .map(|sample| &sample.load),
        )
    }

    pub fn contenders(&self, part: Part, load: &str) -> Vec<&str> {
        let of_load = self
            .all
            .iter()
            .filter(|sample| sample.part == part && sample.load == load);
        distinct(of_load.map(|sample| &sample.contender))
    }

    /// The values of a name, by round.
    fn rounds(&self, part: Part, load: &str, contender: &str, name: &str) -> Vec<(usize, f64)> {
        let rounds = self.all.iter().filter(|sample| {
            sample.part == part && sample.load == load && sample.contender == contender
        });
        let values = rounds.filter_map(|sample| Some((sample.round, *sample.values.get(name)?)));
        values.filter(|(_, value)| value.is_finite()).collect()
    }

    /// Median, least and greatest of a value over the rounds.
    pub fn spread(&self, part: Part, load: &str, contender: &str, name: &str) -> Option<Spread> {
        let rounds = self.rounds(part, load, contender, name);
        Spread::of(rounds.into_iter().map(|(_, value)| value).collect())
    }

    pub fn median(&self, part: Part, load: &str, contender: &str, name: &str) -> Option<f64> {
        Some(self.spread(part, load, contender, name)?.median)
    }

    /// The median over the rounds of what a value was to that of another contender in the same round.
    pub fn ratio(&self, part: Part, load: &str, pair: [&str; 2], name: &str) -> Option<f64> {
        let [of, to] = pair.map(|contender| self.rounds(part, load, contender, name));
        let ratios = of.iter().filter_map(|(round, value)| {
            let (_, other) = to.iter().find(|(other, _)| other == round)?;
            (*other > 0.0).then(|| value / other)
        });
        Some(Spread::of(ratios.collect())?.median)
    }
}

#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Spread {
            median,
            least,
            greatest,
        })
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name.as_str()) {
            seen.push(name.as_str());
        }
    }
    seen
}
