//! The future of a post.
//!
//! Written by hand, since an `async fn` keeps its buffer two and three times over, and this lies in the future of
//! every task that answers.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::send::State;
use crate::buf::IoBuf;
use crate::op::{Post, Postponed};
use crate::reactor::Handed;

/// Hands a buffer over; from [`SendHalf::post`](super::SendHalf::post).
pub(super) struct Posting<'a, B: IoBuf> {
    state: &'a mut State,
    step: Step<B>,
}

enum Step<B: IoBuf> {
    /// An earlier send is in flight, perhaps.
    Settling(B),
    /// There is no room; in the queue for it.
    Waiting(Handed<Postponed>),
    Ended,
}

impl<'a, B: IoBuf> Posting<'a, B> {
    pub(super) fn new(state: &'a mut State, buffer: B) -> Posting<'a, B> {
        Posting {
            state,
            step: Step::Settling(buffer),
        }
    }
}

impl<B: IoBuf> Future for Posting<'_, B> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Posting { state, step } = &mut *self;
        if let Step::Settling(_) = step {
            let settled = ready!(state.poll_settled(cx));
            if let Step::Settling(buffer) = std::mem::replace(step, Step::Ended) {
                settled?;
                match state.core.post(Post::new(state.fd.clone(), buffer)) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(post) => {
                        let postponed = Box::new(Postponed::from(post));
                        *step = Step::Waiting(Handed::new(&state.core, postponed));
                    }
                }
            }
        }
        let Step::Waiting(handed) = step else {
            panic!("a post was polled after its end");
        };
        let detached = ready!(handed.poll_detach(&state.core, cx));
        *step = Step::Ended;
        state.fd.set_postponed(detached?);
        Poll::Ready(Ok(()))
    }
}

impl<B: IoBuf> Drop for Posting<'_, B> {
    fn drop(&mut self) {
        if let Step::Waiting(handed) = &mut self.step {
            handed.give_up(&self.state.core);
        }
    }
}

// Nothing here is pinned: the buffer is moved out.
impl<B: IoBuf> Unpin for Posting<'_, B> {}
