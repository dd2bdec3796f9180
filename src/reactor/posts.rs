//! Posts that are staged, or in the kernel: sends that only a failure completes, and that need no slot.

use std::collections::VecDeque;

use crate::op::Post;

/// They are over in the order of their staging, mostly without a word.
#[derive(Default)]
pub(super) struct Posts {
    /// `None` where one has failed.
    staged: VecDeque<Option<Post>>,
    /// How many of them have failed.
    failed: usize,
    /// The number of the first.
    first: u32,
}

/// Numbers begin again after this one. There are never so many at a time.
const LAST: u32 = (1 << 31) - 1;

impl Posts {
    /// How many have not failed.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.staged.len() - self.failed
    }

    /// How many have been staged.
    #[inline(always)]
    pub(super) fn staged(&self) -> usize {
        self.staged.len()
    }

    /// The `user_data` of the next one: a number where that of an operation has a slot, and no generation.
    #[inline(always)]
    pub(super) fn next_user_data(&self) -> u64 {
        u64::from(self.first.wrapping_add(self.staged.len() as u32) & LAST)
    }

    #[inline(always)]
    pub(super) fn push(&mut self, post: Post) {
        self.staged.push_back(Some(post));
    }

    /// Takes out the one that has failed.
    pub(super) fn fail(&mut self, user_data: u64) -> Option<Post> {
        let number = u32::try_from(user_data).ok().filter(|&at| at <= LAST)?;
        let at = number.wrapping_sub(self.first) & LAST;
        let post = self.staged.get_mut(at as usize)?.take()?;
        self.failed += 1;
        Some(post)
    }

    /// Takes out the first; `None` if it has failed.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Post> {
        let first = self.staged.pop_front()?;
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
        Post::new(SharedFd::new(file.into(), &Rc::default()), "post")
    }

    #[test]
    fn one_that_has_failed_is_taken_out_once_and_the_others_stay() {
        // The numbers begin again in between.
        let mut posts = Posts {
            first: LAST - 1,
            ..Posts::default()
        };
        let mut numbers = Vec::new();
        for _ in 0..4 {
            numbers.push(posts.next_user_data());
            posts.push(post());
        }
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
        assert_eq!(posts.next_user_data(), 2);
        assert!(posts.pop().is_none());
    }
}
