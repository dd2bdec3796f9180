//! The future of a send.
//!
//! Written by hand, as that of a [post](super::post).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::send::State;
use crate::buf::BufResult;
use crate::op::{Operation, SharedFd};
use crate::reactor::Handed;

/// Sends what is lent by an operation that `make` makes; `end` makes the result of what that gives back.
pub(super) struct Sending<'a, L, O: Operation, M, E> {
    state: &'a mut State,
    make: M,
    end: E,
    step: Step<L, O>,
}

enum Step<L, O> {
    /// An earlier send is in flight, perhaps.
    Settling(L),
    InFlight(Handed<O>),
    Ended,
}

impl<'a, L, O, M, E, T> Sending<'a, L, O, M, E>
where
    O: Operation,
    M: Fn(SharedFd, L) -> O,
    E: Fn(O::Output, O) -> BufResult<T, L>,
{
    pub(super) fn new(state: &'a mut State, lent: L, make: M, end: E) -> Self {
        Sending {
            state,
            make,
            end,
            step: Step::Settling(lent),
        }
    }
}

impl<L, O, M, E, T> Future for Sending<'_, L, O, M, E>
where
    O: Operation,
    M: Fn(SharedFd, L) -> O,
    E: Fn(O::Output, O) -> BufResult<T, L>,
{
    type Output = BufResult<T, L>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BufResult<T, L>> {
        let Sending {
            state,
            make,
            end,
            step,
        } = &mut *self;
        if let Step::Settling(_) = step {
            let settled = ready!(state.poll_settled(cx));
            if let Step::Settling(lent) = std::mem::replace(step, Step::Ended) {
                if let Err(error) = settled {
                    return Poll::Ready((Err(error), lent));
                }
                let op = Box::write(state.core.spares().boxed(), make(state.fd.clone(), lent));
                let handed = Handed::awaited(&state.core, op, cx);
                state.current = handed.id();
                let before = std::mem::replace(step, Step::InFlight(handed));
                debug_assert!(matches!(before, Step::Ended));
                // So there is nothing to be dropped, which takes a look at it.
                std::mem::forget(before);
                if state.current.is_some() {
                    return Poll::Pending;
                }
            }
        }
        let Step::InFlight(handed) = step else {
            panic!("a send was polled after its end");
        };
        let polled = handed.poll(&state.core, cx);
        // It has an id once the table has room for it, and none after its end.
        state.current = handed.id();
        let (result, op) = ready!(polled);
        Poll::Ready(end(result, state.core.spares().unbox(op)))
    }
}

impl<L, O: Operation, M, E> Drop for Sending<'_, L, O, M, E> {
    fn drop(&mut self) {
        if let Step::InFlight(handed) = &mut self.step {
            handed.give_up(&self.state.core);
        }
    }
}

// Nothing here is pinned: what is lent is moved out.
impl<L, O: Operation, M, E> Unpin for Sending<'_, L, O, M, E> {}
