//! GETs with monoio-http-client, on monoio.

use std::error::Error;
use std::time::Instant;

use futures_util::future::join_all;
use monoio_http::common::body::{Body, FixedBody, HttpBody};
use monoio_http_client::{Builder, Client};
use peers::client::{self, Load};

fn main() -> Result<(), Box<dyn Error>> {
    let load = client::start();
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
        .enable_timer()
        .build()?;
    runtime.block_on(async {
        let client = Builder::new().http1_client().build();
        let tasks =
            (0..load.concurrency).map(|_| monoio::spawn(gets(client.clone(), load.clone())));
        for ended in join_all(tasks).await {
            ended?;
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    Ok(client::report()?)
}

async fn gets(client: Client, load: Load) -> Result<(), Box<dyn Error>> {
    while client::wanted() {
        let start = Instant::now();
        let mut request = http::Request::get(&load.url).header(http::header::HOST, "127.0.0.1");
        if load.cold {
            request = request.header(http::header::CONNECTION, "close");
        }
        let request = request.body(HttpBody::fixed_body(None))?;
        let response = client.send_request(request).await?;
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(data) = body.next_data().await {
            bytes += data?.len();
        }
        load.done(start, bytes);
    }
    Ok(())
}
