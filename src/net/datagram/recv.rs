//! Receiving datagrams.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;

use socket2::SockAddr;

use super::Datagram;
use crate::buf::{BufResult, IoBufMut, fill};
use crate::op::{self, Arrived, RecvMsg, SharedFd};
use crate::reactor::{Core, OpId};

/// The receiving side of a datagram socket.
///
/// A datagram that arrives for a dropped or forgotten future waits here for the next call.
pub(in crate::net) struct Receiver {
    core: Rc<Core>,
    fd: SharedFd,
    /// The receive whose future has not returned.
    current: Option<OpId>,
}

impl Receiver {
    pub(in crate::net) fn new(core: &Rc<Core>, fd: &SharedFd) -> Receiver {
        Receiver {
            core: Rc::clone(core),
            fd: fd.clone(),
            current: None,
        }
    }

    pub(in crate::net) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    pub(in crate::net) fn fd(&self) -> &SharedFd {
        &self.fd
    }

    pub(in crate::net) async fn recv<B: IoBufMut>(
        &mut self,
        mut buffer: B,
    ) -> BufResult<Datagram<SockAddr>, B> {
        if buffer.bytes_capacity() == 0 {
            let error = io::Error::new(
                io::ErrorKind::InvalidInput,
                "the buffer to receive into has no capacity: it would lose the datagram",
            );
            return (Err(error), buffer);
        }
        match self.take_late().await {
            Err(error) => return (Err(error), buffer),
            Ok(Some(datagram)) => {
                let received = Datagram {
                    len: fill(&mut buffer, &datagram.data),
                    full_len: datagram.full_len,
                    from: datagram.from,
                };
                return (Ok(received), buffer);
            }
            Ok(None) => {}
        }
        let op = RecvMsg::new(self.fd.clone(), buffer);
        let mut receive = self.core.submit(op);
        let (result, op) = poll_fn(|cx| {
            let polled = Pin::new(&mut receive).poll(cx);
            // It has an id once the table has room for it, and none after its end.
            self.current = receive.id();
            polled
        })
        .await;
        let (buffer, from) = op.into_parts();
        let received = result.map(|(len, full_len)| Datagram {
            len,
            full_len,
            from,
        });
        (received, buffer)
    }

    /// What an earlier receive left, once none is in flight any more.
    async fn take_late(&mut self) -> io::Result<Option<Box<op::Datagram>>> {
        self.core.check_open()?;
        self.abandon();
        let late = self.fd.incoming();
        poll_fn(|cx| late.poll_idle(cx)).await;
        late.take()
            .map(|arrived| arrived.map(Arrived::into_datagram))
            .transpose()
    }

    /// Gives up the receive of a future that was forgotten. Where it was dropped, this has been done.
    fn abandon(&mut self) {
        if let Some(id) = self.current.take() {
            self.core.abandon(id, true);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.abandon();
        self.fd.incoming().desert();
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("fd", &self.fd.as_fd())
            .finish_non_exhaustive()
    }
}
