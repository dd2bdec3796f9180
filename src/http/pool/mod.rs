//! Connections that wait for their next exchange, and fetches that wait for their place.
//!
//! | file | job |
//! | --- | --- |
//! | `gate.rs` | how many fetches are active, and the queue of the others |
//! | `host.rs` | what is known about one key |
//! | `idle.rs` | the idle connections, in the order of their age |
//! | `calm.rs` | waiting until nothing is active |
//! | `events.rs`, `caretaker.rs` | idle connections that end, have been idle for too long, or give way; deadlines of fetches |
//!
//! A fetch first goes through the gate of its host, then through that of the pool; either queue is first in,
//! first out. It leaves both when its response has ended and its request has been sent, or before the next hop of a
//! redirect.
//!
//! An idle connection keeps its receive armed, which holds no buffer. When its peer closes it, or sends what
//! nobody asked for, the completion wakes the pool's own waker for that connection; the caretaker, one task for
//! the whole pool, then drops the connection before anyone takes it. The same task drops those that have been
//! idle too long, or whose slots in the reactor's table others wait for, and wakes fetches whose deadline is over: most
//! fetches end before theirs, and the deadlines of many need but one timer.

mod calm;
mod caretaker;
mod events;
mod gate;
mod host;
mod idle;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

pub(super) use events::Stir;

use self::calm::Waiting;
use self::caretaker::Caretaker;
use self::events::Events;
use self::gate::Gate;
use self::host::Host;
use self::idle::{Entry, Idle};
use super::connection::Connection;
use super::error::{Error, ErrorKind};
use super::faces::{ClientEvent, Watchers};
use super::key::Route;
use super::proxy::ProxyServer;
use super::spare::Spare;
use crate::reactor::Stock;
use crate::task::{own_wakers, wake_all};

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    /// Idle connections of one host, and in all.
    pub(super) idle_per_host: usize,
    pub(super) idle: usize,
    /// Zero: for ever.
    pub(super) idle_timeout: Duration,
    /// Active fetches of one host, and in all.
    pub(super) active_per_host: usize,
    pub(super) active: usize,
    /// Bytes of memory that is kept for the next bodies.
    pub(super) spare_memory: usize,
}

/// Where no connection has been put by for so long, somebody may have held up the ring.
const HELD_UP: Duration = Duration::from_millis(1);

/// The connections of a client.
#[derive(Debug)]
pub(super) struct Pool {
    limits: PoolLimits,
    watchers: Rc<Watchers>,
    gate: Gate,
    /// By authority, then by the rest of the key.
    hosts: RefCell<HashMap<Box<str>, Vec<Rc<Host>>>>,
    /// The one that was asked for last: mostly it is asked for again, and found without hashing its name.
    last: RefCell<Option<Rc<Host>>>,
    idle: RefCell<Idle>,
    /// [`HELD_UP`] after the response came whose connection was put by last.
    stale_at: Cell<Option<Instant>>,
    active: RefCell<Slab<Active>>,
    closed: Cell<bool>,
    events: Arc<Events>,
    caretaker: Caretaker,
    calm: Waiting,
    /// Open as long as something is active or idle.
    spare: Arc<Spare>,
}

impl Pool {
    pub(super) fn new(mut limits: PoolLimits, watchers: &Rc<Watchers>) -> Rc<Pool> {
        limits.idle = limits.idle.min(Idle::MOST);
        Rc::new(Pool {
            limits,
            watchers: Rc::clone(watchers),
            gate: Gate::new(limits.active),
            hosts: RefCell::default(),
            last: RefCell::default(),
            idle: RefCell::default(),
            stale_at: Cell::new(None),
            active: RefCell::default(),
            closed: Cell::new(false),
            events: Arc::default(),
            caretaker: Caretaker::default(),
            calm: Waiting::default(),
            spare: Spare::new(limits.spare_memory),
        })
    }

    /// How many connections are idle.
    pub(super) fn idle(&self) -> usize {
        self.idle.borrow().len()
    }

    /// How many fetches are active.
    pub(super) fn active(&self) -> usize {
        self.active.borrow().len()
    }

    /// How many fetches wait for their place.
    pub(super) fn queued(&self) -> usize {
        let hosts = self.hosts.borrow();
        let at_hosts: usize = (hosts.values().flatten())
            .map(|host| host.gate.waiting())
            .sum();
        at_hosts + self.gate.waiting()
    }

    /// How many bytes of memory are kept.
    pub(super) fn spare_memory(&self) -> usize {
        self.spare.bytes()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// A place among the active fetches; `None` if that has to be waited for.
    pub(super) fn try_enter(self: &Rc<Pool>, route: &Route<'_>) -> Result<Option<Slot>, Error> {
        if self.closed.get() {
            return Err(Error::new(ErrorKind::Closed));
        }
        let host = self.host(route);
        if !host.gate.try_enter() {
            return Ok(None);
        }
        if !self.gate.try_enter() {
            host.gate.leave();
            return Ok(None);
        }
        Ok(Some(self.slot(host)))
    }

    fn slot(self: &Rc<Pool>, host: Rc<Host>) -> Slot {
        self.spare.open();
        Slot {
            pool: Rc::clone(self),
            host,
            id: self.active.borrow_mut().insert(Active::default()),
        }
    }

    /// Waits for a place among the active fetches.
    pub(super) async fn enter(self: &Rc<Pool>, route: &Route<'_>) -> Result<Slot, Error> {
        let mut arrival = Arrival {
            pool: self,
            host: Some(self.host(route)),
            inside: false,
        };
        let host = arrival.host.as_ref().expect("it has just come");
        let entered = host.gate.enter().await;
        entered.map_err(|_| Error::new(ErrorKind::Closed))?;
        arrival.inside = true;
        let entered = self.gate.enter().await;
        entered.map_err(|_| Error::new(ErrorKind::Closed))?;
        let host = arrival.host.take().expect("it has just come");
        Ok(self.slot(host))
    }

    /// What is known about `route`.
    fn host(&self, route: &Route<'_>) -> Rc<Host> {
        let mut last = self.last.borrow_mut();
        match &*last {
            Some(host) if host.key.fits(route) => Rc::clone(host),
            _ => {
                let host = self.find_host(route);
                let before = last.replace(Rc::clone(&host));
                drop(last);
                if let Some(before) = before {
                    self.tidy_host(&before);
                }
                host
            }
        }
    }

    fn find_host(&self, route: &Route<'_>) -> Rc<Host> {
        let mut hosts = self.hosts.borrow_mut();
        let same = hosts.get(route.authority);
        let known = same.and_then(|same| same.iter().find(|host| host.key.fits(route)));
        if let Some(host) = known {
            return Rc::clone(host);
        }
        let host = Rc::new(Host::new(route.key(), self.limits.active_per_host));
        let same = hosts.entry(route.authority.into()).or_default();
        same.push(Rc::clone(&host));
        host
    }

    /// Whether the pool has been closed; the waker of the active fetch `id` is woken when it is.
    fn poll_closing(&self, id: usize, cx: &mut Context<'_>) -> bool {
        if self.closed.get() {
            return true;
        }
        let waker = cx.waker();
        if let Some(active) = self.active.borrow_mut().get_mut(id) {
            match &active.waker {
                Some(known) if known.will_wake(waker) => return false,
                None if std::ptr::eq(waker.vtable(), own_wakers()) => {
                    active.waker = Some(waker.clone());
                    return false;
                }
                _ => {}
            }
        }
        self.change_waker(id, waker)
    }

    /// The clone and the drop of a foreign waker are user code, which may look into the pool, or close it.
    #[cold]
    #[inline(never)]
    fn change_waker(&self, id: usize, waker: &Waker) -> bool {
        let mut other = Some(waker.clone());
        if let Some(active) = self.active.borrow_mut().get_mut(id) {
            std::mem::swap(&mut active.waker, &mut other);
        }
        drop(other);
        self.closed.get()
    }

    /// Forgets a host that is of no use, but not the one that was asked for last, which may be asked for again.
    fn tidy_host(&self, host: &Rc<Host>) {
        if !host.is_unused() {
            return;
        }
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_some_and(|last| Rc::ptr_eq(last, host)) {
            // A user's connector may hold the client.
            if !self.closed.get() && !host.key.connect.has_code() {
                return;
            }
            *last = None;
        }
        drop(last);
        let mut hosts = self.hosts.borrow_mut();
        if let Some(same) = hosts.get_mut(&host.key.authority) {
            same.retain(|known| !Rc::ptr_eq(known, host));
            if same.is_empty() {
                hosts.remove(&host.key.authority);
            }
        }
    }

    /// Keeps a connection, within the limits: the one idle for longest makes room.
    fn keep(
        &self,
        connection: Box<Connection>,
        host: Rc<Host>,
        stir: Arc<Stir>,
        expires: Option<Instant>,
    ) {
        let mut idle = self.idle.borrow_mut();
        let mut evicted = Vec::new();
        let kept = host.idle.borrow();
        let first = kept.first().copied();
        let first = first.filter(|_| kept.len() >= self.limits.idle_per_host);
        drop(kept);
        if let Some(first) = first {
            evicted.push(idle.remove(first));
        }
        if idle.len() >= self.limits.idle
            && let Some(oldest) = idle.oldest_of(|_| true)
        {
            evicted.push(idle.remove(oldest));
        }
        let place = idle.push(connection, Rc::clone(&host), Arc::clone(&stir), expires);
        stir.set_place(place);
        host.idle.borrow_mut().push(place);
        drop(idle);
        if !evicted.is_empty() {
            self.let_go(evicted);
        }
    }

    /// Drops connections that are no longer kept.
    fn let_go(&self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.tidy_host(&entry.host);
            let remote = entry.connection.ends().peer();
            drop(entry);
            self.watchers.tell(&ClientEvent::IdleClosed { remote });
        }
        self.rest();
    }

    /// Frees the memory for further bodies if nothing is active or idle, and tells who waits for that.
    fn rest(&self) {
        if self.active() > 0 {
            return;
        }
        if self.idle() == 0 {
            self.spare.close();
        }
        self.calm.wake();
    }

    /// Closes the connection that has been idle for longest, if there is one: somebody needs its descriptor.
    pub(super) fn make_room(&self) {
        self.let_go_oldest(|_| true);
    }

    /// Closes so many idle connections of the reactor that runs now, the one idle for longest first: most of them have a
    /// slot each, and as long as it has that, it may keep a fetch from its end.
    fn give_back(&self, slots: usize) -> Stock {
        let of_this = |entry: &Entry| entry.connection.is_current();
        let all = (0..slots).all(|_| self.let_go_oldest(of_this));
        match all {
            true => Stock::Unknown,
            false => Stock::Empty,
        }
    }

    /// Closes the connection that has been idle for longest, of those that are `such`. Whether there was one.
    fn let_go_oldest(&self, such: impl Fn(&Entry) -> bool) -> bool {
        let mut idle = self.idle.borrow_mut();
        let oldest = idle.oldest_of(such).map(|place| idle.remove(place));
        drop(idle);
        let any = oldest.is_some();
        self.let_go(oldest);
        any
    }

    /// Ends everything: idle connections, those who wait, and the active fetches.
    pub(super) fn close(&self) {
        self.closed.set(true);
        let idle = self.idle.borrow_mut().clear();
        drop(idle);
        let hosts: Vec<Rc<Host>> = self.hosts.borrow().values().flatten().cloned().collect();
        for host in hosts {
            host.gate.close();
            self.tidy_host(&host);
        }
        self.gate.close();
        self.rest();
        let mut active = self.active.borrow_mut();
        let wakers = (active.iter_mut()).filter_map(|(_, active)| active.waker.take());
        let wakers: Vec<Waker> = wakers.collect();
        drop(active);
        wake_all(wakers);
        self.events.call();
    }
}

impl Drop for Pool {
    /// Ends the caretaker, which would otherwise sleep until the next deadline.
    fn drop(&mut self) {
        self.spare.close();
        self.events.call();
    }
}

/// An active fetch.
#[derive(Debug, Default)]
struct Active {
    /// Its waker, once it has waited for something.
    waker: Option<Waker>,
    /// Its nearest deadline, where the caretaker sees to that.
    deadline: Option<Instant>,
    /// A deadline was over, or the caretaker went before it was.
    woken: bool,
}

/// One that is on its way to a slot.
struct Arrival<'a> {
    pool: &'a Rc<Pool>,
    /// `None` once it has the slot.
    host: Option<Rc<Host>>,
    /// It is through the host's gate.
    inside: bool,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            if self.inside {
                host.gate.leave();
            }
            self.pool.tidy_host(&host);
            self.pool.rest();
        }
    }
}

/// The place of one active fetch, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    pool: Rc<Pool>,
    host: Rc<Host>,
    id: usize,
}

impl Slot {
    /// The proxy that a request of this key goes to, for a server behind it.
    pub(super) fn forwarder(&self) -> Option<&ProxyServer> {
        self.host.key.forwarder()
    }

    /// Whether what is known of kept connections may be stale. As long as some are put by, of whatever key, the ring mostly
    /// has its turns.
    #[inline]
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.pool.stale_at.get().is_some_and(|at| now >= at)
    }

    /// Whether a connection of this key is kept.
    pub(super) fn finds_kept(&self) -> bool {
        !self.host.idle.borrow().is_empty()
    }

    /// Takes the connection of this key that was used last and is still alive.
    pub(super) fn take(&self, cx: &mut Context<'_>, now: Instant) -> Option<Box<Connection>> {
        loop {
            let mut idle = self.pool.idle.borrow_mut();
            let places = self.host.idle.borrow();
            // One of another reactor of this thread could not be used here: nobody turns that reactor now.
            let place = places.iter().rev().copied().find(|place| {
                idle.get(*place)
                    .is_some_and(|entry| entry.connection.is_current())
            })?;
            drop(places);
            let mut entry = idle.remove(place);
            drop(idle);
            let fresh = entry.expires.is_none_or(|at| now < at);
            if fresh && entry.connection.poll_alive(cx) {
                let mut connection = entry.connection;
                connection.reused = true;
                connection.stir = Some(entry.stir);
                return Some(connection);
            }
            self.pool.let_go([entry]);
        }
    }

    /// Gives up the slot and keeps the connection for the next exchange, within the limits: the one idle for
    /// longest makes room. It is idle since `since`; `keep` is how long the peer keeps it, if it has said so.
    pub(super) fn put(
        self,
        mut connection: Box<Connection>,
        since: Instant,
        keep: Option<Duration>,
    ) {
        let pool = &self.pool;
        let limits = &pool.limits;
        if limits.idle_per_host == 0 || limits.idle == 0 {
            return;
        }
        let known = connection.stir.take();
        let stir = known
            .filter(|stir| stir.tells(&pool.events))
            .unwrap_or_else(|| Stir::new(&pool.events));
        let waker = Waker::from(Arc::clone(&stir));
        // Polling a connection of the user's is user code, which may close the client.
        let alive = connection.poll_alive(&mut Context::from_waker(&waker));
        if !alive || pool.closed.get() {
            return;
        }
        let own = Some(limits.idle_timeout).filter(|own| !own.is_zero());
        let time = match (own, keep) {
            (Some(own), Some(keep)) => Some(own.min(keep)),
            (own, keep) => own.or(keep),
        };
        let expires = time.and_then(|time| since.checked_add(time));
        pool.stale_at.set(since.checked_add(HELD_UP));

        pool.keep(connection, Rc::clone(&self.host), stir, expires);
        Caretaker::see_to(pool, expires);
    }

    /// Whether the client has been closed; the waker is woken when it is.
    pub(super) fn poll_closing(&self, cx: &mut Context<'_>) -> bool {
        self.pool.poll_closing(self.id, cx)
    }

    /// Leaves `deadline` to the caretaker, who wakes the fetch once it is over. `false`: he cannot see to it, or it is
    /// over, and the fetch needs a timer of its own.
    pub(super) fn leave_deadline(&self, deadline: Instant) -> bool {
        let pool = &self.pool;
        let mut actives = pool.active.borrow_mut();
        let Some(active) = actives.get_mut(self.id) else {
            return false;
        };
        if active.deadline.is_none() && active.woken {
            return false;
        }
        // It may have gone on to another reactor.
        let seen_to = pool.caretaker.is_here();
        if active.deadline != Some(deadline) {
            active.deadline = seen_to.then_some(deadline);
            // Where he cannot begin, he looks at those that are active.
            drop(actives);
            match seen_to {
                true => pool.caretaker.hasten(&pool.events, deadline),
                // For the deadlines to come.
                false => _ = Caretaker::begin(pool),
            }
        }
        seen_to
    }

    /// The memory for large bodies.
    pub(super) fn spare(&self) -> &Arc<Spare> {
        &self.pool.spare
    }

    /// To wait for the end of the client.
    pub(super) fn closing(&self) -> Closing {
        Closing {
            pool: Rc::clone(&self.pool),
            id: self.id,
        }
    }
}

/// The end of the client, for one active fetch.
#[derive(Debug)]
pub(super) struct Closing {
    pool: Rc<Pool>,
    id: usize,
}

impl Closing {
    /// Whether the client has been closed; the waker is woken when it is.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> bool {
        self.pool.poll_closing(self.id, cx)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let active = self.pool.active.borrow_mut().remove(self.id);
        drop(active);
        self.pool.gate.leave();
        self.host.gate.leave();
        self.pool.tidy_host(&self.host);
        self.pool.rest();
    }
}
