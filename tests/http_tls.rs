//! Fetches over TLS, from peers with good and bad certificates, good and bad manners.
#![cfg(all(feature = "http", feature = "tls-ring"))]

mod setups;
mod tls_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use eyewall::http::{
    Body, CertificateFault, Client, ClientBuilder, Conduit, ConnectOptions, Error, ErrorKind, Pem,
    Phase, Stage, Target,
};
use futures_util::{FutureExt, sink};
use socket2::SockRef;
use tls_support::{
    Authority, Identity, Peer, Tls, accept, accept_tcp, fail, goodbye, pieces, provider, read_head,
    run, self_signed, server, server_of, try_read_head,
};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A client that trusts `authority`, and knows where `site.test` is.
fn client(authority: &Authority, address: SocketAddr) -> ClientBuilder {
    Client::builder()
        .ca_certificates(Pem::text(authority.pem()))
        .resolve("site.test", 0, [address])
}

async fn get(client: &Client, url: &str) -> Result<String, Error> {
    client.get(url).send().await?.text().await
}

/// What comes of a fetch from a peer with this certificate.
fn fetch_from(authority: &Authority, identity: &Identity) -> Result<String, Error> {
    let peer = Peer::patient(server(identity), 1, HELLO);
    let result = run(async {
        let client = client(authority, peer.address).build();
        get(&client, &peer.url()).await
    });
    peer.join();
    result
}

/// The text of the innermost error.
fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

#[test]
fn a_good_certificate_and_a_connection_that_is_kept() {
    let authority = Authority::new();
    let mut config = server(&authority.identity(&["site.test"]));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        let head = read_head(&mut tls);
        assert!(head.contains("host: site.test:"), "{head}");
        assert_eq!(tls.conn.server_name(), Some("site.test"));
        assert_eq!(tls.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        tls.write_all(HELLO.as_bytes()).unwrap();
        read_head(&mut tls);
        tls.write_all(HELLO.as_bytes()).unwrap();
        goodbye(tls);
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert!(response.timings().tls.unwrap() >= response.timings().connected.unwrap());
        assert_eq!(response.remote_addr(), Some(peer.address));
        assert_eq!(response.text().await.unwrap(), "hello");
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert!(response.is_reused());
        assert_eq!(response.text().await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn c05_bad_certificates_are_refused_and_the_error_says_why() {
    let authority = Authority::new();
    let wrong_usage = authority.client();
    let cases = [
        (authority.identity(&["other.test"]), "not valid for name"),
        (authority.expired(&["site.test"]), "expired"),
        (self_signed(&["site.test"]), "UnknownIssuer"),
        (Authority::new().identity(&["site.test"]), "UnknownIssuer"),
    ];
    for (identity, reason) in &cases {
        let error = fetch_from(&authority, identity).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
        assert_eq!(error.stage(), Some(Stage::Tls));
        assert_eq!(error.certificate_fault(), Some(CertificateFault::Server));
        assert!(cause(&error).contains(reason), "{error:?}");
        assert!(!error.is_retryable(), "{error:?}");
    }
    // For a client, which this server is not.
    let error = fetch_from(&authority, &wrong_usage).unwrap_err();
    assert!(error.is_tls() && error.is_connect(), "{error:?}");
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_broken() {
    for (answer, said) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "without TLS"),
        ("hello, this is no server of HTTP\r\n", "corrupt message"),
    ] {
        let peer = Peer::new(move |listener| {
            let mut stream = accept_tcp(&listener);
            stream.write_all(answer.as_bytes()).unwrap();
            // Until the client has gone.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        run(async {
            let error = get(&Client::new(), &format!("https://{}/", peer.address))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
            assert_eq!(error.certificate_fault(), None);
            assert!(cause(&error).contains(said), "{error:?}");
        });
        peer.join();
    }
}

#[test]
fn a_server_of_tls_that_is_asked_without_it_is_known_by_its_alert() {
    let config = Arc::new(server(&self_signed(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        tls.conn.complete_io(&mut tls.sock).unwrap_err();
        // Until the client has gone.
        let _ = std::io::copy(&mut tls.sock, &mut std::io::sink());
    });
    run(async {
        let url = format!("http://{}/", peer.address);
        let error = get(&Client::new(), &url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
        assert!(cause(&error).contains("one of https?"), "{error:?}");
    });
    peer.join();
}

/// An alert says more than a pipe that is broken for the same reason.
#[test]
fn an_alert_is_the_error_though_the_request_could_not_be_sent() {
    let authority = Authority::new();
    let identity = authority.identity(&["site.test"]);
    let config = Arc::new(server_of(&identity, &[&rustls::version::TLS12]));
    let (tell, told) = channel();
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        tls.conn.complete_io(&mut tls.sock).unwrap();
        told.recv().unwrap();
        fail(tls);
    });
    let address = peer.address;
    run(async {
        let client = client(&authority, address).connector(move |_: Target| {
            let tell = tell.clone();
            async move {
                let stream = eyewall::net::TcpStream::connect(address).await?;
                let (recv, send) = stream.into_split();
                let outgoing = sink::unfold((send, tell), |(mut send, tell), bytes: Bytes| async {
                    // The first record behind the handshake.
                    if bytes[0] == 23 {
                        tell.send(()).unwrap();
                        return Err(std::io::ErrorKind::BrokenPipe.into());
                    }
                    send.send_all(bytes).await.0.map(|()| (send, tell))
                });
                Conduit::new(pieces(recv), outgoing)
            }
        });
        let error = get(&client.build(), &peer.url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    });
    peer.join();
}

#[test]
fn c05_accepting_invalid_certificates_stays_with_the_client_that_does() {
    let authority = Authority::new();
    let peer = Peer::patient(server(&self_signed(&["other.test"])), 2, HELLO);
    run(async {
        let careless = client(&authority, peer.address)
            .danger_accept_invalid_certs(true)
            .build();
        let careful = client(&authority, peer.address).build();
        assert_eq!(get(&careless, &peer.url()).await.unwrap(), "hello");
        drop(careless);
        let error = get(&careful, &peer.url()).await.unwrap_err();
        assert!(error.is_tls(), "{error:?}");
    });
    peer.join();
}

#[test]
fn c05_p07_requests_with_other_options_do_not_share_a_connection() {
    let authority = Authority::new();
    let config = Arc::new(server(&self_signed(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut kept = accept(&listener, &config);
        read_head(&mut kept);
        kept.write_all(HELLO.as_bytes()).unwrap();
        let mut other = accept(&listener, &config);
        // The client does not like the certificate.
        assert!(try_read_head(&mut other).is_none());
        read_head(&mut kept);
        kept.write_all(HELLO.as_bytes()).unwrap();
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let careless = ConnectOptions::new()
            .resolve("site.test", 0, [peer.address])
            .danger_accept_invalid_certs(true);
        let request = || client.get(peer.url()).connect_options(&careless);
        assert_eq!(
            request().send().await.unwrap().text().await.unwrap(),
            "hello"
        );
        assert_eq!(client.idle_connections(), 1);
        assert!(get(&client, &peer.url()).await.unwrap_err().is_tls());
        let mut response = request().send().await.unwrap();
        assert!(response.is_reused());
        assert_eq!(response.text().await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn tls_1_2() {
    let authority = Authority::new();
    let identity = authority.identity(&["site.test"]);
    let peer = Peer::answering(server_of(&identity, &[&rustls::version::TLS12]), HELLO);
    run(async {
        let client = client(&authority, peer.address).build();
        assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn an_address_has_a_certificate_and_no_sni() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["127.0.0.1"])));
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        read_head(&mut tls);
        assert_eq!(tls.conn.server_name(), None);
        tls.write_all(HELLO.as_bytes()).unwrap();
        goodbye(tls);
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let url = format!("https://{}/", peer.address);
        assert_eq!(get(&client, &url).await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn a_session_is_resumed() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let authority = Authority::new();
        let config = server_of(&authority.identity(&["site.test"]), &[version]);
        let config = Arc::new(config);
        let peer = Peer::new(move |listener| {
            for expected in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
                let mut tls = accept(&listener, &config);
                read_head(&mut tls);
                assert_eq!(tls.conn.handshake_kind(), Some(expected));
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                tls.write_all(answer).unwrap();
                goodbye(tls);
            }
        });
        run(async {
            let client = client(&authority, peer.address).build();
            assert_eq!(get(&client, &peer.url()).await.unwrap(), "");
            assert_eq!(get(&client, &peer.url()).await.unwrap(), "");
        });
        peer.join();
    }
}

#[test]
fn a_configuration_of_the_user() {
    let authority = Authority::new();
    let peer = Peer::answering(server(&authority.identity(&["site.test"])), HELLO);
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    run(async {
        let client = Client::builder()
            .tls_config(Arc::new(config))
            .resolve("site.test", 0, [peer.address])
            .build();
        assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn a_protocol_that_is_not_spoken_here_is_refused() {
    let authority = Authority::new();
    let mut config = server(&authority.identity(&["site.test"]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let peer = Peer::patient(config, 1, HELLO);
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    run(async {
        let client = Client::builder()
            .tls_config(Arc::new(config))
            .resolve("site.test", 0, [peer.address])
            .build();
        let error = get(&client, &peer.url()).await.unwrap_err();
        assert!(error.is_tls(), "{error:?}");
        assert!(cause(&error).contains("\"h2\""), "{error:?}");
    });
    peer.join();
}

#[test]
fn a_client_with_a_certificate() {
    let authority = Authority::new();
    let identity = authority.identity(&["site.test"]);
    let peer = Peer::patient(authority.asking(&identity), 3, HELLO);
    let own = authority.client();
    let foreign = Authority::new().client();
    let directory = std::env::temp_dir().join(format!("eyewall-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("client.pem");
    std::fs::write(&file, own.pem.clone() + &own.key.serialize_pem()).unwrap();
    run(async {
        let client = client(&authority, peer.address);
        let with = (client.clone())
            .client_certificate(Pem::file(&file), Pem::file(&file))
            .build();
        assert_eq!(get(&with, &peer.url()).await.unwrap(), "hello");
        drop(with);
        let (certificate, key) = (
            Pem::text(foreign.pem),
            Pem::text(foreign.key.serialize_pem()),
        );
        let unknown = client.clone().client_certificate(certificate, key);
        for (client, reason) in [(unknown, "UnknownCA"), (client, "CertificateRequired")] {
            // In TLS 1.3 the client hears of it when it has sent its request.
            let error = get(&client.build(), &peer.url()).await.unwrap_err();
            assert!(error.is_tls() && !error.is_connect(), "{error:?}");
            assert_eq!(error.certificate_fault(), Some(CertificateFault::Refused));
            assert!(cause(&error).contains(reason), "{error:?}");
        }
    });
    std::fs::remove_dir_all(&directory).unwrap();
    peer.join();
}

/// In a process of its own, since what the system trusts is read once.
#[test]
fn what_the_system_trusts_can_be_added_to_or_replaced() {
    const FILE: &str = "SSL_CERT_FILE";
    if setups::is_own_process() {
        let file = std::env::var_os(FILE).unwrap();
        return with_a_system_that_trusts(&Authority::new(), file.as_ref());
    }
    let directory = std::env::temp_dir().join(format!("eyewall-trust-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut process = setups::own_process("what_the_system_trusts_can_be_added_to_or_replaced");
    process
        .env(FILE, directory.join("system.pem"))
        .env_remove("SSL_CERT_DIR");
    setups::passes(process);
    std::fs::remove_dir_all(&directory).unwrap();
}

fn with_a_system_that_trusts(of_system: &Authority, file: &std::path::Path) {
    std::fs::write(file, of_system.pem()).unwrap();
    let own = Authority::new();
    let pem = || Pem::text(own.pem());
    let cases = [
        (Client::builder(), true, false),
        (Client::builder().extra_ca_certificates(pem()), true, true),
        (Client::builder().ca_certificates(pem()), false, true),
    ];
    for (number, (builder, system, given)) in cases.into_iter().enumerate() {
        for (authority, trusted) in [(of_system, system), (&own, given)] {
            let peer = Peer::patient(server(&authority.identity(&["site.test"])), 1, HELLO);
            let builder = builder.clone().resolve("site.test", 0, [peer.address]);
            let got = run(async { get(&builder.build(), &peer.url()).await });
            match &got {
                Ok(_) => assert!(trusted, "case {number}"),
                Err(error) => assert!(!trusted && error.is_tls(), "case {number}: {error}"),
            }
            peer.join();
        }
    }
}

/// As `cat` puts files together: where one does not end its last line, or begins with a byte order mark, none of what is
/// in them is lost.
#[test]
fn files_of_certificates_can_be_put_together_without_line_ends() {
    let (one, other) = (Authority::new(), Authority::new());
    let asked = other.client();
    let peer = Peer::patient(other.asking(&other.identity(&["site.test"])), 3, HELLO);
    run(async {
        for (before, between) in [
            ("", ""),
            ("\u{feff}", "\u{feff}"),
            ("# \r\n", "\r\n\u{feff}"),
        ] {
            let joined = |parts: [&str; 2]| {
                let [first, second] = parts.map(str::trim_end);
                Pem::text(format!("{before}{first}{between}{second}"))
            };
            let identity = joined([&asked.pem, &asked.key.serialize_pem()]);
            let client = Client::builder()
                .ca_certificates(joined([&one.pem(), &other.pem()]))
                .client_certificate(identity.clone(), identity)
                .resolve("site.test", 0, [peer.address])
                .build();
            assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
        }
    });
    peer.join();
}

#[test]
fn certificates_that_cannot_be_read_are_an_error_that_says_which() {
    let authority = Authority::new();
    let nowhere = Pem::file("/nowhere/ca.pem");
    let with_key = |key: &str| {
        ConnectOptions::new()
            .ca_certificates(Pem::text(authority.pem()))
            .client_certificate(Pem::text(authority.pem()), Pem::text(key))
    };
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let cases = [
            (
                ConnectOptions::new().ca_certificates(nowhere.clone()),
                CertificateFault::Trust,
                "/nowhere/ca.pem",
            ),
            (
                ConnectOptions::new().ca_certificates(Pem::text("none here")),
                CertificateFault::Trust,
                "there are none",
            ),
            (with_key(""), CertificateFault::Client, "there is none"),
            (
                with_key(
                    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIH=\n-----END ENCRYPTED PRIVATE KEY-----\n",
                ),
                CertificateFault::Client,
                "it has a password",
            ),
            (
                with_key(
                    "-----BEGIN EC PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n-----END EC PRIVATE KEY-----\r\n",
                ),
                CertificateFault::Client,
                "it has a password",
            ),
        ];
        for (options, fault, reason) in cases {
            let client = Client::builder().connect_options(options).build();
            let error = get(&client, &url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls);
            assert_eq!(error.certificate_fault(), Some(fault));
            assert!(cause(&error).contains(reason), "{error:?}");
        }
    });
}

#[test]
fn c06_without_close_notify_the_framing_judges() {
    let authority = Authority::new();
    let answers = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            Ok("hello"),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Ok("hello"),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhello", Err((5, None))),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            Err((5, Some(9))),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            Err((5, None)),
        ),
    ];
    for (answer, expected) in answers {
        let config = Arc::new(server(&authority.identity(&["site.test"])));
        let peer = Peer::new(move |listener| {
            let mut tls = accept(&listener, &config);
            read_head(&mut tls);
            tls.write_all(answer.as_bytes()).unwrap();
            // Drops the socket without a word.
        });
        let result = run(async {
            let client = client(&authority, peer.address).build();
            get(&client, &peer.url()).await
        });
        match (result, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(error), Err((received, expected))) => {
                let truncated = ErrorKind::Truncated { received, expected };
                assert_eq!(error.kind(), truncated, "{answer:?}: {error:?}");
            }
            (result, _) => panic!("{answer:?}: {result:?}"),
        }
        peer.join();
    }
}

#[test]
fn what_came_before_tls_broke_is_delivered() {
    let authority = Authority::new();
    let identity = authority.identity(&["site.test"]);
    let broken = |answer: &'static str| {
        let config = Arc::new(server(&identity));
        Peer::new(move |listener| {
            let mut tls = accept(&listener, &config);
            read_head(&mut tls);
            tls.conn.writer().write_all(answer.as_bytes()).unwrap();
            let mut records = Vec::new();
            while tls.conn.wants_write() {
                tls.conn.write_tls(&mut records).unwrap();
            }
            // A record that nobody has encrypted, in the same segment.
            records.extend([23, 3, 3, 0, 32]);
            records.extend([0; 32]);
            tls.sock.stream.write_all(&records).unwrap();
            // Until the client has seen enough.
            let _ = std::io::copy(&mut tls.sock.stream, &mut std::io::sink());
        })
    };

    let peer = broken(HELLO);
    run(async {
        let client = client(&authority, peer.address).build();
        assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
        assert_eq!(client.idle_connections(), 0);
    });
    peer.join();

    // The end of the connection is no end of this body.
    let peer = broken("HTTP/1.1 200 OK\r\n\r\nhello");
    run(async {
        let client = client(&authority, peer.address).build();
        let mut response = client.get(peer.url()).send().await.unwrap();
        let chunk = response.chunk().await.unwrap().unwrap();
        assert_eq!(&chunk[..], b"hello");
        let error = response.chunk().await.unwrap_err();
        assert!(error.is_tls(), "{error:?}");
    });
    peer.join();
}

#[test]
fn c06_with_close_notify_the_end_is_the_end_of_the_body() {
    let authority = Authority::new();
    let config = server(&authority.identity(&["site.test"]));
    let peer = Peer::answering(config, "HTTP/1.1 200 OK\r\n\r\nall of it");
    run(async {
        let client = client(&authority, peer.address).build();
        assert_eq!(get(&client, &peer.url()).await.unwrap(), "all of it");
    });
    peer.join();
}

#[test]
fn c07_records_and_handshakes_in_small_pieces() {
    let authority = Authority::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let identity = authority.identity(&["site.test"]);
        let config = Arc::new(server_of(&identity, &[version]));
        let peer = Peer::new(move |listener| {
            let mut tls = accept(&listener, &config);
            tls.sock.size = 3;
            read_head(&mut tls);
            for byte in HELLO.as_bytes() {
                tls.write_all(&[*byte]).unwrap();
                tls.flush().unwrap();
            }
            goodbye(tls);
        });
        run(async {
            let client = client(&authority, peer.address).build();
            assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
        });
        peer.join();
    }
}

#[test]
fn c07_large_records_both_ways() {
    const SIZE: usize = 3 << 20;
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let body: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let sent = body.clone();
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        tls.conn.set_buffer_limit(None);
        read_head(&mut tls);
        let mut body = vec![0; SIZE];
        tls.read_exact(&mut body).unwrap();
        write!(tls, "HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").unwrap();
        tls.write_all(&body).unwrap();
        goodbye(tls);
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let mut response = client.post(peer.url()).body(sent).send().await.unwrap();
        assert!(response.bytes().await.unwrap() == body);
    });
    peer.join();
}

#[test]
fn c08_new_keys_and_tickets_in_the_middle_of_a_body() {
    let authority = Authority::new();
    let mut config = server(&authority.identity(&["site.test"]));
    config.send_tls13_tickets = 8;
    let config = Arc::new(config);
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        for _ in 0..3 {
            read_head(&mut tls);
            tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
                .unwrap();
            tls.flush().unwrap();
            // Asks the client for new keys, too: its next request is encrypted with them.
            tls.conn.refresh_traffic_keys().unwrap();
            tls.write_all(b"last").unwrap();
            tls.flush().unwrap();
        }
        goodbye(tls);
    });
    run(async {
        let client = client(&authority, peer.address).build();
        for reused in [false, true, true] {
            let mut response = client.get(peer.url()).send().await.unwrap();
            assert_eq!(response.is_reused(), reused);
            assert_eq!(response.text().await.unwrap(), "firstlast");
        }
    });
    peer.join();
}

#[test]
fn p05_a_part_of_a_record_behind_a_body_is_the_begin_of_no_answer() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        read_head(&mut tls);
        let surplus = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        let mut records = Vec::new();
        for part in [HELLO, surplus] {
            tls.conn.writer().write_all(part.as_bytes()).unwrap();
            tls.conn.write_tls(&mut records).unwrap();
        }
        // In one piece, which ends within the second record.
        let (first, rest) = records.split_at(records.len() - 20);
        tls.sock.write_all(first).unwrap();
        if try_read_head(&mut tls).is_some() {
            tls.sock.write_all(rest).unwrap();
        }
        let mut tls = accept(&listener, &config);
        read_head(&mut tls);
        tls.write_all(HELLO.as_bytes()).unwrap();
    });
    run(async {
        let client = client(&authority, peer.address).build();
        for _ in 0..2 {
            assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
        }
    });
    peer.join();
}

#[test]
fn p05_what_lies_behind_a_body_in_the_socket_is_no_answer_to_the_next_request() {
    // With some of them, what is behind the body begins across the end of a buffer of the pool; with 16,363 at its end.
    let lengths = || (16_293..16_390).step_by(10);
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let (go, wait) = channel::<()>();
    let (written, sent) = channel::<()>();
    let peer = Peer::new(move |listener| {
        for length in lengths() {
            let mut tls = accept(&listener, &config);
            read_head(&mut tls);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n.");
            tls.write_all(head.as_bytes()).unwrap();
            tls.flush().unwrap();
            wait.recv().unwrap();
            tls.write_all(&vec![b'.'; length - 1]).unwrap();
            tls.flush().unwrap();
            let surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
            tls.write_all(surplus).unwrap();
            tls.flush().unwrap();
            written.send(()).unwrap();
            assert_eq!(tls.read(&mut [0]).unwrap_or(0), 0);
        }
    });
    run(async {
        let client = client(&authority, peer.address).build();
        for length in lengths() {
            let mut response = client.get(peer.url()).send().await.unwrap();
            go.send(()).unwrap();
            // All of it lies in the socket before any more is received.
            sent.recv().unwrap();
            assert_eq!(response.bytes().await.unwrap().len(), length);
            assert_eq!(client.idle_connections(), 0, "{length}");
        }
    });
    peer.join();
}

#[test]
fn t03_a_handshake_that_stalls_is_a_timeout_of_tls() {
    let authority = Authority::new();
    let (done, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let stream = accept_tcp(&listener);
        wait.recv().unwrap();
        drop(stream);
    });
    run(async {
        let limit = Duration::from_millis(100);
        let builder = client(&authority, peer.address).tls_timeout(limit);
        let error = get(&builder.build(), &peer.url()).await.unwrap_err();
        let phase = Phase::Tls;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        assert_eq!(error.stage(), Some(Stage::Tls));
        let builder = client(&authority, peer.address).connect_timeout(limit);
        let phase = Phase::Connect;
        let error = get(&builder.build(), &peer.url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
    });
    done.send(()).unwrap();
    peer.join();
}

#[test]
fn what_is_not_tls_is_an_error_of_tls() {
    let authority = Authority::new();
    let peer = Peer::new(move |listener| {
        let mut stream = accept_tcp(&listener);
        stream
            .write_all(b"HTTP/1.0 400 This is not TLS\r\n\r\n")
            .unwrap();
        // Until the client has seen enough.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let error = get(&client, &peer.url()).await.unwrap_err();
        assert!(error.is_tls(), "{error:?}");
        assert_eq!(error.certificate_fault(), None);
    });
    peer.join();
}

#[test]
fn a_peer_that_closes_in_the_handshake() {
    let authority = Authority::new();
    let peer = Peer::new(move |listener| {
        for reset in [false, true] {
            let mut stream = accept_tcp(&listener);
            // All of the client's first message, so that it is an end and no reset.
            let mut header = [0; 5];
            stream.read_exact(&mut header).unwrap();
            let mut hello = vec![0; usize::from(header[3]) << 8 | usize::from(header[4])];
            stream.read_exact(&mut hello).unwrap();
            let linger = reset.then_some(Duration::ZERO);
            SockRef::from(&stream).set_linger(linger).unwrap();
        }
    });
    run(async {
        let client = client(&authority, peer.address).build();
        for said in [
            "closed the connection in the TLS handshake",
            "reset by peer",
        ] {
            let request = client.post(peer.url()).body("not sent");
            let error = request.send().await.unwrap_err();
            assert!(error.is_tls() && error.is_connect(), "{error:?}");
            assert!(cause(&error).contains(said), "{error:?}");
            assert!(error.is_retryable(), "{error:?}");
            assert_eq!(error.remote_addr(), Some(peer.address));
            assert!(error.local_addr().is_some());
        }
    });
    peer.join();
}

/// Answers once, and then wants nothing but an orderly end.
fn wanting_a_goodbye(authority: &Authority) -> Peer {
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        read_head(&mut tls);
        tls.write_all(HELLO.as_bytes()).unwrap();
        // Without close_notify this were an error.
        assert_eq!(read_to_end(&mut tls), b"");
    })
}

#[test]
fn the_client_says_goodbye() {
    let authority = Authority::new();
    let peer = wanting_a_goodbye(&authority);
    run(async {
        let client = client(&authority, peer.address).build();
        assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
        drop(client);
    });
    peer.join();
}

/// What a client says last goes out also where no reactor runs any more: with the end of its reactor.
#[test]
fn the_client_says_goodbye_after_its_reactor_has_run() {
    let authority = Authority::new();
    let peer = wanting_a_goodbye(&authority);
    let reactor = eyewall::Reactor::new().unwrap();
    let got = reactor.block_on(async {
        let client = client(&authority, peer.address).build();
        let page = get(&client, &peer.url()).await.unwrap();
        (client, page)
    });
    let (client, page) = got.unwrap();
    assert_eq!(page, "hello");
    drop(client);
    drop(reactor);
    peer.join();
}

#[test]
fn p02_a_kept_connection_that_ends_is_replaced() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let (close, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        read_head(&mut tls);
        tls.write_all(HELLO.as_bytes()).unwrap();
        wait.recv().unwrap();
        goodbye(tls);
        let mut tls = accept(&listener, &config);
        read_head(&mut tls);
        tls.write_all(HELLO.as_bytes()).unwrap();
    });
    run(async {
        let client = client(&authority, peer.address).build();
        assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
        assert_eq!(client.idle_connections(), 1);
        close.send(()).unwrap();
        while client.idle_connections() > 0 {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn p03_a_kept_connection_on_which_tls_fails_is_replaced() {
    let authority = Authority::new();
    for version in rustls::ALL_VERSIONS {
        let config = server_of(&authority.identity(&["site.test"]), &[version]);
        let config = Arc::new(config);
        let peer = Peer::new(move |listener| {
            for _ in 0..2 {
                let mut tls = accept(&listener, &config);
                read_head(&mut tls);
                tls.write_all(HELLO.as_bytes()).unwrap();
                read_head(&mut tls);
                fail(tls);
            }
        });
        run(async {
            let client = client(&authority, peer.address).build();
            assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
            assert_eq!(get(&client, &peer.url()).await.unwrap(), "hello");
            // Nobody knows what the server has made of this one.
            let request = client.post(peer.url()).body(Body::empty());
            let error = request.send().await.unwrap_err();
            assert!(error.is_tls() && !error.is_retryable(), "{error:?}");
            assert!(!error.is_connect(), "it may have been received: {error:?}");
        });
        peer.join();
    }
}

#[test]
fn p03_a_post_of_which_a_part_has_gone_is_not_for_a_second_try() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        // So little that not all of the request has room on its way.
        SockRef::from(&listener)
            .set_recv_buffer_size(16 << 10)
            .unwrap();
        for _ in 0..5 {
            let mut tls = accept(&listener, &config);
            read_head(&mut tls);
            let stream = SockRef::from(&tls.sock.stream);
            stream.set_linger(Some(Duration::ZERO)).unwrap();
        }
    });
    let address = peer.address;
    run(async {
        let client = client(&authority, address).connector(move |_: Target| async move {
            let stream = eyewall::net::TcpStream::connect(address).await?;
            SockRef::from(&stream).set_send_buffer_size(16 << 10)?;
            Ok(stream.into())
        });
        let client = client.build();
        for _ in 0..5 {
            let request = client.post(peer.url()).body(vec![7; 200 << 10]);
            let error = request.send().await.unwrap_err();
            assert!(
                error.is_closed_early() && !error.is_retryable(),
                "{error:?}"
            );
        }
    });
    peer.join();
}

/// Nothing of a record can be handed out before its end, and still the server sends.
#[test]
fn t05_a_record_that_drips_passes_the_idle_time() {
    let limit = Duration::from_millis(400);
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let (done, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut tls = accept(&listener, &config);
        for _ in 0..2 {
            read_head(&mut tls);
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n";
            tls.write_all(head).unwrap();
            tls.conn.writer().write_all(&[b'x'; 10000]).unwrap();
            let mut record = Vec::new();
            tls.conn.write_tls(&mut record).unwrap();
            for part in record.chunks(record.len() / 16 + 1) {
                std::thread::sleep(limit / 8);
                tls.sock.write_all(part).unwrap();
            }
        }
        // A part, and nothing more.
        read_head(&mut tls);
        tls.conn.writer().write_all(HELLO.as_bytes()).unwrap();
        let mut record = Vec::new();
        tls.conn.write_tls(&mut record).unwrap();
        tls.sock.write_all(&record[..9]).unwrap();
        wait.recv().unwrap();
    });
    run(async {
        let client = client(&authority, peer.address).idle_read_timeout(limit);
        let client = client.build();
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert_eq!(response.bytes().await.unwrap().len(), 10000);
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert!(response.is_reused());
        let mut received = 0;
        while let Some(chunk) = response.chunk().await.unwrap() {
            received += chunk.len();
        }
        assert_eq!(received, 10000);
        let error = get(&client, &peer.url()).await.unwrap_err();
        let phase = Phase::IdleRead;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        done.send(()).unwrap();
    });
    peer.join();
}

const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n";

/// Accepts a connection, and switches its protocol.
fn accept_switch(listener: &TcpListener, config: &Arc<rustls::ServerConfig>) -> Tls {
    let mut tls = accept(listener, config);
    read_head(&mut tls);
    tls.write_all(SWITCH).unwrap();
    tls
}

fn read_to_end(tls: &mut Tls) -> Vec<u8> {
    let mut all = Vec::new();
    tls.read_to_end(&mut all).unwrap();
    all
}

/// A connection that carries raw bytes both ways over TLS.
async fn upgraded(client: &Client, url: &str) -> eyewall::http::Upgraded {
    let request = client.get(url).header("upgrade", "raw");
    let request = request.header("connection", "upgrade");
    request.send().await.unwrap().upgrade().await.unwrap()
}

#[test]
fn a_send_that_is_dropped_in_the_middle_tears_nothing() {
    const SIZE: usize = 8 << 20;
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let (start, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut tls = accept_switch(&listener, &config);
        wait.recv().unwrap();
        let all = read_to_end(&mut tls);
        assert!(all[..SIZE] == vec![b'1'; SIZE], "the first is not whole");
        // Those that were dropped before they began did not.
        assert_eq!(&all[SIZE..], b"the last");
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let mut raw = upgraded(&client, &peer.url()).await;
        let short = Duration::from_millis(100);
        let sent = eyewall::time::timeout(short, raw.send_all(vec![b'1'; SIZE])).await;
        assert!(sent.is_err(), "nobody reads, and still it is sent");
        start.send(()).unwrap();
        raw.send_all("the last").await.0.unwrap();
        raw.shutdown().await.unwrap();
        assert!(
            raw.recv_chunk().await.is_err(),
            "the peer does not say goodbye"
        );
    });
    peer.join();
}

#[test]
fn the_directions_of_a_switched_connection_live_on_their_own() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut tls = accept_switch(&listener, &config);
        tls.write_all(b"hello").unwrap();
        assert_eq!(read_to_end(&mut tls), b"onetwo");
        tls.write_all(b"end").unwrap();
        goodbye(tls);
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let (mut recv, mut send) = upgraded(&client, &peer.url()).await.into_split();
        let reader = eyewall::spawn(async move {
            let mut all = Vec::new();
            while let Some(chunk) = recv.recv_chunk().await.unwrap() {
                all.extend_from_slice(&chunk);
            }
            all
        });
        send.send_all("one").await.0.unwrap();
        send.send_all("two").await.0.unwrap();
        send.shutdown().await.unwrap();
        drop(send);
        assert_eq!(reader.await.unwrap(), b"helloend");
    });
    peer.join();
}

#[test]
fn a_dropped_direction_says_its_end_and_the_other_goes_on() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut tls = accept_switch(&listener, &config);
        assert_eq!(read_to_end(&mut tls), b"one");
        tls.write_all(b"end").unwrap();
        goodbye(tls);
        let mut tls = accept_switch(&listener, &config);
        assert_eq!(read_to_end(&mut tls), b"two");
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let (mut recv, mut send) = upgraded(&client, &peer.url()).await.into_split();
        send.send_all("one").await.0.unwrap();
        drop(send);
        assert_eq!(
            recv.recv_chunk().await.unwrap().as_deref(),
            Some(&b"end"[..])
        );
        assert!(recv.recv_chunk().await.unwrap().is_none());
        let (recv, mut send) = upgraded(&client, &peer.url()).await.into_split();
        drop(recv);
        send.send_all("two").await.0.unwrap();
        send.shutdown().await.unwrap();
    });
    peer.join();
}

#[test]
fn a_send_that_is_dropped_in_the_flush_of_a_conduit_is_sent_once() {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let peer = Peer::new(move |listener| {
        let mut tls = accept_switch(&listener, &config);
        assert_eq!(read_to_end(&mut tls), b"the first, the last");
    });
    let address = peer.address;
    run(async {
        let client = Client::builder()
            .ca_certificates(Pem::text(authority.pem()))
            .connector(move |_: Target| async move {
                let stream = eyewall::net::TcpStream::connect(address).await?;
                let (recv, send) = stream.into_split();
                let incoming = pieces(recv);
                // It takes what it is given at once, and sends it while it is flushed.
                let outgoing = sink::unfold(send, |mut send, bytes: Bytes| async {
                    eyewall::yield_now().await;
                    send.send_all(bytes).await.0.map(|()| send)
                });
                Conduit::new(incoming, outgoing)
            })
            .build();
        let mut raw = upgraded(&client, &peer.url()).await;
        assert!(raw.send_all("the first").now_or_never().is_none());
        raw.send_all(", the last").await.0.unwrap();
        raw.shutdown().await.unwrap();
        assert!(raw.recv_chunk().await.is_err(), "no goodbye");
    });
    peer.join();
}

#[test]
fn a_receive_that_is_dropped_loses_nothing() {
    // A large buffer is received for in another way.
    for capacity in [2, 100 << 10] {
        drop_receives_for(capacity);
    }
}

fn drop_receives_for(capacity: usize) {
    let authority = Authority::new();
    let config = Arc::new(server(&authority.identity(&["site.test"])));
    let (go, wait) = channel::<()>();
    let peer = Peer::new(move |listener| {
        let mut tls = accept_switch(&listener, &config);
        tls.sock.size = 7;
        for number in 0..100u8 {
            tls.write_all(&[number; 3]).unwrap();
            tls.flush().unwrap();
            if number % 10 == 0 {
                wait.recv().unwrap();
            }
        }
        goodbye(tls);
    });
    run(async {
        let client = client(&authority, peer.address).build();
        let mut raw = upgraded(&client, &peer.url()).await;
        let mut all = Vec::new();
        let mut ended = false;
        while !ended {
            let buffer = Vec::with_capacity(capacity);
            let received = eyewall::time::timeout(Duration::from_millis(2), raw.recv(buffer)).await;
            match received {
                Ok((count, buffer)) => {
                    ended = count.unwrap() == 0;
                    all.extend_from_slice(&buffer);
                }
                Err(_) => drop(go.send(())),
            }
        }
        let expected: Vec<u8> = (0..100).flat_map(|number| [number; 3]).collect();
        assert_eq!(all, expected);
    });
    peer.join();
}

#[test]
fn c12_tls_goes_through_what_a_connector_makes_and_a_dot_is_no_part_of_a_name() {
    let authority = Authority::new();
    let peer = Peer::answering(server(&authority.identity(&["far.test"])), HELLO);
    let address = peer.address;
    run(async {
        let client = Client::builder()
            .ca_certificates(Pem::text(authority.pem()))
            .connector(move |target: Target| async move {
                assert_eq!((target.host(), target.port()), ("far.test.", 443));
                eyewall::net::TcpStream::connect(address)
                    .await
                    .map(Into::into)
            })
            .build();
        // The dot is no part of the name in the certificate, nor of that in SNI.
        assert_eq!(get(&client, "https://far.test./").await.unwrap(), "hello");
    });
    peer.join();
}

#[test]
fn a_server_that_takes_nothing_fails_the_idle_write_time() {
    // What goes beyond the buffers of the system, and what a sink does not take, however little it is.
    for (through_sink, size) in [(false, 64 << 20), (true, 8 << 10)] {
        let authority = Authority::new();
        let config = Arc::new(server(&authority.identity(&["site.test"])));
        let (done, wait) = channel::<()>();
        let peer = Peer::new(move |listener| {
            let mut tls = accept(&listener, &config);
            // As far as the client comes.
            while tls.conn.is_handshaking() && tls.conn.complete_io(&mut tls.sock).is_ok() {}
            wait.recv().unwrap();
        });
        let address = peer.address;
        run(async {
            let client = client(&authority, address);
            let client = match through_sink {
                false => client,
                // It takes the messages of the handshake.
                true => client.connector(move |_: Target| async move {
                    let stream = eyewall::net::TcpStream::connect(address).await?;
                    let (recv, send) = stream.into_split();
                    let incoming = pieces(recv);
                    let outgoing = sink::unfold(send, |mut send, bytes: Bytes| async move {
                        match bytes.len() {
                            ..4096 => send.send_all(bytes).await.0.map(|()| send),
                            _ => std::future::pending().await,
                        }
                    });
                    Conduit::new(incoming, outgoing)
                }),
            };
            let limit = Duration::from_millis(100);
            let phase = Phase::IdleWrite;
            let request = client.build().post(peer.url()).body(vec![7; size]);
            let error = request.idle_write_timeout(limit).send().await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Timeout { phase, limit },
                "{error:?}"
            );
            assert_eq!(error.stage(), Some(Stage::Send));
            done.send(()).unwrap();
        });
        peer.join();
    }
}
