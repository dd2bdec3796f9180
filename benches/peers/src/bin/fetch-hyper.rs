//! GETs with the pooled client of hyper-util, on one thread of tokio; with TLS by hyper-rustls.

use std::error::Error;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::TokioExecutor;
use peers::client::{self, Load};
use peers::{hold, tls};

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let load = client::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match tls::config(&load) {
            Some(config) => {
                let connector = HttpsConnectorBuilder::new()
                    .with_tls_config(config)
                    .https_only()
                    .enable_http1()
                    .build();
                run(connector, load).await
            }
            None => run(HttpConnector::new(), load).await,
        }
    })
}

async fn run<C>(connector: C, load: Load) -> Result<(), Failed>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let mut builder: Builder = Client::builder(TokioExecutor::new());
    if load.hold {
        let client = builder.pool_idle_timeout(None).build(connector);
        return connections(client, &load).await;
    }
    let client = builder.build(connector);
    let tasks = (0..load.concurrency)
        .map(|_| async { tokio::spawn(gets(client.clone(), load.clone())).await? });
    try_join_all(tasks).await?;
    Ok(client::report()?)
}

async fn gets<C>(client: Client<C, Empty<Bytes>>, load: Load) -> Result<(), Failed>
where
    C: Connect + Clone + Send + Sync + 'static,
{
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

async fn connections<C>(client: Client<C, Empty<Bytes>>, load: &Load) -> Result<(), Failed>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let mut held = 0;
    for wanted in hold::wanted() {
        let wanted = wanted?;
        for url in hold::urls(&load.url, held..wanted) {
            let url: http::Uri = url.parse()?;
            let requests = (0..hold::AT_A_TIME).map(|_| client.get(url.clone()));
            let responses = try_join_all(requests).await?.into_iter();
            try_join_all(responses.map(|response| response.into_body().collect())).await?;
        }
        held = wanted;
        tokio::time::sleep(hold::SETTLE).await;
        hold::report(wanted)?;
    }
    Ok(())
}
