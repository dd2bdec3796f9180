//! What a fetch does, step by step, for those who want to see it.

use std::fmt;
use std::net::SocketAddr;

use http::HeaderName;
use url::Url;

use super::codec::Head;
use super::redirect::is_secret;

/// A step of a fetch; see [`RequestBuilder::on_trace`](super::RequestBuilder::on_trace).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trace<'a> {
    /// A connection is going to be made, since none is kept that would do. Its host's name may still have to be
    /// resolved.
    #[non_exhaustive]
    Connecting {
        /// The host of the URL, or that of the proxy before it; an IPv6 address without brackets.
        host: &'a str,
        /// Its port.
        port: u16,
        /// Whether it is the proxy's.
        proxy: bool,
    },
    /// The connection is there, but for a tunnel and TLS.
    #[non_exhaustive]
    Connected {
        /// The address of this end, where it has an IP address.
        local: Option<SocketAddr>,
        /// The address of the other end, where it has an IP address.
        remote: Option<SocketAddr>,
    },
    /// A connection that was kept is used.
    #[non_exhaustive]
    Reused {
        /// The address of this end, where it has an IP address.
        local: Option<SocketAddr>,
        /// The address of the other end, where it has an IP address.
        remote: Option<SocketAddr>,
    },
    /// The TLS handshake is over.
    #[non_exhaustive]
    Secured {
        /// The version of TLS, such as `TLSv1.3`.
        version: &'a str,
        /// The cipher suite, by its name at IANA.
        cipher: &'a str,
        /// The protocol that was agreed on (ALPN), if that was a subject.
        alpn: Option<&'a str>,
        /// Whether an earlier session was resumed.
        resumed: bool,
        /// The certificates that the server has shown, its own first, each in DER.
        certificates: &'a [&'a [u8]],
    },
    /// A request is going to be sent, to the server or (CONNECT) to the proxy: its head.
    Request(&'a SentHead<'a>),
    /// The head of a response has come: an interim one (1xx), a redirect, that of the proxy to CONNECT, one after which
    /// the request is sent once more (408 on a kept connection, 417), or the one that is the result. It is shown as it
    /// came, with its cookies.
    Response(&'a Head),
    /// The redirect whose head has come is followed.
    #[non_exhaustive]
    Redirected {
        /// Where it leads.
        to: &'a Url,
    },
}

/// The head of a request as it is sent.
///
/// Shown (`Display`, `Debug`), it hides credentials: the values of `Authorization`, `Proxy-Authorization` and
/// `Cookie`, and those that are marked sensitive.
#[derive(Clone)]
pub struct SentHead<'a> {
    bytes: &'a [u8],
    sensitive: Vec<HeaderName>,
}

impl<'a> SentHead<'a> {
    pub(super) fn new(bytes: &'a [u8], sensitive: Vec<HeaderName>) -> SentHead<'a> {
        SentHead { bytes, sensitive }
    }

    /// All of it, up to and with the empty line, **with credentials**.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn hides(&self, name: &str) -> bool {
        HeaderName::from_bytes(name.as_bytes())
            .is_ok_and(|name| is_secret(&name) || self.sensitive.contains(&name))
    }
}

impl fmt::Display for SentHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in String::from_utf8_lossy(self.bytes).split_inclusive("\r\n") {
            match line.split_once(": ") {
                Some((name, _)) if self.hides(name) => write!(f, "{name}: [hidden]\r\n")?,
                _ => f.write_str(line)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SentHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_credentials() {
        let bytes =
            b"GET /a: b HTTP/1.1\r\nhost: x\r\nAuthorization: Basic c2VjcmV0\r\ncookie: secret\r\n\
                      proxy-authorization: secret\r\nx-key: secret\r\nx-open: yes\r\n\r\n";
        let head = SentHead::new(bytes, vec![HeaderName::from_static("x-key")]);
        assert_eq!(
            head.to_string(),
            "GET /a: b HTTP/1.1\r\nhost: x\r\nAuthorization: [hidden]\r\ncookie: [hidden]\r\n\
             proxy-authorization: [hidden]\r\nx-key: [hidden]\r\nx-open: yes\r\n\r\n"
        );
        assert!(!format!("{head:?}").contains("ecret"));
        assert_eq!(head.as_bytes(), bytes);
    }
}
