//! HTTP/1.1: a client on owned buffers.
//!
//! | file | job |
//! | --- | --- |
//! | `codec/` | the wire format: slices in, events out, no sockets |
//! | `connection.rs` | one connection, and one exchange on it |
//! | `pool.rs` | connections that wait for their next exchange |
//! | `client/` | settings, and the fetch itself |
//! | `request.rs`, `body.rs` | what is sent |
//! | `response.rs` | what comes back |
//! | `origin.rs` | what a URL means for a connection and a head |
//! | `auth.rs` | credentials in a URL |
//! | `deadline.rs` | the time that a part of a fetch has |
//! | `timings.rs`, `error.rs` | how long it took, and what went wrong |
//!
//! A response of any status is a response; an [`Error`] means that there is none, or no complete one. There is
//! one deadline for the whole fetch, 20 s by default, and another for connecting. A body is bounded at 100 MiB
//! unless told otherwise.

#![forbid(unsafe_code)]

mod auth;
mod body;
mod client;
pub mod codec;
mod connection;
mod deadline;
mod error;
mod origin;
mod pool;
mod request;
mod response;
mod timings;

pub use body::Body;
pub use client::{Client, ClientBuilder, fetch};
pub use codec::ProtocolError;
pub use error::{Error, ErrorKind, Phase};
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
pub use request::RequestBuilder;
pub use response::Response;
pub use timings::Timings;
pub use url::Url;
