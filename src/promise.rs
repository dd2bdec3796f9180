//! A value that is set once, later: the placeholder style of an asynchronous interface.

#![forbid(unsafe_code)]

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::task::{Handle, contain_panic, in_background, is_shut, wake_all};

/// A place for a value: the one half sets it, the other waits for it.
///
/// Both halves stay on the thread of their reactor. To set a value from another thread, spawn through a
/// [`Handle`].
///
/// ```
/// use eyewall::promise::promise;
///
/// eyewall::block_on(async {
///     let (promise, promised) = promise();
///     let (second, answer) = eyewall::promise::promise();
///     promised.on_done(move |result: &Result<u32, _>| {
///         second.set(result.as_ref().map_or(0, |value| value * 2));
///     });
///     promise.set(21);
///     assert_eq!(promised.await, Ok(21));
///     assert_eq!(answer.await, Ok(42));
/// })?;
/// # Ok::<(), eyewall::Error>(())
/// ```
#[doc(alias = "oneshot")]
pub fn promise<T: 'static>() -> (Promise<T>, Promised<T>) {
    let state = Rc::new(RefCell::new(State {
        result: None,
        callbacks: Vec::new(),
        waker: None,
        calling: Calling::NotYet,
        taken: false,
    }));
    let promise = Promise {
        state: Some(Rc::clone(&state)),
    };
    (promise, Promised { state })
}

type Callback<T> = Box<dyn FnOnce(&Result<T, Cancelled>)>;

struct State<T: 'static> {
    result: Option<Result<T, Cancelled>>,
    callbacks: Vec<Callback<T>>,
    waker: Option<Waker>,
    calling: Calling,
    /// The value has been awaited.
    taken: bool,
}

/// Who calls the callbacks.
enum Calling {
    /// Nobody has begun to, or all have been called.
    NotYet,
    /// A task of this reactor, in its next turn. It will see those that are added meanwhile.
    Spawned(Handle),
    /// They are being called; those that are added meanwhile will be seen.
    Now,
}

impl Calling {
    fn has_begun(&self) -> bool {
        !matches!(self, Calling::NotYet)
    }

    /// Whether it will come to nothing as long as somebody waits here.
    fn is_kept_from_running(&self) -> bool {
        matches!(self, Calling::Spawned(reactor) if reactor.is_kept_from_running())
    }
}

/// The half that sets the value; from [`promise`]. Dropping it unset cancels.
pub struct Promise<T: 'static> {
    /// `None` once it has been set.
    state: Option<Rc<RefCell<State<T>>>>,
}

/// The half that waits for the value: a future, and a place for done-callbacks; from [`promise`].
///
/// It belongs to no reactor, and may be awaited in any of its thread, or where none runs. Who will set the value is not
/// known, and so it waits also for what cannot come: that of a task of another reactor, which does not run meanwhile.
#[must_use = "dropping it without a callback throws the value away"]
pub struct Promised<T: 'static> {
    state: Rc<RefCell<State<T>>>,
}

/// The promise was dropped before it was set. `?` makes an [`io::Error`] of it:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use eyewall::promise::promise;
///
/// let (promise, promised) = promise::<u32>();
/// drop(promise);
/// let awaited: std::io::Result<u32> = eyewall::block_on(async { Ok(promised.await?) })?;
/// assert_eq!(awaited.unwrap_err().to_string(), "the promise was dropped before it was set");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled(());

impl<T: 'static> Promise<T> {
    /// Sets the value. Callbacks run in the reactor's next turn, not in this call; for where no reactor runs, see
    /// [`on_done`](Promised::on_done).
    #[doc(alias = "send")]
    pub fn set(mut self, value: T) {
        if let Some(state) = self.state.take() {
            settle(&state, Ok(value));
        }
    }
}

impl<T: 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            settle(&state, Err(Cancelled(())));
        }
    }
}

impl<T: 'static> Promised<T> {
    /// Calls `callback` once with the value, or with [`Cancelled`]: in a turn of the reactor after it was set,
    /// never inside this call or the one that sets it. Callbacks run in the order in which they were added.
    /// One that panics does not stop the others.
    ///
    /// A reactor that is shut down has no later turn: what its end settles calls back at once; where that happens inside of
    /// another one, then in a turn of that.
    ///
    /// Where no reactor runs, there is no turn either, and still no callback is lost or called inside these two: the
    /// next poll of this future calls them, before it gives the value. Where both halves go without such a poll, the
    /// one that goes last does, in its drop; if that is the promise, then at the end of [`set`](Promise::set). Any of
    /// this that happens where a reactor runs leaves the calls to its next turn; if it has had none, a poll in another
    /// reactor makes them.
    ///
    /// One that is added after the value has been awaited is not called: the value has gone.
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// use futures_util::FutureExt;
    ///
    /// let (promise, promised) = eyewall::promise::promise();
    /// let seen = Rc::new(Cell::new(0));
    /// let told = Rc::clone(&seen);
    /// promised.on_done(move |result: &Result<u32, _>| told.set(*result.as_ref().unwrap()));
    /// promise.set(42);
    /// assert_eq!(seen.get(), 0, "no reactor runs here, and nobody has asked");
    /// assert_eq!(promised.now_or_never(), Some(Ok(42)));
    /// assert_eq!(seen.get(), 42);
    /// ```
    pub fn on_done(&self, callback: impl FnOnce(&Result<T, Cancelled>) + 'static) {
        self.state.borrow_mut().callbacks.push(Box::new(callback));
        run_callbacks(&self.state);
    }

    /// Whether the value is there (and not yet taken), or will never be.
    pub fn is_done(&self) -> bool {
        let state = self.state.borrow();
        // A callback that is being called has it.
        state.result.is_some() || state.calling.has_begun()
    }
}

impl<T: 'static> Future for Promised<T> {
    type Output = Result<T, Cancelled>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A foreign waker's clone and drop are user code, which may set the value.
        let waker = cx.waker().clone();
        let calls_here =
            !run_callbacks(&self.state) || self.state.borrow().calling.is_kept_from_running();
        if calls_here {
            call_back(&self.state);
        }
        let mut state = self.state.borrow_mut();
        assert!(!state.taken, "a Promised was polled after it was ready");
        // Callbacks look at the value before it is taken.
        if !state.calling.has_begun()
            && let Some(result) = state.result.take()
        {
            state.taken = true;
            return Poll::Ready(result);
        }
        let old = state.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T: 'static> Drop for Promised<T> {
    /// Nobody awaits the value any more: the memory of who did must not last as long as the promise.
    fn drop(&mut self) {
        let waker = self.state.borrow_mut().waker.take();
        contain_panic(|| drop(waker));
    }
}

/// Sets the result, which nobody else has done: there is one promise.
fn settle<T: 'static>(state: &Rc<RefCell<State<T>>>, result: Result<T, Cancelled>) {
    state.borrow_mut().result = Some(result);
    run_callbacks(state);
}

/// Spawns the task that calls the callbacks, if there is something for it to do and nobody does it. `false`: no reactor
/// runs here, and somebody else has to call them.
fn run_callbacks<T: 'static>(state: &Rc<RefCell<State<T>>>) -> bool {
    let mut inner = state.borrow_mut();
    if inner.result.is_none() || inner.calling.has_begun() {
        return true;
    }
    if inner.callbacks.is_empty() {
        wake(inner);
        return true;
    }
    let Ok(reactor) = Handle::current() else {
        // Whoever polls now makes the calls.
        wake(inner);
        return false;
    };
    inner.calling = Calling::Spawned(reactor);
    drop(inner);
    let mut calls = Calls {
        state: Some(Rc::clone(state)),
        last: false,
    };
    in_background(async move { calls.make() }) || is_shut()
}

/// Wakes whoever awaits the value, once the state is no longer borrowed: that is user code.
fn wake<T: 'static>(mut state: RefMut<'_, State<T>>) {
    let waker = state.waker.take();
    drop(state);
    wake_all(waker);
}

/// The calls of the callbacks, which are made by a task.
struct Calls<T: 'static> {
    state: Option<Rc<RefCell<State<T>>>>,
    /// Nobody else can make them.
    last: bool,
}

impl<T: 'static> Calls<T> {
    fn make(&mut self) {
        if let Some(state) = self.state.take() {
            call_back(&state);
        }
    }
}

impl<T: 'static> Drop for Calls<T> {
    /// The task was refused, or went before its turn.
    fn drop(&mut self) {
        if self.last || is_shut() {
            // There will be no later turn.
            self.make();
        } else if let Some(state) = self.state.take() {
            let mut inner = state.borrow_mut();
            inner.calling = Calling::NotYet;
            // Whoever polls now makes the calls.
            wake(inner);
            if Handle::current().is_ok() {
                // Perhaps nobody does, but another reactor runs, which has turns.
                let mut calls = Calls {
                    state: Some(state),
                    last: false,
                };
                in_background(async move { calls.make() });
            }
        }
    }
}

impl<T: 'static> Drop for State<T> {
    /// Both halves have gone, and nobody has made the calls.
    fn drop(&mut self) {
        let callbacks = std::mem::take(&mut self.callbacks);
        if callbacks.is_empty() || self.result.is_none() {
            return;
        }
        let rest = State {
            result: self.result.take(),
            callbacks,
            waker: None,
            calling: Calling::Now,
            taken: false,
        };
        let mut calls = Calls {
            state: Some(Rc::new(RefCell::new(rest))),
            last: true,
        };
        in_background(async move { calls.make() });
    }
}

fn call_back<T: 'static>(state: &Rc<RefCell<State<T>>>) {
    state.borrow_mut().calling = Calling::Now;
    loop {
        let mut inner = state.borrow_mut();
        if inner.callbacks.is_empty() {
            inner.calling = Calling::NotYet;
            wake(inner);
            return;
        }
        let callback = inner.callbacks.remove(0);
        let result = inner.result.take();
        drop(inner);
        if let Some(result) = &result {
            contain_panic(|| callback(result));
        }
        state.borrow_mut().result = result;
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the promise was dropped before it was set")
    }
}

impl std::error::Error for Cancelled {}

impl From<Cancelled> for io::Error {
    /// Of the kind `Other`, with [`Cancelled`] inside.
    fn from(cancelled: Cancelled) -> io::Error {
        io::Error::other(cancelled)
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Promised<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promised")
            .field("done", &self.is_done())
            .finish_non_exhaustive()
    }
}
