//! The caretaker of a pool: one task, which drops the connections that have ended or been idle for too long, or whose
//! slots in the reactor's table are needed, and wakes the fetches whose deadline is over.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Pool;
use super::events::Events;
use crate::reactor::{Core, Relief, Stock};
use crate::task::wake_all;
use crate::time::{Sleep, sleep_until};

/// Connections that expire within this time of each other go together, so that many of them do not cost a look at
/// all the others each.
const TOGETHER: Duration = Duration::from_millis(50);

/// When there is nothing to be done at a known time.
const LONG: Duration = Duration::from_secs(3600);

/// What the pool knows of its caretaker.
#[derive(Debug, Default)]
pub(super) struct Caretaker {
    runs: Cell<bool>,
    /// When it wakes by itself.
    next: Cell<Option<Instant>>,
    /// What the reactor asks of it.
    stock: Rc<Cell<Stock>>,
    /// The reactor that it runs on.
    core: RefCell<Weak<Core>>,
}

/// Says that the caretaker has gone, however it ended: by itself, or with its reactor.
struct Tending(Weak<Pool>);

impl Drop for Tending {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.caretaker.runs.set(false);
            pool.caretaker.next.set(None);
            // From now on they see to their deadlines themselves.
            wake_those(&pool, |_| true);
        }
    }
}

impl Caretaker {
    /// Begins, if it does not run.
    pub(super) fn begin(pool: &Rc<Pool>) -> bool {
        if pool.caretaker.runs.replace(true) {
            return false;
        }
        let core = Core::current().map(|core| Rc::downgrade(&core));
        pool.caretaker.core.replace(core.unwrap_or_default());
        crate::task::in_background(tend(Tending(Rc::downgrade(pool))));
        true
    }

    /// A connection that may stay until `expires` has come to `pool`.
    pub(super) fn see_to(pool: &Rc<Pool>, expires: Option<Instant>) {
        if Caretaker::begin(pool) {
            return;
        }
        let next = pool.caretaker.next.get();
        let sooner = expires.is_some_and(|expires| next.is_some_and(|next| expires < next));
        if sooner || pool.caretaker.stock.get() == Stock::Empty {
            pool.events.call();
        }
    }

    /// Lets it wake by `deadline`; it is [here](Caretaker::is_here).
    pub(super) fn hasten(&self, events: &Events, deadline: Instant) {
        if self.next.get().is_some_and(|next| deadline < next) {
            self.next.set(Some(deadline));
            events.call();
        }
    }

    /// Whether it has begun, on the reactor that is turned now.
    pub(super) fn is_here(&self) -> bool {
        let core = self.core.borrow().upgrade();
        self.next.get().is_some() && core.is_some_and(|core| core.is_current())
    }
}

/// Runs as long as its pool and its reactor.
async fn tend(tending: Tending) {
    let mut sleep: Option<Sleep> = None;
    let mut relief: Option<Relief> = None;
    poll_fn(|cx| {
        let Some(pool) = tending.0.upgrade() else {
            return Poll::Ready(());
        };
        let core = pool.caretaker.core.borrow().upgrade();
        let stock = &pool.caretaker.stock;
        if let Some(core) = &core {
            relief.get_or_insert_with(|| Relief::new(core, cx.waker(), stock));
        }
        let before = pool.idle();
        loop {
            pool.events.set_caretaker(cx.waker());
            let idle = tidy(&pool).unwrap_or_else(|| idle_since(&pool, sleep.is_none()));
            if let Some(core) = &core
                && stock.replace(Stock::Unknown) != Stock::Unknown
            {
                let gone = before.saturating_sub(pool.idle());
                stock.set(pool.give_back(core.missing_slots().saturating_sub(gone)));
            }
            let next = wake_late(&pool).map_or(idle, |deadline| deadline.min(idle));
            pool.caretaker.next.set(Some(next));
            match &mut sleep {
                Some(sleep) if sleep.deadline() == Some(next) => {}
                Some(sleep) => sleep.reset(next),
                none => *none = Some(sleep_until(next)),
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

/// Wakes the fetches whose deadline is over. Says when the next one is.
fn wake_late(pool: &Pool) -> Option<Instant> {
    let now = Instant::now();
    wake_those(pool, |deadline| deadline <= now)
}

/// Wakes the fetches with such a deadline. Says when the next one of the others is.
fn wake_those(pool: &Pool, such: impl Fn(Instant) -> bool) -> Option<Instant> {
    let mut next: Option<Instant> = None;
    let mut late = Vec::new();
    for (_, active) in &mut *pool.active.borrow_mut() {
        match active.deadline {
            Some(deadline) if such(deadline) => {
                active.deadline = None;
                active.woken = true;
                late.extend(active.waker.take());
            }
            Some(deadline) => next = Some(next.map_or(deadline, |next| next.min(deadline))),
            None => {}
        }
    }
    wake_all(late);
    next
}

/// When to look again at a pool without idle connections. The time of the connection that has just been taken stays,
/// since the next one to come expires later, and need not call; `looked` says that it is over.
fn idle_since(pool: &Pool, looked: bool) -> Instant {
    let next = pool.caretaker.next.get();
    let first = || Instant::now() + pool.limits.idle_timeout.min(LONG);
    match next {
        Some(_) if looked => Instant::now() + LONG,
        known => known.unwrap_or_else(first),
    }
}

/// Drops the connections on which something happened, and those idle for too long. Says when to look again, if one
/// is left.
fn tidy(pool: &Rc<Pool>) -> Option<Instant> {
    let mut gone = Vec::new();
    for stir in pool.events.take_stirred() {
        let place = stir.place();
        let mut idle = pool.idle.borrow_mut();
        // It may have been taken meanwhile, and another one be in its place.
        let known = idle.get(place);
        if known.is_none_or(|entry| !Arc::ptr_eq(&entry.stir, &stir)) {
            continue;
        }
        // Polling a connection of the user's is user code, which may look into the pool, or panic.
        let mut entry = idle.remove(place);
        drop(idle);
        let waker = Waker::from(stir);
        let alive = entry
            .connection
            .poll_alive(&mut Context::from_waker(&waker));
        if alive && !pool.is_closed() {
            pool.keep(entry.connection, entry.host, entry.stir, entry.expires);
        } else {
            gone.push(entry);
        }
    }
    let now = Instant::now();
    let mut idle = pool.idle.borrow_mut();
    let expired: Vec<usize> = idle
        .iter()
        .filter(|(_, entry)| entry.expires.is_some_and(|at| at <= now))
        .map(|(place, _)| place)
        .collect();
    gone.extend(expired.into_iter().map(|place| idle.remove(place)));
    let next = idle.iter().filter_map(|(_, entry)| entry.expires).min();
    let any = idle.len() > 0;
    drop(idle);
    pool.let_go(gone);
    any.then(|| next.map_or(now + LONG, |next| next.max(now + TOGETHER)))
}
