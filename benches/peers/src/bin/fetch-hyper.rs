//! GETs with the pooled client of hyper-util, on one thread of tokio.

use std::error::Error;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use peers::client::{self, Load};

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let load = client::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let tasks = (0..load.concurrency)
            .map(|_| async { tokio::spawn(gets(client.clone(), load.clone())).await? });
        try_join_all(tasks).await
    })?;
    Ok(client::report()?)
}

async fn gets(client: Client<HttpConnector, Empty<Bytes>>, load: Load) -> Result<(), Failed> {
    while client::wanted() {
        let start = Instant::now();
        let mut request = http::Request::get(&load.url);
        if load.cold {
            request = request.header(http::header::CONNECTION, "close");
        }
        let response = client.request(request.body(Empty::new())?).await?;
        load.done(
            start,
            response.into_body().collect().await?.to_bytes().len(),
        );
    }
    Ok(())
}
