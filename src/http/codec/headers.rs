//! The fields of a head: the lines that came, and the map that is made of them when somebody asks.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::index::{Index, Line, Names};
use super::names;

/// The most fields of one head. More than a `HeaderMap` holds of different names cannot be shown.
pub(super) const MAX_FIELDS: usize = 16 * 1024;

/// The longest name that `http` takes.
pub(super) const MAX_NAME: usize = (1 << 16) - 1;

/// The fields of a head, in their order.
///
/// They are kept as the lines that came, and become a [`HeaderMap`] when one is first asked for: most
/// exchanges need one or two fields, and [`first`](Self::first) finds those without it. Everything that a
/// `HeaderMap` can do goes through dereferencing; all values of one name stand under that name.
///
/// ```
/// use eyewall::http::codec::{Event, Limits, RequestKind, ResponseDecoder};
///
/// let mut decoder = ResponseDecoder::new(Limits::default(), RequestKind::default());
/// let step = decoder.decode(b"HTTP/1.1 204 No Content\r\nX-One: 1\r\nx-one: 2\r\n\r\n")?;
/// let Event::Head(head) = step.event else { panic!("{step:?}") };
/// assert_eq!(head.headers["x-one"], "1");
/// assert_eq!(head.headers.get_all("x-one").iter().count(), 2);
/// # Ok::<(), eyewall::http::ProtocolError>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    /// One [`Line`] for each field, then the text of the head, folded lines joined. One block holds both,
    /// because a head is made for every exchange.
    bytes: Box<[u8]>,
    count: usize,
    names: Names,
    map: OnceLock<Box<HeaderMap>>,
}

impl Headers {
    /// The fields of the head `text` that are in `index`.
    #[inline]
    pub(super) fn new(text: &[u8], index: &Index) -> Headers {
        Headers {
            bytes: index.with(text),
            count: index.count(),
            names: index.names(),
            map: OnceLock::new(),
        }
    }

    /// The fields as a map, which is made at the first call.
    pub fn map(&self) -> &HeaderMap {
        self.map.get_or_init(|| Box::new(self.parse()))
    }

    /// The map, to be changed. What [`first`](Self::first) and [`lines`](Self::lines) say stays as it came.
    pub fn map_mut(&mut self) -> &mut HeaderMap {
        if self.map.get().is_none() {
            self.map = OnceLock::from(Box::new(self.parse()));
        }
        match self.map.get_mut() {
            Some(map) => map,
            None => unreachable!("the map has been set just now"),
        }
    }

    /// The map for good.
    pub fn into_map(mut self) -> HeaderMap {
        match self.map.take() {
            Some(map) => *map,
            None => self.parse(),
        }
    }

    /// The value of the first field of this name, as it came. No map is made for it.
    #[inline]
    pub fn first(&self, name: &HeaderName) -> Option<&[u8]> {
        let name = name.as_str().as_bytes();
        match self.names.may_have(name) {
            true => self.find(name),
            false => None,
        }
    }

    fn find(&self, wanted: &[u8]) -> Option<&[u8]> {
        let (lines, text) = self.halves();
        let (_, value) = lines
            .filter(|line| line.name_len() == wanted.len())
            .map(|line| (line.name(text), line.value(text)))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(value)
    }

    /// Name and value of every field as they came, in their order and their spelling.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (lines, text) = self.halves();
        lines.map(|line| (line.name(text), line.value(text)))
    }

    /// The head as it came, from the status line to the empty line, but for folded lines, which are joined; nothing
    /// for fields that did not come over a connection.
    pub fn text(&self) -> &[u8] {
        self.halves().1
    }

    fn halves(&self) -> (impl Iterator<Item = Line>, &[u8]) {
        let (lines, text) = self.bytes.split_at(self.count * Line::SIZE);
        let (lines, _) = lines.as_chunks();
        (lines.iter().map(Line::from_bytes), text)
    }

    fn parse(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.count);
        for (name, value) in self.lines() {
            let (Ok(name), Ok(value)) = (names::parse(name), HeaderValue::from_bytes(value)) else {
                debug_assert!(false, "a name or value was let pass that http refuses");
                continue;
            };
            map.append(name, value);
        }
        map
    }
}

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        self.map()
    }
}

impl DerefMut for Headers {
    fn deref_mut(&mut self) -> &mut HeaderMap {
        self.map_mut()
    }
}

impl From<Headers> for HeaderMap {
    fn from(headers: Headers) -> HeaderMap {
        headers.into_map()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.map() == other.map()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map().fmt(f)
    }
}
