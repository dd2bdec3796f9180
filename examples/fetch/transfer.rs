//! One transfer: its request, its response, and where that goes.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use eyewall::fs::OpenOptions;
use eyewall::http::{Client, Error, HeaderMap, HeaderName, HeaderValue, RequestBuilder, Response};
use futures_util::lock::Mutex;

use crate::args::{Args, Fail, Job, Target};
use crate::code::{self, Failure};
use crate::output::{Output, cannot_write};
use crate::progress::{Bar, Console};
use crate::record::Record;
use crate::stdout::Stdout;
use crate::upload::Upload;
use crate::{verbose, write_out};

/// What all transfers share.
pub(crate) struct Context {
    pub(crate) args: Args,
    pub(crate) client: Client,
    pub(crate) stdout: Stdout,
    pub(crate) console: Rc<Console>,
    /// Heads have been written to the file of -D.
    pub(crate) dumped: Mutex<bool>,
}

/// Fetches a URL and says what is to be said about that; the exit code.
pub(crate) async fn run(context: &Context, job: &Job) -> u8 {
    let report = &context.args.report;
    let record = Rc::new(RefCell::new(Record::new(&context.args, job)));
    let result = fetch(context, job, &record).await;
    if let Err(failure) = &result
        && (!report.silent || report.show_error)
    {
        context.console.say(&failure.line());
    }
    record.borrow_mut().end(result);
    if let Some(format) = &report.write_out {
        let rendered = write_out::render(format, &record.borrow());
        for (to_stderr, text) in rendered {
            match to_stderr {
                true => context.console.say(&text),
                // As with curl, a reader that has gone by then has missed nothing.
                false => drop(context.stdout.write_aside(job.number, text).await),
            }
        }
    }
    context.stdout.end(job.number).await;
    record.borrow().code()
}

async fn fetch(context: &Context, job: &Job, record: &Rc<RefCell<Record>>) -> Result<(), Failure> {
    let args = &context.args;
    let file = job.file(args.output.directory.as_deref())?;
    record.borrow_mut().file = file.as_ref().map(|file| file.to_string_lossy().into());
    let mut output = match file {
        Some(path) => Output::File {
            path,
            make_directory: args.output.make_directories,
            file: None,
            written: 0,
        },
        None => Output::Stdout {
            stdout: &context.stdout,
            number: job.number,
            text_only: job.target == Target::Stdout && Stdout::is_terminal(),
        },
    };
    let upload = Upload::of(&args.request, job).await?;
    let result = exchange(context, job, record, &upload, &mut output).await;
    let finished = output.finish(result.is_ok()).await;
    result.and(finished)
}

async fn exchange(
    context: &Context,
    job: &Job,
    record: &Rc<RefCell<Record>>,
    upload: &Upload,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let args = &context.args;
    let sent = request(context, job, record, upload).send().await;
    let response = match sent {
        Ok(response) => {
            record.borrow_mut().response(&response);
            Ok(response)
        }
        Err(error) => Err(record.borrow_mut().error(error)),
    };
    put_heads(context, job, record, output).await?;
    let mut response = response?;
    let status = response.status();
    let failed = args.output.fail != Fail::No && status.as_u16() >= 400;
    if !(args.request.head || failed && args.output.fail == Fail::WithoutBody) {
        if args.request.compressed && response.content_length() != Some(0) {
            check_codings(response.headers())?;
        }
        body(context, job, record, &mut response, output).await?;
        if let Some(trailers) = response.trailers() {
            put(context, job, lines(trailers), output).await?;
        }
    }
    match failed {
        true => Err(refused(&response)),
        false => Ok(()),
    }
}

/// Refuses a body in a coding that was not asked for and is not known. (By itself, the client gives it as it is.)
fn check_codings(headers: &HeaderMap) -> Result<(), Failure> {
    const KNOWN: [&str; 6] = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity"];
    let values = headers.get_all("content-encoding").iter();
    for coding in values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        let coding = String::from_utf8_lossy(coding.trim_ascii());
        let known = |name: &&str| coding.eq_ignore_ascii_case(name);
        if !coding.is_empty() && !KNOWN.iter().any(known) {
            let message = format!("the body is in a coding that is not known here: {coding:?}");
            return Err(Failure::new(code::BAD_CODING, message));
        }
    }
    Ok(())
}

/// Trailers, as they may have come.
fn lines(trailers: &HeaderMap) -> Vec<u8> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        let name = name.as_str().as_bytes();
        [name, b": ", value.as_bytes(), b"\r\n"].concat()
    };
    trailers.iter().flat_map(line).collect()
}

fn refused(response: &Response) -> Failure {
    let message = format!("the answer is {} ({})", response.status(), response.url());
    Failure::new(code::STATUS, message)
}

async fn body(
    context: &Context,
    job: &Job,
    record: &Rc<RefCell<Record>>,
    response: &mut Response,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let name = match output {
        Output::File { path, .. } => {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        }
        Output::Stdout { .. } => job.shown_url(),
    };
    let bar = context.console.bar(&name, response.content_length());
    let copied = copy(response, output, &bar).await;
    let mut record = record.borrow_mut();
    record.response(response);
    copied.map_err(|stop| match stop {
        Stop::Fetch(error) => record.error(error),
        Stop::Output(failure) => failure,
    })
}

/// Why a body is not copied to its end.
enum Stop {
    Fetch(Error),
    Output(Failure),
}

async fn copy(response: &mut Response, output: &mut Output<'_>, bar: &Bar<'_>) -> Result<(), Stop> {
    let mut begun = false;
    while let Some(chunk) = response.chunk().await.map_err(Stop::Fetch)? {
        if !begun {
            output.check(&chunk).map_err(Stop::Output)?;
            begun = true;
        }
        bar.inc(chunk.len());
        output.write(chunk).await.map_err(Stop::Output)?;
    }
    Ok(())
}

fn request(
    context: &Context,
    job: &Job,
    record: &Rc<RefCell<Record>>,
    upload: &Upload,
) -> RequestBuilder {
    let args = &context.args.request;
    let method = args.method(job.upload.is_some());
    let query = args.data.as_deref().filter(|_| args.data_in_url);
    let mut request = context.client.request(method, job.full_url(query));
    for name in &args.without {
        request = request.without_header(name.as_str());
    }
    for (name, value) in &args.headers {
        request = request.header(name.as_str(), value.as_str());
    }
    if let Some((name, password)) = &args.user {
        request = request.basic_auth(name, password);
    }
    if let Some(token) = &args.token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = &upload.body {
        request = request
            .body(body.clone())
            .expect_continue(upload.asks_for_leave(args));
    }
    let record = Rc::clone(record);
    let insecure = context.args.connect.insecure;
    let console = (context.args.report.verbose).then(|| Rc::clone(&context.console));
    request.on_trace(move |step| {
        if let Some(console) = &console {
            console.say(&verbose::text(step, insecure));
        }
        record.borrow_mut().note(step);
    })
}

/// Prints the heads that have come, where they are wanted.
async fn put_heads(
    context: &Context,
    job: &Job,
    record: &Rc<RefCell<Record>>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    // Of a fetch that failed before there may be none, and then a file stays as it was.
    let heads = record.borrow_mut().heads.take().unwrap_or_default();
    match heads.is_empty() {
        true => Ok(()),
        false => put(context, job, heads, output).await,
    }
}

/// Prints what belongs to heads.
async fn put(
    context: &Context,
    job: &Job,
    heads: Vec<u8>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let args = &context.args;
    match args.output.heads_to.as_deref() {
        None => {}
        Some(file) if file.as_os_str() == "-" => {
            let written = context.stdout.write(job.number, heads.clone()).await;
            written.map_err(|error| Failure::write(&error))?;
        }
        Some(file) => {
            let dumped = dump(context, file, heads.clone()).await;
            dumped.map_err(|error| cannot_write(file, &error))?;
        }
    }
    if args.output.include || args.request.head {
        output.write(heads).await?;
    }
    Ok(())
}

/// Writes heads to a file: the first that come, of whichever transfer, in place of what was in it, and the others behind
/// them.
async fn dump(context: &Context, file: &Path, heads: Vec<u8>) -> std::io::Result<()> {
    let mut dumped = context.dumped.lock().await;
    let options = OpenOptions::new().create(true).write(true).append(*dumped);
    let file = options.truncate(!*dumped).open(file).await?;
    file.write_all_at(heads, 0).await.0?;
    file.close().await?;
    *dumped = true;
    Ok(())
}
