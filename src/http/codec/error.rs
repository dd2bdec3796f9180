//! What can be wrong with a message, one variant for each violation.

use std::fmt;

/// Why a response was refused, or why a request cannot be sent.
///
/// The variants up to [`EofUnclean`](ProtocolError::EofUnclean) are about a response. After one of
/// them nothing on that connection can be trusted: close it. The rest are about a request that the caller
/// built; nothing has been written.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The first bytes are not those of an HTTP response.
    NotHttp,
    /// They are those of an alert of TLS, which the peer speaks here.
    TlsAlert,
    /// The version is not HTTP/1.0 or HTTP/1.1.
    UnsupportedVersion,
    /// The status line does not have the shape version, space, code.
    StatusLine,
    /// The status code is not three digits from 100 on.
    StatusCode,
    /// The heads are longer than allowed.
    HeadTooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The head has more field lines than allowed.
    TooManyFields {
        /// The bound.
        limit: usize,
    },
    /// A head line holds a bare CR, a NUL or another control byte.
    ControlInHead {
        /// Which line, counted from 1.
        line: usize,
        /// The byte.
        byte: u8,
    },
    /// A head line ends in LF without CR, and the decoder is strict.
    BareLfInHead,
    /// The first line after the status line begins with white space, so there is nothing to fold it onto.
    FoldBeforeFirstField,
    /// A field line has no colon.
    FieldWithoutColon {
        /// Which line, counted from 1.
        line: usize,
    },
    /// White space stands between a field's name and its colon.
    SpaceBeforeColon {
        /// Which line, counted from 1.
        line: usize,
    },
    /// A field line begins with its colon.
    EmptyFieldName {
        /// Which line, counted from 1.
        line: usize,
    },
    /// A field's name holds a byte that no name may hold, or is too long.
    FieldName {
        /// Which line, counted from 1.
        line: usize,
    },
    /// Content-Length is not made of decimal digits.
    ContentLengthInvalid,
    /// Content-Length does not fit 64 bits.
    ContentLengthTooLarge,
    /// Two values of Content-Length differ.
    ContentLengthsDiffer,
    /// Content-Length and Transfer-Encoding in one response.
    LengthAndTransferEncoding,
    /// The last transfer coding is not chunked, so that the body has no end.
    TransferEncodingNotChunked,
    /// More than one Transfer-Encoding line, or chunked more than once.
    TransferEncodingRepeated,
    /// A transfer coding beside chunked, which was never asked for.
    TransferCodingUnsupported,
    /// Transfer-Encoding in an HTTP/1.0 response.
    TransferEncodingInHttp10,
    /// More interim responses than allowed.
    TooManyInformational {
        /// The bound.
        limit: usize,
    },
    /// 101 although no upgrade was asked for.
    UnaskedUpgrade,
    /// A 204 response announces content, and the decoder is strict.
    ContentOn204,
    /// A chunk-size line without a digit.
    ChunkSizeMissing,
    /// A chunk size holds something that is not a hexadecimal digit.
    ChunkSizeInvalid,
    /// A chunk size has more than 16 digits.
    ChunkSizeTooLong,
    /// A chunk-size line is longer than allowed.
    ChunkLineTooLong {
        /// The bound in bytes.
        limit: usize,
    },
    /// The chunk extensions of the body are longer than allowed.
    ChunkExtensionsTooLong {
        /// The bound in bytes.
        limit: usize,
    },
    /// A chunk extension holds a control byte.
    ControlInChunkExtension {
        /// The byte.
        byte: u8,
    },
    /// A line of the chunked coding ends in LF without CR.
    BareLfInChunk,
    /// A CR in a line of the chunked coding is not followed by LF.
    BareCrInChunk,
    /// The data of a chunk is not followed by CRLF.
    ChunkDataUnterminated,
    /// The trailer section is longer than allowed.
    TrailersTooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The trailer section has more field lines than allowed.
    TooManyTrailers {
        /// The bound.
        limit: usize,
    },
    /// A trailer line is not a field: a control byte, no colon, or an invalid name.
    TrailerField {
        /// Which line of the trailer section, counted from 1.
        line: usize,
    },
    /// A trailer line ends in LF without CR.
    BareLfInTrailers,
    /// A trailer line is folded.
    FoldInTrailers,
    /// The peer closed before it sent one byte of a response.
    EofBeforeResponse,
    /// The peer closed before the final head was complete.
    EofInHead {
        /// Bytes of this exchange that had come.
        received: u64,
    },
    /// The peer closed inside a body of known length.
    EofInBody {
        /// Bytes of the body that had come.
        received: u64,
        /// What Content-Length promised.
        expected: u64,
    },
    /// The peer closed inside a chunked body, before its last chunk.
    EofInChunkedBody {
        /// Bytes of content that had come.
        received: u64,
    },
    /// The peer closed after the last chunk, before the empty line that ends the body.
    EofInTrailers {
        /// Bytes of content that had come.
        received: u64,
    },
    /// The connection ended without an orderly close, and nothing but its end ends the body.
    EofUnclean {
        /// Bytes of content that had come.
        received: u64,
    },
    /// The request target is empty or holds a byte that would break the request line.
    RequestTarget,
    /// The host holds a byte that no authority may hold, or is empty.
    RequestHost,
    /// The request has more than one Host field.
    RequestHostRepeated,
    /// The request has a Transfer-Encoding field of the caller's own.
    RequestTransferEncoding,
    /// The request's Content-Length does not agree with its body.
    RequestContentLength,
    /// The request's Connection field has an option that does not fit the request.
    RequestConnection,
    /// The request's Expect field does not agree with what was asked for.
    RequestExpect,
    /// `100-continue` is asked for and there is no content to wait with.
    RequestExpectWithoutBody,
    /// The request's TE field asks for a coding that is not decoded here.
    RequestTe,
    /// A field that is to go after the body of the request may not stand there.
    RequestTrailer,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ProtocolError as E;
        let sentence = match *self {
            E::HeadTooLarge { limit } => {
                return write!(f, "the response's head is longer than {limit} bytes");
            }
            E::TooManyFields { limit } => {
                return write!(f, "the response's head has more than {limit} fields");
            }
            E::ControlInHead { line, byte } => {
                return write!(f, "control byte 0x{byte:02x} in line {line} of the head");
            }
            E::FieldWithoutColon { line } => {
                return write!(f, "no colon in line {line} of the head");
            }
            E::SpaceBeforeColon { line } => {
                return write!(f, "white space before the colon in line {line} of the head");
            }
            E::EmptyFieldName { line } => {
                return write!(f, "empty field name in line {line} of the head");
            }
            E::FieldName { line } => {
                return write!(f, "invalid field name in line {line} of the head");
            }
            E::TooManyInformational { limit } => {
                return write!(f, "more than {limit} interim (1xx) responses");
            }
            E::ChunkLineTooLong { limit } => {
                return write!(f, "a chunk-size line is longer than {limit} bytes");
            }
            E::ChunkExtensionsTooLong { limit } => {
                return write!(
                    f,
                    "the body's chunk extensions are longer than {limit} bytes"
                );
            }
            E::ControlInChunkExtension { byte } => {
                return write!(f, "control byte 0x{byte:02x} in a chunk extension");
            }
            E::TrailersTooLarge { limit } => {
                return write!(f, "the trailer section is longer than {limit} bytes");
            }
            E::TooManyTrailers { limit } => {
                return write!(f, "the trailer section has more than {limit} fields");
            }
            E::TrailerField { line } => {
                return write!(f, "malformed line {line} in the trailer section");
            }
            E::EofInHead { received } => {
                return write!(
                    f,
                    "the peer closed the connection in the middle of the head, after {received} bytes"
                );
            }
            E::EofInBody { received, expected } => {
                return write!(
                    f,
                    "the peer closed the connection after {received} of {expected} bytes of the body"
                );
            }
            E::EofInChunkedBody { received } => {
                return write!(
                    f,
                    "the peer closed the connection inside a chunked body, after {received} bytes of it"
                );
            }
            E::EofInTrailers { received } => {
                return write!(
                    f,
                    "the peer closed the connection between the last chunk ({received} bytes of content) and \
                     the end of the message"
                );
            }
            E::EofUnclean { received } => {
                return write!(
                    f,
                    "the connection ended without an orderly close after {received} bytes of a body that ends \
                     with the connection, so that it may have been cut off"
                );
            }
            E::NotHttp => "the peer does not answer in HTTP/1",
            E::TlsAlert => "the peer speaks TLS at this port: is its URL one of https?",
            E::UnsupportedVersion => "the response's version is neither HTTP/1.0 nor HTTP/1.1",
            E::StatusLine => "malformed status line",
            E::StatusCode => "the status code is not a number of three digits from 100 on",
            E::BareLfInHead => "a line of the head ends in LF without CR (strict mode)",
            E::FoldBeforeFirstField => "the first field line begins with white space",
            E::ContentLengthInvalid => "Content-Length is not a decimal number",
            E::ContentLengthTooLarge => "Content-Length does not fit 64 bits",
            E::ContentLengthsDiffer => "two different values of Content-Length",
            E::LengthAndTransferEncoding => "both Content-Length and Transfer-Encoding",
            E::TransferEncodingNotChunked => "Transfer-Encoding does not end in chunked",
            E::TransferEncodingRepeated => "Transfer-Encoding or its chunked coding is repeated",
            E::TransferCodingUnsupported => {
                "a transfer coding beside chunked that was not asked for"
            }
            E::TransferEncodingInHttp10 => "Transfer-Encoding in an HTTP/1.0 response",
            E::UnaskedUpgrade => "101 (switching protocols) although no upgrade was asked for",
            E::ContentOn204 => "a 204 response that announces content (strict mode)",
            E::ChunkSizeMissing => "a chunk-size line without a size",
            E::ChunkSizeInvalid => "a chunk size is not a hexadecimal number",
            E::ChunkSizeTooLong => "a chunk size has more than 16 digits",
            E::BareLfInChunk => "a chunk's line ends in LF without CR",
            E::BareCrInChunk => "a CR in a chunk's line is not followed by LF",
            E::ChunkDataUnterminated => "a chunk's data is not followed by CRLF",
            E::BareLfInTrailers => "a trailer line ends in LF without CR",
            E::FoldInTrailers => "a folded line in the trailer section",
            E::EofBeforeResponse => "the peer closed the connection before it sent a response",
            E::RequestTarget => {
                "the request target is empty, or holds white space, a control byte, a `#` or a byte that \
                 is not ASCII"
            }
            E::RequestHost => "the host is empty or holds a byte that no host may hold",
            E::RequestHostRepeated => "more than one Host field in the request",
            E::RequestTransferEncoding => {
                "Transfer-Encoding is set by the client itself; give the body without a length instead"
            }
            E::RequestContentLength => "the request's Content-Length does not agree with its body",
            E::RequestConnection => {
                "the request's Connection field may say close, keep-alive, upgrade (with an Upgrade field) \
                 or te (with a TE field), and nothing that contradicts the request"
            }
            E::RequestExpect => {
                "the request's Expect field may only say 100-continue, and only where that was asked for"
            }
            E::RequestExpectWithoutBody => "100-continue on a request that has no content",
            E::RequestTe => "the request's TE field may only say trailers",
            E::RequestTrailer => {
                "a trailer field of the request frames, routes or authenticates the message, which is too \
                 late after the body"
            }
        };
        f.write_str(sentence)
    }
}

impl std::error::Error for ProtocolError {}
