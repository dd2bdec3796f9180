//! One fetch in each style of asynchronous interface.
//!
//! A function is *blocking* when it waits for something before it returns. An *asynchronous* one returns at once
//! and tells its result later: by a callback argument, through a placeholder, by delivery to a queue, or through a
//! registry of callbacks. Here the same page is fetched in each of these ways, and each prints the same answer.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::rc::Rc;

use eyewall::http::Error;
use eyewall::promise::{Promised, promise};
use eyewall::queue::CompletionQueue;
use eyewall::signal::{self, Signal};

const HELP: &str = "\
Fetches one page in each style of asynchronous interface, and prints what each got: synchronous, callback, future
with a done-callback, coroutine, queue, registry.

Usage: styles [URL]

Without a URL, the page comes from a small server that the program starts itself.
";

type Page = Result<String, Error>;

/// Blocking: the result is the return value, and nothing else happens on this thread meanwhile.
fn synchronous_fetch(url: &str) -> Page {
    eyewall::block_on(fetch(url.to_owned())).expect("a reactor can be made, and none runs here")
}

/// A callback argument: returns at once, and calls back later, never before it has returned.
fn asynchronous_fetch(url: &str, callback: impl FnOnce(Page) + 'static) {
    let page = fetch(url.to_owned());
    eyewall::spawn(async move { callback(page.await) }).detach();
}

/// A placeholder: returns at once, with a future. The done-callback of the fetch's own future sets it.
fn future_fetch(url: &str) -> Promised<String> {
    let (answer, promised) = promise();
    let (done, fetched) = promise();
    asynchronous_fetch(url, |page| done.set(page));
    fetched.on_done(|page| {
        if let Ok(Ok(text)) = page {
            answer.set(text.clone());
        }
        // Else `answer` is dropped unset, which cancels the promise.
    });
    promised
}

/// A coroutine: reads like the synchronous one, and waits without blocking.
async fn fetch(url: String) -> Page {
    eyewall::fetch(&url).await?.text().await
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let url = match args.as_slice() {
        [] => serve(),
        [help] if help == "-h" || help == "--help" => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        [url] if !url.starts_with('-') => Ok(url.clone()),
        _ => {
            eprintln!("styles: unexpected arguments {args:?}; see --help");
            return ExitCode::from(2);
        }
    };
    match url.and_then(|url| run(&url)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("styles: {}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str) -> io::Result<()> {
    show("synchronous", &synchronous_fetch(url)?);
    eyewall::block_on(async {
        // A callback's result leaves through what it captured.
        let (done, finished) = promise();
        asynchronous_fetch(url, |page| done.set(page));
        show("callback", &finished.await.map_err(io::Error::other)??);

        show(
            "future",
            &future_fetch(url).await.map_err(io::Error::other)?,
        );

        show("coroutine", &fetch(url.to_owned()).await?);

        // Delivery: results arrive in a bounded queue, each with the tag of its request.
        let queue = CompletionQueue::bounded(4);
        for tag in ["first", "second"] {
            let delivery = queue.clone();
            asynchronous_fetch(url, move |page| {
                delivery
                    .push((tag, page))
                    .expect("the queue has room for both");
            });
        }
        for _ in 0..2 {
            let (tag, page) = queue.recv().await.expect("the queue is open");
            show(&format!("queue, {tag}"), &page?);
        }

        // Registry: a callback is kept under an event, here a signal, and called whenever it happens.
        let (done, finished) = promise();
        let done = Rc::new(RefCell::new(Some(done)));
        let again = url.to_owned();
        let registration = signal::on(Signal::USER_1, move |_| {
            let done = Rc::clone(&done);
            asynchronous_fetch(&again, move |page| {
                if let Some(done) = done.take() {
                    done.set(page);
                }
            });
        })?;
        signal_hook::low_level::raise(Signal::USER_1.number())?;
        show("registry", &finished.await.map_err(io::Error::other)??);
        drop(registration);
        Ok(())
    })?
}

fn show(style: &str, page: &str) {
    say(&format!("{style:<14} {}\n", page.trim_end()));
}

/// Prints; a reader that has gone is no error of ours.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// An error and, behind it, what it came from, unless it tells that itself.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| match cause.to_string() {
        known if text.contains(&known) => text,
        new => format!("{text}: {new}"),
    })
}

/// Starts a server on a thread of its own, since the synchronous fetch leaves this one no time; returns its URL.
fn serve() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            // One request a connection, which fits into one segment.
            let _ = stream.read(&mut request);
            let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\n42\n";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Ok(url)
}
