//! The body of a request.

use bytes::Bytes;

use super::codec::BodyFraming;

/// What a request sends after its head: bytes that are all there. It cannot be streamed yet.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub(super) bytes: Option<Bytes>,
}

impl Body {
    /// No body.
    pub fn empty() -> Body {
        Body::default()
    }

    /// Whether it can be sent a second time.
    pub(super) fn is_replayable(&self) -> bool {
        true
    }

    pub(super) fn framing(&self) -> BodyFraming {
        BodyFraming::Length(self.len() as u64)
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body { bytes: Some(bytes) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Body {
        Bytes::from_static(bytes).into()
    }
}
