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
            match error.raw_os_error() {
                // No descriptors or memory: the connection stays in the backlog, and asking again at once
                // would spin. It passes when something is closed.
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    self.core.accept_paused();
                    self.pause = Some(Box::pin(sleep(self.next_pause)));
                    self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
                }
                // The connection failed before it was accepted, or the firewall forbids it (accept(2),
                // ERRORS): not the listener's fault. ECANCELED is a paused multishot.
                Some(
                    libc::ECANCELED
                    | libc::ECONNABORTED
                    | libc::EINTR
                    | libc::EPERM
                    | libc::EPROTO
                    | libc::ENETDOWN
                    | libc::ENOPROTOOPT
                    | libc::EHOSTDOWN
                    | libc::ENONET
                    | libc::EHOSTUNREACH
                    | libc::ENETUNREACH,
                ) => {}
                _ => return Poll::Ready(Err(error)),
            }
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
