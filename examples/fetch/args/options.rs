//! The options: what each of them sets. A function for each group says whether an option is one of its own.

use lexopt::Parser;

use super::job::{Lists, Target};
use super::values::{self, Header};
use super::{
    Args, ConnectArgs, Fail, MOST_PARALLEL, OutputArgs, PARALLEL, Pending, ReportArgs, RequestArgs,
    post,
};
use crate::code::Failure;

/// Options of the whole run.
pub(super) fn general(option: &str, args: &mut Args, parser: &mut Parser) -> Result<bool, Failure> {
    match option {
        "h" | "help" => args.help = true,
        "V" | "version" => args.version = true,
        "Z" | "parallel" => args.parallel = true,
        "parallel-max" => {
            let count: usize = values::number(parser, "--parallel-max")?;
            // As curl does with what is out of range.
            args.at_once = match count {
                0 => PARALLEL,
                count => count.min(MOST_PARALLEL),
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
pub(super) fn request(
    option: &str,
    args: &mut RequestArgs,
    pending: &mut Pending,
    parser: &mut Parser,
) -> Result<bool, Failure> {
    match option {
        "X" | "request" => args.method = Some(values::method(parser)?),
        "I" | "head" => args.head = true,
        "H" | "header" => match values::header(parser)? {
            Header::Add(name, value) => args.headers.push((name, value)),
            Header::Remove(name) => args.without.push(name),
        },
        "d" | "data" | "data-ascii" => {
            post::append(&mut args.data, post::data(&values::bytes(parser)?)?);
        }
        "data-raw" => post::append(&mut args.data, values::bytes(parser)?),
        "data-binary" => {
            post::append(&mut args.data, post::binary(&values::bytes(parser)?)?);
        }
        "data-urlencode" => {
            post::append(&mut args.data, post::encoded(&values::bytes(parser)?)?);
        }
        "json" => {
            pending.json = true;
            let part = post::binary(&values::bytes(parser)?)?;
            args.data.get_or_insert_default().extend(part);
        }
        "G" | "get" => args.data_in_url = true,
        "T" | "upload-file" => pending.jobs.uploads.push(values::path(parser)?),
        "u" | "user" => args.user = Some(values::user(parser, "host")?),
        "oauth2-bearer" => args.token = Some(values::text(parser)?),
        "A" | "user-agent" => args.agent = Some(values::text(parser)?),
        "e" | "referer" => args.referer = Some(values::referer(parser)?),
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
pub(super) fn connect(
    option: &str,
    args: &mut ConnectArgs,
    parser: &mut Parser,
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
pub(super) fn output(
    option: &str,
    args: &mut OutputArgs,
    jobs: &mut Lists,
    parser: &mut Parser,
) -> Result<bool, Failure> {
    match option {
        "o" | "output" => jobs.targets.push(Target::of(values::path(parser)?)),
        "O" | "remote-name" => jobs.targets.push(Target::RemoteName),
        "remote-name-all" => jobs.all_by_name = true,
        "output-dir" => args.directory = Some(values::path(parser)?),
        "create-dirs" => args.make_directories = true,
        "i" | "include" | "show-headers" => args.include = true,
        "D" | "dump-header" => args.heads_to = Some(values::path(parser)?),
        "f" | "fail" => args.fail = Fail::WithoutBody,
        "fail-with-body" => args.fail = Fail::WithBody,
        "max-filesize" => args.max_size = Some(values::size(parser)?).filter(|size| *size > 0),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Options about what is said.
pub(super) fn report(
    option: &str,
    args: &mut ReportArgs,
    parser: &mut Parser,
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
                Some(file) => String::from_utf8_lossy(&post::read(file.as_ref())?).into_owned(),
                None => format,
            });
        }
        _ => return Ok(false),
    }
    Ok(true)
}
