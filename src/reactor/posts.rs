//! Posts that are staged, or in the kernel: sends that only a failure completes, and that need no slot.

use crate::op::Post;

/// They are over in the order of their staging, mostly without a word. Each has a number.
pub(super) struct Posts {
    /// As many as a power of two; `None` where there is none, or one that has failed. The number says where.
    places: Box<[Option<Post>]>,
    /// The number of the first, and of the next one.
    first: u32,
    next: u32,
    /// How many have failed.
    failed: usize,
}

/// Numbers begin again after this one.
const LAST: u32 = (1 << 31) - 1;

impl Posts {
    /// With room for as many as the submission queue has.
    pub(super) fn new(sq_entries: u32) -> Posts {
        let room = sq_entries.next_power_of_two().min(LAST.div_ceil(2));
        Posts {
            places: (0..room).map(|_| None).collect(),
            first: 0,
            next: 0,
            failed: 0,
        }
    }

    #[inline(always)]
    fn place(&mut self, number: u32) -> &mut Option<Post> {
        let mask = self.places.len() - 1;
        &mut self.places[number as usize & mask]
    }

    /// How many have been staged.
    #[inline(always)]
    pub(super) fn staged(&self) -> usize {
        (self.next.wrapping_sub(self.first) & LAST) as usize
    }

    /// How many of them have not failed.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.staged() - self.failed
    }

    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.staged() == self.places.len()
    }

    /// The `user_data` of the next one: a number where that of an operation has a slot, and no generation.
    #[inline(always)]
    pub(super) fn next_user_data(&self) -> u64 {
        u64::from(self.next)
    }

    /// There is room for it.
    #[inline(always)]
    pub(super) fn push(&mut self, post: Post) {
        let before = self.place(self.next).replace(post);
        debug_assert!(before.is_none(), "it is full");
        // So there is nothing to be dropped, which takes a look at it.
        std::mem::forget(before);
        self.next = self.next.wrapping_add(1) & LAST;
    }

    /// Takes out one that has failed.
    pub(super) fn fail(&mut self, user_data: u64) -> Option<Post> {
        let number = u32::try_from(user_data).ok().filter(|&at| at <= LAST)?;
        let at = number.wrapping_sub(self.first) & LAST;
        if at as usize >= self.staged() {
            return None;
        }
        let post = self.place(number).take()?;
        self.failed += 1;
        Some(post)
    }

    /// Takes out the first; `None` if it has failed.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Post> {
        if self.first == self.next {
            return None;
        }
        let first = self.place(self.first).take();
        self.first = self.first.wrapping_add(1) & LAST;
        if first.is_none() {
            self.failed -= 1;
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::rc::Rc;

    use super::*;
    use crate::op::SharedFd;

    fn post() -> Post {
        let file = File::open("/dev/null").unwrap();
        Post::new(SharedFd::new(file.into(), &Rc::default()), "post").0
    }

    #[test]
    fn one_that_has_failed_is_taken_out_once_and_the_others_stay() {
        let mut posts = Posts::new(3);
        // The numbers begin again in between.
        (posts.first, posts.next) = (LAST - 1, LAST - 1);
        let mut numbers = Vec::new();
        for _ in 0..4 {
            assert!(!posts.is_full());
            numbers.push(posts.next_user_data());
            posts.push(post());
        }
        assert!(posts.is_full());
        let last = u64::from(LAST);
        assert_eq!(numbers, [last - 1, last, 0, 1]);
        for stale in [2, last - 2, 1 << 31, 1 << 32, u64::MAX] {
            assert!(posts.fail(stale).is_none(), "{stale}");
        }
        assert!(posts.fail(0).is_some());
        assert!(posts.fail(0).is_none());
        assert_eq!((posts.len(), posts.staged()), (3, 4));
        let popped: Vec<bool> = (0..4).map(|_| posts.pop().is_some()).collect();
        assert_eq!(popped, [true, true, false, true]);
        assert_eq!((posts.len(), posts.staged()), (0, 0));
        assert!(posts.pop().is_none());
        assert_eq!(posts.next_user_data(), 2);
    }

    #[test]
    fn what_comes_while_others_are_taken_out_keeps_its_number() {
        let mut posts = Posts::new(2);
        posts.push(post());
        posts.push(post());
        assert!(posts.pop().is_some());
        let number = posts.next_user_data();
        posts.push(post());
        assert!(posts.pop().is_some());
        assert_eq!((posts.len(), number), (1, 2));
        assert!(posts.fail(1).is_none());
        assert!(posts.fail(number).is_some());
        assert!(posts.pop().is_none());
        assert_eq!((posts.staged(), posts.next_user_data()), (0, 3));
    }
}
