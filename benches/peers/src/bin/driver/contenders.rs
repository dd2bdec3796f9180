//! Which program, with which arguments, goes by which name.

use crate::args::Args;

pub struct Contender {
    pub name: &'static str,
    pub program: &'static str,
    pub args: &'static [&'static str],
}

const fn contender(name: &'static str, program: &'static str) -> Contender {
    Contender {
        name,
        program,
        args: &[],
    }
}

const fn with(
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
) -> Contender {
    Contender {
        name,
        program,
        args,
    }
}

/// The first of each is what the ratios refer to.
pub const ECHO: &[Contender] = &[
    contender("floor", "echo-floor"),
    with("floor-spin", "echo-floor", &["--spin"]),
    contender("epoll", "echo-epoll"),
    contender("eyewall", "echo-eyewall"),
    with("eyewall-no-spin", "echo-eyewall", &["--no-spin"]),
    contender("tokio", "echo-tokio"),
];

/// Those that are chosen and built.
pub fn chosen<'a>(all: &'a [Contender], args: &Args) -> Vec<&'a Contender> {
    all.iter()
        .filter(|contender| args.selects(contender.name))
        .collect()
}
