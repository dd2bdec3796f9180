//! A client in a process that has no descriptors left. The limit is the process's own, so that this file has one
//! test.
#![cfg(feature = "http")]

mod http_support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use eyewall::http::{Client, ErrorKind};
use http_support::run;
use rlimit::Resource;

/// Uses up every descriptor below the limit.
fn use_up() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// A server of one connection after the other, which needs descriptors, too, and is patient. It ends with the process.
fn peer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        loop {
            let Ok((mut stream, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            let mut head = [0; 1024];
            while matches!(stream.read(&mut head), Ok(1..)) {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                if stream.write_all(answer).is_err() {
                    break;
                }
            }
        }
    });
    url
}

#[test]
fn c11_who_finds_no_descriptor_waits_for_one() {
    let (_, hard) = Resource::NOFILE.get().unwrap();
    Resource::NOFILE.set(100, hard).unwrap();
    let urls = [peer(), peer()];
    run(async {
        let client = Client::new();
        let get = async |url: &str| client.get(url).send().await?.text().await;

        // A kept connection makes room. The server needs one, too.
        assert_eq!(get(&urls[0]).await.unwrap(), "ok");
        assert_eq!(client.idle_connections(), 1);
        let mut files = use_up();
        let fetch = eyewall::spawn({
            let (client, url) = (client.clone(), urls[1].clone());
            async move { client.get(url).send().await }
        });
        while client.idle_connections() > 0 {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
        files.truncate(files.len() - 2);
        let mut response = fetch.await.unwrap().unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        drop(response);
        drop(files);

        // Without any, it is an error after a while, and the reactor has not been busy with it.
        let client = Client::new();
        let files = use_up();
        let enters = || eyewall::reactor::metrics().unwrap().enters;
        let before = enters();
        let error = client.get(&urls[0]).send().await.unwrap_err();
        let tries = enters() - before;
        drop(files);
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(tries < 200, "{tries} enters for eight tries: it spins");
        let mut response = client.get(&urls[0]).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
    });
}
