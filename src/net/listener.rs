//! Accepting connections, whatever their address family.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::op::{Accept, SharedFd};
use crate::reactor::{Core, Submission};
use crate::time::{Sleep, sleep};

/// A listening socket and the accept that it has in the kernel.
///
/// The accept belongs to the listener: a connection that is accepted for a dropped future goes to the next
/// call.
pub(super) struct Listener {
    core: Rc<Core>,
    fd: SharedFd,
    armed: Option<Submission<Accept>>,
    /// The pause after an accept that found no resources.
    pause: Option<Pin<Box<Sleep>>>,
    next_pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Listener {
    pub(super) fn new(core: &Rc<Core>, fd: SharedFd) -> Listener {
        Listener {
            core: Rc::clone(core),
            fd,
            armed: None,
            pause: None,
            next_pause: FIRST_PAUSE,
        }
    }

    pub(super) fn parts(&self) -> (Rc<Core>, SharedFd) {
        (Rc::clone(&self.core), self.fd.clone())
    }

    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The next connection. Errors that concern one connection, or pass by themselves, are seen to here.
    pub(super) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
        multishot: bool,
    ) -> Poll<io::Result<OwnedFd>> {
        loop {
            self.core.check_open()?;
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let accept = self.armed.get_or_insert_with(|| {
                self.core.submit(Accept {
                    fd: self.fd.clone(),
                    multishot,
                })
            });
            let (cqe, more) = ready!(accept.poll_next(cx));
            if !more {
                self.armed = None;
            }
            let error = match cqe.into_fd() {
                Ok(fd) => {
                    self.next_pause = FIRST_PAUSE;
                    return Poll::Ready(Ok(fd));
                }
                Err(error) => error,
            };
            match Failure::of(&error) {
                Failure::Lasts => {
                    self.core.accept_paused();
                    self.pause = Some(Box::pin(sleep(self.next_pause)));
                    self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
                }
                Failure::OfOne => {}
                Failure::Fatal => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// What an accept that has failed says of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// That fails too, for a while: to ask again at once would be a spin. The connections stay in the backlog.
    Lasts,
    /// Nothing: it was about one connection, or a paused multishot.
    OfOne,
    /// It is the listener's fault.
    Fatal,
}

impl Failure {
    fn of(error: &io::Error) -> Failure {
        match error.raw_os_error() {
            // No descriptors or memory, which passes when something is closed: without memory to wait, a listener that
            // somebody has made non-blocking says EAGAIN. Or a security module forbids it, mostly before it looks whether
            // there is a connection.
            Some(
                libc::EMFILE
                | libc::ENFILE
                | libc::ENOBUFS
                | libc::ENOMEM
                | libc::EAGAIN
                | libc::EPERM,
            ) => Failure::Lasts,
            // The connection failed before it was accepted (accept(2), ERRORS). ECANCELED is a paused multishot.
            Some(
                libc::ECANCELED
                | libc::ECONNABORTED
                | libc::EINTR
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH,
            ) => Failure::OfOne,
            _ => Failure::Fatal,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("fd", &self.fd)
            .field("paused", &self.pause.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel says most of these seldom, and not on demand.
    #[test]
    fn an_error_that_lasts_is_not_asked_for_again_at_once() {
        let of = |errno| Failure::of(&io::Error::from_raw_os_error(errno));
        for errno in [
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::EAGAIN,
            libc::EPERM,
        ] {
            assert_eq!(of(errno), Failure::Lasts, "{errno}");
        }
        for errno in [libc::ECONNABORTED, libc::EPROTO, libc::EINTR] {
            assert_eq!(of(errno), Failure::OfOne, "{errno}");
        }
        for errno in [libc::EINVAL, libc::EBADF, libc::EACCES] {
            assert_eq!(of(errno), Failure::Fatal, "{errno}");
        }
    }
}
