//! The bounded completion queue: order, bounds, waiting, dropped waiters, a foreign loop.

mod common;
mod foreign_waker;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::Random;
use eyewall::queue::{CompletionQueue, PushError};
use eyewall::time::timeout;
use foreign_waker::{foreign, hook};
use futures_util::stream::FusedStream;
use futures_util::{FutureExt, StreamExt};

const LONG: Duration = Duration::from_secs(20);

#[test]
fn first_in_first_out_and_a_bound() {
    let queue = CompletionQueue::bounded(2);
    assert_eq!(queue.capacity(), 2);
    queue.push(1).unwrap();
    queue.push(2).unwrap();
    assert_eq!(queue.push(3), Err(PushError::Full(3)));
    assert_eq!((queue.len(), queue.is_empty()), (2, false));
    assert_eq!(
        (queue.pop(), queue.pop(), queue.pop()),
        (Some(1), Some(2), None)
    );
    queue.close();
    assert_eq!(queue.push(4), Err(PushError::Closed(4)));
}

#[test]
fn s07_a_full_queue_holds_back_and_loses_nothing() {
    eyewall::block_on(async {
        let queue = CompletionQueue::bounded(3);
        for giver in 0..10u32 {
            let queue = queue.clone();
            eyewall::spawn(async move {
                for item in 0..100 {
                    queue.push_wait((giver, item)).await.unwrap();
                    assert!(queue.len() <= 3);
                }
            })
            .detach();
        }
        let mut next = [0; 10];
        for _ in 0..1000 {
            let (giver, item) = timeout(LONG, queue.recv()).await.unwrap().unwrap();
            assert_eq!(next[giver as usize], item, "the order of one giver");
            next[giver as usize] += 1;
        }
        assert!(queue.is_empty());
    })
    .unwrap();
}

#[test]
fn a_closed_queue_gives_what_is_in_it_and_then_ends() {
    eyewall::block_on(async {
        let queue = CompletionQueue::bounded(2);
        let waiting = queue.clone();
        let waiter = eyewall::spawn(async move { (waiting.recv().await, waiting.recv().await) });
        eyewall::yield_now().await;
        queue.push(1).unwrap();
        queue.close();
        assert_eq!(
            timeout(LONG, waiter).await.unwrap().unwrap(),
            (Some(1), None)
        );
        assert_eq!(queue.push_wait(2).await, Err(PushError::Closed(2)));
    })
    .unwrap();
}

#[test]
fn a_dropped_waiter_passes_its_turn_on() {
    let queue = CompletionQueue::<u32>::bounded(1);
    let mut cx = Context::from_waker(Waker::noop());
    let mut second = pin!(queue.recv());
    {
        let mut first = pin!(queue.recv());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        queue.push(1).unwrap();
        // It is the first one's turn.
        assert!(second.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(second.as_mut().poll(&mut cx), Poll::Ready(Some(1)));

    queue.push(2).unwrap();
    let mut giver = pin!(queue.push_wait(4));
    {
        let mut dropped = pin!(queue.push_wait(3));
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
        assert!(giver.as_mut().poll(&mut cx).is_pending());
        assert_eq!(queue.pop(), Some(2));
        assert!(giver.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(giver.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(queue.pop(), Some(4));
}

#[test]
fn a_wake_reaches_the_next_when_the_woken_is_dropped() {
    eyewall::block_on(async {
        let queue = CompletionQueue::<u32>::bounded(1);
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                eyewall::spawn(async move { queue.recv().await })
            })
            .collect();
        eyewall::yield_now().await;
        queue.push(9).unwrap();
        // The first two have the turn one after the other, and never take it.
        tasks[0].abort();
        tasks[1].abort();
        let last = tasks.into_iter().next_back().unwrap();
        assert_eq!(timeout(LONG, last).await.unwrap().unwrap(), Some(9));
    })
    .unwrap();
}

#[test]
fn other_threads_deliver_to_a_sleeping_reactor() {
    let queue = CompletionQueue::bounded(4);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let queue = queue.clone();
            std::thread::spawn(move || {
                for item in 0..250 {
                    let mut item = (thread, item);
                    while let Err(full) = queue.push(item) {
                        item = full.into_inner();
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let sum = eyewall::block_on(async {
        let mut sum = 0;
        for _ in 0..1000 {
            sum += timeout(LONG, queue.recv()).await.unwrap().unwrap().1;
        }
        sum
    });
    assert_eq!(sum.unwrap(), 4 * (0..250).sum::<i32>());
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Whether an eventfd is readable, which it is while its counter is not zero (eventfd(2), proc(5)).
fn readable(fd: i32) -> bool {
    let path = format!("/proc/self/fdinfo/{fd}");
    let info = std::fs::read_to_string(path).unwrap();
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("eventfd-count:"));
    count.unwrap().trim() != "0"
}

#[test]
fn the_eventfd_is_readable_while_items_are_there() {
    let queue = CompletionQueue::bounded(2);
    queue.push(1).unwrap();
    let fd = queue.eventfd().unwrap().as_raw_fd();
    assert!(readable(fd), "an item was there before the descriptor");
    assert_eq!(queue.pop(), Some(1));
    assert!(!readable(fd));
    queue.push(2).unwrap();
    queue.push(3).unwrap();
    queue.pop();
    assert!(readable(fd));
    queue.pop();
    assert!(!readable(fd));
    queue.close();
    assert!(queue.is_closed());
    assert!(readable(fd), "a foreign loop has to see the close");
}

#[test]
fn pop_finds_what_is_there_though_others_wait() {
    let queue = CompletionQueue::bounded(1);
    let mut cx = Context::from_waker(Waker::noop());
    let mut waiting = pin!(queue.recv());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    queue.push(1).unwrap();
    assert_eq!(queue.pop(), Some(1));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    queue.push(2).unwrap();
    assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Ready(Some(2)));
}

/// A waker that uses the queue when the last of it goes, as one does that holds its task, and so what that holds.
struct Looks(CompletionQueue<u32>);

impl Wake for Looks {
    fn wake(self: Arc<Looks>) {}
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.len();
    }
}

#[test]
fn a_waker_may_use_the_queue_when_it_is_dropped() {
    let queue = CompletionQueue::bounded(1);
    let looks = || Waker::from(Arc::new(Looks(queue.clone())));
    for _ in 0..2 {
        // The first time nobody takes: the place goes with the future.
        let mut taking = pin!(queue.recv());
        for _ in 0..2 {
            let polled = taking.as_mut().poll(&mut Context::from_waker(&looks()));
            assert!(polled.is_pending());
        }
    }
    let mut taking = pin!(queue.recv());
    assert!(
        taking
            .as_mut()
            .poll(&mut Context::from_waker(&looks()))
            .is_pending()
    );
    queue.push(1).unwrap();
    let polled = taking
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Some(1)));

    queue.push(2).unwrap();
    let mut giving = pin!(queue.push_wait(3));
    assert!(
        giving
            .as_mut()
            .poll(&mut Context::from_waker(&looks()))
            .is_pending()
    );
    assert_eq!(queue.pop(), Some(2));
    let polled = giving
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Ok(())));
}

#[test]
fn a_waker_may_use_the_queue_when_it_is_cloned_woken_and_dropped() {
    let (done, ended) = mpsc::channel();
    // On a thread of its own: what fails here waits for itself for ever.
    std::thread::spawn(move || {
        let queue = CompletionQueue::bounded(1);
        let looking = queue.clone();
        let _hooked = hook(move || _ = looking.len());
        let poll = |future: &mut Pin<&mut dyn Future<Output = Option<u32>>>| {
            let waker = foreign(Waker::noop());
            future.as_mut().poll(&mut Context::from_waker(&waker))
        };
        let mut first: Pin<&mut dyn Future<Output = _>> = pin!(queue.recv());
        let mut second: Pin<&mut dyn Future<Output = _>> = pin!(queue.recv());
        for _ in 0..2 {
            assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        }
        queue.push(1).unwrap();
        assert_eq!(poll(&mut first), Poll::Ready(Some(1)));
        queue.push(2).unwrap();
        assert_eq!(poll(&mut second), Poll::Ready(Some(2)));

        queue.push(3).unwrap();
        let mut giving: Pin<&mut dyn Future<Output = _>> =
            pin!(async { queue.push_wait(4).await.ok().map(|()| 4) });
        assert!(poll(&mut giving).is_pending() && poll(&mut giving).is_pending());
        assert_eq!(queue.pop(), Some(3));
        assert_eq!(poll(&mut giving), Poll::Ready(Some(4)));
        queue.close();
        done.send(()).unwrap();
    });
    ended
        .recv_timeout(LONG)
        .expect("the queue waits for itself");
}

/// Sets a flag.
#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Flag>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn who_was_woken_in_vain_is_woken_again() {
    let queue = CompletionQueue::bounded(1);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = Context::from_waker(&waker);
    let woken = || flag.0.swap(false, std::sync::atomic::Ordering::Relaxed);
    let mut waiting = pin!(queue.recv());
    for item in 0..3 {
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        queue.push(item).unwrap();
        assert!(woken());
        // Another one is faster.
        assert_eq!(queue.pop(), Some(item));
    }
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    queue.close();
    assert!(woken());
}

/// One that panics when it is woken.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Panics>) {
        panic!("a waker that panics, on purpose");
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_asleep() {
    let queue = CompletionQueue::<u32>::bounded(1);
    let panics = Waker::from(Arc::new(Panics));
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let (mut first, mut second) = (pin!(queue.recv()), pin!(queue.recv()));
    let polled = first.as_mut().poll(&mut Context::from_waker(&panics));
    assert!(polled.is_pending());
    let mut cx = Context::from_waker(&waker);
    assert!(second.as_mut().poll(&mut cx).is_pending());
    queue.close();
    assert!(flag.0.load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(second.as_mut().poll(&mut cx), Poll::Ready(None));
}

#[test]
fn a_stream_of_the_items_waits_in_line_and_ends_with_the_queue() {
    eyewall::block_on(async {
        let queue = CompletionQueue::bounded(2);
        let mut items = queue.items();
        assert!(items.next().now_or_never().is_none(), "it is empty");
        let second = eyewall::spawn({
            let queue = queue.clone();
            async move { queue.recv().await }
        });
        eyewall::yield_now().await;
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert_eq!(timeout(LONG, second).await.unwrap().unwrap(), Some(1));
        assert!(queue.recv().now_or_never().is_none(), "one is the stream's");
        assert_eq!(timeout(LONG, items.next()).await.unwrap(), Some(2));
        let rest = eyewall::spawn(items.collect::<Vec<_>>());
        for item in 3..10 {
            queue.push_wait(item).await.unwrap();
        }
        queue.close();
        let rest = timeout(LONG, rest).await.unwrap().unwrap();
        assert_eq!(rest, (3..10).collect::<Vec<_>>());
    })
    .unwrap();
}

#[test]
fn a_dropped_stream_of_the_items_passes_its_turn_on() {
    eyewall::block_on(async {
        let queue = CompletionQueue::bounded(2);
        let mut items = queue.items();
        assert!(items.next().now_or_never().is_none());
        let mut waiting = pin!(queue.recv());
        assert!(waiting.as_mut().now_or_never().is_none());
        queue.push(1).unwrap();
        assert!(
            waiting.as_mut().now_or_never().is_none(),
            "the stream's turn"
        );
        drop(items);
        assert_eq!(timeout(LONG, waiting).await.unwrap(), Some(1));
    })
    .unwrap();
}

type Pushing = Pin<Box<dyn Future<Output = Result<(), PushError<u32>>>>>;

/// Who waits, and the flag that its waker sets.
struct Waiter<W> {
    waits: W,
    flag: Arc<Flag>,
}

impl<W> Waiter<W> {
    fn new(waits: W) -> Waiter<W> {
        let flag = Arc::default();
        Waiter { waits, flag }
    }

    fn is_woken(&self) -> bool {
        self.flag.0.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Asks once more, with a waker that is new or the one from before.
    fn ask<R>(
        &mut self,
        anew: bool,
        ask: impl FnOnce(&mut W, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        if anew {
            self.flag = Arc::default();
        }
        self.flag
            .0
            .store(false, std::sync::atomic::Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.flag));
        ask(&mut self.waits, &mut Context::from_waker(&waker))
    }
}

/// The place in `line` of `id`, which is behind all others if it has none.
fn place(line: &[u32], id: u32) -> usize {
    line.iter()
        .position(|&other| other == id)
        .unwrap_or(line.len())
}

/// Takers, givers and those who do not wait do what chance says; a list and two lines say what comes of it. After each
/// step everybody whose turn it is has been woken.
fn run_beside_model(seed: u64) {
    let mut random = Random::new(seed);
    let capacity = 1 + random.below(4) as usize;
    let queue = CompletionQueue::bounded(capacity);
    let (mut items, mut closed, mut next) = (VecDeque::new(), false, 0);
    let (mut takers, mut givers) = (BTreeMap::new(), BTreeMap::new());
    let (mut takers_line, mut givers_line) = (Vec::new(), Vec::new());
    for step in 0..300 {
        let said = format!("seed {seed} step {step}");
        next += 1;
        let anew = random.below(2) == 0;
        let pick = |of: usize, random: &mut Random| random.below(of.max(1) as u64) as usize;
        match random.below(if step > 250 { 81 } else { 80 }) {
            0..10 => {
                let room = capacity - items.len();
                let expected = match closed {
                    true => Err(PushError::Closed(next)),
                    false if givers_line.len() < room => Ok(()),
                    false => Err(PushError::Full(next)),
                };
                assert_eq!(queue.push(next), expected, "{said}");
                items.extend(expected.is_ok().then_some(next));
            }
            10..15 => assert_eq!(queue.pop(), items.pop_front(), "{said}"),
            15..25 => {
                takers.insert(next, Waiter::new(queue.items()));
            }
            25..35 => {
                let (queue, item) = (queue.clone(), next);
                let pushing: Pushing = Box::pin(async move { queue.push_wait(item).await });
                givers.insert(next, Waiter::new(pushing));
            }
            35..55 => {
                let picked = pick(takers.len(), &mut random);
                let Some((&id, taker)) = takers.iter_mut().nth(picked) else {
                    continue;
                };
                let expected = match place(&takers_line, id) < items.len() {
                    true => Poll::Ready(items.pop_front()),
                    false if closed && items.is_empty() => Poll::Ready(None),
                    false => Poll::Pending,
                };
                let taken = taker.ask(anew, |taker, cx| taker.poll_next_unpin(cx));
                assert_eq!(taken, expected, "{said}");
                match taken {
                    Poll::Ready(item) => {
                        assert_eq!(taker.waits.is_terminated(), item.is_none());
                        takers_line.retain(|&other| other != id);
                    }
                    Poll::Pending if !takers_line.contains(&id) => takers_line.push(id),
                    Poll::Pending => {}
                }
            }
            55..70 => {
                let picked = pick(givers.len(), &mut random);
                let Some((&id, giver)) = givers.iter_mut().nth(picked) else {
                    continue;
                };
                let turn = place(&givers_line, id) < capacity - items.len();
                let expected = match closed {
                    true => Poll::Ready(Err(PushError::Closed(id))),
                    false if turn => Poll::Ready(Ok(())),
                    false => Poll::Pending,
                };
                let given = giver.ask(anew, |giver, cx| giver.as_mut().poll(cx));
                assert_eq!(given, expected, "{said}");
                if given.is_pending() {
                    if !givers_line.contains(&id) {
                        givers_line.push(id);
                    }
                } else {
                    items.extend((!closed).then_some(id));
                    givers_line.retain(|&other| other != id);
                    givers.remove(&id);
                }
            }
            70..75 => {
                let id = takers.keys().nth(pick(takers.len(), &mut random)).copied();
                takers_line.retain(|&other| Some(other) != id);
                drop(id.and_then(|id| takers.remove(&id)));
            }
            75..80 => {
                let id = givers.keys().nth(pick(givers.len(), &mut random)).copied();
                givers_line.retain(|&other| Some(other) != id);
                drop(id.and_then(|id| givers.remove(&id)));
            }
            _ => {
                queue.close();
                closed = true;
            }
        }
        assert_eq!(
            (queue.len(), queue.is_closed()),
            (items.len(), closed),
            "{said}"
        );
        assert!(items.len() <= capacity);
        let end = closed && items.is_empty();
        let there = if end { usize::MAX } else { items.len() };
        let room = if closed {
            usize::MAX
        } else {
            capacity - items.len()
        };
        let takers_woken = takers_line
            .iter()
            .take(there)
            .all(|id| takers[id].is_woken());
        let givers_woken = givers_line
            .iter()
            .take(room)
            .all(|id| givers[id].is_woken());
        assert!(takers_woken && givers_woken, "{said}: somebody sleeps on");
    }
}

#[test]
fn the_queue_does_what_a_list_and_two_lines_do() {
    for seed in 1..=200 {
        run_beside_model(seed);
    }
}
