//! The command line, in curl's words.

mod help;
mod job;
mod options;
mod post;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use eyewall::http::Method;
use lexopt::prelude::*;

use crate::code::Failure;
use crate::standard;
pub(crate) use help::{HELP, version};
pub(crate) use job::{Job, Target, is_stdin};

/// How many transfers -Z runs at once unless told otherwise, and at most.
const PARALLEL: usize = 50;
const MOST_PARALLEL: usize = 300;

/// How many redirects -L follows unless told otherwise.
const REDIRECTS: u32 = 50;

#[derive(Default)]
pub(crate) struct Args {
    pub(crate) help: bool,
    pub(crate) version: bool,
    /// Nothing was asked for at all.
    pub(crate) is_empty: bool,
    pub(crate) jobs: Vec<Job>,
    pub(crate) parallel: bool,
    /// How many transfers run at once.
    pub(crate) at_once: usize,
    pub(crate) fail_early: bool,
    pub(crate) request: RequestArgs,
    pub(crate) connect: ConnectArgs,
    pub(crate) output: OutputArgs,
    pub(crate) report: ReportArgs,
}

/// What is sent.
#[derive(Default)]
pub(crate) struct RequestArgs {
    pub(crate) method: Option<Method>,
    pub(crate) head: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// Fields that are sent by default, and not here.
    pub(crate) without: Vec<String>,
    pub(crate) data: Option<Vec<u8>>,
    /// The body goes out in chunks, although its length is known.
    pub(crate) chunked: bool,
    /// The server is asked first if it wants the body, however short that is.
    pub(crate) ask_first: bool,
    /// The data goes to the URL (-G).
    pub(crate) data_in_url: bool,
    pub(crate) user: Option<(String, String)>,
    pub(crate) token: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) referer: Option<String>,
    pub(crate) compressed: bool,
    pub(crate) follow: bool,
    pub(crate) max_redirects: u32,
    /// Zero for no limit.
    pub(crate) max_time: Duration,
}

/// How connections are made.
#[derive(Default)]
pub(crate) struct ConnectArgs {
    pub(crate) timeout: Duration,
    pub(crate) ipv4_only: bool,
    pub(crate) ipv6_only: bool,
    pub(crate) interface: Option<String>,
    pub(crate) resolve: Vec<(String, u16, Vec<SocketAddr>)>,
    pub(crate) unix_socket: Option<PathBuf>,
    /// An empty one for none, whatever the environment says.
    pub(crate) proxy: Option<String>,
    pub(crate) proxy_user: Option<(String, String)>,
    pub(crate) no_proxy: Option<String>,
    pub(crate) insecure: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// Where the bodies go.
#[derive(Default)]
pub(crate) struct OutputArgs {
    pub(crate) include: bool,
    pub(crate) heads_to: Option<PathBuf>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) make_directories: bool,
    pub(crate) fail: Fail,
    pub(crate) max_size: Option<u64>,
}

/// What a status of 400 and above is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fail {
    /// A response.
    #[default]
    No,
    /// A failure (-f).
    WithoutBody,
    /// A failure, whose body is printed all the same.
    WithBody,
}

/// What is said beside.
#[derive(Default)]
pub(crate) struct ReportArgs {
    pub(crate) silent: bool,
    pub(crate) show_error: bool,
    pub(crate) no_progress: bool,
    pub(crate) verbose: bool,
    pub(crate) write_out: Option<String>,
}

impl RequestArgs {
    /// The method for a URL, to which a file is sent or not.
    pub(crate) fn method(&self, uploads: bool) -> Method {
        match &self.method {
            Some(method) => method.clone(),
            None if self.head => Method::HEAD,
            None if uploads => Method::PUT,
            None if self.data.is_some() && !self.data_in_url => Method::POST,
            None => Method::GET,
        }
    }

    fn has_header(&self, wanted: &str) -> bool {
        let given = self.headers.iter().map(|(name, _)| name);
        given
            .chain(&self.without)
            .any(|name| name.eq_ignore_ascii_case(wanted))
    }

    /// Adds a field, unless the user says something about it.
    fn add_header(&mut self, name: &str, value: &str) {
        if !self.has_header(name) {
            self.headers.push((name.into(), value.into()));
        }
    }

    /// Takes a field out if the user has given it with just this value.
    fn take_header(&mut self, name: &str, value: &str) -> bool {
        let before = self.headers.len();
        self.headers
            .retain(|(n, v)| !(n.eq_ignore_ascii_case(name) && v.eq_ignore_ascii_case(value)));
        self.headers.len() < before
    }
}

/// What is put together only when all options are known.
#[derive(Default)]
struct Pending {
    jobs: job::Lists,
    range: Option<String>,
    json: bool,
}

pub(crate) fn parse() -> Result<Args, Failure> {
    let mut args = Args {
        at_once: PARALLEL,
        is_empty: std::env::args_os().len() <= 1,
        ..Args::default()
    };
    args.request.max_redirects = REDIRECTS;
    args.connect.timeout = Duration::from_secs(300);
    let mut pending = Pending::default();
    let mut parser = lexopt::Parser::from_env();
    // With curl, -d=x is an -d of "=x".
    parser.set_short_equals(false);
    while let Some(arg) = parser.next().map_err(usage)? {
        // By itself, since the parser is asked for the option's value.
        let option = match arg {
            Value(url) => {
                let url = url.string().map_err(usage)?;
                pending.jobs.urls.push(url);
                continue;
            }
            Short(letter) => letter.to_string(),
            Long(name) if name.len() > 1 => name.to_string(),
            Long(_) => return Err(usage(arg.unexpected())),
        };
        let known = options::general(&option, &mut args, &mut parser)?
            || options::request(&option, &mut args.request, &mut pending, &mut parser)?
            || options::connect(&option, &mut args.connect, &mut parser)?
            || options::output(&option, &mut args.output, &mut pending.jobs, &mut parser)?
            || options::report(&option, &mut args.report, &mut parser)?;
        if !known {
            let dashes = if option.chars().count() == 1 {
                "-"
            } else {
                "--"
            };
            return Err(Failure::usage(format!(
                "there is no option {dashes}{option}"
            )));
        }
    }
    if args.help || args.version {
        return Ok(args);
    }
    finish(&mut args, pending)?;
    Ok(args)
}

fn finish(args: &mut Args, pending: Pending) -> Result<(), Failure> {
    let Pending { jobs, range, json } = pending;
    let request = &mut args.request;
    let posts = request.data.is_some() && !request.data_in_url;
    if usize::from(request.head) + usize::from(posts) + usize::from(!jobs.uploads.is_empty()) > 1 {
        return Err(Failure::usage(
            "-I asks for the head alone, -d and its like send data, -T sends a file: choose one",
        ));
    }
    if request.compressed && cfg!(not(feature = "compression")) {
        return Err(Failure::usage(
            "--compressed needs the feature \"compression\" of the crate",
        ));
    }
    if posts || !jobs.uploads.is_empty() {
        // What the client does by itself, and so wants to be told otherwise.
        request.chunked = request.take_header("transfer-encoding", "chunked");
        request.ask_first = request.take_header("expect", "100-continue");
    }
    if let Some(range) = range {
        // A number by itself is where the part begins, as with curl. A server takes it for nonsense, and sends all.
        let end = if range.contains('-') { "" } else { "-" };
        request.add_header("range", &format!("bytes={range}{end}"));
    }
    if let Some(referer) = request.referer.clone() {
        request.add_header("referer", &referer);
    }
    if json {
        request.add_header("content-type", "application/json");
        request.add_header("accept", "application/json");
    }
    if posts {
        request.add_header("content-type", "application/x-www-form-urlencoded");
    }
    if jobs.has_too_many() && !args.report.silent {
        standard::say("fetch: there are more files than URLs: the last of them are for nothing\n");
    }
    args.jobs = jobs.pair();
    if args.jobs.is_empty() && !args.is_empty {
        return Err(Failure::usage("no URL is given"));
    }
    Ok(())
}

fn usage(error: lexopt::Error) -> Failure {
    Failure::usage(error.to_string())
}
