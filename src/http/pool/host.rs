//! What the pool knows about one key: who is active there, and which connections are idle.

use std::cell::RefCell;

use super::gate::Gate;
use crate::http::key::Key;

#[derive(Debug)]
pub(super) struct Host {
    pub(super) key: Key,
    /// The active fetches.
    pub(super) gate: Gate,
    /// The places of its idle connections, newest last.
    pub(super) idle: RefCell<Vec<usize>>,
}

impl Host {
    pub(super) fn new(key: Key, limit: usize) -> Host {
        Host {
            key,
            gate: Gate::new(limit),
            idle: RefCell::default(),
        }
    }

    /// The connection at `place` is no longer idle. Mostly it is the newest one, or the oldest.
    pub(super) fn forget(&self, place: usize) {
        let mut idle = self.idle.borrow_mut();
        if idle.last() == Some(&place) {
            idle.pop();
        } else if let Some(at) = idle.iter().position(|known| *known == place) {
            idle.remove(at);
        }
    }

    /// Nobody is there, waits to be, or is kept: it need not be remembered.
    pub(super) fn is_unused(&self) -> bool {
        self.gate.inside() == 0 && self.gate.waiting() == 0 && self.idle.borrow().is_empty()
    }
}
