//! One turn: stage, enter, reap, fire timers.

use std::cmp::Reverse;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::core::{Core, Inner};
use super::slots::{CLOSE_USER_DATA, OpId, WAKE_USER_DATA};
use super::table::Arrival;
use crate::error::Error;
use crate::op::{Close, Closing, Next, Operation};
use crate::ring::{Cqe, Entered, Request, Wait};

/// How many turns a stream waits for a buffer to return while the reactor does not come to rest.
const PARKED_TURNS: u32 = 64;

/// The longest sleep at a time: the kernel's clock overflows at 292 years, and then does not sleep at all.
const LONGEST_SLEEP: Duration = Duration::from_secs(365 * 24 * 3600);

impl Core {
    /// Lets the ring and the timers have their turn. Where there is nothing to do, it lasts until there is
    /// something.
    pub(super) fn turn(&self) -> Result<(), Error> {
        let waited_for = self.table().end_reservations();
        if waited_for {
            self.call_waiting();
            if self.table().posts.staged() > 0 {
                // Their end makes room, and nothing else tells of it.
                self.hurry();
            }
            #[cfg(feature = "http")]
            if self.missing_slots() > 0 {
                self.crowd.ask();
            }
        }
        let due = if self.is_all_staged()
            && !self.has_work()
            && !self.hurried.get()
            && !self.pool.has_parked()
        {
            self.sleep()?
        } else {
            self.busy_turn()?
        };
        self.called.set(false);
        let reaped = self.reap();
        // What a completion has ended leaves a timer that has become due meanwhile to the next turn, which looks at the
        // clock before it sleeps: to look here, too, takes 3 % of a round trip.
        if (due || reaped == 0) && !self.inner().timers.is_empty() {
            self.fire_timers();
        }
        Ok(())
    }

    /// Stages what waits for it, and enters the ring if that is to any purpose; sleeps if there is nothing else to do.
    /// Whether a timer may be due.
    #[inline(never)]
    fn busy_turn(&self) -> Result<bool, Error> {
        let all_staged = self.is_all_staged() || self.stage();
        let mut sleep = all_staged && !self.has_work() && !self.hurried.take();
        if sleep && self.pool.has_parked() && self.table().posts.staged() > 0 {
            // What has been posted gives its buffers back without a sleep.
            sleep = false;
        } else if sleep || self.parked_too_long() {
            // Nothing that runs would return a buffer to them; see `buf/pool.rs`.
            if self.pool.has_parked() {
                sleep = false;
                self.wake_all(self.pool.unpark_all());
            }
        }
        if sleep {
            return self.sleep();
        }
        let mut ring = self.ring();
        if ring.staged() > 0 || ring.wants_enter() {
            drop(ring);
            self.enter_ring(Wait::No)?;
        }
        Ok(true)
    }

    /// Whether streams have been parked for many turns in which there was always something else to do.
    fn parked_too_long(&self) -> bool {
        let turns = match self.pool.has_parked() {
            true => self.parked_turns.get() + 1,
            false => 0,
        };
        self.parked_turns.set(turns % PARKED_TURNS);
        turns == PARKED_TURNS
    }

    /// Whether there is nothing that [`stage`](Core::stage) would do.
    #[inline(always)]
    fn is_all_staged(&self) -> bool {
        let queue = self.queue();
        self.wake_armed.get()
            && queue.is_empty()
            && queue.later.is_empty()
            && self.descriptors.closes.is_empty()
    }

    #[inline(always)]
    fn has_work(&self) -> bool {
        self.executor.has_ready() || self.executor.remote().is_pending()
    }

    /// Fills the submission queue; `false` if something is left for the next turn.
    ///
    /// The reactor's own come first (the wake-up poll, cancels, closes), so that a flood of operations cannot
    /// hold them up. None is ever lost: what finds the queue full stays where it is.
    pub(super) fn stage(&self) -> bool {
        self.retry_cancels();
        let inner = &mut *self.inner();
        let Inner {
            ring, table, queue, ..
        } = inner;
        if !self.wake_armed.get() && !table.is_shut() {
            let request = Request::Poll {
                fd: self.executor.remote().eventfd().as_raw_fd(),
                events: libc::POLLIN as u32,
                multishot: true,
            };
            if !ring.stage(&request, WAKE_USER_DATA) {
                return false;
            }
            self.wake_armed.set(true);
            self.counters.sqes.add(1);
        }
        while let Some(&id) = queue.cancels.front() {
            if table.is_cancellable(id) {
                let request = Request::Cancel {
                    user_data: id.user_data(),
                };
                if !ring.stage(&request, id.cancel_user_data()) {
                    return false;
                }
                self.counters.sqes.add(1);
                self.counters.cancels.add(1);
            }
            queue.cancels.pop_front();
        }
        if !self.stage_closes(inner) {
            return false;
        }
        let Inner {
            ring, table, queue, ..
        } = inner;
        let mut room = ring.room();
        while room > 0 {
            let Some(id) = queue.ops.pop_front() else {
                return true;
            };
            // `None`: it was dropped while it waited.
            if let Some(staged) = table.stage(id, ring) {
                room -= 1;
                self.counters.sqes.add(1);
                if staged.prompting {
                    self.spin.asked();
                }
            }
        }
        queue.ops.is_empty()
    }

    /// Brings the descriptors that nobody holds any more on their way to be closed; `false` when the submission queue is
    /// full.
    pub(super) fn stage_closes(&self, inner: &mut Inner) -> bool {
        let Inner {
            ring, table, queue, ..
        } = inner;
        let closes = &self.descriptors.closes;
        while !closes.is_empty() {
            let Some(place) = ring.place() else {
                return false;
            };
            match closes.pop().map(Closing::let_go) {
                Some(Ok(fd)) => {
                    let close = Request::Close { fd, quiet: true };
                    place.stage(&close, CLOSE_USER_DATA);
                    self.counters.sqes.add(1);
                }
                Some(Err(closing)) => {
                    let id = table.insert_detached(Box::new(Close::new(closing)));
                    queue.ops.push_front(id);
                }
                None => break,
            }
        }
        true
    }

    #[inline(never)]
    pub(super) fn enter_ring(&self, wait: Wait) -> Result<Entered, Error> {
        self.enter_now(wait)
    }

    #[inline(always)]
    fn enter_now(&self, wait: Wait) -> Result<Entered, Error> {
        self.counters.enters.add(1);
        if wait != Wait::No {
            self.counters.waits.add(1);
        }
        self.ring().enter(wait)
    }

    /// Waits for a completion, a timer or another thread: spins a little if that is likely to do, then
    /// sleeps. Whether a timer was due before it slept.
    #[inline(always)]
    fn sleep(&self) -> Result<bool, Error> {
        let deadline = self.next_timer();
        match (self.is_gap_measured(), deadline) {
            (true, deadline) => self.spin_or_park(deadline),
            (false, None) => self.park(None),
            (false, deadline) => self.park_until(deadline),
        }
    }

    /// Whether the gap that begins now may end with an answer, and how long it is matters.
    #[inline(always)]
    fn is_gap_measured(&self) -> bool {
        (self.spin.is_on() || self.gather.may(self.descriptors.asking.callers()))
            && self.spin.begin_gap()
    }

    #[inline(never)]
    fn spin_or_park(&self, deadline: Option<Instant>) -> Result<bool, Error> {
        let staged = self.ring().staged() > 0;
        let start = Instant::now();
        let mut gathered = false;
        match self.spin.duration(start, self.descriptors.asking.count()) {
            Some(limit) => {
                if staged {
                    self.enter_ring(Wait::No)?;
                    if self.has_completions() {
                        return Ok(deadline.is_some_and(|at| at <= start));
                    }
                }
                self.counters.spins.add(1);
                let won = self.spin_until(start, limit, deadline);
                self.spin.ended(won.then(|| start.elapsed()));
                if won {
                    self.counters.spins_won.add(1);
                    self.enter_ring(Wait::No)?;
                } else {
                    self.park_until(deadline)?;
                }
            }
            None => match self.gather.plan(self.descriptors.asking.callers()) {
                Some((count, time)) => {
                    self.park_for(count, time, deadline)?;
                    gathered = true;
                }
                None => {
                    self.park_until(deadline)?;
                }
            },
        }
        let end = Instant::now();
        self.gather.learn(end, self.counters.cqes.get());
        // How long a gap lasts that was drawn out says nothing of the answers.
        if !gathered && self.spin.learn(end.saturating_duration_since(start)) {
            self.descriptors.asking.give_up();
        }
        Ok(deadline.is_some_and(|at| at <= end))
    }

    fn has_completions(&self) -> bool {
        self.ring().has_completions()
    }

    /// Looks for something to do until `limit` has passed; `true` if there is something.
    fn spin_until(&self, start: Instant, limit: Duration, deadline: Option<Instant>) -> bool {
        let mut ring = self.ring();
        let mut before = start;
        loop {
            for _ in 0..16 {
                if ring.wants_enter() || ring.has_completions() {
                    // The answer may have come while somebody else had the core.
                    self.spin.looked(before, Instant::now());
                    return true;
                }
                std::hint::spin_loop();
            }
            let now = Instant::now();
            if self.executor.remote().is_pending() || deadline.is_some_and(|at| at <= now) {
                return true;
            }
            if !self.spin.looked(before, now) || now.duration_since(start) >= limit {
                return false;
            }
            before = now;
        }
    }

    #[inline(never)]
    fn park_until(&self, deadline: Option<Instant>) -> Result<bool, Error> {
        self.park(deadline)
    }

    /// Sleeps until so many completions are there, or the time is over; then on until the first, if there is none.
    #[inline(never)]
    fn park_for(&self, count: u32, time: Duration, deadline: Option<Instant>) -> Result<(), Error> {
        let remote = self.executor.remote();
        if !remote.park() {
            return Ok(());
        }
        let time = deadline.map_or(time, |at| {
            time.min(at.saturating_duration_since(Instant::now()))
        });
        self.counters.gathers.add(1);
        let outcome = self.enter_now(Wait::Several(count, time));
        remote.unpark();
        outcome?;
        if !self.has_completions() && deadline.is_none_or(|at| at > Instant::now()) {
            self.park_until(deadline)?;
        }
        Ok(())
    }

    /// Sleeps in the kernel. Whether the deadline was over before that.
    #[inline(always)]
    fn park(&self, deadline: Option<Instant>) -> Result<bool, Error> {
        let remote = self.executor.remote();
        if !remote.park() {
            return Ok(true);
        }
        let timeout = deadline.map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            left.min(LONGEST_SLEEP)
        });
        let outcome = self.enter_now(Wait::Completion(timeout));
        remote.unpark();
        outcome.map(|_| timeout.is_some_and(|left| left.is_zero()))
    }

    /// When the next timer may fire, or a cancel is to be tried again.
    #[inline(always)]
    fn next_timer(&self) -> Option<Instant> {
        let inner = self.inner();
        match inner.timers.is_empty() && inner.queue.later.is_empty() {
            true => None,
            false => self.earliest(&inner),
        }
    }

    #[inline(never)]
    fn earliest(&self, inner: &Inner) -> Option<Instant> {
        let Inner { timers, queue, .. } = inner;
        let tick = timers.next_deadline();
        let timer = tick.and_then(|tick| self.clock.instant_of(tick));
        let cancel = queue.later.peek().map(|&Reverse((at, _))| at);
        [timer, cancel].into_iter().flatten().min()
    }

    /// Takes every completion out of the ring and sees to it; how many there were.
    #[inline(never)]
    pub(super) fn reap(&self) -> usize {
        let mut inner = self.inner();
        // What comes meanwhile is for the next turn, so that this one ends.
        let count = inner.ring.completions();
        // Nor is what is posted meanwhile over, even if it is submitted meanwhile.
        let posts = inner.table.posts.staged();
        let settled = posts == 0 || inner.ring.is_settled();
        self.counters.cqes.add(count as u64);
        for _ in 0..count {
            let Inner { ring, table, .. } = &mut *inner;
            let Some(mut cqe) = ring.reap() else { break };
            self.pool.reaped(cqe);
            if OpId::is_of_operation(cqe.user_data) {
                let (id, arrival) = table.arrive(&mut cqe);
                if matches!(arrival, Arrival::Nothing) {
                    continue;
                }
                drop(inner);
                self.see_to(id, cqe, arrival);
            } else {
                drop(inner);
                self.see_to_other(cqe);
            }
            inner = self.inner();
        }
        drop(inner);
        if !settled {
            // Some may not have been submitted, or their completions are still to come. Nor does the next turn sleep:
            // somebody may wait for one of these, of which nothing else tells.
            self.hurry();
        } else if posts > 0 {
            self.end_posts(posts);
        }
        count
    }

    /// Ends the posts that the enter before has ended without a word. Those that failed have a completion, which has
    /// been reaped.
    #[inline(always)]
    fn end_posts(&self, count: usize) {
        // The drop of a buffer may stage another, behind these, which has not been submitted.
        let mut left = count;
        while left > 0 {
            self.executor.shield(|| {
                while left > 0 {
                    left -= 1;
                    let ended = self.table().posts.pop();
                    if let Some(post) = ended {
                        post.end();
                    }
                }
            });
        }
        self.slot_freed();
    }

    /// A completion of what has no slot: the wake-up poll, a cancel, a post, or a close that has failed, of which nobody
    /// wants to know.
    #[inline(never)]
    fn see_to_other(&self, cqe: Cqe) {
        if cqe.user_data == WAKE_USER_DATA {
            self.executor.remote().eventfd().clear();
            self.wake_armed.set(cqe.has_more());
        } else if OpId::is_of_cancel(cqe.user_data) {
            self.cancel_missed(cqe);
        } else if cqe.user_data != CLOSE_USER_DATA {
            self.post_failed(cqe);
        }
    }

    /// A post has a completion: it has failed, or the kernel has not taken all of it.
    fn post_failed(&self, cqe: Cqe) {
        let failed = self.table().posts.fail(cqe.user_data);
        let Some(post) = failed else {
            self.counters.stale.add(1);
            return;
        };
        let mut op = post.fail();
        if op.advance(cqe, true) == Next::Again && !self.is_shut() {
            let fd = op.fd().clone();
            let Inner { table, queue, .. } = &mut *self.inner();
            let id = table.insert_rest(op);
            queue.ops.push_front(id);
            fd.set_postponed(id);
            return;
        }
        self.counters.discarded.add(1);
        self.executor.shield(|| op.discard(cqe));
        self.executor.shield(|| drop(op));
    }

    /// Does what the completion of an operation asks for.
    #[inline(never)]
    fn see_to(&self, id: OpId, cqe: Cqe, arrival: Arrival) {
        match arrival {
            Arrival::Nothing => {}
            Arrival::Wake(waker) => self.wake(waker),
            Arrival::Throttle(waker) => {
                self.counters.throttled.add(1);
                self.queue().cancels.push_back(id);
                self.wake_all(waker);
            }
            Arrival::Again => self.queue().ops.push_front(id),
            Arrival::Discard(op) => self.discard(id, op, [cqe]),
            Arrival::Stale => self.counters.stale.add(1),
        }
    }

    /// Sees to a cancel that had something to say: it did not find its target, or could not stop it at once.
    ///
    /// Mostly the target has completed, and its own completion says the rest. But the kernel also looks past an
    /// operation that is between two tries (io_uring_prep_cancel(3), ENOENT): a connect to a Unix socket with a
    /// full backlog is tried some hundred times before it blocks. That one has to be cancelled again. And what a worker
    /// of the kernel is at (EALREADY) is only told to stop, which an open of a FIFO has been seen not to hear (Linux 6.1):
    /// that one is told again, after a while.
    pub(super) fn cancel_missed(&self, cqe: Cqe) {
        let id = OpId::of(cqe.user_data);
        let found = match -cqe.result {
            libc::ENOENT => false,
            libc::EALREADY => true,
            _ => return,
        };
        let pause = self.table().cancel_missed(id, found);
        let mut queue = self.queue();
        match pause {
            None => {}
            Some(Duration::ZERO) => queue.cancels.push_back(id),
            Some(pause) => queue.later.push(Reverse((Instant::now() + pause, id))),
        }
    }

    /// Queues the cancels whose pause is over.
    fn retry_cancels(&self) {
        let mut queue = self.queue();
        if queue.later.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(&Reverse((at, id))) = queue.later.peek()
            && at <= now
        {
            queue.later.pop();
            queue.cancels.push_back(id);
        }
    }

    #[inline(never)]
    fn fire_timers(&self) {
        let now = self.clock.tick_at_or_before(Instant::now());
        self.inner().timers.advance(now);
        loop {
            let expired = self.inner().timers.pop_expired();
            match expired {
                Some(waker) => self.wake(waker),
                None => break,
            }
        }
    }
}
