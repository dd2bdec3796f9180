//! The head of a request, from the request and the client's own fields.

use http::header;

use super::Client;
use crate::http::auth;
use crate::http::codec::{BodyFraming, RequestHead};
use crate::http::connection::Wire;
use crate::http::error::Error;
use crate::http::origin;
use crate::http::request::Request;

impl Client {
    pub(super) fn encode(&self, request: &Request) -> Result<Wire, Error> {
        let mut headers = request.headers.clone();
        for (name, value) in &self.inner.settings.headers {
            if !request.headers.contains_key(name) && !request.without.contains(name) {
                headers.append(name, value.clone());
            }
        }
        if let (Some(credentials), false) = (
            auth::of(&request.url),
            headers.contains_key(header::AUTHORIZATION),
        ) {
            headers.insert(header::AUTHORIZATION, credentials);
        }
        let mut head = Vec::with_capacity(512);
        RequestHead {
            method: &request.method,
            target: origin::target(&request.url),
            host: origin::host_field(&request.url),
            headers: &headers,
            body: match &request.body.bytes {
                Some(bytes) => BodyFraming::Length(bytes.len() as u64),
                None => BodyFraming::None,
            },
            close: false,
            expect_continue: false,
        }
        .encode(&mut head)
        .map_err(Error::request)?;
        Ok(Wire {
            head: head.into(),
            body: request.body.bytes.clone(),
        })
    }
}
