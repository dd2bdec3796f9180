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
    contender("monoio", "echo-monoio"),
    contender("compio", "echo-compio"),
    contender("glommio", "echo-glommio"),
    contender("kimojio", "echo-kimojio"),
    contender("tokio-uring", "echo-tokio-uring"),
];

pub const FETCH: &[Contender] = &[
    contender("floor", "fetch-floor"),
    with("floor-spin", "fetch-floor", &["--spin"]),
    contender("eyewall", "fetch-eyewall"),
    with("eyewall-no-spin", "fetch-eyewall", &["--no-spin"]),
    contender("hyper-util", "fetch-hyper"),
    contender("reqwest", "fetch-reqwest"),
    contender("curl", "fetch-curl"),
    contender("cyper", "fetch-cyper"),
    contender("monoio-http", "fetch-monoio"),
    contender("ureq", "fetch-ureq"),
];

/// curl has the TLS of the system's libcurl, all others rustls with ring.
pub const TLS: &[Contender] = &[
    contender("eyewall", "fetch-eyewall"),
    with("eyewall-no-spin", "fetch-eyewall", &["--no-spin"]),
    contender("hyper-util", "fetch-hyper"),
    contender("reqwest", "fetch-reqwest"),
    contender("curl", "fetch-curl"),
    contender("cyper", "fetch-cyper"),
];

pub const IDLE_CLIENT: &[Contender] = &[
    contender("eyewall", "fetch-eyewall"),
    contender("hyper-util", "fetch-hyper"),
    contender("reqwest", "fetch-reqwest"),
];

/// What TLS sessions cost by themselves, by rustls' interface with buffers and by that without.
pub const SESSIONS: &[Contender] = &[
    contender("rustls", "hold-rustls"),
    with("rustls-unbuffered", "hold-rustls", &["--unbuffered"]),
];

pub const MICRO: &[Contender] = &[
    contender("floor", "micro-floor"),
    contender("eyewall", "micro-eyewall"),
    contender("tokio", "micro-tokio"),
    contender("monoio", "micro-monoio"),
    contender("compio", "micro-compio"),
    contender("glommio", "micro-glommio"),
    contender("kimojio", "micro-kimojio"),
    contender("tokio-uring", "micro-tokio-uring"),
];

pub const NEIGHBOUR: &[Contender] = &[
    with("eyewall-no-spin", "echo-eyewall", &["--no-spin"]),
    contender("eyewall", "echo-eyewall"),
    contender("floor", "echo-floor"),
    with("floor-spin", "echo-floor", &["--spin"]),
    contender("tokio", "echo-tokio"),
];

/// Those that are chosen.
pub fn chosen<'a>(all: &'a [Contender], args: &Args) -> Vec<&'a Contender> {
    all.iter()
        .filter(|contender| args.selects(contender.name))
        .collect()
}
