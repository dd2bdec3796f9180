//! GETs with reqwest, on one thread of tokio.

use std::error::Error;
use std::time::Instant;

use futures_util::future::try_join_all;
use peers::client::{self, Load};
use reqwest::Client;

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let load = client::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Client::builder().no_proxy().build()?;
        let tasks = (0..load.concurrency)
            .map(|_| async { tokio::spawn(gets(client.clone(), load.clone())).await? });
        try_join_all(tasks).await
    })?;
    Ok(client::report()?)
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
