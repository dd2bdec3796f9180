//! A ring that no kernel serves: what is submitted is done by system calls that do not wait, in an order and with the
//! liberties that a seed draws. It takes the place of the kernel's where the crate is built with `--cfg
//! eyewall_simulated` (`scripts/simulate.sh`), and is in no other build.
//!
//! What io_uring may do but seldom does on a quiet machine happens here all the time: completions in another order,
//! short sends and receives, multishot operations that end, cancels that come too late or are heard late, buffers that
//! run out, submissions that are cut short. With the same seed it happens again, as far as the sockets' other ends are
//! in the same thread. And as every byte is moved by the process itself, a sanitizer sees a buffer that is freed too
//! early, which it does not where the kernel writes.
//!
//! | file | job |
//! | --- | --- |
//! | `chance.rs` | the seed, and which liberties it takes |
//! | `calls.rs` | what a request asks, as system calls |
//! | `offered.rs` | the buffers that can be picked |
//! | `pending.rs` | one request on its way |
//!
//! What it does not have: workers. An open that waits (of a FIFO) holds up the thread.

mod calls;
mod chance;
mod offered;
mod pending;

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::{BufRing, Cqe, Entered, Request, Setup, Wait, setup};
use crate::error::Error;
use chance::{Chance, Liberty};
use offered::Offered;
use pending::{Pending, Step};

/// How often what is ready at a time that nothing tells of (a Unix socket with a full backlog) is tried.
const RETRY: Duration = Duration::from_millis(1);

/// What the kernel has at most of each queue (`IORING_MAX_ENTRIES`).
const MAX_ENTRIES: u32 = 32_768;

pub(crate) struct Ring {
    staged: VecDeque<(Request, u64)>,
    capacity: usize,
    pending: Vec<Pending>,
    completions: Completions,
    overflows: u64,
    world: World,
}

/// What a request finds around it.
struct World {
    chance: Chance,
    buffers: Option<Offered>,
}

/// The completion queue, and what finds no room in it.
struct Completions {
    queue: VecDeque<Cqe>,
    capacity: usize,
    overflow: VecDeque<Cqe>,
}

impl Completions {
    fn has_room(&self) -> bool {
        self.queue.len() < self.capacity
    }

    fn post(&mut self, user_data: u64, result: i32, flags: u32) {
        let cqe = Cqe {
            user_data,
            result,
            flags,
        };
        // None overtakes another.
        match self.overflow.is_empty() && self.has_room() {
            true => self.queue.push_back(cqe),
            false => self.overflow.push_back(cqe),
        }
    }

    fn fill(&mut self) {
        while self.has_room()
            && let Some(cqe) = self.overflow.pop_front()
        {
            self.queue.push_back(cqe);
        }
    }
}

/// A place in the submission queue for one request.
pub(crate) struct Place<'a>(&'a mut Ring);

impl Place<'_> {
    pub(crate) fn stage(self, request: &Request, user_data: u64) {
        self.0.staged.push_back((*request, user_data));
    }
}

impl Ring {
    pub(crate) fn new(setup: &Setup) -> Result<Ring, Error> {
        if setup.sq_entries == 0 || setup.cq_entries < setup.sq_entries {
            let refused = io::Error::from_raw_os_error(libc::EINVAL);
            return Err(setup::explain(setup, refused));
        }
        let seed = std::env::var("EYEWALL_SEED").ok();
        let seed = seed.map_or(1, |seed| {
            seed.parse().expect("EYEWALL_SEED is a number below 2^64")
        });
        let entries = |asked: u32| asked.min(MAX_ENTRIES).next_power_of_two() as usize;
        Ok(Ring {
            staged: VecDeque::new(),
            capacity: entries(setup.sq_entries),
            pending: Vec::new(),
            completions: Completions {
                queue: VecDeque::new(),
                capacity: entries(setup.cq_entries),
                overflow: VecDeque::new(),
            },
            overflows: 0,
            world: World {
                chance: Chance::of(seed),
                buffers: None,
            },
        })
    }

    pub(crate) fn has_bind_listen(&self) -> bool {
        true
    }

    pub(crate) fn place(&mut self) -> Option<Place<'_>> {
        (self.room() > 0).then_some(Place(self))
    }

    pub(crate) fn room(&mut self) -> usize {
        self.capacity - self.staged.len()
    }

    pub(crate) fn staged(&mut self) -> usize {
        self.staged.len()
    }

    pub(crate) fn wants_enter(&mut self) -> bool {
        !self.completions.overflow.is_empty()
            || self.is_ready()
            || self.pending.iter().any(Pending::is_retried)
    }

    pub(crate) fn completions(&mut self) -> usize {
        self.completions.queue.len()
    }

    pub(crate) fn has_completions(&mut self) -> bool {
        !self.completions.queue.is_empty()
    }

    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }

    pub(crate) fn is_settled(&mut self) -> bool {
        self.staged.is_empty() && self.completions.overflow.is_empty()
    }

    pub(crate) fn enter(&mut self, wait: Wait) -> Result<Entered, Error> {
        self.overflows += u64::from(!self.completions.overflow.is_empty());
        self.completions.fill();
        for pending in &mut self.pending {
            pending.begin_enter();
        }
        let Some(submitted) = self.submit() else {
            return Ok(Entered::Busy);
        };
        self.work(false);
        let (count, timeout) = match wait {
            // Nor does an enter wait that has not submitted all.
            _ if !self.staged.is_empty() => (0, None),
            Wait::No => (0, None),
            Wait::Completion(timeout) => (1, timeout),
            Wait::Several(count, timeout) => (count as usize, Some(timeout)),
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while self.completions.queue.len() < count {
            // What has been submitted is told before why the wait has ended.
            let ended = match self.sleep(deadline) {
                None => {
                    self.work(true);
                    continue;
                }
                Some(_) if submitted > 0 => Entered::Submitted(submitted),
                Some(ended) => ended,
            };
            return Ok(ended);
        }
        Ok(Entered::Submitted(submitted))
    }

    pub(crate) fn reap(&mut self) -> Option<Cqe> {
        self.completions.queue.pop_front()
    }

    pub(crate) fn cancel_all(&mut self, _timeout: Duration) {
        let all = std::mem::take(&mut self.pending);
        let left = all
            .into_iter()
            .filter_map(|it| it.cancelled(&mut self.completions));
        self.pending = left.collect();
    }

    pub(crate) fn register_buffers(&mut self, buffers: &BufRing) -> Result<(), Error> {
        self.world.buffers = Some(Offered::new(buffers));
        Ok(())
    }

    pub(crate) fn unregister_buffers(&mut self) -> io::Result<()> {
        match self.world.buffers.take() {
            Some(_) => Ok(()),
            None => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    /// Submits what is staged, or a part of it; how many that were, if it takes any.
    fn submit(&mut self) -> Option<usize> {
        let chance = &mut self.world.chance;
        let mut count = self.staged.len();
        if count > 0 && chance.takes(Liberty::Busy, 16) {
            return None;
        }
        if count > 1 && chance.takes(Liberty::ShortSubmit, 8) {
            count = 1 + chance.below(count - 1);
        }
        for _ in 0..count {
            if let Some((request, user_data)) = self.staged.pop_front() {
                self.issue(request, user_data);
            }
        }
        Some(count)
    }

    fn issue(&mut self, request: Request, user_data: u64) {
        match request {
            Request::Cancel { user_data: target } => self.cancel(target, user_data),
            Request::CancelFd { fd } => self.cancel_fd(fd, user_data),
            Request::Close { fd, quiet } => self.close(fd, quiet, user_data),
            _ => {
                let mut pending = Pending::new(request, user_data);
                let later = !pending.is_at_once() && self.world.chance.takes(Liberty::Punt, 4);
                if later || pending.go_on(&mut self.world, &mut self.completions) == Step::Waits {
                    self.pending.push(pending);
                }
            }
        }
    }

    /// Lets what is ready go on; all of it, or what is chosen.
    fn work(&mut self, all: bool) {
        if self.pending.is_empty() {
            return;
        }
        let mut polls = self.polls();
        calls::poll(&mut polls, 0);
        let mut ready: Vec<usize> = (0..polls.len())
            .filter(|&at| self.pending[at].is_ready(&polls[at]))
            .collect();
        let chance = &mut self.world.chance;
        chance.shuffle(&mut ready);
        if !all {
            ready.retain(|_| !chance.takes(Liberty::PassOver, 4));
        }
        let mut ended = vec![false; self.pending.len()];
        for at in ready {
            let step = self.pending[at].go_on(&mut self.world, &mut self.completions);
            ended[at] = step == Step::Ended;
        }
        let mut ended = ended.into_iter();
        self.pending.retain(|_| !ended.next().unwrap_or(false));
    }

    /// What to ask poll(2) of all that is on its way.
    fn polls(&self) -> Vec<libc::pollfd> {
        self.pending.iter().map(Pending::poll).collect()
    }

    /// Whether something that is on its way can go on, as far as can be told.
    fn is_ready(&self) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let mut polls = self.polls();
        calls::poll(&mut polls, 0);
        let mut each = self.pending.iter().zip(&polls);
        each.any(|(pending, poll)| !pending.is_retried() && pending.is_ready(poll))
    }

    /// Sleeps until something may be ready; what a wait ends with otherwise.
    fn sleep(&mut self, deadline: Option<Instant>) -> Option<Entered> {
        if self.world.chance.takes(Liberty::Interrupt, 32) {
            return Some(Entered::Interrupted);
        }
        if self.is_ready() {
            return None;
        }
        let mut polls = self.polls();
        let now = Instant::now();
        let left = deadline.map(|at| at.saturating_duration_since(now));
        if left.is_some_and(|left| left.is_zero()) {
            return Some(Entered::Timeout);
        }
        let retried = self
            .pending
            .iter()
            .any(Pending::is_retried)
            .then_some(RETRY);
        let timeout = left.into_iter().chain(retried).min();
        let timeout = timeout.map_or(-1, |time| {
            i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        match calls::poll(&mut polls, timeout) {
            failed if failed == -libc::EINTR => Some(Entered::Interrupted),
            _ => None,
        }
    }

    fn cancel(&mut self, target: u64, user_data: u64) {
        let found = self.pending.iter().position(|it| it.is_cancellable(target));
        let Some(at) = found else {
            self.completions.post(user_data, -libc::ENOENT, 0);
            return;
        };
        let mut pending = self.pending.swap_remove(at);
        let World { chance, .. } = &mut self.world;
        let late = chance.takes(Liberty::LateCancel, 3);
        if !late && pending.may_stop_later() && chance.takes(Liberty::SlowCancel, 3) {
            pending.stop_later();
            self.pending.push(pending);
            self.completions.post(user_data, -libc::EALREADY, 0);
        } else if late && pending.go_on(&mut self.world, &mut self.completions) == Step::Ended {
            self.completions.post(user_data, -libc::ENOENT, 0);
        } else {
            // A cancel that has found its target says nothing.
            self.pending
                .extend(pending.cancelled(&mut self.completions));
        }
    }

    fn cancel_fd(&mut self, fd: RawFd, user_data: u64) {
        let mut count = 0;
        for pending in std::mem::take(&mut self.pending) {
            let left = match pending.is_on_file_of(fd) {
                true => {
                    count += 1;
                    pending.cancelled(&mut self.completions)
                }
                false => Some(pending),
            };
            self.pending.extend(left);
        }
        self.completions.post(user_data, count, 0);
    }

    /// Closes a descriptor; what is on its way with it goes on, as each operation holds the file.
    fn close(&mut self, fd: RawFd, quiet: bool, user_data: u64) {
        for pending in self.pending.iter_mut().filter(|it| it.is_on(fd)) {
            pending.hold_file();
        }
        let result = calls::close(fd);
        if result < 0 || !quiet {
            self.completions.post(user_data, result, 0);
        }
    }
}
