//! Connecting: one attempt, and the race of several.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{Domain, SockRef, Type};

use super::{ConnectError, TcpConnector, TcpStream, ToAddresses, bind, new_socket};
use crate::op::Connect;
use crate::reactor::Core;
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
        return attempt.map_err(|error| ConnectError::new(vec![(address, error)], false).into());
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
    let fd = new_socket(core, Domain::for_address(address), Type::STREAM)?;
    if let Some(name) = &connector.interface {
        SockRef::from(&fd)
            .bind_device(Some(name.as_bytes()))
            .map_err(|error| named(error, &format!("interface {name:?}")))?;
    }
    if let Some(source) = connector.source {
        bind(core, &fd, SocketAddr::new(source, 0).into())
            .await
            .map_err(|error| named(error, &format!("source address {source}")))?;
    }
    let (result, op) = core
        .submit(Connect {
            fd,
            address: address.into(),
        })
        .await;
    result?;
    let stream = TcpStream::over(core, op.fd);
    if connector.nodelay {
        stream.set_nodelay(true)?;
    }
    Ok(stream)
}

/// An error that says which setting it is about.
fn named(error: io::Error, setting: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{setting}: {error}"))
}
