//! HTTP/1.1: a client on owned buffers.
//!
//! [`fetch`] is the shortest way to a page. A [`Client`] has settings and connections of its own, and makes requests,
//! each of which can be sent in the style that suits its caller:
//!
//! | style | call | what it gives |
//! | --- | --- | --- |
//! | coroutine | [`send`](RequestBuilder::send) | a [`Response`], whose body is read as it comes |
//! | blocking | [`blocking`] | a [`Fetched`], with the whole body, as all below |
//! | callback | [`call`](RequestBuilder::call) | to a closure, once |
//! | future | [`start`](RequestBuilder::start) | a [`Fetch`]: already running, with done-callbacks |
//! | delivery | [`deliver`](RequestBuilder::deliver) | to a queue, with a tag |
//! | registry | [`Client::on`] | [`ClientEvent`]s of all fetches of a client |
//! | from other threads | [`Client::handle`], [`ClientThread`] | a [`RemoteFetch`] |
//!
//! The [guide](crate::guide) goes through them with examples.
//!
//! # What dropping does
//!
//! Who waits for a result, and drops what he waits on, no longer wants it: the fetch is given up, and its connection
//! closed. What only names a fetch whose result goes to somebody else lets it run.
//!
//! | dropped | what happens | the other way |
//! | --- | --- | --- |
//! | the future of [`send`](RequestBuilder::send) or [`fetch`] | given up | [`start`](RequestBuilder::start) |
//! | a [`Response`] whose body has not been read to its end | given up | [`push`](Response::push), detached |
//! | a [`Fetch`], from [`start`](RequestBuilder::start) | given up | [`detach`](Fetch::detach) |
//! | a [`RemoteFetch`], from [`ClientHandle::fetch`] | given up | [`detach`](RemoteFetch::detach) |
//! | a [`Push`], from [`Response::push`] | given up | [`detach`](Push::detach) |
//! | a [`FetchHandle`], from `call` or `deliver` | it runs | [`cancel`](FetchHandle::cancel) |
//! | a [`JoinHandle`](crate::JoinHandle), from [`spawn`](crate::spawn) | it runs | `abort` |
//! | the last clone of a [`Client`] | fetches that have begun run | [`close`](Client::close) |
//! | a [`ClientThread`] | closed, and with it its fetches | keep it |
//!
//! A reactor that is shut down gives up all of them; [`Client::until_idle`] lets them end first.
//!
//! # Defaults
//!
//! A response of any status is a response; an [`Error`] means that there is none, or no complete one. There is
//! one deadline for the whole fetch, 20 s by default, and another for connecting. A body is bounded at 100 MiB
//! unless told otherwise. [`ClientBuilder`] has the table of all settings.
//!
//! # Where things are
//!
//! | file | job |
//! | --- | --- |
//! | `codec/` | the wire format: slices in, events out, no sockets |
//! | `connection.rs` | one connection |
//! | `transport/` | what carries it: sockets, and what lies on them; how connections are made |
//! | `tls/` | TLS over any transport |
//! | `exchange/`, `hooks.rs` | one exchange of messages on it, and who is told of its heads |
//! | `pool/` | connections that wait for their next exchange, and fetches that wait for their place |
//! | `key.rs` | which requests can share a connection |
//! | `client/` | settings, and the fetch itself |
//! | `request/`, `body/` | what is sent |
//! | `coding/` | decoding gzip, deflate, brotli and zstd |
//! | `response/`, `spare.rs`, `upgraded.rs` | what comes back, and the memory for it |
//! | `origin.rs` | what a URL means for a connection and a head |
//! | `auth.rs` | credentials |
//! | `options.rs`, `times.rs` | what a request may say instead of its client |
//! | `watch.rs` | how far a fetch is, and its deadlines |
//! | `redirect.rs` | whether a redirect is followed, and what the next request is |
//! | `proxy/` | which proxy a request goes through |
//! | `faces/` | the fetch in each style of interface |
//! | `timings.rs`, `error/`, `trace.rs` | how long it took, what went wrong, and every step on the way |
//! | `fuzzing.rs` | what only the fuzz targets call |

#![forbid(unsafe_code)]

mod auth;
mod body;
mod client;
pub mod codec;
#[cfg(feature = "compression")]
mod coding;
#[cfg(not(feature = "compression"))]
#[path = "coding/off.rs"]
mod coding;
mod connection;
mod error;
mod exchange;
mod faces;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod hooks;
mod key;
mod options;
mod origin;
mod pool;
mod proxy;
mod redirect;
mod request;
mod response;
mod spare;
mod times;
mod timings;
#[cfg(feature = "__tls")]
mod tls;
mod trace;
mod transport;
mod upgraded;
mod watch;

pub use body::{Body, BodyWriter};
pub use client::{Client, ClientBuilder, fetch};
pub use codec::ProtocolError;
pub use error::{CertificateFault, Error, ErrorKind, Phase, Stage};
pub use faces::{
    ClientEvent, ClientHandle, ClientRegistration, ClientThread, Fetch, FetchHandle, Fetched,
    RemoteFetch, blocking,
};
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
pub use origin::IntoUrl;
pub use proxy::{NoProxy, Proxy};
pub use redirect::{Action, Attempt, Redirect};
pub use request::RequestBuilder;
pub use response::{Chunks, Flow, Push, Pusher, Response};
pub use timings::Timings;
#[cfg(feature = "__tls")]
pub use tls::{Pem, rustls};
pub use trace::{SentHead, Trace};
pub use transport::{Conduit, ConnectOptions, Connector, Resolver, Target};
pub use upgraded::{Upgraded, UpgradedRecv, UpgradedSend};
pub use url::Url;
