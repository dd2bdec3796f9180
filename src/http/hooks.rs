//! What the user wants to be told while a fetch goes on.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::codec::Head;
use crate::task::contain_panic;

type OnHead = Rc<RefCell<dyn FnMut(&Head)>>;

/// Callbacks of one request. A panic in one is caught, reported by the panic hook and counted; the fetch goes on.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    interim: Option<OnHead>,
    head: Option<OnHead>,
}

impl Hooks {
    pub(super) fn on_interim(&mut self, callback: impl FnMut(&Head) + 'static) {
        self.interim = Some(Rc::new(RefCell::new(callback)));
    }

    pub(super) fn on_head(&mut self, callback: impl FnMut(&Head) + 'static) {
        self.head = Some(Rc::new(RefCell::new(callback)));
    }

    /// An interim response (1xx) has come.
    pub(super) fn interim(&self, head: &Head) {
        call(&self.interim, head);
    }

    /// The head of the response that the user will get has come.
    pub(super) fn head(&self, head: &Head) {
        call(&self.head, head);
    }
}

fn call(callback: &Option<OnHead>, head: &Head) {
    if let Some(callback) = callback {
        contain_panic(|| callback.borrow_mut()(head));
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("interim", &self.interim.is_some())
            .field("head", &self.head.is_some())
            .finish()
    }
}
