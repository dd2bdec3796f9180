//! The settings of a client.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use super::head::Defaults;
use super::recent::Recent;
use super::{Client, Inner};
use crate::http::auth;
use crate::http::coding;
use crate::http::faces::Watchers;
use crate::http::options::Options;
use crate::http::pool::{Pool, PoolLimits};
use crate::http::proxy::{Changes, NoProxy, Proxies, Proxy};
use crate::http::redirect::{self, Action, Attempt, Policy};
use crate::http::times::Times;
use crate::http::transport::ConnectOptions;

/// What does not change in the life of a client.
#[derive(Clone, Debug)]
pub(in crate::http) struct Settings {
    pub(in crate::http) options: Options,
    /// Those of the options.
    pub(in crate::http) times: Rc<Times>,
    pub(in crate::http) https_only: bool,
    pub(in crate::http) strict: bool,
    /// Those of the options, or the defaults.
    pub(in crate::http) connect: ConnectOptions,
}

/// The settings of a [`Client`]; made by [`Client::builder`].
///
/// Zero turns a limit of time, and one of active fetches, off. Of what is kept or allowed (idle connections, redirects,
/// bytes of a body), it means none.
///
/// | setting | default |
/// | --- | --- |
/// | [`timeout`](ClientBuilder::timeout) | 20 s |
/// | [`connect_timeout`](ClientBuilder::connect_timeout) | 20 s |
/// | the other timeouts | none of their own |
/// | [`max_clients`](ClientBuilder::max_clients) | 100 |
/// | [`max_per_host`](ClientBuilder::max_per_host) | none of its own |
/// | [`max_body_size`](ClientBuilder::max_body_size) | 100 MiB |
/// | [`max_head_size`](ClientBuilder::max_head_size) | 64 KiB |
/// | [`max_head_fields`](ClientBuilder::max_head_fields) | 128 |
/// | [`max_expansion`](ClientBuilder::max_expansion) | none of its own |
/// | [`strict`](ClientBuilder::strict) | no |
/// | [`pool_idle_timeout`](ClientBuilder::pool_idle_timeout) | 20 s |
/// | [`pool_max_idle_per_host`](ClientBuilder::pool_max_idle_per_host) | 64 |
/// | [`pool_max_idle`](ClientBuilder::pool_max_idle) | 256 |
/// | [`spare_memory`](ClientBuilder::spare_memory) | 32 MiB |
/// | [`follow_redirects`](ClientBuilder::follow_redirects) | yes |
/// | [`max_redirects`](ClientBuilder::max_redirects) | 10 |
/// | [`allow_downgrade`](ClientBuilder::allow_downgrade), [`https_only`](ClientBuilder::https_only) | no |
/// | [`raise_for_status`](ClientBuilder::raise_for_status) | no |
/// | [`allow_nonstandard_methods`](ClientBuilder::allow_nonstandard_methods) | no |
/// | [`expect_continue`](ClientBuilder::expect_continue) | no |
/// | [`expect_timeout`](ClientBuilder::expect_timeout) | 1 s |
/// | [`decompress`](ClientBuilder::decompress) | yes, with the feature `compression` |
/// | [`user_agent`](ClientBuilder::user_agent) | `eyewall/` and the version |
///
/// ```
/// use std::time::Duration;
/// use eyewall::http::{Client, HeaderValue};
///
/// let client = Client::builder()
///     .timeout(Duration::from_secs(60))
///     .first_byte_timeout(Duration::from_secs(10))
///     .max_per_host(8)
///     .user_agent(Some(HeaderValue::from_static("example/1.0")))
///     .build();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct ClientBuilder {
    settings: Settings,
    pool: PoolLimits,
    headers: HeaderMap,
    /// What is said of the environment's proxies.
    environment: Changes,
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        let mut headers = HeaderMap::with_capacity(4);
        let agent = concat!("eyewall/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(accepted) = coding::ACCEPTED {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        }
        let mut options = Options::default();
        options.times.total = Some(Duration::from_secs(20));
        options.times.connect = Some(Duration::from_secs(20));
        ClientBuilder {
            settings: Settings {
                options,
                times: Rc::default(),
                https_only: false,
                strict: false,
                connect: ConnectOptions::new(),
            },
            pool: PoolLimits {
                idle_per_host: 64,
                idle: 256,
                idle_timeout: Duration::from_secs(20),
                active_per_host: usize::MAX,
                active: 100,
                spare_memory: 32 << 20,
            },
            headers,
            environment: Changes::default(),
        }
    }
}

impl ClientBuilder {
    pub(in crate::http) fn set(mut self, set: impl FnOnce(&mut Options)) -> ClientBuilder {
        set(&mut self.settings.options);
        self
    }

    /// How long a fetch may take, from the call, through the queue, the name's resolution and all redirects, to
    /// the last byte of the body; zero for no limit.
    ///
    /// An answer that is to go on for longer, such as a feed of events or a large download, wants another limit or
    /// none; [`idle_read_timeout`](ClientBuilder::idle_read_timeout) then sees to a server that has gone.
    pub fn timeout(self, limit: Duration) -> ClientBuilder {
        self.set(|options| options.times.total = Some(limit))
    }

    /// How long a fetch may wait for its turn among the [active](ClientBuilder::max_clients) ones; zero for no
    /// limit of its own.
    pub fn queue_timeout(self, limit: Duration) -> ClientBuilder {
        self.set(|options| options.times.queue = Some(limit))
    }

    /// How long resolving the name, connecting and the TLS handshake may take together; zero for no limit of its
    /// own. The first `https` connection of a process also reads the certificates that the system trusts.
    pub fn connect_timeout(self, limit: Duration) -> ClientBuilder {
        self.set(|options| options.times.connect = Some(limit))
    }

    /// How long the TLS handshake may take; zero for no limit of its own.
    pub fn tls_timeout(self, limit: Duration) -> ClientBuilder {
        self.set(|options| options.times.tls = Some(limit))
    }

    /// How long the first byte of the response may take, once the request has been sent; zero for no limit of its
    /// own. An interim response (1xx) is not the response, but the time begins anew behind it.
    pub fn first_byte_timeout(self, limit: Duration) -> ClientBuilder {
        self.set(|options| options.times.first_byte = Some(limit))
    }

    /// How long the server may send nothing while its response is waited for, from the end of the request on; zero
    /// for no limit of its own. Time that the reader of the body takes for itself does not count.
    #[doc(alias = "read_timeout")]
    pub fn idle_read_timeout(self, limit: Duration) -> ClientBuilder {
        self.set(|options| options.times.idle_read = Some(limit))
    }

    /// How long the server may take nothing of a request that is being sent; zero for no limit of its own. The body goes
    /// out in pieces of at most 16 KiB then, since what is taken of a piece is seen at its end.
    ///
    /// What the system holds for the server is taken: a few MiB, of a server that reads none of them. From there on, as
    /// from the first byte of an answer that comes before, the server is to speak: [`first_byte_timeout`] and
    /// [`idle_read_timeout`] say how soon.
    ///
    /// [`first_byte_timeout`]: ClientBuilder::first_byte_timeout
    /// [`idle_read_timeout`]: ClientBuilder::idle_read_timeout
    pub fn idle_write_timeout(self, limit: Duration) -> ClientBuilder {
        self.set(|options| options.times.idle_write = Some(limit))
    }

    /// How many fetches are active at once, with a connection each; the others wait, first in, first out. Zero
    /// for no limit.
    ///
    /// A fetch is active until its response has been read to its end or dropped, and longer where its
    /// [body](crate::http::Body) is still being sent then. So whoever keeps so many responses without reading them, and
    /// makes another fetch, waits until its time is over. So does whoever awaits one in a branch of `select!` while another,
    /// which was waiting, is not polled: its turn may have come, and is not over before it goes on or is dropped.
    pub fn max_clients(mut self, fetches: usize) -> ClientBuilder {
        self.pool.active = no_limit(fetches);
        self
    }

    /// How many fetches from one host are active at once; zero for no limit of its own. Others that wait do not
    /// hold up fetches from other hosts. For `http` URLs that go through a proxy, the host is the proxy, to which all
    /// their connections go.
    pub fn max_per_host(mut self, fetches: usize) -> ClientBuilder {
        self.pool.active_per_host = no_limit(fetches);
        self
    }

    /// Whether requests with a body ask for leave to send it; see
    /// [`RequestBuilder::expect_continue`](crate::http::RequestBuilder::expect_continue).
    pub fn expect_continue(self, ask: bool) -> ClientBuilder {
        self.set(|options| options.expect_continue = Some(ask))
    }

    /// How long to wait for that leave before the body is sent all the same; zero waits without a limit of its own.
    pub fn expect_timeout(self, limit: Duration) -> ClientBuilder {
        self.set(|options| options.expect_timeout = Some(limit))
    }

    /// Whether bodies of responses are decoded from gzip, deflate, brotli and zstd, and requests say in
    /// `Accept-Encoding` that they may be so coded (unless they say something else, or ask for a range). Without the
    /// feature `compression` nothing is ever decoded.
    ///
    /// `Content-Encoding` and `Content-Length` of a decoded response are then taken out of its headers; see
    /// [`Response::content_coding`](crate::http::Response::content_coding). A part of a body (206), and a body in
    /// a coding that is not known, are left as they are. More than two codings, one on top of the other, are an
    /// error.
    #[doc(alias = "gzip")]
    #[doc(alias = "brotli")]
    #[doc(alias = "zstd")]
    #[doc(alias = "deflate")]
    pub fn decompress(self, decode: bool) -> ClientBuilder {
        self.set(|options| options.decompress = Some(decode))
    }

    /// How many bytes the body of a response may have, decoded. Zero allows none; for no limit, say `u64::MAX`. Nor may
    /// so many coded ones, and one MiB more, stand for nothing.
    pub fn max_body_size(self, bytes: u64) -> ClientBuilder {
        self.set(|options| options.max_body_size = Some(bytes))
    }

    /// How many bytes the head of a response may have, together with those of the interim responses (1xx) before it;
    /// never more than 4 GiB. More are an error, [`Protocol`](crate::http::ErrorKind::Protocol). What a proxy says to
    /// CONNECT is held to the default.
    pub fn max_head_size(self, bytes: usize) -> ClientBuilder {
        self.set(|options| options.max_head_size = Some(bytes))
    }

    /// How many fields the head of a response may have; never more than 16,384. More are an error,
    /// [`Protocol`](crate::http::ErrorKind::Protocol).
    pub fn max_head_fields(self, fields: usize) -> ClientBuilder {
        self.set(|options| options.max_head_fields = Some(fields))
    }

    /// How many times larger than it came a decoded body may be, from its first MiB on; more is an error,
    /// [`ErrorKind::Decode`](crate::http::ErrorKind::Decode). Zero, the default, for no limit but that of
    /// [`max_body_size`](ClientBuilder::max_body_size), which a bomb reaches, and does not pass.
    pub fn max_expansion(self, times: u32) -> ClientBuilder {
        self.set(|options| options.max_expansion = Some(times))
    }

    /// Whether to refuse what is wrong in a response, and usual, and does not say two things at once: lines of a head
    /// that end in LF alone, and a 204 that announces a body.
    pub fn strict(mut self, strict: bool) -> ClientBuilder {
        self.settings.strict = strict;
        self
    }

    /// How many bytes of memory of large bodies (128 KiB and more) are kept when those have been dropped, for the next
    /// ones; zero for none. Fresh memory for a body of 1 MiB costs about as much as receiving it: a third of what is
    /// received at a time is a good measure. It is given back when no fetch is active and no connection idle.
    pub fn spare_memory(mut self, bytes: usize) -> ClientBuilder {
        self.pool.spare_memory = bytes;
        self
    }

    /// How long a connection is kept without use, unless the server says a shorter time (`Keep-Alive: timeout=`), of which
    /// a second is left to it, or half where it is less than two; zero for ever. Those idle for longest go earlier where
    /// others lack descriptors or [operations](crate::reactor::Builder::max_operations).
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.pool.idle_timeout = timeout;
        self
    }

    /// How many connections to one host, or to a proxy, are kept without use; zero keeps none.
    pub fn pool_max_idle_per_host(mut self, connections: usize) -> ClientBuilder {
        self.pool.idle_per_host = connections;
        self
    }

    /// How many connections are kept without use in all; the one idle for longest goes first. Zero keeps none.
    pub fn pool_max_idle(mut self, connections: usize) -> ClientBuilder {
        self.pool.idle = connections;
        self
    }

    /// Whether redirects are followed (301, 302, 303, 307 and 308 with a `Location`). Where not, the response
    /// with the redirect is the result. One that answers CONNECT never is: it means that there is no tunnel.
    pub fn follow_redirects(self, follow: bool) -> ClientBuilder {
        self.set(|options| options.follow_redirects = Some(follow))
    }

    /// How many redirects are followed; with zero, the first is one too many. One more is an error,
    /// [`TooManyRedirects`](crate::http::ErrorKind::TooManyRedirects); to get the response instead, use a
    /// [policy](ClientBuilder::redirect_policy) that stops.
    pub fn max_redirects(self, limit: u32) -> ClientBuilder {
        self.set(|options| options.max_redirects = Some(limit))
    }

    /// What to do about each redirect. A policy can only say no: the other rules (the number, the scheme, a body
    /// that cannot be sent again) hold for what it lets through.
    ///
    /// ```
    /// use eyewall::http::{Action, Client};
    ///
    /// let client = Client::builder()
    ///     .redirect_policy(|redirect| match redirect.next.host_str() == redirect.from.host_str() {
    ///         true => Action::Follow,
    ///         false => Action::Stop,
    ///     })
    ///     .build();
    /// ```
    #[doc(alias = "redirect")]
    pub fn redirect_policy(
        self,
        policy: impl Fn(&Attempt<'_>) -> Action + 'static,
    ) -> ClientBuilder {
        self.set(|options| options.redirect_policy = Some(Policy(Rc::new(policy))))
    }

    /// Whether a redirect from `https` to `http` is followed.
    pub fn allow_downgrade(self, allow: bool) -> ClientBuilder {
        self.set(|options| options.allow_downgrade = Some(allow))
    }

    /// Whether only `https` URLs are fetched, also those that redirects lead to.
    pub fn https_only(mut self, only: bool) -> ClientBuilder {
        self.settings.https_only = only;
        self
    }

    /// Whether a status beyond 200 to 299 (so 304 and an unfollowed redirect too) is an error,
    /// [`Status`](crate::http::ErrorKind::Status).
    pub fn raise_for_status(self, raise: bool) -> ClientBuilder {
        self.set(|options| options.raise_for_status = Some(raise))
    }

    /// Whether any method may be used, and with or without a body.
    ///
    /// Otherwise these are checked, since mistakes are likely: the method is GET, HEAD, POST, PUT, DELETE, PATCH or
    /// OPTIONS; POST, PUT and PATCH have a body, if only an [empty](crate::http::Body::empty) one; the others have
    /// none.
    pub fn allow_nonstandard_methods(self, allow: bool) -> ClientBuilder {
        self.set(|options| options.allow_nonstandard = Some(allow))
    }

    /// What the `User-Agent` field says, unless a request says otherwise; `None` sends none.
    pub fn user_agent(mut self, agent: Option<HeaderValue>) -> ClientBuilder {
        match agent {
            Some(agent) => self.headers.insert(header::USER_AGENT, agent),
            None => self.headers.remove(header::USER_AGENT),
        };
        self
    }

    /// Fields that every request has, unless it sets the same name itself. Credentials among them (and values that
    /// are marked sensitive) are not sent to another origin that a redirect leads to.
    ///
    /// # Panics
    ///
    /// If there are more than 24,576 different names then, as in [`HeaderMap`].
    pub fn default_headers(mut self, mut headers: HeaderMap) -> ClientBuilder {
        redirect::mark_secrets(&mut headers);
        self.headers.extend(headers);
        self
    }

    /// Sends requests through a proxy: the first of those added here that is for the URL. What the environment says
    /// about proxies does not count then.
    ///
    /// Without this call, and without [`no_proxy`](ClientBuilder::no_proxy), the environment counts, as it is when
    /// the client is made: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` (see
    /// [`NoProxy`](crate::http::NoProxy)), or the same in capitals. `HTTP_PROXY` is ignored where `REQUEST_METHOD` is
    /// set, as in a CGI program, where anyone could set it by a header. This machine itself is never reached through a
    /// proxy of the environment. What is set there and cannot be understood makes fetches fail with
    /// [`ErrorKind::Proxy`](crate::http::ErrorKind::Proxy).
    pub fn proxy(self, proxy: Proxy) -> ClientBuilder {
        self.set(|options| options.add_proxy(proxy))
    }

    /// The user name and password, by the `Basic` scheme, for the proxies of the environment, in place of those in
    /// their URLs. Without an effect where it does not count: see [`proxy`](ClientBuilder::proxy). A user name has no colon:
    /// the proxy takes what is behind that for the password (RFC 7617, 2).
    pub fn environment_proxy_auth(
        mut self,
        user: impl AsRef<str>,
        password: impl AsRef<str>,
    ) -> ClientBuilder {
        let (user, password) = (user.as_ref().as_bytes(), password.as_ref().as_bytes());
        self.environment.credentials = Some(auth::basic(user, password));
        self
    }

    /// Hosts that are reached without the proxies of the environment, in place of those in `no_proxy`; this machine is
    /// one in any case. Without an effect where the environment does not count: see [`proxy`](ClientBuilder::proxy).
    ///
    /// ```
    /// use eyewall::http::Client;
    ///
    /// let client = Client::builder()
    ///     .environment_proxy_auth("user", "secret")
    ///     .environment_no_proxy("internal.example, 10.0.0.0/8")
    ///     .build();
    /// ```
    pub fn environment_no_proxy(mut self, hosts: impl Into<NoProxy>) -> ClientBuilder {
        self.environment.bypass = Some(hosts.into());
        self
    }

    /// Uses no proxy, whatever the environment says.
    pub fn no_proxy(self) -> ClientBuilder {
        self.set(|options| options.proxies = Some(Rc::default()))
    }

    /// Makes the client.
    pub fn build(mut self) -> Client {
        let options = &mut self.settings.options;
        options
            .proxies
            .get_or_insert_with(|| Rc::new(Proxies::of_environment(self.environment)));
        self.settings.times = Rc::new(options.times);
        self.settings.connect = options.connect.clone().unwrap_or_default();
        let watchers: Rc<Watchers> = Rc::default();
        Client {
            inner: Rc::new(Inner {
                pool: Pool::new(self.pool, &watchers),
                watchers,
                defaults: Defaults::new(&self.headers),
                settings: self.settings,
                recent: Recent::default(),
                plain_end: RefCell::default(),
            }),
        }
    }
}

/// Zero as no limit.
fn no_limit(limit: usize) -> usize {
    match limit {
        0 => usize::MAX,
        limit => limit,
    }
}
