//! GETs with the client of eyewall. `--no-spin` as the last argument parks at once when there is nothing to do.

use std::io;
use std::time::{Duration, Instant};

use eyewall::Reactor;
use eyewall::http::Client;
use futures_util::future::join_all;
use peers::client::{self, Load};

fn main() -> io::Result<()> {
    let load = client::start();
    let mut builder = Reactor::builder();
    if std::env::args().any(|arg| arg == "--no-spin") {
        builder = builder.spin(Duration::ZERO);
    }
    let reactor = builder.build().map_err(io::Error::other)?;
    let ran = reactor.block_on(async {
        let client = Client::new();
        let tasks =
            (0..load.concurrency).map(|_| eyewall::spawn(gets(client.clone(), load.clone())));
        for ended in join_all(tasks).await {
            ended.map_err(io::Error::other)?.map_err(io::Error::other)?;
        }
        io::Result::Ok(())
    });
    ran.map_err(io::Error::other)??;
    client::report()
}

async fn gets(client: Client, load: Load) -> Result<(), eyewall::http::Error> {
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
