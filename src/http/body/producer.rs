//! A body that is written by a future.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::Stream;

use super::super::error::BoxError;
use crate::buf::{Chunk, IoBuf};
use crate::task::wake_all;

/// Where a [producer](super::Body::producer) writes its body to.
///
/// It can be given to another task of the same reactor; the body ends when the producer's future does.
pub struct BodyWriter {
    slot: Rc<Slot>,
}

/// What a writer hands to the sender.
#[derive(Default)]
struct Slot {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    handed: Handed,
    writer: Option<Waker>,
    sender: Option<Waker>,
    /// The writer has been polled since it was last looked at.
    polled: bool,
}

#[derive(Default)]
enum Handed {
    #[default]
    Nothing,
    /// To be sent.
    Chunk(Chunk),
    /// The sender has it.
    Sending,
    /// The sender has gone.
    Closed,
}

impl BodyWriter {
    /// Sends a buffer, and gives it back when the kernel has taken all of it. An empty one is given back at once.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the body is not sent any further: its fetch has ended, or has been dropped. The buffer
    /// is lost then.
    ///
    /// # Cancel safety
    ///
    /// A dropped write has not happened, or goes on to its last byte.
    pub async fn write<B: IoBuf>(&mut self, buffer: B) -> io::Result<B> {
        if buffer.bytes_len() == 0 {
            return Ok(buffer);
        }
        let buffer = Rc::new(buffer);
        let mut chunk = Some(Chunk::shared(&buffer)?);
        poll_fn(|cx| self.slot.poll_write(cx, &mut chunk)).await?;
        Rc::try_unwrap(buffer).map_err(|_| io::Error::other("the buffer is still in use"))
    }
}

impl Slot {
    /// Hands `chunk` over as soon as there is room; ready when it has been sent.
    fn poll_write(&self, cx: &mut Context<'_>, chunk: &mut Option<Chunk>) -> Poll<io::Result<()>> {
        // A foreign waker's clone and drop are user code: nothing is borrowed then.
        let waker = cx.waker().clone();
        let mut state = self.state.borrow_mut();
        state.polled = true;
        match (&state.handed, chunk.is_some()) {
            (Handed::Closed, _) => {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::BrokenPipe,
                    "the body is not being sent any more",
                )));
            }
            (Handed::Nothing, true) => {
                state.handed = chunk.take().map_or(Handed::Nothing, Handed::Chunk);
            }
            (Handed::Nothing, false) => return Poll::Ready(Ok(())),
            // Of this write, or of one that was dropped.
            (Handed::Chunk(_) | Handed::Sending, _) => {}
        }
        let old = state.writer.replace(waker);
        let sender = state.sender.take();
        drop(state);
        drop(old);
        wake_all(sender);
        Poll::Pending
    }

    /// The sender looks: the chunk before has been sent. Gives the waker of the writer, unless that has nothing to
    /// learn.
    fn sent(&self) -> Option<Waker> {
        let mut state = self.state.borrow_mut();
        state.polled = false;
        let sender = state.sender.take();
        let writer = match state.handed {
            Handed::Sending => {
                state.handed = Handed::Nothing;
                state.writer.take()
            }
            _ => None,
        };
        drop(state);
        drop(sender);
        writer
    }

    /// Wakes a writer that has something to learn and does not run in the producer's own future.
    fn wake_other(&self, writer: Option<Waker>) {
        let polled = self.state.borrow().polled;
        wake_all(writer.filter(|_| !polled));
    }

    /// What has been handed over, if anything.
    fn take(&self, cx: &mut Context<'_>) -> Option<Chunk> {
        // As in `poll_write`.
        let waker = cx.waker().clone();
        let mut state = self.state.borrow_mut();
        match std::mem::take(&mut state.handed) {
            Handed::Chunk(chunk) => {
                state.handed = Handed::Sending;
                Some(chunk)
            }
            other => {
                state.handed = other;
                let old = state.sender.replace(waker);
                drop(state);
                drop(old);
                None
            }
        }
    }

    fn close(&self) {
        let mut state = self.state.borrow_mut();
        let handed = std::mem::replace(&mut state.handed, Handed::Closed);
        let writer = state.writer.take();
        drop(state);
        drop(handed);
        wake_all(writer);
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter").finish_non_exhaustive()
    }
}

/// What the future of `produce` writes.
pub(super) fn chunks<F>(produce: impl FnOnce(BodyWriter) -> F) -> Produced<F> {
    let slot = Rc::new(Slot::default());
    let writer = BodyWriter {
        slot: Rc::clone(&slot),
    };
    Produced {
        future: Some(Box::pin(produce(writer))),
        slot,
    }
}

pub(super) struct Produced<F> {
    /// `None` after its end.
    future: Option<Pin<Box<F>>>,
    slot: Rc<Slot>,
}

impl<F, E> Stream for Produced<F>
where
    F: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    type Item = Result<Chunk, BoxError>;

    /// Called when what it gave before has been sent.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let writer = self.slot.sent();
        let ended = match &mut self.future {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Ready(Ok(())),
        };
        self.slot.wake_other(writer);
        // A write that nobody awaited to its end counts all the same.
        let chunk = self.slot.take(cx);
        match ended {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.future = None,
            Poll::Ready(Err(error)) => {
                self.future = None;
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        match (chunk, &self.future) {
            (Some(chunk), _) => Poll::Ready(Some(Ok(chunk))),
            (None, Some(_)) => Poll::Pending,
            (None, None) => Poll::Ready(None),
        }
    }
}

impl<F> Drop for Produced<F> {
    fn drop(&mut self) {
        self.slot.close();
    }
}
