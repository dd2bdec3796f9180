//! The registry style: callbacks for what happens to all fetches of a client.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use http::{Method, StatusCode};
use url::Url;

use crate::http::error::{Error, ErrorKind};
use crate::http::watch::Watch;
use crate::http::{Client, Timings};
use crate::task::contain_panic;

/// Something that happened to a fetch of a client, or to one of its connections.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ClientEvent<'a> {
    /// A connection was made.
    Connected {
        /// The other end, where it has an address.
        remote: Option<SocketAddr>,
    },
    /// A kept connection ended: its peer closed it, or it had been idle for too long or too many were kept.
    IdleClosed {
        /// The other end, where it has an address.
        remote: Option<SocketAddr>,
    },
    /// A redirect is followed.
    Redirected {
        /// The status of the response.
        status: StatusCode,
        /// The URL that answered.
        from: &'a Url,
        /// The URL that is fetched next.
        to: &'a Url,
    },
    /// The head of the response came that is the result of a fetch.
    Responded {
        /// The method of the last request.
        method: &'a Method,
        /// Its URL.
        url: &'a Url,
        /// The status.
        status: StatusCode,
        /// How long it took.
        timings: &'a Timings,
    },
    /// A fetch failed: before its response was there, or in its body, after
    /// [`Responded`](ClientEvent::Responded) was told. Also one that was given up before its response was there
    /// ([`ErrorKind::Cancelled`](crate::http::ErrorKind::Cancelled)); whoever drops a response has it, and its fetch
    /// does not fail.
    Failed {
        /// Why.
        error: &'a Error,
    },
}

type Callback = Rc<RefCell<dyn FnMut(&ClientEvent<'_>)>>;

/// The callbacks of a client.
#[derive(Default)]
pub(in crate::http) struct Watchers {
    callbacks: RefCell<Vec<(u64, Callback)>>,
    next: Cell<u64>,
}

/// A callback in the registry; from [`Client::on`]. Dropping it takes the callback out.
#[must_use = "dropping a registration takes its callback out again"]
pub struct ClientRegistration {
    watchers: Rc<Watchers>,
    id: u64,
}

impl Client {
    /// Calls `callback` for everything that happens to the fetches and connections of this client and its clones,
    /// until the returned registration is dropped.
    ///
    /// It is called on the reactor's thread, in the middle of the fetch that it tells of, which goes on when it
    /// returns. Several are called in the order of their registration. One that panics stops neither the others nor
    /// the fetch. It may make other fetches, close the client, register others and drop registrations.
    ///
    /// ```
    /// use eyewall::http::{Client, ClientEvent};
    ///
    /// # eyewall::block_on(async {
    /// let client = Client::new();
    /// let registration = client.on(|event| match event {
    ///     ClientEvent::Failed { error } => eprintln!("{error}"),
    ///     other => println!("{other:?}"),
    /// });
    /// client.get("http://127.0.0.1:1/").send().await.unwrap_err();
    /// drop(registration);
    /// # })?;
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn on(&self, callback: impl FnMut(&ClientEvent<'_>) + 'static) -> ClientRegistration {
        let watchers = Rc::clone(self.watchers());
        let id = watchers.next.get();
        watchers.next.set(id + 1);
        let callback: Callback = Rc::new(RefCell::new(callback));
        watchers.callbacks.borrow_mut().push((id, callback));
        ClientRegistration { watchers, id }
    }
}

impl Watchers {
    /// Sees to it that a fetch that is dropped is told of, if anybody wants to know.
    #[inline]
    pub(in crate::http) fn watch_over(
        self: &Rc<Watchers>,
        url: &Url,
        watch: &Rc<Watch>,
    ) -> Option<Box<Unfinished>> {
        match self.callbacks.borrow().is_empty() {
            true => None,
            false => Some(self.unfinished(url, watch)),
        }
    }

    #[cold]
    #[inline(never)]
    fn unfinished(self: &Rc<Watchers>, url: &Url, watch: &Rc<Watch>) -> Box<Unfinished> {
        Box::new(Unfinished {
            watchers: Some(Rc::clone(self)),
            url: url.clone(),
            watch: Rc::clone(watch),
        })
    }

    /// Tells an event to those who want to know; never called while anything is borrowed.
    pub(in crate::http) fn tell(&self, event: &ClientEvent<'_>) {
        if self.callbacks.borrow().is_empty() {
            return;
        }
        // A copy, because callbacks may change the list.
        let list = self.callbacks.borrow().clone();
        for (id, callback) in list {
            let registered = self
                .callbacks
                .borrow()
                .iter()
                .any(|(known, _)| *known == id);
            // One that is running already has made this happen itself.
            if registered && let Ok(mut callback) = callback.try_borrow_mut() {
                contain_panic(|| callback(event));
            }
        }
    }
}

/// A fetch whose end has not been told. Dropping it says that it was given up.
#[derive(Debug)]
pub(in crate::http) struct Unfinished {
    /// `None` once somebody else tells of the end.
    watchers: Option<Rc<Watchers>>,
    url: Url,
    watch: Rc<Watch>,
}

impl Unfinished {
    /// The fetch has come to an end that is told by itself.
    pub(in crate::http) fn finish(mut self) {
        self.watchers = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(watchers) = &self.watchers {
            let error = Error::new(ErrorKind::Cancelled).seen(|| self.watch.seen());
            let error = error.at(&self.url);
            watchers.tell(&ClientEvent::Failed { error: &error });
        }
    }
}

impl Drop for ClientRegistration {
    fn drop(&mut self) {
        let mut callbacks = self.watchers.callbacks.borrow_mut();
        let at = callbacks.iter().position(|(id, _)| *id == self.id);
        let gone = at.map(|at| callbacks.remove(at));
        drop(callbacks);
        drop(gone);
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.callbacks.borrow().len();
        f.debug_struct("Watchers")
            .field("callbacks", &count)
            .finish()
    }
}

impl fmt::Debug for ClientRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRegistration")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
