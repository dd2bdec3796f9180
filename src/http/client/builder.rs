//! The settings of a client.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use super::{Client, Inner};
use crate::http::pool::{Pool, PoolLimits};

/// The settings of a [`Client`]; made by [`Client::builder`].
///
/// | setting | default |
/// | --- | --- |
/// | [`timeout`](ClientBuilder::timeout) | 20 s |
/// | [`connect_timeout`](ClientBuilder::connect_timeout) | 20 s |
/// | [`max_body_size`](ClientBuilder::max_body_size) | 100 MiB |
/// | [`pool_idle_timeout`](ClientBuilder::pool_idle_timeout) | 20 s |
/// | [`pool_max_idle_per_host`](ClientBuilder::pool_max_idle_per_host) | 64 |
/// | [`pool_max_idle`](ClientBuilder::pool_max_idle) | 256 |
/// | [`user_agent`](ClientBuilder::user_agent) | `eyewall/` and the version |
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct ClientBuilder {
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) max_body_size: u64,
    pool: PoolLimits,
    pub(super) headers: HeaderMap,
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        let mut headers = HeaderMap::with_capacity(4);
        let agent = concat!("eyewall/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        ClientBuilder {
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(20),
            max_body_size: 100 << 20,
            pool: PoolLimits {
                per_origin: 64,
                total: 256,
                idle_timeout: Duration::from_secs(20),
            },
            headers,
        }
    }
}

impl ClientBuilder {
    /// How long a fetch may take, from the call to the last byte of the body; zero for no limit.
    pub fn timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeout = timeout;
        self
    }

    /// How long resolving the name and connecting may take together; zero for no limit of its own.
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// How many bytes the body of a response may have.
    pub fn max_body_size(mut self, bytes: u64) -> ClientBuilder {
        self.max_body_size = bytes;
        self
    }

    /// How long a connection is kept without use.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.pool.idle_timeout = timeout;
        self
    }

    /// How many connections to one host are kept without use; zero keeps none.
    pub fn pool_max_idle_per_host(mut self, connections: usize) -> ClientBuilder {
        self.pool.per_origin = connections;
        self
    }

    /// How many connections are kept without use in all; the one idle for longest goes first.
    pub fn pool_max_idle(mut self, connections: usize) -> ClientBuilder {
        self.pool.total = connections;
        self
    }

    /// What the `User-Agent` field says, unless a request says otherwise; `None` sends none.
    pub fn user_agent(mut self, agent: Option<HeaderValue>) -> ClientBuilder {
        match agent {
            Some(agent) => self.headers.insert(header::USER_AGENT, agent),
            None => self.headers.remove(header::USER_AGENT),
        };
        self
    }

    /// Fields that every request has, unless it sets the same name itself.
    pub fn default_headers(mut self, headers: HeaderMap) -> ClientBuilder {
        self.headers.extend(headers);
        self
    }

    /// Makes the client.
    pub fn build(self) -> Client {
        Client {
            inner: Rc::new(Inner {
                pool: Pool::new(self.pool),
                settings: self,
            }),
        }
    }
}
