//! GETs on kept connections, plain and over TLS, and on new ones, which the server closes. The server is this program
//! once more, in a process of its own with a reactor of its own: time and instructions are the client's alone.

#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod server;
#[cfg(feature = "tls-ring")]
mod tls;

use std::rc::Rc;

use common::{Meter, Peer, Plan, Round, Subject};
use eyewall::http::{Client, Url};
use futures_util::future::join_all;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn main() {
    match Peer::role().as_deref() {
        None => {}
        #[cfg(feature = "tls-ring")]
        Some("https") => return tls::serve().unwrap(),
        Some(_) => return eyewall::block_on(server::serve()).unwrap().unwrap(),
    }
    let mut subjects = Vec::new();
    for (name, scheme, size, concurrency, operations) in [
        ("fetch/1k/1", "http", KIB, 1, 10_000),
        ("fetch/1k/64", "http", KIB, 64, 32_000),
        ("fetch/1m/1", "http", MIB, 1, 1000),
        ("fetch/1m/64", "http", MIB, 64, 1280),
        ("fetch-cold/1k/1", "http", KIB, 1, 4000),
        ("fetch-cold/1k/64", "http", KIB, 64, 12_800),
        ("fetch-tls/1k/1", "https", KIB, 1, 10_000),
        ("fetch-tls/1k/64", "https", KIB, 64, 16_000),
        ("fetch-tls/1m/1", "https", MIB, 1, 500),
        ("fetch-tls/1m/64", "https", MIB, 64, 640),
    ] {
        if scheme == "https" && !cfg!(feature = "tls-ring") {
            continue;
        }
        let cold = name.starts_with("fetch-cold/");
        let run = move |plan| fetches(plan, scheme, size, concurrency, cold);
        subjects.push(Subject::new(name, operations, run).concurrency(concurrency));
    }
    common::main(
        "Fetch from another process, by body and how many at a time, cold or on kept connections; CPU of the client",
        &subjects,
    );
}

async fn fetches(
    plan: Plan,
    scheme: &'static str,
    size: usize,
    concurrency: usize,
    cold: bool,
) -> Round {
    let mut server = Peer::start(scheme);
    let url = format!("{scheme}://{}/{size}", server.line());
    let client = match scheme {
        #[cfg(feature = "tls-ring")]
        "https" => tls::client(&server.line()),
        _ => Client::new(),
    };
    let load = Load {
        client,
        url: Url::parse(&url).unwrap(),
        size,
        concurrency,
        cold,
    };
    load.drive(plan.warm_up, &Meter::start(plan)).await;
    let meter = Meter::start(plan);
    load.drive(plan.operations, &meter).await;
    meter.stop()
}

#[derive(Clone)]
struct Load {
    client: Client,
    url: Url,
    size: usize,
    concurrency: usize,
    /// Each GET has a connection of its own.
    cold: bool,
}

impl Load {
    async fn drive(&self, operations: u64, meter: &Rc<Meter>) {
        let each = operations / self.concurrency as u64;
        let tasks = (0..self.concurrency).map(|_| {
            let (load, mut watch) = (self.clone(), meter.watch());
            eyewall::spawn(async move {
                for _ in 0..each {
                    load.get().await;
                    watch.lap(1);
                }
            })
        });
        for ended in join_all(tasks).await {
            ended.unwrap();
        }
    }

    async fn get(&self) {
        let mut request = self.client.get(&self.url);
        if self.cold {
            request = request.header("connection", "close");
        }
        let mut response = request.send().await.unwrap();
        assert_eq!(response.bytes().await.unwrap().len(), self.size);
    }
}
