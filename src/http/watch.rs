//! Watching over a fetch: how far it is, and whether a time is over.
//!
//! A fetch has several deadlines at once, and one timer. The timer stands at the nearest deadline, or before it:
//! a deadline that moves on, as an idle time does with every piece that comes, leaves the timer alone, which then
//! goes off too early, finds nothing over, and is set anew. Mostly there is none: the caretaker of the pool wakes the
//! fetch when it is late, and only then it has a timer, if one deadline is still to come. One that has waited for its
//! place has a timer of its own, as has the first that waits where the caretaker has still to begin.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::connection::{Connection, Ends};
use super::error::{Error, ErrorKind, Phase, Seen, Stage};
use super::pool::{Closing, Slot};
use super::times::Times;
use super::transport::Heard;
use crate::time::Sleep;

/// The state of one fetch, over all its hops. Whoever does a part of the work says how far it is.
#[derive(Debug)]
pub(super) struct Watch {
    times: Rc<Times>,
    stage: Cell<Stage>,
    sent: Cell<u64>,
    received: Cell<u64>,
    /// The request may have reached the peer, in part at least.
    out: Cell<bool>,
    /// The request is still being sent: the server need not say anything yet.
    sending: Cell<bool>,
    total: Option<Instant>,
    /// The deadline of the part that is going on: queue, connect, or first byte.
    part: Cell<Option<(Instant, Phase)>>,
    tls: Cell<Option<Instant>>,
    idle_read: Cell<Option<Instant>>,
    /// Where the server may have been heard since without anything that could be handed out.
    heard: RefCell<Option<Heard>>,
    idle_write: Cell<Option<Instant>>,
    /// What is left of that in a pause.
    write_left: Cell<Option<Duration>>,
    timer: RefCell<Option<Sleep>>,
    /// When something was received last.
    arrived: Cell<Instant>,
    /// How often something was received.
    arrivals: Cell<u64>,
    ends: RefCell<Ends>,
}

impl Watch {
    /// A watch over a fetch that began at `start`.
    pub(super) fn new(start: Instant, times: Rc<Times>) -> Watch {
        Watch {
            total: (times.of(Phase::Total)).and_then(|limit| start.checked_add(limit)),
            times,
            stage: Cell::new(Stage::Queue),
            sent: Cell::new(0),
            received: Cell::new(0),
            out: Cell::new(false),
            sending: Cell::new(false),
            part: Cell::new(None),
            tls: Cell::new(None),
            idle_read: Cell::new(None),
            heard: RefCell::new(None),
            idle_write: Cell::new(None),
            write_left: Cell::new(None),
            timer: RefCell::new(None),
            arrived: Cell::new(start),
            arrivals: Cell::new(0),
            ends: RefCell::default(),
        }
    }

    /// Whether a part of the request may have reached the peer.
    pub(super) fn is_out(&self) -> bool {
        self.out.get()
    }

    /// How many bytes of the request the kernel has taken.
    pub(super) fn bytes_sent(&self) -> u64 {
        self.sent.get()
    }

    /// How many bytes of the response have come.
    pub(super) fn bytes_received(&self) -> u64 {
        self.received.get()
    }

    /// The fetch goes on over this connection.
    pub(super) fn connected(&self, connection: &Connection) {
        self.between(connection.ends().clone());
        if self.times.of(Phase::IdleRead).is_some() {
            self.heard.replace(connection.stream.heard());
        }
    }

    /// The fetch goes on between these ends.
    pub(super) fn between(&self, ends: Ends) {
        self.ends.replace(ends);
    }

    /// What an error says about the fetch.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            stage: Some(self.stage.get()),
            sent: self.sent.get(),
            received: self.received.get(),
            out: self.out.get(),
            local: self.local_addr(),
            peer: self.peer_addr(),
            ..Seen::default()
        }
    }

    /// How far the fetch is.
    pub(super) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// The fetch goes on to `stage`.
    pub(super) fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        match stage {
            Stage::Queue => {
                self.sent.set(0);
                self.received.set(0);
                self.out.set(false);
                self.idle_read.set(None);
                self.idle_write.set(None);
                self.between(Ends::Nowhere);
                self.begin(Phase::Queue);
            }
            // Everything up to the connection has one limit. It may be a second try.
            Stage::Resolve => {
                self.idle_read.set(None);
                self.idle_write.set(None);
                self.between(Ends::Nowhere);
                self.begin(Phase::Connect);
            }
            Stage::Connect | Stage::Tunnel => {}
            Stage::Tls => self.tls.set(self.deadline(Phase::Tls)),
            Stage::Send => {
                self.sent.set(0);
                self.received.set(0);
                self.arrivals.set(0);
                self.out.set(true);
                self.sending.set(true);
                self.part.set(None);
                self.tls.set(None);
                // It may be a second try, on a connection that was there at once.
                self.idle_read.set(None);
                self.idle_write.set(self.deadline(Phase::IdleWrite));
            }
            Stage::Wait => {
                self.idle_write.set(None);
                self.idle_read.set(self.deadline(Phase::IdleRead));
                self.begin(Phase::FirstByte);
            }
            Stage::Head | Stage::Body => self.part.set(None),
        }
    }

    /// The kernel has taken so many bytes of the request.
    pub(super) fn sent(&self, bytes: u64) {
        self.sent.set(self.sent.get() + bytes);
        if self.idle_write.get().is_some() {
            self.idle_write.set(self.deadline(Phase::IdleWrite));
        }
    }

    /// Sending has failed. A plain socket that gives the kernel's own error has not taken a byte of this piece.
    pub(super) fn send_failed(&self, error: &io::Error) {
        if self.sent.get() == 0 && error.raw_os_error().is_some() {
            self.out.set(false);
        }
    }

    /// The request has been sent to its end.
    pub(super) fn sent_all(&self) {
        match self.stage.get() {
            Stage::Send => {
                self.sending.set(false);
                self.enter(Stage::Wait);
            }
            _ => self.end_sending(),
        }
    }

    /// No more of the request will be sent, be that all of it or not: from here on the server is waited for.
    pub(super) fn end_sending(&self) {
        self.sending.set(false);
        self.idle_write.set(None);
        self.resume_reading();
    }

    /// As [`end_sending`](Watch::end_sending), before the end of the request: the server may have a word on that.
    #[cold]
    pub(super) fn break_off_sending(&self) {
        self.end_sending();
        if self.stage.get() == Stage::Send {
            self.begin(Phase::FirstByte);
        }
    }

    /// What was taken for sent is still on its way, and the server has to take it.
    pub(super) fn still_sending(&self) {
        self.sending.set(true);
        self.idle_read.set(None);
        self.resume_writing();
    }

    /// Whether there is a time in which the server has to take something.
    pub(super) fn times_writing(&self) -> bool {
        self.times.of(Phase::IdleWrite).is_some()
    }

    /// There is nothing to send for now: the server is not to blame for that.
    pub(super) fn pause_writing(&self) {
        self.idle_write.set(None);
    }

    /// There is something to send again.
    pub(super) fn resume_writing(&self) {
        self.idle_write.set(self.deadline(Phase::IdleWrite));
    }

    /// So many bytes of the response have come.
    pub(super) fn received(&self, bytes: u64) {
        if self.stage.get() < Stage::Head {
            self.enter(Stage::Head);
        }
        self.received.set(self.received.get() + bytes);
        self.arrivals.set(self.arrivals.get() + 1);
        let now = Instant::now();
        self.arrived.set(now);
        if let Some(limit) = self.times.of(Phase::IdleRead)
            && !self.sending.get()
        {
            self.idle_read.set(now.checked_add(limit));
        }
    }

    /// What has come was an interim response, and nothing behind it: the response is still to come.
    pub(super) fn received_interim(&self) {
        match self.sending.get() {
            true => self.stage.set(Stage::Send),
            false => self.enter(Stage::Wait),
        }
    }

    /// When something was received last, or the connection ended.
    pub(super) fn arrived(&self) -> Instant {
        self.arrived.get()
    }

    /// Whether all that was received of this response came at one time.
    pub(super) fn came_at_once(&self) -> bool {
        self.arrivals.get() == 1
    }

    /// The addresses of the connection that the fetch goes over.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        self.ends.borrow().local()
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        self.ends.borrow().peer()
    }

    /// The reader of the response has a pause, in which nothing is sent either: nobody sees what the server does.
    pub(super) fn pause(&self) {
        self.idle_read.set(None);
        if let Some(at) = self.idle_write.take() {
            let left = at.saturating_duration_since(Instant::now());
            self.write_left.set(Some(left));
        }
    }

    /// The reader is back: a pause of ours is not one of the server's.
    pub(super) fn resume(&self) {
        if let Some(left) = self.write_left.take() {
            self.idle_write.set(Instant::now().checked_add(left));
        }
        self.resume_reading();
    }

    /// The response is being waited for from here on.
    fn resume_reading(&self) {
        if self.times.idle_read.is_some() && !self.sending.get() {
            self.idle_read.set(self.deadline(Phase::IdleRead));
        }
    }

    /// Awaits `future`, until a deadline is over or the client is closed. The future is polled first, so that
    /// what is there in the same moment wins.
    pub(super) async fn over<T>(
        &self,
        closing: Option<Closing>,
        mut future: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        poll_fn(|cx| {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if closing.as_ref().is_some_and(|closing| closing.poll(cx)) {
                return Poll::Ready(Err(Error::new(ErrorKind::Closed)));
            }
            self.poll_expired(cx).map(Err)
        })
        .await
    }

    /// As [`over`](Watch::over), for a fetch that has its place, and may leave its deadlines to the caretaker.
    pub(super) async fn over_in<T>(
        &self,
        slot: &Slot,
        mut future: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_over(slot, cx).map(Err),
        })
        .await
    }

    /// Ready with the error when a deadline is over or the client of `slot` is closed: for whoever has found nothing
    /// else to do.
    pub(super) fn poll_over(&self, slot: &Slot, cx: &mut Context<'_>) -> Poll<Error> {
        if slot.poll_closing(cx) {
            return Poll::Ready(Error::new(ErrorKind::Closed));
        }
        let left = self.timer.borrow().is_none()
            && (self.nearest()).is_none_or(|(nearest, _)| slot.leave_deadline(nearest));
        match left {
            true => Poll::Pending,
            false => self.poll_expired(cx),
        }
    }

    /// The error of the time for the whole, if that is over.
    pub(super) fn check_total(&self) -> Result<(), Error> {
        match self.total {
            Some(at) if at <= Instant::now() => Err(self.timeout(Phase::Total)),
            _ => Ok(()),
        }
    }

    fn timeout(&self, phase: Phase) -> Error {
        Error::timeout(phase, self.times.of(phase).unwrap_or_default())
    }

    /// Ready with the error when a deadline is over.
    fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            let Some((nearest, phase)) = self.nearest() else {
                return Poll::Pending;
            };
            let mut timer = self.timer.borrow_mut();
            let sleep = match &mut *timer {
                Some(sleep) => {
                    if sleep.deadline().is_none_or(|at| at > nearest) {
                        sleep.reset(nearest);
                    }
                    sleep
                }
                none => none.insert(Sleep::ahead(Some(nearest))),
            };
            if Pin::new(sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
            *timer = None;
            if nearest <= Instant::now() && !(phase == Phase::IdleRead && self.was_heard(nearest)) {
                return Poll::Ready(self.timeout(phase));
            }
        }
    }

    /// Whether the server has sent something after all, so that the time in which it may send nothing ends later than
    /// at `end`: it does then.
    #[cold]
    fn was_heard(&self, end: Instant) -> bool {
        let heard = self.heard.borrow().as_ref().and_then(Heard::at);
        let limit = self.times.of(Phase::IdleRead);
        let later = (heard.zip(limit)).and_then(|(heard, limit)| heard.checked_add(limit));
        let later = later.filter(|later| *later > end);
        if later.is_some() {
            self.idle_read.set(later);
        }
        later.is_some()
    }

    /// The nearest deadline, and what it is for.
    fn nearest(&self) -> Option<(Instant, Phase)> {
        let mut nearest = self.part.get();
        let others = [
            (self.total, Phase::Total),
            (self.tls.get(), Phase::Tls),
            (self.idle_read.get(), Phase::IdleRead),
            (self.idle_write.get(), Phase::IdleWrite),
        ];
        for (at, phase) in others {
            if let Some(at) = at
                && nearest.is_none_or(|(known, _)| at < known)
            {
                nearest = Some((at, phase));
            }
        }
        nearest
    }

    fn begin(&self, phase: Phase) {
        self.part.set(self.deadline(phase).map(|at| (at, phase)));
    }

    /// When the limit of `phase` is over, if it begins now.
    fn deadline(&self, phase: Phase) -> Option<Instant> {
        let limit = self.times.of(phase)?;
        Instant::now().checked_add(limit)
    }
}
