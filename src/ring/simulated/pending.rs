//! One request on its way.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::chance::Liberty;
use super::{Completions, World, calls};
use crate::ring::Request;

/// `IORING_CQE_F_BUFFER`, with the id above it.
const BUFFER: u32 = 1;
const BUFFER_SHIFT: u32 = 16;
/// `IORING_CQE_F_MORE`
const MORE: u32 = 2;
/// `IORING_CQE_F_SOCK_NONEMPTY`
const SOCK_NONEMPTY: u32 = 4;
/// `IORING_CQE_F_NOTIF`
const NOTIFICATION: u32 = 8;

/// What the kernel receives at most of one socket before it turns to others.
const MULTISHOT_AT_ONCE: usize = 32;

pub(super) struct Pending {
    request: Request,
    user_data: u64,
    /// How many bytes have been sent.
    done: usize,
    state: State,
    /// It has told something in this enter that stays true until the completion is reaped.
    told: bool,
    /// The file, if the descriptor has been closed.
    file: Option<OwnedFd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// A connect that is under way.
    Connecting,
    /// To be tried again after a while.
    Retried,
    /// It has been cancelled, and goes on for once.
    Stopping,
    /// A zero-copy send whose buffer is in use until the peer has it all.
    Notifying,
}

/// What a request has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Waits,
    Ended,
}

impl Pending {
    pub(super) fn new(request: Request, user_data: u64) -> Pending {
        Pending {
            request,
            user_data,
            done: 0,
            state: State::Waiting,
            told: false,
            file: None,
        }
    }

    pub(super) fn begin_enter(&mut self) {
        self.told = false;
        calls::touch(&self.request);
    }

    /// Whether it ends in the enter that submits it, whatever comes.
    pub(super) fn is_at_once(&self) -> bool {
        matches!(self.request, Request::Send { flags, .. } if flags & libc::MSG_DONTWAIT != 0)
    }

    pub(super) fn is_cancellable(&self, user_data: u64) -> bool {
        self.user_data == user_data && self.state != State::Notifying
    }

    /// Whether nothing tells when it is ready.
    pub(super) fn is_retried(&self) -> bool {
        matches!(self.state, State::Retried | State::Notifying)
    }

    /// Whether a worker may be at it, which hears of a cancel only later. None is ever at a poll.
    pub(super) fn may_stop_later(&self) -> bool {
        !matches!(self.request, Request::Poll { .. })
    }

    pub(super) fn stop_later(&mut self) {
        self.state = State::Stopping;
    }

    pub(super) fn is_on(&self, fd: RawFd) -> bool {
        self.file.is_none() && self.fd() == Some(fd)
    }

    /// Whether it is on the file of `fd`, by this descriptor or another.
    pub(super) fn is_on_file_of(&self, fd: RawFd) -> bool {
        self.fd().is_some_and(|own| calls::is_same_file(own, fd))
    }

    /// Goes on with the file where the descriptor is going to be closed.
    pub(super) fn hold_file(&mut self) {
        let Some(fd) = fd_of(&mut self.request) else {
            return;
        };
        if self.state == State::Notifying {
            // Only the memory is still in use.
            *fd = -1;
            return;
        }
        // SAFETY: the descriptor is open: it is closed after this.
        let borrowed = unsafe { BorrowedFd::borrow_raw(*fd) };
        let file = borrowed.try_clone_to_owned();
        let file = file.expect("there is a descriptor for what goes on with a closed one");
        *fd = file.as_raw_fd();
        self.file = Some(file);
    }

    fn fd(&self) -> Option<RawFd> {
        let mut request = self.request;
        fd_of(&mut request).copied()
    }

    /// What to ask poll(2).
    pub(super) fn poll(&self) -> libc::pollfd {
        let events = match self.events() {
            Some(events) if !self.told => events,
            _ => 0,
        };
        libc::pollfd {
            // Below zero it is passed over.
            fd: if events == 0 {
                -1
            } else {
                self.fd().unwrap_or(-1)
            },
            events,
            revents: 0,
        }
    }

    /// What it waits for; `None` if for nothing.
    fn events(&self) -> Option<i16> {
        match (self.state, &self.request) {
            (State::Retried | State::Stopping | State::Notifying, _) => None,
            (State::Connecting, _) => Some(libc::POLLOUT),
            (_, Request::Poll { events, .. }) => Some(*events as i16),
            (
                _,
                Request::Accept { .. }
                | Request::Recv { .. }
                | Request::RecvPooled { .. }
                | Request::RecvMsg { .. }
                | Request::Read { .. },
            ) => Some(libc::POLLIN),
            (
                _,
                Request::Send { .. }
                | Request::SendMsg { .. }
                | Request::SendZc { .. }
                | Request::Write { .. },
            ) => Some(libc::POLLOUT),
            _ => None,
        }
    }

    pub(super) fn is_ready(&self, poll: &libc::pollfd) -> bool {
        match self.state {
            _ if self.told => false,
            State::Notifying => !calls::has_unsent(self.fd().unwrap_or(-1)),
            _ => self.events().is_none() || poll.revents != 0,
        }
    }

    /// Ends it as a cancel does: a send that has come half-way tells how far. What is left of it, if that is something.
    pub(super) fn cancelled(mut self, completions: &mut Completions) -> Option<Pending> {
        if self.state == State::Notifying {
            return Some(self);
        }
        match self.end_with(-libc::ECANCELED, completions) {
            Step::Waits => Some(self),
            Step::Ended => None,
        }
    }

    /// Does what can be done.
    pub(super) fn go_on(&mut self, world: &mut World, completions: &mut Completions) -> Step {
        if self.told {
            return Step::Waits;
        }
        if self.state == State::Notifying {
            completions.post(self.user_data, 0, NOTIFICATION);
            return Step::Ended;
        }
        let step = self.act(world, completions);
        if step == Step::Waits && self.state == State::Stopping {
            let interrupted = world.chance.takes(Liberty::InterruptOperation, 2);
            let error = if interrupted {
                libc::EINTR
            } else {
                libc::ECANCELED
            };
            return self.end_with(-error, completions);
        }
        step
    }

    fn act(&mut self, world: &mut World, completions: &mut Completions) -> Step {
        match self.request {
            Request::Recv { fd, data, len } => {
                let part = world.chance.part_of(len as usize);
                let (received, more) = calls::recv(fd, data, part);
                let flags = more_flag(received, more, world);
                self.end_unless_waits(received, flags, completions)
            }
            Request::RecvPooled { fd, multishot } => {
                self.receive(fd, multishot, world, completions)
            }
            Request::Accept { multishot, .. } => self.accept(multishot, world, completions),
            Request::Connect { .. } => self.connect(completions),
            Request::SendZc { fd, .. } if !calls::sends_without_copy(fd) => {
                self.end(-libc::EOPNOTSUPP, 0, completions)
            }
            Request::Send {
                fd,
                data,
                len,
                flags,
                ..
            }
            | Request::SendZc {
                fd,
                data,
                len,
                flags,
            } => {
                let send = |skip, len| calls::send(fd, data.wrapping_add(skip), len, flags);
                match self.send(len as usize, flags, world, send) {
                    Some(result) if self.says_nothing_of(result) => Step::Ended,
                    Some(result) => self.end(result, 0, completions),
                    None => Step::Waits,
                }
            }
            Request::SendMsg { fd, message, flags } => {
                let total = calls::message_len(message);
                // A datagram goes whole.
                let send = |skip, _| calls::sendmsg(fd, message, skip, flags);
                match self.send(total, flags as i32, world, send) {
                    Some(result) => self.end(result, 0, completions),
                    None => Step::Waits,
                }
            }
            Request::Read {
                fd,
                data,
                len,
                offset,
                ..
            } => {
                let part = world.chance.part_of(len as usize);
                let read = calls::read(fd, data, part, offset);
                self.end_unless_waits(read, 0, completions)
            }
            Request::Write {
                fd,
                data,
                len,
                offset,
            } => {
                let part = world.chance.part_of(len as usize);
                let written = calls::write(fd, data, part, offset);
                self.end_unless_waits(written, 0, completions)
            }
            Request::Poll {
                fd,
                events,
                multishot,
            } => {
                let ready = calls::ready(fd, events as i16);
                if ready == 0 {
                    return Step::Waits;
                }
                let goes_on = multishot && self.goes_on(world, completions);
                self.tell(i32::from(ready), 0, goes_on, completions)
            }
            ref request => {
                let result = calls::once(request);
                self.end_unless_waits(result, 0, completions)
            }
        }
    }

    /// Whether a send that tells of failures alone has not failed. With `MSG_WAITALL` a part is a failure.
    fn says_nothing_of(&self, result: i32) -> bool {
        match self.request {
            Request::Send {
                len,
                flags,
                quiet: true,
                ..
            } => result >= 0 && (flags & libc::MSG_WAITALL == 0 || result >= len as i32),
            _ => false,
        }
    }

    /// Posts the result, which is the last, but for the notification of a zero-copy send. That comes behind an error, too.
    fn end(&mut self, result: i32, flags: u32, completions: &mut Completions) -> Step {
        if let Request::SendZc { fd, .. } = &mut self.request {
            completions.post(self.user_data, result, flags | MORE);
            self.state = State::Notifying;
            if result <= 0 {
                // Nothing of it is on its way.
                *fd = -1;
            }
            return Step::Waits;
        }
        completions.post(self.user_data, result, flags);
        Step::Ended
    }

    /// Ends it with `error`, or with how far it has come.
    fn end_with(&mut self, error: i32, completions: &mut Completions) -> Step {
        let result = match self.done {
            0 => error,
            done => done as i32,
        };
        self.end(result, 0, completions)
    }

    fn end_unless_waits(&mut self, result: i32, flags: u32, completions: &mut Completions) -> Step {
        match result == -libc::EAGAIN {
            true => Step::Waits,
            false => self.end(result, flags, completions),
        }
    }

    /// Posts one result of a multishot operation.
    fn tell(
        &mut self,
        result: i32,
        flags: u32,
        goes_on: bool,
        completions: &mut Completions,
    ) -> Step {
        if !goes_on {
            return self.end(result, flags, completions);
        }
        completions.post(self.user_data, result, flags | MORE);
        self.told = matches!(self.request, Request::Poll { .. });
        Step::Waits
    }

    /// Whether a multishot operation goes on after this result.
    fn goes_on(&self, world: &mut World, completions: &Completions) -> bool {
        completions.has_room() && !world.chance.takes(Liberty::EndMultishot, 4)
    }

    fn receive(
        &mut self,
        fd: RawFd,
        multishot: bool,
        world: &mut World,
        completions: &mut Completions,
    ) -> Step {
        for _ in 0..MULTISHOT_AT_ONCE {
            let offered = world.buffers.as_ref().and_then(|buffers| buffers.first());
            let buffer = offered.filter(|_| !world.chance.takes(Liberty::NoBuffer, 8));
            let Some(buffer) = buffer else {
                return self.end(-libc::ENOBUFS, 0, completions);
            };
            let part = world.chance.part_of(buffer.len);
            let (received, more) = calls::recv(fd, buffer.data, part);
            let in_buffer = BUFFER | u32::from(buffer.id) << BUFFER_SHIFT;
            let take = |world: &mut World| {
                if let Some(buffers) = &mut world.buffers {
                    buffers.take();
                }
            };
            let more = more_flag(received, more, world);
            match received {
                result if result == -libc::EAGAIN => return Step::Waits,
                0 if world.chance.takes(Liberty::EndInBuffer, 2) => {
                    take(world);
                    return self.end(0, in_buffer | more, completions);
                }
                result if result <= 0 => return self.end(result, more, completions),
                _ => {}
            }
            take(world);
            let flags = in_buffer | more;
            let goes_on = multishot && self.goes_on(world, completions);
            if self.tell(received, flags, goes_on, completions) == Step::Ended {
                return Step::Ended;
            }
            if world.chance.takes(Liberty::PassOver, 4) {
                break;
            }
        }
        Step::Waits
    }

    fn accept(
        &mut self,
        multishot: bool,
        world: &mut World,
        completions: &mut Completions,
    ) -> Step {
        for _ in 0..MULTISHOT_AT_ONCE {
            let accepted = calls::once(&self.request);
            if accepted == -libc::EAGAIN {
                break;
            }
            let goes_on = multishot && accepted >= 0 && self.goes_on(world, completions);
            if self.tell(accepted, 0, goes_on, completions) == Step::Ended {
                return Step::Ended;
            }
        }
        Step::Waits
    }

    fn connect(&mut self, completions: &mut Completions) -> Step {
        let fd = self.fd().unwrap_or(-1);
        let result = match self.state {
            State::Connecting | State::Stopping if calls::ready(fd, libc::POLLOUT) == 0 => {
                return Step::Waits;
            }
            State::Connecting => calls::connected(fd),
            _ => calls::once(&self.request),
        };
        match -result {
            libc::EINPROGRESS | libc::EALREADY => {
                self.state = State::Connecting;
                Step::Waits
            }
            libc::EAGAIN => {
                self.state = State::Retried;
                Step::Waits
            }
            _ => self.end(result, 0, completions),
        }
    }

    /// Sends what is left, or a part; the result, once there is one.
    fn send(
        &mut self,
        total: usize,
        flags: i32,
        world: &mut World,
        send: impl Fn(usize, usize) -> i32,
    ) -> Option<i32> {
        loop {
            let part = world.chance.part_of(total - self.done);
            let sent = send(self.done, part);
            match sent {
                result if result == -libc::EAGAIN && !self.is_at_once() => return None,
                result if result < 0 && self.done == 0 => return Some(result),
                result if result <= 0 => return Some(self.done as i32),
                result => self.done += result as usize,
            }
            if self.done == total || flags & libc::MSG_WAITALL == 0 {
                return Some(self.done as i32);
            }
            if !self.is_at_once() && world.chance.takes(Liberty::PassOver, 4) {
                return None;
            }
        }
    }
}

/// The flag of a receive that says that another would not wait, which only the end of a stream always has.
fn more_flag(received: i32, more: bool, world: &mut World) -> u32 {
    match more && (received == 0 || !world.chance.takes(Liberty::Silent, 2)) {
        true => SOCK_NONEMPTY,
        false => 0,
    }
}

/// The descriptor of a request that may have to wait.
fn fd_of(request: &mut Request) -> Option<&mut RawFd> {
    match request {
        Request::Connect { fd, .. }
        | Request::Bind { fd, .. }
        | Request::Listen { fd, .. }
        | Request::Accept { fd, .. }
        | Request::Recv { fd, .. }
        | Request::RecvPooled { fd, .. }
        | Request::RecvMsg { fd, .. }
        | Request::Send { fd, .. }
        | Request::SendMsg { fd, .. }
        | Request::SendZc { fd, .. }
        | Request::Shutdown { fd, .. }
        | Request::Close { fd, .. }
        | Request::Poll { fd, .. }
        | Request::CancelFd { fd }
        | Request::Read { fd, .. }
        | Request::Write { fd, .. }
        | Request::Fsync { fd, .. }
        | Request::Statx { dir: fd, .. } => Some(fd),
        Request::Nop | Request::Cancel { .. } | Request::OpenAt { .. } => None,
    }
}
