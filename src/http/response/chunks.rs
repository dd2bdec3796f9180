//! The body of a response as a stream.

use std::borrow::BorrowMut;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, FusedStream};
use futures_util::{Stream, StreamExt};

use super::Response;
use crate::buf::Chunk;
use crate::http::error::Error;

/// The parts of a body as they come, until its end or an error; from [`Response::chunks`] and
/// [`Response::into_chunks`].
///
/// Nothing is received before it is asked for, so that a slow reader slows the server. Dropping it loses nothing.
#[must_use = "a stream receives nothing until it is polled"]
pub struct Chunks<'a> {
    inner: Pin<Box<dyn FusedStream<Item = Result<Chunk, Error>> + 'a>>,
}

impl<'a> Chunks<'a> {
    pub(super) fn of(response: impl BorrowMut<Response> + 'a) -> Chunks<'a> {
        let inner = stream::unfold(Some(response), async |response| {
            let mut response = response?;
            match response.borrow_mut().chunk().await {
                Ok(chunk) => Some((Ok(chunk?), Some(response))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Chunks {
            inner: Box::pin(inner.fuse()),
        }
    }
}

impl Stream for Chunks<'_> {
    type Item = Result<Chunk, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(cx)
    }
}

impl FusedStream for Chunks<'_> {
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}

impl fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").finish_non_exhaustive()
    }
}
