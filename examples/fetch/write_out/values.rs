//! The variables, and their values.

use std::time::Duration;

use eyewall::http::{Timings, Version};

use super::json;
use crate::record::Record;

pub(super) enum Value {
    /// Nothing where it is not known.
    Text(Option<String>),
    Number(u64),
    Time(Duration),
    /// A status, which has three digits where it is shown by itself.
    Status(u16),
}

impl Value {
    pub(super) fn plain(&self) -> String {
        match self {
            Value::Text(text) => text.clone().unwrap_or_default(),
            Value::Number(number) => number.to_string(),
            Value::Time(time) => format!("{:.6}", time.as_secs_f64()),
            Value::Status(status) => format!("{status:03}"),
        }
    }

    pub(super) fn json(&self) -> String {
        match self {
            Value::Text(Some(text)) => json::string(text),
            Value::Text(None) => "null".into(),
            Value::Status(status) => status.to_string(),
            value => value.plain(),
        }
    }
}

/// All that `%{json}` shows, in its order.
pub(super) const NAMES: &[&str] = &[
    "certs",
    "content_type",
    "errormsg",
    "exitcode",
    "filename_effective",
    "ftp_entry_path",
    "http_code",
    "http_connect",
    "http_version",
    "local_ip",
    "local_port",
    "method",
    "num_certs",
    "num_connects",
    "num_headers",
    "num_redirects",
    "num_retries",
    "proxy_ssl_verify_result",
    "proxy_used",
    "redirect_url",
    "referer",
    "remote_ip",
    "remote_port",
    "response_code",
    "scheme",
    "size_download",
    "size_header",
    "size_request",
    "size_upload",
    "speed_download",
    "speed_upload",
    "ssl_verify_result",
    "time_appconnect",
    "time_connect",
    "time_namelookup",
    "time_pretransfer",
    "time_redirect",
    "time_starttransfer",
    "time_total",
    "url",
    "url_effective",
    "urlnum",
    "xfer_id",
];

/// The value of a variable; `None` if there is no such name.
pub(super) fn of(record: &Record, name: &str) -> Option<Value> {
    let last = record.last.as_ref();
    let address = |address: Option<std::net::SocketAddr>| {
        Value::Text(Some(
            address.map_or(String::new(), |at| at.ip().to_string()),
        ))
    };
    let port = |address: Option<std::net::SocketAddr>| {
        Value::Number(address.map_or(0, |at| at.port().into()))
    };
    let time = |of: fn(&Timings) -> Option<Duration>| {
        Value::Time(record.timings.as_ref().and_then(of).unwrap_or_default())
    };
    let speed = |bytes: u64| match record.took.as_secs_f64() {
        took if took > 0.0 => Value::Number((bytes as f64 / took) as u64),
        _ => Value::Number(0),
    };
    Some(match name {
        // curl spells them out; what is in them is not looked at here.
        "certs" => Value::Text(Some(String::new())),
        "content_type" => Value::Text(last.and_then(|last| {
            let value = last.headers.get("content-type")?;
            Some(String::from_utf8_lossy(value.as_bytes()).into())
        })),
        "errormsg" => Value::Text(
            record
                .failure
                .as_ref()
                .map(|failure| failure.message.clone()),
        ),
        "exitcode" => Value::Number(record.code().into()),
        "filename_effective" => Value::Text(record.file.clone()),
        // That of a protocol that is not spoken here.
        "ftp_entry_path" => Value::Text(None),
        "http_code" | "response_code" => Value::Status(last.map_or(0, |last| last.status.as_u16())),
        "http_connect" => Value::Status(record.tunnel.map_or(0, |status| status.as_u16())),
        "http_version" => Value::Text(Some(
            match last.map(|last| last.version) {
                Some(Version::HTTP_10) => "1.0",
                Some(_) => "1.1",
                None => "0",
            }
            .into(),
        )),
        "local_ip" => address(record.local),
        "local_port" => port(record.local),
        "method" => Value::Text(Some(record.method.clone())),
        "num_certs" => Value::Number(record.certificates as u64),
        "num_connects" => Value::Number(record.connects.into()),
        "num_headers" => Value::Number(last.map_or(0, |last| last.headers.lines().count() as u64)),
        "num_redirects" => Value::Number(record.timings.map_or(0, |known| known.redirects.into())),
        // There are none here.
        "num_retries" | "proxy_ssl_verify_result" => Value::Number(0),
        "proxy_used" => Value::Number(record.through_proxy.into()),
        "redirect_url" => Value::Text(record.redirect_url().map(String::from)),
        "referer" => Value::Text(record.referer.clone()),
        "remote_ip" => address(record.remote),
        "remote_port" => port(record.remote),
        "scheme" => Value::Text(
            (record.effective.as_ref())
                .filter(|_| record.connects > 0 || last.is_some())
                .map(|url| url.scheme().into()),
        ),
        "size_download" => Value::Number(record.downloaded),
        "size_header" => Value::Number(record.heads_received),
        "size_request" => Value::Number(record.heads_sent),
        "size_upload" => Value::Number(record.uploaded),
        "speed_download" => speed(record.downloaded),
        "speed_upload" => speed(record.uploaded),
        "ssl_verify_result" => Value::Number(record.verify_result.into()),
        "time_appconnect" => time(|timings| timings.tls),
        "time_connect" => time(|timings| timings.connected),
        "time_namelookup" => time(|timings| timings.resolved),
        "time_pretransfer" => time(|timings| timings.sending),
        "time_redirect" => time(|timings| timings.redirect),
        "time_starttransfer" => time(|timings| timings.first_byte),
        "time_total" => Value::Time(record.took),
        "url" => Value::Text(Some(record.url.clone())),
        "url_effective" => Value::Text(Some(match &record.effective {
            Some(url) => url.to_string(),
            None => record.url.clone(),
        })),
        "urlnum" | "xfer_id" => Value::Number(record.number as u64),
        _ => return None,
    })
}

/// The value of a field of the last head, without spaces around it.
pub(super) fn header(record: &Record, name: &str) -> String {
    let last = record.last.as_ref();
    let value = last.and_then(|last| last.headers.get(name.trim()));
    value.map_or(String::new(), |value| {
        String::from_utf8_lossy(value.as_bytes()).trim().into()
    })
}
