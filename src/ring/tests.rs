//! What no kernel does on demand: the answers of io_uring_enter(2), and the waits that bring them.

use std::io;
use std::time::Duration;

use io_uring::{opcode, squeue};

use super::sqe::build;
use super::{Entered, Request, Ring, Setup, Wait};
use crate::error::ErrorKind;

fn ring() -> Ring {
    let setup = Setup {
        sq_entries: 2,
        cq_entries: 4,
        defer_taskrun: true,
    };
    Ring::new(&setup).expect("a ring")
}

#[test]
fn every_answer_of_an_enter_has_its_name() {
    let of = |errno| Entered::of(Err(io::Error::from_raw_os_error(errno)));
    assert_eq!(Entered::of(Ok(3)).expect("a count"), Entered::Submitted(3));
    for (errno, expected) in [
        (libc::ETIME, Entered::Timeout),
        (libc::EINTR, Entered::Interrupted),
        (libc::EAGAIN, Entered::Busy),
        (libc::EBUSY, Entered::Busy),
    ] {
        assert_eq!(of(errno).expect("the reactor goes on"), expected);
    }
    for (errno, kind, word) in [
        (libc::EBADR, ErrorKind::CompletionsLost, "new reactor"),
        (libc::EPERM, ErrorKind::NotPermitted, "seccomp"),
        (libc::ENOSYS, ErrorKind::NotPermitted, "seccomp"),
        (libc::EBADF, ErrorKind::Io, "io_uring_enter"),
    ] {
        let error = of(errno).expect_err("the reactor ends");
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(word), "{error}");
        let source = std::error::Error::source(&error).expect("the errno");
        let source: &io::Error = source.downcast_ref().expect("an io::Error");
        assert_eq!(source.raw_os_error(), Some(errno));
    }
}

#[test]
fn a_refusal_for_want_of_memory_says_so() {
    let error = io::Error::from_raw_os_error(libc::ENOMEM);
    let error = super::setup::explain_call("io_uring_register", error);
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("ulimit -l"), "{error}");
}

#[test]
fn a_probe_says_what_the_system_says() {
    let probe = super::probe();
    let read = |name| std::fs::read_to_string(format!("/proc/sys/kernel/{name}"));
    assert_eq!(probe.kernel, read("osrelease").expect("procfs").trim());
    let disabled = read("io_uring_disabled").ok();
    let disabled = disabled.map(|text| text.trim().parse().expect("a number"));
    assert_eq!(probe.io_uring_disabled, disabled);
    let known = |name| probe.operations.contains(&(name, true));
    let both = known("BIND") && known("LISTEN");
    assert_eq!(ring().has_bind_listen(), both);
    let text = probe.to_string();
    for line in [
        &probe.kernel,
        "ring               works",
        "flags\n",
        "operations\n",
        "  yes SEND\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn a_full_queue_is_told_and_what_is_staged_stays() {
    let mut ring = ring();
    assert!(ring.stage(&Request::Nop, 1));
    assert!(ring.stage(&Request::Nop, 2));
    assert!(ring.place().is_none());
    assert!(!ring.stage(&Request::Nop, 3));
    assert_eq!(ring.staged(), 2);
    let entered = ring.enter(Wait::No).expect("an enter");
    assert_eq!(entered, Entered::Submitted(2));
    assert_eq!(ring.staged(), 0);
    let mut cqes = Vec::new();
    cqes.extend(std::iter::from_fn(|| ring.reap()));
    let ids: Vec<u64> = cqes.iter().map(|cqe| cqe.user_data).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn completions_that_overflow_are_told_and_kept() {
    let mut ring = ring();
    for round in 0..4 {
        assert!(ring.stage(&Request::Nop, 2 * round));
        assert!(ring.stage(&Request::Nop, 2 * round + 1));
        ring.enter(Wait::No).expect("an enter");
    }
    assert!(ring.overflowed(), "eight completions, four places");
    assert!(ring.wants_enter());
    let mut cqes = Vec::new();
    cqes.extend(std::iter::from_fn(|| ring.reap()));
    while ring.overflowed() {
        ring.enter(Wait::No).expect("an enter");
        cqes.extend(std::iter::from_fn(|| ring.reap()));
    }
    assert!(ring.overflows() > 0);
    let ids: Vec<u64> = cqes.iter().map(|cqe| cqe.user_data).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7], "none is lost");
}

#[test]
fn a_wait_ends_with_its_time_or_with_a_completion() {
    let mut ring = ring();
    let soon = Wait::Completion(Some(Duration::from_millis(1)));
    assert_eq!(ring.enter(soon).expect("an enter"), Entered::Timeout);
    assert!(!ring.has_completions());
    assert!(ring.stage(&Request::Nop, 7));
    let long = Wait::Completion(Some(Duration::from_secs(600)));
    assert_eq!(ring.enter(long).expect("an enter"), Entered::Submitted(1));
    assert!(ring.has_completions());
}

/// The kernel does on the spot what it can, unless the flag says that a worker is to do it.
#[test]
fn what_may_wait_is_for_a_worker() {
    let open: fn(bool) -> Request = |aside| Request::OpenAt {
        path: c"/dev/null".as_ptr(),
        flags: libc::O_RDONLY,
        mode: 0,
        aside,
    };
    let read: fn(bool) -> Request = |aside| Request::Read {
        fd: 0,
        data: std::ptr::null_mut(),
        len: 0,
        offset: 0,
        aside,
    };
    let asked = |request| {
        let entry = build(&request, 0);
        // SAFETY: an SQE begins with two bytes, its opcode and its flags.
        unsafe { (&raw const entry).cast::<[u8; 2]>().read() }
    };
    let by_worker = squeue::Flags::ASYNC.bits();
    for (opcode, request) in [(opcode::OpenAt::CODE, open), (opcode::Read::CODE, read)] {
        assert_eq!(asked(request(true)), [opcode, by_worker]);
        assert_eq!(asked(request(false)), [opcode, 0]);
    }
}
