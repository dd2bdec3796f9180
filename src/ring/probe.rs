//! What this machine's kernel offers, as data.

use std::fmt;

use io_uring::{IoUring, opcode};

use super::setup::{self, Setup};
use crate::error::Error;

/// What [`probe`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probe {
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// The sysctl `kernel.io_uring_disabled`; `None` where the kernel has none (before 6.6).
    pub io_uring_disabled: Option<u32>,
    /// Whether a ring with this crate's default set-up can be made, or why not.
    pub ring: Result<(), Error>,
    /// The set-up flags that this crate asks for, each with whether the kernel takes it. The last,
    /// `IORING_SETUP_NO_SQARRAY`, is optional.
    pub flags: Vec<(&'static str, bool)>,
    /// The operations that this crate uses, each with whether the kernel knows it.
    pub operations: Vec<(&'static str, bool)>,
}

const OPERATIONS: &[(&str, u8)] = &[
    ("NOP", opcode::Nop::CODE),
    ("CONNECT", opcode::Connect::CODE),
    ("ACCEPT", opcode::Accept::CODE),
    ("BIND", opcode::Bind::CODE),
    ("LISTEN", opcode::Listen::CODE),
    ("RECV", opcode::Recv::CODE),
    ("RECVMSG", opcode::RecvMsg::CODE),
    ("SEND", opcode::Send::CODE),
    ("SENDMSG", opcode::SendMsg::CODE),
    ("SEND_ZC", opcode::SendZc::CODE),
    ("SHUTDOWN", opcode::Shutdown::CODE),
    ("CLOSE", opcode::Close::CODE),
    ("POLL_ADD", opcode::PollAdd::CODE),
    ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
    ("OPENAT", opcode::OpenAt::CODE),
    ("READ", opcode::Read::CODE),
    ("WRITE", opcode::Write::CODE),
    ("FSYNC", opcode::Fsync::CODE),
    ("STATX", opcode::Statx::CODE),
];

/// Asks the kernel what of io_uring it offers to this process.
///
/// Never fails: where no ring can be made, [`Probe::ring`] says why. It makes and drops a few small rings,
/// which takes some hundreds of microseconds; do it once.
///
/// ```
/// let probe = eyewall::probe();
/// println!("{probe}");
/// ```
pub fn probe() -> Probe {
    let setup = Setup {
        sq_entries: 8,
        cq_entries: 32,
        defer_taskrun: true,
    };
    let ring = setup::build(&setup).and_then(usable);
    let operations = match &ring {
        Ok(ring) => known_operations(ring),
        Err(_) => Vec::new(),
    };
    Probe {
        kernel: kernel_release(),
        io_uring_disabled: io_uring_disabled(),
        flags: setup::probe_flags(),
        operations,
        ring: ring.map(drop),
    }
}

/// Tries the two other system calls, which a filter may refuse although it allows the set-up.
fn usable(ring: IoUring) -> Result<IoUring, Error> {
    let submitter = ring.submitter();
    submitter
        .register_probe(&mut io_uring::Probe::new())
        .map_err(|error| setup::explain_call("io_uring_register", error))?;
    submitter
        .submit()
        .map_err(|error| setup::explain_call("io_uring_enter", error))?;
    Ok(ring)
}

fn known_operations(ring: &IoUring) -> Vec<(&'static str, bool)> {
    let mut probe = io_uring::Probe::new();
    // Since 5.6; a refusal leaves the probe empty, so that every operation reads as unknown.
    let _ = ring.submitter().register_probe(&mut probe);
    OPERATIONS
        .iter()
        .map(|&(name, code)| (name, probe.is_supported(code)))
        .collect()
}

/// Whether the kernel knows `IORING_OP_BIND` and `IORING_OP_LISTEN` (since 6.11), the only ones that are done without.
pub(super) fn knows_bind_listen(ring: &IoUring) -> bool {
    let known = known_operations(ring);
    known.contains(&("BIND", true)) && known.contains(&("LISTEN", true))
}

/// The kernel's release, such as `6.18.44`.
pub(super) fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|_| "unknown release".to_owned())
}

/// The sysctl `kernel.io_uring_disabled` (Documentation/admin-guide/sysctl/kernel.rst).
pub(super) fn io_uring_disabled() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    text.trim().parse().ok()
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel             {}", self.kernel)?;
        match self.io_uring_disabled {
            Some(value) => writeln!(f, "io_uring_disabled  {value}")?,
            None => writeln!(f, "io_uring_disabled  (no such sysctl)")?,
        }
        match &self.ring {
            Ok(()) => writeln!(f, "ring               works")?,
            Err(error) => writeln!(f, "ring               {error}")?,
        }
        for (title, list) in [("flags", &self.flags), ("operations", &self.operations)] {
            writeln!(f, "{title}")?;
            for (name, known) in list {
                writeln!(f, "  {} {name}", if *known { "yes" } else { "no " })?;
            }
        }
        Ok(())
    }
}
