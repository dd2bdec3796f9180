//! The bounds on heads: F27.

use super::{Limits, ProtocolError as E, limited, plain, with};

/// A head of exactly `len` bytes in one long field, and an empty body.
fn head_of(len: usize) -> String {
    let rest = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \r\n\r\n".len();
    with(
        &format!("Content-Length: 0\r\nX: {}\r\n", "v".repeat(len - rest)),
        "",
    )
}

#[test]
fn f27_the_head_may_have_64_kib() {
    let limit = Limits::default().head_bytes;
    assert_eq!(limit, 64 * 1024);
    assert_eq!(plain().ok(head_of(limit - 1)).head.headers.len(), 2);
    assert_eq!(plain().ok(head_of(limit)).head.headers.len(), 2);
    assert_eq!(plain().err(head_of(limit + 1)), E::HeadTooLarge { limit });
    assert_eq!(plain().err(head_of(2 * limit)), E::HeadTooLarge { limit });
    // Without an end, it is refused at the first byte too many.
    let endless = with(&"X: y\r\n".repeat(20_000), "");
    assert!(plain().waits(&endless[..limit]));
    assert_eq!(
        plain().err(&endless[..limit + 1]),
        E::HeadTooLarge { limit }
    );
}

#[test]
fn f27_the_head_may_have_128_fields() {
    let limit = Limits::default().fields;
    let fields = |count: usize| {
        with(
            &format!("{}Content-Length: 0\r\n", "A: b\r\n".repeat(count - 1)),
            "",
        )
    };
    for count in [1, 31, 32, 33, 127, 128] {
        let got = plain().ok(fields(count));
        assert_eq!(got.head.headers.len(), count, "every value counts");
    }
    assert_eq!(plain().err(fields(129)), E::TooManyFields { limit });
    let folded = with(
        &format!("{}Content-Length: 0\r\n", "A: b\r\n c\r\n".repeat(127)),
        "",
    );
    assert_eq!(
        plain().ok(folded).head.headers.len(),
        128,
        "a folded line is no field of its own"
    );
}

#[test]
fn f27_other_limits_on_fields() {
    let few = limited(|limits| limits.fields = 2);
    assert_eq!(
        few.ok(with("A: b\r\nContent-Length: 0\r\n", ""))
            .head
            .headers
            .len(),
        2
    );
    assert_eq!(
        few.err(with("A: b\r\nC: d\r\nContent-Length: 0\r\n", "")),
        E::TooManyFields { limit: 2 }
    );
    let none = limited(|limits| limits.fields = 0);
    assert_eq!(
        none.ok("HTTP/1.1 204 No Content\r\n\r\n")
            .head
            .headers
            .len(),
        0
    );
    assert_eq!(
        none.err(with("A: b\r\n", "")),
        E::TooManyFields { limit: 0 }
    );
    let many = limited(|limits| limits.fields = 1000);
    let names: String = (0..999).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let got = many.ok(with(&format!("{names}Content-Length: 0\r\n"), ""));
    assert_eq!(got.head.headers.len(), 1000);
}

#[test]
fn f27_all_heads_of_an_exchange_share_one_bound() {
    let wire = "\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let exact = limited(|limits| limits.head_bytes = wire.len());
    assert_eq!(exact.ok(wire).informational.len(), 1);
    for limit in [1, 2, 30, 41, wire.len() - 1] {
        let less = limited(|limits| limits.head_bytes = limit);
        assert_eq!(less.err(wire), E::HeadTooLarge { limit });
    }
    let blank = limited(|limits| limits.head_bytes = 10);
    assert!(blank.waits("\r\n".repeat(5)));
    assert_eq!(blank.err("\r\n".repeat(6)), E::HeadTooLarge { limit: 10 });
}

#[test]
fn f27_a_slow_head_costs_no_more_than_its_bytes() {
    // A mebibyte, one at a time. Were what has come scanned or parsed again for each byte, this would be
    // half a million million bytes of work, and take far longer than the bound.
    let case = limited(|limits| limits.head_bytes = 2 << 20);
    let field = format!("X: {}\r\n", "v".repeat(10_000));
    let wire = with(&format!("{}Content-Length: 0\r\n", field.repeat(105)), "");
    assert!(wire.len() > 1 << 20);
    let pieces: Vec<&[u8]> = wire.as_bytes().chunks(1).collect();
    let start = std::time::Instant::now();
    assert_eq!(case.feed(&pieces).len(), 2);
    assert!(start.elapsed().as_secs() < 10);
}
