//! The fields that a request has a say in.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The headers of a request that has none of its own.
pub(super) static NONE: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

/// What a request says about its fields; most have nothing to say, and leave them to their client.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Fields {
    pub(in crate::http) headers: HeaderMap,
    /// Fields of the client that this request does not have.
    pub(in crate::http) without: Vec<HeaderName>,
    /// The value of Authorization, unless `headers` has one.
    pub(in crate::http) auth: Option<HeaderValue>,
    /// A redirect has led to another origin: the client's credentials are not for that.
    pub(in crate::http) stripped: bool,
}

impl Fields {
    /// Fields of a request whose URL had these `credentials`, if it had any.
    pub(super) fn with(credentials: Option<HeaderValue>) -> Option<Box<Fields>> {
        credentials.map(|credentials| {
            Box::new(Fields {
                auth: Some(credentials),
                ..Fields::default()
            })
        })
    }

    /// Whether it decides about the field of this name.
    pub(in crate::http) fn says(&self, name: &HeaderName) -> bool {
        let auth = self.auth.is_some() && *name == header::AUTHORIZATION;
        self.has(name) || self.without.contains(name) || auth
    }

    /// Whether there is one of this name. There are few: to look at each takes less than to hash the name.
    pub(in crate::http) fn has(&self, name: &HeaderName) -> bool {
        self.headers.keys().any(|own| own == name)
    }
}
