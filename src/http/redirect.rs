//! Redirects: whether one is followed, and what the next request is.
//!
//! | status | method of the next request | body |
//! | --- | --- | --- |
//! | 301, 302 | GET after POST, otherwise the same | dropped with POST |
//! | 303 | HEAD after HEAD, otherwise GET | dropped |
//! | 307, 308 | the same | sent again |
//!
//! One that answers CONNECT is the result, and no policy is asked: it means that there is no tunnel (RFC 9110, 9.3.6), and
//! whoever got one to another place would take that for the host that was asked for.
//!
//! Where the body is dropped, the fields that describe it go too. Where the origin changes (scheme, host or port),
//! credentials go, and do not come back with a later hop: `Authorization`, `Cookie`, `Cookie2`,
//! `Proxy-Authorization`, `WWW-Authenticate`, `Host`, and every value that is marked sensitive.

use std::fmt;
use std::rc::Rc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use url::Url;

use super::auth;
use super::error::{Error, ErrorKind};
use super::request::{Fields, Request};

/// A redirect that has been followed; from [`Response::history`](super::Response::history).
#[derive(Clone)]
pub struct Redirect {
    pub(super) url: Url,
    pub(super) status: StatusCode,
}

impl Redirect {
    /// The URL that answered with the redirect.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redirect")
            .field("url", &super::error::without_userinfo(&self.url))
            .field("status", &self.status)
            .finish()
    }
}

/// A redirect that is about to be followed, as a [policy](super::ClientBuilder::redirect_policy) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The status of the response.
    pub status: StatusCode,
    /// Where it leads; without a user name and password that it may say.
    pub next: &'a Url,
    /// The method of the next request.
    pub method: &'a Method,
    /// The URL that answered.
    pub from: &'a Url,
    /// The redirects that were followed before, oldest first.
    pub history: &'a [Redirect],
}

/// What a [policy](super::ClientBuilder::redirect_policy) wants done with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Follow it, if the other rules allow that.
    Follow,
    /// Do not follow it: the response with the redirect is the result.
    Stop,
    /// Fail, with [`ErrorKind::RedirectLocation`](super::ErrorKind::RedirectLocation).
    Refuse,
}

/// A policy of the user's.
#[derive(Clone)]
pub(super) struct Policy(pub(super) Rc<dyn Fn(&Attempt<'_>) -> Action>);

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policy")
    }
}

/// What holds for the redirects of one fetch.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) limit: u32,
    pub(super) policy: Option<&'a Policy>,
    pub(super) allow_downgrade: bool,
}

/// The next request.
#[derive(Debug)]
pub(super) struct Next {
    url: Url,
    /// Of the user name and password that the URL had, which nobody is shown.
    credentials: Option<HeaderValue>,
    method: Method,
    drop_body: bool,
}

/// What to do about a response with this head; `None` if it is the result.
pub(super) fn next(
    request: &Request,
    status: StatusCode,
    headers: &HeaderMap,
    history: &[Redirect],
    rules: &Rules<'_>,
) -> Result<Option<Next>, Error> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) || request.method == Method::CONNECT
    {
        return Ok(None);
    }
    let Some(mut url) = location(&request.url, headers)? else {
        return Ok(None);
    };
    let credentials = auth::take_userinfo(&mut url);
    let drop_body = match status.as_u16() {
        301 | 302 => request.method == Method::POST,
        303 => true,
        _ => false,
    };
    let method = match drop_body && request.method != Method::HEAD {
        true => Method::GET,
        false => request.method.clone(),
    };
    if let Some(Policy(policy)) = rules.policy {
        let attempt = Attempt {
            status,
            next: &url,
            method: &method,
            from: &request.url,
            history,
        };
        match policy(&attempt) {
            Action::Follow => {}
            Action::Stop => return Ok(None),
            Action::Refuse => {
                let reason = format!("the policy refuses {url}");
                return Err(Error::boxed(ErrorKind::RedirectLocation, reason));
            }
        }
    }
    if history.len() >= rules.limit as usize {
        return Err(Error::new(ErrorKind::TooManyRedirects {
            limit: rules.limit,
        }));
    }
    if !matches!(url.scheme(), "http" | "https") {
        let reason = format!("its scheme is {:?}", url.scheme());
        return Err(Error::boxed(ErrorKind::RedirectLocation, reason));
    }
    if request.url.scheme() == "https" && url.scheme() == "http" && !rules.allow_downgrade {
        return Err(Error::new(ErrorKind::RedirectDowngrade));
    }
    if !drop_body && !request.may_replay() {
        return Err(Error::new(ErrorKind::RedirectBody));
    }
    Ok(Some(Next {
        url,
        credentials,
        method,
        drop_body,
    }))
}

/// Where the response leads; `None` if it does not say.
fn location(base: &Url, headers: &HeaderMap) -> Result<Option<Url>, Error> {
    let mut values = headers.get_all(header::LOCATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != value) {
        let reason = "the response has several Location fields, which differ";
        return Err(Error::boxed(ErrorKind::RedirectLocation, reason));
    }
    // Not every server encodes what is not ASCII; nobody says in which character set it is. UTF-8 is what a
    // browser would send on, and other bytes are kept as they are.
    const BEYOND_ASCII: &AsciiSet = &CONTROLS.remove(0x7f);
    let text = percent_encode(value.as_bytes(), BEYOND_ASCII).to_string();
    let mut url = base
        .join(&text)
        .map_err(|error| Error::boxed(ErrorKind::RedirectLocation, error))?;
    if url.fragment().is_none() {
        url.set_fragment(base.fragment());
    }
    Ok(Some(url))
}

impl Next {
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Makes `request` the next one.
    pub(super) fn apply(self, request: &mut Request) {
        let Next {
            url,
            credentials,
            method,
            drop_body,
        } = self;
        if drop_body {
            request.body = None;
            if let Some(fields) = &mut request.fields {
                remove_fields(&mut fields.headers, |name, _| describes_body(name));
            }
        }
        if same_origin(&request.url, &url) {
            if credentials.is_some() {
                request.fields_mut().auth = credentials;
            }
        } else {
            strip_credentials(request.fields_mut());
        }
        request.method = method;
        request.url = url.into();
    }
}

/// Whether a field describes a body, or how it is sent (RFC 9110, 15.4; for the digests RFC 9530).
fn describes_body(name: &HeaderName) -> bool {
    let name = name.as_str();
    let others = [
        "digest",
        "expect",
        "last-modified",
        "repr-digest",
        "trailer",
        "transfer-encoding",
    ];
    name.starts_with("content-") || others.contains(&name)
}

const COOKIE2: HeaderName = HeaderName::from_static("cookie2");

/// Whether a field is for the origin that it was meant for, and no other.
pub(super) fn is_credential(name: &HeaderName) -> bool {
    is_secret(name) || matches!(*name, header::WWW_AUTHENTICATE | header::HOST)
}

/// Marks what no log should show, however it came among the fields.
pub(super) fn mark_secrets(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if is_secret(name) {
            value.set_sensitive(true);
        }
    }
}

/// Whether nobody but the server should see the values of this field.
pub(super) fn is_secret(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::AUTHORIZATION | header::COOKIE | header::PROXY_AUTHORIZATION
    ) || *name == COOKIE2
}

fn strip_credentials(fields: &mut Fields) {
    fields.auth = None;
    fields.stripped = true;
    remove_fields(&mut fields.headers, |name, value| {
        is_credential(name) || value.is_sensitive()
    });
}

fn remove_fields(headers: &mut HeaderMap, which: fn(&HeaderName, &HeaderValue) -> bool) {
    let names: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| which(name, value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether two URLs have the same scheme, host and port.
fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}
