//! Fetches URLs as curl does; without a URL, a page from a server that it starts itself.
//!
//! ```text
//! cargo run --release --example fetch
//! cargo run --release --example fetch -- -i http://127.0.0.1:8080/
//! ```

mod args;
mod demo;
mod output;
mod write_out;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use args::Args;
use eyewall::http::{Body, Client, Error, ErrorKind, Response};
use output::Output;
use write_out::Transfer;

/// Exit codes, as curl numbers them.
mod code {
    pub(crate) const UNSUPPORTED_PROTOCOL: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const BAD_URL: u8 = 3;
    pub(crate) const NOT_RESOLVED: u8 = 6;
    pub(crate) const CONNECT_FAILED: u8 = 7;
    pub(crate) const BAD_RESPONSE: u8 = 8;
    pub(crate) const PARTIAL_BODY: u8 = 18;
    pub(crate) const WRITE_ERROR: u8 = 23;
    pub(crate) const READ_ERROR: u8 = 26;
    pub(crate) const TIMEOUT: u8 = 28;
    pub(crate) const EMPTY_REPLY: u8 = 52;
    pub(crate) const SEND_FAILED: u8 = 55;
    pub(crate) const RECEIVE_FAILED: u8 = 56;
    pub(crate) const TOO_LARGE: u8 = 63;
}

/// Why a transfer failed: what to say, and curl's number for it.
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn write(error: &io::Error) -> Failure {
        Failure {
            code: code::WRITE_ERROR,
            message: format!("cannot write the body: {error}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = match error.kind() {
            ErrorKind::UnsupportedScheme => code::UNSUPPORTED_PROTOCOL,
            ErrorKind::Url => code::BAD_URL,
            ErrorKind::Resolve => code::NOT_RESOLVED,
            ErrorKind::Connect => code::CONNECT_FAILED,
            ErrorKind::Truncated { .. } => code::PARTIAL_BODY,
            ErrorKind::Timeout { .. } => code::TIMEOUT,
            ErrorKind::EmptyReply => code::EMPTY_REPLY,
            ErrorKind::Send => code::SEND_FAILED,
            ErrorKind::Receive => code::RECEIVE_FAILED,
            ErrorKind::BodyTooLarge { .. } => code::TOO_LARGE,
            ErrorKind::Protocol => code::BAD_RESPONSE,
            _ => code::USAGE,
        };
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            // Some messages tell their cause themselves.
            let cause_text = cause.to_string();
            if !message.ends_with(&cause_text) {
                message.push_str(&format!(": {cause_text}"));
            }
            source = cause.source();
        }
        Failure { code, message }
    }
}

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(args) => args,
        Err(failure) => return complain(&failure),
    };
    if args.help {
        say(args::HELP);
        return ExitCode::SUCCESS;
    }
    let ran = eyewall::block_on(async {
        match args.urls.is_empty() {
            true => demo::run().await,
            false => fetch_all(&args).await,
        }
    });
    match ran {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("fetch: {error}");
            ExitCode::from(code::USAGE)
        }
    }
}

fn complain(failure: &Failure) -> ExitCode {
    eprintln!("fetch: {}", failure.message);
    eprintln!("fetch: try --help");
    ExitCode::from(failure.code)
}

/// One URL after the other, on shared connections. As with curl, the last one decides the exit code.
async fn fetch_all(args: &Args) -> u8 {
    let client = Client::builder()
        .timeout(args.max_time)
        .connect_timeout(args.connect_timeout)
        .max_body_size(u64::MAX)
        .follow_redirects(false)
        .allow_nonstandard_methods(true)
        .build();
    let mut last = 0;
    for (number, url) in args.urls.iter().enumerate() {
        let mut transfer = Transfer::new(number, url, args.output_of(number));
        let result = fetch(&client, args, url, &mut transfer).await;
        last = match result {
            Ok(()) => 0,
            Err(failure) => {
                if !args.silent || args.show_error {
                    eprintln!("fetch: ({}) {}", failure.code, failure.message);
                }
                transfer.failed(failure.code, failure.message);
                failure.code
            }
        };
        if let Some(format) = &args.write_out {
            write_out::print(format, &transfer);
        }
    }
    last
}

async fn fetch(
    client: &Client,
    args: &Args,
    url: &str,
    transfer: &mut Transfer,
) -> Result<(), Failure> {
    let mut request = client.request(args.method(), url);
    for name in &args.without {
        request = request.without_header(name.as_str());
    }
    for (name, value) in &args.headers {
        request = request.header(name.as_str(), value.as_str());
    }
    if let Some(data) = &args.data {
        transfer.size_upload = data.len() as u64;
        request = request.body(Body::from(data.clone()));
    }
    transfer.method = args.method().to_string();
    let mut response = request.send().await?;
    transfer.head(&response);
    let mut output =
        Output::open(args, transfer.file.as_deref(), response.content_length()).await?;
    if args.include || args.head {
        output.write(head_text(&response).into_bytes()).await?;
    }
    if args.head {
        output.finish().await?;
        transfer.end(&response);
        return Ok(());
    }
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => {
                output.finish().await?;
                transfer.end(&response);
                return Err(error.into());
            }
        };
        transfer.size_download += chunk.len() as u64;
        output.write(chunk).await?;
    }
    output.finish().await?;
    transfer.end(&response);
    Ok(())
}

/// The head as it came, but for the names, which are in lower case.
fn head_text(response: &Response) -> String {
    let mut text = format!(
        "{:?} {} {}\r\n",
        response.version(),
        response.status().as_u16(),
        response.reason()
    );
    for (name, value) in response.headers() {
        text.push_str(&format!(
            "{name}: {}\r\n",
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    text.push_str("\r\n");
    text
}

/// Seconds as curl takes them: whole or with a fraction.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Prints to the standard output; a reader that has gone is no error of ours.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stdout().flush();
}

/// For the demonstration: how long something took, in words.
fn elapsed(since: Instant) -> String {
    format!("{:.0} µs", since.elapsed().as_secs_f64() * 1e6)
}
