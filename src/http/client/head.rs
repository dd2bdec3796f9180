//! The head of a request, from the request and the client's own fields.

use std::ops::Range;
use std::time::Duration;

use http::header::GetAll;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::Client;
use crate::http::codec::{BodyFraming, RequestHead, concerns_message, write_field};
use crate::http::coding;
use crate::http::error::Error;
use crate::http::exchange::Outgoing;
use crate::http::key::Route;
use crate::http::origin::Origin;
use crate::http::proxy::ProxyServer;
use crate::http::redirect::is_credential;
use crate::http::request::{Request, says_close, too_many};

/// Fields that a client adds to every request, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    lines: Vec<u8>,
    fields: Vec<Field>,
    /// Those that the encoder has to see, since they say something about the connection or the body.
    special: HeaderMap,
}

#[derive(Debug)]
struct Field {
    name: HeaderName,
    line: Range<usize>,
    /// Not for another origin than the one of the request as it was made.
    private: bool,
    /// The codings that are decoded here.
    codings: bool,
}

/// How the heads of plain requests to one host go on behind the target.
#[derive(Debug)]
pub(super) struct PlainEnd {
    host: Box<str>,
    end: Box<[u8]>,
}

impl Defaults {
    pub(super) fn new(headers: &HeaderMap) -> Defaults {
        let mut defaults = Defaults::default();
        for (name, value) in headers {
            // For a proxy, which has its credentials from its own settings.
            if *name == header::PROXY_AUTHORIZATION {
                continue;
            }
            if concerns_message(name) {
                defaults.special.append(name, value.clone());
                continue;
            }
            let start = defaults.lines.len();
            write_field(&mut defaults.lines, name, value.as_bytes());
            defaults.fields.push(Field {
                name: name.clone(),
                line: start..defaults.lines.len(),
                private: is_credential(name) || value.is_sensitive(),
                codings: coding::ACCEPTED.is_some_and(|accepted| value == accepted),
            });
        }
        defaults
    }

    /// What it says in fields of this name, which the encoder looks at, where `request` leaves that to it.
    #[inline]
    fn special(&self, request: &Request, name: &HeaderName) -> Option<GetAll<'_, HeaderValue>> {
        if self.special.is_empty() {
            return None;
        }
        let own = request.fields.as_deref();
        let said = own.is_some_and(|own| own.says(name));
        (!said).then(|| self.special.get_all(name))
    }

    /// Appends the fields that `request` does not say otherwise.
    fn write(&self, request: &Request, decompress: bool, out: &mut Vec<u8>) {
        if request.fields.is_none() && decompress {
            out.extend_from_slice(&self.lines);
            return;
        }
        let own = request.fields.as_deref();
        let stripped = own.is_some_and(|own| own.stripped);
        for field in &self.fields {
            let said = own.is_some_and(|own| own.says(&field.name));
            // A part of a coded body cannot be decoded.
            let undecoded = !decompress || request.has_field(&header::RANGE);
            let withheld = (field.private && stripped) || (field.codings && undecoded);
            if !said && !withheld {
                out.extend_from_slice(&self.lines[field.line.clone()]);
            }
        }
    }
}

impl Client {
    /// Whether `request`, as it goes out, asks the server to close the connection.
    #[inline]
    pub(super) fn closes(&self, request: &Request) -> bool {
        let ours = self.inner.defaults.special(request, &header::CONNECTION);
        let says_close = |value: &HeaderValue| says_close(value.as_bytes());
        request.closes() || ours.is_some_and(|values| values.iter().any(says_close))
    }

    /// Whether `request`, as it goes out, asks for another protocol.
    #[inline]
    pub(super) fn asks_for_upgrade(&self, request: &Request) -> bool {
        let ours = self.inner.defaults.special(request, &header::UPGRADE);
        request.has_field(&header::UPGRADE)
            || ours.is_some_and(|values| values.iter().next().is_some())
    }

    /// The fields of `request`, and of the client, whose values are not to be shown.
    pub(super) fn sensitive_names(&self, request: &Request) -> Vec<HeaderName> {
        let marked = (request.headers().iter()).filter(|(_, value)| value.is_sensitive());
        let own = self.inner.defaults.fields.iter();
        let private = own.filter(|field| field.private).map(|field| &field.name);
        marked
            .map(|(name, _)| name)
            .chain(private)
            .cloned()
            .collect()
    }

    /// What to send for `request`, which goes by `route`. With `expect`, leave to send the body is asked for, and
    /// waited for so long.
    pub(super) fn encode(
        &self,
        request: &Request,
        route: &Route<'_>,
        expect: Option<Duration>,
    ) -> Result<Outgoing, Error> {
        let forwarder = route.forwarder();
        let head = match forwarder.is_none() && self.is_plain(request) {
            true => self.encode_plain(request, route.authority)?,
            false => self.encode_head(request, forwarder, expect.is_some())?,
        };
        Ok(Outgoing { head, expect })
    }

    /// Whether `request` has nothing of its own to say but its method and its URL.
    fn is_plain(&self, request: &Request) -> bool {
        self.inner.defaults.special.is_empty()
            && request.fields.is_none()
            && request.decompresses(&self.inner.settings.options)
            && request.body.is_none()
            && !matches!(
                request.method,
                Method::POST | Method::PUT | Method::PATCH | Method::CONNECT
            )
    }

    /// The head of a plain request to `host` itself: all such heads for one host go on in the same way behind the
    /// target.
    fn encode_plain(&self, request: &Request, host: &str) -> Result<Vec<u8>, Error> {
        let (method, target) = (request.method.as_str(), request.url.target());
        let mut last = self.inner.plain_end.borrow_mut();
        let Some(PlainEnd { end, .. }) = last.as_ref().filter(|last| *last.host == *host) else {
            let head = self.encode_head(request, None, false)?;
            *last = Some(PlainEnd {
                host: host.into(),
                end: head[method.len() + 1 + target.len()..].into(),
            });
            return Ok(head);
        };
        request.url.check_target()?;
        let mut head = Vec::with_capacity(method.len() + 1 + target.len() + end.len());
        head.extend_from_slice(method.as_bytes());
        head.push(b' ');
        head.extend_from_slice(target.as_bytes());
        head.extend_from_slice(end);
        debug_assert_eq!(
            head,
            self.encode_head(request, None, false).unwrap_or_default()
        );
        Ok(head)
    }

    /// The lines in which `request` says who asks, for a proxy that is asked for a tunnel first (RFC 9110, 10.1.5). Not
    /// what is marked sensitive: the proxy is somebody else.
    pub(super) fn agent_line(&self, request: &Request) -> Vec<u8> {
        let mut lines = Vec::new();
        let own = request.fields.as_deref();
        if own.is_some_and(|own| own.says(&header::USER_AGENT)) {
            let values = request.headers().get_all(header::USER_AGENT).iter();
            for value in values.filter(|value| !value.is_sensitive()) {
                write_field(&mut lines, &header::USER_AGENT, value.as_bytes());
            }
            return lines;
        }
        let defaults = &self.inner.defaults;
        for field in &defaults.fields {
            if field.name == header::USER_AGENT && !field.private {
                lines.extend_from_slice(&defaults.lines[field.line.clone()]);
            }
        }
        lines
    }

    pub(in crate::http) fn encode_head(
        &self,
        request: &Request,
        forwarder: Option<&ProxyServer>,
        expect_continue: bool,
    ) -> Result<Vec<u8>, Error> {
        let defaults = &self.inner.defaults;
        let merged;
        // Such a field is for a proxy, and for nobody else.
        let misplaced = forwarder.is_none() && request.has_field(&header::PROXY_AUTHORIZATION);
        let headers = match defaults.special.is_empty() && !misplaced {
            true => request.headers(),
            false => {
                merged = merge(request, &defaults.special, misplaced)?;
                &merged
            }
        };
        let mut head = Vec::with_capacity(512);
        // A tunnel is asked for by host and port alone, whoever is asked (RFC 9112, 3.2.3).
        let tunnel = match request.method {
            Method::CONNECT => Some(Origin::of(&request.url)?.authority()),
            _ => None,
        };
        RequestHead {
            method: &request.method,
            target: match (&tunnel, forwarder) {
                (Some(authority), _) => authority,
                (None, Some(_)) => request.url.absolute_target(),
                (None, None) => request.url.target(),
            },
            host: tunnel.as_deref().unwrap_or_else(|| request.url.authority()),
            headers,
            body: match &request.body {
                Some(body) => body.framing(),
                None => BodyFraming::None,
            },
            close: false,
            expect_continue,
        }
        .encode(&mut head)
        .map_err(Error::request)?;
        // The fields below need no look of the encoder's; they go before the empty line.
        head.truncate(head.len() - 2);
        let decompress = request.decompresses(&self.inner.settings.options);
        defaults.write(request, decompress, &mut head);
        if let Some(credentials) = request.fields.as_ref().and_then(|own| own.auth.as_ref())
            && !request.has_field(&header::AUTHORIZATION)
        {
            write_field(&mut head, &header::AUTHORIZATION, credentials.as_bytes());
        }
        if let Some(credentials) = forwarder.and_then(|proxy| proxy.credentials.as_ref())
            && !request.has_field(&header::PROXY_AUTHORIZATION)
        {
            write_field(
                &mut head,
                &header::PROXY_AUTHORIZATION,
                credentials.as_bytes(),
            );
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }
}

/// The fields of `request`, and those of `defaults` that it does not have.
fn merge(request: &Request, defaults: &HeaderMap, misplaced: bool) -> Result<HeaderMap, Error> {
    let own = request.fields.as_deref();
    let mut headers = request.headers().clone();
    if misplaced {
        headers.remove(header::PROXY_AUTHORIZATION);
    }
    for (name, value) in defaults {
        let private = own.is_some_and(|own| own.stripped) && *name == header::HOST;
        let said = own.is_some_and(|own| own.says(name));
        if !said && !private {
            let appended = headers.try_append(name, value.clone());
            appended.map_err(too_many)?;
        }
    }
    Ok(headers)
}
