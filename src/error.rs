//! The error of setting up and running a reactor.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;

/// Why a reactor could not be made or could not go on.
///
/// The message says what to do about it. Socket and file operations report [`std::io::Error`] instead, and a fetch an
/// error of its own.
///
/// ```
/// use eyewall::ErrorKind;
///
/// let inner = eyewall::block_on(async { eyewall::block_on(async { "never" }) })?;
/// assert_eq!(inner.unwrap_err().kind(), ErrorKind::Nested);
/// # Ok::<(), eyewall::Error>(())
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<io::Error>,
}

/// What kind of [`Error`] it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The kernel lacks io_uring or a part that this crate needs (ENOSYS, EINVAL).
    Unsupported,
    /// A sysctl or a seccomp filter forbids io_uring (EPERM).
    NotPermitted,
    /// The kernel has no memory for the ring or its buffers (ENOMEM).
    OutOfMemory,
    /// A value given to the builder is out of its range.
    InvalidInput,
    /// A reactor already runs on this thread.
    Nested,
    /// The reactor has been shut down.
    ShutDown,
    /// No reactor runs on this thread, and the call needs one. It comes inside an [`io::Error`].
    NoReactor,
    /// The reactor of the socket or file, or the one that looks up a name, does not run on this thread, so that nothing
    /// would come of the call. It comes inside an [`io::Error`].
    Elsewhere,
    /// The kernel dropped completions for want of memory (EBADR); the reactor cannot go on.
    CompletionsLost,
    /// Any other system error; see the source.
    Io,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: io::Error,
    ) -> Error {
        Error {
            kind,
            message: message.into(),
            source: Some(source),
        }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.kind {
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::NotPermitted => io::ErrorKind::PermissionDenied,
            ErrorKind::OutOfMemory => io::ErrorKind::OutOfMemory,
            ErrorKind::InvalidInput => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// The error of an I/O call made on a thread where no reactor runs.
pub(crate) fn no_reactor() -> io::Error {
    io::Error::other(Error::new(
        ErrorKind::NoReactor,
        "no reactor runs on this thread: call this inside eyewall::block_on or a task of a Reactor",
    ))
}

/// The error of an I/O call made where its reactor does not run.
pub(crate) fn elsewhere() -> io::Error {
    io::Error::other(Error::new(
        ErrorKind::Elsewhere,
        "this socket, file or look-up belongs to a reactor that does not run here, so that nothing would come of the \
         call: make it inside that reactor's block_on or a task of it",
    ))
}

/// Whether a call failed for where it was made, or when: the system was not even asked.
#[cfg(feature = "http")]
pub(crate) fn is_out_of_place(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.is_some_and(|error: &Error| {
        matches!(
            error.kind,
            ErrorKind::NoReactor | ErrorKind::Elsewhere | ErrorKind::ShutDown
        )
    })
}

/// The error of an I/O call made after the reactor has been shut down.
pub(crate) fn shut_down() -> io::Error {
    io::Error::other(Error::new(
        ErrorKind::ShutDown,
        "the reactor of this socket or file has been shut down",
    ))
}
