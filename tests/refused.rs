//! A kernel, or a filter, that refuses a ring: the error names the cause and what to do about it.
//!
//! A filter cannot be taken off again, so that each case runs in a process of its own: this same program, told
//! by an environment variable which call to refuse with which error.

#![forbid(unsafe_code)]

use std::process::Command;

use eyewall::{ErrorKind, Reactor};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// Holds the number of the call and the errno.
const CASE: &str = "EYEWALL_TEST_REFUSE";

/// Makes `call` fail with `errno` on this thread.
fn refuse(call: i64, errno: u32) {
    let filter = SeccompFilter::new(
        [(call, Vec::new())].into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

/// Not a test of its own: what runs in the other process.
#[test]
fn the_refused_process() {
    let Ok(case) = std::env::var(CASE) else {
        return;
    };
    let (call, errno) = case.split_once(' ').unwrap();
    refuse(call.parse().unwrap(), errno.parse().unwrap());
    match Reactor::new().and_then(|reactor| reactor.block_on(eyewall::yield_now())) {
        Ok(()) => println!("reactor|Ok|"),
        Err(error) => println!("reactor|{:?}|{error}", error.kind()),
    }
    let probe = eyewall::probe();
    match &probe.ring {
        Ok(()) => println!("probe|Ok|"),
        Err(error) => println!("probe|{:?}|{error}", error.kind()),
    }
    println!("flags|{}|", probe.flags.iter().any(|(_, known)| *known));
    println!("printed|{}|", probe.to_string().contains("kernel"));
}

/// What a process says in which `call` fails with `errno`: the lines of `the_refused_process`.
struct Said(Vec<(String, String, String)>);

impl Said {
    fn by(call: i64, errno: i32) -> Said {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_refused_process", "--nocapture"])
            .env(CASE, format!("{call} {errno}"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{errors}");
        let lines = text.lines().filter_map(|line| {
            // The harness may have begun the line.
            let (what, rest) = line.split_once('|')?;
            let (kind, message) = rest.split_once('|')?;
            let what = what.rsplit(' ').next()?;
            Some((what.to_owned(), kind.to_owned(), message.to_owned()))
        });
        Said(lines.collect())
    }

    fn of(&self, what: &str) -> (&str, &str) {
        let line = self.0.iter().find(|line| line.0 == what);
        let (_, kind, message) = line.unwrap_or_else(|| panic!("no {what} in {:?}", self.0));
        (kind, message)
    }
}

fn check(errno: i32, kind: ErrorKind, words: &[&str]) {
    let said = Said::by(libc::SYS_io_uring_setup, errno);
    let (known, message) = said.of("reactor");
    assert_eq!(known, format!("{kind:?}"), "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    let (probed, why) = said.of("probe");
    assert_eq!(probed, known);
    for word in words {
        assert!(why.contains(word), "{word:?} is not in: {why}");
    }
    assert_eq!(said.of("flags").0, "false", "no flag can be known");
    assert_eq!(said.of("printed").0, "true");
}

#[test]
fn eperm_is_a_filter_or_a_sysctl() {
    check(
        libc::EPERM,
        ErrorKind::NotPermitted,
        &["kernel.io_uring_disabled", "seccomp", "io_uring_enter"],
    );
}

#[test]
fn enosys_is_a_kernel_without() {
    check(
        libc::ENOSYS,
        ErrorKind::Unsupported,
        &["ENOSYS", "CONFIG_IO_URING", "sandbox", "Linux 6.1"],
    );
}

#[test]
fn enomem_is_a_limit() {
    check(
        libc::ENOMEM,
        ErrorKind::OutOfMemory,
        &["ulimit -l", "LimitMEMLOCK", "sq_entries"],
    );
}

#[test]
fn einval_names_the_flag() {
    check(
        libc::EINVAL,
        ErrorKind::Unsupported,
        &["IORING_SETUP_SINGLE_ISSUER", "6.0", "Linux 6.1"],
    );
}

#[test]
fn a_filter_that_knows_only_the_other_calls_is_an_error_too() {
    for (call, name) in [
        (libc::SYS_io_uring_register, "io_uring_register"),
        (libc::SYS_io_uring_enter, "io_uring_enter"),
    ] {
        let said = Said::by(call, libc::EPERM);
        for what in ["reactor", "probe"] {
            let (kind, message) = said.of(what);
            assert_eq!(kind, "NotPermitted", "{what}: {message}");
            assert!(message.starts_with(name), "{what}: {message}");
            assert!(message.contains("seccomp"), "{what}: {message}");
        }
    }
}

#[test]
fn without_a_filter_there_is_a_ring() {
    let said = Said::by(libc::SYS_getpriority, libc::EPERM);
    assert_eq!(said.of("reactor").0, "Ok");
    assert_eq!(said.of("probe").0, "Ok");
    assert_eq!(said.of("flags").0, "true");
}
