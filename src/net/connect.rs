//! Connecting: one attempt, and the race of several.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{Domain, SockRef, Socket, Type};

use super::{ConnectError, TcpConnector, TcpStream, ToAddresses, late, make_socket};
use crate::op::{self, Connect, SharedFd};
use crate::reactor::{Core, Submission};
use crate::ring::choose_port_late;
use crate::time::{Sleep, sleep, sleep_until};

impl TcpStream {
    /// Connects to `address`, or to the first of its addresses that answers, with the default settings of
    /// [`TcpConnector`]. There is no time limit but the system's own; see [`TcpConnector::timeout`].
    ///
    /// # Errors, cancel safety
    ///
    /// As [`TcpConnector::connect`].
    #[doc(alias = "IORING_OP_CONNECT")]
    pub async fn connect(address: impl ToAddresses) -> io::Result<TcpStream> {
        TcpConnector::new().connect(address).await
    }
}

/// Connects to the addresses, each a little later than the one before; the first connection wins.
///
/// Dropping the attempts that lost closes their sockets: each operation holds its descriptor until it has
/// ended.
pub(super) async fn race(
    core: &Rc<Core>,
    connector: &TcpConnector,
    addresses: Vec<SocketAddr>,
    deadline: Option<Instant>,
) -> io::Result<TcpStream> {
    if let (&[address], None) = (&*addresses, deadline) {
        let attempt = attempt(core, connector, address).await;
        return attempt.map_err(|error| error_of(address, error));
    }
    let mut deadline = deadline.map(sleep_until);
    let mut left = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    // Those that have begun, and the errors of those that have failed.
    let mut attempts: Vec<(SocketAddr, Option<io::Error>)> = Vec::new();
    let timed_out = loop {
        let mut delay = None;
        if let Some(address) = left.next() {
            let index = attempts.len();
            attempts.push((address, None));
            running.push(async move { (index, attempt(core, connector, address).await) });
            delay = (left.len() > 0).then(|| sleep(connector.attempt_delay));
        }
        let event = poll_fn(|cx| match running.poll_next_unpin(cx) {
            Poll::Ready(Some((_, Ok(stream)))) => Poll::Ready(Event::Connected(stream)),
            Poll::Ready(Some((index, Err(error)))) => Poll::Ready(Event::Failed(index, error)),
            Poll::Ready(None) => Poll::Ready(Event::AllFailed),
            Poll::Pending if is_over(&mut deadline, cx) => Poll::Ready(Event::TimedOut),
            Poll::Pending if is_over(&mut delay, cx) => Poll::Ready(Event::Delayed),
            Poll::Pending => Poll::Pending,
        });
        match event.await {
            Event::Connected(stream) => return Ok(stream),
            Event::Failed(index, error) => attempts[index].1 = Some(error),
            Event::Delayed => {}
            Event::AllFailed => break false,
            Event::TimedOut => break true,
        }
    };
    let no_answer = || connector.timed_out("no answer");
    let attempts = attempts
        .into_iter()
        .map(|(address, error)| (address, error.unwrap_or_else(no_answer)))
        .collect();
    Err(ConnectError::new(attempts, timed_out).into())
}

/// What happens next in a race.
enum Event {
    Connected(TcpStream),
    Failed(usize, io::Error),
    /// The latest attempt has had its time alone.
    Delayed,
    AllFailed,
    /// The time for all of it is over.
    TimedOut,
}

fn is_over(timer: &mut Option<Sleep>, cx: &mut Context<'_>) -> bool {
    timer
        .as_mut()
        .is_some_and(|timer| Pin::new(timer).poll(cx).is_ready())
}

/// Connects to one address.
async fn attempt(
    core: &Rc<Core>,
    connector: &TcpConnector,
    address: SocketAddr,
) -> io::Result<TcpStream> {
    match connector.begin(core, address) {
        Ok(Begun::Made(socket, _)) => Ok(TcpStream::over(core, core.share_called(socket))),
        Ok(Begun::Waiting(pending)) => pending.made(core, address).await,
        Err(error) => Err(late(core, error).await),
    }
}

/// A connect that has begun.
pub(crate) enum Begun {
    /// The connection is there, with this address at its other end.
    Made(
        OwnedFd,
        #[cfg_attr(
            not(feature = "http"),
            expect(dead_code, reason = "asked for only by who keeps it")
        )]
        SocketAddr,
    ),
    /// The peer has still to answer.
    Waiting(Pending),
}

/// A connect that goes on. Dropping it closes its socket.
pub(crate) enum Pending {
    /// It has begun, and is over when the socket can be written to.
    Called(SharedFd),
    /// On the ring.
    Submitted(Submission<Connect>),
}

/// Refuses a connection of a socket with itself: where nobody listens on a port of this machine that the system may also
/// choose for this end, it sometimes does, and who connects is called by the same call (RFC 9293, 3.5, simultaneous open).
fn refuse_itself(socket: &SockRef<'_>, called: SocketAddr) -> io::Result<()> {
    // The system chooses none below 1024, unless it has been told to (ip_local_port_range): this costs the usual ports
    // nothing.
    if called.port() < 1024 {
        return Ok(());
    }
    let own = socket.local_addr()?.as_socket();
    if own.is_none_or(|own| own.port() != called.port()) {
        return Ok(());
    }
    // The address that was called may stand for another, as 0.0.0.0 does.
    let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
    let ends = own.zip(peer);
    if ends.is_none_or(|(own, peer)| (own.ip(), own.port()) != (peer.ip(), peer.port())) {
        return Ok(());
    }
    // Who wants to listen there must not find the port in use.
    socket.set_linger(Some(Duration::ZERO))?;
    Err(io::Error::from_raw_os_error(libc::ECONNREFUSED))
}

impl Pending {
    /// Waits for the connection to `address`.
    async fn made(self, core: &Rc<Core>, address: SocketAddr) -> io::Result<TcpStream> {
        let fd = match self {
            Pending::Submitted(submission) => {
                let (result, op) = submission.await;
                result?;
                op.fd
            }
            Pending::Called(fd) => {
                let events = libc::POLLOUT;
                let (polled, op) = core.submit(op::Poll { fd, events }).await;
                polled?;
                let socket = SockRef::from(&op.fd);
                if let Some(error) = socket.take_error()? {
                    return Err(error);
                }
                socket.set_nonblocking(false)?;
                op.fd
            }
        };
        refuse_itself(&SockRef::from(&fd), address)?;
        Ok(TcpStream::over(core, fd))
    }

    /// Waits for the connection to `address`, which is in the error.
    #[cfg(feature = "http")]
    pub(crate) async fn made_to(
        self,
        core: &Rc<Core>,
        address: SocketAddr,
    ) -> io::Result<TcpStream> {
        let made = self.made(core, address).await;
        made.map_err(|error| error_of(address, error))
    }
}

/// The error of the only address there is.
fn error_of(address: SocketAddr, error: io::Error) -> io::Error {
    ConnectError::new(vec![(address, error)], false).into()
}

impl TcpConnector {
    /// Begins to connect to one address.
    ///
    /// Where nothing else goes out in this turn, the connect is a system call that does not wait. To a peer on this
    /// machine it is over when that returns, and then takes no turn of the reactor, and the peer is not woken twice, for
    /// the connection and for the first bytes. Any other is waited for on the ring. Among others it goes through the ring
    /// from the start: there they share an enter, and the kernel does the same for many, one behind the other. So does all
    /// but the first in a turn, since who connects again and again has to wait for one.
    pub(crate) fn begin(&self, core: &Rc<Core>, address: SocketAddr) -> io::Result<Begun> {
        core.check_open()?;
        let alone = core.may_call();
        let kind = match alone {
            true => Type::STREAM.nonblocking(),
            false => Type::STREAM,
        };
        let socket = make_socket(core, Domain::for_address(address), kind)?;
        self.set_up(&socket)?;
        if alone {
            return call(core, socket, address);
        }
        let connect = Connect {
            fd: core.share(socket.into()),
            address: address.into(),
        };
        Ok(Begun::Waiting(Pending::Submitted(core.submit(connect))))
    }

    /// Puts the settings of a connection into its socket.
    fn set_up(&self, socket: &Socket) -> io::Result<()> {
        if let Some(name) = &self.interface {
            socket
                .bind_device(Some(name.as_bytes()))
                .map_err(|error| named(error, &format!("interface {name:?}")))?;
        }
        if let Some(source) = self.source {
            // Where that is refused, the bind chooses it.
            let _ = choose_port_late(socket);
            socket
                .bind(&SocketAddr::new(source, 0).into())
                .map_err(|error| named(error, &format!("source address {source}")))?;
        }
        match self.nodelay {
            true => socket.set_tcp_nodelay(true),
            false => Ok(()),
        }
    }
}

/// Connects a socket that does not wait, beside the ring.
fn call(core: &Rc<Core>, socket: Socket, address: SocketAddr) -> io::Result<Begun> {
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        begun => begun?,
    }
    let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
    let Some(peer) = peer else {
        let fd = core.share_called(socket.into());
        return Ok(Begun::Waiting(Pending::Called(fd)));
    };
    refuse_itself(&SockRef::from(&socket), address)?;
    // The ring waits only where it may block. This is one system call, socket2 makes two.
    let stream = net::TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(Begun::Made(stream.into(), peer))
}

/// An error that says which setting it is about.
fn named(error: io::Error, setting: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{setting}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACKS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

    /// A socket, and its address, which nobody else listens on.
    fn bound(address: &str, kind: Type) -> (Socket, SocketAddr) {
        let address: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::for_address(address), kind, None).unwrap();
        socket.bind(&address.into()).unwrap();
        let own = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, own)
    }

    #[test]
    fn a_socket_that_has_connected_with_itself_is_refused() {
        // The lowest port that the system can choose, at an address that no other process has it at.
        let lowest = Ipv4Addr::from(0x7f00_0000 | std::process::id());
        let lowest = format!("{lowest}:1024");
        for address in [LOOPBACKS[0], LOOPBACKS[1], &lowest] {
            let (socket, own) = bound(address, Type::STREAM);
            socket.connect(&own.into()).unwrap();
            let socket = SockRef::from(&socket);
            let other = SocketAddr::new(own.ip(), own.port() ^ 1);
            refuse_itself(&socket, other).unwrap();
            let error = refuse_itself(&socket, own).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            assert_eq!(socket.linger().unwrap(), Some(Duration::ZERO));
        }
    }

    #[test]
    fn it_is_refused_whichever_way_it_has_connected() {
        let refused = async |core: &Rc<Core>, begun, address| {
            let made = match begun {
                Ok(Begun::Made(..)) => Ok(()),
                Ok(Begun::Waiting(pending)) => pending.made(core, address).await.map(drop),
                Err(error) => Err(error),
            };
            assert_eq!(made.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        };
        let tried = async {
            let core = Core::current().unwrap();
            for address in LOOPBACKS {
                let (socket, own) = bound(address, Type::STREAM.nonblocking());
                refused(&core, call(&core, socket, own), own).await;

                let (socket, own) = bound(address, Type::STREAM);
                let connect = Connect {
                    fd: core.share(socket.into()),
                    address: own.into(),
                };
                let submitted = Pending::Submitted(core.submit(connect));
                refused(&core, Ok(Begun::Waiting(submitted)), own).await;

                let (socket, own) = bound(address, Type::STREAM.nonblocking());
                let begun = socket.connect(&own.into()).unwrap_err();
                assert_eq!(begun.raw_os_error(), Some(libc::EINPROGRESS));
                let called = Pending::Called(core.share_called(socket.into()));
                refused(&core, Ok(Begun::Waiting(called)), own).await;
            }
        };
        crate::block_on(tried).unwrap();
    }

    #[test]
    fn a_source_address_has_no_port_before_the_connect() {
        for address in LOOPBACKS {
            let address: SocketAddr = address.parse().unwrap();
            let connector = TcpConnector::new().source_address(address.ip());
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            connector.set_up(&socket).unwrap();
            let own = socket.local_addr().unwrap().as_socket();
            assert_eq!(own, Some(address));
        }
    }
}
