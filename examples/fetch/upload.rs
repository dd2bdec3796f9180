//! What is sent after the head of a request.

use std::io::Seek;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;

use eyewall::fs::File;
use eyewall::http::Body;
use futures_util::{Stream, TryStreamExt, stream};

use crate::args::{Job, RequestArgs, is_stdin};
use crate::code::Failure;

/// How much is read at a time from what is no plain file.
const READ: usize = 64 << 10;

/// A longer body waits for leave to be sent.
const LONG: u64 = 1 << 20;

/// The body for a job, if it has one.
pub(crate) struct Upload {
    pub(crate) body: Option<Body>,
}

impl Upload {
    pub(crate) async fn of(args: &RequestArgs, job: &Job) -> Result<Upload, Failure> {
        let body = match (&job.upload, &args.data) {
            (Some(file), _) => Some(file_body(file, args.chunked).await?),
            (None, Some(data)) if !args.data_in_url => Some(match args.chunked {
                true => chunks_of(data.clone()),
                false => Body::from(data.clone()),
            }),
            _ => None,
        };
        Ok(Upload { body })
    }

    /// Whether to ask the server first if it wants the body.
    pub(crate) fn asks_for_leave(&self, args: &RequestArgs) -> bool {
        let refused = args
            .without
            .iter()
            .any(|name| name.eq_ignore_ascii_case("expect"));
        let data = args.data.as_ref().map(|data| data.len() as u64);
        let length = |body: &Body| body.length().or(data).unwrap_or(u64::MAX);
        let is_long = |body| args.ask_first || length(body) > LONG;
        !refused && self.body.as_ref().is_some_and(is_long)
    }
}

async fn file_body(name: &Path, chunked: bool) -> Result<Body, Failure> {
    let failed = |error| Failure::read(&name.to_string_lossy(), &error);
    if is_stdin(name) {
        let stdin = std::io::stdin();
        let mut file = std::fs::File::from(stdin.as_fd().try_clone_to_owned().map_err(failed)?);
        // A file goes on from where others have read; a pipe has no place to be at.
        let start = file.stream_position().ok();
        let file = File::from_std(file).map_err(failed)?;
        return Ok(stream_of(file, start));
    }
    let file = File::open(name).await.map_err(failed)?;
    let metadata = file.metadata().await.map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    match metadata.is_file() {
        true if chunked => Ok(file_in_chunks(file)),
        true => Body::file(file).await.map_err(failed),
        false => {
            let same = file.as_fd().try_clone_to_owned().map_err(failed)?;
            // A disk has places to read from, too, and a length that nobody tells.
            let start = std::fs::File::from(same).stream_position().ok();
            Ok(stream_of(file, start))
        }
    }
}

/// Data that goes out in chunks, again if it has to.
fn chunks_of(data: Vec<u8>) -> Body {
    Body::producer(move |mut writer| {
        let data = data.clone();
        async move { writer.write(data).await.map(drop) }
    })
}

/// A file that goes out in chunks, again if it has to.
fn file_in_chunks(file: File) -> Body {
    let file = Rc::new(file);
    Body::producer(move |mut writer| {
        let mut parts = Box::pin(parts(Rc::clone(&file), Some(0)));
        async move {
            while let Some(part) = parts.try_next().await? {
                writer.write(part).await?;
            }
            Ok::<(), std::io::Error>(())
        }
    })
}

/// What can be read from `file` to its end; from `start`, if it has places to read from.
fn stream_of(file: File, start: Option<u64>) -> Body {
    Body::stream(parts(Rc::new(file), start))
}

fn parts(file: Rc<File>, start: Option<u64>) -> impl Stream<Item = std::io::Result<Vec<u8>>> {
    stream::try_unfold((file, start), |(file, offset)| async move {
        let buffer = Vec::with_capacity(READ);
        let (result, buffer) = file.read_at(buffer, offset.unwrap_or(0)).await;
        let count = result? as u64;
        let next = offset.map(|offset| offset + count);
        Ok((count > 0).then_some((buffer, (file, next))))
    })
}
