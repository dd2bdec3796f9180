//! When a socket that is bound to an address alone gets its port.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Leaves the port of `socket`, which is to be bound to port 0, to its connect (`IP_BIND_ADDRESS_NO_PORT`, ip(7)).
///
/// The bind does not know to whom the socket will connect. So it takes a port that no other socket of this address has,
/// nor has had a minute ago, and there are no more than 28,000 of these. To the connect they are as many for each peer.
pub(crate) fn choose_port_late(socket: &impl AsFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads an int at the address, of which the length says that it is one.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_socket_has_its_port_from_its_connect() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let listener = std::net::TcpListener::bind(address).unwrap();
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            choose_port_late(&socket).unwrap();
            let port = || socket.local_addr().unwrap().as_socket().unwrap().port();
            socket.bind(&address.into()).unwrap();
            assert_eq!(port(), 0);
            let listening = listener.local_addr().unwrap();
            socket.connect(&listening.into()).unwrap();
            assert_ne!(port(), 0);
        }
    }
}
