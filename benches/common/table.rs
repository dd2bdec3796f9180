//! Printing what was measured.

use super::Round;
use super::meter::histogram;

/// Rows are printed as they come.
pub struct Table {
    about: String,
    empty: bool,
}

impl Table {
    pub fn new(about: &str) -> Table {
        Table {
            about: about.to_owned(),
            empty: true,
        }
    }

    pub fn row(&mut self, name: &str, rounds: &[Round]) {
        if std::mem::take(&mut self.empty) {
            println!("\n{}", self.about);
            line([
                "",
                "/s",
                "min",
                "max",
                "p50",
                "p99",
                "p99.9",
                "CPU each",
                "enters each",
            ]);
        }
        let mut latencies = histogram();
        for round in rounds {
            latencies.add(&round.latencies).expect("equal bounds");
        }
        let each = |value: fn(&Round) -> f64| {
            let mut values: Vec<f64> = rounds
                .iter()
                .map(|round| value(round) / round.operations as f64)
                .collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let seconds = each(|round| round.elapsed.as_secs_f64());
        let cpu = each(|round| round.cpu.as_nanos() as f64);
        let enters = each(|round| round.enters as f64);
        line([
            name,
            &thousands(1.0 / median(&seconds)),
            &thousands(1.0 / seconds[seconds.len() - 1]),
            &thousands(1.0 / seconds[0]),
            &time(latencies.value_at_quantile(0.5) as f64),
            &time(latencies.value_at_quantile(0.99) as f64),
            &time(latencies.value_at_quantile(0.999) as f64),
            &time(median(&cpu)),
            &format!("{:.3}", median(&enters)),
        ]);
    }
}

fn line(cells: [&str; 9]) {
    let [name, rate, low, high, p50, p99, p999, cpu, enters] = cells;
    println!(
        "{name:<28} {rate:>11} {low:>11} {high:>11} {p50:>9} {p99:>9} {p999:>9} {cpu:>9} {enters:>11}"
    );
}

/// The middle of sorted values.
fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[half],
        _ => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}

/// Nanoseconds in a unit that suits, to three digits.
fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ..1e3 => (ns, "ns"),
        ..1e6 => (ns / 1e3, "µs"),
        ..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
