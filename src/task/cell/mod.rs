//! A task in one allocation: its header, and its future and later its result in the same place. Here alone `task/` has
//! `unsafe` in it; what this offers to the rest is safe.
//!
//! | file | job |
//! | --- | --- |
//! | `header.rs` | the one allocation: what is in it, and who may touch it when |
//! | `owner.rs` | a task at its home: polled, ended, its result taken |
//! | `waker.rs` | wakers, which may be anywhere |
//! | `here.rs` | the executor that runs on this thread |
//! | `queue.rs` | the tasks that have been woken |
//! | `list.rs` | the tasks that have not ended |
//! | `spare.rs` | memory that is used again |
//!
//! # Who may touch what
//!
//! The thread that a task was spawned on is its *home*. There its owners are: each [`Task`], of which the executor
//! keeps one until the task has ended, and the handle another. Only through them are the future and the result
//! reached, and since a `Task` is not `Send`, both are polled, moved and dropped at home alone. The last owner drops
//! what is left of them; all that a waker can keep is the memory.
//!
//! Wakers may be anywhere. They reach the header's atomics, and what never changes; its `Cell`s they touch only at
//! home. They are at home where the executor that runs on their thread (`here.rs`) is that of the task. That comparison
//! of pointers is sound although an executor's memory can be used again: a task keeps its executor alive until it
//! takes the pointer out, so that whoever gets the same memory afterwards also sees that the pointer has gone.
//!
//! # The count
//!
//! Waiting for a receive clones a waker and waking consumes it, nearly always at home. So references are counted
//! twice: `here` counts, without a lock prefix, what is cloned and dropped at home, and `elsewhere` the rest. Either
//! may fall below its start, as a waker may be cloned at one place and dropped at another; their sum counts. While
//! there are owners, nobody asks for the sum. The last owner adds `here` to `elsewhere`, and takes the task from its
//! home: from now on `elsewhere` alone counts, and whoever brings it to zero frees the memory. `elsewhere` starts at
//! `BIAS`, which goes with that sum, so that nobody can take it for zero before.
//!
//! The last owner may find at once that nobody else is left. It reads a sum of zero only then: had another thread
//! still a reference, it would be in the sum. Either it was cloned here, or where `elsewhere` shows it; and if that is
//! too late to be seen, then so is the drop of the one that it was cloned from.

#![allow(unsafe_code)]

mod header;
mod here;
mod list;
mod owner;
mod queue;
mod spare;
mod waker;

pub(crate) use here::Entered;
pub(super) use here::{current, enter};
pub(super) use list::List;
pub(super) use owner::{Polled, Task, TaskOf};
pub(super) use queue::{Queue, Woken};
pub(super) use spare::Spare;
pub(super) use waker::Sent;
pub(crate) use waker::own_wakers;
