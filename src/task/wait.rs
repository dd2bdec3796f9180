//! Blocking a thread on what a reactor does elsewhere.

#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use super::remote::Handle;

/// Why a wait has ended before its future.
pub(crate) enum NotEnded {
    /// The reactor runs on this thread, which would wait for itself.
    RunsHere,
    TimeOver,
}

/// Blocks this thread until `future`, which is seen to by `reactor`, has ended, or the deadline has come.
pub(crate) fn wait<F: Future + Unpin>(
    reactor: &Handle,
    future: &mut F,
    deadline: Option<Instant>,
) -> Result<F::Output, NotEnded> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut cx) {
            return Ok(output);
        }
        if reactor.runs_here() {
            return Err(NotEnded::RunsHere);
        }
        let Some(deadline) = deadline else {
            std::thread::park();
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NotEnded::TimeOver);
        }
        std::thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}
