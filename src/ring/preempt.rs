//! Whether the kernel has taken this thread off its processor for another one.

use std::mem::MaybeUninit;

/// How often that has happened since the thread began (`ru_nivcsw` of getrusage(2), `RUSAGE_THREAD`).
pub(crate) fn preemptions() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes a whole `rusage` to the address, or, where it refuses, nothing; all zeroes are one.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_nivcsw
}
