//! Through a proxy, to what lies behind it (RFC 9110, 9.3.6).

use http::{HeaderMap, Method, StatusCode, header};

use super::Transport;
use crate::buf::Chunk;
use crate::http::codec::{
    BodyFraming, Event, Head, Limits, RequestHead, RequestKind, ResponseDecoder,
};
use crate::http::error::{Error, ErrorKind};
use crate::http::hooks::Hooks;
use crate::http::origin::Origin;
use crate::http::proxy::ProxyServer;
use crate::http::trace::{SentHead, Trace};

/// Asks the proxy at the other end of `transport` for a tunnel to `origin`, with the lines of the `agent`. Afterwards the
/// transport leads there; what came with the proxy's answer is from there, too.
pub(in crate::http) async fn tunnel(
    transport: &mut Transport,
    proxy: &ProxyServer,
    origin: &Origin,
    agent: &[u8],
    hooks: &Hooks,
) -> Result<Option<Chunk>, Error> {
    let (recv, send) = transport.split();
    // The error of the sending comes with the receiving: the proxy may have said why before it closed.
    let head = request(proxy, origin, agent)?;
    hooks.trace(&Trace::Request(&SentHead::new(&head, Vec::new())));
    let sent = send.post(head).await;
    sent.map_err(|error| Error::io(ErrorKind::Proxy, error))?;

    let kind = RequestKind::of(&Method::CONNECT);
    let mut decoder = ResponseDecoder::new(Limits::default(), kind);
    loop {
        let received = recv.recv_chunk().await;
        let Some(mut chunk) = received.map_err(|error| Error::io(ErrorKind::Proxy, error))? else {
            return Err(match decoder.finish() {
                Err(error) => Error::tunnel(error),
                Ok(_) => Error::boxed(ErrorKind::Proxy, "the proxy closed the connection"),
            });
        };
        loop {
            let step = decoder.decode(&chunk).map_err(Error::tunnel)?;
            chunk.advance(step.consumed);
            if let Event::Head(head) | Event::Informational(head) = &step.event {
                hooks.trace(&Trace::Response(head));
            }
            match step.event {
                Event::Head(head) if head.status.is_success() => {
                    return Ok((!chunk.is_empty()).then_some(chunk));
                }
                Event::Head(head) => return Err(refusal(head)),
                Event::NeedMore => break,
                // Interim responses.
                _ => {}
            }
        }
    }
}

fn request(proxy: &ProxyServer, origin: &Origin, agent: &[u8]) -> Result<Vec<u8>, Error> {
    let authority = origin.authority();
    let mut headers = HeaderMap::new();
    if let Some(credentials) = &proxy.credentials {
        headers.insert(header::PROXY_AUTHORIZATION, credentials.clone());
    }
    let mut head = Vec::with_capacity(256);
    RequestHead {
        method: &Method::CONNECT,
        target: &authority,
        host: &authority,
        headers: &headers,
        body: BodyFraming::None,
        close: false,
        expect_continue: false,
    }
    .encode(&mut head)
    .map_err(Error::request)?;
    // Before the empty line.
    head.truncate(head.len() - 2);
    head.extend_from_slice(agent);
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

fn refusal(head: Head) -> Error {
    let (status, headers) = (head.status, head.headers.into_map());
    let mut reason = format!("the proxy answers {status}");
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        reason.push_str(": it wants other credentials, or any");
        if let Some(scheme) = headers
            .get(header::PROXY_AUTHENTICATE)
            .and_then(|value| value.to_str().ok())
        {
            reason.push_str(&format!(" ({scheme})"));
        }
    }
    Error::boxed(ErrorKind::Proxy, reason).with_head(status, headers)
}
