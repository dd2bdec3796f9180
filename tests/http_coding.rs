//! Coded responses over a socket: what is asked for, what is decoded, and what a bomb costs.
#![cfg(feature = "compression")]

mod http_peer;

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use eyewall::http::{Client, ErrorKind, Phase};
use eyewall::time::sleep;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_peer::{Peer, accept, ok, read_head, run, try_read_head};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// An answer with this field and body.
fn coded(field: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// A gzip stream that stands for `mib` MiB of zeros, in members of one each: to make a larger one takes long without
/// optimisation.
fn bomb(mib: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 1 << 20]).unwrap();
    encoder.finish().unwrap().repeat(mib)
}

/// A part that has been received expands to many, which are given without waiting for anything.
#[test]
fn t05_the_total_time_ends_a_body_whose_parts_are_at_hand() {
    let body = bomb(2);
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let answer = coded("Content-Encoding: gzip", &body);
        stream.write_all(&answer[..answer.len() - 1]).unwrap();
        assert!(try_read_head(&mut stream).is_none());
    });
    run(async {
        // Long enough for what comes before, on a slow machine.
        let limit = Duration::from_secs(3);
        let client = Client::builder().timeout(limit).build();
        let mut response = client.get(peer.url()).send().await.unwrap();
        let part = response.chunk().await.unwrap().unwrap();
        assert!(part.len() < 1 << 20);
        sleep(limit).await;
        let error = response.chunk().await.unwrap_err();
        let phase = Phase::Total;
        assert_eq!(error.kind(), ErrorKind::Timeout { phase, limit });
        assert_eq!(client.active_fetches(), 0, "its place is free");
    });
    peer.join();
}

#[test]
fn d01_a_coded_body_is_decoded_and_its_head_says_so_no_more() {
    let body = gzip(b"hello hello hello");
    let length = body.len() as u64;
    let peer = Peer::answering(coded("Content-Encoding: gzip", &body));
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert!(!response.headers().contains_key("content-encoding"));
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(response.content_coding().unwrap(), "gzip");
        assert_eq!(
            (response.content_length(), response.coded_length()),
            (None, Some(length))
        );
        assert_eq!(response.text().await.unwrap(), "hello hello hello");
        assert_eq!(response.body_received(), length);
    });
    peer.join();
}

#[test]
fn d01_single_bytes_and_chunks_and_what_follows() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .unwrap();
        for byte in gzip(b"some text") {
            stream
                .write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n'])
                .unwrap();
        }
        stream.write_all(b"0\r\nX-Sum: 7\r\n\r\n").unwrap();
        // The connection is used again.
        read_head(&mut stream);
        ok(&mut stream);
    });
    run(async {
        let client = Client::new();
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "some text");
        assert_eq!(response.trailers().unwrap()["x-sum"], "7");
        assert!(client.get(peer.url()).send().await.unwrap().is_reused());
    });
    peer.join();
}

#[test]
fn d01_no_byte_of_a_coded_body_is_an_empty_body() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n",
    ] {
        let peer = Peer::answering(answer);
        run(async {
            let mut response = eyewall::fetch(peer.url()).await.unwrap();
            assert_eq!(response.bytes().await.unwrap(), b""[..]);
        });
        peer.join();
    }
}

#[test]
fn d01_members_follow_each_other_over_a_socket() {
    let mut body = gzip(b"one ");
    body.extend(gzip(b""));
    body.extend(gzip(b"two"));
    let peer = Peer::answering(coded("Content-Encoding: gzip", &body));
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(response.text().await.unwrap(), "one two");
    });
    peer.join();
}

#[test]
fn d02_a_body_that_is_not_what_it_says_is_a_decode_error() {
    let cut = gzip(b"some text")[..20].to_vec();
    let mut wrong = gzip(b"some text");
    let checksum = wrong.len() - 8;
    wrong[checksum] ^= 1;
    for body in [b"just text".to_vec(), cut, wrong] {
        let peer = Peer::answering(coded("Content-Encoding: gzip", &body));
        run(async {
            let client = Client::new();
            let mut response = client.get(peer.url()).send().await.unwrap();
            let error = response.bytes().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert_eq!(client.idle_connections(), 0);
        });
        peer.join();
    }
}

#[test]
fn d03_the_limit_is_on_what_comes_out() {
    let peer = Peer::answering(coded("Content-Encoding: gzip", &bomb(8)));
    run(async {
        let request = Client::new().get(peer.url()).max_body_size(3 << 20);
        let mut response = request.send().await.unwrap();
        let mut seen = 0;
        let error = loop {
            match response.chunk().await {
                Ok(chunk) => seen += chunk.expect("not the end").len(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge { limit: 3 << 20 });
        assert!(seen <= 3 << 20 && seen > 2 << 20, "{seen}");
    });
    peer.join();
}

#[test]
fn d03_a_body_that_stands_for_nothing_ends_at_the_limit_too() {
    let nothing = gzip(b"").repeat(4 << 10);
    let peer = Peer::new(move |listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
        stream.write_all(head).unwrap();
        // For ever, if the client lets it.
        while stream.write_all(&nothing).is_ok() {}
    });
    run(async {
        let request = Client::new().get(peer.url()).max_body_size(1000);
        let request = request.timeout(Duration::ZERO);
        let mut response = request.send().await.unwrap();
        let error = response.bytes().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge { limit: 1000 });
        assert!(error.bytes_received() < 2 << 20);
    });
    peer.join();
}

#[test]
fn d03_a_body_that_expands_beyond_measure_is_a_decode_error() {
    // Zeros are a thousand times smaller, or nearly so. The client allows five times, unless the request says otherwise.
    for (mib, times, is_bomb) in [
        (3, None, true),
        (3, Some(100), true),
        (3, Some(2000), false),
        (3, Some(0), false),
        (1, Some(2), false),
    ] {
        let peer = Peer::answering(coded("Content-Encoding: gzip", &bomb(mib)));
        run(async {
            let client = Client::builder().max_expansion(5).build();
            let request = client.get(peer.url()).timeout(Duration::ZERO);
            let request = match times {
                Some(times) => request.max_expansion(times),
                None => request,
            };
            let mut response = request.send().await.unwrap();
            match response.bytes().await {
                Ok(bytes) => assert!(!is_bomb && bytes.len() == mib << 20, "{times:?}"),
                Err(error) => {
                    assert!(is_bomb, "{times:?}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Decode);
                    let said = format!("than {} times", times.unwrap_or(5));
                    assert!(format!("{error:?}").contains(&said), "{error:?}");
                }
            }
        });
        peer.join();
    }
}

#[test]
fn d03_a_body_of_just_the_limit_is_none_too_large() {
    let peer = Peer::answering(coded("Content-Encoding: gzip", &gzip(&[7; 1000])));
    run(async {
        let request = Client::new().get(peer.url()).max_body_size(1000);
        assert_eq!(
            request.send().await.unwrap().bytes().await.unwrap(),
            [7; 1000][..]
        );
    });
    peer.join();
}

#[test]
fn d03_a_bomb_lets_others_run_and_the_time_pass() {
    let peer = Peer::answering(coded("Content-Encoding: gzip", &bomb(4).repeat(256)));
    run(async {
        let ticks = Rc::new(Cell::new(0));
        let count = Rc::clone(&ticks);
        let other = eyewall::spawn(async move {
            loop {
                eyewall::reactor::nop().await.unwrap();
                count.set(count.get() + 1);
            }
        });
        let request = Client::new()
            .get(peer.url())
            .timeout(Duration::from_millis(300));
        let request = request.max_body_size(u64::MAX);
        let mut response = request.send().await.unwrap();
        let mut seen = 0;
        let error = loop {
            match response.chunk().await {
                Ok(chunk) => seen += chunk.expect("it does not end so soon").len(),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Timeout {
                    phase: Phase::Total,
                    ..
                }
            ),
            "{error}"
        );
        let turns = seen >> 19;
        assert!(
            ticks.get() >= turns,
            "others ran {} times in {seen} bytes",
            ticks.get()
        );
        other.abort();
    });
    peer.join();
}

#[test]
fn d04_three_codings_are_refused() {
    let peer = Peer::answering(coded(
        "Content-Encoding: gzip, gzip\r\nContent-Encoding: gzip",
        b"x",
    ));
    run(async {
        let error = eyewall::fetch(peer.url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    });
    peer.join();
}

#[test]
fn d05_the_body_of_a_redirect_is_not_decoded() {
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\noops")
            .unwrap();
        read_head(&mut stream);
        // A bomb of more than a response may have, and less than is passed over.
        let bomb = bomb(2);
        assert!(bomb.len() < 60 << 10, "{}", bomb.len());
        let field = "Location: /last\r\nContent-Encoding: gzip";
        let answer = coded(field, &bomb);
        let answer = [
            b"HTTP/1.1 302 Found\r\n",
            &answer["HTTP/1.1 200 OK\r\n".len()..],
        ]
        .concat();
        stream.write_all(&answer).unwrap();
        // It may have come in time to be passed over, or its connection was given up.
        let mut next = stream;
        if try_read_head(&mut next).is_none() {
            next = accept(&listener);
            read_head(&mut next);
        }
        ok(&mut next);
    });
    run(async {
        let client = Client::builder().max_body_size(1 << 20).build();
        let mut response = client.get(peer.url()).send().await.unwrap();
        assert_eq!(response.history().len(), 2);
        assert_eq!(response.text().await.unwrap(), "ok");
    });
    peer.join();
}

#[test]
fn d06_what_has_no_body_keeps_its_fields() {
    for (method, status) in [("HEAD", 200), ("GET", 304), ("GET", 204)] {
        let answer =
            format!("HTTP/1.1 {status} X\r\nContent-Encoding: gzip\r\nETag: \"1\"\r\n\r\n");
        let peer = Peer::answering(answer);
        run(async {
            let method = method.parse().unwrap();
            let mut response = Client::new()
                .request(method, peer.url())
                .send()
                .await
                .unwrap();
            assert_eq!(response.headers()["content-encoding"], "gzip");
            assert!(response.content_coding().is_none());
            assert_eq!(response.bytes().await.unwrap(), b""[..]);
        });
        peer.join();
    }
}

#[test]
fn d07_an_unknown_coding_is_passed_through() {
    let peer = Peer::answering(coded("Content-Encoding: exi", b"as it came"));
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "exi");
        assert_eq!(response.content_length(), Some(10));
        assert_eq!(response.text().await.unwrap(), "as it came");
    });
    peer.join();
}

#[test]
fn a_part_of_a_body_is_left_as_it_is() {
    let peer = Peer::answering(
        "HTTP/1.1 206 Partial Content\r\nContent-Encoding: gzip\r\nContent-Range: bytes 5-8/100\r\n\
         Content-Length: 4\r\n\r\npart",
    );
    run(async {
        let mut response = eyewall::fetch(peer.url()).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert_eq!(response.text().await.unwrap(), "part");
    });
    peer.join();
}

#[test]
fn what_is_asked_for() {
    const ALL: &str = "\r\naccept-encoding: gzip, deflate, br, zstd\r\n";
    let peer = Peer::new(|listener| {
        let mut stream = accept(&listener);
        for expected in [ALL, ALL, "\r\naccept-encoding: br\r\n", "", "", ""] {
            let head = read_head(&mut stream);
            let lines = head.matches("accept-encoding").count();
            match expected {
                "" => assert_eq!(lines, 0, "{head}"),
                line => assert!(head.contains(line) && lines == 1, "{head}"),
            }
            assert!(head.contains("\r\nuser-agent: "), "{head}");
            ok(&mut stream);
        }
        let mut other = accept(&listener);
        for expected in [0, 0] {
            let head = read_head(&mut other);
            assert_eq!(head.matches("accept-encoding").count(), expected, "{head}");
            ok(&mut other);
        }
    });
    run(async {
        let client = Client::new();
        let url = peer.url();
        for request in [
            client.get(&url),
            client.get(&url).header("x-other", "1"),
            client.get(&url).header("accept-encoding", "br"),
            client.get(&url).without_header("accept-encoding"),
            client.get(&url).header("range", "bytes=0-3"),
            client.get(&url).decompress(false),
        ] {
            request.send().await.unwrap().bytes().await.unwrap();
        }
        let client = Client::builder().decompress(false).build();
        client
            .get(&url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let request = client.get(&url).header("x-other", "1");
        request.send().await.unwrap().bytes().await.unwrap();
    });
    peer.join();
}

#[test]
fn who_wants_no_decoding_gets_the_coded_bytes() {
    let body = gzip(b"text");
    let peer = Peer::answering(coded("Content-Encoding: gzip", &body));
    run(async {
        let request = Client::new().get(peer.url()).decompress(false);
        let mut response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert_eq!(response.bytes().await.unwrap(), body);
    });
    peer.join();
}
