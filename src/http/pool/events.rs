//! What the wakers of idle connections tell the caretaker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

#[derive(Debug, Default)]
pub(super) struct Events {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Connections on which something happened.
    stirred: Vec<Arc<Stir>>,
    caretaker: Option<Waker>,
}

/// The waker of one connection while it is idle; made once, and kept with it.
#[derive(Debug)]
pub(in crate::http) struct Stir {
    /// Where the connection is among the idle ones.
    place: AtomicUsize,
    events: Arc<Events>,
}

impl Stir {
    pub(super) fn new(events: &Arc<Events>) -> Arc<Stir> {
        Arc::new(Stir {
            place: AtomicUsize::new(usize::MAX),
            events: Arc::clone(events),
        })
    }

    /// Whether it tells those `events`.
    pub(super) fn tells(&self, events: &Arc<Events>) -> bool {
        Arc::ptr_eq(&self.events, events)
    }

    pub(super) fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }

    pub(super) fn set_place(&self, place: usize) {
        self.place.store(place, Ordering::Relaxed);
    }
}

impl Wake for Stir {
    fn wake(self: Arc<Stir>) {
        let events = Arc::clone(&self.events);
        let mut inner = events.lock();
        inner.stirred.push(self);
        let caretaker = inner.caretaker.take();
        drop(inner);
        if let Some(caretaker) = caretaker {
            caretaker.wake();
        }
    }
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_stirred(&self) -> Vec<Arc<Stir>> {
        std::mem::take(&mut self.lock().stirred)
    }

    pub(super) fn set_caretaker(&self, waker: &Waker) {
        let mut inner = self.lock();
        match &mut inner.caretaker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Wakes the caretaker, if it sleeps.
    pub(super) fn call(&self) {
        let caretaker = self.lock().caretaker.take();
        if let Some(caretaker) = caretaker {
            caretaker.wake();
        }
    }
}
