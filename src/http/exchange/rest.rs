//! The rest of a request whose response has come to its end: a task of its own sends it, so that nobody else waits for
//! that.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Sent;
use super::upload::Uploading;
use crate::buf::Chunk;
use crate::http::connection::Connection;
use crate::http::pool::Slot;
use crate::http::watch::Watch;
use crate::task::in_background;

/// What is left to be sent to somebody who has answered, and may still read. Dropped, it is not sent, and the
/// connection is closed.
#[derive(Debug)]
pub(in crate::http) struct Rest {
    pub(super) uploading: Uploading,
    pub(super) watch: Rc<Watch>,
    /// Something has come behind the response: another one would begin with it.
    pub(super) spoiled: bool,
}

impl Rest {
    /// Sends it in a task, within the times of the fetch, which has its place until then. The connection is kept after
    /// that if it can be, and `keep` says so, for as long as the peer does.
    pub(in crate::http) fn send_on(self, slot: Slot, keep: bool, by_peer: Option<Duration>) {
        in_background(async move {
            if let Some(connection) = self.send(&slot).await
                && keep
            {
                slot.put(connection, Instant::now(), by_peer);
            }
        });
    }

    /// Sends it to its end, unless the peer ends the connection, a time is over or the client is closed. Gives the
    /// connection if another exchange can follow.
    async fn send(mut self, slot: &Slot) -> Option<Box<Connection>> {
        let shared = Rc::clone(&self.uploading.shared);
        self.watch.resume();
        let ended = poll_fn(|cx| {
            if let Poll::Ready(ended) = self.uploading.driver.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
            }
            match shared.received.take() {
                None => {}
                // One piece is enough to know, and none is received behind it. It gives its buffer back.
                Some(Ok(Some(_))) => shared.received.set(Some(Ok(Some(Chunk::owned(""))))),
                // Nobody is left to send to.
                Some(Ok(None) | Err(_)) => return Poll::Ready(None),
            }
            self.watch.poll_over(slot, cx).map(|_| None)
        })
        .await;
        let (mut connection, Sent::Whole) = ended? else {
            return None;
        };
        let clean = !self.spoiled && shared.received.take().is_none() && connection.is_settled();
        clean.then_some(connection)
    }
}
