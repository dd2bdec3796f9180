//! The fetch itself: hop by hop, each with a place, a connection and an exchange, and a second try where that is
//! safe.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use url::Url;

use super::{Client, Settings};
use crate::http::body::Body;
use crate::http::codec::{Head, Headers, Limits, RequestKind, ResponseDecoder};
use crate::http::connection::Connection;
use crate::http::error::{Error, ErrorKind, Seen, Stage};
use crate::http::exchange::{Exchange, Outgoing};
use crate::http::faces::ClientEvent;
use crate::http::key::Route;
use crate::http::pool::Slot;
use crate::http::redirect::{self, Redirect, Rules};
use crate::http::request::{Request, says_close};
use crate::http::response::{Chain, Reading, Reply, Response};
use crate::http::timings::Timings;
use crate::http::trace::{SentHead, Trace};
use crate::http::watch::Watch;
use crate::reactor::{Core, nop};

/// How many redirects are followed.
const MAX_REDIRECTS: u32 = 10;

/// How many bytes the body of a response may have.
const MAX_BODY_SIZE: u64 = 100 << 20;

/// How long a request waits for leave to send its body.
const LEAVE: Duration = Duration::from_secs(1);

impl Client {
    /// Sends a request, follows its redirects, and gives the response as soon as its head is there.
    pub(in crate::http) async fn fetch(
        &self,
        mut request: Box<Request>,
    ) -> Result<Response, Error> {
        let mut timings = Timings::new();
        let settings = &self.inner.settings;
        let times = match &request.options {
            None => Rc::clone(&settings.times),
            Some(options) => Rc::new(options.times.or(&settings.times)),
        };
        let watch = Rc::new(Watch::new(timings.start, times));
        let mut chain = Chain::default();
        let unfinished = self.watchers().watch_over(&request.url, &watch);
        request.hooks.begin(&watch);
        let followed = self
            .follow(&mut request, &watch, &mut timings, &mut chain)
            .await;
        match followed {
            Ok(mut reply) => {
                if let Some(unfinished) = unfinished {
                    reply.respond(&request, unfinished);
                }
                Response::new(request, chain, reply)
            }
            Err(error) => {
                // What would be sent again is the request as it was made; one that was redirected has been sent.
                let asked = chain.original.as_ref().unwrap_or(&request);
                let seen = || Seen {
                    out: watch.is_out() || chain.original.is_some(),
                    idempotent: asked.may_repeat(),
                    timings: Some(timings),
                    ..watch.seen()
                };
                let error = error.seen(seen).at(&request.url);
                if let Some(unfinished) = unfinished {
                    unfinished.fail(&error);
                }
                Err(error)
            }
        }
    }

    /// Goes from hop to hop up to the response that is the result.
    async fn follow(
        &self,
        request: &mut Box<Request>,
        watch: &Rc<Watch>,
        timings: &mut Timings,
        chain: &mut Chain,
    ) -> Result<Box<Reply>, Error> {
        let core = Core::current().map_err(|error| Error::io(ErrorKind::Reactor, error))?;
        core.check_open()
            .map_err(|error| Error::io(ErrorKind::Reactor, error))?;
        let settings = &self.inner.settings;
        check_method_and_body(request, settings)?;
        loop {
            let reply = self.hop(request, watch, timings).await?;
            let head = reply.head();
            let next = self.next(request, head, &chain.history);
            if next.is_err() {
                *timings = *reply.timings();
            }
            let Some(next) = next? else {
                let client = &settings.options;
                let raise = request.option(client, |options| options.raise_for_status, false);
                if raise && !head.status.is_success() {
                    *timings = *reply.timings();
                    return Err(unwanted(reply));
                }
                request.hooks.head(head);
                return Ok(reply);
            };
            // Gives the place back before the next hop asks for one.
            let status = reply.dismiss().status;
            request.hooks.trace(&Trace::Redirected { to: next.url() });
            self.watchers().tell(&ClientEvent::Redirected {
                status,
                from: &request.url,
                to: next.url(),
            });
            chain.history.push(Redirect {
                url: Url::clone(&request.url),
                status,
            });
            if chain.original.is_none() {
                chain.original = Some(request.clone());
            }
            next.apply(request);
            timings.redirected();
        }
    }

    /// The next request, if the response is a redirect that is to be followed.
    #[inline]
    pub(in crate::http) fn next(
        &self,
        request: &Request,
        head: &Head,
        history: &[Redirect],
    ) -> Result<Option<redirect::Next>, Error> {
        match head.status.is_redirection() {
            true => self.redirected(request, head, history),
            false => Ok(None),
        }
    }

    #[cold]
    #[inline(never)]
    fn redirected(
        &self,
        request: &Request,
        head: &Head,
        history: &[Redirect],
    ) -> Result<Option<redirect::Next>, Error> {
        let client = &self.inner.settings.options;
        if !request.option(client, |options| options.follow_redirects, true) {
            return Ok(None);
        }
        let own = request.options.as_deref();
        let policy = own.and_then(|options| options.redirect_policy.as_ref());
        let rules = Rules {
            limit: request.option(client, |options| options.max_redirects, MAX_REDIRECTS),
            policy: policy.or(client.redirect_policy.as_ref()),
            allow_downgrade: request.option(client, |options| options.allow_downgrade, false),
        };
        redirect::next(request, head.status, &head.headers, history, &rules)
    }

    /// One request and its response.
    async fn hop(
        &self,
        request: &Request,
        watch: &Rc<Watch>,
        timings: &mut Timings,
    ) -> Result<Box<Reply>, Error> {
        let settings = &self.inner.settings;
        // What an error says from here on is of this request, not of the one that was redirected.
        watch.enter(Stage::Queue);
        if settings.https_only && request.url.scheme() != "https" {
            return Err(Error::new(ErrorKind::HttpsOnly));
        }
        let secure = request.url.is_secure()?;
        let own = request.options.as_deref();
        let connect = own.and_then(|options| options.connect.as_ref());
        let connect = connect.unwrap_or(&settings.connect);
        let proxies = own.and_then(|options| options.proxies.as_deref());
        let proxy = match proxies.or(settings.options.proxies.as_deref()) {
            Some(proxies) if !connect.is_elsewhere() => proxies.of(&request.url)?,
            _ => None,
        };
        let route = Route::to(&request.url, secure, proxy, connect);
        let outgoing = self.encode(request, &route, expect(request, settings))?;

        let pool = &self.inner.pool;
        let slot = match pool.try_enter(&route)? {
            Some(slot) => {
                timings.unqueued();
                slot
            }
            None => {
                let mut entering = Box::pin(pool.enter(&route));
                let slot = watch.over(None, entering.as_mut()).await?;
                // A place that is free since the time of who had it is over may come when the own time is, too.
                watch.check_total()?;
                timings.queued = timings.now();
                slot
            }
        };
        let ways = Ways {
            route: &route,
            slot: &slot,
        };
        let mut reply = self.answer(request, outgoing, ways, timings, watch).await?;
        watch.enter(Stage::Body);
        let head = reply.head();
        let ends = || route.forwarder().is_some() && proxy_closes(&head.headers);
        let keep = head.keep_alive && !self.closes(request) && !ends();
        let kept = kept_by_peer(&head.headers);
        reply.keep(slot, keep, kept);
        Ok(reply)
    }

    /// Gets a connection and exchanges the heads on it.
    ///
    /// A kept connection that turns out to be dead before a byte of response is replaced by a fresh one, once,
    /// where that does no harm: nothing had been sent, or the method is idempotent (RFC 9110, 9.2.2).
    ///
    /// So is one whose server closes it with 408: who has waited too long for a request says so also where one is on
    /// its way by then, to which that is no answer (RFC 9110, 15.5.9).
    ///
    /// Who cannot meet the expectation of leave to send the body (417) is asked again without it, on a fresh
    /// connection: this one may wait for the body. Not if a body that is there only once has begun to be sent.
    async fn answer(
        &self,
        request: &Request,
        mut outgoing: Outgoing,
        ways: Ways<'_>,
        timings: &mut Timings,
        watch: &Rc<Watch>,
    ) -> Result<Box<Reply>, Error> {
        let slot = ways.slot;
        let mut waited = false;
        let now = timings.start + timings.queued.unwrap_or_default();
        if slot.finds_kept() && (!request.may_repeat() || slot.is_stale(now)) {
            // If somebody has held up the ring, what has come on connections, or their ends, waits to be seen. What comes
            // back from the ring now has let it come before. Bytes that nobody asked for would be the answer to this; and
            // of an end there will be no second try, where the request may not be repeated.
            let turn = pin!(async { Ok(nop().await) });
            let _ = watch.over_in(slot, turn).await?;
            waited = true;
        }
        let mut kept = poll_fn(|cx| Poll::Ready(slot.take(cx, now))).await;
        loop {
            let fresh = kept.is_none();
            let connection = match kept.take() {
                Some(connection) => {
                    timings.taken(waited);
                    if request.hooks.is_traced() {
                        request.hooks.trace(&Trace::Reused {
                            local: connection.ends().local(),
                            remote: connection.ends().peer(),
                        });
                    }
                    connection
                }
                None => match self.connect_now(ways.route, &request.url, timings, &request.hooks) {
                    Ok(connection) => connection,
                    Err(begun) => {
                        // In a box, since it is large, and seldom needed.
                        let mut connecting =
                            Box::pin(self.connect(ways.route, request, begun, timings, watch));
                        let made = watch.over_in(slot, connecting.as_mut()).await;
                        drop(connecting);
                        let made = made.map_err(|error| failed(error, ways.route, watch))?;
                        timings.sending = timings.now();
                        made
                    }
                },
            };
            watch.connected(&connection);
            let expect = outgoing.expect;
            if request.hooks.is_traced() {
                let head = SentHead::new(&outgoing.head, self.sensitive_names(request));
                request.hooks.trace(&Trace::Request(&head));
            }
            let mut reply = self.reply(request, connection, &outgoing, timings, watch);
            let begun = reply.begin(&mut outgoing, request, slot).await;
            let expect = match begun {
                Ok(()) => {
                    let head = reply.head();
                    request.hooks.trace(&Trace::Response(head));
                    match head.status {
                        StatusCode::EXPECTATION_FAILED
                            if expect.is_some() && request.may_replay() =>
                        {
                            None
                        }
                        StatusCode::REQUEST_TIMEOUT
                            if !(fresh || head.keep_alive)
                                && request.may_repeat()
                                && request.may_replay() =>
                        {
                            expect
                        }
                        _ => return Ok(reply),
                    }
                }
                Err(error) => {
                    *timings = *reply.timings();
                    // What TLS has made of the request may have gone in part.
                    let unseen = !watch.is_out() && !ways.route.secure;
                    let harmless = unseen || request.may_repeat();
                    // Where TLS has failed, such as with an alert, nothing more will come either.
                    let dead =
                        (error.is_closed_early() || error.is_tls()) && watch.bytes_received() == 0;
                    if fresh || !(dead && harmless && request.may_replay()) {
                        return Err(reply.cause(error).by_way_of(slot.forwarder()));
                    }
                    expect
                }
            };
            drop(reply);
            timings.again();
            outgoing = self.encode(request, ways.route, expect)?;
        }
    }

    /// The exchange of `request` on `connection`, before it begins.
    fn reply(
        &self,
        request: &Request,
        connection: Box<Connection>,
        outgoing: &Outgoing,
        timings: &Timings,
        watch: &Rc<Watch>,
    ) -> Box<Reply> {
        let settings = &self.inner.settings;
        let client = &settings.options;
        let reading = Reading {
            decode: request.decompresses(client),
            limit: request.option(client, |options| options.max_body_size, MAX_BODY_SIZE),
            expansion: request.option(client, |options| options.max_expansion, 0),
        };
        // Written where it stays, not moved there.
        Box::write(
            Box::new_uninit(),
            Reply::new(
                Exchange::new(connection, self.decoder(request), Rc::clone(watch)),
                *timings,
                outgoing.head.len() as u64,
                reading,
            ),
        )
    }

    #[inline(always)]
    fn decoder(&self, request: &Request) -> ResponseDecoder {
        let settings = &self.inner.settings;
        let client = &settings.options;
        let mut limits = Limits::default();
        limits.head_bytes =
            request.option(client, |options| options.max_head_size, limits.head_bytes);
        limits.fields = request.option(client, |options| options.max_head_fields, limits.fields);
        let kind = RequestKind::of(&request.method);
        let upgrade = self.asks_for_upgrade(request);
        ResponseDecoder::new(limits, kind.with_upgrade(upgrade)).strict(settings.strict)
    }
}

/// Where a request goes.
struct Ways<'a> {
    route: &'a Route<'a>,
    slot: &'a Slot,
}

/// What to say of a connection that was not made.
#[cold]
fn failed(error: Error, route: &Route<'_>, watch: &Watch) -> Error {
    let closed = error.kind() == ErrorKind::Closed;
    match route.proxy {
        // From the handshake on, the proxy has done its part.
        Some(proxy) if watch.stage() < Stage::Tls && !closed => error.at_proxy(proxy.authority()),
        _ => error,
    }
}

/// How long to wait for leave to send the body.
fn expect(request: &Request, settings: &Settings) -> Option<Duration> {
    let client = &settings.options;
    let empty = request.body.as_ref().is_none_or(Body::is_empty);
    let asks = !empty && request.option(client, |options| options.expect_continue, false);
    asks.then(|| request.option(client, |options| options.expect_timeout, LEAVE))
}

/// The error of a status that the request wants to be one. Not in line, since it is rare.
#[cold]
fn unwanted(reply: Box<Reply>) -> Error {
    let head = reply.dismiss();
    Error::new(ErrorKind::Status(head.status)).with_head(head.status, head.headers.into_map())
}

/// Refuses what is most likely a mistake: a method that is not one of the usual ones, or a body where the method
/// has none, or none where it has one.
fn check_method_and_body(request: &Request, settings: &Settings) -> Result<(), Error> {
    let client = &settings.options;
    if request.option(client, |options| options.allow_nonstandard, false) {
        return Ok(());
    }
    let wants_body = match request.method {
        Method::POST | Method::PUT | Method::PATCH => true,
        Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS => false,
        _ => {
            let reason = format!("{} is not one of the usual methods", request.method);
            return Err(Error::boxed(ErrorKind::Request, reason + SWITCH));
        }
    };
    let problem = match (wants_body, &request.body) {
        (true, None) => "wants a body, if only Body::empty()",
        (false, Some(_)) => "has no body",
        _ => return Ok(()),
    };
    let reason = format!("a request with the method {} {problem}", request.method);
    Err(Error::boxed(ErrorKind::Request, reason + SWITCH))
}

const SWITCH: &str = " (allow_nonstandard_methods lifts this check)";

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Whether a proxy closes the connection, as old ones say it. Nobody should (RFC 9112, C.2.2), but who does means it.
#[cold]
fn proxy_closes(headers: &Headers) -> bool {
    headers.all(&PROXY_CONNECTION).any(says_close)
}

/// How long a connection is of use that its peer keeps for the `timeout` of a Keep-Alive field: a second less, or half of
/// it. The peer counts from when it has sent the answer, and what is sent to it has to arrive before that time is over;
/// what comes later is lost, and may not be sent again.
fn kept_by_peer(headers: &Headers) -> Option<Duration> {
    // Few have one; and one may be a list in several lines.
    headers.first(&KEEP_ALIVE)?;
    let name = KEEP_ALIVE;
    let texts = (headers.all(&name)).filter_map(|value| str::from_utf8(value).ok());
    let mut parameters = texts.flat_map(|text| text.split(','));
    let seconds = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        match name.trim().eq_ignore_ascii_case("timeout") {
            true => value.trim().trim_matches('"').parse().ok(),
            false => None,
        }
    });
    let kept = Duration::from_secs(seconds?);
    Some(kept - (kept / 2).min(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::codec::Event;

    #[test]
    fn p13_a_connection_is_given_up_before_its_peer_does_so() {
        let millis = |value: &str| {
            let head = format!("HTTP/1.1 200 OK\r\nKeep-Alive: {value}\r\n\r\n");
            let kind = RequestKind::of(&Method::GET);
            let mut decoder = ResponseDecoder::new(Limits::default(), kind);
            match decoder.decode(head.as_bytes()).unwrap().event {
                Event::Head(head) => kept_by_peer(&head.headers).map(|kept| kept.as_millis()),
                event => panic!("{event:?}"),
            }
        };
        assert_eq!(millis("timeout=5"), Some(4_000));
        assert_eq!(millis("max=3, Timeout = \"2\""), Some(1_000));
        assert_eq!(millis("timeout=1"), Some(500));
        assert_eq!(millis("timeout=0"), Some(0));
        assert_eq!(millis("timeout=-1"), None);
        assert_eq!(millis("max=3"), None);
        let several = "max=3\r\nKEEP-ALIVE: timeout=x, timeout=3";
        assert_eq!(millis(several), Some(2_000), "a list in two lines");
    }
}
