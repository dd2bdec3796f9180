//! The future of a post.
//!
//! Written by hand, since an `async fn` keeps its buffer two and three times over, and this lies in the future of
//! every task that answers.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::send::State;
use crate::buf::IoBuf;
use crate::op::Post;
use crate::reactor::Submission;

/// Hands a buffer over; from [`SendHalf::post`](super::SendHalf::post).
pub(super) struct Posting<'a, B: IoBuf> {
    state: &'a mut State,
    step: Step<B>,
}

enum Step<B: IoBuf> {
    /// An earlier send is in flight, perhaps.
    Settling(B),
    /// There is no room; in the queue for it.
    Waiting(Submission<Post<B>>),
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
        loop {
            match std::mem::replace(step, Step::Ended) {
                Step::Settling(buffer) => {
                    let Poll::Ready(settled) = state.poll_settled(cx) else {
                        *step = Step::Settling(buffer);
                        return Poll::Pending;
                    };
                    settled?;
                    let post = Box::new(Post::new(state.fd.clone(), buffer, &state.late));
                    match state.core.stage_now(post) {
                        Ok(id) => {
                            state.posted = Some(id);
                            return Poll::Ready(Ok(()));
                        }
                        Err(post) => *step = Step::Waiting(Submission::new(&state.core, post)),
                    }
                }
                Step::Waiting(mut submission) => {
                    let Poll::Ready(detached) = submission.poll_detach(cx) else {
                        *step = Step::Waiting(submission);
                        return Poll::Pending;
                    };
                    state.posted = Some(detached?);
                    return Poll::Ready(Ok(()));
                }
                Step::Ended => panic!("a post was polled after its end"),
            }
        }
    }
}

// Nothing here is pinned: the buffer is moved out.
impl<B: IoBuf> Unpin for Posting<'_, B> {}
