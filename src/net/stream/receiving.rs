//! The future of a receive into a user's buffer.
//!
//! Written by hand, as that of a [post](super::post).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::recv::{Early, State};
use crate::buf::{BufResult, IoBufMut, fill};
use crate::op::{Arrived, Recv};
use crate::reactor::Handed;

/// Receives into a buffer; from [`RecvHalf::recv`](super::RecvHalf::recv).
pub(super) struct Receiving<'a, B: IoBufMut> {
    state: &'a mut State,
    step: Step<B>,
}

enum Step<B> {
    /// Something is there already, perhaps.
    Looking(B),
    InFlight(Handed<Recv<B>>),
    Ended,
}

impl<'a, B: IoBufMut> Receiving<'a, B> {
    pub(super) fn new(state: &'a mut State, buffer: B) -> Receiving<'a, B> {
        Receiving {
            state,
            step: Step::Looking(buffer),
        }
    }
}

/// What was there before the receive was even made; `None` if nothing was.
fn take_early<B: IoBufMut>(
    state: &State,
    buffer: &mut B,
    early: Early,
) -> Option<io::Result<usize>> {
    match early {
        Early::Nothing => None,
        Early::End => Some(Ok(0)),
        Early::Data(mut chunk) => {
            let count = fill(buffer, &chunk);
            if count < chunk.len() {
                chunk.advance(count);
                state.fd.incoming().put_back(Arrived::Bytes(chunk));
            }
            Some(Ok(count))
        }
    }
}

impl<B: IoBufMut> Future for Receiving<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BufResult<usize, B>> {
        let Receiving { state, step } = &mut *self;
        if let Step::Looking(buffer) = step {
            let early = if buffer.bytes_capacity() == 0 {
                Some(Err(no_capacity()))
            } else {
                match ready!(state.poll_early(cx)) {
                    Ok(early) => take_early(state, buffer, early),
                    Err(error) => Some(Err(error)),
                }
            };
            if let Step::Looking(buffer) = std::mem::replace(step, Step::Ended) {
                if let Some(result) = early {
                    return Poll::Ready((result, buffer));
                }
                let receive = Recv::new(state.fd.clone(), buffer);
                let receive = Box::write(state.core.spares().boxed(), receive);
                let handed = Handed::awaited(&state.core, receive, cx);
                state.owned = handed.id();
                let before = std::mem::replace(step, Step::InFlight(handed));
                debug_assert!(matches!(before, Step::Ended));
                // So there is nothing to be dropped, which takes a look at it.
                std::mem::forget(before);
                if state.owned.is_some() {
                    return Poll::Pending;
                }
            }
        }
        let Step::InFlight(handed) = step else {
            panic!("a receive was polled after its end");
        };
        let polled = handed.poll(&state.core, cx);
        // It has an id once the table has room for it, and none after its end.
        state.owned = handed.id();
        let (result, op) = ready!(polled);
        let op = state.core.spares().unbox(op);
        Poll::Ready((result, op.into_buffer()))
    }
}

#[cold]
fn no_capacity() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the buffer to receive into has no capacity",
    )
}

impl<B: IoBufMut> Drop for Receiving<'_, B> {
    fn drop(&mut self) {
        if let Step::InFlight(handed) = &mut self.step {
            handed.give_up(&self.state.core);
        }
    }
}

// Nothing here is pinned: the buffer is moved out.
impl<B: IoBufMut> Unpin for Receiving<'_, B> {}
