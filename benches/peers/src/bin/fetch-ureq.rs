//! GETs with ureq: blocking, and so one at a time.

use std::time::Instant;

use peers::client;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let load = client::start();
    assert_eq!(
        load.concurrency, 1,
        "a blocking client fetches one at a time"
    );
    let agent = ureq::Agent::config_builder()
        .proxy(None)
        .build()
        .new_agent();
    while client::wanted() {
        let start = Instant::now();
        let mut request = agent.get(&load.url);
        if load.cold {
            request = request.header("connection", "close");
        }
        let mut response = request.call()?;
        load.done(start, response.body_mut().read_to_vec()?.len());
    }
    Ok(client::report()?)
}
