//! GETs with cyper, on compio.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use cyper::Client;
use futures_util::future::join_all;
use peers::client::{self, Load};
use peers::tls;

fn main() -> Result<(), Box<dyn Error>> {
    let load = client::start();
    let runtime = compio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut builder = Client::builder();
        if let Some(config) = tls::config(&load) {
            builder = builder.use_rustls(Arc::new(config));
        }
        let client = builder.build()?;
        let tasks = (0..load.concurrency)
            .map(|_| compio::runtime::spawn(gets(client.clone(), load.clone())));
        for ended in join_all(tasks).await {
            ended.expect("no panic")?;
        }
        Ok::<(), cyper::Error>(())
    })?;
    Ok(client::report()?)
}

async fn gets(client: Client, load: Load) -> Result<(), cyper::Error> {
    while client::wanted() {
        let start = Instant::now();
        let mut request = client.get(&load.url)?;
        if load.cold {
            request = request.header("connection", "close")?;
        }
        let response = request.send().await?;
        load.done(start, response.bytes().await?.len());
    }
    Ok(())
}
