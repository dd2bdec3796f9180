//! The command line, which is a part of curl's.

use std::io::Read;
use std::time::Duration;

use eyewall::http::Method;
use lexopt::prelude::*;

use crate::{Failure, code, seconds};

pub(crate) const HELP: &str = "\
Fetches URLs over io_uring. The options are curl's.

Usage: fetch [OPTIONS] [URL]...

Without a URL it starts an HTTP server of its own on loopback, fetches a page from it and prints that with
timings. Several URLs are fetched one after the other, on shared connections.

  -X, --request METHOD         the method, instead of GET (POST with -d, HEAD with -I)
  -H, --header 'NAME: VALUE'   adds a header field (NAME; for an empty one), or with NAME: sends none; can be given again
  -d, --data DATA              sends DATA as a form with POST; @FILE reads a file without its line ends, @- the
                               standard input; given again, the parts are joined with &
  -o, --output FILE            writes the body to FILE instead of the standard output; the n-th is for the n-th
                               URL; - is the standard output
  -i, --include                prints the head of the response before its body; field names come in lower case
  -I, --head                   asks for the head alone (HEAD) and prints it
  -s, --silent                 no progress bar and no error messages
  -S, --show-error             error messages all the same
  -m, --max-time SECONDS       how long each fetch may take; no limit if not given
      --connect-timeout SECONDS  how long connecting may take; 300 if not given
  -w, --write-out FORMAT       prints FORMAT after each fetch, with \\n, \\t, \\r, %% and %{NAME}, where NAME is one of
                               content_type errormsg exitcode filename_effective http_code http_version
                               local_ip local_port method num_connects num_headers num_redirects onerror
                               remote_ip remote_port response_code scheme size_download size_header
                               size_request size_upload speed_download speed_upload stderr stdout
                               time_appconnect time_connect time_namelookup time_pretransfer time_redirect
                               time_starttransfer time_total url url_effective urlnum, or %header{FIELD};
                               @FILE reads the format from a file
  -h, --help                   this text

Exit code: 0 for a complete response of any status; otherwise curl's number: 1 unsupported protocol, 2 wrong
arguments, 3 bad URL, 6 name not resolved, 7 connect failed, 8 unparsable response, 18 partial body, 23 write
error, 26 read error, 28 timeout, 52 empty reply, 55 send failed, 56 receive failed. The last URL decides.
";

#[derive(Default)]
pub(crate) struct Args {
    pub(crate) help: bool,
    pub(crate) urls: Vec<String>,
    request: Option<Method>,
    pub(crate) headers: Vec<(String, String)>,
    /// Fields that are sent by default, and not here.
    pub(crate) without: Vec<String>,
    pub(crate) data: Option<Vec<u8>>,
    outputs: Vec<String>,
    pub(crate) include: bool,
    pub(crate) head: bool,
    pub(crate) silent: bool,
    pub(crate) show_error: bool,
    /// Zero for no limit.
    pub(crate) max_time: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) write_out: Option<String>,
}

impl Args {
    pub(crate) fn method(&self) -> Method {
        match &self.request {
            Some(method) => method.clone(),
            None if self.head => Method::HEAD,
            None if self.data.is_some() => Method::POST,
            None => Method::GET,
        }
    }

    /// The file for the body of URL `number`; `None` for the standard output.
    pub(crate) fn output_of(&self, number: usize) -> Option<String> {
        self.outputs
            .get(number)
            .filter(|file| *file != "-")
            .cloned()
    }
}

pub(crate) fn parse() -> Result<Args, Failure> {
    let mut args = Args {
        connect_timeout: Duration::from_secs(300),
        ..Args::default()
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next().map_err(usage)? {
        match arg {
            Short('h') | Long("help") => args.help = true,
            Short('i') | Long("include") => args.include = true,
            Short('I') | Long("head") => args.head = true,
            Short('s') | Long("silent") => args.silent = true,
            Short('S') | Long("show-error") => args.show_error = true,
            Short('X') | Long("request") => {
                let method = text(&mut parser)?;
                let parsed = Method::from_bytes(method.as_bytes());
                args.request = Some(parsed.map_err(|_| wrong(format!("{method:?} is no method")))?);
            }
            Short('H') | Long("header") => {
                let line = text(&mut parser)?;
                match header(&line)? {
                    HeaderOption::Add(name, value) => args.headers.push((name, value)),
                    HeaderOption::Remove(name) => args.without.push(name),
                }
            }
            Short('d') | Long("data") => {
                let part = data(&text(&mut parser)?)?;
                match &mut args.data {
                    Some(data) => {
                        data.push(b'&');
                        data.extend(part);
                    }
                    None => args.data = Some(part),
                }
            }
            Short('o') | Long("output") => {
                let file = text(&mut parser)?;
                args.outputs.push(file);
            }
            Short('m') | Long("max-time") => args.max_time = duration(&mut parser)?,
            Long("connect-timeout") => args.connect_timeout = duration(&mut parser)?,
            Short('w') | Long("write-out") => {
                let format = text(&mut parser)?;
                args.write_out = Some(match format.strip_prefix('@') {
                    Some(file) => String::from_utf8_lossy(&read(file)?).into_owned(),
                    None => format,
                });
            }
            Value(url) => args.urls.push(url.string().map_err(usage)?),
            _ => return Err(usage(arg.unexpected())),
        }
    }
    if args.head && args.data.is_some() {
        return Err(wrong(
            "-I asks for the head alone, and -d sends data: choose one".into(),
        ));
    }
    let is_type = |name: &String| name.eq_ignore_ascii_case("content-type");
    let has_type =
        args.headers.iter().any(|(name, _)| is_type(name)) || args.without.iter().any(is_type);
    if args.data.is_some() && !has_type {
        let form = "application/x-www-form-urlencoded";
        args.headers.push(("content-type".into(), form.into()));
    }
    Ok(args)
}

fn usage(error: lexopt::Error) -> Failure {
    wrong(error.to_string())
}

fn wrong(message: String) -> Failure {
    Failure {
        code: code::USAGE,
        message,
    }
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Failure> {
    parser
        .value()
        .and_then(|value| value.string())
        .map_err(usage)
}

fn duration(parser: &mut lexopt::Parser) -> Result<Duration, Failure> {
    let given = text(parser)?;
    seconds(&given).ok_or_else(|| wrong(format!("{given:?} is no number of seconds")))
}

/// What `-H` asks for: a field, or, as `NAME:`, that a field is not sent.
enum HeaderOption {
    Add(String, String),
    Remove(String),
}

fn header(line: &str) -> Result<HeaderOption, Failure> {
    match (line.split_once(':'), line.strip_suffix(';')) {
        (Some((name, value)), _) if value.trim().is_empty() => {
            Ok(HeaderOption::Remove(name.trim().into()))
        }
        (Some((name, value)), _) => Ok(HeaderOption::Add(name.trim().into(), value.trim().into())),
        (None, Some(name)) => Ok(HeaderOption::Add(name.trim().into(), String::new())),
        (None, None) => Err(wrong(format!("{line:?} is no header line: NAME: VALUE is"))),
    }
}

fn data(given: &str) -> Result<Vec<u8>, Failure> {
    let Some(file) = given.strip_prefix('@') else {
        return Ok(given.into());
    };
    let mut bytes = read(file)?;
    bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    Ok(bytes)
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let outcome = match file {
        "-" => std::io::stdin().read_to_end(&mut bytes).map(drop),
        file => std::fs::read(file).map(|read| bytes = read),
    };
    outcome.map(|()| bytes).map_err(|error| Failure {
        code: code::READ_ERROR,
        message: format!("cannot read {file}: {error}"),
    })
}
