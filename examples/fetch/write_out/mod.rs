//! `--write-out`: what is known of a transfer, under curl's names.

mod json;
mod values;

use crate::record::Record;

/// What `format` says about a transfer: pieces of text, each with whether it is for the standard error.
pub(crate) fn render(format: &str, record: &Record) -> Vec<(bool, String)> {
    let mut pieces = vec![(false, String::new())];
    let mut rest = format;
    while !rest.is_empty() {
        let (text, length) = match token(rest) {
            Token::Escape(text) => (text.to_string(), 2),
            Token::Plain(text) => (text.to_string(), text.len()),
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
        };
        if let Some((_, piece)) = pieces.last_mut() {
            piece.push_str(&text);
        }
        rest = &rest[length..];
    }
    pieces.retain(|(_, text)| !text.is_empty());
    pieces
}

/// What a format begins with; for names with how long it all is.
enum Token<'a> {
    /// What two characters stand for.
    Escape(&'static str),
    Plain(&'a str),
    Variable(&'a str, usize),
    Header(&'a str, usize),
}

fn token(text: &str) -> Token<'_> {
    match text.get(..2) {
        Some("%%") => return Token::Escape("%"),
        Some("\\n") => return Token::Escape("\n"),
        Some("\\r") => return Token::Escape("\r"),
        Some("\\t") => return Token::Escape("\t"),
        _ => {}
    }
    if let Some((name, length)) = braced(text, "%{") {
        return Token::Variable(name, length);
    }
    if let Some((name, length)) = braced(text, "%header{") {
        return Token::Header(name, length);
    }
    // What means nothing is left as it is, with the character behind it.
    let characters = if text.starts_with(['%', '\\']) { 2 } else { 1 };
    let end = text.char_indices().nth(characters);
    Token::Plain(&text[..end.map_or(text.len(), |(at, _)| at)])
}

/// The name in `PREFIXname}` at the start of `text`, and the length of it all.
fn braced<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, usize)> {
    let inner = text.strip_prefix(prefix)?;
    let end = inner.find('}')?;
    Some((&inner[..end], prefix.len() + end + 1))
}
