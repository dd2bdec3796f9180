//! GETs with the client of eyewall. `--no-spin` as the last argument parks at once when there is nothing to do.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyewall::Reactor;
use eyewall::http::{Client, Error};
use futures_util::future::{join_all, try_join_all};
use peers::client::{self, Load};
use peers::{hold, tls};

fn main() -> io::Result<()> {
    let load = client::start();
    let mut builder = Reactor::builder();
    if std::env::args().any(|arg| arg == "--no-spin") {
        builder = builder.spin(Duration::ZERO);
    }
    let reactor = builder.build().map_err(io::Error::other)?;
    let ran = reactor.block_on(async {
        if load.hold {
            return connections(&load).await;
        }
        let client = client(&load);
        let tasks =
            (0..load.concurrency).map(|_| eyewall::spawn(gets(client.clone(), load.clone())));
        for ended in join_all(tasks).await {
            ended.map_err(io::Error::other)?.map_err(io::Error::other)?;
        }
        client::report()
    });
    ran.map_err(io::Error::other)?
}

fn client(load: &Load) -> Client {
    let mut builder = Client::builder();
    if let Some(config) = tls::config(load) {
        builder = builder.tls_config(Arc::new(config));
    }
    if load.hold {
        builder = builder
            .max_clients(0)
            .timeout(Duration::ZERO)
            .pool_idle_timeout(Duration::ZERO)
            .pool_max_idle_per_host(usize::MAX)
            .pool_max_idle(usize::MAX);
    }
    builder.build()
}

async fn gets(client: Client, load: Load) -> Result<(), Error> {
    while client::wanted() {
        let start = Instant::now();
        let mut request = client.get(&load.url);
        if load.cold {
            request = request.header("connection", "close");
        }
        let mut response = request.send().await?;
        load.done(start, response.bytes().await?.len());
    }
    Ok(())
}

async fn connections(load: &Load) -> io::Result<()> {
    let client = client(load);
    let mut held = 0;
    for wanted in hold::wanted() {
        let wanted = wanted?;
        for url in hold::urls(&load.url, held..wanted) {
            let requests = (0..hold::AT_A_TIME).map(|_| client.get(&url).send());
            let responses = try_join_all(requests).await.map_err(io::Error::other)?;
            let bodies = responses
                .into_iter()
                .map(|mut response| async move { response.bytes().await });
            try_join_all(bodies).await.map_err(io::Error::other)?;
        }
        held = wanted;
        eyewall::time::sleep(hold::SETTLE).await;
        hold::report(wanted)?;
    }
    Ok(())
}
