//! `--write-out`: what is known of a transfer, under curl's names.

mod json;
mod values;

use crate::record::Record;

/// What `format` says about a transfer: pieces of text, each with whether it is for the standard error.
pub(crate) fn render(format: &str, record: &Record) -> Vec<(bool, String)> {
    let mut pieces = vec![(false, String::new())];
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        let (text, length) = match token(rest) {
            Token::Plain(text, length) => (text.to_string(), length),
            Token::Header(name, length) => (values::header(record, name), length),
            Token::Variable(name, length) => match name {
                "stdout" | "stderr" => {
                    pieces.push((name == "stderr", String::new()));
                    (String::new(), length)
                }
                // What follows is for failed transfers only.
                "onerror" if record.failure.is_none() => break,
                "onerror" => (String::new(), length),
                "json" => (json::all(record), length),
                "header_json" => (json::headers(record), length),
                name => match values::of(record, name) {
                    Some(value) => (value.plain(), length),
                    None => {
                        let line = format!("fetch: unknown --write-out variable: '{name}'\n");
                        let back = pieces.last().is_some_and(|(to_stderr, _)| *to_stderr);
                        pieces.push((true, line));
                        pieces.push((back, String::new()));
                        (String::new(), length)
                    }
                },
            },
            Token::Nothing => (first.to_string(), first.len_utf8()),
        };
        if let Some((_, piece)) = pieces.last_mut() {
            piece.push_str(&text);
        }
        rest = &rest[length..];
    }
    pieces.retain(|(_, text)| !text.is_empty());
    pieces
}

/// What a format begins with, and how long that is.
enum Token<'a> {
    Plain(&'static str, usize),
    Variable(&'a str, usize),
    Header(&'a str, usize),
    Nothing,
}

fn token(text: &str) -> Token<'_> {
    match text.get(..2) {
        Some("%%") => return Token::Plain("%", 2),
        Some("\\n") => return Token::Plain("\n", 2),
        Some("\\r") => return Token::Plain("\r", 2),
        Some("\\t") => return Token::Plain("\t", 2),
        _ => {}
    }
    if let Some((name, length)) = braced(text, "%{") {
        return Token::Variable(name, length);
    }
    match braced(text, "%header{") {
        Some((name, length)) => Token::Header(name, length),
        None => Token::Nothing,
    }
}

/// The name in `PREFIXname}` at the start of `text`, and the length of it all.
fn braced<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, usize)> {
    let inner = text.strip_prefix(prefix)?;
    let end = inner.find('}')?;
    Some((&inner[..end], prefix.len() + end + 1))
}
