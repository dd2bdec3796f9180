//! Fuzz targets, each a function that takes bytes and panics where something is wrong.
//!
//! | file | job |
//! | --- | --- |
//! | `response_decoder` | any bytes as a response |
//! | `chunk_decoder` | any bytes as a chunked body |
//! | `fetch` | any bytes as the answer to a whole fetch |
//! | `header_encoder` | any request as a head |
//! | `url_redirect` | any URL, and any answers to it |
//! | `content_coding` | any bytes as a coded body |
//! | `no_proxy` | any environment, and any URL |
//! | `recipe`, `request_text` | requests from bytes, and bytes from requests |
//! | `settings` | what the first bytes of an input say about the rest |
//! | `cut` | the same bytes in other pieces |
//! | `sight` | a decoder at work, and what must hold at every step of it |
//! | `judge_httparse` | what httparse says of a head |
//! | `model_head`, `model_chunked` | the same rules written down a second time, as plainly as can be |
//!
//! The functions are apart from the programs of `fuzz_targets/`, so that a finding can be run again without a fuzzing
//! engine, and so that the oracles have tests of their own.

pub mod chunk_decoder;
pub mod content_coding;
mod cut;
pub mod fetch;
pub mod header_encoder;
mod judge_httparse;
mod model_chunked;
mod model_head;
pub mod no_proxy;
mod recipe;
mod request_text;
pub mod response_decoder;
mod settings;
mod sight;
pub mod url_redirect;
