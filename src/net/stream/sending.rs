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

/// Sends what is lent by an operation that `make` makes.
pub(super) struct Sending<'a, L, O: Operation> {
    state: &'a mut State,
    make: fn(SharedFd, L) -> O,
    step: Step<L, O>,
}

enum Step<L, O> {
    /// An earlier send is in flight, perhaps.
    Settling(L),
    InFlight(Handed<O>),
    Ended,
}

impl<'a, L, O: Sender<L>> Sending<'a, L, O> {
    pub(super) fn new(
        state: &'a mut State,
        lent: L,
        make: fn(SharedFd, L) -> O,
    ) -> Sending<'a, L, O> {
        Sending {
            state,
            make,
            step: Step::Settling(lent),
        }
    }
}

impl<L, O: Sender<L>> Future for Sending<'_, L, O> {
    type Output = BufResult<usize, L>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BufResult<usize, L>> {
        let Sending { state, make, step } = &mut *self;
        if let Step::Settling(_) = step {
            let settled = ready!(state.poll_settled(cx));
            if let Step::Settling(lent) = std::mem::replace(step, Step::Ended) {
                if let Err(error) = settled {
                    return Poll::Ready((Err(error), lent));
                }
                *step = Step::InFlight(state.core.hand_over(make(state.fd.clone(), lent)));
            }
        }
        let Step::InFlight(handed) = step else {
            panic!("a send was polled after its end");
        };
        let polled = handed.poll(&state.core, cx);
        // It has an id once the table has room for it, and none after its end.
        state.current = handed.id();
        let (result, op) = ready!(polled);
        Poll::Ready((result, op.into_lent()))
    }
}

impl<L, O: Operation> Drop for Sending<'_, L, O> {
    fn drop(&mut self) {
        if let Step::InFlight(handed) = &mut self.step {
            handed.give_up(&self.state.core);
        }
    }
}

// Nothing here is pinned: what is lent is moved out.
impl<L, O: Operation> Unpin for Sending<'_, L, O> {}
