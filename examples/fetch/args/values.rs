//! Values of options.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use eyewall::http::Method;
use lexopt::ValueExt;

use super::usage;
use crate::code::{self, Failure};

pub(super) fn text(parser: &mut lexopt::Parser) -> Result<String, Failure> {
    parser
        .value()
        .and_then(|value| value.string())
        .map_err(usage)
}

/// What need not be text.
pub(super) fn bytes(parser: &mut lexopt::Parser) -> Result<Vec<u8>, Failure> {
    parser.value().map(OsString::into_vec).map_err(usage)
}

pub(super) fn path(parser: &mut lexopt::Parser) -> Result<PathBuf, Failure> {
    parser.value().map(PathBuf::from).map_err(usage)
}

pub(super) fn number<T: FromStr>(parser: &mut lexopt::Parser, option: &str) -> Result<T, Failure> {
    let given = text(parser)?;
    given
        .parse()
        .map_err(|_| Failure::usage(format!("{option} wants a number, and {given:?} is none")))
}

/// How many redirects; -1 for no limit.
pub(super) fn limit(parser: &mut lexopt::Parser) -> Result<u32, Failure> {
    let count: i64 = number(parser, "--max-redirs")?;
    Ok(match count {
        -1 => u32::MAX,
        count => u32::try_from(count).map_err(|_| {
            Failure::usage("--max-redirs wants a number of redirects, or -1 for any".to_string())
        })?,
    })
}

/// Seconds as curl takes them: whole or with a fraction.
pub(super) fn duration(parser: &mut lexopt::Parser) -> Result<Duration, Failure> {
    let given = text(parser)?;
    let seconds = given.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| Failure::usage(format!("{given:?} is no number of seconds")))
}

/// Bytes, or with a letter behind, which stands for powers of 1024.
pub(super) fn size(parser: &mut lexopt::Parser) -> Result<u64, Failure> {
    let given = text(parser)?;
    let (digits, unit) = match given.char_indices().last() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => (&given[..at], letter),
        _ => (&*given, 'b'),
    };
    let shift = match unit.to_ascii_lowercase() {
        'b' => Some(0),
        'k' => Some(10),
        'm' => Some(20),
        'g' => Some(30),
        't' => Some(40),
        _ => None,
    };
    let size = digits.parse::<u64>().ok().zip(shift);
    size.and_then(|(count, shift)| count.checked_mul(1 << shift))
        .ok_or_else(|| Failure::usage(format!("{given:?} is no number of bytes")))
}

pub(super) fn method(parser: &mut lexopt::Parser) -> Result<Method, Failure> {
    let given = text(parser)?;
    Method::from_bytes(given.as_bytes())
        .map_err(|_| Failure::usage(format!("{given:?} is no method")))
}

/// What the field Referer says. With curl, `;auto` behind it is an option.
pub(super) fn referer(parser: &mut lexopt::Parser) -> Result<String, Failure> {
    let given = text(parser)?;
    match given.ends_with(";auto") {
        true => Err(Failure::usage(
            "-e takes a URL; that each redirect names the one before (;auto) is not supported",
        )),
        false => Ok(given),
    }
}

/// What `-H` asks for: a field, or, as `NAME:`, that a field is not sent.
pub(super) enum Header {
    Add(String, String),
    Remove(String),
}

pub(super) fn header(parser: &mut lexopt::Parser) -> Result<Header, Failure> {
    let line = text(parser)?;
    match (line.split_once(':'), line.strip_suffix(';')) {
        (Some((name, value)), _) if value.trim().is_empty() => {
            Ok(Header::Remove(name.trim().into()))
        }
        (Some((name, value)), _) => Ok(Header::Add(name.trim().into(), value.trim().into())),
        (None, Some(name)) => Ok(Header::Add(name.trim().into(), String::new())),
        (None, None) => Err(Failure::usage(format!(
            "{line:?} is no header line: NAME: VALUE is"
        ))),
    }
}

/// `NAME:PASSWORD`. Without a password it is asked for; `whose` it is says the question.
pub(super) fn user(parser: &mut lexopt::Parser, whose: &str) -> Result<(String, String), Failure> {
    let given = text(parser)?;
    if let Some((name, password)) = given.split_once(':') {
        return Ok((name.into(), password.into()));
    }
    let terminal = console::Term::stderr();
    let _ = terminal.write_str(&format!("Enter {whose} password for user '{given}': "));
    let password = terminal
        .read_secure_line()
        .map_err(|error| Failure::read("the password", &error))?;
    Ok((given, password))
}

/// `HOST:PORT:ADDRESS[,ADDRESS]...`; a `-` before it takes back what nobody can have said here, and a `+` means that
/// it may be forgotten, which nothing is here.
pub(super) fn resolve(
    parser: &mut lexopt::Parser,
) -> Result<Option<(String, u16, Vec<SocketAddr>)>, Failure> {
    let given = text(parser)?;
    if given.starts_with('-') {
        return Ok(None);
    }
    let entry = given.strip_prefix('+').unwrap_or(&given);
    match entry_parts(entry) {
        Some(parts) if parts.0 != "*" => Ok(Some(parts)),
        Some(_) => Err(Failure::new(
            code::BAD_OPTION,
            "--resolve wants the name of a host; * for any is not supported",
        )),
        None => Err(Failure::new(
            code::BAD_OPTION,
            format!("--resolve wants HOST:PORT:ADDRESS, and {given:?} is none"),
        )),
    }
}

fn entry_parts(entry: &str) -> Option<(String, u16, Vec<SocketAddr>)> {
    // An IPv6 address as the host has colons itself, and brackets for that.
    let host_end = match entry.starts_with('[') {
        true => entry.find(']')? + 1,
        false => entry.find(':')?,
    };
    let (host, rest) = entry.split_at(host_end);
    let (port, addresses) = rest.strip_prefix(':')?.split_once(':')?;
    let port = port.parse().ok()?;
    let addresses: Option<Vec<SocketAddr>> = addresses
        .split(',')
        .map(|text| {
            let address: IpAddr = text.trim_matches(['[', ']']).parse().ok()?;
            Some(SocketAddr::new(address, port))
        })
        .collect();
    Some((host.into(), port, addresses?))
}
