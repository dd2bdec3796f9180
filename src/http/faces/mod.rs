//! One fetch in each style of interface.
//!
//! | style | call |
//! | --- | --- |
//! | coroutine | [`RequestBuilder::send`](super::RequestBuilder::send): a response whose body is read as it comes |
//! | blocking | [`blocking`]: the result is the return value |
//! | callback | [`RequestBuilder::call`](super::RequestBuilder::call) |
//! | future | [`RequestBuilder::start`](super::RequestBuilder::start): already running, with done-callbacks |
//! | delivery | [`RequestBuilder::deliver`](super::RequestBuilder::deliver): to a bounded queue, with a tag |
//! | registry | [`Client::on`](super::Client::on): what happens to all fetches of a client |
//! | from other threads | [`Client::handle`](super::Client::handle), [`ClientThread`] |
//!
//! All but the first give a [`Fetched`]: the response with its whole body. They give the same one, and the same
//! error, since one task does the work for all of them.

pub mod blocking;
mod callback;
mod cancel;
mod delivery;
mod events;
mod fetched;
mod future;
mod remote;
mod thread;

pub use callback::FetchHandle;
pub use events::{ClientEvent, ClientRegistration};
pub(super) use events::{Unfinished, Watchers};
pub use fetched::Fetched;
pub use future::Fetch;
pub use remote::{ClientHandle, RemoteFetch};
pub use thread::ClientThread;
