//! The idle connections of all hosts, in the order in which they became idle.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use super::events::Stir;
use super::host::Host;
use crate::http::connection::Connection;

/// A list through a slab: the one that has been idle for longest is found, and any one is taken out, at once.
#[derive(Debug, Default)]
pub(super) struct Idle {
    entries: Slab<Entry>,
    oldest: Option<usize>,
    newest: Option<usize>,
}

/// A connection that waits for its next exchange.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connection: Box<Connection>,
    pub(super) host: Rc<Host>,
    pub(super) stir: Arc<Stir>,
    /// `None`: it may stay for ever.
    pub(super) expires: Option<Instant>,
    older: Option<usize>,
    newer: Option<usize>,
}

impl Idle {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Entry> {
        self.entries.get_mut(place)
    }

    pub(super) fn oldest(&self) -> Option<usize> {
        self.oldest
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter()
    }

    /// Adds one as the newest; gives its place.
    pub(super) fn push(
        &mut self,
        connection: Box<Connection>,
        host: Rc<Host>,
        stir: Arc<Stir>,
        expires: Option<Instant>,
    ) -> usize {
        let older = self.newest;
        let place = self.entries.insert(Entry {
            connection,
            host,
            stir,
            expires,
            older,
            newer: None,
        });
        match older {
            Some(older) => self.entries[older].newer = Some(place),
            None => self.oldest = Some(place),
        }
        self.newest = Some(place);
        place
    }

    /// Takes one out, here and from the list of its host.
    pub(super) fn remove(&mut self, place: usize) -> Entry {
        let entry = self.entries.remove(place);
        match entry.older {
            Some(older) => self.entries[older].newer = entry.newer,
            None => self.oldest = entry.newer,
        }
        match entry.newer {
            Some(newer) => self.entries[newer].older = entry.older,
            None => self.newest = entry.older,
        }
        entry.host.forget(place);
        entry
    }

    /// Takes all out.
    pub(super) fn clear(&mut self) -> Vec<Entry> {
        let all = std::mem::take(self);
        let entries: Vec<Entry> = all.entries.into_iter().map(|(_, entry)| entry).collect();
        for entry in &entries {
            entry.host.idle.borrow_mut().clear();
        }
        entries
    }
}
