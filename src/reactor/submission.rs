//! The handle of an operation: a future of its result, or a stream of its results.

use std::any::Any;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use super::core::Core;
use super::table::{Fetched, FetchedNext, Glance, OpId, Ticket};
use crate::error::shut_down;
use crate::op::{Erased, Operation};
use crate::ring::Cqe;

/// An operation that has been handed to the reactor, for who knows the reactor.
///
/// It is queued when the handle is made and reaches the kernel in the reactor's next turn. Whoever has it must
/// [give it up](Handed::give_up) before it is dropped, which a [`Submission`] does by itself.
///
/// It is small, because each half of a connection that waits has one.
pub(crate) enum Handed<O> {
    Live(OpId),
    /// The table was full.
    NoRoom(Box<Queued<O>>),
    /// The reactor has been shut down.
    Refused(Box<O>),
    /// With the operation, if that is to be used again.
    Ended(Option<Box<O>>),
}

/// An operation that found the table full.
pub(crate) struct Queued<O> {
    op: Box<O>,
    /// The place in the queue, once there is one.
    ticket: Option<Ticket>,
}

enum Placed<O> {
    Live(OpId),
    Refused(Box<O>),
}

impl<O: Operation> Handed<O> {
    pub(crate) fn new(core: &Core, op: Box<O>) -> Handed<O> {
        Handed::place(core, op, None, None)
    }

    /// Hands an operation over, and waits for it if it has got its slot: then the first poll would be in vain. It is
    /// staged at once where nothing waits to be staged before it.
    #[inline]
    pub(crate) fn awaited(core: &Core, op: Box<O>, cx: &mut Context<'_>) -> Handed<O> {
        // A foreign waker's clone is user code: the table is not borrowed yet.
        let waker = cx.waker().clone();
        match core.stage_now(op, waker) {
            Ok(id) => Handed::Live(id),
            Err((op, waker)) => Handed::place(core, op, None, Some(waker)),
        }
    }

    fn place(
        core: &Core,
        mut op: Box<O>,
        ticket: Option<Ticket>,
        waker: Option<Waker>,
    ) -> Handed<O> {
        let mut inner = core.inner();
        let table = &mut inner.table;
        if table.is_shut() {
            return Handed::Refused(op);
        }
        if !table.has_room(ticket) {
            return Handed::NoRoom(Box::new(Queued { op, ticket }));
        }
        let left = ticket.and_then(|ticket| table.leave_queue(ticket));
        op.placed();
        let id = table.insert(op, waker);
        inner.queue.ops.push_back(id);
        drop(inner);
        drop(left);
        Handed::Live(id)
    }

    /// The id of the operation, if it has a slot.
    pub(crate) fn id(&self) -> Option<OpId> {
        match *self {
            Handed::Live(id) => Some(id),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self, Handed::Ended(_))
    }

    /// Hands an operation that [`poll_next`](Handed::poll_next) has brought to its end over once more, as `make` makes
    /// it of the one before.
    #[inline]
    pub(crate) fn again(
        &mut self,
        core: &Core,
        cx: &mut Context<'_>,
        make: impl FnOnce(Option<Box<O>>) -> Box<O>,
    ) {
        if let Handed::Ended(op) = self {
            *self = Handed::awaited(core, make(op.take()), cx);
        }
    }

    /// Makes sure that the operation has a slot.
    #[inline]
    fn placed(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<Placed<O>> {
        match *self {
            Handed::Live(id) => Poll::Ready(Placed::Live(id)),
            _ => self.find_place(core, cx),
        }
    }

    #[cold]
    #[inline(never)]
    fn find_place(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<Placed<O>> {
        let mut handed = std::mem::replace(self, Handed::Ended(None));
        if let Handed::NoRoom(queued) = handed {
            handed = Handed::place(core, queued.op, queued.ticket, None);
        }
        match handed {
            Handed::Live(id) => {
                *self = Handed::Live(id);
                Poll::Ready(Placed::Live(id))
            }
            Handed::Refused(op) => Poll::Ready(Placed::Refused(op)),
            Handed::NoRoom(mut queued) => {
                let waker = cx.waker().clone();
                let (ticket, old) = core.table().wait_for_room(queued.ticket, waker);
                queued.ticket = Some(ticket);
                *self = Handed::NoRoom(queued);
                drop(old);
                Poll::Pending
            }
            Handed::Ended(_) => panic!("an operation was polled after its end"),
        }
    }

    /// The output of the operation, and the operation itself, with the buffer in it.
    pub(crate) fn poll(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<(O::Output, Box<O>)> {
        let id = match ready!(self.placed(core, cx)) {
            Placed::Live(id) => id,
            Placed::Refused(mut op) => {
                return Poll::Ready((op.complete(Cqe::never_submitted()), op));
            }
        };
        let mut table = core.table();
        let fetched = table.poll(id, cx.waker());
        let waited_for = table.is_waited_for();
        drop(table);
        let (op, cqe) = match fetched {
            Fetched::Result(op, cqe, waker) => {
                drop(waker);
                (op, cqe)
            }
            Fetched::Nothing { known_waker } => return wait(core, id, known_waker, cx),
        };
        self.end(None);
        if waited_for {
            core.call_waiting();
        }
        let mut op = downcast::<O>(op);
        Poll::Ready((op.complete(cqe), op))
    }

    /// The next completion of an operation that belongs to a socket, and whether more may come; polled no more after
    /// the last. What it means, the operation's type says without the operation.
    #[inline(always)]
    pub(crate) fn poll_next(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<(Cqe, bool)> {
        let id = match ready!(self.placed(core, cx)) {
            Placed::Live(id) => id,
            Placed::Refused(_) => return Poll::Ready((Cqe::never_submitted(), false)),
        };
        let fetched = core.table().poll_next(id, cx.waker());
        match fetched {
            FetchedNext::Result(cqe) => Poll::Ready((cqe, true)),
            FetchedNext::Last(cqe, op, waker) => {
                drop(waker);
                // For the next round, which most have.
                self.end(Some(downcast(op)));
                core.slot_freed();
                Poll::Ready((cqe, false))
            }
            FetchedNext::Nothing { known_waker } => wait(core, id, known_waker, cx),
        }
    }

    /// The next completion that brings bytes in a buffer of the pool, as [`poll_next`](Handed::poll_next); `None` if
    /// that is not what there is: nothing has been changed then.
    #[inline(always)]
    pub(crate) fn poll_bytes(&mut self, core: &Core, cx: &Context<'_>) -> Poll<Option<Cqe>> {
        let Handed::Live(id) = *self else {
            return Poll::Ready(None);
        };
        let glance = core.table().glance(id, cx.waker());
        match glance {
            Glance::Bytes(cqe) => Poll::Ready(Some(cqe)),
            Glance::LastBytes(cqe, op, waker) => {
                drop(waker);
                self.end(Some(downcast(op)));
                core.slot_freed();
                Poll::Ready(Some(cqe))
            }
            Glance::Nothing => Poll::Pending,
            Glance::Other => Poll::Ready(None),
        }
    }

    /// It was live, which leaves nothing to be dropped.
    #[inline(always)]
    fn end(&mut self, op: Option<Box<O>>) {
        let live = std::mem::replace(self, Handed::Ended(op));
        debug_assert!(matches!(live, Handed::Live(_)));
        std::mem::forget(live);
    }

    /// Leaves the operation to itself once it has a slot; refused when the reactor has been shut down.
    pub(crate) fn poll_detach(
        &mut self,
        core: &Core,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<OpId>> {
        Poll::Ready(match ready!(self.placed(core, cx)) {
            Placed::Live(id) => {
                core.table().detach(id);
                *self = Handed::Ended(None);
                Ok(id)
            }
            Placed::Refused(_) => Err(shut_down()),
        })
    }

    /// Nobody waits for it any more: abandons the operation; see the table in [`super::table`].
    #[inline]
    pub(crate) fn give_up(&mut self, core: &Core) {
        if !self.is_ended() {
            self.abandon(core);
        }
    }

    #[inline(never)]
    fn abandon(&mut self, core: &Core) {
        match std::mem::replace(self, Handed::Ended(None)) {
            Handed::Live(id) => core.abandon(id, false),
            Handed::NoRoom(queued) => {
                let Queued { mut op, ticket } = *queued;
                if let Some(ticket) = ticket {
                    let waker = core.table().leave_queue(ticket);
                    drop(waker);
                    core.slot_freed();
                }
                op.discard(Cqe::never_submitted());
            }
            Handed::Refused(mut op) => op.discard(Cqe::never_submitted()),
            Handed::Ended(_) => {}
        }
    }
}

#[inline(always)]
fn downcast<O: Operation>(op: Box<dyn Erased>) -> Box<O> {
    let op: Box<dyn Any> = op;
    match op.downcast() {
        Ok(op) => op,
        Err(_) => unreachable!("a handle knows its operation"),
    }
}

/// Leaves the waker with the operation. Its clone, and the drop of the one before, are user code, so that
/// the table is not borrowed meanwhile.
#[inline]
fn wait<T>(core: &Core, id: OpId, known_waker: bool, cx: &mut Context<'_>) -> Poll<T> {
    if !known_waker {
        let waker = cx.waker().clone();
        let old = core.table().set_waker(id, waker);
        drop(old);
    }
    Poll::Pending
}

/// An operation that has been handed to the reactor.
///
/// Dropping it abandons the operation. As a future it gives the output and the operation itself, with the buffer in
/// it.
pub(crate) struct Submission<O: Operation> {
    core: Rc<Core>,
    handed: Handed<O>,
}

impl<O: Operation> Submission<O> {
    pub(crate) fn new(core: &Rc<Core>, op: Box<O>) -> Submission<O> {
        Submission {
            handed: Handed::new(core, op),
            core: Rc::clone(core),
        }
    }

    /// The id of the operation, if it has a slot.
    pub(crate) fn id(&self) -> Option<OpId> {
        self.handed.id()
    }

    /// As [`Handed::poll_next`].
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(Cqe, bool)> {
        self.handed.poll_next(&self.core, cx)
    }
}

impl<O: Operation> Future for Submission<O> {
    type Output = (O::Output, Box<O>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Submission { core, handed } = &mut *self;
        handed.poll(core, cx)
    }
}

impl<O: Operation> Unpin for Submission<O> {}

impl<O: Operation> Drop for Submission<O> {
    fn drop(&mut self) {
        self.handed.give_up(&self.core);
    }
}

impl<O: Operation> std::fmt::Debug for Submission<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
