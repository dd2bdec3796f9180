//! GETs with the multi interface of libcurl, which this thread drives. Its TLS is that of the system's libcurl.

use std::error::Error;
use std::time::{Duration, Instant};

use curl::easy::{Easy2, Handler, List, WriteError};
use curl::multi::{Easy2Handle, Multi};
use peers::client::{self, Load};

fn main() -> Result<(), Box<dyn Error>> {
    let load = client::start();
    let multi = Multi::new();
    let mut handles = Vec::new();
    for index in 0..load.concurrency {
        handles.push(Some(add(&multi, Easy2::new(Body::new()), &load, index)?));
    }
    let mut ended = Vec::new();
    while client::wanted() {
        let running = multi.perform()?;
        multi.messages(|message| {
            let index = message.token().expect("set when it was added");
            ended.push((index, message.result().expect("a message of an end")));
        });
        for (index, result) in ended.drain(..) {
            result?;
            let mut easy = multi.remove2(handles[index].take().expect("it was running"))?;
            let body = easy.get_mut();
            load.done(body.start, std::mem::take(&mut body.bytes).len());
            handles[index] = Some(add(&multi, easy, &load, index)?);
        }
        if running as usize == load.concurrency {
            multi.poll(&mut [], Duration::from_secs(1))?;
        }
    }
    Ok(client::report()?)
}

fn add(
    multi: &Multi,
    mut easy: Easy2<Body>,
    load: &Load,
    index: usize,
) -> Result<Easy2Handle<Body>, Box<dyn Error>> {
    easy.url(&load.url)?;
    easy.get(true)?;
    easy.proxy("")?;
    if load.cold {
        let mut headers = List::new();
        headers.append("Connection: close")?;
        easy.http_headers(headers)?;
    }
    if let Some(file) = &load.trusted {
        easy.cainfo(file)?;
        easy.ssl_sessionid_cache(load.resume)?;
    }
    easy.get_mut().start = Instant::now();
    let mut handle = multi.add2(easy)?;
    handle.set_token(index)?;
    Ok(handle)
}

struct Body {
    start: Instant,
    bytes: Vec<u8>,
}

impl Body {
    fn new() -> Body {
        Body {
            start: Instant::now(),
            bytes: Vec::new(),
        }
    }
}

impl Handler for Body {
    fn write(&mut self, data: &[u8]) -> Result<usize, WriteError> {
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }
}
