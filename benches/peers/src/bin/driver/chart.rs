//! The comparison as bar charts, SVG written by hand. A card of its own colour makes them readable on any page.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use crate::args::Part;
use crate::sample::Samples;
use crate::{echo, fetch, idle, idle_client, tls};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 110.0;
const ROW: f64 = 22.0;
const TITLE: f64 = 46.0;
const MARGIN: f64 = 16.0;

const STYLE: &str = "\
.card{fill:#fff}.text{fill:#1f2328}.soft{fill:#59636e}.bar{fill:#a6b1bd}.own{fill:#0969da}.floor{fill:#d4a72c}\
@media(prefers-color-scheme:dark){.card{fill:#0d1117}.text{fill:#f0f6fc}.soft{fill:#9198a1}.bar{fill:#57606a}\
.own{fill:#4493f8}.floor{fill:#bb8009}}\
text{font:13px system-ui,sans-serif}.head{font-weight:600}";

/// A group of bars: what is shown of which load.
struct Panel {
    title: String,
    load: String,
    value: &'static str,
    digits: usize,
}

fn panel(load: String, value: &'static str, what: &str, digits: usize) -> Panel {
    Panel {
        title: format!("{load}: {what}"),
        load,
        value,
        digits,
    }
}

/// Writes a chart for each part of which there is something to show.
pub fn draw_all(samples: &Samples, directory: &Path) -> io::Result<()> {
    const RATE: &str = "requests a second (longer is better)";
    const CPU: &str = "CPU time a request in µs (shorter is better)";
    const MB: &str = "MB a second (longer is better)";
    let charts = [
        (
            Part::Echo,
            vec![
                panel(echo::load(1), "rate", RATE, 0),
                panel(echo::load(1), "cpu_us", CPU, 1),
                panel(echo::load(64), "cpu_us", CPU, 2),
                panel(echo::load(1000), "cpu_us", CPU, 2),
            ],
        ),
        (
            Part::Fetch,
            vec![
                panel(fetch::load("1 KiB", 1), "rate", RATE, 0),
                panel(fetch::load("1 KiB", 64), "cpu_us", CPU, 1),
                panel(fetch::load("1 MiB", 1), "mb_s", MB, 0),
                panel(fetch::load("1 MiB", 64), "mb_s", MB, 0),
            ],
        ),
        (
            Part::Tls,
            vec![
                panel(tls::load("1 KiB", 1), "rate", RATE, 0),
                panel(tls::load("1 KiB", 64), "cpu_us", CPU, 1),
                panel(tls::load("1 MiB", 64), "mb_s", MB, 0),
                panel(tls::load(tls::RESUMED, 64), "cpu_us", CPU, 0),
                panel(tls::load(tls::FULL, 64), "cpu_us", CPU, 0),
            ],
        ),
        (
            Part::IdleClient,
            [idle_client::PLAIN, idle_client::TLS]
                .map(|load| panel(load.to_owned(), "bytes", "bytes (shorter is better)", 0))
                .into(),
        ),
        (
            Part::Idle,
            vec![panel(
                idle::LOAD.to_owned(),
                "bytes",
                "bytes of the server (shorter is better)",
                0,
            )],
        ),
    ];
    for (part, panels) in charts {
        if samples.loads(part).is_empty() {
            continue;
        }
        fs::create_dir_all(directory)?;
        fs::write(
            directory.join(format!("{}.svg", part.name())),
            draw(samples, part, &panels),
        )?;
    }
    Ok(())
}

fn draw(samples: &Samples, part: Part, panels: &[Panel]) -> String {
    let mut body = String::new();
    let mut y = MARGIN;
    for panel in panels {
        let contenders = samples.contenders(part, &panel.load);
        let median = |name: &str| samples.median(part, &panel.load, name, panel.value);
        let bars: Vec<_> = contenders
            .iter()
            .filter_map(|name| Some((*name, median(name)?)))
            .collect();
        let longest = bars
            .iter()
            .fold(f64::MIN_POSITIVE, |longest, (_, value)| value.max(longest));
        let _ = writeln!(
            body,
            r#"<text class="text head" x="{MARGIN}" y="{}">{}</text>"#,
            y + 18.0,
            panel.title
        );
        y += TITLE - ROW / 2.0;
        for (name, value) in bars {
            let length = (value.max(0.0) / longest * (WIDTH - LEFT - RIGHT)).max(1.0);
            let _ = writeln!(
                body,
                r#"<text class="text" x="{}" y="{}" text-anchor="end">{name}</text><rect class="{}" x="{LEFT}" y="{y}" width="{length:.1}" height="{}" rx="2"/><text class="soft" x="{:.1}" y="{}">{}</text>"#,
                LEFT - 8.0,
                y + 13.0,
                class(name),
                ROW - 6.0,
                LEFT + length + 6.0,
                y + 13.0,
                digits(value, panel.digits),
            );
            y += ROW;
        }
        y += MARGIN;
    }
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" aria-label="{}"><style>{STYLE}</style><rect class="card" width="100%" height="100%" rx="8"/>
{body}</svg>
"#,
        part.name()
    )
}

fn class(contender: &str) -> &'static str {
    match contender {
        "eyewall" | "eyewall-no-spin" => "own",
        "floor" | "floor-spin" => "floor",
        _ => "bar",
    }
}

/// With a thin space between the thousands.
fn digits(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push('\u{2009}');
        }
        grouped.push(digit);
    }
    grouped + rest
}
