//! Every style of interface with every way in which a fetch can end: who waits for it is told once, and all are told
//! the same.
//!
//! There may be nobody left to be told: a coroutine or a fetch of another thread is cancelled by dropping
//! what waits for it, a coroutine goes with its reactor, and nothing can cancel a blocking fetch, or drop its reactor,
//! while it runs. The registry learns
//! of the fetch that the other styles make; it is told the head of a response, and not its body. Whatever the style and
//! the end, it is told of one begin and one end.
#![cfg(feature = "http")]

mod http_support;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use eyewall::Reactor;
use eyewall::http::{
    Client, ClientEvent, ClientRegistration, Error, ErrorKind, Fetched, HeaderMap, Phase,
    RequestBuilder, blocking,
};
use eyewall::queue::CompletionQueue;
use eyewall::time::sleep;
use http_support::{LIMIT, Reply, Server, run, until};

const SHORT: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    Coroutine,
    Blocking,
    Callback,
    Future,
    DoneCallback,
    Delivery,
    Registry,
    Thread,
}

const STYLES: [Style; 8] = [
    Style::Coroutine,
    Style::Blocking,
    Style::Callback,
    Style::Future,
    Style::DoneCallback,
    Style::Delivery,
    Style::Registry,
    Style::Thread,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Success,
    Refusal,
    Timeout,
    Cancel,
    /// Every callback that is called on the way panics, the last one too.
    Panic,
    /// The client is closed while the fetch runs.
    Closed,
    /// Its reactor is dropped while the fetch runs.
    Dropped,
}

/// Everything that a user is told and that does not depend on the moment.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Fetched {
        status: u16,
        url: String,
        rest: Option<Rest>,
    },
    Failed(ErrorKind, Option<String>, String),
}

/// What the registry is not told.
#[derive(Clone, Debug, PartialEq)]
struct Rest {
    reason: String,
    headers: HeaderMap,
    body: Vec<u8>,
    redirects: usize,
}

fn failure(error: &Error) -> Outcome {
    let url = error.url().map(str::to_owned);
    let (sent, received) = (error.bytes_sent(), error.bytes_received());
    let seen = format!("{:?}, {sent} sent, {received} received", error.stage());
    Outcome::Failed(error.kind(), url, format!("{error}; {seen}"))
}

fn outcome(result: &Result<Fetched, Error>) -> Outcome {
    match result {
        Ok(fetched) => Outcome::Fetched {
            status: fetched.status.as_u16(),
            url: fetched.url.to_string(),
            rest: Some(Rest {
                reason: fetched.reason.to_string(),
                headers: fetched.headers.clone(),
                body: fetched.body.to_vec(),
                redirects: fetched.history.len(),
            }),
        },
        Err(error) => failure(error),
    }
}

type Told = Rc<RefCell<Vec<Outcome>>>;
type Results = CompletionQueue<(u8, Result<Fetched, Error>)>;

/// A fetch on its way: how it is cancelled, and what must be kept meanwhile.
struct Running {
    cancel: Box<dyn FnOnce()>,
    queue: Option<Results>,
    /// Asks for the result when the reactor has gone.
    afterwards: Option<Box<dyn FnOnce() -> Outcome>>,
    _kept: Box<dyn Any>,
}

impl Running {
    fn new(cancel: impl FnOnce() + 'static, kept: impl Any) -> Running {
        Running {
            cancel: Box::new(cancel),
            queue: None,
            afterwards: None,
            _kept: Box::new(kept),
        }
    }
}

/// Starts a fetch in this style; whatever it is told goes to `told`, and then it panics if it is to.
fn start(style: Style, client: &Client, url: &str, told: &Told, ending: Ending) -> Running {
    let tell = {
        let told = Rc::clone(told);
        move |outcome: Outcome| {
            told.borrow_mut().push(outcome);
            assert!(ending != Ending::Panic, "as wanted by the test");
        }
    };
    let request = prepare(client, url, ending);
    match style {
        Style::Blocking => unreachable!("it has a reactor of its own"),
        Style::Coroutine => {
            let task = eyewall::spawn(async move {
                let fetch = async { request.send().await?.whole().await };
                tell(outcome(&fetch.await));
            });
            let task = Rc::new(task);
            let kept = Rc::clone(&task);
            Running::new(move || task.abort(), kept)
        }
        Style::Callback => {
            let handle = request.call(move |result| tell(outcome(&result)));
            let handle = handle.unwrap();
            Running::new(move || handle.cancel(), ())
        }
        Style::Future if ending == Ending::Dropped => {
            let fetch = request.start();
            let mut running = Running::new(|| {}, ());
            running.afterwards = Some(Box::new(move || outcome(&run(fetch))));
            running
        }
        Style::Future => {
            let fetch = Rc::new(RefCell::new(request.start()));
            let waiting = Rc::clone(&fetch);
            let waiter = eyewall::spawn(async move {
                let mut polled = poll_fn(|cx| Pin::new(&mut *waiting.borrow_mut()).poll(cx));
                tell(outcome(&(&mut polled).await));
            });
            let kept = Rc::clone(&fetch);
            Running::new(move || fetch.borrow().cancel(), (kept, waiter))
        }
        Style::DoneCallback => {
            let fetch = Rc::new(request.start());
            fetch.on_done(move |result| tell(outcome(result)));
            let kept = Rc::clone(&fetch);
            Running::new(move || fetch.cancel(), kept)
        }
        Style::Delivery => {
            let queue = CompletionQueue::bounded(1);
            let handle = request.deliver(&queue, 7).unwrap();
            let mut running = Running::new(move || handle.cancel(), ());
            running.queue = Some(queue);
            running
        }
        Style::Registry => {
            let registration = client.on(move |event| match event {
                ClientEvent::Responded { status, url, .. } => tell(Outcome::Fetched {
                    status: status.as_u16(),
                    url: url.to_string(),
                    rest: None,
                }),
                ClientEvent::Failed { error } => tell(failure(error)),
                _ => {}
            });
            let fetch = Rc::new(request.start());
            let kept = Rc::clone(&fetch);
            Running::new(move || fetch.cancel(), (registration, kept))
        }
        Style::Thread => {
            let (url, remote) = (url.to_owned(), client.handle().unwrap());
            let fetch = remote.fetch(move |client| prepare(client, &url, ending));
            if ending == Ending::Dropped {
                let mut running = Running::new(|| {}, ());
                running.afterwards = Some(Box::new(move || outcome(&fetch.wait())));
                return running;
            }
            let task = eyewall::spawn(async move { tell(outcome(&fetch.await)) });
            let task = Rc::new(task);
            let kept = Rc::clone(&task);
            Running::new(move || task.abort(), kept)
        }
    }
}

fn prepare(client: &Client, url: &str, ending: Ending) -> RequestBuilder {
    let request = client.get(url);
    match ending {
        Ending::Timeout => request.timeout(SHORT),
        Ending::Panic => request
            .on_informational(|_| panic!("as wanted by the test"))
            .on_head(|_| panic!("as wanted by the test")),
        _ => request,
    }
}

/// Panics at every event.
fn panics(client: &Client, ending: Ending) -> Option<impl Sized> {
    (ending == Ending::Panic).then(|| client.on(|_| panic!("as wanted by the test")))
}

/// Closes the client when its fetch has a connection.
fn closes(client: &Client, ending: Ending) -> Option<impl Sized> {
    let closing = client.clone();
    (ending == Ending::Closed).then(|| {
        client.on(move |event| {
            if let ClientEvent::Connected { .. } = event {
                closing.close();
            }
        })
    })
}

/// How many fetches the registry has told to have begun and to have ended.
fn counted(client: &Client) -> (Rc<Cell<(u32, u32)>>, ClientRegistration) {
    let tally = Rc::new(Cell::new((0, 0)));
    let counting = Rc::clone(&tally);
    let registration = client.on(move |event| {
        let (begun, ended) = counting.get();
        counting.set(match event {
            ClientEvent::Begun { .. } => (begun + 1, ended),
            ClientEvent::Ended { .. }
            | ClientEvent::Dropped { .. }
            | ClientEvent::Failed { .. } => (begun, ended + 1),
            _ => (begun, ended),
        });
    });
    (tally, registration)
}

/// What is told in the end, by one fetch in this style.
fn told(style: Style, ending: Ending, url: &str, server: &Server) -> Vec<Outcome> {
    if style == Style::Blocking {
        let client = blocking::Client::new().unwrap();
        let _panics = panics(client.requests(), ending);
        let _closes = closes(client.requests(), ending);
        let (tally, _counted) = counted(client.requests());
        let result = client.fetch(prepare(client.requests(), url, ending));
        assert_eq!(tally.get(), (1, 1), "{style:?}");
        return vec![outcome(&result)];
    }
    let told = Told::default();
    let reactor = Reactor::new().unwrap();
    let asked = server.requests().len();
    let (mut running, mut tally) = (None, None);
    let bounded = eyewall::time::timeout(LIMIT, async {
        let client = Client::new();
        let _panics = panics(&client, ending);
        let _closes = closes(&client, ending);
        tally = Some(counted(&client));
        let started = running.insert(start(style, &client, url, &told, ending));
        if matches!(ending, Ending::Cancel | Ending::Dropped) {
            until("it is asked", || server.requests().len() > asked).await;
        }
        if ending == Ending::Dropped {
            return;
        }
        if ending == Ending::Cancel {
            let cancel = std::mem::replace(&mut started.cancel, Box::new(|| {}));
            cancel();
            if style != Style::Registry {
                assert!(told.borrow().is_empty(), "never inside the call");
            }
        }
        if let Some(queue) = &started.queue {
            let (tag, result) = queue.recv().await.unwrap();
            assert_eq!(tag, 7);
            told.borrow_mut().push(outcome(&result));
        }
        let ended = || is_untold(style, ending) || !told.borrow().is_empty();
        until("it is told", ended).await;
        until("it has ended", || client.active_fetches() == 0).await;
        // Nothing is told later.
        sleep(Duration::from_millis(5)).await;
    });
    reactor.block_on(bounded).unwrap().unwrap();
    let report = reactor.shutdown(LIMIT);
    assert_eq!(report.leaked, 0);
    let (tally, _counted) = tally.unwrap();
    assert_eq!(tally.get(), (1, 1), "{style:?}: one begin and one end");
    if let Some(mut running) = running {
        while let Some((_, result)) = running.queue.as_ref().and_then(CompletionQueue::pop) {
            told.borrow_mut().push(outcome(&result));
        }
        if let Some(afterwards) = running.afterwards.take() {
            told.borrow_mut().push(afterwards());
        }
    }
    told.take()
}

/// Whether nobody is left who could be told.
fn is_untold(style: Style, ending: Ending) -> bool {
    match ending {
        Ending::Cancel => matches!(style, Style::Coroutine | Style::Blocking | Style::Thread),
        Ending::Dropped => matches!(style, Style::Coroutine | Style::Blocking),
        _ => false,
    }
}

/// Plays a row, and gives what all were told.
fn row(ending: Ending, url: &str, server: &Server) -> Outcome {
    let mut expected: Option<Outcome> = None;
    for style in STYLES {
        if style == Style::Blocking && is_untold(style, ending) {
            // It would never come back.
            continue;
        }
        let told = told(style, ending, url, server);
        if is_untold(style, ending) {
            assert_eq!(told, [], "{style:?}");
            continue;
        }
        let [told] = &told[..] else {
            panic!("{style:?} is told {told:?}");
        };
        let known = expected.get_or_insert_with(|| told.clone()).clone();
        let known = match known {
            Outcome::Fetched { status, url, .. } if style == Style::Registry => Outcome::Fetched {
                status,
                url,
                rest: None,
            },
            known => known,
        };
        assert_eq!(told, &known, "{style:?}");
    }
    run(until("all is closed", || server.open() == 0));
    expected.unwrap()
}

fn kind(outcome: &Outcome) -> ErrorKind {
    match outcome {
        Outcome::Failed(kind, ..) => *kind,
        fetched => panic!("{fetched:?}"),
    }
}

fn stalling() -> Server {
    Server::new(|_| Reply::Stall(Vec::new()))
}

fn answering() -> Server {
    Server::new(|request| match request.target() {
        "/" => Reply::redirect(302, "/end"),
        _ => Reply::text(
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Gone Fishing\r\nX: 1\r\nContent-Length: 4\r\n\r\nbody",
        ),
    })
}

/// The one response of [`answering`].
fn response(server: &Server) -> Outcome {
    let mut headers = HeaderMap::new();
    headers.insert("x", "1".parse().unwrap());
    headers.insert("content-length", "4".parse().unwrap());
    Outcome::Fetched {
        status: 404,
        url: server.url("/end"),
        rest: Some(Rest {
            reason: "Gone Fishing".into(),
            headers,
            body: b"body".into(),
            redirects: 1,
        }),
    }
}

#[test]
fn s01_success_in_every_style() {
    let server = answering();
    let told = row(Ending::Success, &server.url("/"), &server);
    assert_eq!(told, response(&server));
}

#[test]
fn s01_refusal_in_every_style() {
    let server = answering();
    let nobody = "http://user:secret@127.0.0.1:1/";
    let told = row(Ending::Refusal, nobody, &server);
    assert_eq!(kind(&told), ErrorKind::Connect);
    assert!(matches!(&told, Outcome::Failed(_, Some(url), _) if url == "http://127.0.0.1:1/"));
}

#[test]
fn s01_a_request_that_cannot_be_sent_in_every_style() {
    let server = answering();
    for (url, expected) in [
        ("http://[/", ErrorKind::Url),
        ("user:secret@example.org", ErrorKind::UnsupportedScheme),
        ("ftp://example.org/", ErrorKind::UnsupportedScheme),
    ] {
        let told = row(Ending::Refusal, url, &server);
        assert_eq!(kind(&told), expected);
    }
    assert_eq!(server.accepted(), 0);
}

#[test]
fn s01_timeout_in_every_style() {
    let server = stalling();
    let told = row(Ending::Timeout, &server.url("/"), &server);
    let (phase, limit) = (Phase::Total, SHORT);
    assert_eq!(kind(&told), ErrorKind::Timeout { phase, limit });
}

#[test]
fn s01_cancel_in_every_style() {
    let server = stalling();
    let told = row(Ending::Cancel, &server.url("/"), &server);
    assert_eq!(kind(&told), ErrorKind::Cancelled);
    let Outcome::Failed(_, url, text) = told else {
        unreachable!("it has failed");
    };
    assert_eq!(url, Some(server.url("/")));
    assert!(
        text.contains("; Some(Wait), ") && !text.contains(" 0 sent"),
        "{text}"
    );
}

#[test]
fn s01_s06_a_panic_in_every_callback_of_every_style() {
    let server = answering();
    let told = row(Ending::Panic, &server.url("/"), &server);
    assert_eq!(told, response(&server));
}

#[test]
fn s01_a_closed_client_in_every_style() {
    let server = stalling();
    let told = row(Ending::Closed, &server.url("/"), &server);
    assert_eq!(kind(&told), ErrorKind::Closed);
}

#[test]
fn s01_s08_a_dropped_reactor_in_every_style() {
    let server = stalling();
    let told = row(Ending::Dropped, &server.url("/"), &server);
    assert_eq!(kind(&told), ErrorKind::Cancelled);
}
