//! Tasks: spawning them, waking them from anywhere, waiting for their end.
//!
//! [`spawn`] starts a task, [`spawn_blocking`] gives work to another thread, and a [`Handle`] (from
//! [`Reactor::handle`](crate::Reactor::handle)) lets another thread spawn tasks here.
//!
//! A task is a future that the reactor polls on its own thread. Tasks need not be `Send`; their wakers are,
//! and a wake from another thread goes through an inbox and, only if the reactor sleeps, an eventfd. Work
//! that blocks goes to a pool of threads ([`spawn_blocking`]); everything else runs on the one thread.
//!
//! A task is one allocation, of its future (or its result, if that is larger) and 96 bytes more; one that has gone keeps
//! that as long as somebody keeps a waker of it. A reactor keeps up to 256 KiB of small tasks that have gone for the next
//! ones. `cell/` says how it all works.
//!
//! ```
//! eyewall::block_on(async {
//!     let answer = eyewall::spawn(async { 6 * 7 });
//!     assert_eq!(answer.await.unwrap(), 42);
//! })?;
//! # Ok::<(), eyewall::Error>(())
//! ```

#![deny(unsafe_code)]

mod blocking;
mod cell;
mod executor;
mod join;
mod remote;
mod stall;
#[cfg(test)]
pub(crate) mod tests;
mod threads;
mod wait;
mod yield_now;

pub use blocking::{BlockingTask, spawn_blocking};
pub(crate) use cell::{Entered, own_wakers};
#[cfg(feature = "http")]
pub(crate) use executor::can_spawn;
pub use executor::spawn;
pub(crate) use executor::{Executor, contain_panic, in_background, is_shut, wake_all};
pub use join::{JoinError, JoinHandle};
pub(crate) use remote::Remote;
pub use remote::{Handle, RemoteTask};
pub use stall::Stall;
pub(crate) use stall::StallWatch;
#[cfg(feature = "http")]
pub(crate) use wait::{NotEnded, wait};
pub use yield_now::yield_now;
