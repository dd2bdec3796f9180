//! What an error answers to questions, what it becomes, and what it hides.

use super::*;

/// The questions that this kind says yes to.
fn is(kind: ErrorKind) -> Vec<&'static str> {
    let error = Error::new(kind);
    let answers = [
        ("timeout", error.is_timeout()),
        ("connect", error.is_connect()),
        ("resolve", error.is_resolve()),
        ("tls", error.is_tls()),
        ("request", error.is_request()),
        ("redirect", error.is_redirect()),
        ("status", error.is_status()),
        ("closed early", error.is_closed_early()),
        ("response", error.is_response()),
        ("cancelled", error.is_cancelled()),
    ];
    let yes = answers.into_iter().filter(|(_, yes)| *yes);
    yes.map(|(question, _)| question).collect()
}

#[test]
fn every_kind_answers_to_what_it_is_and_to_nothing_else() {
    let limit = Duration::from_secs(1);
    let timeout = |phase| ErrorKind::Timeout { phase, limit };
    let truncated = ErrorKind::Truncated {
        received: 1,
        expected: None,
    };
    let cases: [(ErrorKind, &[&str]); 34] = [
        (ErrorKind::Url, &["request"]),
        (ErrorKind::UnsupportedScheme, &["request"]),
        (ErrorKind::HttpsOnly, &["request"]),
        (ErrorKind::Request, &["request"]),
        (ErrorKind::Closed, &["cancelled"]),
        (ErrorKind::Cancelled, &["cancelled"]),
        (ErrorKind::Resolve, &["connect", "resolve"]),
        (ErrorKind::Connect, &["connect"]),
        (ErrorKind::Tls, &["connect", "tls"]),
        (ErrorKind::Proxy, &["connect"]),
        (timeout(Phase::Total), &["timeout"]),
        (timeout(Phase::Queue), &["timeout"]),
        (timeout(Phase::Connect), &["timeout", "connect"]),
        (timeout(Phase::Tls), &["timeout", "connect"]),
        (timeout(Phase::FirstByte), &["timeout"]),
        (timeout(Phase::IdleRead), &["timeout"]),
        (timeout(Phase::IdleWrite), &["timeout"]),
        (ErrorKind::Send, &["closed early"]),
        (ErrorKind::Body, &[]),
        (ErrorKind::EmptyReply, &["closed early"]),
        (ErrorKind::Protocol, &["response"]),
        (truncated, &["closed early"]),
        (ErrorKind::Receive, &["closed early"]),
        (ErrorKind::BodyTooLarge { limit: 1 }, &["response"]),
        (ErrorKind::Decode, &["response"]),
        (ErrorKind::NotUpgraded, &[]),
        (ErrorKind::Save, &[]),
        (ErrorKind::TooManyRedirects { limit: 1 }, &["redirect"]),
        (ErrorKind::RedirectLocation, &["redirect"]),
        (ErrorKind::RedirectDowngrade, &["redirect"]),
        (ErrorKind::RedirectBody, &["redirect"]),
        (ErrorKind::Status(StatusCode::NOT_FOUND), &["status"]),
        (ErrorKind::Reactor, &[]),
        (ErrorKind::Nested, &[]),
    ];
    for (kind, expected) in cases {
        assert_eq!(is(kind), expected, "{kind:?}");
    }
}

#[test]
fn the_io_error_that_it_becomes_has_the_kind_of_what_happened() {
    let timeout = Error::timeout(Phase::Total, Duration::from_secs(1));
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let cases = [
        (timeout, io::ErrorKind::TimedOut),
        (
            Error::new(ErrorKind::EmptyReply),
            io::ErrorKind::UnexpectedEof,
        ),
        (Error::new(ErrorKind::Url), io::ErrorKind::InvalidInput),
        (Error::new(ErrorKind::Decode), io::ErrorKind::InvalidData),
        (
            Error::io(ErrorKind::Connect, refused),
            io::ErrorKind::ConnectionRefused,
        ),
        (Error::new(ErrorKind::Closed), io::ErrorKind::Other),
    ];
    for (error, kind) in cases {
        let shown = error.to_string();
        let error = io::Error::from(error);
        assert_eq!(error.kind(), kind, "{shown}");
        assert_eq!(error.to_string(), shown);
    }
}

#[test]
fn neither_half_of_the_userinfo_is_shown() {
    for text in [
        "http://token@a.test/x",
        "http://:secret@a.test/x",
        "http://user:secret@a.test/x",
    ] {
        let url = Url::parse(text).unwrap();
        assert_eq!(without_userinfo(&url), "http://a.test/x");
        let error = Error::new(ErrorKind::Connect).at(&url);
        assert_eq!(error.url(), Some("http://a.test/x"));
    }
    for (text, shown) in [
        ("http://user:secret@a test/", "http://a test/"),
        ("//user:secret@a.test/", "//a.test/"),
        ("user:secret@a.test", "a.test"),
    ] {
        let error = Error::bad_url(text, "it is none").to_string();
        assert!(error.contains(&format!("({shown})")), "{error}");
    }
}
