//! The idle connections of all hosts, in the order in which they became idle.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use super::events::Stir;
use super::host::Host;
use crate::http::connection::Connection;

/// A list through a slab: the one that has been idle for longest is found, and any one is taken out, at once.
#[derive(Debug)]
pub(super) struct Idle {
    entries: Slab<Entry>,
    oldest: u32,
    newest: u32,
}

/// A connection that waits for its next exchange.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connection: Box<Connection>,
    pub(super) host: Rc<Host>,
    pub(super) stir: Arc<Stir>,
    /// `None`: it may stay for ever.
    pub(super) expires: Option<Instant>,
    /// The places of its neighbours, in as little room as they take.
    older: u32,
    newer: u32,
}

/// Where nobody is.
const NONE: u32 = u32::MAX;

impl Default for Idle {
    fn default() -> Idle {
        Idle {
            entries: Slab::new(),
            oldest: NONE,
            newest: NONE,
        }
    }
}

impl Idle {
    /// How many it can hold.
    pub(super) const MOST: usize = NONE as usize;

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, place: usize) -> Option<&Entry> {
        self.entries.get(place)
    }

    /// The place of the one that has been idle for longest, of those that are `such`.
    pub(super) fn oldest_of(&self, such: impl Fn(&Entry) -> bool) -> Option<usize> {
        let mut place = self.oldest;
        while place != NONE {
            let entry = &self.entries[place as usize];
            if such(entry) {
                return Some(place as usize);
            }
            place = entry.newer;
        }
        None
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter()
    }

    /// Adds one as the newest, where there are fewer than [`MOST`](Idle::MOST); gives its place.
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
            newer: NONE,
        });
        match older {
            NONE => self.oldest = place as u32,
            older => self.entries[older as usize].newer = place as u32,
        }
        self.newest = place as u32;
        place
    }

    /// Takes one out, here and from the list of its host.
    pub(super) fn remove(&mut self, place: usize) -> Entry {
        let entry = self.entries.remove(place);
        match entry.older {
            NONE => self.oldest = entry.newer,
            older => self.entries[older as usize].newer = entry.newer,
        }
        match entry.newer {
            NONE => self.newest = entry.older,
            newer => self.entries[newer as usize].older = entry.older,
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
