//! A task that is woken once more after its end.

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::task::Poll;

#[test]
fn a_wake_after_the_end_leaves_the_result_alone() {
    eyewall::block_on(async {
        let task = eyewall::spawn(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready("result")
        }));
        for _ in 0..3 {
            eyewall::yield_now().await;
        }
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), "result");
    })
    .unwrap();
}
