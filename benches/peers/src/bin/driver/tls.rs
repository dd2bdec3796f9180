//! Fetch over TLS 1.3: the client is measured, nginx has the other core.

use std::io;

use crate::args::{Args, Part};
use crate::contenders::{self, TLS};
use crate::fetch::{CONCURRENCY, Fetch};
use crate::nginx::Nginx;
use crate::sample::Samples;

pub const RESUMED: &str = "1 KiB with connect, resumption and close";
pub const FULL: &str = "1 KiB with connect, full handshake and close";

pub fn load(body: &str, concurrency: usize) -> String {
    format!("GET of {body} over TLS, at a time: {concurrency}")
}

pub fn run(args: &Args, samples: &mut Samples) -> io::Result<()> {
    let nginx = Nginx::start(&[1 << 10, 1 << 20])?;
    let chosen = contenders::chosen(TLS, args);
    for (body, length, options) in [
        ("1 KiB", 1 << 10, vec![]),
        ("1 MiB", 1 << 20, vec![]),
        (RESUMED, 1 << 10, vec!["--cold"]),
        (FULL, 1 << 10, vec!["--cold", "--no-resumption"]),
    ] {
        let mut fetch = Fetch {
            part: Part::Tls,
            origin: nginx.pid(),
            url: nginx.secure_url(length),
            length,
            options: vec!["--trust".into(), nginx.authority().into()],
        };
        fetch.options.extend(options.into_iter().map(Into::into));
        for concurrency in CONCURRENCY {
            let load = load(body, concurrency);
            fetch.run(args, &load, concurrency, &chosen, samples)?;
        }
    }
    Ok(())
}
