//! Giving up a fetch that runs in a task of its own.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use url::Url;

use super::callback::at;
use crate::http::RequestBuilder;
use crate::http::error::{Error, ErrorKind};
use crate::http::watch::Watch;
use crate::task::wake_all;

/// Tells a fetch that nobody wants it any more. The task sees that in its next turn, so that no user code runs inside
/// the call.
#[derive(Clone)]
pub(super) struct Cancel {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    url: Option<Url>,
    cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// What watches over the fetch, once that has begun.
    watch: RefCell<Option<Rc<Watch>>>,
}

impl Cancel {
    /// What can give up the fetch of this request.
    pub(super) fn of(request: RequestBuilder) -> (Cancel, RequestBuilder) {
        let state = Rc::new(State {
            url: request.url().cloned(),
            ..State::default()
        });
        let begun = Rc::clone(&state);
        let request = request.change(|request| {
            request
                .hooks
                .on_begin(move |watch| drop(begun.watch.replace(Some(Rc::clone(watch)))));
            Ok(())
        });
        (Cancel { state }, request)
    }

    /// The error of the fetch that was given up, with what is known of it.
    pub(super) fn error(&self) -> Error {
        let error = Error::new(ErrorKind::Cancelled);
        match &*self.state.watch.borrow() {
            Some(watch) => error.seen(|| watch.seen()),
            None => error,
        }
    }

    /// `error`, with the URL of the request where it has none.
    pub(super) fn at(&self, error: Error) -> Error {
        at(error, self.state.url.as_ref())
    }

    pub(super) fn cancel(&self) {
        self.state.cancelled.set(true);
        wake_all(self.state.waker.take());
    }

    /// Awaits `future` unless it is cancelled before, be that by a callback that it calls.
    pub(super) async fn or<T>(
        &self,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if self.state.cancelled.get() {
                return Poll::Ready(Err(self.error()));
            }
            let polled = future.as_mut().poll(cx);
            if self.state.cancelled.get() {
                // By a callback of the fetch. Who has given it up hears of that in a later turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if polled.is_pending() {
                let old = self.state.waker.replace(Some(cx.waker().clone()));
                drop(old);
            }
            polled
        })
        .await
    }
}
