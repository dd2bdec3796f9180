//! The error of a connection that could not be made.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why none of the addresses could be connected to: what each of them said. It comes inside an [`io::Error`].
///
/// # Its kind
///
/// The [`kind`](io::Error::kind) of the `io::Error` is `TimedOut` if the connector's
/// [timeout](super::TcpConnector::timeout) was over; otherwise `ConnectionRefused` if any address refused, since
/// that one was reached; otherwise the kind of the address that was tried first.
///
/// ```
/// use eyewall::net::{ConnectError, TcpStream};
///
/// # eyewall::block_on(async {
/// let error = TcpStream::connect("127.0.0.1:1").await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
/// let inner = error.get_ref().unwrap().downcast_ref::<ConnectError>().unwrap();
/// for (address, error) in inner.attempts() {
///     println!("{address}: {error}"); // 127.0.0.1:1: Connection refused (os error 111)
/// }
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<(SocketAddr, io::Error)>,
    timed_out: bool,
}

impl ConnectError {
    /// The error of `attempts`, in the order in which they were begun; `timed_out` if some were given up
    /// because the time was over.
    pub(super) fn new(attempts: Vec<(SocketAddr, io::Error)>, timed_out: bool) -> ConnectError {
        ConnectError {
            attempts,
            timed_out,
        }
    }

    /// The addresses that were tried, in the order in which they were, and the error of each.
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect")?;
        for (index, (address, error)) in self.attempts.iter().enumerate() {
            let before = if index == 0 { " to" } else { "; to" };
            write!(f, "{before} {address}: {error}")?;
        }
        Ok(())
    }
}

/// Without a source: the message has the error of each address, and who shows a chain of errors shows each once.
impl std::error::Error for ConnectError {}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        let mut kinds = error.attempts.iter().map(|(_, error)| error.kind());
        let first = kinds.next().unwrap_or(io::ErrorKind::Other);
        let refused = io::ErrorKind::ConnectionRefused;
        let kind = if error.timed_out {
            io::ErrorKind::TimedOut
        } else if kinds.any(|kind| kind == refused) {
            refused
        } else {
            first
        };
        io::Error::new(kind, error)
    }
}
