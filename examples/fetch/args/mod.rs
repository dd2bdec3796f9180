//! The command line, in curl's words.

mod help;
mod job;
mod post;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use eyewall::http::Method;
use lexopt::prelude::*;

use crate::code::Failure;
pub(crate) use help::{HELP, version};
pub(crate) use job::{Job, Target};
use values::Header;

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
    pub(crate) heads_to: Option<String>,
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
        let known = general(&option, &mut args, &mut parser)?
            || request(&option, &mut args.request, &mut pending, &mut parser)?
            || connect(&option, &mut args.connect, &mut parser)?
            || output(&option, &mut args.output, &mut pending.jobs, &mut parser)?
            || report(&option, &mut args.report, &mut parser)?;
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

/// Options of the whole run; whether `option` is one of them.
fn general(option: &str, args: &mut Args, parser: &mut lexopt::Parser) -> Result<bool, Failure> {
    match option {
        "h" | "help" => args.help = true,
        "V" | "version" => args.version = true,
        "Z" | "parallel" => args.parallel = true,
        "parallel-max" => {
            let count: usize = values::number(parser, "--parallel-max")?;
            // As curl does with what is out of range.
            args.at_once = match (1..=MOST_PARALLEL).contains(&count) {
                true => count,
                false => PARALLEL,
            };
        }
        "fail-early" => args.fail_early = true,
        // What is so anyway: URLs are taken as they are, nothing is buffered, HTTP/1.1 is spoken.
        "g" | "globoff" | "http1.1" | "N" | "no-buffer" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// Options about what is sent.
fn request(
    option: &str,
    args: &mut RequestArgs,
    pending: &mut Pending,
    parser: &mut lexopt::Parser,
) -> Result<bool, Failure> {
    match option {
        "X" | "request" => args.method = Some(values::method(parser)?),
        "I" | "head" => args.head = true,
        "H" | "header" => match values::header(parser)? {
            Header::Add(name, value) => args.headers.push((name, value)),
            Header::Remove(name) => args.without.push(name),
        },
        "d" | "data" | "data-ascii" => {
            post::append(&mut args.data, post::data(&values::text(parser)?)?);
        }
        "data-raw" => post::append(&mut args.data, values::text(parser)?.into()),
        "data-binary" => {
            post::append(&mut args.data, post::binary(&values::text(parser)?)?);
        }
        "data-urlencode" => {
            post::append(&mut args.data, post::encoded(&values::text(parser)?)?);
        }
        "json" => {
            pending.json = true;
            let part = post::binary(&values::text(parser)?)?;
            args.data.get_or_insert_default().extend(part);
        }
        "G" | "get" => args.data_in_url = true,
        "T" | "upload-file" => pending.jobs.uploads.push(values::text(parser)?),
        "u" | "user" => args.user = Some(values::user(parser, "host")?),
        "oauth2-bearer" => args.token = Some(values::text(parser)?),
        "A" | "user-agent" => args.agent = Some(values::text(parser)?),
        "e" | "referer" => args.referer = Some(values::text(parser)?),
        "r" | "range" => pending.range = Some(values::text(parser)?),
        "compressed" => args.compressed = true,
        "L" | "location" => args.follow = true,
        "max-redirs" => args.max_redirects = values::limit(parser)?,
        "m" | "max-time" => args.max_time = values::duration(parser)?,
        "url" => pending.jobs.urls.push(values::text(parser)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Options about connections.
fn connect(
    option: &str,
    args: &mut ConnectArgs,
    parser: &mut lexopt::Parser,
) -> Result<bool, Failure> {
    match option {
        "connect-timeout" => args.timeout = values::duration(parser)?,
        "4" | "ipv4" => (args.ipv4_only, args.ipv6_only) = (true, false),
        "6" | "ipv6" => (args.ipv4_only, args.ipv6_only) = (false, true),
        "interface" => args.interface = Some(values::text(parser)?),
        "resolve" => args.resolve.extend(values::resolve(parser)?),
        "unix-socket" => args.unix_socket = Some(values::path(parser)?),
        "x" | "proxy" => args.proxy = Some(values::text(parser)?),
        "U" | "proxy-user" => args.proxy_user = Some(values::user(parser, "proxy")?),
        "noproxy" => args.no_proxy = Some(values::text(parser)?),
        "k" | "insecure" => args.insecure = true,
        "cacert" => args.ca_file = Some(values::path(parser)?),
        "E" | "cert" => args.certificate = Some(values::path(parser)?),
        "key" => args.key = Some(values::path(parser)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Options about where bodies go.
fn output(
    option: &str,
    args: &mut OutputArgs,
    jobs: &mut job::Lists,
    parser: &mut lexopt::Parser,
) -> Result<bool, Failure> {
    match option {
        "o" | "output" => jobs.targets.push(Target::of(values::path(parser)?)),
        "O" | "remote-name" => jobs.targets.push(Target::RemoteName),
        "remote-name-all" => jobs.all_by_name = true,
        "output-dir" => args.directory = Some(values::path(parser)?),
        "create-dirs" => args.make_directories = true,
        "i" | "include" | "show-headers" => args.include = true,
        "D" | "dump-header" => args.heads_to = Some(values::text(parser)?),
        "f" | "fail" => args.fail = Fail::WithoutBody,
        "fail-with-body" => args.fail = Fail::WithBody,
        "max-filesize" => args.max_size = Some(values::size(parser)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Options about what is said.
fn report(
    option: &str,
    args: &mut ReportArgs,
    parser: &mut lexopt::Parser,
) -> Result<bool, Failure> {
    match option {
        "s" | "silent" => args.silent = true,
        "S" | "show-error" => args.show_error = true,
        "v" | "verbose" => args.verbose = true,
        "#" | "progress-bar" => args.no_progress = false,
        "no-progress-meter" => args.no_progress = true,
        "w" | "write-out" => {
            let format = values::text(parser)?;
            args.write_out = Some(match format.strip_prefix('@') {
                Some(file) => String::from_utf8_lossy(&post::read(file)?).into_owned(),
                None => format,
            });
        }
        _ => return Ok(false),
    }
    Ok(true)
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
    if let Some(range) = range {
        request.add_header("range", &format!("bytes={range}"));
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
        eprintln!("fetch: there are more files than URLs: the last of them are for nothing");
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
