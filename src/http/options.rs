//! What a request may say instead of its client, and a client instead of the crate.

use std::rc::Rc;
use std::time::Duration;

use super::proxy::{Proxies, Proxy};
use super::redirect::Policy;
use super::times::Times;
use super::transport::ConnectOptions;

/// Each `None` where it is not said.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) times: Times,
    pub(super) proxies: Option<Rc<Proxies>>,
    pub(super) max_body_size: Option<u64>,
    pub(super) max_head_size: Option<usize>,
    pub(super) max_head_fields: Option<usize>,
    /// How many times larger a decoded body may be than it came; zero for no limit.
    pub(super) max_expansion: Option<u32>,
    pub(super) follow_redirects: Option<bool>,
    pub(super) max_redirects: Option<u32>,
    pub(super) redirect_policy: Option<Policy>,
    pub(super) allow_downgrade: Option<bool>,
    pub(super) raise_for_status: Option<bool>,
    pub(super) allow_nonstandard: Option<bool>,
    pub(super) idempotent: Option<bool>,
    /// Leave to send the body is asked for.
    pub(super) expect_continue: Option<bool>,
    /// How long is waited for it.
    pub(super) expect_timeout: Option<Duration>,
    pub(super) decompress: Option<bool>,
    pub(super) connect: Option<ConnectOptions>,
}

impl Options {
    pub(super) fn add_proxy(&mut self, proxy: Proxy) {
        Rc::make_mut(self.proxies.get_or_insert_default()).add(proxy);
    }
}
