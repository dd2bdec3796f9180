//! TLS by nginx: certificates good and bad, both versions, clients with certificates, sessions resumed.

use std::error::Error as _;
use std::net::SocketAddr;

use eyewall::http::rustls::{self, CertificateError};
use eyewall::http::{Client, ClientBuilder, ConnectOptions, Error, ErrorKind, Pem, Stage};

use crate::nginx::nginx;
use crate::process::{Dir, Server};
use crate::support::{
    Watched, answer, builder, expect_body, fetch_numbered, field, large, produced, run,
    write_numbered,
};
use crate::tls_support::{Authority, Identity, self_signed};

const HOST: &str = "site.test";

/// What nginx says in its answers of the session.
const FIELDS: &str = "add_header X-Protocol $ssl_protocol always;
    add_header X-Reused $ssl_session_reused always;
    add_header X-Name $ssl_server_name always;
    add_header X-Client \"$ssl_client_verify $ssl_client_s_dn\" always;";

/// Writes a certificate and its key, and gives the lines for nginx.
fn certificate(dir: &Dir, name: &str, identity: &Identity) {
    dir.write(&format!("{name}.pem"), &identity.pem);
    dir.write(&format!("{name}.key"), identity.key.serialize_pem());
}

/// The lines of a `server` that has the certificate of this name, at an address.
fn secure(port: usize, name: &str, more: &str) -> String {
    format!(
        "server {{ listen {{{port}}} ssl;
           ssl_certificate {{dir}}/{name}.pem; ssl_certificate_key {{dir}}/{name}.key;
           {FIELDS} {more} }}\n"
    )
}

/// One with a good certificate, and this in its `server`.
fn good(authority: &Authority, more: &str, prepare: impl FnOnce(&Dir)) -> Server {
    nginx(1, &secure(0, "good", more), |dir| {
        certificate(dir, "good", &authority.identity(&[HOST]));
        prepare(dir);
    })
}

/// A client that trusts `authority`, and looks for the host at `address`, or, without port, at any of its ports.
fn trusting(authority: &Authority, address: SocketAddr) -> ClientBuilder {
    builder()
        .ca_certificates(Pem::text(authority.pem()))
        .resolve(HOST, 0, [SocketAddr::new(address.ip(), 0)])
}

fn url(server: &Server, port: usize, path: &str) -> String {
    format!("https://{HOST}:{}{path}", server.addresses[port].port())
}

/// What rustls has against it.
fn reason(error: &Error) -> &rustls::Error {
    assert_eq!(
        (error.kind(), error.stage()),
        (ErrorKind::Tls, Some(Stage::Tls)),
        "{error:?}"
    );
    let source: &std::io::Error = error.source().unwrap().downcast_ref().unwrap();
    source.get_ref().unwrap().downcast_ref().unwrap()
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn a_good_certificate_and_one_connection_for_a_hundred_fetches() {
    let authority = Authority::new();
    // What it speaks by default depends on its version.
    let nginx = good(&authority, "ssl_protocols TLSv1.2 TLSv1.3;", |_| {});
    run(async {
        let watched = Watched::of(trusting(&authority, nginx.address()));
        for _ in 0..100 {
            let mut response = watched.response(url(&nginx, 0, "/hello")).await;
            assert_eq!(
                (field(&response, "x-protocol"), field(&response, "x-name")),
                ("TLSv1.3", HOST)
            );
            assert_eq!(response.text().await.unwrap(), "hello\n");
        }
        assert_eq!(watched.connected(), 1);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn tls_1_2_only() {
    let authority = Authority::new();
    let nginx = good(&authority, "ssl_protocols TLSv1.2;", |dir| {
        dir.write("www/large", &large()[..8 << 20]);
    });
    run(async {
        let watched = Watched::of(trusting(&authority, nginx.address()));
        for _ in 0..3 {
            let mut response = watched.response(url(&nginx, 0, "/large")).await;
            assert_eq!(field(&response, "x-protocol"), "TLSv1.2");
            expect_body(&mut response, &large()[..8 << 20]).await;
        }
        assert_eq!(watched.connected(), 1);
        // Who insists on more gets nothing.
        let roots = authority.roots();
        let config = rustls::ClientConfig::builder_with_provider(crate::tls_support::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let newest = trusting(&authority, nginx.address())
            .tls_config(config.into())
            .build();
        let error = newest
            .get(url(&nginx, 0, "/hello"))
            .send()
            .await
            .unwrap_err();
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion);
        assert_eq!(*reason(&error), alert);
    });
}

/// A certificate that is refused.
struct Bad {
    name: &'static str,
    identity: Identity,
    /// Whether that is why.
    is_why: fn(&CertificateError) -> bool,
}

fn bad_ones(authority: &Authority) -> Vec<Bad> {
    vec![
        Bad {
            name: "expired",
            identity: authority.expired(&[HOST]),
            is_why: |why| {
                use CertificateError::{Expired, ExpiredContext};
                matches!(why, Expired | ExpiredContext { .. })
            },
        },
        Bad {
            name: "wrong-host",
            identity: authority.identity(&["other.test"]),
            is_why: |why| {
                use CertificateError::{NotValidForName, NotValidForNameContext};
                matches!(why, NotValidForName | NotValidForNameContext { .. })
            },
        },
        Bad {
            name: "for-clients",
            identity: authority.client(),
            is_why: |why| {
                use CertificateError::{InvalidPurpose, InvalidPurposeContext};
                matches!(why, InvalidPurpose | InvalidPurposeContext { .. })
            },
        },
        Bad {
            name: "self-signed",
            identity: self_signed(&[HOST]),
            is_why: |why| *why == CertificateError::UnknownIssuer,
        },
        Bad {
            name: "unknown-issuer",
            identity: Authority::new().identity(&[HOST]),
            is_why: |why| *why == CertificateError::UnknownIssuer,
        },
    ]
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn bad_certificates_are_refused_and_the_error_says_which() {
    let authority = Authority::new();
    let cases = bad_ones(&authority);
    let servers: String = (cases.iter().enumerate())
        .map(|(port, bad)| secure(port, bad.name, ""))
        .collect();
    let nginx = nginx(cases.len(), &servers, |dir| {
        for bad in &cases {
            certificate(dir, bad.name, &bad.identity);
        }
    });
    run(async {
        let client = trusting(&authority, nginx.address()).build();
        let careless = ConnectOptions::new()
            .resolve(HOST, 0, [SocketAddr::new(nginx.address().ip(), 0)])
            .danger_accept_invalid_certs(true);
        for (port, Bad { name, is_why, .. }) in cases.iter().enumerate() {
            let url = url(&nginx, port, "/hello");
            // Before and after somebody who does not care, whose connection is kept.
            for kept in [port, port + 1] {
                assert_eq!(client.idle_connections(), kept);
                let error = client.get(&url).send().await.unwrap_err();
                let rustls::Error::InvalidCertificate(why) = reason(&error) else {
                    panic!("{name}: {error:?}");
                };
                assert!(is_why(why), "{name}: {error:?}");
                let mut response = client
                    .get(&url)
                    .connect_options(&careless)
                    .send()
                    .await
                    .unwrap();
                assert_eq!(response.is_reused(), kept > port);
                assert_eq!(response.text().await.unwrap(), "hello\n");
            }
        }
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn a_chain_is_taken_when_it_is_whole() {
    let authority = Authority::new();
    let between = authority.intermediate();
    let servers = secure(0, "whole", "") + &secure(1, "torn", "");
    let nginx = nginx(2, &servers, |dir| {
        let identity = between.identity(&[HOST]);
        certificate(dir, "whole", &identity);
        certificate(dir, "torn", &identity);
        dir.write("whole.pem", identity.pem + &between.pem());
    });
    run(async {
        let client = trusting(&authority, nginx.address()).build();
        let whole = client.get(url(&nginx, 0, "/hello"));
        assert_eq!(answer(whole).await, (200, "hello\n".into()));
        // The server is to send what is between; nobody looks for it elsewhere.
        let torn = client
            .get(url(&nginx, 1, "/hello"))
            .send()
            .await
            .unwrap_err();
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(*reason(&torn), unknown);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn two_sites_at_one_address_have_their_own_certificates() {
    let authority = Authority::new();
    let site = |name: &str| {
        // Each speaks HTTP/2, too, which is not asked for.
        secure(
            0,
            name,
            &format!("server_name {name}; return 200 \"{name} $server_protocol\";"),
        )
        .replace(" ssl;", " ssl http2;")
    };
    let nginx = nginx(1, &(site("a.test") + &site("b.test")), |dir| {
        certificate(dir, "a.test", &authority.identity(&["a.test"]));
        certificate(dir, "b.test", &authority.identity(&["b.test"]));
    });
    run(async {
        let mut builder = trusting(&authority, nginx.address());
        for name in ["a.test", "b.test", "c.test"] {
            builder = builder.resolve(name, 0, [nginx.address()]);
        }
        let watched = Watched::of(builder);
        let port = nginx.address().port();
        for _ in 0..3 {
            for name in ["a.test", "b.test"] {
                let (_, body) = watched.get(format!("https://{name}:{port}/")).await;
                assert_eq!(body, format!("{name} HTTP/1.1"));
            }
        }
        assert_eq!(watched.connected(), 2);
        // A name that none of them has gets the first certificate.
        let other = watched.client.get(format!("https://c.test:{port}/"));
        let error = other.send().await.unwrap_err();
        let rustls::Error::InvalidCertificate(why) = reason(&error) else {
            panic!("{error:?}");
        };
        use CertificateError::{NotValidForName, NotValidForNameContext};
        assert!(
            matches!(why, NotValidForName | NotValidForNameContext { .. }),
            "{why:?}"
        );
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn clients_with_a_certificate_and_without() {
    let authority = Authority::new();
    let versions = [("TLSv1.2", 0), ("TLSv1.3", 1)];
    let servers: String = versions
        .map(|(version, port)| {
            let more = format!(
                "ssl_protocols {version}; ssl_verify_client on; ssl_client_certificate {{dir}}/authority.pem;"
            );
            secure(port, "good", &more)
        })
        .concat();
    let nginx = nginx(2, &servers, |dir| {
        certificate(dir, "good", &authority.identity(&[HOST]));
        dir.write("authority.pem", authority.pem());
    });
    let known = authority.sign(&["client.test"], |params| {
        let name = rcgen::DnType::CommonName;
        params.distinguished_name.push(name, "a friend");
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let unknown = Authority::new().client();
    run(async {
        let trusting = || trusting(&authority, nginx.address());
        let with = |identity: &Identity| {
            let (certificate, key) = (
                Pem::text(identity.pem.clone()),
                Pem::text(identity.key.serialize_pem()),
            );
            trusting().client_certificate(certificate, key).build()
        };
        for (version, port) in versions {
            let get = async |client: &Client| client.get(url(&nginx, port, "/hello")).send().await;
            let mut response = get(&with(&known)).await.unwrap();
            assert_eq!(field(&response, "x-protocol"), version);
            assert_eq!(field(&response, "x-client"), "SUCCESS CN=a friend");
            assert_eq!(response.text().await.unwrap(), "hello\n");

            // nginx makes the connection all the same, and says what it misses in an answer of HTTP.
            for (client, said) in [
                (trusting().build(), "No required SSL certificate was sent"),
                (with(&unknown), "The SSL certificate error"),
            ] {
                let mut response = get(&client).await.unwrap();
                assert_eq!(response.status(), 400);
                let page = response.text().await.unwrap();
                assert!(page.contains(said), "{page}");
            }
        }
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn sessions_are_resumed() {
    let authority = Authority::new();
    for version in ["TLSv1.2", "TLSv1.3"] {
        // By a ticket; and, for 1.2, by a number of a session that nginx remembers.
        for how in [
            "ssl_session_tickets on;",
            "ssl_session_tickets off; ssl_session_cache shared:s:1m;",
        ] {
            let nginx = good(
                &authority,
                &format!("ssl_protocols {version}; {how}"),
                |_| {},
            );
            run(async {
                let client = trusting(&authority, nginx.address())
                    .pool_max_idle(0)
                    .build();
                for expected in [".", "r", "r"] {
                    let mut response = client.get(url(&nginx, 0, "/hello")).send().await.unwrap();
                    assert_eq!(field(&response, "x-protocol"), version);
                    assert_eq!(field(&response, "x-reused"), expected, "{version}, {how}");
                    assert_eq!(response.text().await.unwrap(), "hello\n");
                }
            });
        }
    }
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn sixty_four_mebibytes_come_whole() {
    let authority = Authority::new();
    let nginx = good(&authority, "", |dir| {
        dir.write("www/large", large());
    });
    run(async {
        let watched = Watched::of(trusting(&authority, nginx.address()));
        let mut response = watched.response(url(&nginx, 0, "/large")).await;
        expect_body(&mut response, large()).await;
        drop(response);
        assert_eq!(watched.client.idle_connections(), 1);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn uploads_taken_and_refused() {
    let authority = Authority::new();
    let nginx = good(
        &authority,
        "location /upload/ { root {dir}; dav_methods PUT; client_max_body_size 40m; }
         location /upload/less/ { root {dir}; dav_methods PUT; client_max_body_size 1m; }",
        |dir| dir.make("upload/less", true),
    );
    let bytes = &large()[..32 << 20];
    run(async {
        let watched = Watched::of(trusting(&authority, nginx.address()));
        let taken = url(&nginx, 0, "/upload/file");
        let put = watched
            .client
            .put(&taken)
            .body(produced(bytes).0.with_length(32 << 20));
        assert_eq!(answer(put).await.0, 201);
        let mut response = watched.response(&taken).await;
        expect_body(&mut response, bytes).await;
        drop(response);
        assert_eq!(watched.connected(), 1);

        let (body, asked) = produced(bytes);
        let refused = watched
            .client
            .put(url(&nginx, 0, "/upload/less/file"))
            .body(body);
        let (status, page) = answer(refused).await;
        assert_eq!(status, 413, "{page}");
        assert!(asked.get() < bytes.len());
        assert_eq!(watched.client.idle_connections(), 0);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn a_kept_connection_that_nginx_closes_is_replaced() {
    let authority = Authority::new();
    let nginx = good(&authority, "keepalive_timeout 1s;", |_| {});
    run(async {
        let mut watched = Watched::of(trusting(&authority, nginx.address()));
        assert_eq!(watched.get(url(&nginx, 0, "/hello")).await.0, 200);
        watched.idle_closed().await;
        let post = watched.client.post(url(&nginx, 0, "/hello")).body("x");
        assert_eq!(answer(post).await.0, 405);
        assert_eq!(watched.connected(), 2);
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn from_http_to_https_and_not_back() {
    let authority = Authority::new();
    let servers = format!(
        "server {{ listen {{0}}; location / {{ return 301 https://{HOST}:$arg_port/hello; }} }} {}",
        secure(1, "good", "location /back { return 302 http://{0}/; }"),
    );
    let nginx = nginx(2, &servers, |dir| {
        certificate(dir, "good", &authority.identity(&[HOST]));
    });
    run(async {
        let client = trusting(&authority, nginx.address()).build();
        let port = nginx.addresses[1].port();
        let mut response = client
            .get(nginx.url(&format!("/?port={port}")))
            .send()
            .await
            .unwrap();
        assert_eq!(response.url().as_str(), url(&nginx, 1, "/hello"));
        assert_eq!(response.text().await.unwrap(), "hello\n");
        let error = client
            .get(url(&nginx, 1, "/back"))
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RedirectDowngrade);
        // Plain HTTP to a port of TLS: nginx answers in plain HTTP. And the other way round, there is no TLS.
        let (status, page) = answer(client.get(nginx.url_at(1, "/hello"))).await;
        assert!(
            status == 400 && page.contains("plain HTTP request was sent to HTTPS port"),
            "{page}"
        );
        let error = client
            .get(url(&nginx, 0, "/hello"))
            .send()
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.stage()),
            (ErrorKind::Tls, Some(Stage::Tls))
        );
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains("HTTP without TLS"), "{error:?}");
    });
}

#[test]
#[ignore = "needs nginx: scripts/servers.sh installs and runs it"]
fn sixty_four_at_once() {
    let authority = Authority::new();
    let nginx = good(&authority, "", write_numbered);
    run(async {
        let client = trusting(&authority, nginx.address()).build();
        fetch_numbered(&client, |path| url(&nginx, 0, path)).await;
    });
}
