//! The URL that was asked for last: most requests of a client go to where the one before went.
//!
//! To read a URL from text takes thousands of instructions, most of them for its host. What has the same origin as the
//! one before, letter for letter, is read as the rest that follows it, which the standard reads in the same way.

use std::cell::RefCell;

use http::HeaderValue;
use url::{Position, Url};

use crate::http::auth;
use crate::http::error::Error;
use crate::http::origin::IntoUrl;
use crate::http::request::RequestUrl;

/// A longer one is not kept.
const LONGEST: usize = 2048;

#[derive(Default)]
pub(super) struct Recent {
    last: RefCell<Option<RequestUrl>>,
}

impl Recent {
    /// What `url` says, and the credentials that were in it.
    pub(super) fn read(
        &self,
        url: impl IntoUrl,
    ) -> Result<(RequestUrl, Option<HeaderValue>), Error> {
        let mut last = self.last.borrow_mut();
        // A URL that has been written down is read as itself.
        if let Some(last) = &*last
            && last.as_str() == url.text()
        {
            return Ok((last.clone(), None));
        }
        let beside = match &*last {
            Some(last) if !url.is_read() => read_beside(last, url.text()),
            _ => None,
        };
        let mut url = match beside {
            Some(url) => url,
            None => url.into_url()?,
        };
        let credentials = auth::take_userinfo(&mut url);
        let url = RequestUrl::from(url);
        if url.as_str().len() <= LONGEST && url.is_secure().is_ok() && credentials.is_none() {
            *last = Some(url.clone());
        }
        Ok((url, credentials))
    }
}

/// The URL in `text`, if it begins with the origin of `last` and goes on plainly.
fn read_beside(last: &Url, text: &str) -> Option<Url> {
    let rest = text.strip_prefix(&last[..Position::BeforePath])?;
    // Two slashes would begin a host, and so would a backslash, or a tab between them, which is passed over.
    let path = rest.starts_with('/') && !rest.starts_with("//");
    let plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    match path && plain {
        true => last.join(rest).ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::origin;

    const FIRST: [&str; 7] = [
        "http://example.org/",
        "http://example.org:8080/a/b?c#d",
        "https://example.org/%41/../b",
        "http://[::1]:81/x",
        "http://127.0.0.1",
        "example.org/x",
        "http://user:secret@example.org/",
    ];

    const RESTS: [&str; 30] = [
        "",
        "/",
        "/a",
        "/a/b/../c/./d",
        "/..",
        "/.",
        "/%2e%2E/%2e/x",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\evil.example/",
        "/\t/evil.example/",
        "/./",
        "/.//evil.example/",
        "/..//evil.example/",
        "/a?b=c&d=/../e",
        "/a#b",
        "/a?b#c?d",
        "?a",
        "#a",
        ":80/",
        ":81/",
        "0/",
        "@evil.example/",
        ".evil.example/",
        "/a b",
        "/a ",
        "/ä?ö#ü",
        "/\"<>`{}|^'[]?\"<>`'",
        "/a:b@c",
    ];

    #[test]
    fn it_reads_what_is_read_without_it() {
        for first in FIRST {
            let url = origin::parse(first).unwrap();
            let origin = &url[..Position::BeforePath];
            for rest in RESTS {
                let texts = [
                    format!("{origin}{rest}"),
                    format!("{first}{rest}"),
                    rest.into(),
                ];
                for text in texts {
                    let recent = Recent::default();
                    recent.read(first).unwrap();
                    let expected = origin::parse(&text).map(|mut url| {
                        let credentials = auth::take_userinfo(&mut url);
                        (url, credentials)
                    });
                    let expected = expected.map_err(|error| error.to_string());
                    for _ in 0..2 {
                        let read = recent.read(&text).map_err(|error| error.to_string());
                        let read = read.map(|(url, credentials)| (url.into_url(), credentials));
                        assert_eq!(read, expected, "{text:?} after {first:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_has_the_same_origin_is_read_beside_it() {
        let last = Url::parse("http://example.org:8080/a?b").unwrap();
        for text in [
            "http://example.org:8080/a?b",
            "http://example.org:8080/c/../d#e",
        ] {
            assert_eq!(read_beside(&last, text), Some(Url::parse(text).unwrap()));
        }
        for text in [
            "http://example.org:80/",
            "http://example.org:8080",
            "/a",
            "HTTP://example.org:8080/",
        ] {
            assert_eq!(read_beside(&last, text), None, "{text}");
        }
    }

    #[test]
    fn neither_a_secret_nor_a_long_one_is_kept() {
        let recent = Recent::default();
        let long = format!("http://example.org/{}", "x".repeat(LONGEST));
        for text in [
            "http://user:secret@example.org/",
            "http://user@example.org/",
            &long,
            "ftp://example.org/",
        ] {
            recent.read(text).unwrap();
            assert!(recent.last.borrow().is_none(), "{text}");
        }
        let (one, _) = recent.read("http://example.org/").unwrap();
        assert!(recent.last.borrow().is_some());
        let (other, _) = recent.read(one.into_url()).unwrap();
        assert_eq!(other.as_str(), "http://example.org/");
    }
}
