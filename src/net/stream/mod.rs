//! Connected byte streams, whatever their address family: two halves over one descriptor.

mod post;
mod receiving;
mod recv;
mod send;
mod sending;

use std::io;
#[cfg(feature = "http")]
use std::os::fd::OwnedFd;
use std::rc::Rc;

pub use recv::{Chunks, RecvHalf};
pub use send::SendHalf;

use crate::op::{CancelFd, CloseSignal, SharedFd};
use crate::reactor::Core;

/// Both halves of a connection, in a box, since a stream is moved around and lies in the future of its task, often more
/// than once.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) recv: RecvHalf,
    pub(super) send: SendHalf,
}

/// What an idle connection has beside its descriptor and its receive.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Stream>() <= 64);

impl Stream {
    /// A stream over a connected socket.
    pub(super) fn new(core: &Rc<Core>, fd: SharedFd) -> Box<Stream> {
        Box::new(Stream {
            recv: RecvHalf::new(core, &fd),
            send: SendHalf::new(core, fd),
        })
    }

    /// Closes the connection and waits until that is done.
    pub(super) async fn close(self: Box<Stream>) -> io::Result<()> {
        let (core, fd) = self.recv.parts();
        drop(self);
        close(&core, fd).await
    }
}

/// The halves of a socket that has connected from here.
#[cfg(feature = "http")]
pub(crate) fn halves(core: &Rc<Core>, socket: OwnedFd) -> (RecvHalf, SendHalf) {
    let fd = core.share_called(socket);
    (RecvHalf::new(core, &fd), SendHalf::new(core, fd))
}

/// Closes the connection that `half` belongs to, once both halves have been dropped.
#[cfg(feature = "http")]
pub(crate) fn close_half(half: &RecvHalf) -> impl Future<Output = io::Result<()>> + use<> {
    let (core, fd) = half.parts();
    async move { close(&core, fd).await }
}

/// Cancels what is in flight on `fd`, and closes it once that has ended and every holder has gone.
pub(super) async fn close(core: &Rc<Core>, fd: SharedFd) -> io::Result<()> {
    core.check_open()?;
    fd.set_closing();
    let ((), op) = core.submit(CancelFd { fd }).await;
    let signal = op.fd.close();
    std::future::poll_fn(|cx| CloseSignal::poll(&signal, cx)).await
}
