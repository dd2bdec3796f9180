//! A completion reactor on io_uring, and a non-blocking HTTP fetch on owned buffers.

#[cfg(not(target_os = "linux"))]
compile_error!("eyewall runs on io_uring, which is a part of Linux: no other system has it");

pub mod buf;
mod dns;
mod error;
#[cfg(feature = "http")]
pub mod http;
pub mod net;
mod op;
pub mod reactor;
mod ring;
pub mod task;
pub mod time;

#[cfg(feature = "http")]
pub use self::http::fetch;
pub use error::{Error, ErrorKind};
pub use reactor::{Metrics, Reactor, block_on};
pub use ring::{Probe, probe};
pub use task::{JoinError, JoinHandle, spawn, spawn_blocking, yield_now};
