//! What the user wants to be told while a fetch goes on.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::codec::Head;
use super::trace::Trace;
use super::watch::Watch;
use crate::task::contain_panic;

type OnHead = Rc<RefCell<dyn FnMut(&Head)>>;
type OnBegin = Rc<dyn Fn(&Rc<Watch>)>;
type OnTrace = Rc<RefCell<dyn FnMut(&Trace<'_>)>>;

/// Callbacks of one request. A panic in one is caught, reported by the panic hook and counted; the fetch goes on.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    /// `None` for most requests.
    callbacks: Option<Box<Callbacks>>,
}

#[derive(Clone, Default)]
struct Callbacks {
    begin: Option<OnBegin>,
    interim: Option<OnHead>,
    head: Option<OnHead>,
    trace: Option<OnTrace>,
}

impl Callbacks {
    #[cold]
    fn begin(&self, watch: &Rc<Watch>) {
        if let Some(callback) = &self.begin {
            callback(watch);
        }
    }
}

impl Hooks {
    pub(super) fn on_interim(&mut self, callback: impl FnMut(&Head) + 'static) {
        self.callbacks.get_or_insert_default().interim = Some(Rc::new(RefCell::new(callback)));
    }

    pub(super) fn on_head(&mut self, callback: impl FnMut(&Head) + 'static) {
        self.callbacks.get_or_insert_default().head = Some(Rc::new(RefCell::new(callback)));
    }

    pub(super) fn on_trace(&mut self, callback: impl FnMut(&Trace<'_>) + 'static) {
        self.callbacks.get_or_insert_default().trace = Some(Rc::new(RefCell::new(callback)));
    }

    /// For who gives the fetch up, and then has to say how far it has come. Not a user's.
    pub(super) fn on_begin(&mut self, callback: impl Fn(&Rc<Watch>) + 'static) {
        self.callbacks.get_or_insert_default().begin = Some(Rc::new(callback));
    }

    /// The fetch begins, and is watched over by this.
    #[inline]
    pub(super) fn begin(&self, watch: &Rc<Watch>) {
        if let Some(callbacks) = &self.callbacks {
            callbacks.begin(watch);
        }
    }

    /// An interim response (1xx) has come.
    pub(super) fn interim(&self, head: &Head) {
        self.trace(&Trace::Response(head));
        if let Some(callbacks) = &self.callbacks {
            call(&callbacks.interim, head);
        }
    }

    /// The head of the response that the user will get has come.
    pub(super) fn head(&self, head: &Head) {
        if let Some(callbacks) = &self.callbacks {
            call(&callbacks.head, head);
        }
    }

    /// Whether anybody wants to see every step: where it takes work to tell of one.
    pub(super) fn is_traced(&self) -> bool {
        self.trace_callback().is_some()
    }

    /// The fetch has made a step.
    #[inline]
    pub(super) fn trace(&self, step: &Trace<'_>) {
        if let Some(callback) = self.trace_callback() {
            tell(callback, step);
        }
    }

    fn trace_callback(&self) -> Option<&OnTrace> {
        self.callbacks.as_ref()?.trace.as_ref()
    }
}

#[cold]
fn tell(callback: &OnTrace, step: &Trace<'_>) {
    // One that is running has made this step itself, with a clone of its request.
    if let Ok(mut callback) = callback.try_borrow_mut() {
        contain_panic(|| callback(step));
    }
}

fn call(callback: &Option<OnHead>, head: &Head) {
    // As in `tell`.
    if let Some(callback) = callback
        && let Ok(mut callback) = callback.try_borrow_mut()
    {
        contain_panic(|| callback(head));
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let callbacks = self.callbacks.as_deref();
        let has = |callback: fn(&Callbacks) -> bool| callbacks.is_some_and(callback);
        f.debug_struct("Hooks")
            .field("begin", &has(|callbacks| callbacks.begin.is_some()))
            .field("interim", &has(|callbacks| callbacks.interim.is_some()))
            .field("head", &has(|callbacks| callbacks.head.is_some()))
            .field("trace", &has(|callbacks| callbacks.trace.is_some()))
            .finish()
    }
}
