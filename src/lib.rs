//! A completion reactor on io_uring, and a non-blocking HTTP fetch on owned buffers.
//!
//! One thread owns one ring. An operation takes its buffer, so that the kernel may touch it for as long as it
//! likes, and gives it back with the result ([`buf::BufResult`]). Nothing received is lost and nothing sent is
//! torn when a future is dropped; [`reactor`] says how that works, and what a shutdown does.
//!
//! ```
//! use eyewall::net::{TcpListener, TcpStream};
//!
//! eyewall::block_on(async {
//!     let mut listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (mut server, _) = listener.accept().await?;
//!
//!     client.send_all("ping").await.0?;
//!     let chunk = server.recv_chunk().await?.expect("not the end");
//!     assert_eq!(&chunk[..], b"ping");
//!     Ok::<(), std::io::Error>(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
#![cfg_attr(
    feature = "http",
    doc = "The [`guide`] leads from a call that blocks to thousands that do not."
)]
//!
//! # Features
//!
//! - `http` (default): the function `fetch`, and the module `http` with its `Client`.
//! - `compression` (default): responses in gzip, deflate, brotli and zstd are decoded. It builds zstd's C library.
//! - `tls` (default): `https`, by rustls. It stands for `tls-ring`, which builds with a C compiler alone, and
//!   `tls-native-roots`, the certificates that the system trusts. The others to choose from: `tls-aws-lc` for the
//!   cryptography, and `tls-webpki-roots`, a list that is built in, for where the system has none.
//!
//! Without `http` the reactor alone is built: sockets, files, timers, signals, tasks.

#[cfg(not(target_os = "linux"))]
compile_error!("eyewall runs on io_uring, which is a part of Linux: no other system has it");

pub mod buf;
pub mod dns;
mod error;
pub mod fs;
#[cfg(feature = "http")]
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
pub mod net;
mod op;
pub mod promise;
pub mod queue;
pub mod reactor;
mod ring;
pub mod signal;
pub mod task;
pub mod time;

#[cfg(feature = "http")]
pub use self::http::fetch;
pub use error::{Error, ErrorKind};
pub use reactor::{Metrics, Reactor, block_on};
pub use ring::{Probe, probe};
pub use task::{JoinError, JoinHandle, spawn, spawn_blocking, yield_now};

/// The examples of the README, as tests.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
