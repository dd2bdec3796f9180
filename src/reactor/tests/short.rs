//! Sends of which the kernel takes a little at a time.

use std::cell::Cell;
use std::io::Read as _;
use std::rc::Rc;

use socket2::SockRef;

use super::{connected, everywhere, poll_once, until};
use crate::op::{self, Next, OnDrop, Operation, SharedFd};
use crate::ring::{Cqe, Request};

/// A send that is not to wait until all has gone, and that asks for so many bytes at a time. The kernel completes it
/// short, again and again.
struct Trickle<O> {
    op: O,
    step: u32,
    /// How much has still to go.
    left: u32,
    rounds: Rc<Cell<u32>>,
}

impl<O: Operation> Operation for Trickle<O> {
    type Output = O::Output;

    const ON_DROP: OnDrop = O::ON_DROP;

    fn request(&mut self) -> Request {
        self.rounds.set(self.rounds.get() + 1);
        let mut request = self.op.request();
        match &mut request {
            Request::Send { len, flags, .. } | Request::SendZc { len, flags, .. } => {
                assert_eq!(*len, self.left);
                *len = self.step.min(*len);
                *flags &= !libc::MSG_WAITALL;
            }
            // What it takes is what the socket has room for.
            Request::SendMsg { flags, .. } => *flags &= !libc::MSG_WAITALL as u32,
            other => panic!("{other:?} is no send"),
        }
        request
    }

    fn advance(&mut self, cqe: Cqe, abandoned: bool) -> Next {
        self.left -= cqe.result.max(0) as u32;
        self.op.advance(cqe, abandoned)
    }

    fn resume(&mut self, cqe: Cqe) -> Next {
        self.op.resume(cqe)
    }

    fn release(&mut self) {
        self.op.release();
    }

    fn complete(&mut self, cqe: Cqe) -> O::Output {
        self.op.complete(cqe)
    }

    fn discard(&mut self, cqe: Cqe) {
        self.op.discard(cqe);
    }
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 % 251) as u8).collect()
}

/// Sends `len` bytes so, awaited and dropped in the middle; the peer gets all of them, in order, either way.
fn trickles<O>(len: usize, step: u32, make: impl Fn(SharedFd, Vec<u8>) -> O)
where
    O: Operation<Output = std::io::Result<usize>>,
{
    everywhere(async |core| {
        for dropped in [false, true] {
            let (fd, mut peer) = connected(&core);
            let socket = SockRef::from(&fd);
            socket.set_send_buffer_size(64 << 10).expect("send buffer");
            socket.set_tcp_nodelay(true).expect("nodelay");
            let reader = std::thread::spawn(move || {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).map(|_| all)
            });
            let late = fd.outgoing();
            let rounds: Rc<Cell<u32>> = Rc::default();
            let mut submission = core.submit(Trickle {
                op: make(fd.clone(), payload(len)),
                step,
                left: len as u32,
                rounds: Rc::clone(&rounds),
            });
            if dropped {
                poll_once(&mut submission);
                until(|| rounds.get() > 1).await;
                drop(submission);
                until(|| !late.is_busy()).await;
            } else {
                assert_eq!(submission.await.0.expect("all is sent"), len);
            }
            assert!(late.take().is_none(), "no error is left");
            assert!(rounds.get() > 1, "it was not short once");
            fd.close();
            until(|| core.metrics().operations == 0).await;
            let all = reader.join().expect("the reader").expect("read");
            assert!(all == payload(len), "{} of {len} bytes", all.len());
        }
    });
}

#[test]
fn b07_one_byte_at_a_time() {
    trickles(300, 1, |fd, bytes| op::Send::new(fd, bytes, true));
}

#[test]
fn b07_one_byte_at_a_time_without_a_copy() {
    trickles(60, 1, op::SendZc::new);
}

#[test]
fn b07_odd_pieces() {
    trickles(200_000, 9_001, |fd, bytes| op::Send::new(fd, bytes, true));
}

#[test]
fn b07_as_much_of_several_buffers_as_there_is_room_for() {
    trickles(1 << 20, 0, |fd, bytes| {
        // Pieces of every size, with empty ones between them.
        let mut parts = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let size = (1 + parts.len() * 4001).min(rest.len());
            let (part, behind) = rest.split_at(size);
            parts.push(part.to_vec());
            parts.push(Vec::new());
            rest = behind;
        }
        op::SendMsg::all(fd, parts)
    });
}
