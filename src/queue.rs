//! A bounded completion queue: the delivery style of an asynchronous interface.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
#[cfg(feature = "http")]
use std::sync::Weak;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_util::Stream;
use futures_util::stream::FusedStream;

use crate::ring::EventFd;
use crate::task::wake_all;

/// A queue with a bound, for results on their way from whoever makes them to whoever works them off.
///
/// Clones are the same queue, and may be on any thread. It is first in, first out. Takers wait with
/// [`recv`](CompletionQueue::recv) or the stream [`items`](CompletionQueue::items), look with
/// [`pop`](CompletionQueue::pop), or, in a foreign event loop, poll [`eventfd`](CompletionQueue::eventfd).
///
/// ```
/// use eyewall::queue::CompletionQueue;
///
/// let queue = CompletionQueue::bounded(2);
/// let results = queue.clone();
/// eyewall::block_on(async {
///     eyewall::spawn(async move {
///         for tag in 0..5 {
///             results.push_wait(tag).await.unwrap();
///         }
///         results.close();
///     })
///     .detach();
///     let mut sum = 0;
///     while let Some(tag) = queue.recv().await {
///         sum += tag;
///     }
///     assert_eq!(sum, 10);
/// })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
#[doc(alias = "mpsc")]
#[doc(alias = "channel")]
pub struct CompletionQueue<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    eventfd: OnceLock<EventFd>,
}

struct State<T> {
    items: VecDeque<T>,
    closed: bool,
    /// Who waits for an item, and who waits for room, each with a ticket; oldest first.
    takers: Waiters,
    givers: Waiters,
}

/// Wakers in a queue.
///
/// One is woken for each item or place. A woken waiter stays in the queue until it has got what it waits for, or
/// is dropped; then, if there is still something to get, the next is woken. So no wake-up is lost with a dropped
/// future.
#[derive(Default)]
struct Waiters {
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
}

impl Waiters {
    /// Whether `ticket` has a place, with this waker.
    fn knows(&self, ticket: Option<u64>, waker: &Waker) -> bool {
        let known = ticket.and_then(|ticket| self.waiting.iter().find(|(at, _)| *at == ticket));
        known.is_some_and(|(_, known)| known.will_wake(waker))
    }

    /// Takes a place in the queue, or keeps the one that `ticket` names. The waker there before is returned: what a
    /// waker does when it is cloned, woken or dropped is code of others, which may use this queue, so that it has to wait
    /// for the lock's end.
    #[must_use = "it is dropped when the lock has been given up"]
    fn wait(&mut self, ticket: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let known = ticket.and_then(|ticket| self.waiting.iter_mut().find(|(at, _)| *at == ticket));
        match known {
            Some((_, known)) => Some(std::mem::replace(known, waker)),
            None => {
                let new = self.next_ticket;
                self.next_ticket += 1;
                *ticket = Some(new);
                self.waiting.push_back((new, waker));
                None
            }
        }
    }

    /// Gives up a place; its waker is returned as above.
    #[must_use = "it is dropped when the lock has been given up"]
    fn leave(&mut self, ticket: Option<u64>) -> Option<Waker> {
        let ticket = ticket?;
        let place = self.waiting.iter().position(|(at, _)| *at == ticket)?;
        self.waiting.remove(place).map(|(_, waker)| waker)
    }

    /// Whether nobody waits ahead of `ticket` (or of a newcomer) for one of `available`.
    fn is_turn(&self, ticket: Option<u64>, available: usize) -> bool {
        let ahead = match ticket {
            Some(ticket) => self.waiting.iter().position(|(at, _)| *at == ticket),
            None => None,
        };
        ahead.unwrap_or(self.waiting.len()) < available
    }

    /// Takes the wakers of those whose turn it is. Each leaves its waker again if it comes and still has to wait.
    fn due(&mut self, available: usize) -> impl Iterator<Item = Waker> {
        let due = self.waiting.iter_mut().take(available);
        due.map(|(_, waker)| std::mem::replace(waker, Waker::noop().clone()))
    }
}

impl Drop for Waiters {
    /// The queue has gone, with all who could take from it: a [`Giver`] that waits for room need not wait any more.
    fn drop(&mut self) {
        wake_all(self.waiting.drain(..).map(|(_, waker)| waker));
    }
}

/// A queue did not take an item; here it is again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PushError<T> {
    /// There is no room, or others wait for it.
    Full(T),
    /// The queue has been closed.
    Closed(T),
}

impl<T> PushError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            PushError::Full(item) | PushError::Closed(item) => item,
        }
    }
}

impl<T> CompletionQueue<T> {
    /// A queue for at most `capacity` items.
    ///
    /// # Panics
    ///
    /// If the capacity is zero.
    pub fn bounded(capacity: usize) -> CompletionQueue<T> {
        assert!(capacity > 0, "a completion queue has room for something");
        CompletionQueue {
            shared: Arc::new(Shared {
                capacity,
                state: Mutex::new(State {
                    items: VecDeque::new(),
                    closed: false,
                    takers: Waiters::default(),
                    givers: Waiters::default(),
                }),
                eventfd: OnceLock::new(),
            }),
        }
    }

    /// Puts an item to the end.
    ///
    /// # Errors
    ///
    /// A [`PushError`], with the item, if there is no room that nobody waits for, or the queue has been closed.
    #[doc(alias = "try_send")]
    pub fn push(&self, item: T) -> Result<(), PushError<T>> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(PushError::Closed(item));
        }
        let room = self.shared.capacity.saturating_sub(state.items.len());
        if !state.givers.is_turn(None, room) {
            return Err(PushError::Full(item));
        }
        state.items.push_back(item);
        self.shared.tell(state);
        Ok(())
    }

    /// Puts an item to the end; waits for room.
    ///
    /// # Errors
    ///
    /// [`PushError::Closed`], with the item, if the queue has been closed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has not put its item into the queue; the item goes with it. One that is forgotten keeps its place,
    /// as with [`recv`](CompletionQueue::recv).
    #[doc(alias = "send")]
    pub async fn push_wait(&self, item: T) -> Result<(), PushError<T>> {
        let mut item = Some(item);
        let mut place = Place {
            shared: &self.shared,
            ticket: None,
            side: Side::Giver,
        };
        poll_fn(|cx| self.poll_push(cx, &mut item, &mut place.ticket)).await;
        item.map_or(Ok(()), |item| Err(PushError::Closed(item)))
    }

    /// Leaves the item where it is until it is in the queue; for ever if the queue has been closed.
    fn poll_push(
        &self,
        cx: &mut Context<'_>,
        item: &mut Option<T>,
        ticket: &mut Option<u64>,
    ) -> Poll<()> {
        let mut waker = None;
        loop {
            let mut state = self.shared.lock();
            if state.closed {
                return Poll::Ready(());
            }
            let room = self.shared.capacity.saturating_sub(state.items.len());
            if state.givers.is_turn(*ticket, room) {
                state.items.extend(item.take());
                let _waker = state.givers.leave(ticket.take());
                self.shared.tell(state);
                return Poll::Ready(());
            }
            if state.givers.knows(*ticket, cx.waker()) {
                return Poll::Pending;
            }
            if let Some(waker) = waker.take() {
                let old = state.givers.wait(ticket, waker);
                drop(state);
                drop(old);
                return Poll::Pending;
            }
            // Cloned while nothing is locked, and then looked again.
            drop(state);
            waker = Some(cx.waker().clone());
        }
    }

    /// The queue for who gives to it, and never takes.
    #[cfg(feature = "http")]
    pub(crate) fn giver(&self) -> Giver<T> {
        Giver {
            shared: Arc::downgrade(&self.shared),
            ticket: None,
        }
    }

    /// Takes the first item, if there is one. It overtakes those who wait, since it must find what the
    /// [`eventfd`](CompletionQueue::eventfd) announces.
    #[doc(alias = "try_recv")]
    pub fn pop(&self) -> Option<T> {
        let mut state = self.shared.lock();
        let item = state.items.pop_front()?;
        self.shared.tell(state);
        Some(item)
    }

    /// Takes the first item; waits for one. `None` once the queue is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: an item is taken only when it is returned. A future that is forgotten (`mem::forget`) keeps its place
    /// before those behind it.
    pub async fn recv(&self) -> Option<T> {
        let mut place = Place {
            shared: &self.shared,
            ticket: None,
            side: Side::Taker,
        };
        poll_fn(|cx| self.poll_recv(cx, &mut place.ticket)).await
    }

    /// The items as a stream, which takes them as [`recv`](CompletionQueue::recv) does and ends once the queue is closed
    /// and empty.
    ///
    /// ```
    /// use eyewall::queue::CompletionQueue;
    /// use futures_util::StreamExt;
    ///
    /// let queue = CompletionQueue::bounded(2);
    /// queue.push("one").unwrap();
    /// queue.push("two").unwrap();
    /// queue.close();
    /// let all: Vec<_> = eyewall::block_on(queue.items().collect())?;
    /// assert_eq!(all, ["one", "two"]);
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn items(&self) -> Items<T> {
        Items {
            queue: self.clone(),
            ticket: None,
            ended: false,
        }
    }

    fn poll_recv(&self, cx: &mut Context<'_>, ticket: &mut Option<u64>) -> Poll<Option<T>> {
        let mut waker = None;
        loop {
            let mut state = self.shared.lock();
            let count = state.items.len();
            if state.takers.is_turn(*ticket, count) {
                let item = state.items.pop_front();
                let _waker = state.takers.leave(ticket.take());
                self.shared.tell(state);
                return Poll::Ready(item);
            }
            if state.closed && count == 0 {
                return Poll::Ready(None);
            }
            if state.takers.knows(*ticket, cx.waker()) {
                return Poll::Pending;
            }
            if let Some(waker) = waker.take() {
                let old = state.takers.wait(ticket, waker);
                drop(state);
                drop(old);
                return Poll::Pending;
            }
            // As in `poll_push`.
            drop(state);
            waker = Some(cx.waker().clone());
        }
    }

    /// How many items are in the queue.
    pub fn len(&self) -> usize {
        self.shared.lock().items.len()
    }

    /// Whether no item is in the queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items it has room for.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// Takes no more items. Those that are in it can still be taken.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.tell(state);
    }

    /// Whether [`close`](CompletionQueue::close) has been called.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// A descriptor that is readable while items are in the queue, and from its close on, for a foreign event loop
    /// (poll(2), epoll(7)).
    ///
    /// Take with [`pop`](CompletionQueue::pop) until it gives `None`; do not read from the descriptor. It is
    /// made at the first call.
    ///
    /// # Errors
    ///
    /// As eventfd(2).
    pub fn eventfd(&self) -> io::Result<BorrowedFd<'_>> {
        if self.shared.eventfd.get().is_none() {
            // Another thread may have been faster; its descriptor is as good.
            let _ = self.shared.eventfd.set(EventFd::new()?);
            self.shared.tell(self.shared.lock());
        }
        self.shared
            .eventfd
            .get()
            .map(AsFd::as_fd)
            .ok_or_else(|| io::Error::other("no eventfd"))
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those whose turn it is, after a change.
    fn tell(&self, mut state: MutexGuard<'_, State<T>>) {
        let count = state.items.len();
        if let Some(eventfd) = self.eventfd.get() {
            match count > 0 || state.closed {
                true => eventfd.signal(),
                false => eventfd.clear(),
            }
        }
        let (takers, givers) = match state.closed {
            true => (usize::MAX, usize::MAX),
            false => (count, self.capacity.saturating_sub(count)),
        };
        let State {
            takers: waiting_takers,
            givers: waiting_givers,
            ..
        } = &mut *state;
        let due = waiting_takers.due(takers).chain(waiting_givers.due(givers));
        let due: Vec<Waker> = due.collect();
        drop(state);
        wake_all(due);
    }

    /// Gives up the place of `ticket`, if there is one; then it is another's turn.
    fn give_up(&self, side: Side, ticket: Option<u64>) {
        if ticket.is_none() {
            return;
        }
        let mut state = self.lock();
        let _waker = match side {
            Side::Taker => state.takers.leave(ticket),
            Side::Giver => state.givers.leave(ticket),
        };
        self.tell(state);
    }
}

/// A queue for who gives one item to it, and never takes. It does not keep the queue from going with the last of the
/// others.
#[cfg(feature = "http")]
pub(crate) struct Giver<T> {
    shared: Weak<Shared<T>>,
    ticket: Option<u64>,
}

#[cfg(feature = "http")]
impl<T> Giver<T> {
    fn queue(&self) -> Option<CompletionQueue<T>> {
        let shared = self.shared.upgrade()?;
        Some(CompletionQueue { shared })
    }

    /// As [`push_wait`](CompletionQueue::push_wait), but leaves the item where it is until it is in the queue; for
    /// ever if the queue has been closed or has gone.
    pub(crate) async fn push_from(&mut self, item: &mut Option<T>) {
        poll_fn(|cx| match self.queue() {
            Some(queue) => queue.poll_push(cx, item, &mut self.ticket),
            None => Poll::Ready(()),
        })
        .await;
    }

    /// Puts an item to the end, beyond the bound if need be; for who cannot wait any more. Does nothing if the queue
    /// has been closed or has gone.
    pub(crate) fn push_over(&self, item: T) {
        let Some(queue) = self.queue() else {
            return;
        };
        let mut state = queue.shared.lock();
        if !state.closed {
            state.items.push_back(item);
            queue.shared.tell(state);
        }
    }
}

#[cfg(feature = "http")]
impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        if let Some(queue) = self.queue() {
            queue.shared.give_up(Side::Giver, self.ticket);
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Taker,
    Giver,
}

/// A waiter's place, given up when its future ends, one way or the other.
struct Place<'a, T> {
    shared: &'a Shared<T>,
    ticket: Option<u64>,
    side: Side,
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        self.shared.give_up(self.side, self.ticket);
    }
}

/// The items of a [`CompletionQueue`] as a stream; from [`CompletionQueue::items`].
///
/// A queue may have several, and other takers beside them: each item goes to one.
///
/// # Cancel safety
///
/// An item is taken only when it is returned. A stream that has found the queue empty stands in the line of the takers
/// from then on, also while nobody polls it: when it is its turn, an item stays in the queue until it is polled or
/// dropped.
#[must_use = "a stream takes nothing until it is polled"]
pub struct Items<T> {
    queue: CompletionQueue<T>,
    ticket: Option<u64>,
    /// It has said so: what the queue itself says, another thread can change between two looks.
    ended: bool,
}

impl<T> Stream for Items<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Items {
            queue,
            ticket,
            ended,
        } = &mut *self;
        let item = ready!(queue.poll_recv(cx, ticket));
        *ended = item.is_none();
        Poll::Ready(item)
    }
}

impl<T> FusedStream for Items<T> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        self.queue.shared.give_up(Side::Taker, self.ticket);
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(&self.queue).finish()
    }
}

impl<T> Clone for CompletionQueue<T> {
    fn clone(&self) -> CompletionQueue<T> {
        CompletionQueue {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for CompletionQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionQueue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PushError::Full(_) => "Full(..)",
            PushError::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PushError::Full(_) => "the queue has no room",
            PushError::Closed(_) => "the queue has been closed",
        })
    }
}

impl<T> std::error::Error for PushError<T> {}
