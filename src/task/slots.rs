//! The slots that tasks live in. One that has become free keeps its waker for the next task, which then costs one
//! allocation instead of two.

use std::any::Any;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;

use super::executor::Task;
use super::remote::Remote;
use super::waker::Signal;

/// A task, or room for one.
pub(super) struct Slot {
    /// `None` while it is being polled, and after an abort or a panic.
    pub(super) task: Option<Pin<Box<dyn Task>>>,
    pub(super) state: State,
    /// No handle is left.
    pub(super) detached: bool,
    pub(super) joiner: Option<Waker>,
    pub(super) signal: Arc<Signal>,
    /// The waker over `signal`; `None` while the task is being polled.
    pub(super) waker: Option<Waker>,
    pub(super) spawned_at: &'static Location<'static>,
}

pub(super) enum State {
    Running,
    /// It is being polled and will be dropped after that.
    Aborting,
    Finished,
    Aborted,
    ShutDown,
    Panicked(Box<dyn Any + Send>),
    /// There is no task.
    Vacant,
}

/// What was in a slot; to be dropped when the slots are no longer borrowed, since it is user code.
pub(super) type Rest = (Option<Pin<Box<dyn Task>>>, State, Option<Waker>);

/// How many references to its signal a slot has itself: the field, and its waker.
const OWN_REFERENCES: usize = 2;

/// The slots of one executor.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Slots {
    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a slot for `task`, whose signal says that it is queued.
    pub(super) fn insert(
        &mut self,
        task: Option<Pin<Box<dyn Task>>>,
        state: State,
        spawned_at: &'static Location<'static>,
        remote: &Arc<Remote>,
    ) -> u32 {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.task = task;
            slot.state = state;
            slot.detached = false;
            slot.spawned_at = spawned_at;
            // A waker that somebody still holds is one of the task before, and stays that.
            if slot.waker.is_none() || Arc::strong_count(&slot.signal) > OWN_REFERENCES {
                slot.signal = Signal::new(index, remote);
                slot.waker = Some(Waker::from(Arc::clone(&slot.signal)));
            }
            slot.signal.queue();
            return index;
        }
        let index =
            u32::try_from(self.slots.len()).expect("fewer than four thousand million tasks");
        let signal = Signal::new(index, remote);
        signal.queue();
        self.slots.push(Slot {
            task,
            state,
            detached: false,
            joiner: None,
            waker: Some(Waker::from(Arc::clone(&signal))),
            signal,
            spawned_at,
        });
        index
    }

    /// The slot of a task that has not been freed.
    pub(super) fn get(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// As [`get`](Slots::get), for an index that may be that of no task, or of a later one.
    pub(super) fn find(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)
    }

    /// Frees a slot.
    pub(super) fn free(&mut self, index: u32) -> Rest {
        let slot = &mut self.slots[index as usize];
        let state = std::mem::replace(&mut slot.state, State::Vacant);
        let rest = (slot.task.take(), state, slot.joiner.take());
        self.free.push(index);
        rest
    }

    /// The tasks that run, but for those that are being polled.
    pub(super) fn running(&self) -> Vec<u32> {
        let slots = self.slots.iter().zip(0..);
        slots
            .filter(|(slot, _)| matches!(slot.state, State::Running) && slot.task.is_some())
            .map(|(_, index)| index)
            .collect()
    }
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = self.slots.iter().filter_map(|slot| match slot.state {
            State::Vacant => None,
            _ => Some(slot.spawned_at),
        });
        f.debug_list().entries(places).finish()
    }
}
