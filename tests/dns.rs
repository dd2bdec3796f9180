//! Names, resolved by the system this runs on. `localhost` is the one name that every system knows.

#![forbid(unsafe_code)]

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use eyewall::dns::{ResolveError, is_resolve_error, resolve};
use eyewall::net::{TcpListener, TcpStream, ToAddresses};
use eyewall::reactor::metrics;
use futures_util::FutureExt;
use futures_util::future::join_all;

fn run<F: Future>(future: F) -> F::Output {
    eyewall::block_on(eyewall::time::timeout(Duration::from_secs(20), future))
        .unwrap()
        .expect("in time")
}

#[test]
fn localhost_is_loopback_and_asked_for_once() {
    run(async {
        let askers = (1..=8).map(|port| resolve("localhost", port));
        for (index, found) in join_all(askers).await.into_iter().enumerate() {
            let found = found.unwrap();
            assert!(!found.is_empty());
            for address in found {
                assert!(address.ip().is_loopback());
                assert_eq!(address.port(), index as u16 + 1);
            }
        }
        resolve("LocalHost", 9).await.unwrap();
        assert_eq!(metrics().unwrap().look_ups, 1);
        resolve("localhost.", 9).await.unwrap();
        assert_eq!(metrics().unwrap().look_ups, 2);
    });
}

#[test]
fn names_below_localhost_are_this_machine() {
    run(async {
        let known = resolve("localhost", 1).await.unwrap();
        for name in ["app.localhost", "a.b.LocalHost", "app.localhost."] {
            assert_eq!(resolve(name, 1).await.unwrap(), known, "{name}");
        }
        let error = resolve("not a localhost", 1).await.unwrap_err();
        assert!(is_resolve_error(&error));
    });
}

#[test]
fn a_name_that_does_not_resolve_says_so() {
    run(async {
        let error = resolve("not a name", 80).await.unwrap_err();
        assert!(is_resolve_error(&error));
        assert!(error.to_string().contains("\"not a name\""), "{error}");
        let inner = error.get_ref().unwrap().downcast_ref::<ResolveError>();
        assert_eq!(inner.unwrap().host(), "not a name");

        let error = TcpStream::connect(("not a name", 80)).await.unwrap_err();
        assert!(is_resolve_error(&error), "{error}");
        let error = TcpListener::bind("not a name:80").await.unwrap_err();
        assert!(is_resolve_error(&error), "{error}");
        assert_eq!(metrics().unwrap().look_ups, 3, "a failure is not kept");
    });
}

#[test]
fn a_nul_byte_is_an_error() {
    run(async {
        let error = resolve("local\0host", 80).await.unwrap_err();
        assert!(is_resolve_error(&error), "{error}");
        assert!(!error.to_string().contains('\0'), "{error:?}");
    });
}

#[test]
fn a_dropped_look_up_leaves_no_task_behind() {
    run(async {
        let mut look_up = Box::pin(resolve("localhost", 80));
        assert!(look_up.as_mut().now_or_never().is_none());
        drop(look_up);
        while metrics().unwrap().tasks > 0 {
            eyewall::time::sleep(Duration::from_millis(1)).await;
        }
        resolve("localhost", 80).await.unwrap();
        assert_eq!(metrics().unwrap().look_ups, 1);
    });
}

#[test]
fn a_connected_error_is_no_resolve_error() {
    run(async {
        let error = TcpStream::connect("127.0.0.1:1").await.unwrap_err();
        assert!(!is_resolve_error(&error));
    });
}

#[test]
fn everything_that_is_an_address() {
    async fn check(given: impl ToAddresses, expected: &[&str]) {
        let expected: Vec<SocketAddr> = expected.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(given.resolve().await.unwrap(), expected);
    }
    let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let both: Vec<SocketAddr> = vec![(v6, 7).into(), (v4, 7).into()];
    run(async {
        check(both[0], &["[::1]:7"]).await;
        check(&both[1], &["127.0.0.1:7"]).await;
        check(SocketAddrV4::new(v4, 7), &["127.0.0.1:7"]).await;
        check(SocketAddrV6::new(v6, 7, 0, 0), &["[::1]:7"]).await;
        check((IpAddr::V4(v4), 7), &["127.0.0.1:7"]).await;
        check((v4, 7), &["127.0.0.1:7"]).await;
        check((v6, 7), &["[::1]:7"]).await;
        check(("127.0.0.1", 7), &["127.0.0.1:7"]).await;
        check(("::1", 7), &["[::1]:7"]).await;
        check(("[::1]".to_owned(), 7), &["[::1]:7"]).await;
        check("127.0.0.1:7", &["127.0.0.1:7"]).await;
        check("[::1]:7", &["[::1]:7"]).await;
        check("[::1%2]:7", &["[::1%2]:7"]).await;
        check("127.0.0.1:7".to_owned(), &["127.0.0.1:7"]).await;
        check(&"[::1]:7".to_owned(), &["[::1]:7"]).await;
        check(&both[..], &["[::1]:7", "127.0.0.1:7"]).await;
        check(both.clone(), &["[::1]:7", "127.0.0.1:7"]).await;
        assert_eq!(metrics().unwrap().look_ups, 0);
    });
}

#[test]
fn what_is_no_address_says_why() {
    run(async {
        for (text, reason) in [
            ("localhost", "a port is missing"),
            ("", "a port is missing"),
            ("[::1]", "a port is missing"),
            ("::1", "brackets"),
            ("::1:80", "brackets"),
            ("127.0.0.1:", "the port is a number"),
            ("127.0.0.1:http", "the port is a number"),
            ("127.0.0.1:+80", "the port is a number"),
            ("127.0.0.1:65536", "the port is a number"),
        ] {
            let error = text.resolve().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
            assert!(error.to_string().contains(reason), "{text:?}: {error}");
        }
        let error = ":80".resolve().await.unwrap_err();
        assert!(is_resolve_error(&error), "{error}");
    });
}
