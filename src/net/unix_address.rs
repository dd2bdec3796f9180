//! Addresses of Unix sockets: between the standard library's type and what the kernel reads and writes.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use socket2::SockAddr;

/// The address of a socket in the file system.
pub(super) fn of_path(path: &Path) -> io::Result<SocketAddr> {
    // To the kernel, no path at all means: an abstract name of its choice.
    if path.as_os_str().is_empty() {
        let message = "the socket path is empty";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    SocketAddr::from_pathname(path)
        .map_err(|error| io::Error::new(error.kind(), format!("socket path {path:?}: {error}")))
}

/// As the kernel reads it.
pub(super) fn to_raw(address: &SocketAddr) -> io::Result<SockAddr> {
    match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => SockAddr::unix(path),
        (None, Some(name)) => {
            // unix(7): an abstract name follows a NUL byte.
            let bytes = [b"\0", name].concat();
            SockAddr::unix(OsStr::from_bytes(&bytes))
        }
        (None, None) => SockAddr::unix(""),
    }
}

/// From what the kernel wrote. A path of 108 bytes, which has no place for its NUL byte and which the standard
/// library's type cannot hold, counts as no name.
pub(super) fn from_raw(address: &SockAddr) -> io::Result<SocketAddr> {
    if let Some(path) = address.as_pathname() {
        if let Ok(address) = SocketAddr::from_pathname(path) {
            return Ok(address);
        }
    } else if let Some(name) = address.as_abstract_namespace() {
        return SocketAddr::from_abstract_name(name);
    }
    // Also where nothing was written: the sender of a datagram has no name.
    SocketAddr::from_pathname("")
}
