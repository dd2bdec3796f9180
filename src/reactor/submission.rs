//! The handle of an operation: a future of its result, or a stream of its results.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::core::Core;
use super::table::{Fetched, FetchedNext, OpId, Ticket};
use crate::error::shut_down;
use crate::op::{Erased, Operation};
use crate::ring::Cqe;

/// An operation that has been handed to the reactor.
///
/// It is queued when the handle is made and reaches the kernel in the reactor's next turn. Dropping the
/// handle abandons the operation: see the table in [`super::table`]. As a future it gives the output and the
/// operation itself, with the buffer in it.
pub(crate) struct Submission<O: Operation> {
    core: Rc<Core>,
    state: State<O>,
}

enum State<O> {
    /// The table was full; the place in the queue, once there is one.
    NoRoom(Box<O>, Option<Ticket>),
    /// The reactor has been shut down.
    Refused(Box<O>),
    Live(OpId),
    Ended,
}

impl<O: Operation> Submission<O> {
    pub(crate) fn new(core: &Rc<Core>, op: Box<O>) -> Submission<O> {
        Submission {
            state: place(core, op, None),
            core: Rc::clone(core),
        }
    }

    /// The id of the operation, if it has a slot.
    pub(crate) fn id(&self) -> Option<OpId> {
        match self.state {
            State::Live(id) => Some(id),
            _ => None,
        }
    }

    /// Makes sure that the operation has a slot.
    fn placed(&mut self, cx: &mut Context<'_>) -> Poll<Placed<O>> {
        if matches!(self.state, State::NoRoom(..))
            && let State::NoRoom(op, ticket) = std::mem::replace(&mut self.state, State::Ended)
        {
            self.state = place(&self.core, op, ticket);
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Live(id) => {
                self.state = State::Live(id);
                Poll::Ready(Placed::Live(id))
            }
            State::Refused(op) => Poll::Ready(Placed::Refused(op)),
            State::NoRoom(op, ticket) => {
                let waker = cx.waker().clone();
                let (ticket, old) = self.core.table().wait_for_room(ticket, waker);
                self.state = State::NoRoom(op, Some(ticket));
                drop(old);
                Poll::Pending
            }
            State::Ended => panic!("an operation was polled after its end"),
        }
    }

    /// Leaves the operation to itself once it has a slot; refused when the reactor has been shut down.
    pub(crate) fn poll_detach(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<OpId>> {
        Poll::Ready(match ready!(self.placed(cx)) {
            Placed::Live(id) => {
                self.core.table().detach(id);
                self.state = State::Ended;
                Ok(id)
            }
            Placed::Refused(_) => Err(shut_down()),
        })
    }

    /// The next completion of an operation that belongs to a socket, and whether more may come; polled no more after
    /// the last. What it means, the operation's type says without the operation.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(Cqe, bool)> {
        let id = match self.state {
            State::Live(id) => id,
            _ => match ready!(self.placed(cx)) {
                Placed::Live(id) => id,
                Placed::Refused(_) => return Poll::Ready((Cqe::never_submitted(), false)),
            },
        };
        let fetched = self.core.table().poll_next(id, cx.waker());
        match fetched {
            FetchedNext::Result(cqe) => Poll::Ready((cqe, true)),
            FetchedNext::Last(cqe, op) => {
                self.state = State::Ended;
                drop(op);
                self.core.slot_freed();
                Poll::Ready((cqe, false))
            }
            FetchedNext::Nothing { known_waker } => self.wait(id, known_waker, cx),
        }
    }

    /// Leaves the waker with the operation. Its clone, and the drop of the one before, are user code, so that
    /// the table is not borrowed meanwhile.
    fn wait<T>(&self, id: OpId, known_waker: bool, cx: &mut Context<'_>) -> Poll<T> {
        if !known_waker {
            let waker = cx.waker().clone();
            let old = self.core.table().set_waker(id, waker);
            drop(old);
        }
        Poll::Pending
    }
}

enum Placed<O> {
    Live(OpId),
    Refused(Box<O>),
}

fn place<O: Operation>(core: &Rc<Core>, mut op: Box<O>, ticket: Option<Ticket>) -> State<O> {
    let mut table = core.table();
    if table.is_shut() {
        return State::Refused(op);
    }
    if !table.has_room(ticket) {
        return State::NoRoom(op, ticket);
    }
    let waker = ticket.and_then(|ticket| table.leave_queue(ticket));
    op.placed();
    let id = table.insert(op, false);
    drop(table);
    drop(waker);
    core.queue(id);
    State::Live(id)
}

impl<O: Operation> Future for Submission<O> {
    type Output = (O::Output, Box<O>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let id = match self.placed(cx) {
            Poll::Ready(Placed::Live(id)) => id,
            Poll::Ready(Placed::Refused(mut op)) => {
                return Poll::Ready((op.complete(Cqe::never_submitted()), op));
            }
            Poll::Pending => return Poll::Pending,
        };
        let fetched = self.core.table().poll(id, cx.waker());
        let (op, cqe) = match fetched {
            Fetched::Result(op, cqe) => (op, cqe),
            Fetched::Nothing { known_waker } => return self.wait(id, known_waker, cx),
        };
        self.state = State::Ended;
        self.core.slot_freed();
        let mut op = Erased::into_any(op)
            .downcast::<O>()
            .expect("a submission knows its operation");
        Poll::Ready((op.complete(cqe), op))
    }
}

impl<O: Operation> Unpin for Submission<O> {}

impl<O: Operation> Drop for Submission<O> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Live(id) => self.core.abandon(id, false),
            State::NoRoom(mut op, ticket) => {
                if let Some(ticket) = ticket {
                    let waker = self.core.table().leave_queue(ticket);
                    drop(waker);
                    self.core.slot_freed();
                }
                op.discard(Cqe::never_submitted());
            }
            State::Refused(mut op) => op.discard(Cqe::never_submitted()),
            State::Ended => {}
        }
    }
}

impl<O: Operation> std::fmt::Debug for Submission<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
