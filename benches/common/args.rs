//! The arguments of a bench.

use lexopt::prelude::*;

const HELP: &str = "\
Usage: cargo bench --bench NAME -- [OPTIONS] [FILTER]

Runs the subjects whose name contains FILTER, or the one that has it as its name.

  --quick      one round of a tenth of the operations
  --rounds N   as many rounds (3 if not given); rates are medians, latencies are of all of them
  --no-spin    reactors that go to sleep at once
  --count N    just N operations, once, without a spin, a warm-up or a clock: for a profiler that counts
  --test       a few operations, to see that they work; so too without cargo's --bench
  --list       the names
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Full,
    Quick,
    /// A few operations.
    Smoke,
    /// So many operations, measured from outside.
    Count(u64),
}

#[derive(Debug)]
pub struct Args {
    pub mode: Mode,
    pub list: bool,
    /// Whether reactors may spin before they sleep.
    pub spin: bool,
    filter: Option<String>,
    rounds: Option<usize>,
}

impl Args {
    /// The arguments of this process; ends it if they make no sense.
    pub fn parse(about: &str) -> Args {
        Args::read(about).unwrap_or_else(|error| {
            eprintln!("{error}; see --help");
            std::process::exit(2);
        })
    }

    fn read(about: &str) -> Result<Args, lexopt::Error> {
        let mut args = Args {
            mode: Mode::Full,
            list: false,
            spin: true,
            filter: None,
            rounds: None,
        };
        let (mut bench, mut smoke, mut unexpected) = (false, false, None);
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("bench") => bench = true,
                Long("test") => smoke = true,
                Long("quick") => args.mode = Mode::Quick,
                Long("rounds") => args.rounds = Some(parser.value()?.parse()?),
                Long("count") => args.mode = Mode::Count(parser.value()?.parse()?),
                Long("no-spin") => args.spin = false,
                Long("list") => args.list = true,
                Short('h') | Long("help") => {
                    print!("{about}\n\n{HELP}");
                    std::process::exit(0);
                }
                Value(filter) if args.filter.is_none() => args.filter = Some(filter.string()?),
                _ => unexpected = unexpected.or(Some(arg.unexpected())),
            }
        }
        // Without cargo's `--bench`, `--nocapture` and the like are for the test harness that this is not.
        if let (true, Some(error)) = (bench, unexpected) {
            return Err(error);
        }
        let counting = matches!(args.mode, Mode::Count(_));
        // How many instructions a spin takes depends on the kernel.
        args.spin &= !counting;
        if smoke || !(bench || counting) {
            args.mode = Mode::Smoke;
        }
        Ok(args)
    }

    pub fn is_exactly(&self, name: &str) -> bool {
        self.filter.as_deref() == Some(name)
    }

    pub fn selects(&self, name: &str) -> bool {
        self.filter
            .as_deref()
            .is_none_or(|part| name.contains(part))
    }

    pub fn rounds(&self) -> usize {
        match self.mode {
            Mode::Full => self.rounds.unwrap_or(3).max(1),
            Mode::Quick => self.rounds.unwrap_or(1).max(1),
            Mode::Smoke | Mode::Count(_) => 1,
        }
    }
}
