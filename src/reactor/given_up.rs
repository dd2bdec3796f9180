//! What the kernel gives up by itself, since it can make no thread for it.

use std::io;

use super::core::Core;

impl Core {
    /// Whether that is what came of an operation, which nobody has cancelled: it has not begun.
    pub(crate) fn has_given_up<T>(&self, result: &io::Result<T>) -> bool {
        self.is_open() && matches!(result, Err(error) if is_cancel(error))
    }

    /// What came of an operation that may wait, in other words where that is so.
    pub(crate) fn explained<T>(&self, result: io::Result<T>) -> io::Result<T> {
        match result {
            Err(error) if self.is_open() => Err(explain(error)),
            result => result,
        }
    }
}

fn is_cancel(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ECANCELED)
}

#[cold]
fn explain(error: io::Error) -> io::Error {
    if !is_cancel(&error) {
        return error;
    }
    let text = format!(
        "the kernel has given up what nobody has cancelled ({error}), mostly since it could make no thread that waits for \
         it: is the limit of processes (ulimit -u, pids.max of the cgroup, TasksMax=) reached?"
    );
    io::Error::other(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_cancelled_says_what_is_missing() {
        let cancelled = io::Error::from_raw_os_error(libc::ECANCELED);
        let text = explain(cancelled).to_string();
        assert!(
            text.contains("os error 125") && text.contains("ulimit -u"),
            "{text}"
        );
        let missing = explain(io::Error::from_raw_os_error(libc::ENOENT));
        assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    }
}
