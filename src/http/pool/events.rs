//! What the wakers of idle connections tell the caretaker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
    /// They hold it, once something has happened, for as long as nobody looks.
    events: Weak<Events>,
}

impl Stir {
    pub(super) fn new(events: &Arc<Events>) -> Arc<Stir> {
        Arc::new(Stir {
            place: AtomicUsize::new(usize::MAX),
            events: Arc::downgrade(events),
        })
    }

    /// Whether it tells those `events`.
    pub(super) fn tells(&self, events: &Arc<Events>) -> bool {
        std::ptr::eq(self.events.as_ptr(), Arc::as_ptr(events))
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
        // The pool may have gone.
        let Some(events) = self.events.upgrade() else {
            return;
        };
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
        // That of our own task: no user code runs when it is cloned or dropped.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_stirred_is_told_once() {
        let events = Arc::new(Events::default());
        let stir = Stir::new(&events);
        assert!(stir.tells(&events) && !stir.tells(&Arc::default()));
        Waker::from(Arc::clone(&stir)).wake();
        let stirred = events.take_stirred();
        assert!(matches!(&stirred[..], [only] if Arc::ptr_eq(only, &stir)));
        assert!(events.take_stirred().is_empty());
    }

    #[test]
    fn what_nobody_has_looked_at_goes_with_the_pool() {
        let events = Arc::new(Events::default());
        let stir = Stir::new(&events);
        let gone = Arc::downgrade(&stir);
        Waker::from(stir).wake();
        drop(events);
        assert!(gone.upgrade().is_none(), "they hold each other");
    }

    #[test]
    fn nobody_is_told_when_the_pool_has_gone() {
        let events = Arc::new(Events::default());
        let stir = Stir::new(&events);
        drop(events);
        Waker::from(stir).wake();
    }
}
