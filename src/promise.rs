//! A value that is set once, later: the placeholder style of an asynchronous interface.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::task::{contain_panic, in_background, is_shut};

/// A place for a value: the one half sets it, the other waits for it.
///
/// Both halves stay on the thread of their reactor. To set a value from another thread, spawn through a
/// [`Handle`](crate::task::Handle).
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
pub fn promise<T: 'static>() -> (Promise<T>, Promised<T>) {
    let state = Rc::new(RefCell::new(State {
        result: None,
        callbacks: Vec::new(),
        waker: None,
        running: false,
    }));
    let promise = Promise {
        state: Rc::clone(&state),
    };
    (promise, Promised { state })
}

type Callback<T> = Box<dyn FnOnce(&Result<T, Cancelled>)>;

struct State<T> {
    result: Option<Result<T, Cancelled>>,
    callbacks: Vec<Callback<T>>,
    waker: Option<Waker>,
    /// The task that calls the callbacks has been spawned, and will see those that are added meanwhile.
    running: bool,
}

/// The half that sets the value; from [`promise`]. Dropping it unset cancels.
pub struct Promise<T: 'static> {
    state: Rc<RefCell<State<T>>>,
}

/// The half that waits for the value: a future, and a place for done-callbacks; from [`promise`].
#[must_use = "dropping it without a callback throws the value away"]
pub struct Promised<T: 'static> {
    state: Rc<RefCell<State<T>>>,
}

/// The promise was dropped before it was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled(());

impl<T: 'static> Promise<T> {
    /// Sets the value. Callbacks run in the reactor's next turn, not in this call.
    pub fn set(self, value: T) {
        settle(&self.state, Ok(value));
    }
}

impl<T: 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        settle(&self.state, Err(Cancelled(())));
    }
}

impl<T: 'static> Promised<T> {
    /// Calls `callback` once with the value, or with [`Cancelled`]: in a turn of the reactor after it was set,
    /// never inside this call or the one that sets it. Callbacks run in the order in which they were added.
    /// One that panics does not stop the others.
    ///
    /// A reactor that is shut down has no later turn: what its end settles calls back at once. Where no reactor
    /// runs, callbacks wait until a later call here, or a poll, is made in one. One that is added
    /// after the value has been awaited is not called: the value has gone.
    pub fn on_done(&self, callback: impl FnOnce(&Result<T, Cancelled>) + 'static) {
        self.state.borrow_mut().callbacks.push(Box::new(callback));
        run_callbacks(&self.state);
    }

    /// Whether the value is there (and not yet taken), or will never be.
    pub fn is_done(&self) -> bool {
        self.state.borrow().result.is_some()
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
        run_callbacks(&self.state);
        let mut state = self.state.borrow_mut();
        // Callbacks look at the value before it is taken.
        if !state.running
            && let Some(result) = state.result.take()
        {
            return Poll::Ready(result);
        }
        let old = state.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

/// Sets the result, unless there is one already.
fn settle<T: 'static>(state: &Rc<RefCell<State<T>>>, result: Result<T, Cancelled>) {
    let mut inner = state.borrow_mut();
    if inner.result.is_some() {
        return;
    }
    inner.result = Some(result);
    drop(inner);
    run_callbacks(state);
}

/// Spawns the task that calls the callbacks, if there is something for it to do and nobody does it.
fn run_callbacks<T: 'static>(state: &Rc<RefCell<State<T>>>) {
    let mut inner = state.borrow_mut();
    if inner.result.is_none() || inner.running {
        return;
    }
    let waker = match inner.callbacks.is_empty() {
        true => inner.waker.take(),
        false => {
            inner.running = true;
            None
        }
    };
    let running = inner.running;
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
    if running {
        let mut calls = Calls(Some(Rc::clone(state)));
        in_background(async move { calls.make() });
    }
}

/// The calls of the callbacks, which are made by a task.
struct Calls<T: 'static>(Option<Rc<RefCell<State<T>>>>);

impl<T: 'static> Calls<T> {
    fn make(&mut self) {
        if let Some(state) = self.0.take() {
            call_back(&state);
        }
    }
}

impl<T: 'static> Drop for Calls<T> {
    /// The task was refused, or went before its turn.
    fn drop(&mut self) {
        if is_shut() {
            // There will be no later turn.
            self.make();
        } else if let Some(state) = &self.0 {
            state.borrow_mut().running = false;
        }
    }
}

fn call_back<T: 'static>(state: &Rc<RefCell<State<T>>>) {
    loop {
        let mut inner = state.borrow_mut();
        if inner.callbacks.is_empty() {
            inner.running = false;
            let waker = inner.waker.take();
            drop(inner);
            if let Some(waker) = waker {
                waker.wake();
            }
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

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Promised<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promised")
            .field("done", &self.state.borrow().result.is_some())
            .finish_non_exhaustive()
    }
}
