//! What is to be fetched: URLs, and what goes with each of them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use eyewall::http::Url;
use percent_encoding::{CONTROLS, percent_encode};
use url::ParseError;

use crate::code::{self, Failure};

/// One URL, where its body goes, and what is sent to it.
pub(crate) struct Job {
    /// Counted from 0.
    pub(crate) number: usize,
    pub(crate) url: String,
    pub(crate) target: Target,
    /// A file, or `-` or `.` for the standard input.
    pub(crate) upload: Option<PathBuf>,
}

/// Where a body goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    /// The standard output, since `-` asks for it.
    Dash,
    File(PathBuf),
    /// A file with the name that the URL has.
    RemoteName,
}

impl Target {
    pub(super) fn of(path: PathBuf) -> Target {
        match path.as_os_str() == "-" {
            true => Target::Dash,
            false => Target::File(path),
        }
    }
}

/// What was given for all of them: the n-th of each belongs to the n-th URL.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) urls: Vec<String>,
    pub(super) targets: Vec<Target>,
    pub(super) uploads: Vec<PathBuf>,
    /// Where no target is given, the URL names the file.
    pub(super) all_by_name: bool,
}

impl Lists {
    /// Whether more files were given than URLs.
    pub(super) fn has_too_many(&self) -> bool {
        self.targets.len().max(self.uploads.len()) > self.urls.len()
    }

    pub(super) fn pair(self) -> Vec<Job> {
        let mut targets = self.targets.into_iter();
        let mut uploads = self.uploads.into_iter();
        let otherwise = match self.all_by_name {
            true => Target::RemoteName,
            false => Target::Stdout,
        };
        let jobs = self.urls.into_iter().enumerate();
        jobs.map(|(number, url)| Job {
            number,
            url,
            target: targets.next().unwrap_or_else(|| otherwise.clone()),
            upload: uploads.next(),
        })
        .collect()
    }
}

impl Job {
    /// The file for the body; `None` for the standard output.
    pub(crate) fn file(&self, directory: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
        let name = match &self.target {
            Target::Stdout | Target::Dash => return Ok(None),
            Target::File(path) => path.clone(),
            Target::RemoteName => match file_name(&self.url) {
                "" => {
                    let message = format!("{} names no file: say -o FILE", self.shown_url());
                    return Err(Failure::new(code::WRITE_ERROR, message));
                }
                name => name.into(),
            },
        };
        Ok(Some(match directory {
            // Where else it would be if it begins with a slash, nobody would look.
            Some(directory) => directory.join(name.strip_prefix("/").unwrap_or(&name)),
            None => name,
        }))
    }

    /// The URL as it may be shown: without the name and password that it may hold.
    pub(crate) fn shown_url(&self) -> String {
        let read = match Url::parse(&self.url) {
            Ok(url) if url.has_host() => Ok(url),
            Ok(_) | Err(ParseError::RelativeUrlWithoutBase) => {
                Url::parse(&format!("http://{}", self.url))
            }
            error => error,
        };
        match read {
            Ok(mut url) => {
                // Refused only for URLs that cannot have any.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.into()
            }
            // A password may be why it is no URL.
            Err(_) => {
                let known = self.url.rfind('@').map_or(0, |at| at + 1);
                self.url[known..].into()
            }
        }
    }

    /// The URL to fetch: with the data of -G in its query, and the name of the file that is sent behind a slash.
    pub(crate) fn full_url(&self, query: Option<&[u8]>) -> String {
        let (mut url, fragment) = match self.url.find('#') {
            Some(at) => (self.url[..at].to_string(), &self.url[at..]),
            None => (self.url.clone(), ""),
        };
        // A name in front of a password looks like a scheme.
        let first = url.find(['/', '?']).unwrap_or(url.len());
        if url[..first].contains('@') {
            url.insert_str(0, "http://");
        }
        if let Some(query) = query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&String::from_utf8_lossy(query));
        }
        if let Some(upload) = &self.upload
            && !is_stdin(upload)
            && file_name(&url).is_empty()
        {
            let end = url.find('?').unwrap_or(url.len());
            let slash = if path_start(&url) < end { "" } else { "/" };
            let name = upload.file_name().unwrap_or_default();
            let name = percent_encode(name.as_bytes(), IN_NAME);
            url.insert_str(end, &format!("{slash}{name}"));
        }
        url + fragment
    }
}

/// Whether what is sent is the standard input, by the name that -T has for it.
pub(crate) fn is_stdin(upload: &Path) -> bool {
    matches!(upload.as_os_str().as_bytes(), b"-" | b".")
}

/// What cannot stand for itself in the last part of a path.
const IN_NAME: &percent_encoding::AsciiSet =
    &CONTROLS.add(b' ').add(b'#').add(b'%').add(b'?').add(b'/');

/// The last part of a URL's path.
fn file_name(url: &str) -> &str {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let path = &url[path_start(url).min(end)..end];
    &path[path.rfind('/').map_or(0, |at| at + 1)..]
}

/// Where the path begins; the length of the URL if it has none.
fn path_start(url: &str) -> usize {
    // Further behind there may be another URL.
    let first = url.find(['/', '?', '#']).unwrap_or(url.len());
    let authority = match url[..first].ends_with(':') && url[first..].starts_with("//") {
        true => first + 2,
        false => 0,
    };
    let length = url[authority..].find('/');
    length.map_or(url.len(), |length| authority + length)
}
