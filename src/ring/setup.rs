//! Making a ring: the flags, and what a refusal means.

use std::io;

use io_uring::IoUring;

use crate::error::{Error, ErrorKind};

/// What a ring is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Submission queue entries; the kernel rounds up to a power of two.
    pub(crate) sq_entries: u32,
    /// Completion queue entries, likewise.
    pub(crate) cq_entries: u32,
    /// `IORING_SETUP_DEFER_TASKRUN`; where it is off, `IORING_SETUP_COOP_TASKRUN` takes its place.
    pub(crate) defer_taskrun: bool,
}

/// A set-up flag: its name, the kernel that brought it, how to ask for it.
struct Flag {
    name: &'static str,
    since: &'static str,
    set: fn(&mut io_uring::Builder),
}

const SINGLE_ISSUER: Flag = Flag {
    name: "IORING_SETUP_SINGLE_ISSUER",
    since: "6.0",
    set: |b| {
        b.setup_single_issuer();
    },
};
const DEFER_TASKRUN: Flag = Flag {
    name: "IORING_SETUP_DEFER_TASKRUN",
    since: "6.1",
    set: |b| {
        b.setup_single_issuer().setup_defer_taskrun();
    },
};
const COOP_TASKRUN: Flag = Flag {
    name: "IORING_SETUP_COOP_TASKRUN",
    since: "5.19",
    set: |b| {
        b.setup_coop_taskrun();
    },
};
const SUBMIT_ALL: Flag = Flag {
    name: "IORING_SETUP_SUBMIT_ALL",
    since: "5.18",
    set: |b| {
        b.setup_submit_all();
    },
};
const NO_SQARRAY: Flag = Flag {
    name: "IORING_SETUP_NO_SQARRAY",
    since: "6.6",
    set: |b| {
        b.setup_no_sqarray();
    },
};

/// The flags that this crate uses, each with whether this kernel takes it.
pub(super) fn probe_flags() -> Vec<(&'static str, bool)> {
    [
        SINGLE_ISSUER,
        DEFER_TASKRUN,
        COOP_TASKRUN,
        SUBMIT_ALL,
        NO_SQARRAY,
    ]
    .iter()
    .map(|flag| (flag.name, takes(flag)))
    .collect()
}

fn takes(flag: &Flag) -> bool {
    let mut builder = IoUring::builder();
    (flag.set)(&mut builder);
    builder.build(2).is_ok()
}

/// Makes the ring that `setup` describes.
pub(super) fn build(setup: &Setup) -> Result<IoUring, Error> {
    // Under DEFER_TASKRUN or COOP_TASKRUN completions wait for an enter; TASKRUN_FLAG makes them visible.
    let with = |no_sqarray: bool| {
        let mut builder = IoUring::builder();
        builder
            .dontfork()
            .setup_single_issuer()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_clamp()
            .setup_cqsize(setup.cq_entries);
        if setup.defer_taskrun {
            builder.setup_defer_taskrun();
        } else {
            builder.setup_coop_taskrun();
        }
        if no_sqarray {
            builder.setup_no_sqarray();
        }
        builder.build(setup.sq_entries)
    };
    match with(true) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => with(false),
        other => other,
    }
    .map_err(|error| explain(setup, error))
}

/// Turns the errno of io_uring_setup(2) into a message that says what to do.
pub(super) fn explain(setup: &Setup, error: io::Error) -> Error {
    let (kind, message) = match error.raw_os_error() {
        Some(libc::ENOSYS) => (
            ErrorKind::Unsupported,
            format!(
                "this kernel ({}) answers io_uring_setup with ENOSYS: it is built without CONFIG_IO_URING, \
                 or a sandbox (gVisor, a seccomp profile) hides the call; run on Linux 6.1 or later, outside \
                 of the sandbox",
                super::probe::kernel_release()
            ),
        ),
        Some(libc::EPERM | libc::EACCES) => (ErrorKind::NotPermitted, not_permitted()),
        Some(libc::ENOMEM) => (
            ErrorKind::OutOfMemory,
            format!(
                "the kernel has no memory for a ring of {} submission and {} completion entries: raise the \
                 limit of locked memory (ulimit -l, LimitMEMLOCK=) or ask for a smaller ring with \
                 Reactor::builder().sq_entries()",
                setup.sq_entries, setup.cq_entries
            ),
        ),
        Some(libc::EMFILE | libc::ENFILE) => (
            ErrorKind::Io,
            "no file descriptor is left for the ring: raise the limit of open files (ulimit -n)"
                .into(),
        ),
        Some(libc::EINVAL) => (ErrorKind::Unsupported, refused_flag(setup)),
        _ => (ErrorKind::Io, "io_uring_setup failed".into()),
    };
    Error::with_source(kind, message, error)
}

/// Turns the errno of another call on a ring that could be made into such a message.
pub(super) fn explain_call(call: &str, error: io::Error) -> Error {
    let (kind, message) = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => (
            ErrorKind::NotPermitted,
            format!(
                "{call} was refused although io_uring_setup was not: a seccomp filter knows only a part of \
                 io_uring; allow io_uring_setup, io_uring_enter and io_uring_register in the profile"
            ),
        ),
        Some(libc::ENOMEM) => (
            ErrorKind::OutOfMemory,
            format!(
                "the kernel has no memory for {call}: raise the limit of locked memory (ulimit -l, \
                 LimitMEMLOCK=) or ask for less with Reactor::builder()"
            ),
        ),
        _ => (ErrorKind::Io, format!("{call} failed")),
    };
    Error::with_source(kind, message, error)
}

fn not_permitted() -> String {
    match super::probe::io_uring_disabled() {
        Some(2) => "the sysctl kernel.io_uring_disabled is 2, which forbids io_uring to every process: set it \
                    to 0 (sysctl -w kernel.io_uring_disabled=0)"
            .into(),
        Some(1) => "the sysctl kernel.io_uring_disabled is 1, which forbids io_uring to processes without \
                    CAP_SYS_ADMIN: set it to 0, or put the process into the group that the sysctl \
                    kernel.io_uring_group names"
            .into(),
        _ => "io_uring_setup was refused with EPERM although the sysctl kernel.io_uring_disabled does not \
              forbid it: a seccomp filter does, as the default profile of container engines has it; allow \
              io_uring_setup, io_uring_enter and io_uring_register in the profile"
            .into(),
    }
}

fn refused_flag(setup: &Setup) -> String {
    let needed: &[Flag] = if setup.defer_taskrun {
        &[SINGLE_ISSUER, DEFER_TASKRUN, SUBMIT_ALL]
    } else {
        &[SINGLE_ISSUER, COOP_TASKRUN, SUBMIT_ALL]
    };
    let kernel = super::probe::kernel_release();
    match needed.iter().find(|flag| !takes(flag)) {
        Some(flag) => format!(
            "this kernel ({kernel}) lacks {}, which came with Linux {}: run on Linux 6.1 or later",
            flag.name, flag.since
        ),
        None => format!(
            "this kernel ({kernel}) refuses a ring of {} submission and {} completion entries: both must be \
             above zero, and the second not below the first",
            setup.sq_entries, setup.cq_entries
        ),
    }
}
