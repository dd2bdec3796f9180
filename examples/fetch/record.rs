//! What is known of a transfer: what its trace told, and how it ended.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use eyewall::http::codec::{Head, Headers};
use eyewall::http::{Error, Response, StatusCode, Timings, Trace, Url, Version};
use percent_encoding::{CONTROLS, percent_encode};

use crate::args::{Args, Job};
use crate::code::{self, Failure};

pub(crate) struct Record {
    pub(crate) number: usize,
    pub(crate) url: String,
    pub(crate) file: Option<String>,
    pub(crate) method: String,
    pub(crate) referer: Option<String>,
    /// Of the body of the last request.
    pub(crate) uploaded: u64,
    pub(crate) downloaded: u64,
    /// Connections that were made.
    pub(crate) connects: u32,
    pub(crate) through_proxy: bool,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: Option<SocketAddr>,
    /// How many certificates the server has shown.
    pub(crate) certificates: usize,
    /// Bytes of heads, over all redirects.
    pub(crate) heads_received: u64,
    pub(crate) heads_sent: u64,
    last_head_sent: u64,
    /// All heads that came, as they came, if somebody wants them.
    pub(crate) heads: Option<Vec<u8>>,
    /// The status of the proxy's answer to CONNECT.
    pub(crate) tunnel: Option<StatusCode>,
    /// The last head that came from a server.
    pub(crate) last: Option<LastHead>,
    /// The URL that answered, or was to answer.
    pub(crate) effective: Option<Url>,
    pub(crate) timings: Option<Timings>,
    pub(crate) verify_result: u32,
    pub(crate) failure: Option<Failure>,
    pub(crate) took: Duration,
    started: Instant,
    /// Connections are to be made from a given address.
    binds: bool,
    /// The last request went to a proxy, for a tunnel.
    asks_for_tunnel: bool,
}

pub(crate) struct LastHead {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: Headers,
}

impl Record {
    pub(crate) fn new(args: &Args, job: &Job) -> Record {
        let Args {
            output, request, ..
        } = args;
        let wants_heads = output.include || output.heads_to.is_some() || request.head;
        let headers = request.headers.iter();
        let referer = (headers.rev()).find(|(name, _)| name.eq_ignore_ascii_case("referer"));
        Record {
            number: job.number,
            url: job.url.clone(),
            file: None,
            method: request.method(job.upload.is_some()).to_string(),
            referer: referer.map(|(_, value)| value.clone()),
            uploaded: 0,
            downloaded: 0,
            connects: 0,
            through_proxy: false,
            local: None,
            remote: None,
            certificates: 0,
            heads_received: 0,
            heads_sent: 0,
            last_head_sent: 0,
            heads: wants_heads.then(Vec::new),
            tunnel: None,
            last: None,
            effective: None,
            timings: None,
            verify_result: 0,
            failure: None,
            took: Duration::ZERO,
            started: Instant::now(),
            binds: args.connect.interface.is_some(),
            asks_for_tunnel: false,
        }
    }

    /// A step of the fetch.
    pub(crate) fn note(&mut self, step: &Trace<'_>) {
        match step {
            Trace::Connecting { proxy, .. } => self.through_proxy = *proxy,
            Trace::Connected { local, remote, .. } => {
                self.connects += 1;
                (self.local, self.remote) = (*local, *remote);
            }
            Trace::Reused { local, remote, .. } => (self.local, self.remote) = (*local, *remote),
            Trace::Secured { certificates, .. } => self.certificates = certificates.len(),
            Trace::Request(head) => {
                self.last_head_sent = head.as_bytes().len() as u64;
                self.heads_sent += self.last_head_sent;
                let mut words = head.as_bytes().split(|byte| *byte == b' ');
                let method = String::from_utf8_lossy(words.next().unwrap_or_default());
                self.asks_for_tunnel = method == "CONNECT";
                if !self.asks_for_tunnel {
                    self.method = method.into();
                }
            }
            Trace::Response(head) => self.head(head),
            Trace::Redirected { to, .. } => self.effective = Some((*to).clone()),
            _ => {}
        }
    }

    fn head(&mut self, head: &Head) {
        let text = head.headers.text();
        self.heads_received += text.len() as u64;
        if let Some(heads) = &mut self.heads {
            heads.extend_from_slice(text);
        }
        match self.asks_for_tunnel {
            true => self.tunnel = Some(head.status),
            false => {
                self.last = Some(LastHead {
                    status: head.status,
                    version: head.version,
                    headers: head.headers.clone(),
                });
            }
        }
    }

    /// The response is there, or its body has ended, well or not.
    pub(crate) fn response(&mut self, response: &Response) {
        self.effective = Some(response.url().clone());
        self.timings = Some(*response.timings());
        self.downloaded = response.body_received();
        self.uploaded = response.bytes_sent().saturating_sub(self.last_head_sent);
    }

    /// The fetch, or the reading of its body, has failed.
    pub(crate) fn error(&mut self, error: Error) -> Failure {
        self.timings = error.timings().copied().or(self.timings);
        self.uploaded = error.bytes_sent().saturating_sub(self.last_head_sent);
        self.effective = error
            .url()
            .and_then(|url| Url::parse(url).ok())
            .or(self.effective.take());
        self.verify_result = code::verify_result(&error);
        let unbindable = code::is_unbindable(&error);
        let mut failure = Failure::from(error);
        match failure.code {
            code::NOT_RESOLVED if self.through_proxy => failure.code = code::PROXY_NOT_RESOLVED,
            code::CONNECT_FAILED if unbindable && self.binds => {
                failure.code = code::NO_SUCH_INTERFACE;
            }
            _ => {}
        }
        failure
    }

    /// The transfer is over.
    pub(crate) fn end(&mut self, result: Result<(), Failure>) {
        self.failure = result.err();
        let total = self.timings.and_then(|timings| timings.total);
        self.took = match (&self.failure, total) {
            (None, Some(total)) => total,
            _ => self.started.elapsed(),
        };
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.failure.as_ref().map_or(0, |failure| failure.code)
    }

    /// Where a redirect leads that was not followed.
    pub(crate) fn redirect_url(&self) -> Option<Url> {
        let last = self.last.as_ref()?;
        if !last.status.is_redirection() {
            return None;
        }
        let location = last.headers.get("location")?;
        // As the client takes it where it follows.
        let location = percent_encode(location.as_bytes(), CONTROLS).to_string();
        self.effective.as_ref()?.join(&location).ok()
    }
}
