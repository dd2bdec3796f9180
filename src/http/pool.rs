//! Connections that wait for their next exchange.
//!
//! An idle connection keeps its receive armed, which holds no buffer. When its peer closes it, or sends what
//! nobody asked for, the completion wakes the pool's own waker for that connection; the caretaker, one task for
//! the whole pool, then drops the connection before anyone takes it. The same task drops those that have been
//! idle too long.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::origin::Origin;
use crate::time::{Sleep, sleep_until};

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    pub(super) per_origin: usize,
    pub(super) total: usize,
    pub(super) idle_timeout: Duration,
}

/// Idle connections by origin.
#[derive(Debug)]
pub(super) struct Pool {
    limits: PoolLimits,
    idle: RefCell<Idle>,
    events: Arc<Events>,
    /// The caretaker task runs.
    tended: Cell<bool>,
}

#[derive(Debug, Default)]
struct Idle {
    /// Each with the newest last.
    by_origin: HashMap<Origin, Vec<Entry>>,
    count: usize,
    next_id: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    since: Instant,
    connection: Connection,
}

/// What the wakers of idle connections tell the caretaker.
#[derive(Debug, Default)]
struct Events {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Connections on which something happened.
    stirred: Vec<(u64, Origin)>,
    caretaker: Option<Waker>,
}

/// The waker of one idle connection.
struct Stir {
    id: u64,
    origin: Origin,
    events: Arc<Events>,
}

impl Wake for Stir {
    fn wake(self: Arc<Stir>) {
        let mut inner = self.events.lock();
        inner.stirred.push((self.id, self.origin.clone()));
        let caretaker = inner.caretaker.take();
        drop(inner);
        if let Some(caretaker) = caretaker {
            caretaker.wake();
        }
    }
}

impl Events {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    pub(super) fn new(limits: PoolLimits) -> Rc<Pool> {
        Rc::new(Pool {
            limits,
            idle: RefCell::default(),
            events: Arc::default(),
            tended: Cell::new(false),
        })
    }

    /// How many connections are idle.
    pub(super) fn len(&self) -> usize {
        self.idle.borrow().count
    }

    /// Takes the connection to `origin` that was used last and is still alive.
    pub(super) fn take(&self, origin: &Origin, cx: &mut Context<'_>) -> Option<Connection> {
        loop {
            let mut idle = self.idle.borrow_mut();
            let entries = idle.by_origin.get_mut(origin)?;
            // One of another reactor of this thread could not be used here: nobody turns that reactor now.
            let at = entries
                .iter()
                .rposition(|entry| entry.connection.stream.is_current())?;
            let entry = Some(entries.remove(at));
            if entries.is_empty() {
                idle.by_origin.remove(origin);
            }
            let Entry {
                since,
                mut connection,
                ..
            } = entry?;
            idle.count -= 1;
            drop(idle);
            if since.elapsed() < self.limits.idle_timeout && connection.poll_alive(cx) {
                connection.reused = true;
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next exchange, within the limits: the one idle for longest makes room.
    pub(super) fn put(self: &Rc<Pool>, mut connection: Connection) {
        if self.limits.per_origin == 0 || self.limits.total == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let id = idle.next_id;
        idle.next_id += 1;
        drop(idle);
        let waker = Waker::from(Arc::new(Stir {
            id,
            origin: connection.origin.clone(),
            events: Arc::clone(&self.events),
        }));
        if !connection.poll_alive(&mut Context::from_waker(&waker)) {
            return;
        }
        let mut evicted = Vec::new();
        let mut idle = self.idle.borrow_mut();
        let entries = idle.by_origin.entry(connection.origin.clone()).or_default();
        if entries.len() >= self.limits.per_origin {
            evicted.push(entries.remove(0));
        }
        entries.push(Entry {
            id,
            since: Instant::now(),
            connection,
        });
        idle.count += 1 - evicted.len();
        if idle.count > self.limits.total {
            evicted.extend(idle.remove_oldest());
        }
        drop(idle);
        drop(evicted);
        if !self.tended.replace(true) {
            crate::task::in_background(tend(Tending(Rc::downgrade(self))));
        }
    }

    /// Drops the connections on which something happened, and those idle for too long. Returns when the next
    /// one will have been; `None` when none is left.
    fn tidy(&self) -> Option<Instant> {
        let stirred = std::mem::take(&mut self.events.lock().stirred);
        let now = Instant::now();
        let mut gone = Vec::new();
        let mut idle = self.idle.borrow_mut();
        for (id, origin) in stirred {
            gone.extend(idle.remove(id, &origin));
        }
        let mut next: Option<Instant> = None;
        let timeout = self.limits.idle_timeout;
        for entries in idle.by_origin.values_mut() {
            let old = entries.partition_point(|entry| now.duration_since(entry.since) >= timeout);
            gone.extend(entries.drain(..old));
            let first = entries
                .first()
                .and_then(|entry| entry.since.checked_add(timeout));
            next = [next, first].into_iter().flatten().min();
        }
        idle.by_origin.retain(|_, entries| !entries.is_empty());
        idle.count = idle.by_origin.values().map(Vec::len).sum();
        let any = idle.count > 0;
        drop(idle);
        drop(gone);
        match next {
            None if any => Some(now + Duration::from_secs(3600)),
            next => next,
        }
    }
}

impl Idle {
    fn remove(&mut self, id: u64, origin: &Origin) -> Option<Entry> {
        let entries = self.by_origin.get_mut(origin)?;
        let at = entries.iter().position(|entry| entry.id == id)?;
        self.count -= 1;
        Some(entries.remove(at))
    }

    fn remove_oldest(&mut self) -> Option<Entry> {
        let (origin, id) = self
            .by_origin
            .iter()
            .filter_map(|(origin, entries)| Some((origin, entries.first()?)))
            .min_by_key(|(_, entry)| entry.since)
            .map(|(origin, entry)| (origin.clone(), entry.id))?;
        self.remove(id, &origin)
    }
}

/// Says that the caretaker has gone, however it ended: by itself, or with its reactor.
struct Tending(Weak<Pool>);

impl Drop for Tending {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.tended.set(false);
        }
    }
}

/// The caretaker: runs while there is something to take care of.
async fn tend(tending: Tending) {
    let mut sleep: Option<Sleep> = None;
    poll_fn(|cx| {
        let Some(pool) = tending.0.upgrade() else {
            return Poll::Ready(());
        };
        loop {
            pool.events.lock().caretaker = Some(cx.waker().clone());
            let Some(next) = pool.tidy() else {
                return Poll::Ready(());
            };
            if sleep.as_ref().and_then(Sleep::deadline) != Some(next) {
                sleep = Some(sleep_until(next));
            }
            let over = sleep
                .as_mut()
                .is_some_and(|sleep| Pin::new(sleep).poll(cx).is_ready());
            if !over {
                return Poll::Pending;
            }
            sleep = None;
        }
    })
    .await;
}

impl Drop for Pool {
    /// Ends the caretaker, which would otherwise sleep until the next deadline.
    fn drop(&mut self) {
        let caretaker = self.events.lock().caretaker.take();
        if let Some(caretaker) = caretaker {
            caretaker.wake();
        }
    }
}
