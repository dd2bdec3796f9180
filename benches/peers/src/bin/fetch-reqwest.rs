//! GETs with reqwest, on one thread of tokio.

use std::error::Error;
use std::time::Instant;

use futures_util::future::try_join_all;
use peers::client::{self, Load};
use peers::{hold, tls};
use reqwest::Client;

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let load = client::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if load.hold {
            return connections(&load).await;
        }
        let client = client(&load)?;
        let tasks = (0..load.concurrency)
            .map(|_| async { tokio::spawn(gets(client.clone(), load.clone())).await? });
        try_join_all(tasks).await?;
        Ok(client::report()?)
    })
}

fn client(load: &Load) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder().no_proxy();
    if let Some(config) = tls::config(load) {
        builder = builder.tls_backend_preconfigured(config);
    }
    if load.hold {
        builder = builder.pool_idle_timeout(None);
    }
    builder.build()
}

async fn gets(client: Client, load: Load) -> Result<(), Failed> {
    while client::wanted() {
        let start = Instant::now();
        let mut request = client.get(&load.url);
        if load.cold {
            request = request.header("connection", "close");
        }
        let response = request.send().await?;
        load.done(start, response.bytes().await?.len());
    }
    Ok(())
}

async fn connections(load: &Load) -> Result<(), Failed> {
    let client = client(load)?;
    let mut held = 0;
    for wanted in hold::wanted() {
        let wanted = wanted?;
        for url in hold::urls(&load.url, held..wanted) {
            let requests = (0..hold::AT_A_TIME).map(|_| client.get(&url).send());
            let responses = try_join_all(requests).await?;
            try_join_all(responses.into_iter().map(|response| response.bytes())).await?;
        }
        held = wanted;
        tokio::time::sleep(hold::SETTLE).await;
        hold::report(wanted)?;
    }
    Ok(())
}
