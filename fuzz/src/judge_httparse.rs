//! What another parser says of a head: httparse, with its usual settings.
//!
//! It joins no folded lines, so that a folded head is shown to it as it is after that. It knows no limits, no strict
//! mode and no meaning of a field. A name may be longer for it than for `http`, and a status less than 100. In all
//! else the two must agree.

use eyewall::http::codec::ProtocolError;
use http::Version;
use httparse::{Error, ParserConfig, Response, Status};

use crate::request_text::trim;
use crate::sight::{Message, Outcome};

/// What httparse reads.
struct Read {
    version: Version,
    code: u16,
    reason: String,
    lines: Vec<(Vec<u8>, Vec<u8>)>,
    len: usize,
}

fn read(text: &[u8]) -> Result<Status<Read>, Error> {
    let mut slots = vec![httparse::EMPTY_HEADER; text.len() / 3 + 1];
    let mut response = Response::new(&mut slots);
    let len = match ParserConfig::default().parse_response(&mut response, text)? {
        Status::Complete(len) => len,
        Status::Partial => return Ok(Status::Partial),
    };
    let lines = (response.headers.iter())
        .map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec()))
        .collect();
    Ok(Status::Complete(Read {
        version: match response.version {
            Some(0) => Version::HTTP_10,
            _ => Version::HTTP_11,
        },
        code: response.code.unwrap_or(0),
        reason: response.reason.unwrap_or("").to_owned(),
        lines,
        len,
    }))
}

/// Checks a head that has been accepted.
pub(crate) fn check(message: &Message) {
    let head = &message.head;
    let text = head.headers.text();
    let shown = text.escape_ascii();
    let Ok(Status::Complete(read)) = read(text) else {
        panic!("httparse refuses {shown}");
    };
    assert_eq!(read.len, text.len(), "the end of {shown}");
    assert_eq!(read.lines, message.lines, "the fields of {shown}");
    assert_eq!(read.version, head.version, "the version of {shown}");
    assert_eq!(read.code, head.status.as_u16(), "the status of {shown}");
    // It gives no reason that is not ASCII.
    let line = text.split(|byte| *byte == b'\n').next();
    if line.is_some_and(|line| line.is_ascii()) {
        let reason = str::from_utf8(trim(read.reason.as_bytes())).expect("ASCII");
        let usual = head.status.canonical_reason();
        let kept = (!reason.is_empty() && Some(reason) != usual).then_some(reason);
        assert_eq!(head.reason.as_deref(), kept, "the reason of {shown}");
    }
}

/// Checks what has been said of the head that `rest` begins with and that has not been accepted.
pub(crate) fn check_other(outcome: Outcome, rest: &[u8]) {
    use ProtocolError as E;
    let shown = rest.escape_ascii();
    let verdict = read(rest);
    match outcome {
        Outcome::Complete(_) => panic!("an end without a head: {shown}"),
        Outcome::Waiting
        | Outcome::Failed(E::EofInHead { .. } | E::EofBeforeResponse | E::EofUnclean { .. }) => {
            assert!(
                !matches!(verdict, Ok(Status::Complete(_))),
                "httparse sees a whole head in {shown}"
            );
        }
        Outcome::Failed(
            E::NotHttp
            | E::TlsAlert
            | E::UnsupportedVersion
            | E::StatusLine
            | E::StatusCode
            | E::ControlInHead { .. }
            | E::FoldBeforeFirstField
            | E::FieldWithoutColon { .. }
            | E::SpaceBeforeColon { .. }
            | E::EmptyFieldName { .. }
            | E::FieldName { .. },
        ) => {
            let right = match &verdict {
                Err(_) => false,
                Ok(Status::Partial) => true,
                Ok(Status::Complete(read)) => {
                    read.code >= 100 && read.lines.iter().all(|(name, _)| name.len() < 1 << 16)
                }
            };
            assert!(!right, "httparse sees nothing wrong with {shown}");
        }
        // Rules and limits of our own. What breaks a rule on the meaning of a head is well-formed.
        Outcome::Failed(
            error @ (E::UnaskedUpgrade
            | E::ContentLengthInvalid
            | E::ContentLengthTooLarge
            | E::ContentLengthsDiffer
            | E::LengthAndTransferEncoding
            | E::TransferEncodingNotChunked
            | E::TransferEncodingRepeated
            | E::TransferCodingUnsupported
            | E::TransferEncodingInHttp10
            | E::ContentOn204),
        ) => {
            let folded = rest
                .windows(2)
                .any(|two| two[0] == b'\n' && b" \t".contains(&two[1]));
            let read = matches!(verdict, Ok(Status::Complete(_)));
            assert!(
                folded || read,
                "httparse refuses what is {error:?} for us: {shown}"
            );
        }
        Outcome::Failed(_) => {}
    }
}
