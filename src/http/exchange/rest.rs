//! The rest of a request whose response has come to its end: a task of its own sends it, so that nobody else waits for
//! that.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::upload::Uploading;
use crate::http::pool::Slot;
use crate::http::watch::Watch;
use crate::task::in_background;

/// So much is received behind the answer, to see the end of the connection behind it, and no more.
const BEHIND: usize = 64 << 10;

/// What is left to be sent to somebody who has answered, and may still read. Dropped, it is not sent, and the
/// connection is closed.
#[derive(Debug)]
pub(in crate::http) struct Rest {
    pub(super) uploading: Uploading,
    pub(super) watch: Rc<Watch>,
}

impl Rest {
    /// Sends it in a task, within the times of the fetch, which has its place until then; unless the peer ends the
    /// connection or the client is closed.
    ///
    /// The connection carries no further exchange: who does not read a body that he has answered takes it for the next
    /// request, and answers that.
    pub(in crate::http) fn send_on(mut self, slot: Slot) {
        in_background(async move {
            let shared = Rc::clone(&self.uploading.shared);
            shared.answered.set(true);
            self.watch.resume();
            let mut room = BEHIND;
            poll_fn(|cx| {
                while self.uploading.driver.as_mut().poll(cx).is_pending() {
                    match shared.received.take() {
                        None => return self.watch.poll_over(&slot, cx).map(drop),
                        Some(Ok(Some(chunk))) if chunk.len() <= room => room -= chunk.len(),
                        // Nobody is left to send to, or who does not listen.
                        Some(_) => break,
                    }
                }
                Poll::Ready(())
            })
            .await;
        });
    }
}
