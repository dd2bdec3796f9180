//! Letting others run.

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::task::Poll;

/// Gives the other ready tasks a turn, and the ring one when so many have been polled as
/// [`task_budget`](crate::reactor::Builder::task_budget) says. To wait for a turn of the ring in any case, await
/// [`reactor::nop`](crate::reactor::nop).
///
/// A task that computes for long should call this now and then, since nothing else runs meanwhile.
///
/// # Cancel safety
///
/// Cancel safe: there is nothing to lose.
///
/// ```
/// # eyewall::block_on(async {
/// for part in 0..10 {
///     // ... some work ...
///     eyewall::yield_now().await;
/// }
/// # })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
