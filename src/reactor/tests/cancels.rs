//! Cancels that do not end their target at once, and what would begin again.

use std::fmt::Debug;
use std::io::Write as _;
use std::rc::Rc;

use super::{connected, everywhere, file, is_alone, until};
use crate::op::{self, Operation, SharedFd};
use crate::reactor::{Core, Submission};
use crate::ring::Cqe;

/// A poll that the kernel has, and which waits.
async fn begun_poll(core: &Rc<Core>, fd: &SharedFd) -> Submission<op::Poll> {
    let poll = core.submit(op::Poll {
        fd: fd.clone(),
        events: libc::POLLIN,
    });
    let id = poll.id().expect("there is room");
    until(|| core.table().has_begun(id)).await;
    poll
}

#[test]
fn a_cancel_that_misses_again_and_again_pauses_and_still_gets_its_target() {
    everywhere(async |core| {
        let (fd, _peer) = connected(&core);
        // Or it would begin again, since nobody has asked to cancel it.
        fd.set_closing();
        let poll = begun_poll(&core, &fd).await;
        let id = poll.id().expect("it has its slot");
        let missed = Cqe {
            user_data: id.cancel_user_data(),
            result: -libc::ENOENT,
            flags: 0,
        };
        for _ in 0..512 {
            core.cancel_missed(missed);
        }
        // None of them goes out, so that only the one after the pause can.
        assert_eq!(std::mem::take(&mut core.queue().cancels).len(), 512);
        core.cancel_missed(missed);
        assert!(core.queue().cancels.is_empty());
        let error = poll.await.0.expect_err("it was cancelled");
        assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
        assert!(core.queue().later.is_empty());
    });
}

#[test]
fn a_target_that_a_cancel_has_found_and_that_goes_on_is_cancelled_again() {
    everywhere(async |core| {
        let (fd, _peer) = connected(&core);
        fd.set_closing();
        let poll = begun_poll(&core, &fd).await;
        let id = poll.id().expect("it has its slot");
        core.cancel_missed(Cqe {
            user_data: id.cancel_user_data(),
            result: -libc::EALREADY,
            flags: 0,
        });
        assert!(core.queue().cancels.is_empty(), "not at once");
        let error = poll.await.0.expect_err("it was cancelled");
        assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
    });
}

/// A signal has ended it; it would begin again, but for the end of the reactor. Its result is never fetched.
fn lets_go<O>(make: impl Fn(SharedFd) -> O)
where
    O: Operation<Output: Debug>,
{
    everywhere(async |core| {
        let operation = core.submit(make(file(&core)));
        let id = operation.id().expect("there is room");
        core.table().pretend_staged(id);
        core.table().end_queued();
        assert!(core.descriptors.closes.is_empty());
        core.table().arrive(&mut Cqe {
            user_data: id.user_data(),
            result: -libc::EINTR,
            flags: 0,
        });
        assert!(!core.descriptors.closes.is_empty());
        let result = format!("{:?}", operation.await.0);
        assert!(result.starts_with("Err(Os { code: 4,"), "{result}");
    });
}

#[test]
fn what_may_not_begin_again_lets_go_of_its_descriptor() {
    if !is_alone() {
        return;
    }
    lets_go(|file| op::Read {
        fd: file.into(),
        buffer: vec![0; 16],
        offset: 0,
        aside: false,
    });
    lets_go(|file| op::Write {
        fd: file.into(),
        buffer: "x",
        offset: 0,
    });
    lets_go(|file| op::Fsync::new(file, false));
    lets_go(op::Statx::of_file);
    lets_go(|file| op::SendMsg::all(file, vec!["x"]));
}

#[test]
fn what_the_close_of_a_duplicate_has_ended_begins_again() {
    everywhere(async |core| {
        let (fd, mut peer) = connected(&core);
        let poll = begun_poll(&core, &fd).await;
        core.submit(op::CancelFd { fd }).await;
        peer.write_all(b"x").expect("write");
        let events = poll.await.0.expect("it goes on");
        assert_ne!(events & libc::POLLIN as u32, 0);
    });
}

/// The close of a duplicate ends it, so that it is to begin again, and then nobody wants it.
#[test]
fn what_is_dropped_where_it_would_begin_again_does_not() {
    everywhere(async |core| {
        let (fd, _peer) = connected(&core);
        let operations = core.metrics().operations;
        let poll = begun_poll(&core, &fd).await;
        core.submit(op::CancelFd { fd }).await;
        drop(poll);
        until(|| core.metrics().operations == operations).await;
    });
}
