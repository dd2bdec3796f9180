//! What every fetch client shares: its command line, its meter, and the check of what it got.

use std::cell::RefCell;
use std::io;
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
}

thread_local! {
    /// All tasks of a client are on one thread.
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

/// Reads `URL CONCURRENCY SECONDS [--cold]`, and begins the warm-up.
pub fn start() -> Load {
    const USAGE: &str = "usage: fetch-... URL-THAT-ENDS-IN-ITS-LENGTH CONCURRENCY SECONDS [--cold]";
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, concurrency, seconds, ..] = args.as_slice() else {
        panic!("{USAGE}");
    };
    let bytes = url.rsplit('/').next().and_then(|name| name.parse().ok());
    let window = Duration::from_secs_f64(seconds.parse().expect(USAGE));
    meter::watchdog(window);
    METER.set(Some(Meter::start(window, std::process::id())));
    Load {
        url: url.clone(),
        concurrency: concurrency.parse().expect(USAGE),
        bytes: bytes.expect(USAGE),
        cold: args.iter().any(|arg| arg == "--cold"),
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
