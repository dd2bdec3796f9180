//! The fields of a head: the lines that came, and the map that is made of them when somebody asks.

use std::fmt;
use std::iter;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::fields::trim;
use super::names::{self, Names};

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
    /// The head from the status line to the empty line, folded lines joined. It is known to be well-formed.
    text: Box<[u8]>,
    names: Names,
    map: OnceLock<Box<HeaderMap>>,
}

impl Headers {
    /// The fields of the head `text`, which have these names.
    #[inline]
    pub(super) fn new(text: &[u8], names: Names) -> Headers {
        Headers {
            text: text.into(),
            names,
            map: OnceLock::new(),
        }
    }

    /// The fields as a map, which is made at the first call.
    pub fn map(&self) -> &HeaderMap {
        self.map.get_or_init(|| Box::new(self.parse()))
    }

    /// The map, to be changed. What [`first`](Self::first) and [`lines`](Self::lines) say stays as it came.
    pub fn map_mut(&mut self) -> &mut HeaderMap {
        self.map();
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
        self.raw_lines().find_map(|line| value_of(line, wanted))
    }

    /// The values of all fields of this name, as they came. No map is made for them.
    pub(in crate::http) fn all<'a>(
        &'a self,
        name: &'a HeaderName,
    ) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_str().as_bytes();
        self.raw_lines()
            .filter_map(move |line| value_of(line, name))
    }

    /// Name and value of every field as they came, in their order and their spelling.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.raw_lines().filter_map(|line| {
            let colon = memchr(b':', line)?;
            Some((&line[..colon], trim(&line[colon + 1..])))
        })
    }

    /// The head as it came, from the status line to the empty line, but for folded lines, which are joined; nothing
    /// for fields that did not come over a connection.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The field lines without their ends, and the empty line, which is the only one that has no colon.
    fn raw_lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.text[..];
        let lines = iter::from_fn(move || {
            let (line, after) = rest.split_at(memchr(b'\n', rest)? + 1);
            rest = after;
            let line = &line[..line.len() - 1];
            Some(line.strip_suffix(b"\r").unwrap_or(line))
        });
        lines.skip(1)
    }

    fn parse(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.names.count());
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

/// The value of a field line, if the field is `wanted`.
#[inline(always)]
fn value_of<'a>(line: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let (name, rest) = line.split_at_checked(wanted.len())?;
    let value = rest.strip_prefix(b":")?;
    name.eq_ignore_ascii_case(wanted).then(|| trim(value))
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
