//! Fetches from real servers: nginx, Apache httpd, Node, Python's http.server, and httpbin under gunicorn.
//!
//! `scripts/servers.sh` installs what is missing and runs these tests, which are ignored otherwise. Each starts the
//! server that it needs, on loopback, with a configuration of its own, and ends it.
//!
//! | file | job |
//! | --- | --- |
//! | `process.rs` | a server as a process: directory, ports, start, end |
//! | `support.rs` | what the tests do with a client |
//! | `nginx.rs`, `apache.rs`, `node.rs`, `python.rs`, `httpbin.rs` | how each is started, and what is fetched from it |
//! | `tls.rs` | TLS, by nginx |
//! | `uploads.rs` | what is sent to nginx and Apache |
//! | `proxy.rs` | through Apache as a proxy |
//! | `server.mjs`, `server.py` | what Node and Python serve |
#![cfg(all(feature = "http", feature = "compression", feature = "tls-ring"))]
#![forbid(unsafe_code)]
#![allow(unreachable_pub)]

mod apache;
mod httpbin;
mod nginx;
mod node;
mod process;
mod proxy;
mod python;
mod support;
mod tls;
#[path = "../tls_support/mod.rs"]
mod tls_support;
mod uploads;
