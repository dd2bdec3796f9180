//! The threads for work that blocks, which all reactors of the process share.
//!
//! One is made when work waits and none is idle, by whoever gives work or begins some, so that a burst costs the thread of
//! the reactor few of them. Where none can be made, work waits for those that are there; where none is, it is refused.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::executor::contain_panic;
use super::remote::Job;

/// How many threads there are at most, where the environment says nothing else.
const MOST: usize = 500;

/// Where the environment says so.
const MOST_VARIABLE: &str = "EYEWALL_BLOCKING_THREADS";

/// How long a thread stays without work.
const IDLE: Duration = Duration::from_millis(500);

/// Names work that has been given.
pub(super) type Ticket = u64;

static THREADS: Threads = Threads {
    state: Mutex::new(State {
        process: 0,
        waiting: BTreeMap::new(),
        next_ticket: 0,
        threads: 0,
        idle: 0,
    }),
    more: Condvar::new(),
};

struct Threads {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    /// Whose threads they are.
    process: u32,
    /// The work that no thread has begun, oldest first.
    waiting: BTreeMap<Ticket, Job>,
    next_ticket: Ticket,
    /// All threads, and those of them without work; both with those that are being made.
    threads: usize,
    idle: usize,
}

impl State {
    /// A child of fork(2) has none of its parent's threads, and nobody who waits for the work given to them.
    fn belong_here(&mut self) {
        let process = std::process::id();
        if std::mem::replace(&mut self.process, process) != process {
            (self.threads, self.idle) = (0, 0);
            // To drop it is code of others, for which these may be the wrong place.
            std::mem::forget(std::mem::take(&mut self.waiting));
        }
    }

    /// Whether another thread is to be made, which is counted from now on.
    fn grows(&mut self) -> bool {
        let grows = !self.waiting.is_empty() && self.idle == 0 && self.threads < most();
        if grows {
            self.threads += 1;
            self.idle += 1;
        }
        grows
    }
}

/// Gives work to a thread. It is dropped where there is none and none can be made.
pub(super) fn give(work: Job) -> Ticket {
    let mut state = THREADS.lock();
    state.belong_here();
    let ticket = state.next_ticket;
    state.next_ticket += 1;
    state.waiting.insert(ticket, work);
    let grows = state.grows();
    drop(state);
    match grows {
        true => THREADS.add(),
        false => THREADS.more.notify_one(),
    }
    ticket
}

/// Takes work back, if no thread has begun it. Its drop is code of others.
pub(super) fn take_back(ticket: Ticket) -> Option<Job> {
    THREADS.lock().waiting.remove(&ticket)
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the thread that [`State::grows`] has counted.
    fn add(&'static self) {
        let thread = thread::Builder::new().name("eyewall-blocks".to_owned());
        if thread.spawn(|| self.run()).is_ok() {
            return;
        }
        let mut state = self.lock();
        state.threads -= 1;
        state.idle -= 1;
        let refused = match state.threads {
            0 => std::mem::take(&mut state.waiting),
            _ => BTreeMap::new(),
        };
        drop(state);
        for work in refused.into_values() {
            contain_panic(|| drop(work));
        }
    }

    /// What a thread does.
    fn run(&'static self) {
        let mut state = self.lock();
        loop {
            let waited = self
                .more
                .wait_timeout_while(state, IDLE, |state| state.waiting.is_empty());
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            let Some((_, work)) = state.waiting.pop_first() else {
                state.threads -= 1;
                return;
            };
            let grows = state.grows();
            drop(state);
            if grows {
                self.add();
            }
            contain_panic(work);
            state = self.lock();
            state.idle += 1;
        }
    }
}

fn most() -> usize {
    static KNOWN: OnceLock<usize> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let said = std::env::var(MOST_VARIABLE).ok();
        let number = said.and_then(|text| text.parse().ok());
        number.filter(|&number| number > 0).unwrap_or(MOST)
    })
}
