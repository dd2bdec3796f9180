//! What every fetch client shares: its command line, its meter, and the check of what it got.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::meter::{self, Meter};

/// What to fetch, and how many at a time.
#[derive(Clone, Debug)]
pub struct Load {
    pub url: String,
    pub concurrency: usize,
    /// The length of the body, which is the name of the file.
    pub bytes: usize,
    /// Whether each GET has a connection of its own, which the server is asked to close.
    pub cold: bool,
    /// The only certificate to trust, in PEM format: given where the URL is one of TLS.
    pub trusted: Option<PathBuf>,
    /// Whether a TLS session may go on where an earlier one has ended.
    pub resume: bool,
    /// Connections are to be held, and nothing is to be timed: see [`crate::hold`].
    pub hold: bool,
}

thread_local! {
    /// All tasks of a client are on one thread.
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

const USAGE: &str = "usage: fetch-... URL-THAT-ENDS-IN-ITS-LENGTH CONCURRENCY SECONDS \
                     [--cold] [--trust FILE] [--no-resumption] [--hold]";

/// Reads the command line (see the usage), and begins the warm-up. What else a program knows is its own affair.
pub fn start() -> Load {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, concurrency, seconds, options @ ..] = args.as_slice() else {
        panic!("{USAGE}");
    };
    let bytes = url.rsplit('/').next().and_then(|name| name.parse().ok());
    let window = Duration::from_secs_f64(seconds.parse().expect(USAGE));
    let has = |option: &str| options.iter().any(|arg| arg == option);
    let trust = options.iter().position(|arg| arg == "--trust");
    // What is configured for no use still wants to know whose cryptography it is.
    let _ = rustls::crypto::ring::default_provider().install_default();
    meter::watchdog(window);
    METER.set(Some(Meter::start(window, std::process::id())));
    Load {
        url: url.clone(),
        concurrency: concurrency.parse().expect(USAGE),
        bytes: bytes.expect(USAGE),
        cold: has("--cold"),
        trusted: trust.map(|at| options.get(at + 1).expect(USAGE).into()),
        resume: !has("--no-resumption"),
        hold: has("--hold"),
    }
}

/// Whether another request is wanted.
pub fn wanted() -> bool {
    METER.with_borrow(|meter| meter.as_ref().is_some_and(Meter::is_running))
}

impl Load {
    /// A GET that began at `start` has ended with so many bytes of body.
    pub fn done(&self, start: Instant, bytes: usize) {
        assert_eq!(bytes, self.bytes, "the body has another length");
        METER.with_borrow_mut(|meter| {
            let meter = meter.as_mut().expect("started");
            meter.done(start, Instant::now());
        });
    }
}

/// Prints what was measured.
pub fn report() -> io::Result<()> {
    METER.take().expect("started").report()
}
