//! What was found lately.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The addresses of a name, shared by all who asked.
pub(super) type Addresses = Rc<[SocketAddr]>;

/// Names and their addresses, each for the same short time; bounded.
#[derive(Debug)]
pub(super) struct Cache {
    names: HashMap<Rc<str>, Entry>,
    /// Oldest first, which is also the order in which they expire.
    order: VecDeque<Rc<str>>,
    limit: usize,
    keep: Duration,
}

#[derive(Debug)]
struct Entry {
    addresses: Addresses,
    /// `None`: never.
    expires: Option<Instant>,
}

impl Entry {
    fn is_fresh(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl Cache {
    pub(super) fn new(limit: usize, keep: Duration) -> Cache {
        Cache {
            names: HashMap::new(),
            order: VecDeque::new(),
            limit,
            keep,
        }
    }

    pub(super) fn get(&self, name: &str, now: Instant) -> Option<Addresses> {
        let entry = self.names.get(name)?;
        entry.is_fresh(now).then(|| Rc::clone(&entry.addresses))
    }

    pub(super) fn insert(&mut self, name: Rc<str>, addresses: Addresses, now: Instant) {
        let entry = Entry {
            addresses,
            expires: now.checked_add(self.keep),
        };
        if !entry.is_fresh(now) {
            return;
        }
        if self.names.insert(Rc::clone(&name), entry).is_some() {
            self.order.retain(|known| *known != name);
        }
        self.order.push_back(name);
        self.shrink(now);
    }

    /// Drops what has expired, and the oldest while there are too many.
    fn shrink(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front() {
            let full = self.order.len() > self.limit;
            if !full && self.names[oldest].is_fresh(now) {
                return;
            }
            self.names.remove(oldest);
            self.order.pop_front();
        }
    }
}
