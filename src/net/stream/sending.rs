//! The future of a send.
//!
//! Written by hand, as that of a [post](super::post).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::send::State;
use crate::buf::{BufResult, IoBuf};
use crate::op::{Operation, Send, SendMsg, SendZc, SharedFd};
use crate::reactor::Handed;

/// An operation that sends what `L` lends to it.
pub(super) trait Sender<L>: Operation<Output = io::Result<usize>> {
    fn into_lent(self) -> L;
}

impl<B: IoBuf> Sender<B> for Send<B> {
    fn into_lent(self) -> B {
        self.into_buffer()
    }
}

impl<B: IoBuf> Sender<B> for SendZc<B> {
    fn into_lent(self) -> B {
        self.into_buffer()
    }
}

impl<B: IoBuf> Sender<Vec<B>> for SendMsg<B> {
    fn into_lent(self) -> Vec<B> {
        self.into_buffers()
    }
}

/// Sends what is lent by an operation that `make` makes, and gives the count to `sent`.
pub(super) struct Sending<'a, L, O: Operation, M, S> {
    state: &'a mut State,
    make: M,
    sent: S,
    step: Step<L, O>,
}

enum Step<L, O> {
    /// An earlier send is in flight, perhaps.
    Settling(L),
    InFlight(Handed<O>),
    Ended,
}

impl<'a, L, O: Sender<L>, M, S> Sending<'a, L, O, M, S> {
    pub(super) fn new(state: &'a mut State, lent: L, make: M, sent: S) -> Self {
        Sending {
            state,
            make,
            sent,
            step: Step::Settling(lent),
        }
    }
}

impl<L, O, M, S, T> Future for Sending<'_, L, O, M, S>
where
    O: Sender<L>,
    M: Fn(SharedFd, L) -> O,
    S: Fn(usize) -> T,
{
    type Output = BufResult<T, L>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BufResult<T, L>> {
        let Sending {
            state,
            make,
            sent,
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
        let op = state.core.spares().unbox(op);
        Poll::Ready((result.map(sent), op.into_lent()))
    }
}

impl<L, O: Operation, M, S> Drop for Sending<'_, L, O, M, S> {
    fn drop(&mut self) {
        if let Step::InFlight(handed) = &mut self.step {
            handed.give_up(&self.state.core);
        }
    }
}

// Nothing here is pinned: what is lent is moved out.
impl<L, O: Operation, M, S> Unpin for Sending<'_, L, O, M, S> {}
