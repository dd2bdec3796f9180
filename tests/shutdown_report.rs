//! What a shutdown says of the operations that it ends.

#![forbid(unsafe_code)]

use std::time::Duration;

use eyewall::Reactor;
use eyewall::net::TcpListener;
use futures_util::FutureExt;

#[test]
fn an_operation_that_the_shutdown_cancels_counts_as_cancelled() {
    let reactor = Reactor::new().unwrap();
    let listener = reactor.block_on(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // The accept stays armed in the kernel.
        assert!(listener.accept().now_or_never().is_none());
        eyewall::yield_now().await;
        eyewall::yield_now().await;
        listener
    });
    let report = reactor.shutdown(Duration::from_secs(10));
    assert_eq!(
        (report.completed, report.cancelled, report.leaked),
        (0, 1, 0)
    );
    drop(listener);
}
