//! Sending datagrams.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use socket2::SockAddr;

use crate::buf::{BufResult, IoBuf};
use crate::op::{Operation, SendMsg, SharedFd};
use crate::reactor::{Core, Submission};

/// The sending side of a datagram socket. Sends are independent of one another: each takes a whole datagram or
/// nothing, so that any number of them may be under way.
#[derive(Clone)]
pub(in crate::net) struct Sender {
    core: Rc<Core>,
    fd: SharedFd,
}

impl Sender {
    pub(in crate::net) fn new(core: &Rc<Core>, fd: &SharedFd) -> Sender {
        Sender {
            core: Rc::clone(core),
            fd: fd.clone(),
        }
    }

    pub(in crate::net) async fn send<B: IoBuf>(
        &self,
        buffer: B,
        target: Option<SockAddr>,
    ) -> BufResult<usize, B> {
        if let Err(error) = self.core.check_open() {
            return (Err(error), buffer);
        }
        let op = SendMsg::datagram(self.fd.clone(), vec![buffer], target);
        let mut sending = Cancelled {
            send: self.core.submit(op),
            core: &self.core,
        };
        let (result, op) = (&mut sending.send).await;
        let buffer = op.into_buffers().pop().expect("it was given one buffer");
        (result, buffer)
    }
}

/// A send that is cancelled when it is dropped. (The operation itself would rather finish, as a stream needs it
/// to; but half a datagram is never sent, and one that waits for room may wait for ever.)
struct Cancelled<'a, O: Operation> {
    core: &'a Rc<Core>,
    send: Submission<O>,
}

impl<O: Operation> Drop for Cancelled<'_, O> {
    fn drop(&mut self) {
        if let Some(id) = self.send.id() {
            self.core.abandon(id, true);
        }
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("fd", &self.fd.as_fd())
            .finish_non_exhaustive()
    }
}
