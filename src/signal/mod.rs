//! Signals: as a future, as streams, and as a registry of callbacks.
//!
//! A signal that arrives is noted by a handler and read by the reactor through its ring, so that a sleeping
//! reactor wakes. Arrivals between two looks count as one, as signals do in any case (signal(7)). While anybody
//! here waits for a signal, its default action (for SIGINT: the end of the process) does not happen; afterwards the
//! handler stays in place and does nothing, so that the default does not come back.
//!
//! A signal is heard in the process that it is for. A child of fork(2) has the handlers as well, until it calls execve(2):
//! there they do nothing, unless it makes a reactor of its own that waits for the signal.
//!
//! # Ending a server
//!
//! One that is asked to end takes nothing new, lets what it has begun come to its end, and waits for that only so long.
//! What is left then ends with the reactor.
//!
//! ```
//! use std::io;
//! use std::time::Duration;
//!
//! use eyewall::net::{TcpListener, TcpStream};
//! use eyewall::signal::{self, Signal};
//! use eyewall::time::timeout;
//! use futures_util::stream::{FuturesUnordered, StreamExt};
//! use futures_util::{FutureExt, select};
//!
//! async fn echo(mut stream: TcpStream) -> io::Result<()> {
//!     while let Some(chunk) = stream.recv_chunk().await? {
//!         stream.send_all(chunk).await.0?;
//!     }
//!     stream.close().await
//! }
//!
//! async fn serve(mut listener: TcpListener) -> io::Result<()> {
//!     let mut end = signal::stream(Signal::TERMINATE)?.fuse();
//!     let mut open = FuturesUnordered::new();
//!     loop {
//!         select! {
//!             // It is dropped and made anew all the time, and loses no connection by that.
//!             accepted = listener.accept().fuse() => open.push(eyewall::spawn(echo(accepted?.0))),
//!             ended = open.select_next_some() => {
//!                 // A panic ends a connection, and not the server.
//!                 if let Err(error) = ended.unwrap_or_else(|panic| Err(panic.into())) {
//!                     eprintln!("a connection ended: {error}");
//!                 }
//!             }
//!             _ = end.next() => break,
//!         }
//!     }
//!     listener.close().await?;
//!     let rest = async { while open.next().await.is_some() {} };
//!     if timeout(Duration::from_secs(10), rest).await.is_err() {
//!         eprintln!("some connections are cut off");
//!     }
//!     Ok(())
//! }
//!
//! # eyewall::block_on(async {
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # let client = eyewall::spawn(async move {
//! #     let mut stream = TcpStream::connect(address).await?;
//! #     stream.send_all("ping").await.0?;
//! #     stream.recv_chunk().await?;
//! #     signal_hook::low_level::raise(libc::SIGTERM)?;
//! #     stream.send_all("pong").await.0?;
//! #     assert_eq!(stream.recv_chunk().await?.as_deref(), Some(&b"pong"[..]));
//! #     while TcpStream::connect(address).await.is_ok() { eyewall::yield_now().await; }
//! #     stream.shutdown().await?;
//! #     assert!(stream.recv_chunk().await?.is_none());
//! #     io::Result::Ok(())
//! # });
//! serve(listener).await?;
//! # client.await?
//! # })??;
//! # Ok::<(), io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod registry;
mod stream;

use std::io;

pub use registry::{Registration, on};
pub use stream::{Signals, stream};

/// A signal, by its number.
///
/// ```
/// use eyewall::signal::Signal;
///
/// assert_eq!(Signal::INTERRUPT.number(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(i32);

impl Signal {
    /// SIGHUP: the terminal has gone, or, for a server, read the settings again.
    #[doc(alias = "SIGHUP")]
    pub const HANGUP: Signal = Signal(libc::SIGHUP);
    /// SIGINT: Ctrl-C.
    #[doc(alias = "SIGINT")]
    pub const INTERRUPT: Signal = Signal(libc::SIGINT);
    /// SIGQUIT: Ctrl-\\.
    #[doc(alias = "SIGQUIT")]
    pub const QUIT: Signal = Signal(libc::SIGQUIT);
    /// SIGTERM: please end.
    #[doc(alias = "SIGTERM")]
    pub const TERMINATE: Signal = Signal(libc::SIGTERM);
    /// SIGUSR1.
    #[doc(alias = "SIGUSR1")]
    pub const USER_1: Signal = Signal(libc::SIGUSR1);
    /// SIGUSR2.
    #[doc(alias = "SIGUSR2")]
    pub const USER_2: Signal = Signal(libc::SIGUSR2);
    /// SIGCHLD: a child has ended or stopped.
    #[doc(alias = "SIGCHLD")]
    pub const CHILD: Signal = Signal(libc::SIGCHLD);
    /// SIGWINCH: the terminal's size has changed.
    #[doc(alias = "SIGWINCH")]
    pub const WINDOW_CHANGE: Signal = Signal(libc::SIGWINCH);

    /// The signal with this number. Whether there is one, and whether it can be waited for, is known when that is
    /// tried.
    pub fn from_number(number: i32) -> Signal {
        Signal(number)
    }

    /// Its number.
    pub fn number(self) -> i32 {
        self.0
    }
}

/// Waits for Ctrl-C (SIGINT).
///
/// From then on Ctrl-C does not end the process by itself any more. A program that still works after the first
/// one should wait for a second, and then leave at once.
///
/// # Errors
///
/// As [`stream()`]; where its reactor has been shut down meanwhile, or another one runs.
///
/// # Cancel safety
///
/// A Ctrl-C that came for a dropped future is gone. Use a [`stream()`] to miss none.
///
/// ```no_run
/// eyewall::block_on(async {
///     // ... spawn the tasks of a server ...
///     eyewall::signal::ctrl_c().await
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    stream(Signal::INTERRUPT)?.arrival().await
}
