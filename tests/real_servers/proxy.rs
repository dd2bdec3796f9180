//! Through Apache as a proxy: absolute URLs for http, tunnels for https.

use std::error::Error as _;

use eyewall::http::{ErrorKind, Pem, Proxy};

use crate::apache::apache;
use crate::nginx::nginx;
use crate::process::{Server, host};
use crate::support::{Watched, answer, builder, expect_body, field, large, produced, run};
use crate::tls_support::Authority;

/// A proxy that wants user and secret, and makes tunnels to the second port of `behind` alone.
fn proxy(behind: &Server) -> Server {
    let config = format!(
        "ProxyRequests On\n\
         ProxyVia On\n\
         AllowCONNECT {port}\n\
         <Proxy *>\n\
         AuthType Basic\nAuthName proxy\nAuthUserFile {{dir}}/passwords\nRequire valid-user\n\
         </Proxy>",
        port = behind.addresses[1].port(),
    );
    apache(1, &config, |_| {})
}

/// Plain HTTP at its first port, TLS at its second.
fn origin(authority: &Authority) -> Server {
    let identity = authority.identity(&[&host().to_string()]);
    nginx(
        2,
        "server { listen {0}; listen {1} ssl; client_max_body_size 40m;
           ssl_certificate {dir}/good.pem; ssl_certificate_key {dir}/good.key;
           add_header X-Via $http_via always; add_header X-Connection $connection always;
           add_header X-Secret \"$http_proxy_authorization\" always;
           location /upload/ { root {dir}; dav_methods PUT; } }",
        |dir| {
            dir.write("good.pem", &identity.pem);
            dir.write("good.key", identity.key.serialize_pem());
            dir.write("www/large", large());
        },
    )
}

fn through(proxy: &Server) -> Proxy {
    Proxy::all(proxy.url("")).unwrap()
}

#[test]
#[ignore = "needs Apache httpd and nginx: scripts/servers.sh installs and runs them"]
fn plain_http_goes_by_absolute_urls() {
    let authority = Authority::new();
    let origin = origin(&authority);
    let proxy = proxy(&origin);
    run(async {
        let setting = through(&proxy).basic_auth("user", "secret");
        let watched = Watched::of(builder().proxy(setting));
        for _ in 0..20 {
            let mut response = watched.response(origin.url("/hello")).await;
            assert!(
                field(&response, "x-via").contains("site.test"),
                "{response:?}"
            );
            assert!(
                !response.headers().contains_key("x-secret"),
                "the origin learns the password"
            );
            assert_eq!(response.remote_addr(), Some(proxy.address()));
            assert_eq!(response.text().await.unwrap(), "hello\n");
        }
        let mut response = watched.response(origin.url("/large")).await;
        expect_body(&mut response, large()).await;
        let (body, _) = produced(&large()[..4 << 20]);
        let put = watched.client.put(origin.url("/upload/file")).body(body);
        assert_eq!(answer(put).await.0, 201);
        assert_eq!(watched.connected(), 1);

        // A refusal is the answer to the request.
        let refused = watched
            .client
            .get(origin.url("/hello"))
            .proxy(through(&proxy));
        let mut refused = refused.send().await.unwrap();
        assert_eq!(refused.status(), 407);
        assert_eq!(
            field(&refused, "proxy-authenticate"),
            "Basic realm=\"proxy\""
        );
        refused.bytes().await.unwrap();
        // Nobody listens behind the proxy.
        let (status, _) = watched.get("http://127.0.0.1:1/").await;
        assert_eq!(status, 503);
    });
}

#[test]
#[ignore = "needs Apache httpd and nginx: scripts/servers.sh installs and runs them"]
fn https_goes_through_a_tunnel() {
    let authority = Authority::new();
    let origin = origin(&authority);
    let proxy = proxy(&origin);
    run(async {
        let setting = through(&proxy).basic_auth("user", "secret");
        let trusting = || builder().ca_certificates(Pem::text(authority.pem()));
        let watched = Watched::of(trusting().proxy(setting));
        // The proxy resolves the name, and knows no other than this address.
        let url = |path: &str| format!("https://{}{path}", origin.addresses[1]);
        let mut seen = None;
        for _ in 0..20 {
            let mut response = watched.response(url("/hello")).await;
            let connection = field(&response, "x-connection").to_owned();
            assert_eq!(*seen.get_or_insert(connection.clone()), connection);
            assert!(!response.headers().contains_key("x-secret"));
            assert!(
                !response.headers().contains_key("x-via"),
                "the proxy sees what is inside"
            );
            assert_eq!(response.text().await.unwrap(), "hello\n");
        }
        let mut response = watched.response(url("/large")).await;
        expect_body(&mut response, large()).await;
        drop(response);
        assert_eq!(watched.connected(), 1);

        // Without a tunnel there is no answer to the request, whatever the proxy says.
        let others = trusting().proxy(through(&proxy)).build();
        let error = others.get(url("/hello")).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert!(
            error.source().unwrap().to_string().contains("407"),
            "{error:?}"
        );
        let elsewhere = format!("https://{}/", origin.addresses[0]);
        let error = watched.client.get(elsewhere).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert!(
            error.source().unwrap().to_string().contains("403"),
            "{error:?}"
        );
    });
}
