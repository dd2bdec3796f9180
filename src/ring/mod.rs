//! io_uring itself: make a ring, stage requests, enter the kernel, reap completions.
//!
//! This is the only room that talks to the kernel's rings, and with the provided buffer ring
//! (`bufring.rs`) the only one whose unsafe code matters. What it knows:
//!
//! | file | job |
//! | --- | --- |
//! | `setup.rs` | the flags of a ring, and what a refusal means |
//! | `probe.rs` | what the kernel offers, as data |
//! | `request.rs` | what an operation asks, as plain data: the seam |
//! | `kernel.rs` | the ring that the kernel serves: the calls below |
//! | `sqe.rs` | from a request to an SQE |
//! | `bufring.rs` | the memory of the provided buffer ring |
//! | `eventfd.rs` | what another thread writes to wake us |
//! | `late_port.rs` | when a socket gets its port |
//! | `nowait.rs` | whether a file can be read without a wait |
//! | `on_signal.rs` | what a signal does |
//! | `pipe.rs` | whether a descriptor is a pipe |
//! | `preempt.rs` | whether another thread has taken our processor |
//! | `simulated/` | what takes the kernel's place in tests: the same calls, with all the liberties that io_uring has |
//!
//! # The three calls
//!
//! - [`Ring::stage`] writes one SQE into the submission queue. It says `false` when the queue is full: the
//!   caller enters and tries again. Nothing reaches the kernel yet.
//! - [`Ring::enter`] makes one `io_uring_enter`: it submits what is staged and, if asked to, waits for one
//!   completion or a timeout. Every errno that it can return has a name here ([`Entered`]).
//! - [`Ring::reap`] takes the next completion out of the completion queue.
//!
//! Around them are questions without a side effect (is there room, are completions there, did they overflow, are
//! bind and listen operations), and three calls at the ends of a reactor's life: register the buffers, cancel
//! everything, unregister the buffers.
//!
//! # The seam
//!
//! Whatever takes the kernel's place has to answer these calls, as `simulated/` does; `io_uring`'s types do not leave this
//! room. A [`Request`] and a [`Cqe`] are plain data, with numbers and pointers as the kernel has them. What passes beside the
//! calls:
//!
//! - Descriptors are real. A socket is made by socket(2) (`socket2`). The completion of an accept or an openat carries
//!   one, which is closed with close(2) where it does not go through the ring ([`Cqe::into_fd`]).
//! - Options, and the addresses of both ends, are read and set by system calls on them (`socket2`), and so are bind
//!   and listen where the ring does not know them.
//! - The [`BufRing`] is memory: buffers are offered by writing to it, and picked by reading from it.
//! - The [`EventFd`] of the wake-up is written to by other threads; the ring only polls it.
//!
//! # What the caller owes
//!
//! A request points to memory. From `stage` on until the completion that says it is the last
//! ([`Cqe::has_more`] is false), that memory must stay where it is: it belongs to the kernel. The reactor
//! keeps the operation, and with it the buffers, in its table until then; where that is impossible (a
//! shutdown that runs out of time) it leaks the operation. Dropping the [`Ring`] is *not* a barrier: the
//! kernel finishes what is in flight at some later time.
//!
//! # Order
//!
//! SQEs are issued in the order of staging, but they do not complete in it. A cancel staged after its target
//! finds it, if it has not completed. A close staged after an operation on the same descriptor does not stop
//! that operation (io_uring_cancelation(7)), so the reactor cancels first.

mod bufring;
mod eventfd;
#[cfg_attr(eyewall_simulated, allow(dead_code))]
mod kernel;
mod late_port;
mod nowait;
mod on_signal;
mod pipe;
mod preempt;
mod probe;
mod request;
#[cfg_attr(eyewall_simulated, allow(dead_code))]
mod setup;
#[cfg(eyewall_simulated)]
mod simulated;
#[cfg_attr(eyewall_simulated, allow(dead_code))]
mod sqe;
#[cfg(all(test, not(eyewall_simulated)))]
mod tests;

use std::io;
use std::time::Duration;

pub(crate) use bufring::BufRing;
pub(crate) use eventfd::EventFd;
#[cfg(not(eyewall_simulated))]
pub(crate) use kernel::{Place, Ring};
pub(crate) use late_port::choose_port_late;
pub(crate) use nowait::reads_may_wait;
pub(crate) use on_signal::on_signal;
pub(crate) use pipe::is_pipe;
pub(crate) use preempt::preemptions;
pub use probe::{Probe, probe};
pub(crate) use request::{Completions, Cqe, Request};
pub(crate) use setup::Setup;
#[cfg(eyewall_simulated)]
pub(crate) use simulated::{Place, Ring};

use crate::error::{Error, ErrorKind};

/// The group id of the one provided buffer ring that a [`Ring`] has.
const BUFFER_GROUP: u16 = 0;

/// How long [`Ring::enter`] stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Submit, run what completions are flagged, and return.
    No,
    /// Return when a completion is there, or after the duration, if one is given.
    Completion(Option<Duration>),
    /// Return when so many completions are there, or after the duration.
    Several(u32, Duration),
}

/// What an enter came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It submitted so many SQEs; fewer than were staged stay staged for the next enter.
    Submitted(usize),
    /// ETIME: the duration passed.
    Timeout,
    /// EINTR: a signal came.
    Interrupted,
    /// EBUSY or EAGAIN: completions have to be reaped, or requests to end, before more can be submitted.
    Busy,
}

impl Entered {
    /// What io_uring_enter(2) says, by name.
    #[inline]
    fn of(outcome: io::Result<usize>) -> Result<Entered, Error> {
        match outcome {
            Ok(count) => Ok(Entered::Submitted(count)),
            Err(error) => Entered::without_success(error),
        }
    }

    #[cold]
    #[inline(never)]
    fn without_success(error: io::Error) -> Result<Entered, Error> {
        match error.raw_os_error() {
            Some(libc::ETIME) => Ok(Entered::Timeout),
            Some(libc::EINTR) => Ok(Entered::Interrupted),
            Some(libc::EAGAIN | libc::EBUSY) => Ok(Entered::Busy),
            Some(libc::EBADR) => Err(Error::with_source(
                ErrorKind::CompletionsLost,
                "the kernel had no memory for completions and dropped some (EBADR), so that operations may never \
                 end: make a new reactor, with a larger completion queue",
                error,
            )),
            Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => {
                Err(setup::explain_call("io_uring_enter", error))
            }
            _ => Err(Error::with_source(
                ErrorKind::Io,
                "io_uring_enter failed",
                error,
            )),
        }
    }
}

impl Ring {
    /// Puts one request into the submission queue; `false` when it is full.
    #[inline(always)]
    pub(crate) fn stage(&mut self, request: &Request, user_data: u64) -> bool {
        let place = self.place();
        let found = place.is_some();
        if let Some(place) = place {
            place.stage(request, user_data);
        }
        found
    }
}
