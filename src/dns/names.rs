//! The look-ups of one reactor: those that run, and what the last ones found.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use futures_util::FutureExt;

use super::ResolveError;
use super::cache::{Addresses, Cache};
use crate::error::shut_down;
use crate::reactor::Core;
use crate::task::{contain_panic, in_background, spawn_blocking};

/// Longer names are not DNS names (RFC 1035, 2.3.4), and are not asked for.
const LONGEST_NAME: usize = 255;

type Answer = Result<Addresses, ResolveError>;

/// What turns a name into addresses, on a thread where blocking is allowed; the ports mean nothing.
type System = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The names that a reactor knows or is asking for.
pub(crate) struct Names {
    cache: RefCell<Cache>,
    /// The task that asks for a name keeps those who wait for it, so that its end is their answer in any case.
    running: RefCell<HashMap<Rc<str>, Weak<Waiting>>>,
    look_ups: Cell<u64>,
    system: RefCell<System>,
}

/// Those who wait for a name. Waking one may be code of others, and a panic in that keeps no answer from the next.
#[derive(Default)]
struct Waiting {
    senders: RefCell<Vec<oneshot::Sender<Answer>>>,
}

impl Waiting {
    fn join(&self) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut senders = self.senders.borrow_mut();
        if senders.len() == senders.capacity() {
            // Before it grows: many may have come and gone while the system keeps silent.
            senders.retain(|sender| !sender.is_canceled());
        }
        senders.push(sender);
        receiver
    }

    fn tell(&self, answer: &Answer) {
        for sender in self.senders.take() {
            contain_panic(|| {
                // An error here: this one has gone.
                let _ = sender.send(answer.clone());
            });
        }
    }

    /// Whether nobody waits any more; if somebody does, the task of `cx` is woken when that ends.
    fn is_left(&self, cx: &mut Context<'_>) -> bool {
        let mut senders = self.senders.borrow_mut();
        while let Some(last) = senders.last_mut() {
            if last.poll_canceled(cx).is_pending() {
                return false;
            }
            senders.pop();
        }
        true
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for sender in self.senders.take() {
            contain_panic(|| drop(sender));
        }
    }
}

impl Names {
    /// Keeps at most `limit` names, each for the time `keep`.
    pub(crate) fn new(limit: usize, keep: Duration) -> Names {
        Names {
            cache: RefCell::new(Cache::new(limit, keep)),
            running: RefCell::default(),
            look_ups: Cell::new(0),
            system: RefCell::new(Arc::new(getaddrinfo)),
        }
    }

    /// How many names the system was asked for and has answered.
    pub(crate) fn look_ups(&self) -> u64 {
        self.look_ups.get()
    }

    /// The addresses of `host`: kept, on their way, or asked for now.
    pub(super) async fn look_up(&self, host: &str) -> io::Result<Addresses> {
        if host.is_empty() || host.len() > LONGEST_NAME {
            let reason = format!("a name has 1 to {LONGEST_NAME} bytes");
            return Err(ResolveError::new(host, reason).into());
        }
        let name: Rc<str> = host.to_ascii_lowercase().into();
        if let Some(addresses) = self.cache.borrow().get(&name, Instant::now()) {
            return Ok(addresses);
        }
        let running = self.running.borrow().get(&name).and_then(Weak::upgrade);
        let answer = match running {
            Some(waiting) => waiting.join(),
            None => self.ask(name),
        };
        // The sender has gone without a word: its task was dropped.
        Ok(answer.await.map_err(|_| shut_down())??)
    }

    /// Begins to ask the system for `name`. Nobody has to wait for the end: a look-up that runs goes on, and one that no
    /// thread has begun is not made.
    fn ask(&self, name: Rc<str>) -> oneshot::Receiver<Answer> {
        let waiting = Rc::<Waiting>::default();
        let receiver = waiting.join();
        self.running
            .borrow_mut()
            .insert(Rc::clone(&name), Rc::downgrade(&waiting));
        let system = Arc::clone(&self.system.borrow());
        let owned = String::from(&*name);
        let mut work = spawn_blocking(move || system(&owned));
        in_background(async move {
            let ended = poll_fn(|cx| match work.poll_unpin(cx) {
                Poll::Pending if waiting.is_left(cx) && work.take_back() => Poll::Ready(None),
                polled => polled.map(Some),
            });
            let Some(ended) = ended.await else {
                if let Ok(core) = Core::current() {
                    core.names().running.borrow_mut().remove(&name);
                }
                return;
            };
            let answer = match ended {
                Ok(Ok(found)) if found.is_empty() => {
                    Err(ResolveError::new(&name, "it has no address"))
                }
                Ok(Ok(found)) => Ok(Addresses::from(found)),
                Ok(Err(error)) => Err(ResolveError::new(&name, error)),
                Err(panic) => Err(ResolveError::new(&name, panic)),
            };
            // This task runs on its own reactor only.
            if let Ok(core) = Core::current() {
                core.names().answered(name, &answer);
            }
            waiting.tell(&answer);
        });
        receiver
    }

    fn answered(&self, name: Rc<str>, answer: &Answer) {
        self.look_ups.set(self.look_ups.get() + 1);
        self.running.borrow_mut().remove(&name);
        if let Ok(addresses) = answer {
            let mut cache = self.cache.borrow_mut();
            cache.insert(name, Rc::clone(addresses), Instant::now());
        }
    }

    /// Takes another source of answers.
    #[cfg(test)]
    pub(super) fn set_system(&self, system: System) {
        *self.system.borrow_mut() = system;
    }
}

fn getaddrinfo(name: &str) -> io::Result<Vec<SocketAddr>> {
    // It and the names below it must not depend on what the system asks (RFC 6761, 6.3): /etc/hosts knows none of
    // those, nor it with a dot at the end, and DNS may know better.
    let own = name.strip_suffix('.').unwrap_or(name);
    let name = match own == "localhost" || own.ends_with(".localhost") {
        true => "localhost",
        false => name,
    };
    Ok((name, 0).to_socket_addrs()?.collect())
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("cache", &self.cache)
            .field("look_ups", &self.look_ups)
            .finish_non_exhaustive()
    }
}
