//! Sockets: what a user calls.
//!
//! | | streams | listeners | datagrams |
//! | --- | --- | --- | --- |
//! | IP | [`TcpStream`], made by [`TcpConnector`] | [`TcpListener`] | [`UdpSocket`] |
//! | Unix | [`UnixStream`] | [`UnixListener`] | [`UnixDatagram`] |
//!
//! An operation takes its buffer and gives it back with the result. Nothing that was received is lost when a
//! future is dropped: it belongs to the socket, and goes to the next call. That is why receiving takes
//! `&mut self`; the sockets have halves or senders for doing both at once.
//!
//! For an option that has no call here, or a crate that wants a descriptor, each lends its own by
//! [`std::os::fd::AsFd`] and, for who wants the bare number, [`std::os::fd::AsRawFd`]; so does a
//! [`File`](crate::fs::File). It stays the socket's, which closes it; what is received past the socket is missing there.
//!
//! ```
//! use std::os::fd::{AsFd, AsRawFd};
//! use eyewall::net::UdpSocket;
//!
//! eyewall::block_on(async {
//!     let socket = UdpSocket::bind("127.0.0.1:0").await?;
//!     let fd = socket.as_raw_fd();
//!     assert_eq!(fd, socket.as_fd().as_raw_fd());
//!     let link = std::fs::read_link(format!("/proc/self/fd/{fd}"))?;
//!     assert!(link.to_string_lossy().starts_with("socket:"));
//!     Ok::<(), std::io::Error>(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod addresses;
mod connect;
mod connect_error;
mod connector;
mod datagram;
mod listener;
mod stream;
mod tcp_listener;
mod tcp_stream;
mod udp;
mod unix_address;
mod unix_datagram;
mod unix_listener;
mod unix_stream;

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(feature = "http")]
use std::os::fd::AsFd;
use std::rc::Rc;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

pub use addresses::ToAddresses;
#[cfg(feature = "http")]
pub(crate) use connect::{Begun, Pending};
pub use connect_error::ConnectError;
pub use connector::TcpConnector;
pub use datagram::Datagram;
pub use stream::{Chunks, RecvHalf, SendHalf};
#[cfg(feature = "http")]
pub(crate) use stream::{close_half as close, halves};
pub use tcp_listener::{Incoming, TcpListener, TcpListenerBuilder};
pub use tcp_stream::{Keepalive, TcpStream};
pub use udp::{UdpSender, UdpSocket};
pub use unix_datagram::{UnixDatagram, UnixDatagramSender};
pub use unix_listener::{UnixIncoming, UnixListener, UnixListenerBuilder};
pub use unix_stream::{PeerCredentials, UnixStream};

use crate::op::{Bind, Listen, Nop, SharedFd};
use crate::reactor::Core;

/// Makes a socket, with the system call: that never blocks, and on the ring it would take a turn of its own before the
/// socket can be used.
async fn new_socket(core: &Rc<Core>, domain: Domain, kind: Type) -> io::Result<SharedFd> {
    core.check_open()?;
    match make_socket(core, domain, kind) {
        Ok(socket) => Ok(core.share(socket.into())),
        Err(error) => Err(late(core, error).await),
    }
}

/// The error of a system call, after a turn of the ring: who tries again and again would let nobody else run, nor time
/// pass, nor descriptors be closed.
async fn late(core: &Rc<Core>, error: io::Error) -> io::Error {
    // One that fails, too, tells nothing more.
    let _ = core.submit(Nop).await;
    error
}

/// Makes a socket.
fn make_socket(core: &Core, domain: Domain, kind: Type) -> io::Result<Socket> {
    with_descriptors(core, || Socket::new(domain, kind, None))
}

/// Makes something of descriptors, also where these are used up and some only wait for their close.
pub(crate) fn with_descriptors<T>(core: &Core, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            core.close_early()?;
            make()
        }
        made => made,
    }
}

/// What `bind` makes of the first address that it can bind; otherwise the error for the last one. `what` is in its
/// message.
async fn bind_first<T>(
    address: impl ToAddresses,
    what: &str,
    bind: impl AsyncFn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let none = format!("no address to {what}");
    let mut bound = Err(io::Error::new(io::ErrorKind::InvalidInput, none));
    for address in address.resolve().await? {
        let result = bind(address).await;
        bound = result.map_err(|error| cannot(what, &address, &error));
        if bound.is_ok() {
            break;
        }
    }
    bound
}

/// `error`, with what could not be done, and the address.
fn cannot(what: &str, address: &impl fmt::Debug, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {address:?}: {error}"))
}

/// Binds a socket: on the ring where the kernel can (6.11), else with the system call, which does not block.
async fn bind(core: &Rc<Core>, fd: &SharedFd, address: SockAddr) -> io::Result<()> {
    if !core.has_bind_listen() {
        return match SockRef::from(fd).bind(&address) {
            Ok(()) => Ok(()),
            Err(error) => Err(late(core, error).await),
        };
    }
    let op = Bind {
        fd: fd.clone(),
        address,
    };
    let (bound, op) = core.submit(op).await;
    match core.has_given_up(&bound) {
        // The kernel has a thread make the file of a Unix socket.
        true => SockRef::from(fd).bind(&op.address),
        false => bound,
    }
}

/// Binds a socket and makes it a listener, likewise.
async fn bind_and_listen(
    core: &Rc<Core>,
    fd: &SharedFd,
    address: SockAddr,
    backlog: i32,
) -> io::Result<()> {
    bind(core, fd, address).await?;
    if !core.has_bind_listen() {
        return match SockRef::from(fd).listen(backlog) {
            Ok(()) => Ok(()),
            Err(error) => Err(late(core, error).await),
        };
    }
    let op = Listen {
        fd: fd.clone(),
        backlog,
    };
    core.submit(op).await.0
}

/// The IP address in a socket address.
fn ip_address(address: SockAddr) -> io::Result<SocketAddr> {
    address
        .as_socket()
        .ok_or_else(|| io::Error::other("the socket has no IP address"))
}

/// The IP address of this end of a socket, if it has one.
#[cfg(feature = "http")]
pub(crate) fn local_ip_addr(socket: &impl AsFd) -> Option<SocketAddr> {
    SockRef::from(socket).local_addr().ok()?.as_socket()
}

/// The IP address of the other end of a socket, if it has one.
#[cfg(feature = "http")]
pub(crate) fn peer_ip_addr(socket: &impl AsFd) -> Option<SocketAddr> {
    SockRef::from(socket).peer_addr().ok()?.as_socket()
}
