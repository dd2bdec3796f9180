//! The pieces of a body, one at a time, and what goes wrong with them.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use futures_util::Stream;

use super::super::error::{BoxError, Error, ErrorKind};
use crate::buf::Chunk;

/// Where the pieces of a body come from. The code behind it is the user's.
pub(in crate::http) struct Source {
    chunks: Pin<Box<dyn Stream<Item = Result<Chunk, BoxError>>>>,
}

impl Source {
    pub(super) fn new(chunks: impl Stream<Item = Result<Chunk, BoxError>> + 'static) -> Source {
        Source {
            chunks: Box::pin(chunks),
        }
    }

    /// The next piece; `None` after the last.
    pub(in crate::http) async fn next(&mut self) -> Option<Result<Chunk, Error>> {
        poll_fn(|cx| match guard(|| self.chunks.as_mut().poll_next(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(piece)) => Poll::Ready(
                piece.map(|piece| piece.map_err(|error| Error::boxed(ErrorKind::Body, error))),
            ),
            Err(error) => Poll::Ready(Some(Err(error))),
        })
        .await
    }
}

/// Calls the user's code. A panic in it is an error of the body; the panic hook has reported it.
pub(super) fn guard<T>(code: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        // Its drop could panic again.
        std::mem::forget(payload);
        Error::boxed(ErrorKind::Body, "the code that makes the body panicked")
    })
}
