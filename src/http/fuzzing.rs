//! Doors for the fuzz targets in `fuzz/`: what they look at and nobody else can call. Only there with
//! `--cfg fuzzing`, which is set where they are built; no part of the crate's interface.

use http::{HeaderMap, Method};
use url::Url;

use super::client::Client;
use super::codec::Head;
use super::error::Error;
use super::proxy::{Proxies, Proxy};
use super::redirect::Redirect;
use super::request::{Request, RequestBuilder};

/// A request and the ones that redirects make of it, as a client would send them.
#[derive(Debug)]
pub struct Hops {
    client: Client,
    request: Box<Request>,
    history: Vec<Redirect>,
}

impl Hops {
    /// The first hop.
    pub fn new(request: RequestBuilder) -> Result<Hops, Error> {
        let (client, request) = request.into_parts();
        Ok(Hops {
            client,
            request: request?,
            history: Vec::new(),
        })
    }

    /// The method of this hop.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// The URL of this hop.
    pub fn url(&self) -> &Url {
        &self.request.url
    }

    /// Whether this hop sends a body.
    pub fn has_body(&self) -> bool {
        self.request.body.is_some()
    }

    /// The head of this hop, as it goes to the server, or to a proxy that is asked for the whole URL.
    pub fn head(&self, forwarder: Option<&Proxy>) -> Result<Vec<u8>, Error> {
        let forwarder = forwarder.map(Proxy::server);
        self.client.encode_head(&self.request, forwarder, false)
    }

    /// Goes on to the next hop, if the response with this head leads to one.
    pub fn follow(&mut self, head: &Head) -> Result<bool, Error> {
        let Some(next) = self.client.next(&self.request, head, &self.history)? else {
            return Ok(false);
        };
        self.history.push(Redirect {
            url: Url::clone(&self.request.url),
            status: head.status,
        });
        next.apply(&mut self.request);
        Ok(true)
    }
}

/// Decodes a body with these fields that comes in these pieces, up to `most` bytes of it. `None`: it is not coded, or
/// in a coding that is not known.
pub fn decode(
    headers: &HeaderMap,
    pieces: &[&[u8]],
    most: usize,
) -> Result<Option<Vec<u8>>, Error> {
    use super::coding::{Decoded, Decoding};
    use crate::buf::Chunk;

    let Some(mut decoding) = Decoding::of(headers)? else {
        return Ok(None);
    };
    let (mut body, mut pieces) = (Vec::new(), pieces.iter());
    while body.len() < most {
        match decoding.step()? {
            Decoded::Data(data) => body.extend(data),
            Decoded::Nothing => {}
            Decoded::NeedMore => match pieces.next() {
                Some([]) => {}
                Some(piece) => decoding.feed(Chunk::owned(piece.to_vec())),
                None => {
                    decoding.finish()?;
                    return Ok(Some(body));
                }
            },
        }
    }
    body.truncate(most);
    Ok(Some(body))
}

/// The authority of the proxy that an environment with these variables names for `url`.
pub fn proxy_of(variables: &[(&str, &str)], url: &Url) -> Result<Option<String>, Error> {
    let proxies = Proxies::of_variables(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    let proxy = proxies.of(url)?;
    Ok(proxy.map(|proxy| proxy.authority().to_owned()))
}
