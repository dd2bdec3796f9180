//! What TLS means for the rest of the client: redirects between `http` and `https`, what may share a connection, and
//! giving up in a handshake.
#![cfg(all(feature = "http", feature = "tls-ring"))]

mod tls_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use eyewall::http::{Client, ClientBuilder, Error, ErrorKind, Pem};
use eyewall::reactor::metrics;
use rustls::ServerConfig;
use tls_support::{
    Authority, Peer, accept, accept_tcp, goodbye, over, read_head, run, server, try_read_head,
};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

async fn get(client: &Client, url: &str) -> Result<String, Error> {
    client.get(url).send().await?.text().await
}

fn client(authority: &Authority, address: SocketAddr) -> ClientBuilder {
    Client::builder()
        .ca_certificates(Pem::text(authority.pem()))
        .resolve("site.test", 0, [address])
        .resolve("other.test", 0, [address])
}

/// A redirect to `location`.
fn redirect(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 307 Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into()
}

/// Takes one request without TLS, and gives its head.
fn plain_request(listener: &TcpListener, answer: &[u8]) -> String {
    let mut stream = accept_tcp(listener);
    let head = read_head(&mut stream);
    stream.write_all(answer).unwrap();
    head
}

/// The same with TLS.
fn secure_request(listener: &TcpListener, config: &Arc<ServerConfig>, answer: &[u8]) -> String {
    let mut tls = accept(listener, config);
    let head = read_head(&mut tls);
    tls.write_all(answer).unwrap();
    goodbye(tls);
    head
}

const SECRET: [&str; 2] = ["authorization: Basic dXNlcjpwYXNz", "cookie: a=b"];

/// How many of the secret fields are in a head.
fn secrets(head: &str) -> usize {
    SECRET.iter().filter(|field| head.contains(*field)).count()
}

#[test]
fn r04_credentials_do_not_go_from_one_scheme_to_the_other() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    // The same host and the same port, first without TLS and then with it.
    let peer = Peer::new(move |listener| {
        let port = listener.local_addr().unwrap().port();
        let there = format!("https://site.test:{port}/there");
        let head = plain_request(&listener, &redirect(&there));
        assert_eq!(secrets(&head), 2, "{head}");
        let head = secure_request(&listener, &config, HELLO);
        assert!(head.starts_with("GET /there "), "{head}");
        assert_eq!(secrets(&head), 0, "{head}");
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let url = peer.url().replace("https:", "http:");
        let request = client.get(&url).basic_auth("user", "pass");
        let request = request.header("cookie", "a=b");
        let mut response = request.send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "hello");
        assert_eq!(response.url().scheme(), "https");
    });
    peer.join();
}

#[test]
fn r04_credentials_stay_where_everything_stays() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        read_head(&mut tls);
        tls.write_all(&redirect("/there")).unwrap();
        assert_eq!(secrets(&read_head(&mut tls)), 2);
        tls.write_all(HELLO).unwrap();
        goodbye(tls);
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let request = client.get(peer.url()).basic_auth("user", "pass");
        let request = request.header("cookie", "a=b");
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn r06_https_to_http_is_refused() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let port = listener.local_addr().unwrap().port();
        let there = format!("http://site.test:{port}/there");
        for _ in 0..2 {
            secure_request(&listener, &config, &redirect(&there));
        }
        // Who allows it gets there, without credentials.
        let head = plain_request(&listener, HELLO);
        assert!(head.starts_with("GET /there "), "{head}");
        assert_eq!(secrets(&head), 0, "{head}");
        // Also to another host, and from one that was reached by a redirect.
        let far = format!("http://other.test:{port}/");
        secure_request(&listener, &config, &redirect("/again"));
        secure_request(&listener, &config, &redirect(&far));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody comes without TLS");
    });
    run(async {
        let client = client(&authority, peer.address).pool_max_idle(0).build();
        let request = || {
            let request = client.get(peer.url()).basic_auth("user", "pass");
            request.header("cookie", "a=b")
        };
        let error = request().send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectDowngrade);
        assert!(error.is_redirect() && !error.is_retryable());
        assert_eq!(error.url(), Some(&*peer.url()), "the one that answered");
        let mut response = request().allow_downgrade(true).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "hello");
        let error = request().send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectDowngrade);
        let timings = error.timings().unwrap();
        assert!(timings.redirects == 1 && timings.first_byte.is_some());
    });
    peer.join();
}

#[test]
fn r06_who_fetches_https_only_is_not_led_astray() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let port = listener.local_addr().unwrap().port();
        let there = format!("http://site.test:{port}/there");
        secure_request(&listener, &config, &redirect(&there));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody comes without TLS");
    });
    run(async {
        let client = client(&authority, peer.address).https_only(true);
        let client = client.allow_downgrade(true).build();
        let error = client.get(peer.url()).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HttpsOnly);
        assert_eq!(error.timings().unwrap().redirects, 1);
    });
    peer.join();
}

#[test]
fn p07_two_names_of_one_address_have_a_connection_and_an_sni_each() {
    let authority = Authority::new();
    let identity = authority.identity(&["site.test", "other.test"]);
    let config = Arc::new(server(&identity));
    let (done, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut connections = ["site.test", "other.test"].map(|name| {
            let mut tls = accept(&listener, &config);
            let head = read_head(&mut tls);
            assert!(head.contains(&format!("host: {name}:")), "{head}");
            assert_eq!(tls.conn.server_name(), Some(name));
            tls.write_all(HELLO).unwrap();
            tls
        });
        for tls in &mut connections {
            read_head(tls);
            tls.write_all(HELLO).unwrap();
        }
        wait.recv().unwrap();
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let other = peer.url().replace("site.test", "other.test");
        for reused in [false, true] {
            for url in [&peer.url(), &other] {
                let mut response = client.get(url).send().await.unwrap();
                assert_eq!(response.is_reused(), reused);
                assert_eq!(response.text().await.unwrap(), "hello");
            }
        }
    });
    done.send(()).unwrap();
    peer.join();
}

#[test]
fn p07_https_is_never_sent_over_a_connection_without_tls() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut plain = accept_tcp(&listener);
        read_head(&mut plain);
        plain.write_all(HELLO).unwrap();
        secure_request(&listener, &config, HELLO);
        assert!(try_read_head(&mut plain).is_none());
    });
    run(async {
        let client = client(&authority, peer.address).build();
        // The same host and port.
        let url = peer.url().replace("https:", "http:");
        assert_eq!(get(&client, &url).await.unwrap(), "hello");
        assert_eq!(client.idle_connections(), 1);
        assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn t08_a_fetch_is_dropped_in_the_handshake_and_in_a_body_over_tls() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let (told, tell) = channel();
    let peer = Peer::new(move |listener| {
        // It has the client's first message, and says nothing.
        let mut stream = accept_tcp(&listener);
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).unwrap();
        told.send(()).unwrap();
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        // In the middle of the body.
        let mut tls = over(accept_tcp(&listener), &config);
        read_head(&mut tls);
        tls.write_all(&HELLO[..HELLO.len() - 3]).unwrap();
        tls.flush().unwrap();
        told.send(()).unwrap();
        let _ = std::io::copy(&mut tls, &mut std::io::sink());
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let before = metrics().unwrap();
        for _ in 0..2 {
            let (client, url) = (client.clone(), peer.url());
            let fetch = eyewall::spawn(async move { get(&client, &url).await });
            while tell.try_recv().is_err() {
                eyewall::time::sleep(Duration::from_millis(1)).await;
            }
            fetch.abort();
        }
        assert_eq!(client.active_fetches(), 0);
        // What the kernel had is given back.
        while metrics().unwrap().operations != before.operations {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
        let after = metrics().unwrap();
        assert_eq!(after.pool_available, after.pool_buffers);
        assert_eq!(after.stale, 0);
    });
    peer.join();
}
