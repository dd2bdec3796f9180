//! How long the parts of a fetch took.

use std::time::{Duration, Instant, SystemTime};

/// When a fetch had come how far, each counted from the call; `None` for what has not happened (yet).
///
/// The marks are those of the last hop where redirects were followed, but still count from the call:
/// [`redirect`](Timings::redirect) is where that hop began. On a connection that is used again nothing is
/// resolved or connected: these marks are then the moment at which the connection was taken, as in curl.
///
/// ```
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let url = format!("http://{}/", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let mut stream = listener.accept().unwrap().0;
/// #     stream.read(&mut [0; 1000]).unwrap();
/// #     stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
/// # });
/// let page = eyewall::http::blocking::fetch(url)?;
/// let timings = page.timings;
/// assert!(timings.queued <= timings.connected && timings.connected <= timings.first_byte);
/// if let (Some(first), Some(total)) = (timings.first_byte, timings.total) {
///     println!("the body took {:?}", total - first);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timings {
    /// When the call was made.
    pub start: Instant,
    /// How many redirects were followed.
    pub redirects: u32,
    /// Whether the connection had carried a fetch before.
    pub reused: bool,
    /// The last redirect was there, and its hop began.
    pub redirect: Option<Duration>,
    /// There was a place among the client's active fetches.
    pub queued: Option<Duration>,
    /// The name was resolved.
    pub resolved: Option<Duration>,
    /// The connection was there, but for TLS.
    pub connected: Option<Duration>,
    /// The TLS handshake was over; `None` without TLS, and on a connection that is used again.
    pub tls: Option<Duration>,
    /// The request began to be sent.
    pub sending: Option<Duration>,
    /// The first byte of the response came.
    pub first_byte: Option<Duration>,
    /// The last byte of the response came.
    pub total: Option<Duration>,
}

impl Timings {
    /// When the call was made, by the wall clock: what that says now, less what has passed since. For logs; a clock
    /// that has been set meanwhile moves it.
    ///
    /// ```no_run
    /// # eyewall::block_on(async {
    /// let response = eyewall::fetch("http://example.org/").await?;
    /// let began = response.timings().started_at();
    /// println!("{:?} ago", began.elapsed());
    /// # Ok::<(), eyewall::http::Error>(())
    /// # })?.unwrap();
    /// # Ok::<(), eyewall::Error>(())
    /// ```
    pub fn started_at(&self) -> SystemTime {
        let passed = self.start.elapsed();
        SystemTime::now()
            .checked_sub(passed)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    pub(super) fn new() -> Timings {
        Timings {
            start: Instant::now(),
            redirects: 0,
            reused: false,
            redirect: None,
            queued: None,
            resolved: None,
            connected: None,
            tls: None,
            sending: None,
            first_byte: None,
            total: None,
        }
    }

    /// Begins the next hop.
    pub(super) fn redirected(&mut self) {
        *self = Timings {
            start: self.start,
            redirects: self.redirects + 1,
            redirect: self.now(),
            ..Timings::new()
        };
    }

    /// The connection is one that was kept; something was `waited` for before it was taken.
    pub(super) fn taken(&mut self, waited: bool) {
        self.reused = true;
        self.resolved = self.queued;
        self.connected = self.queued;
        self.sending = match waited {
            true => self.now(),
            false => self.queued,
        };
    }

    /// The connection that was kept is of no use: another one is made.
    pub(super) fn again(&mut self) {
        *self = Timings {
            start: self.start,
            redirects: self.redirects,
            redirect: self.redirect,
            queued: self.queued,
            ..Timings::new()
        };
    }

    /// The connection was there as soon as it was asked for.
    pub(super) fn connected_now(&mut self) {
        let now = self.now();
        self.resolved = now;
        self.connected = now;
        self.sending = now;
    }

    pub(super) fn now(&self) -> Option<Duration> {
        Some(self.start.elapsed())
    }

    /// The mark of something that happened at `instant`.
    pub(super) fn at(&self, instant: Instant) -> Option<Duration> {
        Some(instant.saturating_duration_since(self.start))
    }

    /// There was a place at once: when the hop began.
    pub(super) fn unqueued(&mut self) {
        self.queued = self.redirect.or(Some(Duration::ZERO));
    }
}
