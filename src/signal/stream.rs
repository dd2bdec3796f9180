//! The arrivals of a signal, as a stream.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt};
use signal_hook::low_level::unregister;

use super::Signal;
use crate::net::{RecvHalf, with_descriptors};
use crate::reactor::Core;
use crate::ring::on_signal;

/// The arrivals of `signal`, from this call on, until the stream is dropped.
///
/// # Errors
///
/// `InvalidInput` for a number that is no signal, or one that cannot be waited for (SIGKILL, SIGSTOP, SIGSEGV and
/// its like); where no reactor runs; as socketpair(2).
///
/// ```
/// use eyewall::signal::{self, Signal};
///
/// eyewall::block_on(async {
///     let mut arrivals = signal::stream(Signal::USER_1)?;
///     // Somebody sends it; here, the process itself.
///     signal_hook::low_level::raise(Signal::USER_1.number())?;
///     assert_eq!(arrivals.recv().await, Some(Signal::USER_1));
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn stream(signal: Signal) -> io::Result<Signals> {
    let core = Core::current()?;
    core.check_open()?;
    if signal_hook::consts::FORBIDDEN.contains(&signal.number()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("signal {} cannot be waited for", signal.number()),
        ));
    }
    // The handler writes a byte into one end; both ends close with the registration and the stream.
    let (receiver, sender) = with_descriptors(&core, UnixStream::pair)?;
    let id = on_signal(signal.number(), sender)?;
    Ok(Signals {
        signal,
        id,
        receiver: RecvHalf::of_socket(&core, receiver.into()),
    })
}

/// The arrivals of a signal; from [`stream`]. It never ends by itself, but is empty where its reactor does not run.
///
/// # Cancel safety
///
/// An arrival is consumed only when it is returned.
#[must_use = "signals are noted from now on, but nobody looks"]
pub struct Signals {
    signal: Signal,
    id: signal_hook::SigId,
    receiver: RecvHalf,
}

impl Signals {
    /// The next arrival, as the stream gives it; `None` once the reactor has been shut down, and where it does not run.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: an arrival is consumed only when it is returned.
    pub async fn recv(&mut self) -> Option<Signal> {
        self.next().await
    }

    /// Waits for the next arrival.
    pub(super) async fn arrival(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_arrival(cx)).await
    }

    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Each arrival wrote a byte; all that have come by now are one.
        let arrived = ready!(self.receiver.poll_recv_chunk(cx))?;
        Poll::Ready(match arrived {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        })
    }
}

impl Stream for Signals {
    type Item = Signal;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        let arrived = ready!(self.poll_arrival(cx));
        // An error: the reactor has been shut down, or does not run here.
        Poll::Ready(arrived.ok().map(|()| self.signal))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        unregister(self.id);
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("signal", &self.signal)
            .finish_non_exhaustive()
    }
}
