//! How the content of a response ends: the decision table of RFC 9112 section 6.3, on the strict side.

use http::{StatusCode, Version};

use super::fields::FramingFields;
use super::{Framing, ProtocolError, RequestKind};

/// The framing of a response, and whether the connection may be used again after it.
///
/// The order of the rules is their meaning: what ignores the framing fields comes before they are judged,
/// and they are judged before it is asked whether there is content at all. A peer that contradicts itself
/// in a response without content is no more to be trusted than in one with it.
pub(super) fn decide(
    status: StatusCode,
    version: Version,
    fields: &FramingFields,
    request: RequestKind,
    strict: bool,
) -> Result<(Framing, bool), ProtocolError> {
    let keep_alive = !fields.close && (version == Version::HTTP_11 || fields.keep_alive);

    if status == StatusCode::SWITCHING_PROTOCOLS {
        return match request.upgrade {
            true => Ok((Framing::Tunnel, false)),
            false => Err(ProtocolError::UnaskedUpgrade),
        };
    }
    if status.is_informational() {
        return Ok((Framing::None, keep_alive));
    }
    if request.connect && status.is_success() {
        return Ok((Framing::Tunnel, false));
    }

    let framing = match (fields.transfer, fields.length) {
        (Some(_), Some(_)) => return Err(ProtocolError::LengthAndTransferEncoding),
        (Some(_), None) if version != Version::HTTP_11 => {
            return Err(ProtocolError::TransferEncodingInHttp10);
        }
        (Some(transfer), None) => {
            transfer?;
            Framing::Chunked
        }
        (None, Some(length)) => Framing::Length(length?),
        (None, None) => Framing::UntilClose,
    };

    if status == StatusCode::NO_CONTENT {
        // Where content is announced, one may also follow, and would be read as the next response.
        let announced = !matches!(framing, Framing::UntilClose | Framing::Length(0));
        if announced && strict {
            return Err(ProtocolError::ContentOn204);
        }
        return Ok((Framing::None, keep_alive && !announced));
    }
    if request.head || status == StatusCode::NOT_MODIFIED {
        return Ok((Framing::None, keep_alive));
    }
    Ok((framing, keep_alive && framing != Framing::UntilClose))
}
