//! Progress on the terminal: a bar for each transfer, and with -Z one for all of them.

use std::io::{IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::args::{Args, Target};
use crate::stdout::Stdout;

/// The standard error: bars, where they are of use, and what is said beside them.
pub(crate) struct Console {
    bars: Option<MultiProgress>,
    total: Option<Total>,
}

struct Total {
    bar: ProgressBar,
    count: usize,
}

/// The bar of one transfer.
pub(crate) struct Bar {
    own: Option<ProgressBar>,
    total: Option<ProgressBar>,
}

impl Console {
    pub(crate) fn new(args: &Args) -> Console {
        let report = &args.report;
        let on_terminal =
            Stdout::is_terminal() && args.jobs.iter().any(|job| job.target == Target::Stdout);
        let wanted = !report.silent && !report.no_progress && !on_terminal && !args.request.head;
        let bars = (wanted && std::io::stderr().is_terminal()).then(MultiProgress::new);
        let total = bars.as_ref().filter(|_| args.parallel).map(|bars| {
            let template = "{msg} done  {bytes}  {bytes_per_sec}  {elapsed}";
            let bar = bars.add(ProgressBar::no_length().with_style(style(template)));
            let count = args.jobs.len();
            bar.set_message(format!("0/{count}"));
            Total { bar, count }
        });
        Console { bars, total }
    }

    /// Says `text`, which ends its last line, beside the bars.
    pub(crate) fn say(&self, text: &str) {
        // Nobody can be told that nobody listens.
        let write = || drop(std::io::stderr().write_all(text.as_bytes()));
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// A bar for a transfer of `size` bytes, if that is known.
    pub(crate) fn bar(&self, name: &str, size: Option<u64>) -> Bar {
        let own = self.bars.as_ref().map(|bars| {
            let (bar, template) = match size {
                Some(size) => (
                    ProgressBar::new(size),
                    "{msg:24!} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
                ),
                None => (
                    ProgressBar::no_length(),
                    "{msg:24!} {spinner} {bytes}  {bytes_per_sec}",
                ),
            };
            let bar = bar.with_style(style(template));
            bar.set_message(name.to_string());
            match &self.total {
                Some(total) => bars.insert_before(&total.bar, bar),
                None => bars.add(bar),
            }
        });
        Bar {
            own,
            total: self.total.as_ref().map(|total| total.bar.clone()),
        }
    }

    /// So many transfers have ended.
    pub(crate) fn ended(&self, transfers: usize) {
        if let Some(Total { bar, count }) = &self.total {
            bar.set_message(format!("{transfers}/{count}"));
        }
    }

    /// All have ended.
    pub(crate) fn finish(&self) {
        if let Some(total) = &self.total {
            total.bar.finish();
        }
    }
}

impl Bar {
    pub(crate) fn inc(&self, bytes: usize) {
        for bar in self.own.iter().chain(&self.total) {
            bar.inc(bytes as u64);
        }
    }
}

/// Of many transfers, those that have ended leave the screen; one by itself stays.
impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.own {
            match self.total.is_some() {
                true => bar.finish_and_clear(),
                false => bar.abandon(),
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}
