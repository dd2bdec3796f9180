//! A child of fork(2), which makes a reactor of its own.

mod setups;

use std::sync::mpsc;
use std::time::Duration;

use eyewall::{block_on, spawn_blocking};

#[test]
fn a_child_of_fork_has_threads_of_its_own_for_work_that_blocks() {
    let name = "a_child_of_fork_has_threads_of_its_own_for_work_that_blocks";
    setups::in_own_process(name, || {
        // One thread has work, and another has none.
        let (release, held) = mpsc::channel::<()>();
        let holding = spawn_blocking(move || held.recv().unwrap_err());
        block_on(spawn_blocking(|| ())).unwrap().unwrap();
        // A lock that another thread holds stays locked in the child, and nothing tells when that one has come to rest.
        std::thread::sleep(Duration::from_millis(100));
        // SAFETY: the child uses what a fork leaves in order (glibc's allocator is), and what it makes itself.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: it takes no pointers. So the child ends in any case.
            unsafe { libc::alarm(20) };
            let answer = std::panic::catch_unwind(|| block_on(spawn_blocking(|| 42)).unwrap());
            let good = matches!(answer, Ok(Ok(42)));
            // SAFETY: it takes no pointers.
            unsafe { libc::_exit(if good { 0 } else { 1 }) };
        }
        let mut status = -1;
        // SAFETY: `status` is there to be written to.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
        // Those of the parent are as they were.
        drop(release);
        block_on(holding).unwrap().unwrap();
    });
}
