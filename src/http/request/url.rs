//! The URL of a request, with what every request needs of it: found once, and shared by all requests for one URL.

use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

use url::{Position, Url};

use crate::http::codec::check_target;
use crate::http::error::Error;
use crate::http::origin;

/// The URL that a request goes to. It has no user name and no password, which would be shown wherever it is: see
/// [`take_userinfo`](crate::http::auth::take_userinfo).
#[derive(Clone)]
pub(in crate::http) struct RequestUrl(Rc<Parts>);

/// A URL, and where in its text its parts stand.
struct Parts {
    url: Url,
    /// `None` where it cannot be fetched.
    secure: Option<bool>,
    authority: Range<usize>,
    target: Range<usize>,
    /// Whether the target can be sent.
    sendable: bool,
}

impl RequestUrl {
    /// Whether it wants TLS. Refuses one of a scheme that is not fetched here.
    pub(in crate::http) fn is_secure(&self) -> Result<bool, Error> {
        match self.0.secure {
            Some(secure) => Ok(secure),
            None => origin::is_secure(self),
        }
    }

    /// The value of the Host field (RFC 9110 section 7.2): the authority without its userinfo.
    pub(in crate::http) fn authority(&self) -> &str {
        &self.as_str()[self.0.authority.clone()]
    }

    /// Refuses one whose target cannot be sent.
    pub(in crate::http) fn check_target(&self) -> Result<(), Error> {
        match self.0.sendable {
            true => Ok(()),
            false => check_target(self.target()).map_err(Error::request),
        }
    }

    /// The request target in origin form (RFC 9112 section 3.2.1).
    pub(in crate::http) fn target(&self) -> &str {
        &self.as_str()[self.0.target.clone()]
    }

    /// The request target in absolute form (RFC 9112 section 3.2.2), for a proxy.
    pub(in crate::http) fn absolute_target(&self) -> &str {
        &self.as_str()[..self.0.target.end]
    }

    /// The URL alone.
    pub(in crate::http) fn into_url(self) -> Url {
        match Rc::try_unwrap(self.0) {
            Ok(parts) => parts.url,
            Err(shared) => shared.url.clone(),
        }
    }
}

impl From<Url> for RequestUrl {
    fn from(url: Url) -> RequestUrl {
        let at = |position| url[..position].len();
        let target = at(Position::BeforePath)..at(Position::AfterQuery);
        RequestUrl(Rc::new(Parts {
            secure: origin::is_secure(&url).ok(),
            authority: at(Position::BeforeHost)..at(Position::AfterPort),
            sendable: check_target(&url.as_str()[target.clone()]).is_ok(),
            target,
            url,
        }))
    }
}

impl Deref for RequestUrl {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.0.url
    }
}

impl fmt::Debug for RequestUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_parts_are_those_of_a_request() {
        let sites = [
            ("http://example.org", Ok(false), "example.org", "/"),
            ("http://example.org:80/", Ok(false), "example.org", "/"),
            (
                "http://[::1]:81/a/b?c=d#e",
                Ok(false),
                "[::1]:81",
                "/a/b?c=d",
            ),
            ("http://a.test?q#f", Ok(false), "a.test", "/?q"),
            ("https://a.test:444/x#f", Ok(true), "a.test:444", "/x"),
            ("ftp://a.test/x", Err(()), "a.test", "/x"),
            ("file:///x", Err(()), "", "/x"),
        ];
        for (text, secure, authority, target) in sites {
            let url = RequestUrl::from(Url::parse(text).unwrap());
            let secure = secure.and_then(|secure| match secure && !cfg!(feature = "__tls") {
                true => Err(()),
                false => Ok(secure),
            });
            assert_eq!(url.is_secure().map_err(drop), secure, "{text}");
            assert_eq!(
                (url.authority(), url.target()),
                (authority, target),
                "{text}"
            );
            let whole = url.as_str().split('#').next().unwrap();
            assert_eq!(url.absolute_target(), whole);
            assert_eq!(url.clone().into_url(), url.into_url());
        }
    }
}
