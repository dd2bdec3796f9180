//! The ring that the kernel serves.

use std::io;
use std::time::Duration;

use io_uring::squeue::SubmissionQueue;
use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Submitter};

use super::{BUFFER_GROUP, BufRing, Cqe, Entered, Request, Setup, Wait, probe, setup, sqe};
use crate::error::Error;

/// How many threads of the kernel's may do at once for one of ours what cannot be done on the spot: open a file, ask for
/// its metadata, bring it to the disk. They are made when the others wait, and go when there is nothing to do. By itself
/// the kernel allows four for each processor, and no more than there are entries in the submission queue: a few that wait
/// for long, as the opens of FIFOs do, would hold up all files.
const WORKERS: u32 = 256;

/// An io_uring instance, used by the thread that made it.
pub(crate) struct Ring {
    io: IoUring,
    bind_listen: bool,
    overflows: u64,
}

/// A place in the submission queue for one request.
pub(crate) struct Place<'a>(SubmissionQueue<'a>);

impl Place<'_> {
    /// Puts the request there.
    ///
    /// Always inlined: where an operation calls it the kind of request is known, and only that one is built.
    #[inline(always)]
    pub(crate) fn stage(mut self, request: &Request, user_data: u64) {
        let entry = sqe::build(request, user_data);
        // SAFETY: what the request points to is owned by the operation in the reactor's table, which keeps it at a fixed
        // address until the final completion of `user_data`, or for ever; or by a post, which is kept likewise until the
        // enter that submits it is over.
        let pushed = unsafe { self.0.push(&entry) };
        debug_assert!(pushed.is_ok(), "there is room");
    }
}

impl Ring {
    pub(crate) fn new(setup: &Setup) -> Result<Ring, Error> {
        let io = setup::build(setup)?;
        let bind_listen = probe::knows_bind_listen(&io);
        // Where that is refused, the kernel's own limit stays.
        let _ = io.submitter().register_iowq_max_workers(&mut [WORKERS, 0]);
        Ok(Ring {
            io,
            bind_listen,
            overflows: 0,
        })
    }

    /// Whether bind and listen are ring operations here (Linux 6.11).
    pub(crate) fn has_bind_listen(&self) -> bool {
        self.bind_listen
    }

    /// A place in the submission queue; `None` when it is full.
    #[inline(always)]
    pub(crate) fn place(&mut self) -> Option<Place<'_>> {
        let queue = self.io.submission();
        (!queue.is_full()).then_some(Place(queue))
    }

    /// For how many more the submission queue has room.
    pub(crate) fn room(&mut self) -> usize {
        let queue = self.io.submission();
        queue.capacity() - queue.len()
    }

    /// How many requests are staged and not yet submitted.
    pub(crate) fn staged(&mut self) -> usize {
        self.io.submission().len()
    }

    /// Whether an enter without anything staged would bring completions: deferred task work is flagged
    /// (`IORING_SQ_TASKRUN`) or completions overflowed into the kernel's own list (`IORING_SQ_CQ_OVERFLOW`).
    pub(crate) fn wants_enter(&mut self) -> bool {
        let queue = self.io.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// How many completions wait to be reaped.
    pub(crate) fn completions(&mut self) -> usize {
        self.io.completion().len()
    }

    /// Whether completions wait to be reaped.
    pub(crate) fn has_completions(&mut self) -> bool {
        !self.io.completion().is_empty()
    }

    /// Whether completions overflowed into the kernel's own list.
    #[cfg(test)]
    pub(crate) fn overflowed(&mut self) -> bool {
        self.io.submission().cq_overflow()
    }

    /// How many enters have found that completions had overflowed.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Whether everything staged has been submitted, and no completion waits in the kernel's own list.
    pub(crate) fn is_settled(&mut self) -> bool {
        let queue = self.io.submission();
        queue.is_empty() && !queue.cq_overflow()
    }

    /// Submits what is staged and waits as `wait` says.
    #[inline(always)]
    pub(crate) fn enter(&mut self, wait: Wait) -> Result<Entered, Error> {
        let queue = self.io.submission();
        let staged = queue.len() as u32;
        self.overflows += u64::from(queue.cq_overflow());
        drop(queue);
        let submitter = self.io.submitter();
        let outcome = match wait {
            // Always with GETEVENTS, which runs the task work that the submission itself has made: what one
            // connection of this ring sends, another receives in the same call.
            // SAFETY: as many SQEs are staged, and there is no argument.
            Wait::No => unsafe {
                submitter.enter::<libc::sigset_t>(staged, 0, EnterFlags::GETEVENTS.bits(), None)
            },
            // SAFETY: as above.
            Wait::Completion(None) => unsafe {
                submitter.enter::<libc::sigset_t>(staged, 1, EnterFlags::GETEVENTS.bits(), None)
            },
            Wait::Completion(Some(timeout)) => submit_and_wait(&submitter, 1, timeout),
            Wait::Several(count, timeout) => submit_and_wait(&submitter, count, timeout),
        };
        Entered::of(outcome)
    }

    /// Takes out the next completion.
    #[inline(always)]
    pub(crate) fn reap(&mut self) -> Option<Cqe> {
        let entry = self.io.completion().next()?;
        Some(Cqe {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        })
    }

    /// Cancels everything in flight and waits until the kernel has done so (`IORING_REGISTER_SYNC_CANCEL`).
    pub(crate) fn cancel_all(&mut self, timeout: Duration) {
        let timeout = Some(Timespec::from(timeout));
        // What an error says (nothing was in flight, the time ran out) is seen by what is left.
        let _ = self
            .io
            .submitter()
            .register_sync_cancel(timeout, CancelBuilder::any().all());
    }

    /// Offers the buffers of `buffers` to receives with [`BUFFER_GROUP`].
    pub(crate) fn register_buffers(&mut self, buffers: &BufRing) -> Result<(), Error> {
        // SAFETY: the mapping is live, and the reactor keeps it until it has unregistered it.
        unsafe {
            self.io.submitter().register_buf_ring_with_flags(
                buffers.address(),
                buffers.count(),
                BUFFER_GROUP,
                0,
            )
        }
        .map_err(|error| setup::explain_call("io_uring_register", error))
    }

    /// Takes the buffers back; receives that are in flight end with ENOBUFS.
    pub(crate) fn unregister_buffers(&mut self) -> io::Result<()> {
        self.io.submitter().unregister_buf_ring(BUFFER_GROUP)
    }
}

fn submit_and_wait(submitter: &Submitter<'_>, count: u32, timeout: Duration) -> io::Result<usize> {
    let timespec = Timespec::from(timeout);
    submitter.submit_with_args(count as usize, &SubmitArgs::new().timespec(&timespec))
}
