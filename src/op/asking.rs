//! How many streams await an answer.

use std::cell::Cell;

/// Counts the streams on which something has been sent and nothing been received since. (Datagrams go to many.)
///
/// Each has a cell of its own that says whether it counts: by the epoch in which it began to. So all can be given up
/// without a look at any.
#[derive(Debug)]
pub(crate) struct Asking {
    count: Cell<u32>,
    /// How many of them have connected from here.
    callers: Cell<u32>,
    /// Never zero, which is what the cell of a socket begins with.
    epoch: Cell<u32>,
}

impl Default for Asking {
    fn default() -> Asking {
        Asking {
            count: Cell::new(0),
            callers: Cell::new(0),
            epoch: Cell::new(1),
        }
    }
}

impl Asking {
    /// How many they are.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        self.count.get()
    }

    /// How many of them have connected from here. Who has been called is asked, and what it says is mostly an answer
    /// itself: when the next question comes, is the peer's affair.
    #[inline]
    pub(crate) fn callers(&self) -> u32 {
        self.callers.get()
    }

    /// The socket of this cell awaits an answer; whether it `called`.
    #[inline]
    pub(super) fn begin(&self, asked: &Cell<u32>, called: bool) {
        let epoch = self.epoch.get();
        if asked.replace(epoch) != epoch {
            self.count.set(self.count.get().saturating_add(1));
            let callers = self.callers.get();
            self.callers.set(callers.saturating_add(u32::from(called)));
        }
    }

    /// The socket of this cell has got it, or has gone.
    #[inline]
    pub(super) fn end(&self, asked: &Cell<u32>, called: bool) {
        if asked.replace(0) == self.epoch.get() {
            self.count.set(self.count.get().saturating_sub(1));
            let callers = self.callers.get();
            self.callers.set(callers.saturating_sub(u32::from(called)));
        }
    }

    /// What has been asked for so far gets no answer.
    pub(crate) fn give_up(&self) {
        self.count.set(0);
        self.callers.set(0);
        self.epoch.set(self.epoch.get().checked_add(1).unwrap_or(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_counts_once_from_its_question_to_its_answer() {
        let asking = Asking::default();
        let sockets = [const { Cell::new(0) }; 3];
        asking.end(&sockets[0], false);
        assert_eq!(asking.count(), 0, "nothing was asked");
        asking.begin(&sockets[0], false);
        asking.begin(&sockets[0], false);
        asking.begin(&sockets[1], true);
        assert_eq!((asking.count(), asking.callers()), (2, 1));
        asking.end(&sockets[0], false);
        asking.end(&sockets[0], false);
        assert_eq!(asking.count(), 1);
        asking.end(&sockets[1], true);
        assert_eq!((asking.count(), asking.callers()), (0, 0));
    }

    #[test]
    fn who_has_been_given_up_counts_again_when_it_asks_again() {
        let asking = Asking::default();
        let sockets = [const { Cell::new(0) }; 2];
        asking.begin(&sockets[0], false);
        asking.begin(&sockets[1], true);
        asking.give_up();
        assert_eq!((asking.count(), asking.callers()), (0, 0));
        asking.end(&sockets[0], false);
        assert_eq!(asking.count(), 0, "a late answer");
        asking.begin(&sockets[0], false);
        assert_eq!(asking.count(), 1);
        asking.end(&sockets[1], true);
        asking.end(&sockets[0], false);
        assert_eq!(asking.count(), 0);
    }
}
