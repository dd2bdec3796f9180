//! What is shown as JSON.

use super::values;
use crate::record::Record;

/// An object of all variables.
pub(super) fn all(record: &Record) -> String {
    let members = values::NAMES.iter().filter_map(|name| {
        let value = values::of(record, name)?;
        Some(format!("{}:{}", string(name), value.json()))
    });
    let members: Vec<String> = members.collect();
    let version = concat!("eyewall/", env!("CARGO_PKG_VERSION"));
    format!(
        "{{{},\"curl_version\":{}}}",
        members.join(","),
        string(version)
    )
}

/// An object of the fields of the last head: names in lower case, and for each an array of values.
pub(super) fn headers(record: &Record) -> String {
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    let lines = record.last.iter().flat_map(|last| last.headers.lines());
    for (name, value) in lines {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value = string(&String::from_utf8_lossy(value));
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let members: Vec<String> = fields
        .iter()
        .map(|(name, values)| format!("{}:[{}]", string(name), values.join(",")))
        .collect();
    format!("{{{}\n}}", members.join(",\n"))
}

/// A string of JSON (RFC 8259, 7).
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if u32::from(letter) < 0x20 => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
