//! `--write-out`: what is known of a transfer, under curl's names.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use eyewall::http::{HeaderMap, Response, Timings, Version};

/// What is known of one transfer.
pub(crate) struct Transfer {
    number: usize,
    url: String,
    pub(crate) file: Option<String>,
    pub(crate) method: String,
    pub(crate) size_upload: u64,
    pub(crate) size_download: u64,
    started: Instant,
    known: Option<Known>,
    /// The exit code, the message, and when it failed.
    failure: Option<(u8, String, Duration)>,
}

/// What a response tells.
struct Known {
    url: String,
    scheme: String,
    status: u16,
    version: Version,
    headers: HeaderMap,
    head_size: u64,
    request_size: u64,
    reused: bool,
    local: Option<SocketAddr>,
    remote: Option<SocketAddr>,
    timings: Timings,
}

impl Transfer {
    pub(crate) fn new(number: usize, url: &str, file: Option<String>) -> Transfer {
        Transfer {
            number,
            url: url.into(),
            file,
            method: String::new(),
            size_upload: 0,
            size_download: 0,
            started: Instant::now(),
            known: None,
            failure: None,
        }
    }

    /// The head of the response is there.
    pub(crate) fn head(&mut self, response: &Response) {
        self.known = Some(Known {
            url: response.url().to_string(),
            scheme: response.url().scheme().into(),
            status: response.status().as_u16(),
            version: response.version(),
            headers: response.headers().clone(),
            head_size: response.head_size(),
            request_size: response.request_size(),
            reused: response.is_reused(),
            local: response.local_addr(),
            remote: response.remote_addr(),
            timings: *response.timings(),
        });
    }

    /// The body has ended, well or not.
    pub(crate) fn end(&mut self, response: &Response) {
        if let Some(known) = &mut self.known {
            known.timings = *response.timings();
        }
    }

    pub(crate) fn failed(&mut self, code: u8, message: String) {
        self.failure = Some((code, message, self.started.elapsed()));
    }

    /// The value of a variable; `None` if there is no such name.
    fn variable(&self, name: &str) -> Option<String> {
        let known = self.known.as_ref();
        let text = |of: fn(&Known) -> String| known.map(of).unwrap_or_default();
        let number = |of: fn(&Known) -> u64| known.map_or(0, of).to_string();
        let time = |of: fn(&Timings) -> Option<Duration>| {
            let time = known.and_then(|known| of(&known.timings));
            format!("{:.6}", time.unwrap_or_default().as_secs_f64())
        };
        let speed = |bytes: u64| {
            let total = known.and_then(|known| known.timings.total);
            let total = total.unwrap_or_default().as_secs_f64();
            let speed = if total > 0.0 {
                bytes as f64 / total
            } else {
                0.0
            };
            format!("{speed:.0}")
        };
        Some(match name {
            "content_type" => text(|known| field(known, "content-type")),
            "errormsg" => self
                .failure
                .as_ref()
                .map_or(String::new(), |(_, message, _)| message.clone()),
            "exitcode" => self
                .failure
                .as_ref()
                .map_or(0, |(code, _, _)| *code)
                .to_string(),
            "filename_effective" => self.file.clone().unwrap_or_default(),
            "http_code" | "response_code" => {
                format!("{:03}", known.map_or(0, |known| known.status))
            }
            "http_version" => match known.map(|known| known.version) {
                Some(Version::HTTP_10) => "1.0".into(),
                Some(_) => "1.1".into(),
                None => "0".into(),
            },
            "local_ip" => text(|known| known.local.map_or(String::new(), |at| at.ip().to_string())),
            "local_port" => number(|known| known.local.map_or(0, |at| at.port().into())),
            "method" => self.method.clone(),
            "num_connects" => number(|known| u64::from(!known.reused)),
            "num_headers" => number(|known| known.headers.len() as u64),
            "num_redirects" => "0".into(),
            "remote_ip" => {
                text(|known| known.remote.map_or(String::new(), |at| at.ip().to_string()))
            }
            "remote_port" => number(|known| known.remote.map_or(0, |at| at.port().into())),
            "scheme" => text(|known| known.scheme.clone()),
            "size_download" => self.size_download.to_string(),
            "size_header" => number(|known| known.head_size),
            "size_request" => number(|known| known.request_size),
            "size_upload" => self.size_upload.to_string(),
            "speed_download" => speed(self.size_download),
            "speed_upload" => speed(self.size_upload),
            // No TLS and no redirects here: curl prints zero for what did not happen.
            "time_appconnect" | "time_redirect" => "0.000000".into(),
            "time_connect" => time(|timings| timings.connected),
            "time_namelookup" => time(|timings| timings.resolved),
            "time_pretransfer" => time(|timings| timings.sending),
            "time_starttransfer" => time(|timings| timings.first_byte),
            "time_total" => match &self.failure {
                Some((_, _, after)) => format!("{:.6}", after.as_secs_f64()),
                None => time(|timings| timings.total),
            },
            "url" => self.url.clone(),
            "url_effective" => known.map_or_else(|| self.url.clone(), |known| known.url.clone()),
            "urlnum" => self.number.to_string(),
            _ => return None,
        })
    }

    fn header(&self, name: &str) -> String {
        self.known
            .as_ref()
            .map_or(String::new(), |known| field(known, name))
    }
}

fn field(known: &Known, name: &str) -> String {
    let value = known.headers.get(name).map(|value| value.as_bytes());
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

/// Prints `format` with the variables of `transfer`.
pub(crate) fn print(format: &str, transfer: &Transfer) {
    let mut to_stderr = false;
    let mut rest = format;
    while let Some(at) = rest.find(['%', '\\']) {
        emit(to_stderr, &rest[..at]);
        rest = &rest[at..];
        let (text, length) = if let Some((name, length)) = braced(rest, "%{") {
            match name {
                "stderr" => to_stderr = true,
                "stdout" => to_stderr = false,
                // What follows is for failed transfers only.
                "onerror" if transfer.failure.is_none() => break,
                _ => {}
            }
            let known = ["stderr", "stdout", "onerror"].contains(&name);
            let value = transfer.variable(name);
            if value.is_none() && !known {
                eprintln!("fetch: unknown --write-out variable: '{name}'");
            }
            (value.unwrap_or_default(), length)
        } else if let Some((name, length)) = braced(rest, "%header{") {
            (transfer.header(name), length)
        } else {
            let (text, length) = match rest.get(..2) {
                Some("%%") => ("%", 2),
                Some("\\n") => ("\n", 2),
                Some("\\r") => ("\r", 2),
                Some("\\t") => ("\t", 2),
                _ => (&rest[..1], 1),
            };
            (text.to_owned(), length)
        };
        emit(to_stderr, &text);
        rest = &rest[length..];
        if rest.is_empty() {
            break;
        }
    }
    if !rest.contains(['%', '\\']) {
        emit(to_stderr, rest);
    }
    crate::say("");
}

/// The name in `PREFIXname}` at the start of `text`, and the length of it all.
fn braced<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, usize)> {
    let inner = text.strip_prefix(prefix)?;
    let end = inner.find('}')?;
    Some((&inner[..end], prefix.len() + end + 1))
}

/// A reader that has gone is no error of ours.
fn emit(to_stderr: bool, text: &str) {
    let _ = match to_stderr {
        true => std::io::stderr().write_all(text.as_bytes()),
        false => std::io::stdout().write_all(text.as_bytes()),
    };
}
