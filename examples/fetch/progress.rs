//! Progress on the terminal: a bar for each transfer, and with -Z one for all of them.

use std::cell::RefCell;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::args::{Args, Job, Target};
use crate::standard;
use crate::stdout::Stdout;

/// The standard error: bars, where they are of use, and what is said beside them.
pub(crate) struct Console {
    bars: Bars,
}

enum Bars {
    None,
    /// Of the transfer that goes on.
    One(RefCell<Option<ProgressBar>>),
    Many {
        bars: MultiProgress,
        total: ProgressBar,
        /// How many transfers there are.
        count: usize,
    },
}

/// The bar of one transfer.
pub(crate) struct Bar<'a> {
    own: Option<ProgressBar>,
    bars: &'a Bars,
}

const KNOWN: &str = "{msg:24!} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
const UNKNOWN: &str = "{msg:24!} {spinner} {bytes}  {bytes_per_sec}";
const TOTAL: &str = "{msg} done  {bytes}  {bytes_per_sec}  {elapsed}";

impl Console {
    pub(crate) fn new(args: &Args) -> Console {
        let report = &args.report;
        let to_stdout = |job: &Job| matches!(job.target, Target::Stdout | Target::Dash);
        let to_terminal = Stdout::is_terminal() && args.jobs.iter().any(to_stdout);
        let unwanted = report.silent || report.no_progress || args.request.head || to_terminal;
        let bars = if unwanted || !std::io::stderr().is_terminal() {
            Bars::None
        } else if !args.parallel {
            Bars::One(RefCell::default())
        } else {
            let (bars, count) = (MultiProgress::new(), args.jobs.len());
            let total = bars.add(ProgressBar::no_length().with_style(style(TOTAL)));
            total.set_message(format!("0/{count}"));
            Bars::Many { bars, total, count }
        };
        Console { bars }
    }

    /// Says `text`, which ends its last line, beside the bars.
    pub(crate) fn say(&self, text: &str) {
        let write = || standard::say(text);
        match &self.bars {
            Bars::None => write(),
            Bars::One(bar) => match &*bar.borrow() {
                Some(bar) => bar.suspend(write),
                None => write(),
            },
            Bars::Many { bars, .. } => bars.suspend(write),
        }
    }

    /// A bar for a transfer of `size` bytes, if that is known.
    pub(crate) fn bar(&self, name: &str, size: Option<u64>) -> Bar<'_> {
        let bar = || {
            let bar = match size {
                Some(size) => ProgressBar::new(size).with_style(style(KNOWN)),
                None => ProgressBar::no_length().with_style(style(UNKNOWN)),
            };
            bar.with_message(name.to_string())
        };
        let own = match &self.bars {
            Bars::None => None,
            Bars::One(current) => {
                let bar = bar();
                current.replace(Some(bar.clone()));
                Some(bar)
            }
            Bars::Many { bars, total, .. } => Some(bars.insert_before(total, bar())),
        };
        Bar {
            own,
            bars: &self.bars,
        }
    }

    /// So many transfers have ended.
    pub(crate) fn ended(&self, transfers: usize) {
        if let Bars::Many { total, count, .. } = &self.bars {
            total.set_message(format!("{transfers}/{count}"));
        }
    }

    /// All have ended.
    pub(crate) fn finish(&self) {
        if let Bars::Many { total, .. } = &self.bars {
            total.finish();
        }
    }
}

impl Bar<'_> {
    pub(crate) fn inc(&self, bytes: usize) {
        if let Some(bar) = &self.own {
            bar.inc(bytes as u64);
        }
        if let Bars::Many { total, .. } = self.bars {
            total.inc(bytes as u64);
        }
    }
}

/// The bar of one among many leaves the screen with its transfer; one by itself stays there.
impl Drop for Bar<'_> {
    fn drop(&mut self) {
        let Some(own) = &self.own else {
            return;
        };
        match self.bars {
            Bars::One(current) => {
                own.abandon();
                current.take();
            }
            _ => own.finish_and_clear(),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}
