//! Sessions against a server of rustls, in memory.

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};

use super::session::Rustls;

fn pair() -> (Rustls, ServerConnection) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["site.test".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let name = ServerName::try_from("site.test").unwrap();
    let client = Rustls::new(&Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    server.set_buffer_limit(None);
    (client, server)
}

/// What the server has to say.
fn written(server: &mut ServerConnection) -> Vec<u8> {
    let mut out = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut out).unwrap();
    }
    out
}

/// Carries bytes to and fro, to the client in pieces of `size`, until nobody has anything to say; gives what each
/// has heard.
fn carry(client: &mut Rustls, server: &mut ServerConnection, size: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    loop {
        let up = client.take_ciphertext().unwrap_or_default();
        let mut rest = &up[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().unwrap();
            // Until there is no more for now.
            let _ = server.reader().read_to_end(&mut at_server);
        }
        let down = written(server);
        for piece in down.chunks(size) {
            client.receive(piece).unwrap();
            at_client.extend(client.take_plaintext().unwrap_or_default());
        }
        if up.is_empty() && down.is_empty() {
            return (at_client, at_server);
        }
    }
}

#[test]
fn c07_pieces_of_every_size() {
    for size in [1, 2, 3, 5, 100, 1000, usize::MAX] {
        let (mut client, mut server) = pair();
        let nothing = (Vec::new(), Vec::new());
        assert_eq!(carry(&mut client, &mut server, size), nothing);
        assert!(!client.is_handshaking());
        client.send(b"question").unwrap();
        server.writer().write_all(b"answer").unwrap();
        let said = (b"answer".to_vec(), b"question".to_vec());
        assert_eq!(carry(&mut client, &mut server, size), said);
        assert!(!client.has_ended());
        server.send_close_notify();
        assert_eq!(carry(&mut client, &mut server, size), nothing);
        assert!(client.has_ended());
    }
}

#[test]
fn c07_records_cut_in_two_anywhere() {
    let (mut client, mut server) = pair();
    carry(&mut client, &mut server, usize::MAX);
    let mut cut = 0;
    loop {
        server.writer().write_all(b"one").unwrap();
        server.writer().write_all(b"two").unwrap();
        let records = written(&mut server);
        let Some((front, back)) = records.split_at_checked(cut) else {
            return;
        };
        client.receive(front).unwrap();
        client.receive(back).unwrap();
        assert_eq!(client.take_plaintext().as_deref(), Some(&b"onetwo"[..]));
        cut += 1;
    }
}

/// Receives `records` in lent memory, at most `size` bytes at a time; gives what they say.
fn receive_lent(client: &mut Rustls, records: &[u8], size: usize) -> Vec<u8> {
    let mut said = Vec::new();
    for piece in records.chunks(size) {
        let mut lent = client.lend(size);
        assert!(lent.capacity() - lent.len() >= size);
        lent.extend_from_slice(piece);
        client
            .receive_lent(lent, &mut |plaintext| said.extend_from_slice(plaintext))
            .unwrap();
    }
    said
}

#[test]
fn c07_lent_memory_in_pieces_of_every_size() {
    let content: Vec<u8> = (0..100_000).map(|at: u32| (at % 251) as u8).collect();
    for size in [1000, 16 << 10, 16 * 1024 + 22, 20_000, 64 << 10, 1 << 20] {
        let (mut client, mut server) = pair();
        carry(&mut client, &mut server, usize::MAX);
        server.writer().write_all(&content).unwrap();
        let records = written(&mut server);
        assert_eq!(receive_lent(&mut client, &records, size), content);
        assert_eq!(client.take_plaintext(), None);
        client.rest();
        assert_eq!(client.buffered(), 0);
    }
}

#[test]
fn memory_that_is_lent_and_not_brought_back_loses_nothing() {
    let (mut client, mut server) = pair();
    carry(&mut client, &mut server, usize::MAX);
    let mut cut = 0;
    loop {
        server.writer().write_all(b"onetwo").unwrap();
        let records = written(&mut server);
        if cut > records.len() {
            return;
        }
        client.receive(&records[..cut]).unwrap();
        drop(client.lend(1000));
        // What had come for the one that was dropped comes the other way.
        let kept = client.lend(1000);
        client.receive(&records[cut..]).unwrap();
        let mut said = client.take_plaintext().unwrap_or_default();
        // Lent before that, and behind it in the order of the bytes.
        server.writer().write_all(b"three").unwrap();
        let mut lent = kept;
        lent.extend_from_slice(&written(&mut server));
        client
            .receive_lent(lent, &mut |plaintext| said.extend_from_slice(plaintext))
            .unwrap();
        assert_eq!(said, b"onetwothree");
        cut += 1;
    }
}

#[test]
fn a_session_at_rest_keeps_no_buffer() {
    let (mut client, mut server) = pair();
    carry(&mut client, &mut server, usize::MAX);
    client.send(&[1; 100_000]).unwrap();
    server.writer().write_all(&[2; 1_000_000]).unwrap();
    let (at_client, at_server) = carry(&mut client, &mut server, 16 << 10);
    assert_eq!((at_client.len(), at_server.len()), (1_000_000, 100_000));
    client.rest();
    assert_eq!(client.buffered(), 0);
}

#[test]
fn what_is_no_tls_is_an_error_and_has_an_alert() {
    let (mut client, _) = pair();
    client.take_ciphertext();
    client
        .receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .unwrap_err();
    // A record with an alert that nobody encrypts yet.
    let alert = client.take_ciphertext().unwrap();
    assert_eq!(alert[0], 21, "{alert:?}");
    client.receive(b"more").unwrap_err();
}

#[test]
fn a_message_that_never_ends_is_refused_before_it_fills_the_memory() {
    let (mut client, _) = pair();
    // A ServerHello of 16 MiB, in records of 16 KiB.
    let record = |content: &[u8]| {
        let mut record = vec![22, 3, 3];
        record.extend((content.len() as u16).to_be_bytes());
        record.extend(content);
        record
    };
    let mut start = vec![2, 0xff, 0xff, 0xff];
    start.resize(16 << 10, 0);
    let mut received = client.receive(&record(&start));
    for _ in 0..8 {
        received = received.and_then(|()| client.receive(&record(&[0; 16 << 10])));
    }
    assert!(received.is_err());
    assert!(client.buffered() < 200 << 10, "{}", client.buffered());
}

/// Bytes that are nearly right, in odd pieces: any error will do, and no panic.
#[test]
fn what_is_nearly_tls_is_an_error_at_worst() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut errors = 0;
    for round in 0..300 {
        let (mut client, mut server) = pair();
        let hello = client.take_ciphertext().unwrap();
        server.read_tls(&mut &hello[..]).unwrap();
        server.process_new_packets().unwrap();
        let mut flight = written(&mut server);
        match random(4) {
            0 => flight.truncate(random(flight.len())),
            1 => {
                let at = random(flight.len());
                let copy = flight[..at].to_vec();
                flight.splice(at..at, copy);
            }
            _ => {
                for _ in 0..=random(3) {
                    let at = random(flight.len());
                    flight[at] ^= 1 << random(8);
                }
            }
        }
        let mut rest = &flight[..];
        while !rest.is_empty() {
            let size = 1 + random(rest.len().min(1 + round));
            errors += usize::from(client.receive(&rest[..size]).is_err());
            rest = &rest[size..];
        }
        // Whatever it was, this is no end of the world either.
        let _ = client.send(b"request");
        client.close();
        client.rest();
        client.take_ciphertext();
    }
    assert!(errors > 100, "{errors}");
}
