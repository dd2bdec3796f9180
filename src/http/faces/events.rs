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
///
/// Each fetch that begins is told of once ([`Begun`](ClientEvent::Begun)), and its end once, by one of
/// [`Ended`](ClientEvent::Ended), [`Dropped`](ClientEvent::Dropped) and [`Failed`](ClientEvent::Failed), to each
/// callback that was told of its begin: the difference is what is going on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ClientEvent<'a> {
    /// A fetch begins. Redirects, and a second try on another connection, are a part of it.
    Begun {
        /// The URL as it was asked for, without user name and password. Where it is none, or empty, the fetch fails.
        url: &'a str,
    },
    /// A connection was made.
    Connected {
        /// The other end, where it has an address.
        remote: Option<SocketAddr>,
    },
    /// A kept connection ended: its peer closed it, or it had been idle for too long, or too many were kept, or its
    /// descriptor or its operation was needed.
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
    /// The body of a response has been read to its end, or there is none, or the connection was
    /// [taken over](crate::http::Response::upgrade). [`Responded`](ClientEvent::Responded) was told before.
    Ended {
        /// The URL that answered.
        url: &'a Url,
        /// How long it took.
        timings: &'a Timings,
    },
    /// A response was dropped before its body had been read to its end: nobody wants the rest, or the fetch was given up
    /// in its body. [`Responded`](ClientEvent::Responded) was told before.
    Dropped {
        /// The URL that answered.
        url: &'a Url,
        /// How many bytes of the response had come, with its head.
        received: u64,
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
    /// Of a fetch that had begun before it was registered it hears neither the response nor the end. Nor is it called
    /// while it runs: what it makes happen inside the call, as by dropping a response, is told to the others alone, and
    /// to them alone the response and the end of a fetch that it begins by polling it there.
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
    /// Tells that a fetch begins, and sees to it that its end is told, if anybody wants to know.
    #[inline]
    pub(in crate::http) fn watch_over(
        self: &Rc<Watchers>,
        url: &Url,
        watch: &Rc<Watch>,
    ) -> Option<Box<Unfinished>> {
        // Not borrowed any more when they are called.
        let any = !self.callbacks.borrow().is_empty();
        any.then(|| self.begin(url, watch))
    }

    #[cold]
    #[inline(never)]
    fn begin(self: &Rc<Watchers>, url: &Url, watch: &Rc<Watch>) -> Box<Unfinished> {
        let mut unfinished = Box::new(Unfinished {
            watchers: Rc::clone(self),
            hearers: Vec::new(),
            url: url.clone(),
            watch: Rc::clone(watch),
            next: Next::Response,
        });
        unfinished.hearers = self.tell_begun(url.as_str());
        unfinished
    }

    /// Tells of a begin; who has heard of it.
    fn tell_begun(&self, url: &str) -> Vec<u64> {
        let mut hearers = Vec::new();
        let heard = |id| hearers.push(id);
        self.tell_those(|_| true, &ClientEvent::Begun { url }, heard);
        hearers
    }

    /// Tells of a request that failed before it could begin.
    pub(in crate::http) fn tell_refused(&self, error: &Error) {
        if self.callbacks.borrow().is_empty() {
            return;
        }
        let hearers = self.tell_begun(error.url().unwrap_or_default());
        self.tell_hearers(&hearers, &ClientEvent::Failed { error });
    }

    /// Tells an event to those who want to know; never called while anything is borrowed.
    pub(in crate::http) fn tell(&self, event: &ClientEvent<'_>) {
        self.tell_those(|_| true, event, |_| {});
    }

    fn tell_hearers(&self, hearers: &[u64], event: &ClientEvent<'_>) {
        self.tell_those(|id| hearers.contains(&id), event, |_| {});
    }

    /// As [`tell`](Watchers::tell), to those with such a number; says which of them have `heard` of it.
    fn tell_those(
        &self,
        such: impl Fn(u64) -> bool,
        event: &ClientEvent<'_>,
        mut heard: impl FnMut(u64),
    ) {
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
            if registered
                && such(id)
                && let Ok(mut callback) = callback.try_borrow_mut()
            {
                heard(id);
                contain_panic(|| callback(event));
            }
            // It may have been taken out meanwhile: then what it keeps goes here.
            contain_panic(|| drop(callback));
        }
    }
}

/// A fetch whose end has not been told. Dropping it says that it was given up.
#[derive(Debug)]
pub(in crate::http) struct Unfinished {
    watchers: Rc<Watchers>,
    /// The numbers of those who were told of its begin.
    hearers: Vec<u64>,
    /// The URL that was asked for, and then the one that answered.
    url: Url,
    watch: Rc<Watch>,
    next: Next,
}

/// What is to be told next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Response,
    End,
    Nothing,
}

impl Unfinished {
    fn tell(&self, event: &ClientEvent<'_>) {
        self.watchers.tell_hearers(&self.hearers, event);
    }

    /// The response of `method` to `url` has come.
    #[cold]
    pub(in crate::http) fn respond(
        &mut self,
        method: &Method,
        url: &Url,
        status: StatusCode,
        timings: &Timings,
    ) {
        self.url = url.clone();
        self.next = Next::End;
        self.tell(&ClientEvent::Responded {
            method,
            url,
            status,
            timings,
        });
    }

    /// The body has come to its end.
    #[cold]
    pub(in crate::http) fn end(mut self, timings: &Timings) {
        self.next = Next::Nothing;
        self.tell(&ClientEvent::Ended {
            url: &self.url,
            timings,
        });
    }

    #[cold]
    pub(in crate::http) fn fail(mut self, error: &Error) {
        self.next = Next::Nothing;
        self.tell(&ClientEvent::Failed { error });
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        match self.next {
            Next::Response => {
                let error = Error::new(ErrorKind::Cancelled).seen(|| self.watch.seen());
                let error = error.at(&self.url);
                self.tell(&ClientEvent::Failed { error: &error });
            }
            Next::End => self.tell(&ClientEvent::Dropped {
                url: &self.url,
                received: self.watch.bytes_received(),
            }),
            Next::Nothing => {}
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
