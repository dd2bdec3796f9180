//! Blocking a thread on what a reactor does elsewhere.

#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::remote::Handle;

/// Why a wait has ended before its future.
pub(crate) enum NotEnded {
    /// The reactor belongs to this thread, which would wait for itself.
    OfThisThread,
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
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(NotEnded::TimeOver);
        }
        if reactor.is_of_this_thread() {
            return Err(NotEnded::OfThisThread);
        }
        match left {
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}
