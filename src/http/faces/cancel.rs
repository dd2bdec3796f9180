//! Giving up a fetch that runs in a task of its own.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::http::error::{Error, ErrorKind};

/// Tells a fetch that nobody wants it any more. The task sees that in its next turn, so that no user code runs inside
/// the call.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancel {
    state: Rc<State>,
}

#[derive(Debug, Default)]
struct State {
    cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Cancel {
    pub(super) fn cancel(&self) {
        self.state.cancelled.set(true);
        let waker = self.state.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Awaits `future` unless it is cancelled before.
    pub(super) async fn or<T>(
        &self,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if self.state.cancelled.get() {
                return Poll::Ready(Err(Error::new(ErrorKind::Cancelled)));
            }
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                let old = self.state.waker.replace(Some(cx.waker().clone()));
                drop(old);
            }
            polled
        })
        .await
    }
}
