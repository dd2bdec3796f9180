//! The error of a name that has no address.

use std::fmt;
use std::io;

/// Why a name could not be turned into addresses. It comes inside an [`io::Error`]; see [`is_resolve_error`].
#[derive(Clone, Debug)]
pub struct ResolveError {
    host: String,
    reason: String,
}

impl ResolveError {
    pub(super) fn new(host: &str, reason: impl fmt::Display) -> ResolveError {
        ResolveError {
            host: host.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The name that was asked for, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Quoted, because a name may hold anything, control characters too.
        write!(f, "cannot resolve {:?}: {}", self.host, self.reason)
    }
}

impl std::error::Error for ResolveError {}

impl From<ResolveError> for io::Error {
    fn from(error: ResolveError) -> io::Error {
        io::Error::other(error)
    }
}

/// Whether `error` says that a name could not be resolved, rather than that no connection could be made.
///
/// The [`ResolveError`] inside is `error.get_ref().unwrap().downcast_ref::<ResolveError>()`.
///
/// ```
/// # eyewall::block_on(async {
/// let error = eyewall::net::TcpStream::connect("no name:80").await.unwrap_err();
/// assert!(eyewall::dns::is_resolve_error(&error));
/// assert!(error.to_string().starts_with(r#"cannot resolve "no name":"#));
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
pub fn is_resolve_error(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<ResolveError>())
}
