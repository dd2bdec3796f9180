//! Listening for TCP connections: what the builder's settings do, and taking over a listener.

#![forbid(unsafe_code)]

mod net_support;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream as Peer};
use std::time::Duration;

use eyewall::net::TcpListener;
use eyewall::spawn;
use net_support::*;
use socket2::SockRef;

#[test]
fn listeners_share_a_port_if_each_says_so() {
    alone().run(async {
        let sharing = TcpListener::builder().reuse_port(true);
        let first = sharing.clone().bind("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap();
        let second = sharing.bind(address).await.unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn an_address_is_used_again_unless_told_otherwise() {
    alone().run(async {
        for reuse in [true, false] {
            let builder = TcpListener::builder().reuse_address(reuse);
            let listener = builder.bind("127.0.0.1:0").await.unwrap();
            assert_eq!(SockRef::from(&listener).reuse_address().unwrap(), reuse);
        }
    });
}

#[test]
fn an_ipv6_listener_takes_ipv4_if_told_so() {
    alone().run(async {
        for only in [true, false] {
            let builder = TcpListener::builder().only_v6(only);
            let listener = builder.bind((Ipv6Addr::UNSPECIFIED, 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let connected = Peer::connect((Ipv4Addr::LOCALHOST, port));
            assert_eq!(connected.is_ok(), !only);
        }
    });
}

#[test]
fn no_more_than_the_backlog_wait_to_be_accepted() {
    alone().run(async {
        let builder = TcpListener::builder().backlog(0);
        let listener = builder.bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = vec![Peer::connect(address).unwrap()];
        while let Ok(client) = Peer::connect_timeout(&address, Duration::from_millis(100)) {
            clients.push(client);
            assert!(clients.len() < 10, "the backlog is not bounded");
        }
    });
}

#[test]
fn a_std_listener_is_taken_over_non_blocking_or_not() {
    alone().run(async {
        for non_blocking in [true, false] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            listener.set_nonblocking(non_blocking).unwrap();
            let mut listener = TcpListener::from_std(listener).unwrap();
            let accepting = spawn(async move { listener.accept().await.unwrap().1 });
            turns(2).await;
            let peer = Peer::connect(address).unwrap();
            let accepted = accepting.await.unwrap();
            assert_eq!(accepted, peer.local_addr().unwrap());
        }
    });
}
