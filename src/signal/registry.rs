//! Callbacks by signal: the registry style of an asynchronous interface.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use futures_util::StreamExt;

use super::{Signal, Signals, stream};
use crate::reactor::Core;
use crate::task::{contain_panic, in_background};

/// Calls `callback` for every arrival of `signal`, until the returned registration is dropped. Arrivals that come close
/// behind each other may be one call, as the [module's page](super) says.
///
/// Callbacks run on the reactor's thread, in a turn of their own, those of one signal in the order of their
/// registration. One that panics does not stop the others, nor its own next call. A callback may register others,
/// and drop registrations, its own too.
///
/// # Errors
///
/// As [`stream()`].
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use eyewall::signal::{self, Signal};
///
/// eyewall::block_on(async {
///     let calls = Rc::new(Cell::new(0));
///     let seen = Rc::clone(&calls);
///     let registration = signal::on(Signal::USER_2, move |_| seen.set(seen.get() + 1))?;
///     signal_hook::low_level::raise(Signal::USER_2.number())?;
///     while calls.get() == 0 {
///         eyewall::yield_now().await;
///     }
///     drop(registration);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn on(signal: Signal, callback: impl FnMut(Signal) + 'static) -> io::Result<Registration> {
    let registry: Rc<Registry> = Core::current()?.local();
    let mut entries = registry.entries.borrow_mut();
    let known = entries
        .iter()
        .find(|list| list.signal == signal)
        .and_then(|list| list.callbacks.upgrade());
    let callbacks = match known {
        Some(callbacks) => callbacks,
        None => {
            let arrivals = stream(signal)?;
            let callbacks: Rc<Callbacks> = Rc::default();
            entries.retain(|list| list.callbacks.strong_count() > 0);
            entries.push(List {
                signal,
                callbacks: Rc::downgrade(&callbacks),
            });
            in_background(deliver(arrivals, Rc::downgrade(&callbacks)));
            callbacks
        }
    };
    let callback: Callback = Rc::new(RefCell::new(callback));
    callbacks.list.borrow_mut().push(Rc::clone(&callback));
    Ok(Registration {
        signal,
        callbacks,
        callback,
    })
}

type Callback = Rc<RefCell<dyn FnMut(Signal)>>;

/// The callbacks of a reactor. The registrations hold the lists; the last to go ends the delivery.
#[derive(Default)]
struct Registry {
    entries: RefCell<Vec<List>>,
}

struct List {
    signal: Signal,
    callbacks: Weak<Callbacks>,
}

#[derive(Default)]
struct Callbacks {
    list: RefCell<Vec<Callback>>,
    /// The delivery, to be woken when the last registration goes.
    delivery: RefCell<Option<std::task::Waker>>,
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        if let Some(waker) = self.delivery.take() {
            waker.wake();
        }
    }
}

/// Calls the callbacks for each arrival, until none is left.
async fn deliver(mut arrivals: Signals, callbacks: Weak<Callbacks>) {
    loop {
        let arrival = std::future::poll_fn(|cx| {
            let Some(callbacks) = callbacks.upgrade() else {
                return std::task::Poll::Ready(None);
            };
            drop(callbacks.delivery.replace(Some(cx.waker().clone())));
            arrivals.poll_next_unpin(cx)
        });
        let Some(signal) = arrival.await else {
            return;
        };
        let Some(callbacks) = callbacks.upgrade() else {
            return;
        };
        // A copy, because callbacks may change the list.
        let list = callbacks.list.borrow().clone();
        for callback in list {
            let registered = callbacks
                .list
                .borrow()
                .iter()
                .any(|known| Rc::ptr_eq(known, &callback));
            if registered {
                contain_panic(|| (callback.borrow_mut())(signal));
            }
            // It may have taken itself out: then what it keeps goes here.
            contain_panic(|| drop(callback));
        }
    }
}

/// A callback in the registry; from [`on`]. Dropping it takes the callback out.
#[must_use = "dropping a registration takes its callback out again"]
pub struct Registration {
    signal: Signal,
    callbacks: Rc<Callbacks>,
    callback: Callback,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut list = self.callbacks.list.borrow_mut();
        list.retain(|known| !Rc::ptr_eq(known, &self.callback));
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("signal", &self.signal)
            .finish_non_exhaustive()
    }
}
