//! Mutated responses: however they are cut, the same comes out, and nothing panics.

use super::{Case, Limits, RequestKind, Seen, assert_same, plain};

/// xorshift64*, seeded: the same bytes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const RESPONSES: [&str; 10] = [
    "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na;x=y\r\n0123456789\r\n0\r\nA: b\r\n\r\n",
    "HTTP/1.0 200 OK\nX: y\n\nuntil the end",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nleft",
    "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 7\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nrest",
    "\r\n\nHTTP/1.1 404 Not Found\r\nA: b\r\n c\r\nContent-Length: 2, 2\r\n\r\nno",
    "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n00001 ;q\r\nx\r\n0000\r\nHost: a\r\nB: c\r\n\r\nleft",
    "HTTP/1.1 299 \u{e9}\r\nX-A: \u{e9}\r\nX-B:\r\nX-C: 1\r\nX-D: 2\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
];

const SNIPPETS: [&str; 24] = [
    "\r",
    "\n",
    "\r\n",
    "\r\n\r\n",
    "\n\n",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "0",
    "f",
    "5\r\n",
    "0\r\n\r\n",
    "\0",
    "\x7f",
    "\u{ff}",
    "HTTP/1.1 ",
    "HTTP/1.1 100 C\r\n\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "\r\n folded",
    "xxxxxxxxxxxxxxxx",
];

fn mutate(random: &mut Random, wire: &mut Vec<u8>) {
    if wire.is_empty() {
        return;
    }
    let at = random.below(wire.len());
    match random.below(6) {
        0 => wire[at] = random.next() as u8,
        1 => {
            wire.remove(at);
        }
        2 => wire.truncate(at),
        3 => {
            let other = random.below(wire.len());
            wire.swap(at, other);
        }
        4 => {
            // Say a part of it twice.
            let end = at + random.below(wire.len() - at);
            let part = wire[at..end].to_vec();
            wire.splice(at..at, part);
        }
        _ => {
            let snippet = random.pick(&SNIPPETS).bytes();
            wire.splice(at..at, snippet);
        }
    }
}

fn case(random: &mut Random) -> Case {
    let mut limits = Limits::default();
    if random.chance(3) {
        limits = Limits {
            head_bytes: 1 + random.below(120),
            fields: random.below(5),
            informational: random.below(3),
            chunk_line: 1 + random.below(8),
            chunk_extensions: random.below(8),
            trailer_bytes: random.below(22),
            trailer_fields: random.below(3),
        };
    }
    Case {
        limits,
        request: RequestKind {
            head: random.chance(8),
            connect: random.chance(8),
            upgrade: random.chance(3),
        },
        strict: random.chance(4),
        eof: random.chance(2),
        unclean: random.chance(4),
    }
}

/// `wire` in pieces of random lengths, some of them empty.
fn cut<'a>(random: &mut Random, wire: &'a [u8]) -> Vec<&'a [u8]> {
    let longest = 1 + random.below(24);
    let mut pieces = Vec::new();
    let mut rest = wire;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.below(longest + 1).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[test]
fn f14_mutated_responses_show_the_same_however_they_are_cut() {
    let mut random = Random(0x5eed_0fac_ade5_u64);
    let (mut ends, mut errors, mut waits) = (0, 0, 0);
    for round in 0..6_000 {
        let mut wire = random.pick(&RESPONSES).as_bytes().to_vec();
        for _ in 0..random.below(5) {
            mutate(&mut random, &mut wire);
        }
        let case = case(&mut random);
        let whole = case.feed(&[&wire]);
        let how = format!("round {round}, {case:?}, {}", wire.escape_ascii());
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        assert_same(&whole, &case.feed(&bytes), &how);
        for _ in 0..6 {
            let pieces = cut(&mut random, &wire);
            assert_same(&whole, &case.feed(&pieces), &how);
        }
        match whole.last() {
            Some(Seen::End(_)) => ends += 1,
            Some(Seen::Error(_)) => errors += 1,
            _ => waits += 1,
        }
    }
    // The mutations must neither leave everything right nor break everything.
    assert!(
        ends > 500 && errors > 500 && waits > 100,
        "{ends} {errors} {waits}"
    );
}

#[test]
fn f14_random_chunked_bodies_come_out_as_they_went_in() {
    let mut random = Random(0xc0de_c0de_u64);
    for _ in 0..300 {
        let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut body = Vec::new();
        for _ in 0..random.below(8) {
            let data: Vec<u8> = (0..1 + random.below(40))
                .map(|_| random.next() as u8)
                .collect();
            let extension = random.pick(&["", "", ";a", " ", " ; b=c"]);
            wire.extend_from_slice(
                format!(
                    "{:0w$X}{extension}\r\n",
                    data.len(),
                    w = 1 + random.below(16)
                )
                .as_bytes(),
            );
            wire.extend_from_slice(&data);
            wire.extend_from_slice(b"\r\n");
            body.extend_from_slice(&data);
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        assert_eq!(plain().ok(&wire).body, body);
    }
}

#[test]
fn f26_random_bytes_never_panic() {
    let mut random = Random(0xbad_c0ffee);
    for _ in 0..3_000 {
        let mut wire = match random.below(3) {
            0 => Vec::new(),
            1 => b"HTTP/1.1 ".to_vec(),
            _ => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        };
        wire.extend((0..random.below(60)).map(|_| random.next() as u8));
        let case = case(&mut random);
        let pieces = cut(&mut random, &wire);
        assert_same(
            &case.feed(&[&wire]),
            &case.feed(&pieces),
            &wire.escape_ascii().to_string(),
        );
    }
}
