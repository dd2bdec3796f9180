//! The standard output, which several transfers may share: what they write comes in the order of their numbers, and
//! nothing of one comes between two parts of another.
//!
//! A transfer whose turn it is writes at once. The others' output is held, 1 MiB of each; who has more waits, and with
//! it, after some time, its server. The first transfer never waits for another, so that they all come to their end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, IsTerminal, Seek, Write};
use std::os::fd::AsFd;
use std::task::{Poll, Waker};

use eyewall::buf::IoBuf;
use eyewall::fs::File;

/// How much is held for a transfer whose turn it is not.
const HELD: usize = 1 << 20;

pub(crate) struct Stdout {
    way: Way,
    state: RefCell<State>,
}

/// How bytes get out.
enum Way {
    /// Over the ring: a pipe or a terminal may take nothing for a long time.
    Ring(File),
    /// At once: what has places to be at, as a file or a disk, is written where others of the same file have stopped, and
    /// that place moves on.
    Direct(std::fs::File),
}

#[derive(Default)]
struct State {
    /// Whose turn it is.
    turn: usize,
    /// Those whose turn it is not, or whose held output is still being written.
    waiting: BTreeMap<usize, Lane>,
    /// Somebody writes what was held.
    releasing: bool,
    /// Why there is no more to be written to.
    broken: Option<io::ErrorKind>,
    /// Something of a body, or of the heads, could not be written.
    lost: bool,
}

impl State {
    fn may_write(&self, number: usize) -> bool {
        self.turn == number && !self.waiting.contains_key(&number)
    }
}

/// What is held of a transfer.
#[derive(Default)]
struct Lane {
    held: Vec<u8>,
    /// Some of that was asked for.
    wanted: bool,
    ended: bool,
    waker: Option<Waker>,
}

impl Stdout {
    pub(crate) fn open() -> io::Result<Stdout> {
        let owned = io::stdout().as_fd().try_clone_to_owned()?;
        let mut file = std::fs::File::from(owned);
        let way = match file.stream_position() {
            Ok(_) => Way::Direct(file),
            Err(_) => Way::Ring(File::from_std(file)?),
        };
        Ok(Stdout {
            way,
            state: RefCell::default(),
        })
    }

    pub(crate) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Writes for transfer `number`.
    pub(crate) async fn write<B: IoBuf + AsRef<[u8]>>(
        &self,
        number: usize,
        bytes: B,
    ) -> io::Result<()> {
        self.write_as(number, bytes, true).await
    }

    /// Writes for transfer `number` what is said about it: who does not read that has still got all.
    pub(crate) async fn write_aside<B: IoBuf + AsRef<[u8]>>(
        &self,
        number: usize,
        bytes: B,
    ) -> io::Result<()> {
        self.write_as(number, bytes, false).await
    }

    async fn write_as<B: IoBuf + AsRef<[u8]>>(
        &self,
        number: usize,
        bytes: B,
        wanted: bool,
    ) -> io::Result<()> {
        if self.hold(number, bytes.as_ref(), wanted) {
            return Ok(());
        }
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            if state.may_write(number) {
                return Poll::Ready(());
            }
            state.waiting.entry(number).or_default().waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        self.put(bytes, wanted).await
    }

    /// Transfer `number` has written everything; those behind it have their turn.
    pub(crate) async fn end(&self, number: usize) {
        {
            let mut state = self.state.borrow_mut();
            state.waiting.entry(number).or_default().ended = true;
            if state.turn != number || state.releasing {
                return;
            }
            state.releasing = true;
        }
        while let Some((held, wanted)) = self.next_held() {
            // It is remembered if this fails.
            let _ = self.put(held, wanted).await;
        }
        self.state.borrow_mut().releasing = false;
    }

    /// Whether something could not be written that was asked for.
    pub(crate) fn has_lost(&self) -> bool {
        self.state.borrow().lost
    }

    /// Gives the turn on as far as transfers have ended. What is held of the one that has it then, and whether that was
    /// asked for; `None` if it may write itself, or has not begun.
    fn next_held(&self) -> Option<(Vec<u8>, bool)> {
        let mut state = self.state.borrow_mut();
        loop {
            let turn = state.turn;
            let lane = state.waiting.get_mut(&turn)?;
            if !lane.held.is_empty() {
                return Some((std::mem::take(&mut lane.held), lane.wanted));
            }
            let lane = state.waiting.remove(&turn)?;
            if !lane.ended {
                if let Some(waker) = lane.waker {
                    waker.wake();
                }
                return None;
            }
            state.turn += 1;
        }
    }

    /// Keeps `bytes` until the turn of `number`, if it is not that yet and they find room.
    fn hold(&self, number: usize, bytes: &[u8], wanted: bool) -> bool {
        let mut state = self.state.borrow_mut();
        if state.may_write(number) {
            return false;
        }
        let lane = state.waiting.entry(number).or_default();
        let room = lane.held.len() + bytes.len() <= HELD;
        if room {
            lane.held.extend_from_slice(bytes);
            lane.wanted |= wanted;
        }
        room
    }

    async fn put<B: IoBuf + AsRef<[u8]>>(&self, bytes: B, wanted: bool) -> io::Result<()> {
        let broken = self.state.borrow().broken;
        let result = match (broken, &self.way) {
            (Some(kind), _) => Err(kind.into()),
            // The offset means nothing where there are no places to be at.
            (None, Way::Ring(file)) => file.write_all_at(bytes, 0).await.0,
            (None, Way::Direct(file)) => {
                let mut file = file;
                file.write_all(bytes.as_ref())
            }
        };
        if let Err(error) = &result {
            let mut state = self.state.borrow_mut();
            state.broken = Some(error.kind());
            state.lost |= wanted;
        }
        result
    }
}
